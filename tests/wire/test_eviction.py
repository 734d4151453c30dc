"""Eviction, access clocks and what OBJECT tells of them, beside redis-server."""

from __future__ import annotations

import time
from functools import partial

import pytest

from .client import Reply, Wire, wait_until
from .harness import Pair, info_number
from .hit_ratio import hit_ratio, zipf_trace
from .servers import Server

POLICIES = (
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)
VALUE = b"v" * 1000
# Each ends with the key `k` there, so that its counter can be compared. The integers are large, as
# Redis shares one object, with its counter, between all keys that hold a small one.
USES = (
    "GET k",
    "STRLEN k",
    "EXISTS k",
    "TYPE k",
    "TTL k",
    "PEXPIRETIME k",
    "OBJECT ENCODING k",
    "OBJECT FREQ k",
    "OBJECT REFCOUNT k",
    "TOUCH k",
    "TOUCH k k k",
    "MGET k k",
    "GETRANGE k 0 1",
    "SETRANGE k 0 x",
    "APPEND k x",
    "GETSET k 1234567",
    "GETDEL other",
    "GETEX k PERSIST",
    "SET k 1234567",
    "SET k 1234567 EX 100",
    "SET k 1234567 GET",
    "SET k 1234567 NX",
    "SET k 1234567 XX",
    "SETNX k 1234567",
    "SETEX k 100 1234567",
    "MSET k 1234567",
    "MSETNX k 1234567",
    "SET k 1234567 KEEPTTL",
    "INCR k",
    "INCRBYFLOAT k 1",
    "EXPIRE k 100",
    "PERSIST k",
    "RENAME k k2; RENAME k2 k",
    "MOVE k 1; SELECT 1; MOVE k 0; SELECT 0",
    "COPY k k2",
    "COPY k2 k REPLACE",
    "SCAN 0 TYPE string",
    "MEMORY USAGE k",
    "DEBUG OBJECT k",
    "DEL missing",
    "LPUSH l 1",
    "SORT l BY k",
    "SORT l GET k*",
)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_texts_of_object_freq_and_idletime(pair: Pair, policy: str) -> None:
    if policy.endswith(("random", "ttl", "noeviction")):
        # Redis tells the idle time under these too.
        pair.config("maxmemory-policy", policy)
        pair.same_script("SET k v\nOBJECT FREQ k\nOBJECT FREQ missing\nOBJECT IDLETIME missing")
        return
    pair.config("maxmemory-policy", policy)
    pair.same_script("""
        SET k v
        OBJECT FREQ k
        OBJECT IDLETIME k
        OBJECT FREQ missing
        OBJECT IDLETIME missing
        OBJECT FREQ
        OBJECT IDLETIME k k
    """)


def test_every_command_counts_the_uses_that_redis_counts(pair: Pair) -> None:
    pair.config("lfu-log-factor", 0)
    pair.config("lfu-decay-time", 0)
    pair.config("maxmemory-policy", "allkeys-lfu")
    different: dict[str, tuple[object, object]] = {}
    for line in USES:
        pair.both("FLUSHALL")
        pair.both("SET", "k", 1234567)
        pair.both("RPUSH", "l", 1, 2)
        for request in line.split(";"):
            pair.both(*request.split())
        ours, theirs = pair.both("OBJECT", "FREQ", "k")
        if ours != theirs:
            different[line] = (ours.plain(), theirs.plain())
    assert different == {}


def test_idle_time_begins_anew_with_each_use(pair: Pair) -> None:
    pair.config("maxmemory-policy", "allkeys-lru")
    begin = time.monotonic()
    pair.same("SET", "k", "v")
    time.sleep(2.1)
    for look in ("EXISTS", "TYPE"):  # neither is a use
        pair.same(look, "k")
        for reply in pair.both("OBJECT", "IDLETIME", "k"):
            assert 2 <= reply.number() <= time.monotonic() - begin + 1
    begin = time.monotonic()
    pair.same("GET", "k")
    for reply in pair.both("OBJECT", "IDLETIME", "k"):
        assert 0 <= reply.number() <= time.monotonic() - begin + 1


def limits(pair: Pair, room: int) -> None:
    """Let each server have so much more than it uses."""
    pair.config("maxmemory", 0)
    for wire in (pair.control.ours, pair.control.theirs):
        limit = info_number(wire, "used_memory") + room
        assert wire.call("CONFIG", "SET", "maxmemory", limit) == Reply("simple", b"OK")


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-ttl", "noeviction"])
def test_writes_are_refused_when_no_key_may_go(pair: Pair, policy: str) -> None:
    pair.config("maxmemory-policy", policy)
    pair.same("SET", "k", VALUE)
    pair.same("RPUSH", "list", "a", "b")
    limits(pair, -100_000)
    pair.same_script("""
        SET k v
        APPEND k v
        INCR n
        HSET h f v
        LPUSH list c
        LPOP list
        GETSET k v
        STRLEN k
        EXPIRE list 1000
        DEL missing
        MULTI
        GET k
        EXEC
        MULTI
        DISCARD
        CONFIG GET maxmemory-policy
        FLUSHALL
    """)


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "noeviction"])
def test_a_full_server_takes_writes_and_keeps_what_has_no_deadline(pair: Pair, policy: str) -> None:
    pair.config("maxmemory-policy", policy)
    is_volatile = policy.startswith("volatile")
    if is_volatile:
        for i in range(50):
            pair.same("SET", f"kept:{i}", VALUE)
    limits(pair, 1_000_000)
    for i in range(3000):
        replies = pair.both("SET", f"key:{i}", VALUE, "EX", 1000)
        assert [reply.plain() for reply in replies] == [b"OK", b"OK"], f"{policy}, write {i}"
    for wire in (pair.control.ours, pair.control.theirs):
        assert info_number(wire, "evicted_keys") > 500
        assert info_number(wire, "used_memory") <= limit_of(wire) * 1.02
    if is_volatile:
        for i in range(50):
            assert pair.same("EXISTS", f"kept:{i}").plain() == 1


