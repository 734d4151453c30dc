"""DUMP and RESTORE: what either server dumped, the other restores."""

from __future__ import annotations

import random

import pytest

from kvnode.rdb.payload import seal

from .client import Argument
from .harness import Pair, words


def stream_of(count: int) -> list[list[Argument]]:
    return [["XADD", "k", f"{n}-{n % 3}", "a", n, "b", "x" * n] for n in range(1, count + 1)]


# Requests that make one value each, all under the key "k".
VALUES: dict[str, list[list[Argument]]] = {
    "string": [["SET", "k", "hello"]],
    "empty string": [["SET", "k", ""]],
    "integers": [["SET", "k", "-129"]],
    "large integer": [["SET", "k", "9223372036854775807"]],
    "long string": [["SET", "k", "abc" * 5000]],
    "binary": [["SET", "k", bytes(range(256))]],
    "appended": [["SET", "k", "a"], ["APPEND", "k", "\xfa\xf8"]],
    "tagged": [["SET", "k", b"\xf8\xf9\xfa"]],
    "hyperloglog": [["PFADD", "k", *range(200)]],
    "list": [["RPUSH", "k", "a", "-5", "b" * 70, ""]],
    "list of unequal elements": [["RPUSH", "k", "a", "c" * 4096, "", "d" * 9000, 5]],
    "long list": [["RPUSH", "k", *(f"element {n}" for n in range(5000))]],
    "list of large elements": [["RPUSH", "k", *("x" * (n * 997) for n in range(30))]],
    "list from the left": [
        ["LPUSH", "k", *range(700)],
        ["RPUSH", "k", *("y" * n for n in range(900))],
    ],
    "intset": [["SADD", "k", 1, 2, -70000, 2**40]],
    "small set": [["SADD", "k", "a", "1", "bb"]],
    "large set": [["SADD", "k", *(f"member {n}" for n in range(3000))]],
    "set of many integers": [["SADD", "k", *range(1000)]],
    "hash": [["HSET", "k", "a", "1", "b", "2.5", "c", ""]],
    "hash of a long value": [["HSET", "k", "a", "x" * 65]],
    "large hash": [["HSET", "k", *(str(n) for n in range(4000))]],
    "sorted set": [["ZADD", "k", 1, "a", 2.5, "b", "inf", "c", "-inf", "d", 1e17, "e", 0.1, "f"]],
    "large sorted set": [["ZADD", "k", *(w for n in range(999) for w in (n * 0.37 - 50, f"m{n}"))]],
    "stream": stream_of(299),
    "stream of groups": [
        *stream_of(19),
        ["XGROUP", "CREATE", "k", "g", 0],
        ["XGROUP", "CREATE", "k", "idle", "5-1", "ENTRIESREAD", 5],
        ["XREADGROUP", "GROUP", "g", "alice", "COUNT", 4, "STREAMS", "k", ">"],
        ["XREADGROUP", "GROUP", "g", "bob", "COUNT", 3, "STREAMS", "k", ">"],
        ["XCLAIM", "k", "g", "bob", 0, "2-2", "TIME", 1600000000000, "RETRYCOUNT", 7],
        ["XGROUP", "CREATECONSUMER", "k", "g", "carol"],
        ["XDEL", "k", "3-0", "19-1"],
    ],
    "empty stream": [["XADD", "k", "5-5", "a", 1], ["XDEL", "k", "5-5"], ["XSETID", "k", "9-9"]],
    "highest ids": [["XADD", "k", "18446744073709551614-3", "a", 1]],
}

# Whose bytes depend on no order of a hash table and no time, nor on how a list came to be.
EQUAL = words("string integers binary tagged hyperloglog list intset hash stream") + [
    *("empty string", "large integer", "long string", "sorted set", "highest ids", "empty stream"),
]


TYPES = [word.encode() for word in words("string list set zset hash stream")]


def make(pair: Pair, name: str) -> None:
    for request in VALUES[name]:
        for wire in (pair.client().ours, pair.client().theirs):
            assert wire.call(*request).kind != "error", request


@pytest.mark.parametrize("name", VALUES)
def test_each_server_restores_what_the_other_dumped(pair: Pair, name: str) -> None:
    make(pair, name)
    ours, theirs = pair.both("DUMP", "k")
    for wire, payload in ((pair.client().theirs, ours), (pair.client().ours, theirs)):
        assert wire.call("RESTORE", "k", 0, payload.text(), "REPLACE").text() == b"OK"
    assert pair.same_keyspace() == 1
    back = pair.both("DUMP", "k")
    for wire, payload in zip((pair.client().ours, pair.client().theirs), back, strict=True):
        assert wire.call("RESTORE", "k", 0, payload.text(), "REPLACE").text() == b"OK"
    assert pair.same_keyspace() == 1


