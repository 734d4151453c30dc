"""cjson: JSON as lua-cjson 2.1.0 reads and writes it.

Reading: orjson parses what is strict JSON, in UTF-8, not too deep; its strings become bytes and the
whole goes to Lua as tables. lua-cjson takes much more (raw control characters, hexadecimal numbers,
any bytes, what follows a NUL ...) and has its own error texts: everything that orjson refuses is
read again by the decoder in `cjson_lua.py`, which is exact. What both accept but read differently
is kept from orjson: `-0`.

Writing: in Lua, see there. Once a text is put together, `is_plain` looks whether any string in it
would have needed an escape; if so it is put together again with escapes.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from kvnode.scripting.libraries.cjson_lua import SOURCE
from kvnode.scripting.libraries.glue import CHUNK, ROOM_PER_BYTE
from kvnode.scripting.passage import Passage

_NEGATIVE_ZERO: Final = re.compile(rb"-0(?![.0-9])")
_ESCAPED: Final = bytes(range(32)) + b"\\/\x7f"


class _TooDeep(Exception):
    """Nested more deeply than decode_max_depth."""


# The original's null is a light userdata, the null pointer; Lua itself can only make a full one.
_MAKE_NULL: Final = b"""
local null = newproxy(true)
getmetatable(null).__tostring = function() return 'userdata: (nil)' end
return null
"""


def install(lua: Any, glue: Any, passage: Passage) -> Any:
    """Return cjson's table."""
    null = lua.execute(_MAKE_NULL, name=CHUNK)
    passage.null = null
    decode = Decoder(passage).decode
    return lua.execute(SOURCE, glue, decode, is_plain, null, name=CHUNK)


def is_plain(text: bytes, quotes: int) -> bool:
    """Return whether JSON with `quotes` quotation marks of its own holds nothing to be escaped."""
    return text.count(b'"') == quotes and len(text.translate(None, _ESCAPED)) == len(text)


class Decoder:
    """Reads JSON into the tables of one Lua state."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def decode(self, text: bytes, depth_max: float) -> Any:
        """Return a text's value, or None where only the exact decoder can tell."""
        passage = self._passage
        if not passage.has_room(len(text) * ROOM_PER_BYTE):
            return None
        if b"-0" in text and _NEGATIVE_ZERO.search(text):
            return None
        try:
            value = orjson.loads(text)
            if type(value) is dict:
                return passage.table_from(
                    _bytes_in_dict(value, int(depth_max), passage.null), recursive=True
                )
            if type(value) is list:
                return passage.table_from(
                    _bytes_in_list(value, int(depth_max), passage.null), recursive=True
                )
        except (ValueError, OverflowError, RecursionError, _TooDeep):
            return None
        if value is None:
            return passage.null
        if type(value) is str:
            return value.encode()
        return float(value) if type(value) is int else value  # an int may be too large for Lua


def _bytes_in_dict(source: dict[str, Any], depth_left: int, null: Any) -> dict[bytes, Any]:
    """Return a copy with bytes for strings and Lua's null for None."""
    if depth_left <= 0:
        raise _TooDeep
    result: dict[bytes, Any] = {}
    for name, value in source.items():
        if type(value) is str:
            result[name.encode()] = value.encode()
        elif type(value) is dict:
            result[name.encode()] = _bytes_in_dict(value, depth_left - 1, null)
        elif type(value) is list:
            result[name.encode()] = _bytes_in_list(value, depth_left - 1, null)
        else:
            result[name.encode()] = null if value is None else value
    return result


def _bytes_in_list(source: list[Any], depth_left: int, null: Any) -> list[Any]:
    if depth_left <= 0:
        raise _TooDeep
    result: list[Any] = []
    for value in source:
        if type(value) is str:
            result.append(value.encode())
        elif type(value) is dict:
            result.append(_bytes_in_dict(value, depth_left - 1, null))
        elif type(value) is list:
            result.append(_bytes_in_list(value, depth_left - 1, null))
        else:
            result.append(null if value is None else value)
    return result
