"""Scripts in the engine: their effects, their unit, BUSY and SCRIPT KILL, the cache."""

from __future__ import annotations

import pytest

from kvnode.context import Clock
from kvnode.node import Node
from kvnode.scripting.parameters import unsafe_parameters

from .engine import Engine, output


class RunningClock(Clock):
    """A clock that moves on by a millisecond whenever it is read."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now(self) -> float:
        """Return a later time than before."""
        self.seconds += 0.001
        return self.seconds


@pytest.fixture
def engine() -> Engine:
    return Engine()


def busy_engine() -> Engine:
    """An engine whose scripts are busy after 5 ms of a clock that runs with each look at it."""
    engine = Engine()
    clock = RunningClock()
    engine.node = Node(engine.node.config, clock, 1)
    engine.node.dispatcher.log = engine.log
    engine.send([b"CONFIG", b"SET", b"busy-reply-threshold", b"5"])
    return engine


def evaluate(engine: Engine, code: bytes, *words: bytes, name: str = "main") -> bytes:
    return engine.send([b"EVAL", code, b"%d" % len(words), *words], name)


def test_a_script_s_effects_are_one_unit(engine: Engine) -> None:
    evaluate(engine, b"redis.call('set','a',1) redis.call('get','a') redis.call('incr','a')")
    assert engine.log.lines() == [[(0, b"set a 1"), (0, b"incr a")]]


def test_what_a_script_finds_expired_is_deleted_in_its_unit(engine: Engine) -> None:
    engine.send([b"SET", b"a", b"1", b"PX", b"10"])
    engine.log.units.clear()
    engine.node.active_expiry = False
    engine.wait(1.0)
    evaluate(engine, b"redis.call('get','a') redis.call('set','b',1)")
    assert engine.log.lines() == [[(0, b"DEL a"), (0, b"set b 1")]]


def test_a_script_in_a_transaction_adds_to_its_unit(engine: Engine) -> None:
    engine.send([b"MULTI"])
    engine.send([b"SET", b"a", b"1"])
    evaluate(engine, b"redis.call('incr','a') redis.call('select',2) redis.call('set','b',1)")
    engine.send([b"SET", b"c", b"1"])
    engine.send([b"EXEC"])
    assert engine.log.lines() == [
        [(0, b"SET a 1"), (0, b"incr a"), (2, b"set b 1"), (0, b"SET c 1")]
    ]


def test_a_script_that_fails_keeps_what_it_wrote(engine: Engine) -> None:
    assert evaluate(engine, b"redis.call('set','a',1) error('x')").startswith(b"-ERR user_script:1")
    assert engine.log.lines() == [[(0, b"set a 1")]]
    assert engine.send([b"GET", b"a"]) == b"$1\r\n1\r\n"


def test_random_results_are_logged_as_what_they_did(engine: Engine) -> None:
    engine.send([b"SADD", b"s", b"one"])
    evaluate(engine, b"return redis.call('spop','s')")
    assert engine.log.lines()[-1] == [(0, b"SREM s one")] or engine.log.lines()[-1] == [
        (0, b"DEL s")
    ]


def test_without_replication_only_the_node_s_own_effects_are_logged(engine: Engine) -> None:
    engine.send([b"SET", b"old", b"1", b"PX", b"10"])
    engine.log.units.clear()
    engine.node.active_expiry = False
    engine.wait(1.0)
    evaluate(
        engine,
        b"redis.set_repl(redis.REPL_NONE) redis.call('set','a',1) redis.call('get','old') "
        b"redis.set_repl(redis.REPL_ALL) redis.call('set','b',1)",
    )
    assert engine.log.lines() == [[(0, b"DEL old"), (0, b"set b 1")]]


def test_a_script_that_reads_leaves_nothing_in_the_log(engine: Engine) -> None:
    evaluate(engine, b"return redis.call('get','a')")
    assert engine.log.units == []


def test_a_caller_s_watch_is_broken_by_its_script(engine: Engine) -> None:
    engine.send([b"WATCH", b"a"])
    evaluate(engine, b"return redis.call('set','a',1)")
    engine.send([b"MULTI"])
    assert engine.send([b"EXEC"]) == b"*-1\r\n"


ENDLESS = b"while true do end"
KILLED = b"-ERR Script killed by user with SCRIPT KILL... script: "


def serve(engine: Engine, requests: list[bytes], seen: list[bytes]) -> None:
    """While a script waits: send the next request of another session, and keep its reply."""

    def control() -> None:
        if requests:
            seen.append(engine.send(requests.pop(0).split(), "other"))

    engine.session("other")
    engine.node.yield_control = control


def test_others_are_told_busy_until_the_script_is_killed() -> None:
    engine = busy_engine()
    seen: list[bytes] = []
    requests = [b"GET a", b"MULTI", b"GET a", b"DISCARD", b"FUNCTION KILL", b"SHUTDOWN"]
    serve(engine, [*requests, b"SCRIPT KILL"], seen)
    assert evaluate(engine, ENDLESS).startswith(KILLED)
    busy = b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
    busy += b"NOSAVE.\r\n"
    assert seen == [busy, b"+OK\r\n", busy, b"+OK\r\n", busy, busy, b"+OK\r\n"]
    assert engine.send([b"GET", b"a"], "other") == b"$-1\r\n"
    assert engine.send([b"SCRIPT", b"KILL"], "other").startswith(b"-NOTBUSY")


@pytest.mark.parametrize(
    "code",
    [
        b"while true do pcall(function() while true do end end) end",
        b"local function f() while true do end end while true do pcall(f) end",
        b"while true do xpcall(function() while true do end end, function() end) end",
        b"while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        b"while true do coroutine.wrap(function() pcall(function() while true do end end) end)() "
        b"end",
        b"local function f() return f() end f()",
        b"for i = 1, 1e15 do\n local x = i\n end",
        b"repeat until pcall(redis.call, 'ping') == nil",
        b"while true do redis.pcall('ping') end",
        b"while true do ('x'):gsub('.', function() while true do end end) end",
        b"table.sort({1,2,3}, function() while true do end end)",
        b"local t = setmetatable({}, {__index=function() while true do end end}) return t.x",
    ],
)
def test_no_loop_survives_the_kill(code: bytes) -> None:
    engine = busy_engine()
    serve(engine, [b"SCRIPT KILL"], [])
    assert evaluate(engine, code).startswith(KILLED)
    assert evaluate(engine, b"return 7") == b":7\r\n"
    assert evaluate(engine, b"local n = 0 for i = 1, 1000000 do n = n + 1 end return n")


def test_a_script_that_wrote_is_not_killed() -> None:
    engine = busy_engine()
    seen: list[bytes] = []
    serve(engine, [b"SCRIPT KILL", b"SHUTDOWN NOSAVE"], seen)
    evaluate(engine, b"redis.call('set','a',1) while true do end")
    assert seen[0].startswith(b"-UNKILLABLE Sorry the script already executed write commands")
    assert engine.node.stop_requested


def test_shutdown_nosave_ends_a_busy_script() -> None:
    engine = busy_engine()
    serve(engine, [b"SHUTDOWN", b"SHUTDOWN NOSAVE"], [])
    assert evaluate(engine, ENDLESS).startswith(b"-ERR")
    assert engine.node.stop_requested


def test_a_threshold_of_zero_never_gives_way() -> None:
    engine = busy_engine()
    engine.send([b"CONFIG", b"SET", b"lua-time-limit", b"0"])
    seen: list[bytes] = []
    serve(engine, [b"PING"], seen)
    assert evaluate(engine, b"for i = 1, 3000000 do end return 1") == b":1\r\n"
    assert seen == []


def test_what_others_do_meanwhile_does_not_disturb_the_script() -> None:
    engine = busy_engine()
    seen: list[bytes] = []
    serve(engine, [b"MULTI", b"DISCARD", b"WATCH a", b"UNWATCH", b"RESET", b"QUIT"], seen)
    engine.send([b"WATCH", b"a"], "watcher")
    code = (
        b"redis.call('select', 3) redis.call('set','a',1) redis.call('set','c',1,'px',1) "
        b"for i = 1, 6000000 do end "
        b"redis.call('set','b',2) return {redis.call('get','a'), redis.call('get','c')}"
    )
    assert evaluate(engine, code) == b"*2\r\n$1\r\n1\r\n$1\r\n1\r\n"
    assert len(seen) == 6
    assert [line[:7] for _, line in engine.log.lines()[-1]] == [b"set a 1", b"SET c 1", b"set b 2"]
    assert engine.send([b"GET", b"a"]) == b"$-1\r\n"
    engine.node.check()


def test_who_waits_for_a_key_is_served_after_a_busy_script() -> None:
    engine = busy_engine()
    serve(engine, [b"GET x", b"MULTI", b"DISCARD"], [])
    engine.send([b"BLPOP", b"l", b"0"], "waiter")
    evaluate(engine, b"redis.call('rpush','l','a') for i = 1, 3000000 do end redis.call('del','l')")
    assert output(engine.session("waiter")) == b""
    evaluate(engine, b"redis.call('rpush','l','a')")
    assert output(engine.session("waiter")) == b"*2\r\n$1\r\nl\r\n$1\r\na\r\n"


def test_flush_drops_the_lua_state_and_the_scripts(engine: Engine) -> None:
    sha = engine.send([b"SCRIPT", b"LOAD", b"return 5"]).split(b"\r\n")[1]
    assert engine.send([b"EVALSHA", sha, b"0"]) == b":5\r\n"
    assert len(engine.node.scripting.scripts) == 1
    engine.send([b"SCRIPT", b"FLUSH"])
    assert engine.send([b"EVALSHA", sha, b"0"]).startswith(b"-NOSCRIPT")
    assert engine.node.scripting.eval_engine.memory() == 0
    assert evaluate(engine, b"return 5") == b":5\r\n"
    assert engine.send([b"EVALSHA", sha, b"0"]) == b":5\r\n"


def test_cached_scripts_outlive_the_lua_state(engine: Engine) -> None:
    sha = engine.send([b"SCRIPT", b"LOAD", b"return 5"]).split(b"\r\n")[1]
    engine.node.scripting.eval_engine.stop()
    assert engine.send([b"EVALSHA", sha, b"0"]) == b":5\r\n"


def test_log_lines_of_scripts_are_kept_for_the_log(engine: Engine) -> None:
    evaluate(engine, b"redis.log(redis.LOG_WARNING, 'a', 1, 2.5) redis.log(redis.LOG_DEBUG, 'b')")
    assert engine.node.journal.take() == [
        ("warning", "script", {"text": b"a 1 2.5"}),
        ("debug", "script", {"text": b"b"}),
    ]
    assert engine.node.journal.take() == []


def test_a_script_that_logs_without_end_fills_no_memory(engine: Engine) -> None:
    evaluate(engine, b"for i = 1, 1500 do redis.log(redis.LOG_WARNING, i) end")
    events = engine.node.journal.take()
    assert len(events) == 1001
    assert events[-1] == ("warning", "log-lines-left-out", {"count": 500})
    assert engine.node.journal.take() == []


@pytest.mark.parametrize(
    ("code", "is_refused"),
    [
        (b"return ...", False),
        (b"function f(...) end", False),
        (b"function f(a, b, c, d, e, g, h, ...) end", False),
        (b"function f(a, b, c, d, e, g, h, i, ...) end", True),
        (b"function t:f(a, b, c, d, e, g, h, ...) end", True),
        (b"local f = function(a, b, c, d, e, g, h, i, ...) end", True),
        (b"function f(a,b,c,--[[ ) ]]d,e,g,h,--x)\ni,...) end", True),
        (b"function f(a,b,c,--[==[ ]] ]==]d,e,g,h,i,...) end", True),
        (b'x = "\\\r\n" function f(a,b,c,d,e,g,h,i,...) end', True),
        (b'x = "\\"" function f(a,b,c,d,e,g,h,i,...) end', True),
        (b"x = '\\'' function f(a,b,c,d,e,g,h,i,...) end --'", True),
        (b"x = [[ ' ]] function f(a,b,c,d,e,g,h,i,...) end --'", True),
        (b"x = [=[ ]] ' ]=] function f(a,b,c,d,e,g,h,i,...) end --'", True),
        (b"x = 'function f(a,b,c,d,e,g,h,i,...) end'", False),
        (b"-- function f(a,b,c,d,e,g,h,i,...) end", False),
        (b"call(a,b,c,d,e,g,h,i,...)", False),
        (b"function f() call(a,b,c,d,e,g,h,i,...) end", False),
        (b"function f(a,b,c,d,e,g,h,i) return ... end", False),
    ],
)
def test_functions_that_overrun_lua_s_stack_are_refused(code: bytes, is_refused: bool) -> None:
    assert (unsafe_parameters(code) is not None) == is_refused
