"""The log of effects as bytes: what the append-only file holds and followers are sent.

An effect is a deterministic command as a RESP array. `SELECT` stands before the first one of
another database, and effects that belong together stand between MULTI and EXEC. `offset` counts the
bytes since the log began; it is where a follower says it stands.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64

from kvnode.dispatch import EffectLog
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


@final
class EffectStream(EffectLog):
    """Takes effects from the dispatcher; `take` hands out the bytes that have come since."""

    def __init__(self) -> None:
        self.offset: i64 = 0
        self._taken: i64 = 0  # the offset up to which bytes were handed out
        self._database: i64 = _UNKNOWN
        self._out = BytesWriter()

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
        self.offset = self._taken + len(out)

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
        self.offset = self._taken + len(out)

    def is_empty(self) -> bool:
        """Return whether nothing has come since the last `take`."""
        return self.offset == self._taken

    def take(self) -> bytes:
        """Return the bytes that have come since the last call."""
        data = self._out.getvalue()
        self._out = BytesWriter()
        self._taken = self.offset
        return data

    def _select(self, database: i64) -> None:
        if database != self._database:
            self._database = database
            write_request(self._out, [b"SELECT", b"%d" % database])
