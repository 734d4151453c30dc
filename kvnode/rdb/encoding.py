"""Lengths and strings as Redis serialises them.

A length takes its form from its upper two bits: 00 six bits, 01 fourteen, 10 four or eight bytes
more. 11 announces a string in another form: a small integer in 1, 2 or 4 bytes, or one compressed
by LZF (length compressed, length, data). All numbers but the integers are big endian.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import (
    BytesWriter,
    read_f64_le,
    read_i16_le,
    read_i32_be,
    read_i32_le,
    read_i64_be,
    read_i64_le,
    write_i32_be,
    write_i64_be,
)
from mypy_extensions import i32, i64, mypyc_attr, u8

from kvnode.rdb.crc64 import crc64
from kvnode.rdb.lzf import DamagedError, compress, decompress
from kvnode.structures.listpack import canonical_integer

RDB_VERSION: Final = 10  # of Redis 7.0, which is what is written
RDB_VERSION_MAX: Final = 11  # of Redis 7.2, the newest that is read

_FORM_14: Final = 0x40
_FORM_32: Final = 0x80
_FORM_64: Final = 0x81
_INTEGER_8: Final = 0xC0
_INTEGER_16: Final = 0xC1
_INTEGER_32: Final = 0xC2
_COMPRESSED: Final = 0xC3
_INTEGER_DIGITS_MAX: Final = 11
_COMPRESSED_FROM: Final = 21  # bytes; shorter strings are never compressed
_COMPRESSED_MAX: Final = 1 << 20  # longer ones would hold up the node, which does nothing meanwhile
_SIZE_MAX: Final = 512 * 1024 * 1024  # of a string that is read compressed
_WINDOW_BYTES: Final = 1 << 18


# --- writing --------------------------------------------------------------------------------------


def write_length(out: BytesWriter, length: i64) -> None:
    """Append a length in its shortest form; a negative one is read as unsigned."""
    if 0 <= length < 1 << 6:
        out.append(u8(length))
    elif 0 <= length < 1 << 14:
        out.append(u8(_FORM_14 | (length >> 8)))
        out.append(u8(length & 255))
    elif 0 <= length < 1 << 32:
        out.append(_FORM_32)
        write_i32_be(out, i32(length if length < 1 << 31 else length - (1 << 32)))
    else:
        out.append(_FORM_64)
        write_i64_be(out, length)


def write_string(out: BytesWriter, text: bytes, compresses: bool) -> None:
    """Append a string in the form that Redis chooses; `compresses` is rdbcompression."""
    size: i64 = len(text)
    if size <= _INTEGER_DIGITS_MAX:
        is_integer, value = canonical_integer(text)
        if is_integer and write_small_integer(out, value):
            return
    elif compresses and _COMPRESSED_FROM <= size <= _COMPRESSED_MAX:
        packed = compress(text, len(text) - 4)
        if packed is not None:
            out.append(_COMPRESSED)
            write_length(out, len(packed))
            write_length(out, size)
            out.write(packed)
            return
    write_length(out, size)
    out.write(text)


def write_small_integer(out: BytesWriter, value: i64) -> bool:
    """Append a string that is an integer in its short form; return False if it has none."""
    if -(1 << 7) <= value < 1 << 7:
        out.append(_INTEGER_8)
        out.append(u8(value & 255))
    elif -(1 << 15) <= value < 1 << 15:
        out.append(_INTEGER_16)
        out.append(u8(value & 255))
        out.append(u8((value >> 8) & 255))
    elif -(1 << 31) <= value < 1 << 31:
        out.append(_INTEGER_32)
        out.append(u8(value & 255))
        out.append(u8((value >> 8) & 255))
        out.append(u8((value >> 16) & 255))
        out.append(u8((value >> 24) & 255))
    else:
        return False
    return True


# --- reading --------------------------------------------------------------------------------------


@mypyc_attr(allow_interpreted_subclasses=True)
class Source:
    """Where a reader gets more from: a file, a socket, a test."""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end."""
        return b""


