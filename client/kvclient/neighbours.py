"""Keys that lie beside another key: in its hash slot, so that one transaction has both."""

from __future__ import annotations

from functools import lru_cache
from itertools import count

from kvprotocol.slots import key_slot


def beside(key: bytes, suffix: bytes) -> bytes:
    """Return a key named after `key`, in the same hash slot of a cluster."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        return b"%b:%b" % (key, suffix)
    if key and b"}" not in key:
        return b"{%b}:%b" % (key, suffix)
    # No tag can hold this key as it is. A ring of nodes has no place that is surely the same.
    return b"{%d}%b:%b" % (_tag_in(int(key_slot(key))), key, suffix)


@lru_cache(maxsize=256)
def _tag_in(slot: int) -> int:
    """Return the smallest number whose decimal digits have this slot; below 110,000 for any."""
    return next(number for number in count() if key_slot(b"%d" % number) == slot)
