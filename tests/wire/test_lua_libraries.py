"""cjson, cmsgpack, bit and struct answer as those of redis-server, errors included."""

from __future__ import annotations

import pytest

from .harness import Pair
from .lua_values import LuaValues

CASES = 400
BATCH = 50

# dump(...): values as text; run(f, ...): what f returns or how it fails. Order is left out.
PRELUDE = r"""
local function dump(v)
  local t = type(v)
  if t == 'string' then return 's' .. #v .. ':' .. v end
  if t == 'number' then return 'n' .. string.format('%.17g', v) end
  if t ~= 'table' then return t .. tostring(v) end
  local o = {}
  for k, x in pairs(v) do o[#o + 1] = dump(k) .. '=' .. dump(x) end
  table.sort(o)
  return '{' .. table.concat(o, ',') .. '}'
end
local function run(f, ...)
  local r, o = {pcall(f, ...)}, {}
  for i = 1, table.maxn(r) do o[i] = dump(r[i]) end
  return table.concat(o, ';')
end
"""


def same_results(pair: Pair, function: str, arguments: list[bytes]) -> None:
    """`function`, applied to each argument, gives the same results and errors."""
    script = (
        PRELUDE + f"local f, o = {function}, {{}}\n"
        "for i = 1, #ARGV do o[i] = run(f, ARGV[i]) end return o"
    )
    for i in range(0, len(arguments), BATCH):
        pair.same("EVAL", script, 0, *arguments[i : i + BATCH])


def same_calls(pair: Pair, calls: list[str]) -> None:
    """The expressions give the same results and errors."""
    for i in range(0, len(calls), BATCH):
        lines = "\n".join(f"o[#o + 1] = {call}" for call in calls[i : i + BATCH])
        pair.same("EVAL", f"{PRELUDE} local o = {{}}\n{lines}\nreturn o", 0)


def test_the_tables_hold_the_same_names(pair: Pair) -> None:
    for library in ("cjson", "cmsgpack", "bit", "struct"):
        pair.same(
            "EVAL",
            f"""
            local o = {{}}
            for k, v in pairs({library}) do
              o[#o + 1] = k .. '=' .. (type(v) == 'function' and 'function' or tostring(v))
            end
            table.sort(o)
            return o
            """,
            0,
        )


def test_the_tables_are_read_only(pair: Pair) -> None:
    for library in ("cjson", "cmsgpack", "bit", "struct"):
        pair.same("EVAL", f"{library}.x = 1", 0)
        pair.same("EVAL", f"rawset({library}, 'x', 1)", 0)
        pair.same("EVAL", f"setmetatable({library}, {{}})", 0)


