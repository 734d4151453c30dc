"""Sorted-set commands on members and on ends answer as redis-server does, valid or not."""

from __future__ import annotations

import itertools

import pytest

from .harness import Pair, words
from .walking import same_options, same_walks

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
# What ZADD must tell apart: everything that strtod takes, and what only looks like it.
SCORES = [
    *("0", "1", "-1", "10", "007", "-0", "+1", "+0", "-00", " 1", "1 ", "", "-", "+", ".", "1.0"),
    *("1e3", "1E3", "1e+3", "1e-3", "0x10", "0x", "0x1p3", "nan", "-nan", "NaN", "nan(1)", "inf"),
    *("-inf", "+inf", "Infinity", "-INFINITY", "infinit", "in", "1e", "1e+", "--1", "1_000", "1,5"),
    *("1e308", "1e309", "-1e309", "1e400", "-1e400", "1e-307", "1e-310", "4.9e-324", "2e-324"),
    *("1e-400", "-1e-400", "0e-500", "0e500", "0x1p-1074", "0x1p-2000", "0x1p3000", "0.1", "0.3"),
    *("3.14159265358979323846", "17.5", "-2.25", "100000000000000000000", "4503599627370495"),
    *("4503599627370496", "4503599627370497", "9007199254740993", "-9007199254740993", "1e17"),
    *("123456789012345", "-12345678901234", "1234567890123456", "9223372036854775807", "1\x00"),
    *("-9223372036854775808", "18446744073709551616", "0.30000000000000004", "5.", ".5", "abc"),
    *("1" + "0" * 300, "0." + "0" * 400 + "1", "0" * 400 + "7", "1\v", "\t1"),
]
FLAGS = ["NX", "XX", "GT", "LT", "CH", "INCR"]
NAMES = words(
    "ZADD ZINCRBY ZREM ZCARD ZSCORE ZMSCORE ZRANK ZREVRANK ZRANDMEMBER ZSCAN ZPOPMIN ZPOPMAX ZMPOP "
    "ZUNION ZINTER ZDIFF ZUNIONSTORE ZINTERSTORE ZDIFFSTORE ZINTERCARD"
)


def hold_every_type(pair: Pair) -> None:
    """A key of each type but sorted set, for WRONGTYPE."""
    pair.same_script("""
        SET string v
        SET int 5
        RPUSH list a b
        SADD set a b
        HSET hash f v
    """)


def content(pair: Pair, key: str) -> None:
    """Compare the whole of a sorted set, its order and its form."""
    pair.same_exactly("ZRANGE", key, 0, -1, "WITHSCORES")
    pair.same("OBJECT", "ENCODING", key)


@pytest.mark.parametrize("text", SCORES)
def test_scores_are_read_and_printed_like_doubles_in_c(pair: Pair, text: str) -> None:
    pair.same("ZADD", "z", text, "m")
    pair.same("ZSCORE", "z", "m")
    pair.same("ZADD", "z", "XX", "CH", text, "m")
    pair.same("ZADD", "z", "INCR", text, "m")
    pair.same("ZINCRBY", "z", text, "m")
    pair.same("ZINCRBY", "z", text, "n")
    pair.same("ZMSCORE", "z", "m", "n", "o")
    pair.same("ZADD", "z", 1, "a", text, "b")
    content(pair, "z")
    pair.same_scan("ZSCAN", "z")
    pair.same("ZADD", "big", *[w for i in range(150) for w in (i, f"m{i}")])
    pair.same("ZADD", "big", text, "m77")
    pair.same("ZINCRBY", "big", text, "m78")
    content(pair, "big")
    pair.same_scan("ZSCAN", "big")


