"""LZF, the compression of long strings in Redis's serialised forms.

The format (liblzf): a control byte below 32 announces so many literal bytes plus one. Otherwise its
upper three bits are the length of a repetition minus two (7: a byte with the rest follows), its
lower five and the next byte the distance minus one.

`compress` finds what liblzf 3.6 finds, compiled as Redis has it (HLOG 16, VERY_FAST): the same
table of places by a hash of three bytes, the same places entered after a repetition. So its output
is the same byte by byte, which makes dumps comparable. The table is made once: a place is entered
with a base on top that no earlier text reached, so what they left is told from what is valid.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter
from librt.vecs import append, vec
from mypy_extensions import i64, u8

_HASH_BITS: Final = 16
_HASH_MASK: Final = 0xFFFF
_LITERALS_MAX: Final = 32
_DISTANCE_MAX: Final = 1 << 13
_REPETITION_MAX: Final = (1 << 8) + (1 << 3)
_UNROLLED: Final = 16  # bytes that the original compares without looking at the length
_BYTEWISE_MAX: Final = 24  # a copy of fewer bytes is faster one by one than as an object


class DamagedError(ValueError):
    """Compressed data that no compressor writes."""


class _Places:
    """Where each hash of three bytes was seen last, plus the base of the text it was seen in."""

    def __init__(self) -> None:
        table = vec[i64]()
        for _ in range(1 << _HASH_BITS):
            table = append(table, -1)
        self.table = table
        self.base: i64 = 0


_PLACES: Final = _Places()


def _repetition(data: bytes, earlier: i64, i: i64) -> i64:
    """Return how many bytes at i repeat those at `earlier`, where three do."""
    length: i64 = 2
    limit: i64 = min(i64(len(data)) - i - 2, _REPETITION_MAX)
    if limit > _UNROLLED:
        while length < 2 + _UNROLLED:
            length += 1
            if data[earlier + length] != data[i + length]:
                return length
    length += 1
    while length < limit and data[earlier + length] == data[i + length]:
        length += 1
    return length


def compress(data: bytes, size_max: int) -> bytes | None:
    """Return `data` compressed, None where that takes more than `size_max` bytes.

    Complexity: O(length).
    """
    end: i64 = len(data)
    limit: i64 = size_max
    if end == 0 or limit == 0:
        return None
    places = _PLACES.table
    base = _PLACES.base
    _PLACES.base = base + end
    out = BytesWriter()
    size: i64 = 1  # of the output with the control byte of the literals that wait
    first: i64 = 0  # of the literals that wait
    i: i64 = 0
    window: i64 = _three(data, 0) >> 8 if end > 2 else 0
    while i < end - 2:
        byte: i64 = data[i + 2]
        window = ((window << 8) | byte) & 0xFFFFFF
        slot = _slot(window)
        earlier: i64 = places[slot] - base
        places[slot] = base + i
        distance: i64 = i - earlier - 1
        if (
            earlier > 0
            and distance < _DISTANCE_MAX
            and data[earlier + 2] == data[i + 2]
            and data[earlier] == data[i]
            and data[earlier + 1] == data[i + 1]
        ):
            if size + 4 >= limit and size - (1 if first == i else 0) + 4 >= limit:
                return None
            _put_literals(out, data, first, i)
            length = _repetition(data, earlier, i) - 2
            if length < 7:
                out.append(u8((distance >> 8) + (length << 5)))
            else:
                out.append(u8((distance >> 8) + (7 << 5)))
                out.append(u8(length - 7))
            out.append(u8(distance & 255))
            size = len(out) + 1
            i += length + 2
            first = i
            if i >= end - 2:
                break
            places[_slot(_three(data, i - 2))] = base + i - 2
            window = _three(data, i - 1)
            places[_slot(window)] = base + i - 1
        else:
            if size >= limit:
                return None
            i += 1
            size += 1
            if i - first == _LITERALS_MAX:
                _put_literals(out, data, first, i)
                first = i
                size += 1
    if size + 3 > limit:
        return None
    while i < end:
        i += 1
        if i - first == _LITERALS_MAX:
            _put_literals(out, data, first, i)
            first = i
    _put_literals(out, data, first, end)
    return out.getvalue()


def _three(data: bytes, i: i64) -> i64:
    """Return the three bytes at i as a number."""
    b0: i64 = data[i]
    b1: i64 = data[i + 1]
    b2: i64 = data[i + 2]
    return (b0 << 16) | (b1 << 8) | b2


def _slot(window: i64) -> i64:
    """Return the place in the table for three bytes."""
    return ((window >> 8) - window * 5) & _HASH_MASK


def _put_literals(out: BytesWriter, data: bytes, first: i64, behind: i64) -> None:
    if behind > first:
        out.append(u8(behind - first - 1))
        if behind - first < _BYTEWISE_MAX:
            while first < behind:
                out.append(data[first])
                first += 1
        else:
            out.write(data[first:behind])


def decompress(data: bytes, size: int) -> bytes:
    """Return what was compressed, `size` bytes. DamagedError: it is not of that size."""
    out = BytesWriter()
    limit: i64 = size
    end: i64 = len(data)
    i: i64 = 0
    while i < end:
        control: i64 = data[i]
        i += 1
        if control < 32:
            behind: i64 = i + control + 1
            if behind > end:
                raise DamagedError("literals beyond the end")
            if control < _BYTEWISE_MAX:
                while i < behind:
                    out.append(data[i])
                    i += 1
            else:
                out.write(data[i:behind])
                i = behind
        else:
            length: i64 = control >> 5
            if length == 7:
                if i >= end:
                    raise DamagedError("no length")
                length += i64(data[i])
                i += 1
            if i >= end:
                raise DamagedError("no distance")
            start: i64 = len(out) - (((control & 31) << 8) | i64(data[i])) - 1
            i += 1
            if start < 0:
                raise DamagedError("a distance before the beginning")
            # Byte by byte: what is repeated may be what is being appended.
            behind = start + length + 2
            while start < behind:
                out.append(out[start])
                start += 1
        if len(out) > limit:
            raise DamagedError("more than was announced")
    if len(out) != limit:
        raise DamagedError("less than was announced")
    return out.getvalue()