@pytest.mark.parametrize(
    "line",
    [
        "return cjson.decode('x')",
        "return cjson.decode()",
        "return cjson.decode('1', '2')",
        "return cjson.decode({})",
        "return cjson.decode(12)",
        "local d = cjson.decode local x = d() return x",
        "local ok, e = pcall(cjson.decode) return e",
        "local ok, e = pcall(cjson.decode, 'x') return e",
        "local ok, e = pcall(function() return cjson.decode('x') .. '' end) return e",
        "local a = 1\nlocal b = cjson.encode(print)\nreturn b",
        "return cjson.encode()",
        "return cjson.encode(1, 2)",
        "return cjson.encode(function() end)",
        "return cjson.encode({[{}] = 1})",
        "return cjson.encode({[true] = 1})",
        "return cjson.encode({[1] = 1, [20] = 2})",
        "return cjson.encode({[1] = 1, [11] = 2})",
        "return cjson.encode({[1e10] = 1})",
        "return cjson.encode({[0] = 1})",
        "return cjson.encode({[-1] = 1})",
        "return cjson.encode({[1.5] = 1, a = 2})",
        "return cjson.encode({1, 2, nil, 4})",
        "return cjson.encode({})",
        "return cjson.encode({a = {}, })",
        "return cjson.encode(0/0)",
        "return cjson.encode({1/0})",
        "return cjson.encode({[1/0] = 1})",
        "return cjson.encode({a = 1/0})",
        "return cjson.encode({cjson.null, true, false})",
        "return cjson.encode({a = cjson.null})",
        "return cjson.encode({1e15, 123456789012345, 0.1, -0, 1e300, 2^53})",
        "return cjson.encode({'a', 1, 'b', 'c', 2, true, 'd'})",
        "return cjson.encode({a = 'x', b = 'y\"', c = '\\\\/'})",
        "return cjson.encode('a\"/\\\\\\n\\0\\127\\200')",
        "return cjson.encode({{'a\"'}, {{'b'}}, {c = {'d'}}})",
        "return cjson.encode(nil)",
        "local t = {} for i = 1, 999 do t = {t} end return #cjson.encode(t)",
        "local t = {} for i = 1, 1000 do t = {t} end return cjson.encode(t)",
        "local t = {} t.t = t return cjson.encode(t)",
        "return #cjson.encode(cjson.decode(string.rep('[', 1000) .. string.rep(']', 1000)))",
        "return cjson.decode(string.rep('[', 1001) .. string.rep(']', 1001))",
        "return tostring(cjson.null)",
        "return type(cjson.null)",
        "return cjson.null",
        "return {1, cjson.null, 2}",
        "return cjson.null == cjson.decode('null')",
        "return cjson.null == cjson.decode('[null]')[1]",
        "return cjson.decode('{\"a\":null}').a == cjson.null",
        "return cjson.null and 1 or 2",
        "cjson.null.x = 1",
        "return cjson.new()._NAME",
        "return cjson.new().null == cjson.null",
        "return cjson.new().decode('x')",
        "local c = cjson.new() c.encode_max_depth(1) return cjson.encode({{1}})",
        "local c = cjson.new() c.encode_max_depth(1) return c.encode({{1}})",
        "local c = cjson.new() c.decode_max_depth(1) return c.decode('[[1]]')",
        "local c = cjson.new() c.encode_number_precision(3) return c.encode({1/3, a = 1/3})",
        "local c = cjson.new() c.decode_invalid_numbers(false) return c.decode('[0x10]')",
        "local c = cjson.new() c.decode_invalid_numbers('off') return c.decode('[-01]')",
        "local c = cjson.new() c.decode_invalid_numbers('off') return c.decode('[nan]')",
        "local c = cjson.new() c.encode_invalid_numbers('on') "
        "return c.encode({0/0, -(0/0), 1/0, -1/0})",
        "local c = cjson.new() c.encode_invalid_numbers('null') return c.encode({0/0, 1/0})",
        "local c = cjson.new() c.encode_sparse_array(true) return c.encode({[1] = 1, [20] = 2})",
        "local c = cjson.new() c.encode_sparse_array(nil, 0) return c.encode({[20] = 2})",
        "local c = cjson.new() c.encode_sparse_array(false, 3, 30) return c.encode({[20] = 2})",
    ],
)
def test_cjson_s_odd_cases_are_the_same(pair: Pair, line: str) -> None:
    pair.same("EVAL", line, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        "encode_max_depth",
        "encode_max_depth, 1, 2",
        "encode_max_depth, 0",
        "encode_max_depth, 'x'",
        "encode_max_depth, '100'",
        "encode_max_depth, 1e10",
        "encode_max_depth, 10.9",
        "encode_max_depth, 0/0",
        "encode_max_depth, {}",
        "decode_max_depth, 7",
        "decode_max_depth, -7",
        "encode_number_precision, 14",
        "encode_number_precision, 15",
        "encode_keep_buffer",
        "encode_keep_buffer, 'off'",
        "encode_keep_buffer, 'null'",
        "encode_invalid_numbers, 'x'",
        "encode_invalid_numbers, 'null'",
        "encode_invalid_numbers, {}",
        "encode_invalid_numbers, 1",
        "decode_invalid_numbers, 'null'",
        "decode_invalid_numbers, false",
        "encode_sparse_array",
        "encode_sparse_array, true, 3, 4",
        "encode_sparse_array, nil, -1",
        "encode_sparse_array, nil, nil, 'x'",
        "encode_sparse_array, 'x'",
        "encode_sparse_array, nil, 2, nil, 4",
    ],
)
def test_cjson_s_settings_take_and_refuse_the_same(pair: Pair, arguments: str) -> None:
    name, _, rest = arguments.partition(", ")
    call = f"run(c.{name}{', ' + rest if rest else ''})"
    pair.same("EVAL", f"{PRELUDE} local c = cjson.new() return {{{call}, run(c.{name})}}", 0)
    pair.same("EVAL", f"local c = cjson.new() return {{c.{name}({rest})}}", 0)


