"""Sizes of stored values in bytes, as the keyspace accounts them.

CPython's allocator rounds to 16 bytes; a bytes object has 33 bytes beside its content. Containers
count themselves as they change, so every size here is O(1).
"""

import os
from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

from kvnode.structures.container import Container

ENTRY_BYTES: Final = 40  # one key's share of its slot dict, measured at 1 M keys
ACCESS_BYTES: Final = 32  # one key's share of the access table
DEADLINE_BYTES: Final = 32  # one deadline's share of the index table and of its bucket
INT_BYTES: Final = 32
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 on a platform without procfs."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def bytes_size(length: i64) -> i64:
    """Return the memory of a bytes object with `length` bytes of content."""
    return (length + 48) & ~15


def key_size(key: bytes) -> i64:
    """Return the memory of a key in its slot dict, without its value."""
    return ENTRY_BYTES + bytes_size(len(key))


def value_size(stored: object) -> i64:
    """Return the memory of a stored form."""
    if isinstance(stored, bytes):
        return bytes_size(len(stored))
    if isinstance(stored, int):
        return INT_BYTES
    assert isinstance(stored, Container)
    return stored.memory


def accounted_size(stored: object) -> i64:
    """Return what the keyspace has booked for a stored form."""
    if isinstance(stored, bytes):
        return bytes_size(len(stored))
    if isinstance(stored, int):
        return INT_BYTES
    assert isinstance(stored, Container)
    return stored.accounted


@final
class TableExcess:
    """What the tables of one database take beyond the shares that are booked with each row.

    A dict grows by doubling, and to three times its keys once it is full of deleted entries: one
    key's share is between 27 and 105 bytes. `ENTRY_BYTES` is booked at once, the difference is
    measured group by group, all of them about once a second.
    """

    def __init__(self) -> None:
        self.total: i64 = 0
        self._groups = vec[i64]()
        self._rest: i64 = 0

    def measure(self, groups: list[dict[bytes, object]], first: i64, end: i64, rest: i64) -> None:
        """Measure the groups from `first` to `end`; `rest` is the excess of other tables."""
        while len(self._groups) < end:
            self._groups = append(self._groups, 0)
        group = first
        while group < end:
            keys = groups[group]
            found: i64 = 0
            if keys:
                found = i64(keys.__sizeof__()) - ENTRY_BYTES * len(keys)
            self.total += found - self._groups[group]
            self._groups[group] = found
            group += 1
        self.total += rest - self._rest
        self._rest = rest
