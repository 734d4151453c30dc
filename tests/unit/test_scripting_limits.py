"""Hostile scripts: they end with an error, and the node and the next script are as before."""

from __future__ import annotations

import pytest

from .engine import Engine

LIMIT = 24 << 20
FULL = b"local t, ok = {}, true while ok do ok = pcall(function() t[#t+1] = {} end) end "


@pytest.fixture(scope="module")
def shared() -> Engine:
    engine = Engine()
    engine.send([b"CONFIG", b"SET", b"lua-memory-limit", b"%d" % LIMIT])
    return engine


def evaluate(engine: Engine, code: bytes) -> bytes:
    return engine.send([b"EVAL", code, b"0"])


def check_alive(engine: Engine) -> None:
    """The sandbox is whole and Lua holds little."""
    code = (
        b"return {redis.call('ping'), ('x'):rep(2), string.find('abc','b'), #table, "
        b"type(redis.call), rawget(_G, 'pwned') == nil, collectgarbage('count') < 30000}"
    )
    reply = evaluate(engine, code)
    assert reply == b"*7\r\n+PONG\r\n$2\r\nxx\r\n:2\r\n:0\r\n$8\r\nfunction\r\n:1\r\n:1\r\n"
    engine.node.check()


@pytest.mark.parametrize(
    "code",
    [
        b"local s = 'x' while true do s = s .. s end",
        b"local t = {} while true do t[#t+1] = {} end",
        b"local t = {} for i = 1, 1e9 do t[i] = 'k' .. i end",
        b"return #string.rep('x', 1000000000)",
        b"return string.rep('x', 200000000)",
        b"return #string.format('%s%s', ('x'):rep(2e7), ('y'):rep(2e7))",
        b"return #string.gsub(('a'):rep(1e6), 'a', ('b'):rep(1000))",
        b"return #table.concat({('x'):rep(2e7), ('y'):rep(2e7)})",
        b"return loadstring(('x = 1 '):rep(1e7))",
        b"collectgarbage('stop') local t while true do t = {} end",
        b"redis.call('set','big',('x'):rep(5e6)) local t = {} "
        b"for i=1,9 do t[i]=redis.call('get','big')..i end",
        b"for i=1,9000 do redis.call('rpush','l',i) end local t = {} "
        b"for i=1,99 do t[i]=redis.call('lrange','l',0,-1) end",
        FULL + b"return redis.call('get', 'a')",
        FULL + b"return redis.call({}, {}, {})",
        FULL + b"for i=1,500 do redis.pcall('set', 'a', i) end",
        FULL + b"for i=1,500 do pcall(redis.call, 'nocmd') pcall(redis.error_reply, "
        b"'x') end error('x')",
        FULL + b"for i=1,500 do pcall(redis.status_reply, 'x') pcall(redis.sha1hex, "
        b"'x') end error('x')",
        FULL + b"for i=1,500 do pcall(redis.setresp, 3) pcall(redis.log, 1, 'x') end error('x')",
        FULL + b"for i=1,500 do pcall(cjson.decode, '[1,2]') pcall(cmsgpack.pack, 1) "
        b"end error('x')",
        FULL + b"t = nil for i=1,500 do redis.pcall('get', 'a') end return redis.call('get', 'a')",
        FULL + b"return string.rep('x', 1e7)",
    ],
)
def test_too_much_memory_is_an_error(shared: Engine, code: bytes) -> None:
    reply = evaluate(shared, code)
    assert b"not enough memory" in reply or reply.startswith(b"-ERR user_script:1: x ")
    check_alive(shared)
    assert shared.node.scripting.eval_engine.memory() < LIMIT


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (b"local function f() return f() + 1 end f()", b"stack overflow"),
        (b"local f f = function() string.gsub('a','a',f) end f()", b"C stack overflow"),
        (b"local f f = function() return table.sort({3,2,1},f) end f()", b"C stack overflow"),
        (b"local function f() coroutine.wrap(f)() end f()", b"C stack overflow"),
        (
            b"local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] "
            b"end return t.x",
            b"C stack overflow",
        ),
        (
            b"local t = setmetatable({}, {}) getmetatable(t).__lt = function(a, b) return a < b "
            b"end return t < t",
            b"C stack overflow",
        ),
        (b"return ('x'):rep(1e6):find(('x?'):rep(1e6))", b"pattern too complex"),
        (b"return ('x'):rep(1e6):match(('.-'):rep(1e6))", b"pattern too complex"),
        (b"return ('x'):rep(1e6):gsub(('x?'):rep(1e6), '')", b"pattern too complex"),
        (b"return ('x'):rep(1e6):gmatch(('x?'):rep(1e6))", b"pattern too complex"),
        (b"return unpack({}, -2147483647, 2147483647)", b"too many results to unpack"),
        (b"return unpack({}, 0, 2147483647)", b"too many results to unpack"),
        (b"return unpack({}, -2147483648)", b"too many results to unpack"),
        (b"return unpack({}, -1e300, 1e300)", b"too many results to unpack"),
        (b"return unpack({}, 0/0, 1)", b"too many results to unpack"),
        (b"return unpack({}, '1', '2147483647')", b"too many results to unpack"),
        (b"return ('x'):rep(1e6):byte(1, 1e6)", b"string slice too long"),
        (b"return loadstring(('('):rep(1e5)) or error('refused')", b"refused"),
        (b"return loadstring('return '..('{'):rep(1e5)) or error('refused')", b"refused"),
        (b"return loadstring(string.dump(function() end)) or error('refused')", b"refused"),
        (b"return loadstring('\\27Lua') or error('refused')", b"refused"),
        (
            b"local n = 0 return load(function() n = n + 1 return ({'\\27', 'LuaQ'})[n] end) "
            b"or error('refused')",
            b"refused",
        ),
        (
            b"return loadstring('return function(a,b,c,d,e,f,g,h,...) end') or error('refused')",
            b"refused",
        ),
        (b"local t = {} for i=1,1e5 do t[i] = i end redis.call('del', unpack(t))", b"too many"),
        (b"error({})", b"ERR unknown error"),
        (b"error(setmetatable({}, {__index=error}))", b"ERR unknown error"),
        (b"error({err=1})", b"ERR unknown error"),
        (b"error(setmetatable({}, {__tostring=error}))", b"ERR unknown error"),
    ],
)
def test_what_would_harm_the_process_is_an_error(shared: Engine, code: bytes, text: bytes) -> None:
    reply = evaluate(shared, code)
    assert reply.startswith(b"-"), reply[:200]
    assert text in reply
    check_alive(shared)


