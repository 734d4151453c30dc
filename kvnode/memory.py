"""Sizes of stored values in bytes, as the keyspace accounts them.

CPython's allocator rounds to 16 bytes; a bytes object has 33 bytes beside its content. Containers
count themselves as they change, so every size here is O(1).
"""

from typing import Final

from mypy_extensions import i64

from kvnode.structures.container import Container

ENTRY_BYTES: Final = 40  # one key's share of its slot dict, measured at 1 M keys
DEADLINE_BYTES: Final = 32  # one deadline's share of the index table and of its bucket
INT_BYTES: Final = 32


def bytes_size(length: i64) -> i64:
    """Return the memory of a bytes object with `length` bytes of content."""
    return (length + 48) & ~15


def key_size(key: bytes) -> i64:
    """Return the memory of a key in its slot dict, without its value."""
    return ENTRY_BYTES + ((len(key) + 48) & ~15)


def value_size(stored: object) -> i64:
    """Return the memory of a stored form."""
    if isinstance(stored, bytes):
        return (len(stored) + 48) & ~15
    if isinstance(stored, Container):
        return stored.memory
    return INT_BYTES
