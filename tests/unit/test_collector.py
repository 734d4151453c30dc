"""The command path makes no reference cycles: a node runs with the garbage collector off."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from kvnode.command import CARDS

from .effect_examples import EXAMPLES
from .engine import Engine
from .test_effects import run

READS = """
PING; ECHO a; SELECT 1; TIME; DBSIZE; LASTSAVE; KEYS *; SCAN 0 COUNT 1000; RANDOMKEY; INFO
COMMAND; COMMAND COUNT; COMMAND DOCS get; COMMAND INFO get set; COMMAND GETKEYS MSET a 1 b 2
CONFIG GET *; CONFIG SET maxmemory 0; CLIENT LIST; CLIENT INFO; CLIENT ID; CLIENT GETNAME
HELLO 3; HELLO 2; MEMORY USAGE s; OBJECT ENCODING h; SLOWLOG GET; LATENCY LATEST; ACL WHOAMI
GET s; MGET s t; STRLEN s; GETRANGE s 0 2; LCS s t; TYPE s; TTL s; EXISTS s h
HGETALL h; HKEYS h; HVALS h; HMGET h a b; HSCAN h 0; HRANDFIELD h 5 WITHVALUES; HSTRLEN h a
SMEMBERS m; SISMEMBER m a; SRANDMEMBER m 3; SSCAN m 0; SINTER m m; SUNION m m; SDIFF m m; SCARD m
LRANGE l 0 -1; LINDEX l 0; LPOS l a; LLEN l; SORT l ALPHA; SORT m BY nosort GET #
ZRANGE z 0 -1 WITHSCORES; ZRANGEBYSCORE z -inf +inf; ZSCORE z a; ZRANK z b; ZSCAN z 0; ZCOUNT z 0 9
ZRANGE z [a [z BYLEX; ZRANDMEMBER z 2 WITHSCORES; ZUNION 1 z WITHSCORES; ZINTER 2 z z; ZMSCORE z a
XRANGE x - +; XREVRANGE x + -; XLEN x; XREAD STREAMS x 0; XPENDING x g; XPENDING x g - + 10
XINFO STREAM x; XINFO STREAM x FULL; XINFO GROUPS x; XINFO CONSUMERS x g
"""
FAILURES = """
nope; GET; GET a b c; INCR h; LPUSH s a; ZADD z x a; SET s v EX 0; SET s v NX XX; HSET h a; EXEC
DISCARD; OBJECT nope; CONFIG SET nope 1; SELECT 99; GETRANGE s a b; EXPIRE s x; SETRANGE s -1 a
LSET l 99 x; ZADD z NX GT 1 a; INCRBYFLOAT s x; RENAME gone x; AUTH a b; HELLO 9; CLIENT KILL x
"""


@pytest.fixture
def collector() -> Iterator[None]:
    """Everything older is set aside, and nothing is collected unless the test asks for it."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.fixture(scope="module")
def stocked() -> Engine:
    """A node with a key of each type, small and large."""
    engine = Engine()
    many = " ".join(f"f{i} {i}" for i in range(600))
    members = " ".join(f"m{i}" for i in range(600))
    scores = " ".join(f"{i} m{i}" for i in range(600))
    run(
        engine,
        "XADD x 1-1 f v; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >; XADD x 2-1 f v;"
        " SET s hello; SET t help; APPEND s x; HSET h a 1 b 2; SADD m a b 3; RPUSH l b a c;"
        f" ZADD z 1 a 2 b 3 c; HSET H {many}; SADD M {members}; RPUSH L {members}; ZADD Z {scores}",
    )
    return engine


def unreachable(engine: Engine, script: str) -> int:
    """How many objects a second run of a script leaves in cycles; the first fills caches."""
    run(engine, script)
    gc.collect()
    run(engine, script)
    return gc.collect()


def lines(text: str) -> list[str]:
    return [request.strip() for line in text.split("\n") for request in line.split(";") if request]


@pytest.mark.parametrize("request_line", lines(READS))
def test_reading_commands_leave_no_cycles(
    collector: None, stocked: Engine, request_line: str
) -> None:
    assert request_line.split()[0] in CARDS
    assert unreachable(stocked, request_line) == 0


@pytest.mark.parametrize("request_line", lines(FAILURES))
def test_refused_commands_leave_no_cycles(
    collector: None, stocked: Engine, request_line: str
) -> None:
    assert unreachable(stocked, request_line) == 0


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_writing_commands_leave_no_cycles(collector: None, name: str) -> None:
    engine = Engine()
    for script in EXAMPLES[name]:
        found = unreachable(engine, f"FLUSHALL; {script}; FLUSHALL")
        assert found == 0, script


@pytest.mark.parametrize(
    "script",
    [
        "MULTI; SET a 1; GET a; INCR h; EXEC",
        "MULTI; nope; EXEC",
        "WATCH a; SET a 2; MULTI; GET a; EXEC",
        "SUBSCRIBE c; B: PUBLISH c m; UNSUBSCRIBE; PSUBSCRIBE c*; B: PUBLISH c m; PUNSUBSCRIBE",
        "B: BLPOP l 1; @2",
        "B: BLPOP l 0; RPUSH l a",
        "SET k v PX 10; @1; GET k; SADD big a b c; UNLINK big; FLUSHALL ASYNC; @1",
        "HSET k a 1; CLIENT PAUSE 10 WRITE; B: SET q 1; @1",
    ],
)
def test_states_of_sessions_leave_no_cycles(collector: None, script: str) -> None:
    assert unreachable(Engine(), script) == 0


def test_sessions_that_come_and_go_leave_no_cycles(collector: None) -> None:
    engine = Engine()
    for count in range(20):
        name = f"client{count}"
        for request in ("PING", "MULTI", "SET k v", "EXEC", "WATCH k", "SUBSCRIBE c", "nope"):
            run(engine, f"{name}: {request}")
        engine.node.disconnect(engine.sessions.pop(name))
    assert gc.collect() == 0


def test_the_check_itself_sees_a_cycle(collector: None) -> None:
    ring: list[object] = []
    ring.append(ring)
    del ring
    assert gc.collect() > 0