@pytest.mark.parametrize("name", EQUAL)
def test_a_dump_has_the_bytes_of_redis(pair: Pair, name: str) -> None:
    make(pair, name)
    pair.same_exactly("DUMP", "k")
    pair.config("rdbcompression", "no")
    pair.same_exactly("DUMP", "k")


def test_restore_checks_its_arguments_in_the_order_of_redis(pair: Pair) -> None:
    payload = pair.client().theirs
    payload.call("SET", "k", "value")
    dump = payload.call("DUMP", "k").text()
    payload.call("DEL", "k")
    pair.same("SET", "there", "v")
    pair.same("DUMP", "missing")
    requests: list[list[Argument]] = [
        ["k", 0, dump],
        ["k", 0, dump],
        ["k", 0, dump, "REPLACE"],
        ["k", 0, dump, "replace", "REPLACE"],
        ["k", -1, dump, "REPLACE"],
        ["k", "x", dump, "REPLACE"],
        ["there", -1, dump],
        ["there", "x", b"bad"],
        ["new", "x", b"bad"],
        ["new", 0, b"bad"],
        ["new", 0, b""],
        ["new", 0, dump[:-1]],
        ["new", 0, seal(b"")],
        ["new", 0, seal(b"\x00")],
        ["new", 0, seal(b"\x63\x01a")],
        ["new", 0, seal(b"\x04\x00")],
        ["new", 0, dump, "BLAH"],
        ["new", 0, dump, "IDLETIME"],
        ["new", 0, dump, "IDLETIME", "x"],
        ["new", 0, dump, "IDLETIME", -1],
        ["new", 0, dump, "FREQ", 256],
        ["new", 0, dump, "FREQ", -1],
        ["new", 0, dump, "FREQ", "x"],
        ["new", 0, dump, "FREQ", 5, "IDLETIME", 5],
        ["new", 0, dump, "IDLETIME", 5, "FREQ", 5],
        ["new", 0, dump, "IDLETIME", 5],
        ["new2", 0, dump, "FREQ", 5],
        ["absolute", 1, dump, "ABSTTL"],
        ["k", 1, dump, "ABSTTL", "REPLACE"],
        ["future", 100_000_000, dump],
        ["future2", 33_000_000_000_000, dump, "ABSTTL"],
        ["list", 0, seal(b"\x01\x02\x01a\x01b")],
    ]
    for request in requests:
        pair.same("RESTORE", *request)
        pair.same("EXISTS", "k", str(request[0]))
    pair.same_keyspace()
    pair.same("RESTORE-ASKING", "asked", 0, dump)
    pair.same("PEXPIRETIME", "future2")


def test_a_ttl_beyond_all_time_lasts(pair: Pair) -> None:
    wire = pair.client().ours
    wire.call("SET", "k", "v")
    dump = wire.call("DUMP", "k").text()
    assert wire.call("RESTORE", "huge", 9223372036854775807, dump).text() == b"OK"
    assert wire.call("PEXPIRETIME", "huge").number() == 9223372036854775807


def test_restore_gives_the_key_the_use_it_had(pair: Pair) -> None:
    pair.same("SET", "k", "value")
    dump = pair.same("DUMP", "k").text()
    pair.config("maxmemory-policy", "allkeys-lru")
    pair.same("RESTORE", "idle", 0, dump, "IDLETIME", 5000)
    for reply in pair.both("OBJECT", "IDLETIME", "idle"):
        assert 5000 <= reply.number() <= 5010
    pair.config("maxmemory-policy", "allkeys-lfu")
    pair.same("RESTORE", "used", 0, dump, "FREQ", 77)
    pair.same("OBJECT", "FREQ", "used")


def test_damaged_values_are_refused_or_sound(pair: Pair) -> None:
    """Bytes are changed and sealed again: kvnode finds what does not fit, and is never harmed."""
    draw = random.Random(1)
    wire = pair.client().ours
    refused = 0
    for name in VALUES:
        for request in VALUES[name]:
            wire.call(*request)
        dump = wire.call("DUMP", "k").text()[:-10]
        wire.call("DEL", "k")
        for _ in range(40):
            data = bytearray(dump)
            for _ in range(draw.choice((1, 1, 2, 5))):
                data[draw.randrange(min(len(data), 300))] = draw.randrange(256)
            if draw.random() < 0.2:
                del data[draw.randrange(len(data)) :]
            reply = wire.call("RESTORE", "damaged", 0, seal(bytes(data)), "REPLACE")
            if reply.kind == "error":
                assert reply.text() == b"ERR Bad data format"
                refused += 1
                continue
            kind = wire.call("TYPE", "damaged").text()
            assert kind in TYPES
            wire.call("DUMP", "damaged")
            if kind == b"stream":
                wire.call("XRANGE", "damaged", "-", "+")
                wire.call("XINFO", "STREAM", "damaged", "FULL")
            assert wire.call("DEL", "damaged").number() == 1
    assert refused > 100
    pair.both_ping()
