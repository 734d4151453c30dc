"""HyperLogLog commands answer as redis-server does, and leave the same bytes."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from .client import Argument
from .harness import CHANGES, Pair

HEADER = b"HYLL\x01" + bytes(11)
EMPTY = HEADER + b"\x7f\xff"
DENSE = b"HYLL\x00" + bytes(11) + bytes(12288)
REGISTERS = 16384


def add(pair: Pair, name: str, elements: Iterable[Argument]) -> None:
    """Add elements in requests of a hundred."""
    rows = list(elements)
    pair.same_batch([["PFADD", name, *rows[i : i + 100]] for i in range(0, len(rows), 100)])


@pytest.mark.parametrize("limit", [0, 17, 18, 60, 300, 3000, 20_000])
def test_bytes_are_equal_after_every_addition(pair: Pair, limit: int) -> None:
    pair.config("hll-sparse-max-bytes", limit)
    draw = random.Random(limit)
    for step in range(80):
        count = draw.choice([0, 1, 1, 1, 2, 10, 40])
        pair.same("PFADD", "k", *[draw.randrange(5000) for _ in range(count)])
        pair.same("GET", "k")
        pair.same("OBJECT", "ENCODING", "k")
        if step % 5 == 0:
            pair.same("PFCOUNT", "k")
            pair.same("GET", "k")
        pair.same("PFDEBUG", "DECODE", "k")


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 15, 16, 17, 31, 100, 1000])
def test_elements_of_every_length_have_redis_hash(pair: Pair, size: int) -> None:
    draw = random.Random(size)
    elements = [draw.randbytes(size) for _ in range(50)]
    pair.same("PFADD", "k", *elements, "\xff" * size, bytes(size))
    pair.same("GET", "k")


def test_counts_are_equal_from_nothing_to_many(pair: Pair) -> None:
    done = 0
    for total in (1, 2, 5, 10, 50, 100, 500, 1000, 3000, 10_000, 30_000):
        add(pair, "k", (f"element-{n}" for n in range(done, total)))
        done = total
        reply = pair.same("PFCOUNT", "k")
        assert isinstance(reply.value, int)
        assert abs(reply.value - total) <= max(total * 0.0325, 1)  # four standard errors
    pair.same("GET", "k")
    pair.same("PFDEBUG", "GETREG", "k")


def test_counts_of_several_keys_are_those_of_their_union(pair: Pair) -> None:
    add(pair, "a", range(100))
    add(pair, "b", range(50, 500))
    add(pair, "c", range(20_000))
    for keys in ("a b", "b a", "a b c", "a a", "missing a", "missing other", "c missing"):
        pair.same("PFCOUNT", *keys.split())
        pair.same("PFMERGE", "d", *keys.split())
        pair.same("PFCOUNT", "d")
        pair.same("GET", "d")
        pair.same("OBJECT", "ENCODING", "d")
    pair.same_keyspace()


def test_merging_keeps_or_leaves_the_sparse_layout_as_redis(pair: Pair) -> None:
    draw = random.Random(7)
    for limit in (30, 200, 3000):
        pair.config("hll-sparse-max-bytes", limit)
        pair.same("FLUSHALL")
        for step in range(30):
            for name in "abc":
                count = draw.randrange(60)
                pair.same("PFADD", name, *[draw.randrange(10**9) for _ in range(count)])
            target, *sources = draw.choices("abcd", k=draw.randint(1, 4))
            pair.same("PFMERGE", target, *sources)
            pair.same("GET", target)
            if step % 7 == 0:
                pair.same("PFCOUNT", target)
    pair.same_script("""
        PFMERGE new
        GET new
        PFCOUNT new
        PFMERGE new
        GET new
        PFMERGE other new missing
        GET other
        PFADD ttl a
        EXPIRE ttl 1000
        PFMERGE ttl a
        TTL ttl
    """)


def test_only_changes_are_counted(pair: Pair) -> None:
    for line in (
        *("PFADD k", "PFADD k", "PFADD k a b c", "PFADD k a", "PFCOUNT k", "PFCOUNT k"),
        *("PFCOUNT k x", "PFMERGE k", "PFCOUNT k", "PFMERGE d k", "PFMERGE d k", "PFCOUNT missing"),
        *("PFDEBUG ENCODING k", "PFDEBUG TODENSE k", "PFDEBUG TODENSE k", "PFDEBUG GETREG d"),
        *("PFDEBUG GETREG d", "PFCOUNT d", "PFADD d a", "PFADD d z", "PFDEBUG DECODE d"),
    ):
        before = pair.figures(CHANGES)
        pair.same(*line.split())
        pair.same("GET", "k")
        pair.same("GET", "d")
        pair.same_growth(CHANGES, before)


def test_a_value_that_was_set_is_used_and_becomes_raw(pair: Pair) -> None:
    for request in (
        *(["PFADD", "k"], ["PFCOUNT", "k"], ["PFMERGE", "k"], ["PFDEBUG", "ENCODING", "k"]),
        *(["PFADD", "k", "a"], ["PFCOUNT", "k", "x"], ["PFDEBUG", "DECODE", "k"]),
    ):
        for value in (EMPTY, HEADER[:15] + b"\x80\x7f\xff", DENSE):
            pair.same("SET", "k", value)
            pair.same(*request)
            pair.same("OBJECT", "ENCODING", "k")
            pair.same("GET", "k")


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"",
            b"HYLL",
            b"hello",
            b"12345",
            HEADER[:15],
            b"hyll" + EMPTY[4:],
            b"HYLL\x02" + bytes(20),
        ),
        *(DENSE[:-1], DENSE + b"\x00", b"HYLL\x00" + bytes(11), b"X" + DENSE[1:], b"\xf8" + EMPTY),
        # Runs that make up too few, too many, or no registers; a run cut short.
        *(HEADER, HEADER + b"\x00", HEADER + b"\x7f\xfe", HEADER + b"\x7f\xff\x00"),
        *(
            HEADER + b"\x7f",
            HEADER + b"\x80" * 4096,
            HEADER + b"\x83" * 4095,
            HEADER + b"\x83" * 4096,
        ),
        *(HEADER + b"\x83" * 4097, HEADER + b"\xff" * 4096, HEADER + b"\x7f\xfe\x83"),
        *(
            HEADER + b"\x40\x00" * 16384,
            HEADER + b"\x7f\xf0\x84" + b"\x40",
            b"HYLL\x01ABC" + EMPTY[8:],
        ),
    ],
)
def test_values_that_are_no_hyperloglog_are_refused_and_left(pair: Pair, value: bytes) -> None:
    pair.config("hll-sparse-max-bytes", 300)  # merging into a longer sparse one takes its time
    for stale in (False, True):
        for request in (
            *("PFADD k", "PFADD k a", "PFADD k a b c d e f", "PFCOUNT k", "PFCOUNT k other"),
            *("PFMERGE d k", "PFMERGE k", "PFMERGE k other", "PFDEBUG GETREG k"),
            *("PFDEBUG DECODE k", "PFDEBUG ENCODING k", "PFDEBUG TODENSE k", "PFDEBUG BOGUS k"),
        ):
            if stale and len(value) > 15:
                value = value[:15] + bytes([value[15] | 0x80]) + value[16:]
            pair.same("SET", "k", value)
            pair.same("PFADD", "other", "x", "y")
            pair.same(*request.split())
            pair.same("GET", "k")
            pair.same("GET", "d")
            pair.same("DEL", "d")


def test_a_dense_value_may_hold_any_registers(pair: Pair) -> None:
    draw = random.Random(3)
    for registers in (b"\xff" * 12288, draw.randbytes(12288), b"\x33\xcf\x3c\xf3" * 3072):
        for header in (
            DENSE[:16],
            DENSE[:15] + b"\x80",
            DENSE[:5] + b"abc" + b"\x01" * 7 + b"\x80",
        ):
            pair.same("SET", "k", header + registers)
            pair.same("PFCOUNT", "k")
            pair.same("GET", "k")
            pair.same("PFADD", "k", *range(50))
            pair.same("PFCOUNT", "k")
            pair.same("PFCOUNT", "k", "k")
            pair.same("PFDEBUG", "GETREG", "k")
            pair.same("GET", "k")


def test_other_types_are_refused(pair: Pair) -> None:
    pair.same_script("""
        RPUSH list a
        SADD set a
        HSET hash f v
        ZADD zset 1 a
        SET int 5
        PFADD k a
    """)
    for name in ("list", "set", "hash", "zset", "int"):
        pair.same_script(f"""
            PFADD {name}
            PFADD {name} a
            PFCOUNT {name}
            PFCOUNT k {name}
            PFCOUNT {name} k
            PFMERGE {name}
            PFMERGE {name} k
            PFMERGE k {name}
            PFMERGE d k {name}
            EXISTS d
            PFDEBUG ENCODING {name}
            PFDEBUG BOGUS {name}
        """)
    pair.same_keyspace()


def test_malformed_requests_are_refused(pair: Pair) -> None:
    pair.same_script("""
        PFADD
        PFCOUNT
        PFMERGE
        PFDEBUG
        PFDEBUG GETREG
        PFDEBUG GETREG missing
        PFDEBUG BOGUS missing
        PFDEBUG BOGUS missing x
        PFADD k a
        PFDEBUG BOGUS k
        PFDEBUG encoding k
        PFDEBUG ToDense k
        PFDEBUG decode k
        PFSELFTEST x
        PFCOUNT missing
    """)


def test_the_self_test_passes(pair: Pair) -> None:
    pair.same("PFSELFTEST")
