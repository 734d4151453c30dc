"""Layouts that Redis wrote before version 7: ziplists, and the zipmaps of version 2.4.

A ziplist has a 10-byte header (size, offset of the last entry, count: 65535 is unknown), entries,
and an end byte 0xFF. An entry begins with the size of the one before it (1 byte, or 254 and 4
more); then come a lead byte and its data. A zipmap is a count, then field, value, field, value:
each a size (1 byte, or 254 and 4 more) and its data; behind a value's size stands how many bytes
behind its data are unused.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i16_le, read_i32_be, read_i32_le, read_i64_le
from mypy_extensions import i64

from kvnode.rdb.lzf import DamagedError

_END: Final = 0xFF
_LARGE: Final = 254
_HEADER_SIZE: Final = 10
_COUNT_UNKNOWN: Final = 65535
_INTEGER_16: Final = 0xC0
_INTEGER_32: Final = 0xD0
_INTEGER_64: Final = 0xE0
_INTEGER_24: Final = 0xF0
_INTEGER_8: Final = 0xFE
_SMALL_FIRST: Final = 0xF1  # 0 to 12 in the lead byte itself
_SMALL_LAST: Final = 0xFD
_INTEGER_SIZES: Final = {
    _INTEGER_16: 2,
    _INTEGER_32: 4,
    _INTEGER_64: 8,
    _INTEGER_24: 3,
    _INTEGER_8: 1,
}


def ziplist_entries(data: bytes) -> list[bytes]:
    """Return all elements. DamagedError: it is no ziplist."""
    end: i64 = len(data) - 1
    if end < _HEADER_SIZE or _unsigned_32(data, 0) != end + 1 or data[end] != _END:
        raise DamagedError("a ziplist of a wrong size")
    elements: list[bytes] = []
    at: i64 = _HEADER_SIZE
    last: i64 = at
    before: i64 = 0
    while at < end:
        last = at
        if data[at] < _LARGE:
            size: i64 = data[at]
            at += 1
        else:
            _require(at + 5 <= end)
            size = _unsigned_32(data, at + 1)
            at += 5
        _require(size == before and at < end)
        at = _read_entry(data, at, end, elements)
        before = at - last
    known: i64 = i64(read_i16_le(data, 8)) & 0xFFFF
    _require(known in (len(elements), _COUNT_UNKNOWN) and _unsigned_32(data, 4) == last)
    return elements


def _read_entry(data: bytes, at: i64, end: i64, elements: list[bytes]) -> i64:
    """Append the element whose lead byte is at `at`; return where the next entry begins."""
    lead: i64 = data[at]
    if lead >= _INTEGER_16:
        return _read_integer(data, at, end, elements)
    size = lead & 0x3F
    if lead >= 0x80:
        _require(at + 5 <= end)
        size = i64(read_i32_be(data, at + 1)) & 0xFFFFFFFF
        at += 5
    elif lead >= 0x40:
        _require(at + 2 <= end)
        size = (size << 8) | i64(data[at + 1])
        at += 2
    else:
        at += 1
    _require(at + size <= end)
    elements.append(data[at : at + size])
    return at + size


def _read_integer(data: bytes, at: i64, end: i64, elements: list[bytes]) -> i64:
    lead: int = data[at]
    at += 1
    if _SMALL_FIRST <= lead <= _SMALL_LAST:
        elements.append(b"%d" % (lead - _SMALL_FIRST))
        return at
    size: i64 = _INTEGER_SIZES.get(lead, 0)
    _require(size > 0 and at + size <= end)
    value: i64
    if size == 8:
        value = read_i64_le(data, at)
    elif size == 4:
        value = i64(read_i32_le(data, at))
    elif size == 2:
        value = i64(read_i16_le(data, at))
    else:
        value = i64(int.from_bytes(data[at : at + size], "little", signed=True))
    elements.append(b"%d" % value)
    return at + size


def zipmap_entries(data: bytes) -> list[bytes]:
    """Return field, value, field, value... DamagedError: it is no zipmap."""
    end: i64 = len(data) - 1
    if end < 1 or data[end] != _END:
        raise DamagedError("a zipmap without an end")
    elements: list[bytes] = []
    at: i64 = 1
    while at < end:
        size: i64 = data[at]
        if size < _LARGE:
            at += 1
        else:
            _require(size == _LARGE and at + 5 <= end)
            size = _unsigned_32(data, at + 1)
            at += 5
        unused: i64 = 0
        if len(elements) % 2:
            _require(at < end)
            unused = data[at]
            at += 1
        _require(at + size + unused <= end)
        elements.append(data[at : at + size])
        at += size + unused
    _require(len(elements) % 2 == 0)
    known: i64 = data[0]
    _require(known >= _LARGE or known * 2 == len(elements))
    return elements


def _unsigned_32(data: bytes, at: i64) -> i64:
    return i64(read_i32_le(data, at)) & 0xFFFFFFFF


def _require(is_sound: bool) -> None:
    if not is_sound:
        raise DamagedError("a ziplist or zipmap that does not fit its sizes")