def test_every_combination_of_zadd_flags(pair: Pair) -> None:
    for size in range(len(FLAGS) + 1):
        for flags in itertools.combinations(FLAGS, size):
            pair.same("DEL", "z", "missing")
            pair.same("ZADD", "z", 5, "five", 10, "ten")
            for score in ("3", "5", "7.5", "inf"):
                pair.same("ZADD", "z", *flags, score, "five")
                pair.same("ZADD", "z", *[flag.lower() for flag in flags], score, "new" + score)
                pair.same("ZADD", "z", *flags, score, "ten", score, "five", 1, "other")
                pair.same("ZADD", "missing", *flags, score, "m")
                content(pair, "z")
                pair.same("EXISTS", "missing")
            pair.same("ZADD", "z", *flags)
            pair.same("ZADD", "z", *flags, "1")
            pair.same("ZADD", "z", *flags, "abc", "m")
            pair.same("ZADD", "z", *flags, "1", "m", "2")
            pair.same("ZADD", "z", *flags, "1", "m", "abc", "n")
            content(pair, "z")


def test_zadd_counts_additions_and_changes(pair: Pair) -> None:
    pair.same_script(r"""
        ZADD z 1 a
        ZADD z 1 a
        ZADD z 2 a
        ZADD z 2 a 3 b 4 c 4 c
        ZADD z CH 2 a 4 b 5 d
        ZADD z CH CH 1 a
        ZADD z NX NX 9 a 9 e
        ZADD z XX 9 a 9 f
        ZADD z 1 x 2 x 3 x
        ZADD z CH 1 y 2 y 3 y
        ZADD z 1 ""
        ZADD z 1 "\x00\r\n\xff" 1 "\xf9"
        ZADD z 0 nx
        ZADD z 1 nx
        ZADD z nx 1 xx
        ZADD z -0 zero 0 positive
        ZADD z 0 zero
        ZADD z CH 0 zero -0 positive
        ZSCORE z zero
        ZSCORE z positive
        ZCARD z
        ZCARD missing
    """)
    content(pair, "z")


def test_zincrby_and_zadd_incr_add_to_scores(pair: Pair) -> None:
    pair.same_script("""
        ZINCRBY z 1 a
        ZINCRBY z 1.5 a
        ZINCRBY z -7 a
        ZINCRBY z inf a
        ZINCRBY z -inf a
        ZSCORE z a
        ZADD z INCR -inf a
        ZINCRBY z 1 a
        ZINCRBY z 0.1 b
        ZINCRBY z 0.2 b
        ZADD z INCR 1 c
        ZADD z INCR NX 1 c
        ZADD z INCR XX 1 d
        ZADD z INCR GT -1 c
        ZADD z INCR GT 0 c
        ZADD z INCR GT 1 c
        ZADD z INCR LT 1 c
        ZADD z INCR LT -1 c
        ZADD z INCR CH 1 c
        ZADD z INCR 1 c 1 d
        ZINCRBY z NX a
        ZINCRBY z INCR a
        ZINCRBY z 1 NX
        ZINCRBY z CH XX
        ZINCRBY z abc a
        ZINCRBY z nan a
        ZINCRBY missing nan a
        EXISTS missing
        ZINCRBY z 9007199254740992 big
        ZINCRBY z 1 big
        ZINCRBY z 1e308 e
        ZINCRBY z 1e308 e
        ZINCRBY z 1e308 e
    """)
    content(pair, "z")


@pytest.mark.parametrize("count", [127, 128, 129, 600, 2500])
def test_a_sorted_set_grows_and_shrinks_through_its_encodings(pair: Pair, count: int) -> None:
    for start in range(0, count, 100):
        pairs = [(i * 37 % 101 / 4, f"m{i}") for i in range(start, min(count, start + 100))]
        pair.same("ZADD", "z", *[word for row in pairs for word in row])
    content(pair, "z")
    for i in range(-2, count + 2, 17):
        pair.same("ZRANK", "z", f"m{i}")
        pair.same("ZREVRANK", "z", f"m{i}")
        pair.same("ZSCORE", "z", f"m{i}")
        pair.same("ZINCRBY", "z", i % 5 - 2.5, f"m{i}")
    content(pair, "z")
    pair.same_scan("ZSCAN", "z", "COUNT", 33)
    pair.same("ZREM", "z", *[f"m{i}" for i in range(0, count, 2)])
    content(pair, "z")
    pair.same("ZREM", "z", *[f"m{i}" for i in range(count)])
    pair.same("EXISTS", "z")


