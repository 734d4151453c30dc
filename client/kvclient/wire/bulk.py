"""Large payloads on a connection of their own, sans-IO: requests in pieces, replies read in place.

The ordinary path copies a payload about four times: into the writer's buffer, out of it, into
hiredis, and out of hiredis in slices of 64 KiB. Here a request is a list of buffers that the kernel
gathers, and what comes is received straight into one large buffer that is used again and again; a
payload is looked at where it lies. Whoever keeps it copies it, or decompresses it: once.

Rejected: a buffer for each payload, received into directly. It spares that copy (25 µs of 600 for
1 MiB), costs a system call more for each block and page faults for each buffer, and a payload that
is kept would keep its buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mypy_extensions import i64

from kvclient.errors import ProtocolError, ReplyError, reply_error
from kvclient.wire.channel import INCOMPLETE

ROOM_BYTES: Final = 5 << 18
"""Room for a block of 1 MiB and what follows: less of what was received leaves the caches again."""
_OWN_PIECE_BYTES: Final = 16384
"""Words of so many bytes are sent from where they lie; smaller ones are joined first."""
_LINE_BYTES_MAX: Final = 1 << 16
_BLOCK_FIELDS: Final = 5
_CRLF: Final = b"\r\n"

Word = bytes | memoryview | tuple[bytes, bytes]
"""In two pieces, the first of them small, where a large word has a prefix that is not joined."""
Block = tuple[int, int, int, int, memoryview]
"""Map, attempt, seq, checksum, payload."""


def pieces_of(words: Sequence[Word]) -> list[bytes | memoryview]:
    """Return a request as buffers to send one after another; large words are not copied."""
    pieces: list[bytes | memoryview] = []
    small: list[bytes | memoryview] = [b"*%d\r\n" % len(words)]
    for word in words:
        body: bytes | memoryview
        if isinstance(word, tuple):
            prefix, body = word
            small.append(b"$%d\r\n" % (len(prefix) + len(body)))
            small.append(prefix)
        else:
            body = word
            small.append(b"$%d\r\n" % len(body))
        if len(body) >= _OWN_PIECE_BYTES:
            pieces.append(b"".join(small))
            pieces.append(body)
            small = [_CRLF]
        else:
            small.append(body)
            small.append(_CRLF)
    pieces.append(b"".join(small))
    return pieces


class BulkReader:
    """The replies of one connection, read from one buffer.

    Receive into `room()`, tell `received(n)`, then ask for what must come next: each method returns
    INCOMPLETE, and takes nothing, until all of it is there.
    """

    def __init__(self, room_bytes: i64 = ROOM_BYTES) -> None:
        self._buffer = bytearray(room_bytes)
        self._receive_bytes_min: i64 = room_bytes >> 4
        self._view = memoryview(self._buffer)
        self._start: i64 = 0
        self._end: i64 = 0
        self._needed: i64 = 0  # of what comes next, as far as it is known
        self._value: Any = None

    def room(self) -> memoryview:
        """Return where to receive; what `block` returned before is lost by that."""
        have: i64 = self._end - self._start
        if have == 0:
            self._start = self._end = 0
        size: i64 = len(self._buffer)
        wanted: i64 = max(self._needed - have, 0) + self._receive_bytes_min
        if size - self._end < wanted and self._start > 0:
            self._view[:have] = self._view[self._start : self._end]
            self._start = 0
            self._end = have
        if size - self._end < wanted:
            grown = bytearray(have + wanted)
            grown[:have] = self._view[:have]
            self._buffer = grown
            self._view = memoryview(grown)
        return self._view[self._end :]

    def received(self, count: i64) -> None:
        """So many bytes were received into `room()`."""
        self._end += count

    def is_full(self) -> bool:
        """Is there more than a payload's worth that nobody has taken yet?"""
        full: i64 = len(self._buffer) - self._receive_bytes_min
        return self._end - self._start >= max(self._needed, full)

    def reply(self) -> Any:
        """Return a reply without elements, an error as a value; of an array its length."""
        stop = self._scalar(self._start)
        if stop < 0:
            return INCOMPLETE
        self._start = stop
        return self._value

    def opening(self) -> Any:
        """Return how a FETCH's reply begins: how many blocks, and the next cursor; or an error.

        That is all that the next FETCH depends on, which may be sent while the blocks still come.
        """
        at = self._scalar(self._start)
        if at < 0:
            return INCOMPLETE
        count = self._value
        if not isinstance(count, ReplyError):
            at = self._scalar(at)
            if at < 0:
                return INCOMPLETE
            cursor = self._value
            if not isinstance(count, int) or not isinstance(cursor, (bytes, int)):
                raise ProtocolError(f"a reply to FETCH begins with {count!r}, {cursor!r}"[:200])
            self._start = at
            return (count - 1, b"%d" % cursor if isinstance(cursor, int) else cursor)
        self._start = at
        return count

    def block(self) -> Any:
        """Return the next Block of a FETCH's reply; its payload is good until `room()`."""
        have: i64 = self._end - self._start
        if have < self._needed:
            return INCOMPLETE
        at: i64 = self._start
        fields: list[Any] = []
        for _ in range(_BLOCK_FIELDS):
            at = self._scalar(at)
            if at < 0:
                return INCOMPLETE
            fields.append(self._value)
        line = self._line(at)
        if line is None:
            return INCOMPLETE
        begin: i64 = at + len(line) + 2
        if line[:1] != b"$" or fields[0] != _BLOCK_FIELDS:
            raise ProtocolError(f"a reply to FETCH has a block {fields!r}, {line!r}"[:200])
        size: i64 = _number(line[1:])
        if size < 0:
            raise ProtocolError(f"a reply to FETCH has a block of {size} bytes")
        stop: i64 = begin + size
        if stop + 2 > self._end:
            self._needed = stop + 2 - self._start
            return INCOMPLETE
        self._needed = 0
        self._start = stop + 2
        payload = self._view[begin:stop].toreadonly()
        map, attempt, seq, checksum = fields[1:]
        return (_number(map), _number(attempt), _number(seq), _number(checksum), payload)

    def _scalar(self, at: i64) -> i64:
        """Read what is at `at` into `_value`; return where it ends, -1 if that is not there yet."""
        line = self._line(at)
        if line is None:
            return -1
        kind, text = line[:1], line[1:]
        stop: i64 = at + len(line) + 2
        if kind == b":" or kind == b"*" or kind == b"(":
            self._value = _number(text)
        elif kind == b"$":
            size: i64 = _number(text)
            if size < 0:
                self._value = None
                return stop
            if stop + size + 2 > self._end:
                return -1
            self._value = bytes(self._view[stop : stop + size])
            stop += size + 2
        elif kind == b"+":
            self._value = text
        elif kind == b"-":
            self._value = reply_error(text.decode("utf-8", "replace"))
        elif kind == b"_":
            self._value = None
        else:
            raise ProtocolError(f"a reply begins with {line[:40]!r}")
        return stop

    def _line(self, at: i64) -> bytes | None:
        stop: i64 = self._buffer.find(_CRLF, at, min(self._end, at + _LINE_BYTES_MAX))
        if stop < 0:
            if self._end - at >= _LINE_BYTES_MAX:
                raise ProtocolError("a reply has no end of its line")
            return None
        return bytes(self._view[at:stop])


def _number(text: Any) -> int:
    try:
        return int(text)
    except (TypeError, ValueError):
        raise ProtocolError(f"a reply has {text!r} in the place of a number"[:200]) from None
