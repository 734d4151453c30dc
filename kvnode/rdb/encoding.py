"""Lengths and strings as Redis serialises them.

A length takes its form from its upper two bits: 00 six bits, 01 fourteen, 10 four or eight bytes
more. 11 announces a string in another form: a small integer in 1, 2 or 4 bytes, or one compressed
by LZF (length compressed, length, data). All numbers but the integers are big endian.
"""

from __future__ import annotations

from typing import Final, final

from kvnode.rdb.lzf import DamagedError, compress, decompress
from kvprotocol.numbers import parse_int

RDB_VERSION: Final = 10  # of Redis 7.0

_FORM_32: Final = 0x80
_FORM_64: Final = 0x81
_INTEGER_8: Final = 0xC0
_INTEGER_16: Final = 0xC1
_INTEGER_32: Final = 0xC2
_COMPRESSED: Final = 0xC3
_INTEGER_DIGITS_MAX: Final = 11
_COMPRESSED_FROM: Final = 21  # bytes; shorter strings are never compressed
_SIZE_MAX: Final = 512 * 1024 * 1024  # of a string that is read compressed


def encode_length(length: int) -> bytes:
    """Return a length in its shortest form."""
    if length < 1 << 6:
        return length.to_bytes(1, "big")
    if length < 1 << 14:
        return (0x4000 | length).to_bytes(2, "big")
    if length < 1 << 32:
        return bytes((_FORM_32,)) + length.to_bytes(4, "big")
    return bytes((_FORM_64,)) + length.to_bytes(8, "big")


def encode_string(text: bytes, compresses: bool) -> bytes:
    """Return a string in the form that Redis chooses; `compresses` is rdbcompression."""
    if len(text) <= _INTEGER_DIGITS_MAX:
        encoded = _encode_integer(text)
        if encoded is not None:
            return encoded
    if compresses and len(text) >= _COMPRESSED_FROM:
        packed = compress(text, len(text) - 4)
        if packed is not None:
            sizes = encode_length(len(packed)) + encode_length(len(text))
            return bytes((_COMPRESSED,)) + sizes + packed
    return encode_length(len(text)) + text


def _encode_integer(text: bytes) -> bytes | None:
    """Return a string that is a canonical 32-bit integer in that form, None for another."""
    value = parse_int(text)
    if value is None or b"%d" % value != text:
        return None
    if -(1 << 7) <= value < 1 << 7:
        return bytes((_INTEGER_8,)) + int(value).to_bytes(1, "little", signed=True)
    if -(1 << 15) <= value < 1 << 15:
        return bytes((_INTEGER_16,)) + int(value).to_bytes(2, "little", signed=True)
    if -(1 << 31) <= value < 1 << 31:
        return bytes((_INTEGER_32,)) + int(value).to_bytes(4, "little", signed=True)
    return None


@final
class Reader:
    """Reads serialised data from the front. DamagedError: it is none, or ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        behind = self.position + size
        if behind > len(self._data):
            raise DamagedError("the data ends too early")
        taken = self._data[self.position : behind]
        self.position = behind
        return taken

    def byte(self) -> int:
        """Return the next byte as a number."""
        return self.take(1)[0]

    def length(self) -> int:
        """Return a length."""
        form = self.byte()
        if form >= _INTEGER_8:
            raise DamagedError("a string stands for a length")
        return self._length(form)

    def _length(self, form: int) -> int:
        if form < 0x40:
            return form
        if form < _FORM_32:
            return ((form & 0x3F) << 8) | self.byte()
        if form == _FORM_32:
            return int.from_bytes(self.take(4), "big")
        if form == _FORM_64:
            return int.from_bytes(self.take(8), "big")
        raise DamagedError("no known form of a length")

    def string(self) -> bytes:
        """Return a string, whatever its form."""
        form = self.byte()
        if form < _INTEGER_8:
            return self.take(self._length(form))
        if form <= _INTEGER_32:
            number = self.take(1 << (form - _INTEGER_8))
            return b"%d" % int.from_bytes(number, "little", signed=True)
        if form != _COMPRESSED:
            raise DamagedError("no known form of a string")
        packed_size = self.length()
        size = self.length()
        if size > _SIZE_MAX:
            raise DamagedError("a string too long")
        return decompress(self.take(packed_size), size)
