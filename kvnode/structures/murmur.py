"""MurmurHash64A, by which a HyperLogLog spreads its elements.

Source: Austin Appleby's MurmurHash2 for 64-bit machines (public domain).
"""

from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

# 0xc6a4a7935bd1e995 as a signed number, which 64-bit arithmetic multiplies to the same bits.
_FACTOR: Final = -4132994306676758123
_LOW_32: Final = 0xFFFFFFFF
_SHIFT_MASK: Final = 0x1FFFF  # what a logical shift by 47 leaves


def murmur64(data: bytes, seed: i64) -> i64:
    """Return the hash of `data`, of which only the low 64 bits have a meaning.

    Compiled, products wrap around by themselves. Interpreted they do not, and each is cut to its
    low 64 bits; the C compiler sees that this changes nothing and leaves it out.
    """
    size: i64 = len(data)
    hashed = seed ^ (size * _FACTOR)
    hashed = (hashed & _LOW_32) | (((hashed >> 32) & _LOW_32) << 32)
    i: i64 = 0
    while i + 8 <= size:
        word = read_i64_le(data, i) * _FACTOR
        word = (word & _LOW_32) | (((word >> 32) & _LOW_32) << 32)
        word = (word ^ ((word >> 47) & _SHIFT_MASK)) * _FACTOR
        hashed = (hashed ^ word) * _FACTOR
        hashed = (hashed & _LOW_32) | (((hashed >> 32) & _LOW_32) << 32)
        i += 8
    if i < size:
        tail: i64 = 0
        shift: i64 = 0
        while i < size:
            byte: i64 = data[i]
            tail |= byte << shift
            shift += 8
            i += 1
        hashed = (hashed ^ tail) * _FACTOR
        hashed = (hashed & _LOW_32) | (((hashed >> 32) & _LOW_32) << 32)
    hashed = (hashed ^ ((hashed >> 47) & _SHIFT_MASK)) * _FACTOR
    hashed = (hashed & _LOW_32) | (((hashed >> 32) & _LOW_32) << 32)
    return hashed ^ ((hashed >> 47) & _SHIFT_MASK)