@pytest.mark.parametrize(
    "code",
    [
        b"local function f() pcall(f) end f()",
        b"local function f() return coroutine.resume(coroutine.create(f)) end f()",
        b"return ('x'):rep(1e5):find(('x?'):rep(5000))",
        b"local t = {} for i=1,7900 do t[i]={} end return redis.pcall('del', unpack(t))",
        b"local r = {} for i=1,100000 do r = {r} end return r",
        b"local r = {} for i=1,20000 do r = {map={a=r}} end return r",
        b"local t = {} t[1] = t return t",
        b"for i=1,20000 do coroutine.wrap(function() end)() end",
        b"local t = {} for i=1,2000 do t[i] = coroutine.create(coroutine.yield) "
        b"coroutine.resume(t[i]) end",
        b"coroutine.wrap(function() redis.setresp(3) redis.call('get', 'a') end)()",
        b"return coroutine.wrap(function() return redis.pcall('nocmd') end)()",
        b"return ('%99.99f'):format(1e300)",
        b"return table.concat({}, 'x', 1, 2^31)",
        b"table.sort(redis) table.remove(redis)",
        b"KEYS.x = KEYS ARGV.y = ARGV",
    ],
)
def test_excess_that_is_allowed_does_no_harm(shared: Engine, code: bytes) -> None:
    evaluate(shared, code)
    check_alive(shared)


