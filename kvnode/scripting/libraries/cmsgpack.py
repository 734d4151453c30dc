"""cmsgpack: MessagePack as lua-cmsgpack 0.4.0 packs and unpacks it.

Unpacking: the C extension `msgpack` reads one value whose maps have strings as keys, the common
case,
and lupa makes tables of it. All else (several values, other keys, faults, the binary type and the
extensions, which the original does not know) is read by the decoder in `cmsgpack_lua.py`. Packing
is done in Lua.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgpack

from kvnode.scripting.libraries.cmsgpack_lua import SOURCE
from kvnode.scripting.libraries.glue import CHUNK, ROOM_PER_BYTE
from kvnode.scripting.passage import Passage

_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**63 - 1


def install(lua: Any, glue: Any, passage: Passage) -> Any:
    """Return cmsgpack's table."""
    return lua.execute(SOURCE, glue, Unpacker(passage).unpack, unpack_float, name=CHUNK)


def unpack_float(data: bytes) -> float:
    """Return the number in 4 or 8 bytes."""
    value: float = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
    return value


def _has_empty_binary(data: bytes) -> bool:
    """Return whether there may be a binary of no bytes, which a limit of 0 bytes lets through."""
    return b"\xc4\0" in data or b"\xc5\0\0" in data or b"\xc6\0\0\0\0" in data


def _refuse_extension(code: int, data: bytes) -> Any:
    raise ValueError("an extension")


class Unpacker:
    """Reads MessagePack into the tables of one Lua state."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def unpack(self, data: bytes) -> Any:
        """Return the one value in `data`, or None where it is not for this reader."""
        if not self._passage.has_room(len(data) * ROOM_PER_BYTE) or _has_empty_binary(data):
            return None
        try:
            value = msgpack.unpackb(
                data, raw=True, max_bin_len=0, max_ext_len=0, ext_hook=_refuse_extension
            )
            if type(value) is dict or type(value) is list:
                return self._passage.table_from(value, recursive=True)
            if type(value) is int and not _INTEGER_MIN <= value <= _INTEGER_MAX:
                return None
        except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
            return None
        return value
