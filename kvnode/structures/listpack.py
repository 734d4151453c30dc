"""Redis's listpack layout, read and rebuilt inside immutable bytes.

A listpack is a 4-byte total size, a 2-byte element count (65535: unknown), the entries and an
end byte 0xFF. An entry is its encoding (a lead byte, perhaps more), its data, and its own size
once more in 7-bit groups so that it can be read from behind. All functions take the bytes and
the offset `base` at which the listpack begins in them, so the tag in front of a packed value
never has to be cut off.

The encoding of an element is determined by the element (the shortest one), and foreign bytes are
taken apart and built anew. So a search compares lead bytes first, and the lead byte of a short
string holds its length: a miss reads one byte per entry and creates no object.
"""

from typing import Final

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_le,
    read_i64_le,
    write_i32_le,
    write_i64_le,
)
from mypy_extensions import i32, i64, u8

HEADER_SIZE: Final = 6
END: Final = 0xFF
EMPTY: Final = b"\x07\x00\x00\x00\x00\x00\xff"
COUNT_UNKNOWN: Final = 65535

_STRING_12: Final = 0xE0
_STRING_32: Final = 0xF0
_INTEGER_16: Final = 0xF1
_INTEGER_24: Final = 0xF2
_INTEGER_32: Final = 0xF3
_INTEGER_64: Final = 0xF4

_DECIMALS: Final[list[bytes]] = [str(i).encode() for i in range(128)]
_SMALL_ENTRIES: Final[list[bytes]] = [bytes([i, 1]) for i in range(128)]
_BYTES: Final[list[bytes]] = [bytes([i]) for i in range(256)]


# --- elements -------------------------------------------------------------------------------------


def canonical_integer(element: bytes) -> tuple[bool, i64]:
    """Say whether the element is the canonical text of a 64-bit integer, and which one."""
    size: i64 = len(element)
    if size == 0 or size > 20:
        return False, 0
    at: i64 = 0
    digit: i64 = element[0]
    negative = digit == 0x2D
    if negative:
        if size == 1:
            return False, 0
        at = 1
        digit = element[1]
    digit -= 0x30
    if digit < 0 or digit > 9 or size - at > 19:
        return False, 0
    if digit == 0:
        return size == 1, 0
    # The value is built below zero, where the range is one wider.
    value: i64 = -digit
    at += 1
    while at < size:
        digit = element[at]
        digit -= 0x30
        if digit < 0 or digit > 9:
            return False, 0
        if value <= -922337203685477580 and (value < -922337203685477580 or digit > 8):
            return False, 0
        value = value * 10 - digit
        at += 1
    if negative:
        return True, value
    if value + 9223372036854775807 < 0:
        return False, 0
    return True, -value


def encode(element: bytes) -> bytes:
    """Return the whole entry of an element: encoding, data and size at its end."""
    size: i64 = len(element)
    if size <= 20:
        is_integer, value = canonical_integer(element)
        if is_integer:
            return encode_integer(value)
    if size < 64:
        return b"%b%b%b" % (_BYTES[0x80 | size], element, _BYTES[size + 1])
    writer = BytesWriter()
    head: i64 = 2
    if size < 4096:
        writer.append(u8(_STRING_12 | (size >> 8)))
        writer.append(u8(size & 0xFF))
    else:
        writer.append(_STRING_32)
        write_i32_le(writer, i32(size))
        head = 5
    writer.write(element)
    _write_backlen(writer, head + size)
    return writer.getvalue()


def encode_integer(value: i64) -> bytes:
    """Return the whole entry of an integer in the shortest encoding."""
    if 0 <= value < 128:
        return _SMALL_ENTRIES[value]
    lead = _integer_lead(value)
    low = _BYTES[value & 0xFF]
    if lead < _STRING_12:
        return b"%b%b%b" % (_BYTES[lead], low, _BYTES[2])
    middle = _BYTES[(value >> 8) & 0xFF]
    if lead == _INTEGER_16:
        return b"%b%b%b%b" % (_BYTES[lead], low, middle, _BYTES[3])
    high = _BYTES[(value >> 16) & 0xFF]
    if lead == _INTEGER_24:
        return b"%b%b%b%b%b" % (_BYTES[lead], low, middle, high, _BYTES[4])
    if lead == _INTEGER_32:
        top = _BYTES[(value >> 24) & 0xFF]
        return b"%b%b%b%b%b%b" % (_BYTES[lead], low, middle, high, top, _BYTES[5])
    writer = BytesWriter()
    writer.append(u8(lead))
    write_i64_le(writer, value)
    writer.append(9)
    return writer.getvalue()


