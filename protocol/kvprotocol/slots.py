"""The hash slot of a key: CRC16 (XMODEM) of the key or of its `{tag}`, modulo 16,384.

Source: the Redis Cluster specification. The loop takes two bytes a step, with one table for each,
so that the second look-up need not wait for the first.
"""

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

SLOT_COUNT: Final = 16384
_POLYNOMIAL: Final = 0x1021
_BRACE: Final = 0x7B


def _shifted(crc: int, bits: int) -> int:
    """Return the remainder after `bits` zero bits more."""
    for _ in range(bits):
        crc = ((crc << 1) ^ _POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


_LAST: Final = vec[i64]([i64(_shifted(byte << 8, 8)) for byte in range(256)])
_FIRST: Final = vec[i64]([i64(_shifted(byte << 8, 16)) for byte in range(256)])


def crc16(data: bytes, start: i64, stop: i64) -> i64:
    """Return the CRC16/XMODEM of `data[start:stop]`."""
    first = _FIRST
    last = _LAST
    crc: i64 = 0
    i = start
    while i + 1 < stop:
        crc = first[(crc >> 8) ^ data[i]] ^ last[(crc & 0xFF) ^ data[i + 1]]
        i += 2
    if i < stop:
        crc = ((crc << 8) & 0xFFFF) ^ last[(crc >> 8) ^ data[i]]
    return crc


def key_slot(key: bytes) -> i64:
    """Return the slot of `key`, 0..16383; of its first non-empty `{tag}` where it has one."""
    first = _FIRST
    last = _LAST
    length: i64 = len(key)
    crc: i64 = 0
    i: i64 = 0
    # The whole key, as crc16 does it, while no brace is met: nearly always to the end.
    while i + 1 < length:
        left: i64 = key[i]
        right: i64 = key[i + 1]
        if left == _BRACE or right == _BRACE:
            return _tagged_slot(key)
        crc = first[(crc >> 8) ^ left] ^ last[(crc & 0xFF) ^ right]
        i += 2
    if i < length:
        crc = ((crc << 8) & 0xFFFF) ^ last[(crc >> 8) ^ key[i]]
    return crc & (SLOT_COUNT - 1)


def _tagged_slot(key: bytes) -> i64:
    """Return the slot of a key that has a brace."""
    begin: i64 = key.find(b"{") + 1
    end: i64 = key.find(b"}", begin)
    if end > begin:
        return crc16(key, begin, end) & (SLOT_COUNT - 1)
    return crc16(key, 0, len(key)) & (SLOT_COUNT - 1)
