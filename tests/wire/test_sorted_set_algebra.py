"""Unions, intersections and differences of sorted sets are those of redis-server."""

from __future__ import annotations

import itertools

import pytest

from .harness import Pair

INT_MAX = 2**63 - 1


def content(pair: Pair, key: str) -> None:
    """Compare the whole of a sorted set, its order and its form."""
    pair.same_exactly("ZRANGE", key, 0, -1, "WITHSCORES")
    pair.same("OBJECT", "ENCODING", key)


def fill_for_algebra(pair: Pair) -> None:
    """Sorted sets and sets of all forms, with infinities among the scores."""
    pair.same_script("""
        ZADD a 1 x 2 y 3 z 4 only
        ZADD b 10 x 20 y 30 w
        ZADD c -1 x 0.5 z -7 y 2 w
        ZADD inf inf x -inf y inf z 5 w
        ZADD ninf -inf x inf y inf z 0 w
        SADD set x y q
        SADD ints 1 2 3
        ZADD numbers 5 1 6 2 7 9
    """)
    pair.same("ZADD", "big", *[w for i in range(300) for w in (i / 4, f"m{i}")], 1, "x", 2, "y")
    pair.same("ZADD", "big2", *[w for i in range(0, 300, 3) for w in (-i, f"m{i}")], 1, "x", 3, "z")
    pair.same("SADD", "bigset", *[f"m{i}" for i in range(200)], "x", "z")


OPTIONS = [
    *("", "WEIGHTS 2 3", "WEIGHTS 0.5 -1", "WEIGHTS inf 1", "WEIGHTS 0 0", "WEIGHTS -inf inf"),
    *("AGGREGATE SUM", "AGGREGATE MIN", "AGGREGATE MAX", "weights 2 3 aggregate min"),
    *("AGGREGATE max WEIGHTS 1 -1", "WEIGHTS 1", "WEIGHTS 1 2 3", "WEIGHTS a b", "WEIGHTS nan 1"),
    *("AGGREGATE", "AGGREGATE AVG", "AGGREGATE SUM AGGREGATE MIN", "WEIGHTS 1 1 WEIGHTS 2 2"),
    *("WEIGHTS", "WEIGHTS 1 1 WITHSCORES", "WITHSCORES WEIGHTS 0 1", "BOGUS", "LIMIT 1", "LIMIT"),
    *("WITHSCORES", "withscores WITHSCORES", "WITHSCORES AGGREGATE MAX", "WITHSCORES x"),
    *("WEIGHTS 1e400 1", "WEIGHTS 1 0x10", "WEIGHTS 1 AGGREGATE SUM", "AGGREGATE WEIGHTS 1 1"),
]
INPUTS = [
    *("a b", "b a", "a a", "a c", "a missing", "missing a", "missing gone", "inf ninf", "ninf inf"),
    *("inf a", "a set", "set a", "set set", "ints numbers", "numbers ints", "big big2", "big2 big"),
    *("big a", "a big", "bigset big", "big bigset", "a bigset", "set ints", "bigset set"),
]


@pytest.mark.parametrize("inputs", INPUTS)
def test_unions_intersections_and_differences_with_every_option(pair: Pair, inputs: str) -> None:
    fill_for_algebra(pair)
    keys = inputs.split()
    for options in OPTIONS:
        for name in ("ZUNION", "ZINTER", "ZDIFF"):
            pair.same_exactly(name, 2, *keys, *options.split())
            pair.same("SET", "d", "string")
            pair.same(name + "STORE", "d", 2, *keys, *options.split())
            if pair.same("TYPE", "d").text() == b"zset":
                content(pair, "d")
        pair.same("ZINTERCARD", 2, *keys, *options.split())


@pytest.mark.parametrize("count", ["1", "2", "3", "5", "0", "-1", "abc", "1.5", "", str(INT_MAX)])
def test_the_number_of_input_keys_is_checked(pair: Pair, count: str) -> None:
    fill_for_algebra(pair)
    for name in ("ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD"):
        for keys in (
            "a",
            "a b",
            "a b c",
            "a b WITHSCORES",
            "a b c a a",
            "a WEIGHTS 2",
            "a LIMIT 1",
        ):
            pair.same(name, count, *keys.split())
            if name != "ZINTERCARD":
                pair.same(name + "STORE", "d", count, *keys.split())
                content(pair, "d")


def test_algebra_of_three_and_more_inputs(pair: Pair) -> None:
    fill_for_algebra(pair)
    for name in ("ZUNION", "ZINTER", "ZDIFF"):
        for keys in ("a b c", "c b a", "a b set", "inf ninf a", "ninf a inf", "big big2 bigset"):
            for options in ("", "WEIGHTS 1 2 3", "AGGREGATE MIN", "WEIGHTS 0 inf 1 AGGREGATE MAX"):
                pair.same_exactly(name, 3, *keys.split(), *options.split(), "WITHSCORES")
                pair.same(name + "STORE", "d", 3, *keys.split(), *options.split())
                content(pair, "d")
    pair.same_exactly("ZDIFF", 4, "big", "a", "b", "c", "WITHSCORES")
    pair.same_exactly("ZDIFF", 2, "a", "big", "WITHSCORES")
    pair.same("ZADD", "f1", "0.1", "m", 1, "n")
    pair.same("ZADD", "f2", "0.2", "m")
    pair.same("ZADD", "f3", "0.3", "m", 1, "n", 2, "o")
    for order in itertools.permutations(("f1", "f2", "f3")):
        pair.same_exactly("ZUNION", 3, *order, "WITHSCORES")
        pair.same_exactly("ZINTER", 3, *order, "WITHSCORES")


def test_zintercard_stops_at_its_limit(pair: Pair) -> None:
    fill_for_algebra(pair)
    for limit in ("0", "1", "2", "100", "-1", "abc", "1.5", "", str(INT_MAX), str(INT_MAX + 1)):
        for keys in ("a b", "big big2", "a missing", "set a"):
            pair.same("ZINTERCARD", 2, *keys.split(), "LIMIT", limit)
            pair.same("ZINTERCARD", 2, *keys.split(), "limit", limit, "LIMIT", 1)
    pair.same_script("""
        ZINTERCARD 1 a
        ZINTERCARD 1 set
        ZINTERCARD 1 missing LIMIT 5
        ZINTERCARD 1 a LIMIT
        ZINTERCARD 1 a LIMIT 1 x
    """)


def test_stored_results_replace_what_was_there(pair: Pair) -> None:
    fill_for_algebra(pair)
    pair.same_script("""
        SET d string
        EXPIRE d 100
        ZUNIONSTORE d 1 a
        TTL d
        EXPIRE d 100
        ZINTERSTORE d 2 d b
        TTL d
        ZDIFFSTORE d 2 a a
        EXISTS d
        ZDIFFSTORE d 2 a a
        RPUSH d x
        ZINTERSTORE d 1 missing
        EXISTS d
        ZUNIONSTORE a 2 a a WEIGHTS 2 3
        ZINTERSTORE set 2 set a
        TYPE set
        ZUNIONSTORE a 1 missing
        EXISTS a
    """)
    pair.same_keyspace()