def write_element(writer: BytesWriter, element: bytes) -> None:
    """Append the whole entry of an element; what `encode` returns."""
    size: i64 = len(element)
    if size >= 64:
        writer.write(encode(element))
        return
    if size <= 20:
        is_integer, value = canonical_integer(element)
        if is_integer:
            write_integer(writer, value)
            return
    writer.append(u8(0x80 | size))
    writer.write(element)
    writer.append(u8(size + 1))


def write_integer(writer: BytesWriter, value: i64) -> None:
    """Append the whole entry of an integer; what `encode_integer` returns."""
    if 0 <= value < 128:
        writer.append(u8(value))
        writer.append(1)
    elif -4096 <= value < 4096:
        writer.append(u8(0xC0 | ((value >> 8) & 0x1F)))
        writer.append(u8(value & 0xFF))
        writer.append(2)
    else:
        writer.write(encode_integer(value))


def integer_size(value: i64) -> i64:
    """Return the size of an integer's whole entry."""
    if 0 <= value < 128:
        return 2
    if -4096 <= value < 4096:
        return 3
    return len(encode_integer(value))


def _integer_lead(value: i64) -> i64:
    """Return the first byte of an integer's entry."""
    if 0 <= value < 128:
        return value
    if -4096 <= value < 4096:
        return 0xC0 | ((value >> 8) & 0x1F)
    if -32768 <= value < 32768:
        return _INTEGER_16
    if -8388608 <= value < 8388608:
        return _INTEGER_24
    if -2147483648 <= value < 2147483648:
        return _INTEGER_32
    return _INTEGER_64


def _backlen_size(size: i64) -> i64:
    """Return how many bytes the size at the end of an entry takes."""
    if size <= 127:
        return 1
    if size < 16383:
        return 2
    if size < 2097151:
        return 3
    if size < 268435455:
        return 4
    return 5


def _write_backlen(writer: BytesWriter, size: i64) -> None:
    """Write an entry's size in 7-bit groups, the highest first; all but that one are marked."""
    group: i64 = _backlen_size(size) - 1
    shift: i64 = group * 7
    writer.append(u8((size >> shift) & 0x7F))
    while group > 0:
        group -= 1
        shift = group * 7
        writer.append(u8(((size >> shift) & 0x7F) | 0x80))


# --- walking --------------------------------------------------------------------------------------


def count(data: bytes, base: i64) -> i64:
    """Return the number of elements. O(1) below 65535 elements."""
    low: i64 = data[base + 4]
    high: i64 = data[base + 5]
    known: i64 = low | (high << 8)
    if known != COUNT_UNKNOWN:
        return known
    total: i64 = 0
    offset: i64 = base + HEADER_SIZE
    while data[offset] != END:
        total += 1
        offset = next_entry(data, offset)
    return total


def first(data: bytes, base: i64) -> i64:
    """Return the offset of the first entry, or of the end byte when there is none."""
    return base + HEADER_SIZE


def is_end(data: bytes, offset: i64) -> bool:
    """Say whether the offset is that of the end byte."""
    return data[offset] == END


def next_entry(data: bytes, offset: i64) -> i64:
    """Return the offset behind the entry at `offset`: of the next entry or of the end byte."""
    lead: i64 = data[offset]
    if lead < 0x80:
        return offset + 2
    if lead < 0xC0:
        return offset + (lead & 0x3F) + 2
    if lead < 0xE0:
        return offset + 3
    if _INTEGER_16 <= lead <= _INTEGER_32:  # scores, mostly
        return offset + lead - (_INTEGER_16 - 4)
    size = _body_size(data, offset, lead)
    return offset + size + _backlen_size(size)


def previous_entry(data: bytes, base: i64, offset: i64) -> i64:
    """Return the offset of the entry before `offset`, or -1 when there is none."""
    if offset == base + HEADER_SIZE:
        return -1
    at: i64 = offset - 1
    size: i64 = 0
    shift: i64 = 0
    while True:
        group: i64 = data[at]
        size |= (group & 0x7F) << shift
        if group < 0x80:
            return at - size
        shift += 7
        at -= 1


def seek(data: bytes, base: i64, index: i64) -> i64:
    """Return the offset of the entry at an index that is in range. O(index)."""
    offset: i64 = base + HEADER_SIZE
    while index > 0:
        offset = next_entry(data, offset)
        index -= 1
    return offset


