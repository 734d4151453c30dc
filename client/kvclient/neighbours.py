"""Keys that lie beside another key: in its hash slot, so that one transaction has both."""

from __future__ import annotations


def beside(key: bytes, suffix: bytes) -> bytes:
    """Return a key named after `key`, in the same hash slot of a cluster."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    has_tag = start >= 0 and end > start + 1
    return b"%b:%b" % (key if has_tag else b"{%b}" % key, suffix)
