"""Lua as scripts see it: globals, libraries, and the text and place of its errors."""

from __future__ import annotations

from .harness import Pair
from .script_lines import run_lines


def test_functions_of_the_libraries_are_no_coroutines(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        return coroutine.wrap(redis.call)
        return coroutine.create(string.find)
        return coroutine.create(pcall)
        return coroutine.wrap(cjson.encode)
        return {pcall(coroutine.wrap, redis.call)}
        """,
    )


def test_errors_of_lua_have_the_same_text_and_place(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        error()
        error('x')
        error('x', 0)
        error('x', 1)
        error('x', 2)
        error(1)
        error(true)
        error({err='My Err'})
        error({err='My Err\r\n', foo=1})
        error({err='ERR x', line=5, source='y'})
        error(redis.error_reply('My Err'))
        return error('x')
        local t = nil; return t.x
        local t = {} return t.x.y
        return nosuchfunction()
        return #nil
        return 1 < 'x'
        return {} < {}
        return {} .. 'x'
        return 1 + {}
        return -{}
        string.find()
        return string.find('a', '[')
        string.rep()
        string.rep('x')
        return string.format('%d', 'x')
        local s = 'x' return s:foo()
        return ipairs()
        return pairs(nil)
        return setmetatable(1, {})
        return tostring()
        return tonumber()
        return tonumber('z', 99)
        return select(0)
        return table.concat({{}})
        table.insert(nil, 1)
        table.insert({}, 1, 2, 3)
        return {pcall(table.insert, {}, 1, 2, 3)}
        return {pcall(string.find)}
        return {pcall(error)}
        return {pcall(error, {a=1})}
        return {pcall(error, {err='x'})}
        return {pcall(function() error({err='x'}) end)}
        return {pcall(function() error('x') end)}
        return {pcall(function() local x = nil + 1 end)}
        return {xpcall(function() error('a') end, function(e) return e .. '!' end)}
        return {pcall(xpcall)}
        return {pcall(pcall)}
        unpack()
        return {unpack({1,2,3})}
        return {unpack({1,2,3}, 2)}
        return {unpack({1,2,3}, 2, 3)}
        return {unpack({1,2,3}, '2')}
        unpack({},1,1e8)
        local function f() return f()+1 end f()
        local f f=function() string.gsub('a','a',f) end f()
        coroutine.yield(1)
        return coroutine.wrap(function() error('x') end)()
        return {coroutine.resume(coroutine.create(function() error('x') end))}
        return {coroutine.resume(coroutine.create(function() coroutine.yield(1,2) end))}
        return coroutine.running() == nil
        return coroutine.create()
        return coroutine.resume(1)
        """,
    )


def test_errors_name_the_line_of_the_script(pair: Pair) -> None:
    for code in (
        "local a = 1\nreturn redis.call('foo')",
        "\n\nerror('x')\n",
        "\n\nlocal function f()\nreturn redis.call('foo') end\n\nf()\nreturn 1",
        "local x = 1\n\nlocal y = nil + x\n",
        "return 1 +",
        "local a = 1\nlocal b = = 2",
        "x = \n\n",
        "return 'abc",
        "return [[abc",
        "for",
        "end",
        "a b c",
        "return 1 return 2",
        "goto x",
        "\x1bLua",
        "return \x00 1",
        "--[[",
        "break",
        "return ...",
    ):
        pair.same_exactly("EVAL", code, "0")