def _body_size(data: bytes, offset: i64, lead: i64) -> i64:
    """Return the size of encoding and data of the entry at `offset`, whose lead is given."""
    if lead < 0x80:
        return 1
    if lead < 0xC0:
        return (lead & 0x3F) + 1
    if lead < 0xE0:
        return 2
    if lead < _STRING_32:
        low: i64 = data[offset + 1]
        return ((lead & 0x0F) << 8) + low + 2
    if lead == _STRING_32:
        return _size_32(data, offset + 1) + 5
    if lead == _INTEGER_64:
        return 9
    if lead < _INTEGER_64:
        return lead - _INTEGER_16 + 3
    raise ValueError("listpack entry of an unknown encoding")


def _size_32(data: bytes, offset: i64) -> i64:
    """Read a 4-byte little-endian size."""
    value = i64(read_i32_le(data, offset))
    return value & 0xFFFFFFFF


# --- reading --------------------------------------------------------------------------------------


def get(data: bytes, offset: i64) -> bytes:
    """Return the element at `offset`; an integer as its decimal text."""
    lead: i64 = data[offset]
    if lead < 0x80:
        return _DECIMALS[lead]
    if lead < 0xC0:
        return data[offset + 1 : offset + 1 + (lead & 0x3F)]
    if lead == _STRING_32:
        return data[offset + 5 : offset + 5 + _size_32(data, offset + 1)]
    if _STRING_12 <= lead < _STRING_32:
        return data[offset + 2 : offset + _body_size(data, offset, lead)]
    return str(_integer_at(data, offset, lead)).encode()


def is_integer(data: bytes, offset: i64) -> bool:
    """Say whether the entry at `offset` is an integer."""
    lead: i64 = data[offset]
    return lead < 0x80 or 0xC0 <= lead < _STRING_12 or _INTEGER_16 <= lead <= _INTEGER_64


def get_integer(data: bytes, offset: i64) -> i64:
    """Return the integer at `offset`, where it is known that one stands there."""
    lead: i64 = data[offset]
    return lead if lead < 0x80 else _integer_at(data, offset, lead)


def get_score(data: bytes, offset: i64) -> float:
    """Return the element at `offset` as a number: the score of a sorted set's member."""
    lead: i64 = data[offset]
    if lead < 0x80 or 0xC0 <= lead < 0xE0 or lead > _STRING_32:
        return float(_integer_at(data, offset, lead))
    return float(get(data, offset))


def _integer_at(data: bytes, offset: i64, lead: i64) -> i64:
    """Return the value of the integer entry at `offset`, whose lead is given."""
    if lead < 0x80:
        return lead
    if lead < 0xE0:
        low: i64 = data[offset + 1]
        low |= (lead & 0x1F) << 8
        return low - 8192 if low >= 4096 else low
    if lead == _INTEGER_16:
        return i64(read_i16_le(data, offset + 1))
    if lead == _INTEGER_24:
        low = i64(read_i16_le(data, offset + 1))
        high: i64 = data[offset + 3]
        return (low & 0xFFFF) | ((high - 256 if high >= 128 else high) << 16)
    if lead == _INTEGER_32:
        return i64(read_i32_le(data, offset + 1))
    return read_i64_le(data, offset + 1)


def find(data: bytes, base: i64, element: bytes, skip: i64) -> i64:
    """Return the offset of the entry equal to `element`, or -1. O(n), no object per entry.

    Looks at every (skip + 1)-th entry, beginning with the first.
    """
    size: i64 = len(element)
    is_integer = False
    value: i64 = 0
    if size <= 20:
        is_integer, value = canonical_integer(element)
    lead: i64
    if is_integer:
        lead = _integer_lead(value)
    elif size < 64:
        lead = 0x80 | size
    elif size < 4096:
        lead = _STRING_12 | (size >> 8)
    else:
        lead = _STRING_32
    offset: i64 = base + HEADER_SIZE
    while True:
        found: i64 = data[offset]
        if found == lead:
            if is_integer:
                if _integer_at(data, offset, lead) == value:
                    return offset
            elif lead < 0xC0:
                if _equal(data, offset + 1, element, size):
                    return offset
            elif _long_equal(data, offset, lead, element, size):
                return offset
        elif found == END:
            return -1
        left: i64 = skip
        while True:
            if found < 0x80:
                offset += 2
            elif found < 0xC0:
                offset += (found & 0x3F) + 2
            else:
                offset = next_entry(data, offset)
            if left == 0:
                break
            left -= 1
            found = data[offset]


def _long_equal(data: bytes, offset: i64, lead: i64, element: bytes, size: i64) -> bool:
    """Say whether the entry of a string of 64 bytes or more is equal to `element`."""
    head: i64 = 5 if lead == _STRING_32 else 2
    if _body_size(data, offset, lead) != size + head:
        return False
    return _equal(data, offset + head, element, size)