@pytest.mark.parametrize(
    "line",
    [
        "return cmsgpack.pack()",
        "return cmsgpack.pack(1, 'a', nil, {1, 2}, {a = 1})",
        "return cmsgpack.pack({['1'] = 5})",
        "return cmsgpack.pack({[1] = 1, [3] = 3})",
        "return cmsgpack.pack({[1e300] = 1})",
        "return cmsgpack.pack(print, cjson.null)",
        "return cmsgpack.pack(1e400, -1e400, 0/0, -0, 0.1, 1.5, 1e39, 1e-45, 5e-324)",
        "return cmsgpack.pack(127, 128, 255, 256, 65535, 65536, 2^32 - 1, 2^32, 2^53, 2^63, 2^64)",
        "return cmsgpack.pack(-1, -32, -33, -128, -129, -32768, -32769, -2^31, -2^31 - 1, -2^63)",
        "return cmsgpack.pack(string.rep('a', 31), string.rep('b', 32), string.rep('c', 256))",
        "return cmsgpack.pack(string.rep('a', 65535)) == cmsgpack.pack(string.rep('b', 65536))",
        "local t = {} for i = 1, 16 do t[i] = i end return cmsgpack.pack(t)",
        "local t = {} for i = 1, 16 do t['k' .. i] = i end return #cmsgpack.pack(t)",
        "local t = {} for i = 1, 70000 do t[i] = 1 end return cmsgpack.pack(t):sub(1, 9)",
        "local t = {} for i = 1, 30 do t = {t} end return cmsgpack.pack(t)",
        "local t = {} t.t = t return cmsgpack.pack(t)",
        "return cmsgpack.unpack()",
        "return cmsgpack.unpack({})",
        "return {cmsgpack.unpack('')}",
        "return {cmsgpack.unpack(12)}",
        "return {cmsgpack.unpack(cmsgpack.pack(1, 2, nil, 'x'))}",
        "return cmsgpack.unpack('\\129\\192\\1')",
        "return cmsgpack.unpack('\\129\\203\\127\\248\\0\\0\\0\\0\\0\\0\\1')",
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
        "return cmsgpack.unpack(string.rep('\\1', 8100))",
        "return select('#', cmsgpack.unpack(string.rep('\\1', 7980)))",
        "return {cmsgpack.unpack_one('\\1\\2', 1)}",
        "return {cmsgpack.unpack_one('\\1\\2')}",
        "return {cmsgpack.unpack_one('')}",
        "return cmsgpack.unpack_one()",
        "return cmsgpack.unpack_one('\\1', 5)",
        "return cmsgpack.unpack_one('\\1', -5)",
        "return {cmsgpack.unpack_one('aaa', 4294967297)}",
        "return {cmsgpack.unpack_limit('\\1\\2\\3', 2)}",
        "return {cmsgpack.unpack_limit('\\1\\2\\3', 2, 1)}",
        "return {cmsgpack.unpack_limit('\\1\\2\\3', 0)}",
        "return {cmsgpack.unpack_limit('\\1\\2\\3', 0, 1)}",
        "return cmsgpack.unpack_limit('\\1', -1)",
        "return cmsgpack.unpack_limit('\\1')",
        "return cmsgpack.unpack_limit('\\1', {})",
    ],
)
def test_cmsgpack_s_odd_cases_are_the_same(pair: Pair, line: str) -> None:
    pair.same("EVAL", line, 0)


