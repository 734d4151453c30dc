"""CRC-64 as Redis computes it: Jones's polynomial, reflected, from 0, without a final inversion.

A byte at a time by a table. Compiled, the arithmetic is native; the sum is kept in an i64 whose
bits are read as unsigned.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

_POLYNOMIAL: Final = 0x95AC9329AC4BC9B5  # 0xAD93D23594C935A9 with its bits reversed


def _make_table() -> vec[i64]:
    table = vec[i64]()
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (_POLYNOMIAL if remainder & 1 else 0)
        table = append(table, i64(remainder - (1 << 64) if remainder >> 63 else remainder))
    return table


_TABLE: Final = _make_table()
_LOW_56_BITS: Final[i64] = (1 << 56) - 1


def crc64(data: bytes, start: int = 0) -> int:
    """Return the sum of `data` behind bytes whose sum is `start`. Complexity: O(length)."""
    table = _TABLE
    low: i64 = _LOW_56_BITS
    value: i64 = i64(start - (1 << 64) if start >> 63 else start)
    for i in range(i64(len(data))):
        byte: i64 = data[i]
        value = ((value >> 8) & low) ^ table[(value ^ byte) & 255]
    return int(value) & 0xFFFFFFFFFFFFFFFF
