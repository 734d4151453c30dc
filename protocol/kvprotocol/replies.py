"""Reply values and the one writer that turns them into RESP2 or RESP3.

A handler returns plain Python values (bytes, int, None, float, bool, list, dict, set) or one of the
small types below, where RESP has a distinction that Python values lack. The same values serve EXEC,
tests and the embedded engine.

Source: the RESP2 and RESP3 specifications; the forms of doubles and nils are those of Redis 7.0.
"""

from typing import Final, TypeAlias, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from kvprotocol.numbers import format_double

Reply: TypeAlias = object

CRLF: Final = b"\r\n"
CHUNK_BYTES_MIN: Final = 16384  # from here on a bulk is handed on as a chunk of its own, not copied
_KEEP_BYTES_MAX: Final = 65536  # a larger output buffer is given back after it was flushed


@final
@mypyc_attr(acyclic=True)
class Prepared:
    """A constant reply in both encodings."""

    def __init__(self, resp2: bytes, resp3: bytes) -> None:
        self.resp2 = resp2
        self.resp3 = resp3


@final
class Simple:
    """A simple string, such as a type name."""

    def __init__(self, text: bytes) -> None:
        self.text = text


@final
class ErrorReply:
    """An error as a value: inside an EXEC array, or returned where nothing has to be unwound."""

    def __init__(self, message: str) -> None:
        self.message = message


@final
class Verbatim:
    """Text for people: a verbatim string in RESP3, a bulk string in RESP2."""

    def __init__(self, text: bytes, form: bytes = b"txt") -> None:
        self.text = text
        self.form = form


@final
class Pairs:
    """A flat list of keys and values: a map in RESP3, an array in RESP2."""

    def __init__(self, items: list[bytes] | list[Reply]) -> None:
        self.items: object = items


@final
class Members:
    """A list without repeats: a set in RESP3, an array in RESP2."""

    def __init__(self, items: list[bytes] | list[Reply]) -> None:
        self.items: object = items


@final
class Rows:
    """A flat list of pairs: an array of two-element arrays in RESP3, a flat array in RESP2."""

    def __init__(self, items: list[Reply]) -> None:
        self.items = items


@final
class Table:
    """A flat list of names and contents: a map in RESP3, an array of pairs in RESP2."""

    def __init__(self, items: list[Reply]) -> None:
        self.items = items


@final
class Push:
    """An out-of-band message: a push in RESP3, an array in RESP2."""

    def __init__(self, items: list[Reply]) -> None:
        self.items = items


@final
class BigNumber:
    """An integer of any size: a big number in RESP3, a bulk string in RESP2."""

    def __init__(self, text: bytes) -> None:
        self.text = text


@final
class DoubleText:
    """A double in digits of its own: a double in RESP3, a bulk string in RESP2."""

    def __init__(self, text: bytes) -> None:
        self.text = text


@final
class WithAttribute:
    """A reply behind an attribute map, which RESP2 leaves out."""

    def __init__(self, attribute: Pairs, reply: Reply) -> None:
        self.attribute = attribute
        self.reply = reply


@final
class EncodedArray:
    """An array of `count` elements in wire form already: bulk strings, and arrays of such."""

    def __init__(self, count: i64, chunks: list[bytes]) -> None:
        self.count = count
        self.chunks = chunks


OK: Final = Prepared(b"+OK\r\n", b"+OK\r\n")
PONG: Final = Prepared(b"+PONG\r\n", b"+PONG\r\n")
QUEUED: Final = Prepared(b"+QUEUED\r\n", b"+QUEUED\r\n")
NIL_ARRAY: Final = Prepared(b"*-1\r\n", b"_\r\n")
NO_REPLY: Final = Prepared(b"", b"")


def _headers(mark: bytes) -> list[bytes]:
    return [b"%s%d\r\n" % (mark, n) for n in range(1024)]


_BULKS: Final = _headers(b"$")
_ARRAYS: Final = _headers(b"*")
_INTEGERS: Final = _headers(b":")
_TABLE_SIZE: Final = 1024


# A number is written three digits at a time: one division and one copy for each three.
_SHORT: Final = [b"%d" % n for n in range(1000)]
_PADDED: Final = [b"%03d" % n for n in range(1000)]


def write_decimal(out: BytesWriter, value: i64) -> None:
    """Append the decimal text of `value`."""
    if 0 <= value < 1000:
        out.write(_SHORT[value])
    elif value > 0:
        thousands = value // 1000
        write_decimal(out, thousands)
        out.write(_PADDED[value - thousands * 1000])
    elif value > -1000000000000000000:
        out.write(b"-")
        write_decimal(out, -value)
    else:
        out.write(b"%d" % value)


