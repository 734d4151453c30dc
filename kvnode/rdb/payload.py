"""The frame of a dump: the data, the version of its format (2 bytes), and a CRC-64 over both."""

from __future__ import annotations

from typing import Final

from kvnode.rdb.crc64 import crc64
from kvnode.rdb.encoding import RDB_VERSION, RDB_VERSION_MAX

_FOOTER_BYTES: Final = 10


def seal(data: bytes) -> bytes:
    """Return data with version and checksum behind it."""
    framed = data + RDB_VERSION.to_bytes(2, "little")
    return framed + crc64(framed).to_bytes(8, "little")


def sealed_size(payload: bytes) -> int:
    """Return the size of the data in a dump, -1 where its version or checksum is wrong."""
    size = len(payload) - _FOOTER_BYTES
    if size < 0 or int.from_bytes(payload[size : size + 2], "little") > RDB_VERSION_MAX:
        return -1
    checksum = int.from_bytes(payload[-8:], "little")
    if checksum != crc64(payload[:-8]):
        return -1
    return size