def test_the_globals_are_the_same_and_read_only(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        x = 1
        return x
        return foo
        return _G.foo
        return rawget(_G, 'foo')
        redis.x = 1
        redis.call = 1
        string.find = nil
        string.x = 1
        _G.x = 1
        _G.redis = 1
        rawset(_G,'x',1)
        rawset(redis,'x',1)
        rawset(string,'x',1)
        table.insert(redis, 1)
        table.insert(table, 1)
        setmetatable(_G, {})
        setmetatable(redis, {})
        getmetatable(_G).__index = nil
        getmetatable('').__index = nil
        getmetatable('').foo = 1
        return getmetatable('').__index == string
        return {type(getmetatable(_G)), type(getmetatable(redis)), type(getmetatable(''))}
        KEYS = 1
        ARGV = nil
        KEYS[1] = 'a' return KEYS
        KEYS.x = 1 return KEYS.x
        loadstring('x=1')()
        return loadstring('return x')()
        return rawequal(_G, _G._G)
        return rawget(_G, 'redis') == redis
        return {print == nil}
        return os
        return io
        return debug
        return require
        return module
        return package
        return dofile
        return loadfile
        return getfenv
        return setfenv
        return newproxy
        return python
        return _VERSION
        return redis.register_function
        local n = {} for k in pairs(_G) do n[#n+1] = k end table.sort(n) return n
        local n = {} for k in pairs(redis) do n[#n+1] = k end table.sort(n) return n
        local n = {} for k in pairs(string) do n[#n+1] = k end table.sort(n) return n
        local n = {} for k in pairs(table) do n[#n+1] = k end table.sort(n) return n
        local n = {} for k in pairs(math) do n[#n+1] = k end table.sort(n) return n
        local n = {} for k in pairs(coroutine) do n[#n+1] = k end table.sort(n) return n
        local n = {} for k, v in pairs(_G) do n[#n+1] = k .. type(v) end table.sort(n) return n
        local n = 0 table.foreach(math, function() n = n + 1 end) return n
        return next(redis) ~= nil
        return next({})
        """,
    )


def test_library_functions_behave_the_same(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        return {tostring(nil), tostring(1.5), tostring(100000000000000), 1e15 .. ''}
        return {tostring(0/0), tostring(1/0), tostring(-1/0), tostring(1e100)}
        return {string.format('%5.2f|%d|%s|%q', 3.14159, 42, 'x', 'a"b')}
        return {('x'):rep(3), ('abc'):upper(), ('abc'):find('b'), ('a,b'):gsub(',', ';')}
        return {('key=value'):match('(%w+)=(%w+)')}
        local t = {} for k, v in ('a=1,b=2'):gmatch('(%w+)=(%w+)') do t[#t+1] = k .. v end return t
        return {('abc'):gsub('%w', {a='x'}), ('abc'):gsub('%w', function(c) return c .. c end)}
        return {('hello'):byte(1,-1)}
        return {('hello'):sub(2,3), ('hello'):reverse(), ('hello'):len()}
        return {('a.b'):find('.', 1, true), ('a.b'):find('%.')}
        return {table.concat({1,2,3}, ','), #table.concat({}, ',')}
        local t = {3,1,2} table.sort(t) return t
        local t = {3,1,2} table.sort(t, function(a, b) return a > b end) return t
        local t = {} table.insert(t, 1) table.insert(t, 1, 2) return t
        local t = {1,2,3} return {table.remove(t), table.remove(t, 1), #t}
        return {table.maxn({1,2,[10]=3}), table.getn({1,2})}
        return {select('#', 1, 2, 3), select(2, 'a', 'b')}
        return {tonumber('0x10'), tonumber('10', 2), tonumber('z', 36), tonumber(' 5 ')}
        return {math.floor(1.7), math.max(1,5,3), math.fmod(7,3), math.abs(-4), math.huge > 1}
        return tostring(math.pi)
        return tostring(math.sqrt(2))
        math.randomseed(5) return {tostring(math.random()), math.random(100), math.random(5,9)}
        math.randomseed(-1) return math.random(1000000)
        math.randomseed(2^31) return math.random(1000000)
        math.randomseed(1.9) return math.random(1000000)
        math.randomseed('7') return math.random(1000000)
        return math.random(0)
        return math.random(5,1)
        return math.random(1,2,3)
        return math.random('x')
        return math.random({})
        return math.randomseed()
        local ok, e = pcall(math.random, 0) return e
        return loadstring('return 1')()
        return {select(2, loadstring('return 1 +'))}
        return {select(2, loadstring('return 1 +', 'foo'))}
        return {select(2, loadstring('return 1 +', '@foo'))}
        return {select(2, loadstring('return 1 +', '=foo'))}
        return {select(2, loadstring('\27Lua'))}
        local x = string.dump(function() return 1 end) return {select(2, loadstring(x))}
        return loadstring(5)
        return loadstring()
        return loadstring({})
        local n = 0 return load(function() n = n + 1 return ({'return ', '7'})[n] end)()
        return {select(2, load(function() return {} end))}
        return {select(2, load(function() return nil end))}
        return load('return 1')
        local f = coroutine.wrap(function() for i=1,3 do coroutine.yield(i) end end) return f()+f()
        local co = coroutine.create(function() end) coroutine.resume(co) return coroutine.status(co)
        local co = coroutine.wrap(function() return redis.call('incr','cc') end) return co()
        return {pcall(coroutine.wrap(function() redis.call('foo') end))}
        return {collectgarbage('count') > 0, gcinfo() > 0, collectgarbage()}
        return {type(next), type(_G), type(redis.call), type(nil)}
        return assert(1, 'x')
        return assert(false, 'x')
        return assert(nil)
        return getmetatable(setmetatable({}, {__metatable='locked'}))
        return setmetatable(setmetatable({}, {__metatable='locked'}), {})
        """,
    )