def limit_of(wire: Wire) -> int:
    return int(wire.call("CONFIG", "GET", "maxmemory").items()[1].text())


def test_the_nearest_deadlines_go_first_under_volatile_ttl(pair: Pair) -> None:
    pair.config("maxmemory-policy", "volatile-ttl")
    pair.config("maxmemory-samples", 64)
    for i in range(600):
        seconds = 1000 + i * 7919 % 600
        pair.same("SET", f"{seconds}", VALUE, "EX", seconds)
    # 100 KB more go at kvnode if it measures its tables, once a second, after the limit is set.
    limits(pair, -100_000)
    for reply in pair.both("SET", "another", "v"):
        assert reply.plain() == b"OK"
    for wire in (pair.control.ours, pair.control.theirs):
        left = [int(reply.text()) for reply in wire.call("KEYS", "1*").items()]
        evicted = info_number(wire, "evicted_keys")
        assert evicted > 20
        # The latest half must hardly have lost any key.
        kept = sum(seconds >= 1300 for seconds in left)
        assert kept >= 295, f"{wire is pair.control.ours=}, {evicted=}"


def test_an_evicted_key_is_told_to_who_watches_it(pair: Pair) -> None:
    pair.config("maxmemory-policy", "allkeys-random")
    pair.same("SET", "k", VALUE)
    pair.same("WATCH", "k")
    for wire in (pair.control.ours, pair.control.theirs):
        wire.call("CONFIG", "SET", "maxmemory", 1)
        wire.call("PING")
        wire.call("CONFIG", "SET", "maxmemory", 0)
    pair.same_script("MULTI\nPING\nEXEC\nEXISTS k")


def test_clients_over_maxmemory_clients_are_ended_largest_first(pair: Pair) -> None:
    pair.same("SET", "k", b"v" * 10_000)
    pair.config("maxmemory-clients", 0)
    hogs = [(pair.client("Hog"), 4_000_000), (pair.client("Small"), 1_000_000)]
    before = [info_number(wire, "evicted_clients") for wire in pair_wires(pair)]
    for hog, size in hogs:
        for wire in (hog.ours, hog.theirs):
            # A request that does not end: what has come of it waits in the query buffer.
            wire.send_raw(b"*2\r\n$3\r\nGET\r\n$%d\r\n" % (size + 9) + b"x" * size)
    for wire in pair_wires(pair):
        wire.call("CONFIG", "SET", "maxmemory-clients", "4500kb")
    try:
        for number, wire in enumerate(pair_wires(pair)):
            target = before[number] + 1
            wait_until(partial(has_evicted, wire, target), 5.0)
            assert info_number(wire, "evicted_clients") == target, f"server {number}"
        pair.both_ping()
    finally:
        for wire in pair_wires(pair):
            wire.call("CONFIG", "SET", "maxmemory-clients", 0)


def has_evicted(wire: Wire, count: int) -> bool:
    return info_number(wire, "evicted_clients") == count


def pair_wires(pair: Pair) -> tuple[Wire, Wire]:
    return pair.control.ours, pair.control.theirs


def test_settings_of_eviction_are_checked_as_redis_checks_them(pair: Pair) -> None:
    pair.same_script("""
        CONFIG SET maxmemory-policy foo
        CONFIG SET maxmemory-samples 0
        CONFIG SET maxmemory-eviction-tenacity 101
        CONFIG SET maxmemory-clients 101%
        CONFIG SET maxmemory-clients -1
        CONFIG SET lfu-log-factor -1
        CONFIG SET lfu-decay-time -1
        CONFIG GET maxmemory-p*
        CONFIG GET lfu-*
        CONFIG GET replica-ignore-maxmemory
    """)


@pytest.mark.long
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu"])
def test_as_many_requests_hit_as_on_a_redis_with_as_many_keys(
    servers: tuple[Server, Server], policy: str
) -> None:
    trace = zipf_trace(100_000, 200_000, 1)
    ours, theirs = (hit_ratio(server.port, policy, 10_000, trace) for server in servers)
    assert ours[1] == pytest.approx(theirs[1], rel=0.02), "not as many keys"
    assert ours[0] > theirs[0] - 0.015