@final
class ReplyWriter:
    """One connection's encoder: replies go in, chunks of bytes come out in order.

    `protocol` is 2 or 3. `size()` counts the bytes that were written and not yet taken.
    """

    def __init__(self, protocol: i64 = 2) -> None:
        self.protocol: i64 = protocol
        self.out = BytesWriter()
        self.chunks: list[bytes] = []
        self.chunk_bytes: i64 = 0

    def size(self) -> i64:
        return self.chunk_bytes + len(self.out)

    def take(self) -> bytes:
        """Return everything written so far as one bytes object; for outputs without chunks."""
        data = self.out.getvalue()
        if len(data) > _KEEP_BYTES_MAX:
            self.out = BytesWriter()
        else:
            self.out.truncate(0)
        return data

    def take_chunks(self) -> list[bytes]:
        """Return everything written so far as chunks and forget it."""
        if len(self.out):
            self.chunks.append(self.take())
        chunks = self.chunks
        self.chunks = []
        self.chunk_bytes = 0
        return chunks

    def raw(self, data: bytes) -> None:
        """Append bytes that are in wire form already."""
        if len(data) < CHUNK_BYTES_MIN:
            self.out.write(data)
        else:
            self._chunk(data)

    def _chunk(self, data: bytes) -> None:
        if len(self.out):
            head = self.take()
            self.chunks.append(head)
            self.chunk_bytes += len(head)
        self.chunks.append(data)
        self.chunk_bytes += len(data)

    def bulk(self, value: bytes) -> None:
        """Write a bulk string."""
        out = self.out
        length: i64 = len(value)
        if length < _TABLE_SIZE:
            out.write(_BULKS[length])
            out.write(value)
        else:
            self._count(b"$", length)
            if length < CHUNK_BYTES_MIN:
                out.write(value)
            else:
                self._chunk(value)
                out = self.out
        out.write(CRLF)

    def integer(self, value: i64) -> None:
        if 0 <= value < _TABLE_SIZE:
            self.out.write(_INTEGERS[value])
        else:
            self._count(b":", value)

    def array(self, count: i64) -> None:
        """Write the head of an array; its elements follow."""
        if count < _TABLE_SIZE:
            self.out.write(_ARRAYS[count])
        else:
            self._count(b"*", count)

    def error(self, message: str) -> None:
        """Write an error line; `message` begins with its code."""
        out = self.out
        out.write(b"-")
        text = message.encode("utf-8", "surrogateescape")
        if b"\r" in text or b"\n" in text:
            text = text.replace(b"\r", b" ").replace(b"\n", b" ")
        out.write(text)
        out.write(CRLF)

    def write(self, reply: Reply) -> None:
        """Write any reply value."""
        if isinstance(reply, bytes):
            self.bulk(reply)
        elif isinstance(reply, Prepared):
            self.out.write(reply.resp2 if self.protocol == 2 else reply.resp3)
        elif isinstance(reply, bool):
            if self.protocol == 2:
                self.out.write(b":1\r\n" if reply else b":0\r\n")
            else:
                self.out.write(b"#t\r\n" if reply else b"#f\r\n")
        elif isinstance(reply, int):
            self.integer(i64(reply))
        elif reply is None:
            self.out.write(b"$-1\r\n" if self.protocol == 2 else b"_\r\n")
        elif isinstance(reply, list):
            self.array(len(reply))
            for item in reply:
                self.write(item)
        elif isinstance(reply, EncodedArray):
            self.array(reply.count)
            for chunk in reply.chunks:
                self.raw(chunk)
        else:
            self._write_other(reply)

    def _write_other(self, reply: Reply) -> None:
        if isinstance(reply, float):
            self._double(reply)
        elif isinstance(reply, Simple):
            self._line(b"+", reply.text)
        elif isinstance(reply, ErrorReply):
            self.error(reply.message)
        elif isinstance(reply, Pairs):
            self._flat(b"%", reply.items, 2)
        elif isinstance(reply, Members):
            self._flat(b"~", reply.items, 1)
        elif isinstance(reply, Push):
            self._flat(b">", reply.items, 1)
        elif isinstance(reply, Rows):
            self._rows(reply.items)
        elif isinstance(reply, Table):
            if self.protocol == 3:
                self._flat(b"%", reply.items, 2)
            else:
                self._pairs(reply.items)
        elif isinstance(reply, dict):
            items: list[Reply] = []
            for key, value in reply.items():
                items.append(key)
                items.append(value)
            self._flat(b"%", items, 2)
        elif isinstance(reply, (set, frozenset)):
            self._flat(b"~", list(reply), 1)
        elif isinstance(reply, bytearray):
            self.bulk(bytes(reply))
        elif isinstance(reply, Verbatim):
            self._verbatim(reply)
        elif isinstance(reply, BigNumber):
            if self.protocol == 2:
                self.bulk(reply.text)
            else:
                self._line(b"(", reply.text)
        elif isinstance(reply, DoubleText):
            if self.protocol == 2:
                self.bulk(reply.text)
            else:
                self._line(b",", reply.text)
        elif isinstance(reply, WithAttribute):
            if self.protocol == 3:
                self._flat(b"|", reply.attribute.items, 2)
            self.write(reply.reply)
        else:
            raise TypeError(f"not a reply value: {type(reply).__name__}")

    def _count(self, mark: bytes, count: i64) -> None:
        out = self.out
        out.write(mark)
        write_decimal(out, count)
        out.write(CRLF)

    def _line(self, mark: bytes, text: bytes) -> None:
        self.out.write(mark)
        self.out.write(text)
        self.out.write(CRLF)

    def _double(self, value: float) -> None:
        if self.protocol == 2:
            self.bulk(format_double(value))
        else:
            self._line(b",", format_double(value))

    def _flat(self, mark: bytes, items: object, width: i64) -> None:
        assert isinstance(items, list)
        if self.protocol == 2:
            self.array(len(items))
        else:
            self._count(mark, len(items) // width)
        for item in items:
            self.write(item)

    def _rows(self, items: list[Reply]) -> None:
        if self.protocol == 2:
            self.write(items)
        else:
            self._pairs(items)

    def _pairs(self, items: list[Reply]) -> None:
        count: i64 = len(items) // 2
        self.array(count)
        row: i64 = 0
        while row < count:
            self.out.write(b"*2\r\n")
            self.write(items[row * 2])
            self.write(items[row * 2 + 1])
            row += 1

    def _verbatim(self, reply: Verbatim) -> None:
        if self.protocol == 2:
            self.bulk(reply.text)
            return
        self._count(b"=", len(reply.text) + 4)
        self.out.write(reply.form)
        self.out.write(b":")
        self.out.write(reply.text)
        self.out.write(CRLF)