@pytest.mark.parametrize("size", [1, 63, 64, 65, 300, 70000])
def test_members_of_any_size_come_back_whole(pair: Pair, size: int) -> None:
    member = (bytes(range(256)) * (size // 256 + 1))[:size]
    pair.same("ZADD", "z", 1, "a", "2.5", member)
    content(pair, "z")
    pair.same("ZRANK", "z", member)
    pair.same("ZUNIONSTORE", "u", 1, "z")
    pair.same("ZRANGESTORE", "r", "z", 0, -1)
    content(pair, "u")
    content(pair, "r")
    pair.same("ZREM", "z", member)


def test_the_thresholds_of_the_packed_form_can_be_set(pair: Pair) -> None:
    pair.config("zset-max-listpack-entries", 3)
    pair.config("zset-max-listpack-value", 5)
    for i in range(5):
        pair.same("ZADD", "z", i, f"m{i}")
        content(pair, "z")
    pair.same_script("""
        ZADD long 1 12345
        OBJECT ENCODING long
        ZINCRBY long 1 123456
        OBJECT ENCODING long
        ZRANGESTORE r3 z 0 2
        OBJECT ENCODING r3
        ZRANGESTORE r4 z 0 3
        OBJECT ENCODING r4
        ZRANGESTORE r long 0 -1
        OBJECT ENCODING r
        ZINTERSTORE i 1 r3
        OBJECT ENCODING i
        ZUNIONSTORE u 2 r3 long
        OBJECT ENCODING u
        ZDIFFSTORE d 2 z r3
        OBJECT ENCODING d
    """)
    pair.same_keyspace()


def test_members_are_removed_and_ranked(pair: Pair) -> None:
    pair.same_script("""
        ZADD z 1 a 2 b 2 bb 3 c 4 d
        ZRANK z a
        ZRANK z bb
        ZRANK z d
        ZRANK z missing
        ZRANK missing a
        ZREVRANK z a
        ZREVRANK z bb
        ZREVRANK z d
        ZREVRANK z missing
        ZREVRANK missing a
        ZSCORE z b
        ZSCORE z missing
        ZSCORE missing a
        ZMSCORE z a missing d
        ZMSCORE missing a b
        ZREM z missing
        ZREM missing a
        ZREM z a a b missing
        ZCARD z
        ZREM z bb c d e
        EXISTS z
        ZADD t 1 a
        EXPIRE t 100
        ZADD t 2 b
        ZINCRBY t 1 a
        ZREM t b
        TTL t
        ZREM t a
        ZADD t 1 a
        TTL t
        ZPOPMIN t
        TTL t
    """)


def test_zrandmember_gives_kinds_and_counts_like_redis(pair: Pair) -> None:
    counts = ["0", "1", "2", "3", "5", "6", "100", "-1", "-3", "-5", "-20", "-0", "abc", "", "1.5"]
    counts += [str(INT_MAX), str(INT_MIN), "99999999999999999999"]
    pair.same("ZADD", "z", *[w for i in range(5) for w in (i / 2, f"m{i}")])
    pair.same("ZADD", "big", *[w for i in range(700) for w in (i, f"m{i}")])
    for key in ("z", "big", "missing"):
        pair.same("ZRANDMEMBER", key)
        for count in counts:
            pair.same("ZRANDMEMBER", key, count)
            pair.same("ZRANDMEMBER", key, count, "WITHSCORES")
    for many in (300, 699, 700, 701, -2000):
        pair.same("ZRANDMEMBER", "big", many)
        pair.same("ZRANDMEMBER", "big", many, "withscores")
    half = INT_MAX // 2
    for key in ("missing", "z"):
        pair.same("ZRANDMEMBER", key, half + 1, "WITHSCORES")
        pair.same("ZRANDMEMBER", key, half, "WITHSCORES")
        pair.same("ZRANDMEMBER", key, -half - 1, "WITHSCORES")
    pair.same("ZRANDMEMBER", "missing", -half, "WITHSCORES")
    pair.same("ZRANDMEMBER", "missing", INT_MIN + 1)
    pair.same_script("""
        ZRANDMEMBER z 2 WITHVALUES
        ZRANDMEMBER z 2 WITHSCORES x
        ZRANDMEMBER z abc WITHVALUES
        ZRANDMEMBER z WITHSCORES
        ZRANDMEMBER missing 2 BOGUS
    """)


@pytest.mark.parametrize("size", [6, 600])
def test_zrandmember_draws_what_is_there_each_once_for_a_positive_count(
    pair: Pair, size: int
) -> None:
    pair.same("ZADD", "z", *[w for i in range(size) for w in (i, f"m{i}")])
    there = {f"m{i}".encode() for i in range(size)}
    for count in (1, 2, size // 10 + 1, size // 2, size - 1, size, size + 5):
        for ours in pair.both("ZRANDMEMBER", "z", count):
            drawn = [item.text() for item in ours.items()]
            assert len(set(drawn)) == len(drawn) == min(count, size)
            assert set(drawn) <= there
    for ours in pair.both("ZRANDMEMBER", "z", -size * 20):
        assert {item.text() for item in ours.items()} == there
    if pair.protocol == 2:
        for ours in pair.both("ZRANDMEMBER", "z", -50, "WITHSCORES"):
            flat = [item.text() for item in ours.items()]
            assert all(m == b"m" + s for m, s in zip(flat[::2], flat[1::2], strict=True))


def test_zscan_takes_cursors_and_options(pair: Pair) -> None:
    pair.same("ZADD", "z", *[w for i in range(20) for w in (i / 3, f"m{i}")])
    pair.same("ZADD", "z", "inf", "m20", "-inf", "m21", "1e300", "m22", "-0", "m23")
    pair.same("ZADD", "big", *[w for i in range(1000) for w in (i / 7, f"m{i}")])
    pair.same("ZADD", "big", "inf", "m20", "-inf", "m21", "1e300", "m22", "-0", "m23", "1e17", "m1")
    same_walks(pair, "ZSCAN", ("z", "big", "missing"), "m")
    same_options(pair, "ZSCAN", ("z", "missing"), "m")


def test_zpopmin_and_zpopmax_take_from_the_ends(pair: Pair) -> None:
    for command in ("ZPOPMIN", "ZPOPMAX"):
        for count in ("", "0", "1", "2", "4", "5", "100", "-1", "abc", "1.5", str(INT_MAX), "1 2"):
            pair.same("DEL", "z")
            pair.same("ZADD", "z", 3, "c", 1, "a", "2.5", "b", 1, "aa", "inf", "e")
            pair.same(command, "z", *count.split())
            content(pair, "z")
            pair.same(command, "missing", *count.split())
            pair.same(command, "z", *count.split())
            pair.same(command, "z", *count.split())
            content(pair, "z")
            pair.same("EXISTS", "z")
        pair.same("ZADD", "big", *[w for i in range(400) for w in (i % 50, f"m{i}")])
        for count in ("1", "15", "16", "17", "40", "200"):
            pair.same(command, "big")
            pair.same(command, "big", count)
            content(pair, "big")
        pair.same(command, "big", 1000)
        pair.same("EXISTS", "big")


def test_zmpop_takes_from_the_first_key_that_has_any(pair: Pair) -> None:
    forms = words("MIN MAX min Max BOGUS COUNT")
    tails = ["", "COUNT 1", "COUNT 2", "count 100", f"COUNT {INT_MAX}", "COUNT 0", "COUNT -1"]
    tails += ["COUNT", "COUNT abc", "COUNT 1 COUNT 2", "COUNT 1 x", "BOGUS", "BOGUS 1", "MIN"]
    for form in forms:
        for tail in tails:
            pair.same("DEL", "a", "b")
            pair.same("ZADD", "a", 1, "x", 2, "y", "2.5", "z")
            pair.same("ZADD", "b", 5, "p")
            pair.same("ZMPOP", 1, "a", form, *tail.split())
            pair.same("ZMPOP", 3, "missing", "b", "a", form, *tail.split())
            pair.same("ZMPOP", 2, "missing", "gone", form, *tail.split())
            pair.same("BZMPOP", 0.01, 3, "missing", "b", "a", form, *tail.split())
            content(pair, "a")
            content(pair, "b")
    for count in ("0", "-1", "abc", "1.5", "2", "3", "100", str(INT_MAX), str(INT_MIN), ""):
        pair.same("ZMPOP", count, "a", "MIN")
        pair.same("ZMPOP", count, "a", "MIN", "COUNT", 0)
        pair.same("BZMPOP", "0.01", count, "a", "MIN")
        pair.same("BZMPOP", "abc", count, "a", "MIN")
    pair.same_script("""
        SADD set a
        ZADD z 1 a
        ZMPOP 2 set z MIN
        ZMPOP 2 z set MIN
        ZMPOP 2 z set MIN
        ZMPOP 2 missing set MAX COUNT 2
        ZMPOP 1 set MIN COUNT 0
        ZMPOP 1 set BOGUS
    """)


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    for name in NAMES:
        for count in range(6):
            pair.same(name, *["a"] * count)
            pair.same("DEL", "a")


def test_sorted_set_commands_refuse_other_types(pair: Pair) -> None:
    hold_every_type(pair)
    pair.same("ZADD", "z", 1, "a")
    for key in ("string", "int", "list", "set", "hash"):
        pair.same_script(f"""
            ZADD {key} 1 a
            ZADD {key} 1.5 a
            ZADD {key} abc a
            ZADD {key} NX XX 1 a
            ZADD {key} XX 1 a
            ZADD {key} INCR 1 a
            ZINCRBY {key} 1 a
            ZINCRBY {key} abc a
            ZREM {key} a
            ZCARD {key}
            ZSCORE {key} a
            ZMSCORE {key} a
            ZRANK {key} a
            ZREVRANK {key} a
            ZRANDMEMBER {key}
            ZRANDMEMBER {key} 2
            ZRANDMEMBER {key} 0
            ZRANDMEMBER {key} abc
            ZRANDMEMBER {key} 2 BOGUS
            ZSCAN {key} 0
            ZSCAN {key} abc
            ZSCAN {key} 0 BOGUS
            ZPOPMIN {key}
            ZPOPMIN {key} 0
            ZPOPMAX {key} 2
            ZPOPMAX {key} abc
            ZMPOP 1 {key} MIN
            ZMPOP 2 z {key} MIN
            ZADD z 1 a
            ZUNION 1 {key}
            ZINTER 2 z {key}
            ZINTER 2 missing {key} BOGUS
            ZINTER 2 missing {key}
            ZDIFF 2 z {key}
            ZDIFF 2 missing {key}
            ZINTERCARD 2 z {key}
            ZUNIONSTORE d 2 z {key}
            ZINTERSTORE d 2 z {key} WEIGHTS a b
            ZDIFFSTORE d 2 z {key}
            TYPE {key}
        """)
    pair.same_keyspace()


def test_watch_notices_only_changes(pair: Pair) -> None:
    pair.same("ZADD", "z", 1, "a", 2, "b")
    pair.same("ZADD", "d", 1, "a")
    for change in (
        *("ZADD z 1 a", "ZADD z CH 1 a", "ZADD z NX 5 a", "ZADD z XX 5 c", "ZADD z GT 0 a"),
        *("ZINCRBY z 0 a", "ZREM z c", "ZREM missing a", "ZPOPMIN z 0", "ZADD z INCR GT -5 a"),
        *("ZADD z 2 a", "ZADD z 3 c", "ZINCRBY z 1 a", "ZREM z a", "ZPOPMIN z", "ZMPOP 1 z MIN"),
        *(
            "ZUNIONSTORE z 1 d",
            "ZUNIONSTORE z 1 z",
            "ZINTERSTORE z 1 missing",
            "ZDIFFSTORE z 1 gone",
        ),
    ):
        pair.same_script(f"""
            WATCH z
            B: {change}
            MULTI
            ZCARD z
            EXEC
        """)
