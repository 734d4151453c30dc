"""Redis's intset layout, read and rebuilt inside immutable bytes.

An intset is the 4-byte width of its integers (2, 4 or 8), their 4-byte number, and the integers
in ascending order, all little-endian. An integer that does not fit widens all of them; removing
it does not narrow them again. As with listpacks, `base` is the offset at which the intset begins.
"""

from typing import Final

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_le,
    read_i64_le,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)
from mypy_extensions import i16, i32, i64

HEADER_SIZE: Final = 8
EMPTY: Final = b"\x02\x00\x00\x00\x00\x00\x00\x00"
COUNT_MAX: Final = 1 << 27  # beyond it sizes come near 32 bits, whatever the thresholds say


def count(data: bytes, base: i64) -> i64:
    """Return the number of integers. O(1)."""
    return i64(read_i32_le(data, base + 4))


def at(data: bytes, base: i64, index: i64) -> i64:
    """Return the integer at an index that is in range. O(1)."""
    return _read(data, base + HEADER_SIZE, data[base], index)


def find(data: bytes, base: i64, value: i64) -> i64:
    """Return the index of `value`, or -1 - the index where it would be inserted. O(log n)."""
    width: i64 = data[base]
    start: i64 = base + HEADER_SIZE
    low: i64 = 0
    high: i64 = count(data, base) - 1
    while low <= high:
        middle: i64 = (low + high) >> 1
        found = _read(data, start, width, middle)
        if found == value:
            return middle
        if found < value:
            low = middle + 1
        else:
            high = middle - 1
    return -1 - low


def contains(data: bytes, base: i64, value: i64) -> bool:
    """Say whether `value` is there. O(log n)."""
    return find(data, base, value) >= 0


def add(data: bytes, base: i64, value: i64) -> bytes:
    """Return the bytes with `value` inserted, or the same object when it is there. O(n)."""
    index = find(data, base, value)
    if index >= 0:
        return data
    index = -1 - index
    width: i64 = data[base]
    number: i64 = count(data, base)
    start: i64 = base + HEADER_SIZE
    writer = BytesWriter()
    if _width_of(value) <= width:
        offset: i64 = start + index * width
        writer.write(data[: base + 4])
        write_i32_le(writer, i32(number + 1))
        writer.write(data[start:offset])
        _write(writer, width, value)
        writer.write(data[offset:])
        return writer.getvalue()
    # A value too wide for the others is less than all of them or greater.
    writer.write(data[:base])
    new_width = _width_of(value)
    write_i32_le(writer, i32(new_width))
    write_i32_le(writer, i32(number + 1))
    if value < 0:
        _write(writer, new_width, value)
    for i in range(number):
        _write(writer, new_width, _read(data, start, width, i))
    if value > 0:
        _write(writer, new_width, value)
    return writer.getvalue()


def remove_at(data: bytes, base: i64, index: i64) -> bytes:
    """Return the bytes without the integer at an index that is in range. O(n)."""
    width: i64 = data[base]
    start: i64 = base + HEADER_SIZE
    offset: i64 = start + index * width
    writer = BytesWriter()
    writer.write(data[: base + 4])
    write_i32_le(writer, i32(count(data, base) - 1))
    writer.write(data[start:offset])
    writer.write(data[offset + width :])
    return writer.getvalue()


def remove(data: bytes, base: i64, value: i64) -> bytes:
    """Return the bytes without `value`, or the same object when it is not there. O(n)."""
    index = find(data, base, value)
    return remove_at(data, base, index) if index >= 0 else data


def members(data: bytes, base: i64) -> list[bytes]:
    """Return the decimal texts of all integers in ascending order."""
    width: i64 = data[base]
    start: i64 = base + HEADER_SIZE
    return [str(_read(data, start, width, i)).encode() for i in range(count(data, base))]


def build(prefix: bytes, values: list[int]) -> bytes:
    """Return the prefix and behind it an intset of 64-bit integers given in any order."""
    ordered = sorted(set(values))
    width: i64 = 2
    for value in ordered:
        wanted = _width_of(value)
        if wanted > width:
            width = wanted
    writer = BytesWriter()
    writer.write(prefix)
    write_i32_le(writer, i32(width))
    write_i32_le(writer, i32(len(ordered)))
    for value in ordered:
        _write(writer, width, value)
    return writer.getvalue()


def validate(data: bytes, base: i64) -> None:
    """Raise ValueError unless the bytes from `base` to their end are a sound intset. O(n)."""
    size: i64 = len(data) - base - HEADER_SIZE
    if size < 0:
        raise ValueError("intset without a header")
    width = i64(read_i32_le(data, base))
    if width not in (2, 4, 8):
        raise ValueError("intset of an unknown width")
    number = count(data, base)
    if number < 0 or number * width != size:
        raise ValueError("intset of a wrong size")
    for i in range(1, number):
        if at(data, base, i - 1) >= at(data, base, i):
            raise ValueError("intset out of order")


def _width_of(value: i64) -> i64:
    """Return the bytes that an integer needs: 2, 4 or 8."""
    if -32768 <= value < 32768:
        return 2
    if -2147483648 <= value < 2147483648:
        return 4
    return 8


def _read(data: bytes, start: i64, width: i64, index: i64) -> i64:
    """Read the integer at an index behind the header."""
    if width == 2:
        return i64(read_i16_le(data, start + index * 2))
    if width == 4:
        return i64(read_i32_le(data, start + index * 4))
    return read_i64_le(data, start + index * 8)


def _write(writer: BytesWriter, width: i64, value: i64) -> None:
    """Append an integer that fits the width."""
    if width == 2:
        write_i16_le(writer, i16(value))
    elif width == 4:
        write_i32_le(writer, i32(value))
    else:
        write_i64_le(writer, value)
