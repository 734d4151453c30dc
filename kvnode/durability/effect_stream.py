"""The log of effects as bytes: what the append-only file holds and followers are sent.

An effect is a deterministic command as a RESP array. `SELECT` stands before the first one of
another database, and effects that belong together stand between MULTI and EXEC. Both the file and
the followers get the same bytes, encoded once; what concerns the followers alone (PING, PUBLISH)
is put between by `tell_followers`.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64

from kvnode.dispatch import EffectLog
from kvnode.replication.history import History
from kvnode.structures.bulk_strings import CRLF, bulk_header

_UNKNOWN: Final = -1
_MULTI: Final = b"*1\r\n$5\r\nMULTI\r\n"
_EXEC: Final = b"*1\r\n$4\r\nEXEC\r\n"
_ARRAYS: Final[list[bytes]] = [b"*%d\r\n" % n for n in range(256)]


def write_request(out: BytesWriter, argv: list[bytes]) -> None:
    """Append a request as a RESP array."""
    count: i64 = len(argv)
    out.write(_ARRAYS[count] if count < 256 else b"*%d\r\n" % count)
    for word in argv:
        out.write(bulk_header(len(word)))
        out.write(word)
        out.write(CRLF)


def request_bytes(argv: list[bytes]) -> bytes:
    """Return a request as a RESP array."""
    out = BytesWriter()
    write_request(out, argv)
    return out.getvalue()


@final
class EffectStream(EffectLog):
    """Takes effects from the dispatcher, and hands their bytes on.

    `offset` counts the bytes of effects since the node's start; a session remembers it to know how
    far its own writes reach.
    """

    def __init__(self, history: History) -> None:
        self.offset: i64 = 0
        self.is_filed = False  # whether a file takes the bytes
        self.is_followed = False  # whether they belong to the history that followers are sent
        self._history = history
        self._handed_on: i64 = 0  # the offset up to which bytes were handed on
        self._database: i64 = _UNKNOWN
        self._out = BytesWriter()
        self._for_file: list[bytes] = []

    def forget_database(self) -> None:
        """Have the next effect say its database: it is the first in a file, or for a follower."""
        self._database = _UNKNOWN

    def append(self, database: int, block: list[list[bytes]]) -> None:
        """Take the effects of one command; more than one belong together."""
        out = self._out
        self._select(database)
        together = len(block) > 1
        if together:
            out.write(_MULTI)
        for argv in block:
            write_request(out, argv)
        if together:
            out.write(_EXEC)
        self.offset = self._handed_on + len(out)

    def append_transaction(self, entries: list[tuple[int, list[bytes]]]) -> None:
        """Take the effects of one EXEC or script as one unit; each names its database."""
        out = self._out
        together = len(entries) > 1
        self._select(entries[0][0])
        if together:
            out.write(_MULTI)
        for database, argv in entries:
            self._select(database)
            write_request(out, argv)
        if together:
            out.write(_EXEC)
        self.offset = self._handed_on + len(out)

    def hand_on(self) -> None:
        """Give what has come to the file and to the followers."""
        if self.offset == self._handed_on:
            return
        data = self._out.getvalue()
        self._out = BytesWriter()
        self._handed_on = self.offset
        if self.is_filed:
            self._for_file.append(data)
        if self.is_followed:
            self._history.append(data)

    def tell_followers(self, argv: list[bytes]) -> None:
        """Say something to the followers that changes no data, behind the effects so far."""
        self.hand_on()
        if self.is_followed:
            self._history.append(request_bytes(argv))

    def is_empty(self) -> bool:
        """Return whether nothing has come for the file since the last `take`."""
        return self.offset == self._handed_on and not self._for_file

    def take(self) -> bytes:
        """Return the bytes that have come for the file since the last call."""
        self.hand_on()
        pieces = self._for_file
        self._for_file = []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _select(self, database: i64) -> None:
        if database != self._database:
            self._database = database
            write_request(self._out, [b"SELECT", b"%d" % database])