@final
class Reader:
    """Reads serialised data from the front. DamagedError: it is none, or ends too early.

    It holds a window of what comes from a source. `checksum` covers what was taken, up to the last
    call of `sum_up`.
    """

    def __init__(self, data: bytes, source: Source | None = None) -> None:
        self._data = data
        self._source = source
        self._at: i64 = 0
        self._end: i64 = len(data)
        self._before: i64 = 0  # bytes before the window
        self._summed: i64 = 0  # where in the window the checksum stands
        self.checksum = 0

    @property
    def position(self) -> int:
        """The number of bytes that were taken."""
        return int(self._before + self._at)

    def sum_up(self) -> int:
        """Return the CRC-64 of all that was taken."""
        if self._summed < self._at:
            self.checksum = crc64(self._data, self.checksum, self._summed, self._at)
            self._summed = self._at
        return self.checksum

    def take(self, size: i64) -> bytes:
        """Return the next `size` bytes."""
        self._require(size)
        begin = self._at
        self._at = begin + size
        return self._data[begin : self._at]

    def byte(self) -> i64:
        """Return the next byte as a number."""
        if self._at >= self._end:
            self._fill(1)
        value: i64 = self._data[self._at]
        self._at += 1
        return value

    def length(self) -> i64:
        """Return a length; one beyond 63 bits is negative."""
        form = self.byte()
        if form >= _INTEGER_8:
            raise DamagedError("a string stands for a length")
        return self._length(form)

    def number_le(self) -> i64:
        """Return a signed number of 8 bytes, little endian."""
        return read_i64_le(self.take(8), 0)

    def double_le(self) -> float:
        """Return a floating-point number of 8 bytes, little endian."""
        return read_f64_le(self.take(8), 0)

    def string(self) -> bytes:
        """Return a string, whatever its form."""
        form = self.byte()
        if form < _INTEGER_8:
            return self.take(self._length(form))
        if form <= _INTEGER_32:
            return b"%d" % self._integer(form)
        return self._compressed(form)

    def string_or_integer(self) -> bytes | int:
        """Return a string, as an integer where it stands in the form of one."""
        form = self.byte()
        if form < _INTEGER_8:
            return self.take(self._length(form))
        if form <= _INTEGER_32:
            return int(self._integer(form))
        return self._compressed(form)

    def rest(self) -> bytes:
        """Return what is in the window and was not taken."""
        return self._data[self._at :]

    def _require(self, size: i64) -> None:
        if size < 0 or size > self._end - self._at:
            self._fill(size)

    def _fill(self, size: i64) -> None:
        """Get so many bytes into the window."""
        if size < 0:
            raise DamagedError("a length beyond 63 bits")
        while self._end - self._at < size:
            if not self._fill_some(size):
                raise DamagedError("the data ends too early")

    def _fill_some(self, size: i64 = 1) -> bool:
        """Get more into the window; return whether there was more."""
        source = self._source
        if source is None:
            return False
        left = self._end - self._at
        # What is missing of a huge string is read in parts: its length may be a lie.
        wanted: i64 = min(max(size - left, _WINDOW_BYTES), max(left, 16 * _WINDOW_BYTES))
        more = source.read(int(wanted))
        if not more:
            return False
        self.sum_up()
        self._before += self._at
        self._data = self._data[self._at :] + more if left else more
        self._end = len(self._data)
        self._at = 0
        self._summed = 0
        return True

    def _length(self, form: i64) -> i64:
        if form < _FORM_14:
            return form
        if form < _FORM_32:
            return ((form & 0x3F) << 8) | self.byte()
        if form == _FORM_32:
            return i64(read_i32_be(self.take(4), 0)) & 0xFFFFFFFF
        if form == _FORM_64:
            return read_i64_be(self.take(8), 0)
        raise DamagedError("no known form of a length")

    def _integer(self, form: i64) -> i64:
        if form == _INTEGER_8:
            number = self.byte()
            return number - 256 if number >= 128 else number
        if form == _INTEGER_16:
            return i64(read_i16_le(self.take(2), 0))
        return i64(read_i32_le(self.take(4), 0))

    def _compressed(self, form: i64) -> bytes:
        if form != _COMPRESSED:
            raise DamagedError("no known form of a string")
        packed_size = self.length()
        size = self.length()
        if size < 0 or size > _SIZE_MAX:
            raise DamagedError("a string too long")
        return decompress(self.take(packed_size), int(size))