@pytest.mark.parametrize(
    "line",
    [
        "return bit.band()",
        "return bit.band('x')",
        "return bit.band(1, nil)",
        "return bit.band('7', '3')",
        "return bit.bor(1, 2, 4, 'x', 8)",
        "return bit.lshift(1)",
        "return bit.tohex(255, -4)",
        "return bit.tohex(-1, -2147483648)",
        "return cjson.encode({bit.tobit(-0), bit.bnot(-1), bit.lshift(0, 1), bit.band(-0)})",
        "local b = bit.band local x = b({}, 1) return x",
        "return struct.pack('z')",
        "return struct.pack('i4')",
        "return struct.pack('>i16', -2)",
        "return struct.pack('ff', -0, 1e300) .. struct.pack('d', -0)",
        "return struct.pack('<f>f', 1/3, 1e-40)",
        "return struct.unpack('>f', struct.pack('>f', 0.1)) == 0.1",
        "return struct.pack('c5', 'abc')",
        "return {struct.unpack('bc0', '\\3abc')}",
        "return {struct.unpack('bc0', '\\255abc')}",
        "return {struct.unpack('c0', 'abc')}",
        "return {struct.unpack('s', 'abc')}",
        "return {struct.unpack('ss', 'abc\\0de\\0')}",
        "return {struct.unpack('i4', 'aaaa', 0)}",
        "return {struct.unpack('i4', 'aaaa', -1)}",
        "return struct.size('!8bi8')",
        "return struct.size('s')",
        "return struct.size('c0')",
        "return struct.size('i33')",
        "return struct.size('!3i4')",
        "return struct.size('i99999999999')",
        "return struct.size()",
        "return struct.unpack('i4')",
        "local p = struct.pack local x = p('i4') return x",
    ],
)
def test_odd_cases_of_bit_and_struct_are_the_same(pair: Pair, line: str) -> None:
    pair.same("EVAL", line, 0)


def test_random_json_is_read_and_written_alike(pair: Pair) -> None:
    values = LuaValues(1)
    texts = [values.json() for _ in range(CASES)]
    same_results(pair, "cjson.decode", texts)
    same_results(pair, "function(s) return cjson.encode(cjson.decode(s)) end", texts)


def test_broken_json_is_refused_alike(pair: Pair) -> None:
    values = LuaValues(2)
    same_results(pair, "cjson.decode", [values.broken_json() for _ in range(3 * CASES)])


def test_random_messagepack_is_read_and_written_alike(pair: Pair) -> None:
    values = LuaValues(3)
    packed = [values.packed() for _ in range(CASES)]
    same_results(pair, "cmsgpack.unpack", packed)
    repack = """
    function(s)
      local t = cmsgpack.unpack(s)
      return cmsgpack.pack(t) .. '|' .. cmsgpack.pack({t, 'x', 1.5})
    end
    """
    same_results(pair, repack, packed)


def test_broken_messagepack_is_refused_alike(pair: Pair) -> None:
    values = LuaValues(4)
    same_results(pair, "cmsgpack.unpack", [values.broken_packed() for _ in range(3 * CASES)])


def test_random_calls_of_bit_give_the_same(pair: Pair) -> None:
    values = LuaValues(5)
    same_calls(pair, [values.bit_call() for _ in range(3 * CASES)])


def test_random_calls_of_struct_give_the_same(pair: Pair) -> None:
    values = LuaValues(6)
    same_calls(pair, [values.struct_call() for _ in range(3 * CASES)])