@pytest.mark.parametrize(
    "code",
    [
        b"pwned = 1",
        b"_G.pwned = 1",
        b"rawset(_G, 'pwned', 1)",
        b"setmetatable(_G, nil)",
        b"getmetatable(_G).__newindex = nil",
        b"getmetatable(_G).__index = nil",
        b"rawset(getmetatable(_G), '__index', 1)",
        b"getmetatable('').__index = 1",
        b"rawset(getmetatable(''), '__index', 1)",
        b"setmetatable(getmetatable(''), {})",
        b"getmetatable('').__index.find = 1",
        b"string.find = nil",
        b"for k in pairs(string) do string[k] = nil end",
        b"local f, s = pairs(string) s.find = 1",
        b"local f, s = pairs(string) rawset(s, 'find', 1)",
        b"table.insert(table, 1)",
        b"table.insert(getmetatable(_G), 1)",
        b"redis.call = nil",
        b"redis.call.x = 1",
        b"return redis.call.__class__",
        b"return python",
        b"return debug.getregistry()",
        b"return require('os')",
        b"return package.loaded",
        b"return io.open('/etc/passwd')",
        b"return os.execute('id')",
        b"return dofile('/etc/passwd')",
        b"return loadfile('/etc/passwd')",
        b"return getfenv(1)",
        b"return setfenv(1, {})",
        b"return newproxy(true)",
        b"loadstring('pwned = 1')()",
        b"coroutine.wrap(function() pwned = 1 end)()",
        b"return loadstring('return os')()",
    ],
)
def test_there_is_no_way_out_of_the_sandbox(shared: Engine, code: bytes) -> None:
    assert evaluate(shared, code).startswith(b"-ERR")
    check_alive(shared)


@pytest.mark.parametrize(
    "code",
    [
        b"local ok, e = pcall(redis.call) return type(e)",
        b"local e = select(2, coroutine.resume(coroutine.create(redis.call), 'nocmd')) "
        b"return type(e)",
        b"local e xpcall(function() redis.call('nocmd') end, function(x) e = x end) return type(e)",
        b"local e = select(2, load(function() redis.call('nocmd') end)) return type(e)",
        b"return type(redis.pcall('nocmd'))",
        b"return type(redis.call)",
        b"for _, t in pairs({redis, cjson, cmsgpack, bit, struct, string, table, math}) do "
        b"for _, v in pairs(t) do if type(v) == 'userdata' and getmetatable(v) then return "
        b"'userdata' end end end return 'none'",
    ],
)
def test_no_python_object_comes_into_a_script_s_hands(shared: Engine, code: bytes) -> None:
    assert b"userdata" not in evaluate(shared, code)


def test_large_values_pass_both_ways_within_the_limit() -> None:
    engine = Engine()
    engine.send([b"SET", b"a", b"x" * 50_000_000])
    assert evaluate(engine, b"return #redis.call('get', 'a')") == b":50000000\r\n"
    reply = engine.send([b"EVAL", b"return ARGV[1]", b"0", b"y" * 30_000_000])
    assert reply == b"$30000000\r\n" + b"y" * 30_000_000 + b"\r\n"


def test_arguments_beyond_the_limit_are_refused(shared: Engine) -> None:
    reply = shared.send([b"EVAL", b"return #ARGV[1]", b"0", b"y" * (LIMIT + 1)])
    assert reply == b"-ERR not enough memory\r\n"
    reply = shared.send([b"EVAL", b"--" + b"y" * LIMIT, b"0"])
    assert b"not enough memory" in reply
    check_alive(shared)


def test_without_a_limit_scripts_take_what_they_need() -> None:
    engine = Engine()
    engine.send([b"CONFIG", b"SET", b"lua-memory-limit", b"0"])
    assert evaluate(engine, b"return #('x'):rep(5e7)") == b":50000000\r\n"
