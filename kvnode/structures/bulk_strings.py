"""Byte strings in wire form: concatenated RESP bulk strings in one bytes object.

`$5\\r\\nhello\\r\\n$3\\r\\nfoo\\r\\n` is both how lists keep their elements and what LRANGE
replies, in RESP2 and RESP3. Everything here trusts its input: only `encode` and its siblings write
this form.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i32_le
from mypy_extensions import i64

LARGE_BYTES: Final = 8176
"""Elements longer than this are passed on, not copied into a larger object."""

CRLF: Final = b"\r\n"
HEADERS: Final[list[bytes]] = [b"$%d\r\n" % n for n in range(1024)]


def bulk_header(size: i64) -> bytes:
    """Return the `$<size>\\r\\n` that opens a bulk string."""
    if size < 1024:
        return HEADERS[size]
    return b"$%d\r\n" % size


def encode_element(element: bytes) -> bytes:
    """Return `element` as a bulk string."""
    return b"%b%b\r\n" % (bulk_header(len(element)), element)


def encode(elements: list[bytes]) -> bytes:
    """Return `elements` as concatenated bulk strings."""
    writer = BytesWriter()
    for element in elements:
        writer.write(bulk_header(len(element)))
        writer.write(element)
        writer.write(CRLF)
    return writer.getvalue()


def append_encoded(chunks: list[bytes], elements: list[bytes]) -> None:
    """Append `elements` as bulk strings to `chunks`, large elements without copying them."""
    writer = BytesWriter()
    for element in elements:
        writer.write(bulk_header(len(element)))
        if len(element) > LARGE_BYTES:
            chunks.append(writer.getvalue())
            chunks.append(element)
            writer = BytesWriter()
        else:
            writer.write(element)
        writer.write(CRLF)
    chunks.append(writer.getvalue())


def content_start(data: bytes, at: i64) -> i64:
    """Return where the content of the bulk string at `at` begins."""
    at += 3
    while data[at] != 10:
        at += 1
    return at + 1


def skip(data: bytes, at: i64, count: i64) -> i64:
    """Return the offset behind `count` bulk strings that begin at `at`; O(count)."""
    word: i64
    size: i64
    while count > 0:
        # The shortest bulk string has six bytes, so four can always be read at once: "$", and up
        # to three of the digits and the carriage return (13) behind them.
        word = i64(read_i32_le(data, at))
        if (word >> 16) & 255 == 13:
            at += ((word >> 8) & 255) - 42
        elif (word >> 24) & 255 == 13:
            at += ((word >> 8) & 255) * 10 + ((word >> 16) & 255) - 521
        else:
            size = 0
            at += 1
            while data[at] != 13:
                size = size * 10 + i64(data[at]) - 48
                at += 1
            at += size + 4
        count -= 1
    return at


def decode(data: bytes, base: i64) -> list[bytes]:
    """Return the elements of the bulk strings in `data` from offset `base` to its end."""
    return decode_count(data, base, len(data))


def decode_count(data: bytes, base: i64, count: i64) -> list[bytes]:
    """Return at most `count` elements of the bulk strings in `data` from offset `base` on."""
    elements: list[bytes] = []
    at = base
    end: i64 = len(data)
    word: i64
    following: i64
    while at < end and count > 0:
        word = i64(read_i32_le(data, at))
        if (word >> 16) & 255 == 13:
            following = at + ((word >> 8) & 255) - 42
            at += 4
        elif (word >> 24) & 255 == 13:
            following = at + ((word >> 8) & 255) * 10 + ((word >> 16) & 255) - 521
            at += 5
        else:
            following = skip(data, at, 1)
            at = content_start(data, at)
        elements.append(data[at : following - 2])
        at = following
        count -= 1
    return elements


def element_at(data: bytes, at: i64) -> bytes:
    """Return the element of the bulk string at `at`."""
    start = content_start(data, at)
    return data[start : skip(data, at, 1) - 2]


def matches(data: bytes, base: i64, wire: bytes, index: i64) -> list[int]:
    """Return the indexes of the bulk strings in `data` that equal `wire`, ascending.

    `base` is the offset of the first bulk string and `index` its index. The first four bytes of a
    bulk string and the last four before its end tell nearly all others apart (a walk with both is
    two to five times as fast as `bytes.find`, which would also have to be aligned).
    """
    found: list[int] = []
    at = base
    size: i64 = len(wire)
    last: i64 = len(data) - size
    head: i64 = i64(read_i32_le(wire, 0))
    tail: i64 = i64(read_i32_le(wire, size - 6))
    word: i64
    while at <= last:
        word = i64(read_i32_le(data, at))
        if word == head and i64(read_i32_le(data, at + size - 6)) == tail:
            if data[at : at + size] == wire:
                found.append(index)
        if (word >> 16) & 255 == 13:
            at += ((word >> 8) & 255) - 42
        elif (word >> 24) & 255 == 13:
            at += ((word >> 8) & 255) * 10 + ((word >> 16) & 255) - 521
        else:
            at = skip(data, at, 1)
        index += 1
    return found


def cut(data: bytes, base: i64, removed: list[int], index: i64) -> bytes:
    """Return the bulk strings in `data` from `base` on without those of these ascending indexes.

    The bulk string at `base` has the index `index`.
    """
    parts: list[bytes] = []
    at = base
    for hit in removed:
        stop = skip(data, at, hit - index)
        parts.append(data[at:stop])
        at = skip(data, stop, 1)
        index = hit + 1
    parts.append(data[at:])
    return b"".join(parts)
