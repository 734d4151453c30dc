"""The Lua libraries of scripts: cjson, cmsgpack, bit and struct.

    tables = install(lua, passage)      {b"cjson": <Lua table>, ...}

`install` needs the whole standard library of the Lua state, so it comes before the sandbox takes
`debug`, `newproxy` and `python` away; the libraries keep what they need as upvalues. The tables are
ordinary ones: the sandbox makes them read-only by its own means. `passage` is what Python passes
tables to Lua through, if there is room; Lua alone works on at its limit.

Where the work is done was measured with objects of 20 fields (call from Lua, result in Lua). A call
from Lua into Python costs 0.3 us, but each further value that crosses by itself as much again. So
what comes in (decode, unpack) is parsed by a C extension in one crossing and put into Lua tables by
lupa at 0.1 us a field, and what goes out (encode, pack) is gathered in Lua, whose loop over a table
costs less than handing its fields over. For decoding the fast parsers take only input that both
sides understand alike; everything else, errors above all, goes to a decoder written in Lua that
knows every rule of the original.
"""

from __future__ import annotations

from typing import Any

from kvnode.scripting.libraries import bits, cjson, cmsgpack, structs
from kvnode.scripting.libraries.glue import load_glue
from kvnode.scripting.passage import Passage


def install(lua: Any, passage: Passage) -> dict[bytes, Any]:
    """Return the libraries' tables for a Lua state, by the names that scripts know them under."""
    glue = load_glue(lua)
    return {
        b"bit": bits.install(lua, glue),
        b"cjson": cjson.install(lua, glue, passage),
        b"cmsgpack": cmsgpack.install(lua, glue, passage),
        b"struct": structs.install(lua, glue),
    }