def _equal(data: bytes, offset: i64, element: bytes, size: i64) -> bool:
    """Say whether `size` bytes at `offset` are those of `element`."""
    at: i64 = 0
    if size >= 8:
        # Words from the front, then the last eight bytes, which may overlap.
        last: i64 = size - 8
        while at < last:
            if read_i64_le(data, offset + at) != read_i64_le(element, at):
                return False
            at += 8
        return read_i64_le(data, offset + last) == read_i64_le(element, last)
    # Short names of one kind tend to differ at their end.
    at = size - 1
    while at >= 0:
        if data[offset + at] != element[at]:
            return False
        at -= 1
    return True


def entries(data: bytes, base: i64) -> list[bytes]:
    """Return all elements in order."""
    result: list[bytes] = []
    offset: i64 = base + HEADER_SIZE
    while data[offset] != END:
        result.append(get(data, offset))
        offset = next_entry(data, offset)
    return result


# --- building -------------------------------------------------------------------------------------


def replace(
    data: bytes, base: i64, offset: i64, n_removed_entries: i64, new_entries: bytes, n_new: i64
) -> bytes:
    """Return the bytes with entries at `offset` replaced by encoded new ones.

    The one splice under insert (nothing removed), delete (nothing new), overwrite and append
    (`offset` at the end byte). What stands before `base` stays.
    """
    end: i64 = offset
    left: i64 = n_removed_entries
    while left > 0:
        end = next_entry(data, end)
        left -= 1
    size: i64 = len(new_entries)
    if n_removed_entries == n_new and end - offset == size:
        return b"%b%b%b" % (data[:offset], new_entries, data[end:])
    writer = BytesWriter()
    writer.write(data[:offset])
    writer.write(new_entries)
    writer.write(data[end:])
    _patch_header(writer, base, count(data, base) + n_new - n_removed_entries)
    return writer.getvalue()


def _patch_header(writer: BytesWriter, base: i64, total: i64) -> None:
    """Write size and element count over the header at `base`."""
    size: i64 = len(writer) - base
    if total > COUNT_UNKNOWN:
        total = COUNT_UNKNOWN
    writer[base] = u8(size & 0xFF)
    writer[base + 1] = u8((size >> 8) & 0xFF)
    writer[base + 2] = u8((size >> 16) & 0xFF)
    writer[base + 3] = u8((size >> 24) & 0xFF)
    writer[base + 4] = u8(total & 0xFF)
    writer[base + 5] = u8(total >> 8)


def build(prefix: bytes, elements: list[bytes]) -> bytes:
    """Return the prefix and behind it a listpack of the elements."""
    writer = BytesWriter()
    writer.write(prefix)
    writer.write(EMPTY[:HEADER_SIZE])
    for element in elements:
        write_element(writer, element)
    writer.append(END)
    _patch_header(writer, len(prefix), len(elements))
    return writer.getvalue()


# --- foreign bytes --------------------------------------------------------------------------------


def validate(data: bytes, base: i64) -> None:
    """Raise ValueError unless the bytes from `base` to their end are a sound listpack. O(n)."""
    end: i64 = len(data) - 1
    if end < base + HEADER_SIZE or _size_32(data, base) != end + 1 - base:
        raise ValueError("listpack of a wrong size")
    if data[end] != END:
        raise ValueError("listpack without an end")
    offset: i64 = base + HEADER_SIZE
    total: i64 = 0
    while offset < end:
        lead: i64 = data[offset]
        if lead == END or (lead == _STRING_32 and end - offset < 5):
            raise ValueError("listpack that ends early")
        size = _body_size(data, offset, lead)
        following: i64 = offset + size + _backlen_size(size)
        if following > end:
            raise ValueError("listpack entry beyond the end")
        if not _has_backlen(data, offset + size, size):
            raise ValueError("listpack entry with a wrong size behind it")
        offset = following
        total += 1
    known: i64 = data[base + 4]
    high: i64 = data[base + 5]
    known |= high << 8
    if known not in (total, COUNT_UNKNOWN):
        raise ValueError("listpack with a wrong element count")


def _has_backlen(data: bytes, at: i64, size: i64) -> bool:
    """Say whether an entry's size stands at its end as `_write_backlen` writes it."""
    if size <= 127:
        return data[at] == size
    writer = BytesWriter()
    _write_backlen(writer, size)
    return data[at : at + len(writer)] == writer.getvalue()
