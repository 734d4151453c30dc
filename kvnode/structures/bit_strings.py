"""Counting, finding and combining the bits of byte strings; bit 0 is the highest of byte 0.

The work goes 64 bits at a time over `bytes`, whose words compiled code reads natively; a bytearray
is seen in copies of a block that stays in the processor's cache. Measured at 8 MB: this counts in
0.13 ns a byte and joins two strings in 0.6 ns a byte; as big integers they take 0.6 ns a byte for
each conversion (`int.from_bytes`, `to_bytes`), of which joining needs three.
"""

from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from mypy_extensions import i64

AND: Final = 1
OR: Final = 2
XOR: Final = 3
NOT: Final = 4

_BLOCK: Final = 16384
_BYTE_ONES: Final = bytes([n.bit_count() for n in range(256)])
# Every second bit, every second pair, nibble and byte.
_BITS: Final = 0x5555555555555555
_PAIRS: Final = 0x3333333333333333
_NIBBLES: Final = 0x0F0F0F0F0F0F0F0F
_BYTES: Final = 0x00FF00FF00FF00FF
_FOLDED: Final = 10  # so many times three words add up to less than 256 in every byte


def count_ones(data: bytes | bytearray, start: i64, end: i64) -> i64:
    """Return the number of set bits in the bytes from `start` up to `end`."""
    if isinstance(data, bytes):
        return _count_ones(data, start, end)
    total: i64 = 0
    view = memoryview(data)
    while start < end:
        stop = start + _BLOCK
        if stop > end:
            stop = end
        total += _count_ones(bytes(view[start:stop]), 0, stop - start)
        start = stop
    view.release()
    return total


def _count_ones(data: bytes, i: i64, end: i64) -> i64:
    """Count three words at a time: the third gives its bits to the pairs of the other two."""
    total: i64 = 0
    bits: i64 = _BITS  # a local: mypyc keeps constants from 2**62 on as objects
    while end - i >= 24 * _FOLDED:
        sums: i64 = 0
        stop = i + 24 * _FOLDED
        while i < stop:
            a = read_i64_le(data, i)
            b = read_i64_le(data, i + 8)
            c = read_i64_le(data, i + 16)
            a = a - ((a >> 1) & bits) + (c & bits)
            b = b - ((b >> 1) & bits) + ((c >> 1) & bits)
            a = (a & _PAIRS) + ((a >> 2) & _PAIRS) + (b & _PAIRS) + ((b >> 2) & _PAIRS)
            sums += (a & _NIBBLES) + ((a >> 4) & _NIBBLES)
            i += 24
        # A sum of bytes may fill the highest bit, so it is taken apart before it is added up.
        sums = (sums & _BYTES) + ((sums >> 8) & _BYTES)
        sums += sums >> 16
        sums += sums >> 32
        total += sums & 0xFFFF
    while i < end:
        total += _BYTE_ONES[data[i]]
        i += 1
    return total


def first_bit(data: bytes | bytearray, bit: i64, start: i64, end: i64) -> i64:
    """Return the position of the first `bit` in the bytes from `start` up to `end`, or -1.

    The position counts from the string's first bit.
    """
    if isinstance(data, bytes):
        return _first_bit(data, bit, start, end)
    found: i64 = -1
    view = memoryview(data)
    while start < end and found < 0:
        stop = start + _BLOCK
        if stop > end:
            stop = end
        found = _first_bit(bytes(view[start:stop]), bit, 0, stop - start)
        if found >= 0:
            found += start << 3
        start = stop
    view.release()
    return found


def _first_bit(data: bytes, bit: i64, i: i64, end: i64) -> i64:
    flip: i64 = 0 if bit else -1
    while i + 8 <= end and read_i64_le(data, i) == flip:
        i += 8
    while i < end:
        value: i64 = data[i]
        value = (value ^ flip) & 0xFF
        if value:
            position = i << 3
            while not value & 0x80:
                value <<= 1
                position += 1
            return position
        i += 1
    return -1


def combine(operation: i64, sources: list[bytes | bytearray], size: i64) -> bytearray:
    """Return the bits of all sources joined, or of the one source inverted.

    `size` is the length in bytes of the longest source; shorter ones count as padded with zeros.
    """
    result = bytearray(size)
    writer = BytesWriter()
    start: i64 = 0
    while start < size:
        stop = start + _BLOCK
        if stop > size:
            stop = size
        block = _part(sources[0], start, stop)
        if operation == NOT:
            block = _inverted(block, writer)
        for source in sources[1:]:
            block = _joined(operation, block, _part(source, start, stop), writer)
        result[start:stop] = block
        start = stop
    return result


def _part(source: bytes | bytearray, start: i64, stop: i64) -> bytes:
    """Return the bytes from `start` up to `stop`, padded with zeros."""
    part = bytes(source[start:stop])
    missing = stop - start - len(part)
    return part + bytes(missing) if missing > 0 else part


def _inverted(block: bytes, writer: BytesWriter) -> bytes:
    writer.truncate(0)
    size: i64 = len(block)
    i: i64 = 0
    while i + 8 <= size:
        write_i64_le(writer, ~read_i64_le(block, i))
        i += 8
    while i < size:
        writer.append(255 - block[i])
        i += 1
    return writer.getvalue()


def _joined(operation: i64, first: bytes, second: bytes, writer: BytesWriter) -> bytes:
    writer.truncate(0)
    size: i64 = len(first)
    i: i64 = 0
    if operation == AND:
        while i + 8 <= size:
            write_i64_le(writer, read_i64_le(first, i) & read_i64_le(second, i))
            i += 8
    elif operation == OR:
        while i + 8 <= size:
            write_i64_le(writer, read_i64_le(first, i) | read_i64_le(second, i))
            i += 8
    else:
        while i + 8 <= size:
            write_i64_le(writer, read_i64_le(first, i) ^ read_i64_le(second, i))
            i += 8
    while i < size:
        a: i64 = first[i]
        b: i64 = second[i]
        if operation == AND:
            a &= b
        elif operation == OR:
            a |= b
        else:
            a ^= b
        writer.append(int(a))
        i += 1
    return writer.getvalue()


def read_bits(data: bytes | bytearray, offset: int, bits: int) -> int:
    """Return `bits` bits (at most 64) from bit `offset` on as a number; zeros beyond the end."""
    first = offset >> 3
    end = (offset + bits + 7) >> 3
    part = bytes(data[first:end])
    number = int.from_bytes(part, "big") << 8 * (end - first - len(part))
    return (number >> (8 * end - offset - bits)) & ((1 << bits) - 1)


def write_bits(data: bytearray, offset: int, bits: int, value: int) -> None:
    """Set `bits` bits from bit `offset` on, which must exist, to the low bits of `value`."""
    first = offset >> 3
    end = (offset + bits + 7) >> 3
    shift = 8 * end - offset - bits
    mask = ((1 << bits) - 1) << shift
    number = int.from_bytes(data[first:end], "big") & ~mask | ((value << shift) & mask)
    data[first:end] = number.to_bytes(end - first, "big")
