"""The hash slot of a key: CRC16 (XMODEM) of the key or of its `{tag}`, modulo 16,384.

Source: the Redis Cluster specification. The loop takes two bytes a step, with one table for each,
so that the second look-up need not wait for the first.
"""

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

SLOT_COUNT: Final = 16384
_POLYNOMIAL: Final = 0x1021


def _shifted(crc: int, bits: int) -> int:
    """Return the remainder after `bits` zero bits more."""
    for _ in range(bits):
        crc = ((crc << 1) ^ _POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


_LAST: Final = vec[i64]([i64(_shifted(byte << 8, 8)) for byte in range(256)])
_FIRST: Final = vec[i64]([i64(_shifted(byte << 8, 16)) for byte in range(256)])


def crc16(data: bytes, start: i64, stop: i64) -> i64:
    """Return the CRC16/XMODEM of `data[start:stop]`."""
    crc: i64 = 0
    i = start
    while i + 1 < stop:
        crc = _FIRST[(crc >> 8) ^ data[i]] ^ _LAST[(crc & 0xFF) ^ data[i + 1]]
        i += 2
    if i < stop:
        crc = ((crc << 8) & 0xFFFF) ^ _LAST[(crc >> 8) ^ data[i]]
    return crc


def key_slot(key: bytes) -> i64:
    """Return the slot of `key`, 0..16383; of its first non-empty `{tag}` where it has one."""
    length: i64 = len(key)
    i: i64 = 0
    while i < length:
        if key[i] == 0x7B:  # "{"
            end = i + 1
            while end < length and key[end] != 0x7D:  # "}"
                end += 1
            if end < length and end > i + 1:
                return crc16(key, i + 1, end) & 0x3FFF
            break
        i += 1
    return crc16(key, 0, length) & 0x3FFF
