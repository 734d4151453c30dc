"""The Lua libraries by themselves: results that redis-server gave, and what memory limits do."""

from __future__ import annotations

from typing import Any

import pytest
from lupa.lua51 import LuaRuntime

from kvnode.scripting.libraries import install
from kvnode.scripting.passage import Passage


class Lua:
    """A Lua state with the libraries as globals, and none of Lua's own but these."""

    def __init__(self) -> None:
        self.room = 1 << 30
        self._runtime = LuaRuntime(encoding=None)
        passage = Passage(self._runtime, lambda size: size <= self.room)
        tables = install(self._runtime, passage)
        self._call = self._runtime.execute(
            b"""
            local libraries = ...
            local env = {pcall = pcall, tostring = tostring, string = string, select = select,
              print = function() end}
            for name, real in pairs(libraries) do env[name] = real end
            local loadstring, setfenv, pcall = loadstring, setfenv, pcall
            local real = _G
            for name in pairs(real) do real[name] = nil end
            return function(code)
              local f = setfenv(loadstring(code, '@script'), env)
              local ok, value = pcall(f)
              return value
            end
            """,
            self._runtime.table_from(tables),
        )

    def run(self, code: str) -> Any:
        """Return what a piece of code returns, or its error."""
        return self._call(code.encode())


@pytest.fixture(scope="module")
def lua() -> Lua:
    return Lua()


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("return cjson.encode({1, 'a', true, cjson.null, {b = {}}})",
         b'[1,"a",true,null,{"b":{}}]'),
        ("return cjson.encode({a = 'x/\"'})", b'{"a":"x\\/\\""}'),
        ("return cjson.encode({[1.5] = 0.1})", b'{"1.5":0.1}'),
        ("return cjson.decode('{\"a\":[1,{\"b\":\"\\\\u00e9\"}]}').a[2].b", "é".encode()),
        ("return cjson.decode('[-0]')[1] == 0", True),
        ("return tostring(cjson.decode('-0'))", b"-0"),
        ("return cjson.decode('18446744073709551615')", 2**64),
        ("return cjson.decode('[0x10]')[1]", 16),
        ("return cjson.decode('\"a\\nb\"')", b"a\nb"),
        ("local x = cjson.decode('{') return x", b"script:1: Expected object key string but found "
         b"T_END at character 2"),
        ("return cmsgpack.pack({1, 'a', -1, 1.5, 0.1, false})",
         b"\x96\x01\xa1a\xff\xca?\xc0\x00\x00\xcb?\xb9\x99\x99\x99\x99\x99\x9a\xc2"),
        ("return cmsgpack.pack(258, 70000, -300)", b"\xcd\x01\x02\xce\0\x01\x11p\xd1\xfe\xd4"),
        ("return cmsgpack.unpack('\\129\\161a\\147\\1\\192\\3').a[3]", 3),
        ("local x = cmsgpack.unpack('\\196\\1a') return x", b"script:1: Bad data format in input."),
        ("return select('#', cmsgpack.unpack('\\1\\192\\192'))", 3),
        ("return bit.band(0xFF, 0x0F, 7)", 7),
        ("return bit.bxor(-1, 1)", -2),
        ("return bit.tohex(bit.bswap(0x12345678), -8)", b"78563412"),
        ("return bit.tobit(1e300)", -2013235812),
        ("return struct.pack('>I2<I2', 258, 258)", b"\x01\x02\x02\x01"),
        ("return struct.unpack('>f', struct.pack('>f', 1.5))", 1.5),
        ("return struct.size('!8bd')", 16),
    ],
)  # fmt: skip
def test_results_are_those_of_redis(lua: Lua, code: str, value: object) -> None:
    assert lua.run(code) == value


@pytest.mark.parametrize(
    "code",
    [
        'return cjson.encode(cjson.decode(\'{"a":[1,null,"x",{}],"b":-1.5e3}\'))',
        'return cjson.decode(\'{"a":{"b":"\\\\u00e9\\\\n"}}\').a.b',
        "return tostring(cjson.decode('null'))",
        "return cjson.decode('[[[1]]]')[1][1][1]",
        "return cjson.decode('\"x\"')",
        "return cmsgpack.pack(cmsgpack.unpack('\\130\\161a\\147\\1\\192\\195\\161b\\203"
        "\\64\\9\\33\\251\\84\\68\\45\\24'))",
        "return cmsgpack.unpack('\\162ab')",
        "return cmsgpack.unpack('\\205\\1\\2')",
    ],
)
def test_both_readers_read_alike(lua: Lua, code: str) -> None:
    """Without room for Python's the reader in Lua does all."""
    fast = lua.run(code)
    lua.room = 0
    try:
        assert lua.run(code) == fast
    finally:
        lua.room = 1 << 30


def test_texts_after_one_with_escapes_are_escaped_too(lua: Lua) -> None:
    for i in range(50):
        assert lua.run("return cjson.encode({a = 'b\"c'})") == b'{"a":"b\\"c"}', i
        assert lua.run("return cjson.encode({a = 'bc', d = {'/'}})").count(b"\\/") == 1


def test_many_names_do_not_mix_up_the_kept_pieces(lua: Lua) -> None:
    code = """
        local o, long = {}, string.rep('n', 100)
        o[long .. %d] = 1
        o['k%d'] = 'v'
        return cjson.decode(cjson.encode(o))['k%d'] .. cjson.encode({[long .. %d] = 1})
    """
    for i in range(1200):
        assert lua.run(code % (i, i, i, i)) == b'v{"%b%d":1}' % (b"n" * 100, i)


def test_a_separate_cjson_has_its_own_settings(lua: Lua) -> None:
    assert lua.run("local c = cjson.new() c.encode_max_depth(1) return c.encode_max_depth()") == 1
    assert lua.run("return cjson.encode_max_depth()") == 1000
