"""Ranges of sorted sets, by rank, score and member, are those of redis-server."""

from __future__ import annotations

import pytest

from .harness import Pair, words

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
RANKS = ["0", "1", "2", "5", "6", "7", "100", "-1", "-2", "-7", "-8", "-100"]
ODD_RANKS = ["abc", "", "1.5", "007", "-0", " 1", str(INT_MAX), str(INT_MIN), "9" * 20, "(1"]
SCORE_BOUNDS = words("-inf +inf inf (inf (-inf 1 (1 2 (2 2.5 3 (3 100")
ODD_SCORE_BOUNDS = [
    *("abc", "", "(", "[1", "((1", "nan", "(nan", " 1", "1 ", "1e400", "-1e400", "0x2", "-0"),
    *("( 2", "\t2", "1x", "1\x00x", "(-1e309", "1e-400", "--1", "+2", "(+2", "Infinity"),
]
LEX_BOUNDS = ["-", "+", "[a", "(a", "[b", "(b", "[bb", "(c", "[", "(", "[z", "[\xff", "(d", "[B"]
ODD_LEX_BOUNDS = ["", "a", "--", "++", "-a", "+a", "1", "inf", "*", " [a"]
LIMITS = ["0 1", "1 2", "2 100", "0 -1", "0 0", "-1 2", "-1 -1", "5 -5", "100 1", "0 2"]
ODD_LIMITS = ["0", "", "a 1", "1 a", "1.5 1", f"{INT_MAX} 1", f"0 {INT_MAX}", f"0 {INT_MIN}"]
FORMS = ["small", "large"]


def fill(pair: Pair, form: str) -> None:
    """Two sorted sets under `z` (by score) and `l` (by member); `large` has no packed form."""
    pair.same("ZADD", "z", 1, "a", 2, "b", 2, "bb", "2.5", "c", 3, "d", "inf", "e", "-inf", "f")
    members = ("", "a", "b", "bb", "c", "d", "e\x00", "B")
    pair.same("ZADD", "l", *[word for member in members for word in (0, member)])
    if form == "large":
        pair.same("ZADD", "z", *[w for i in range(300) for w in (i / 100, f"m{i}")])
        pair.same("ZADD", "l", *[w for i in range(300) for w in (0, f"m{i}")])


@pytest.mark.parametrize("form", FORMS)
def test_ranges_by_rank(pair: Pair, form: str) -> None:
    fill(pair, form)
    for start in RANKS:
        for stop in RANKS:
            pair.same("ZRANGE", "z", start, stop)
            pair.same("ZRANGE", "z", start, stop, "REV")
            pair.same("ZREVRANGE", "z", start, stop)
            pair.same("ZRANGE", "z", start, stop, "WITHSCORES")
            pair.same("ZRANGE", "z", start, stop, "rev", "withscores")
            pair.same("ZREVRANGE", "z", start, stop, "WithScores")
            pair.same("ZRANGESTORE", "d", "z", start, stop)
            pair.same("ZRANGE", "d", 0, -1, "WITHSCORES")
            pair.same("ZRANGESTORE", "d", "z", start, stop, "REV")
            pair.same("ZRANGE", "d", 0, -1, "WITHSCORES")


@pytest.mark.parametrize("form", FORMS)
def test_ranges_by_score(pair: Pair, form: str) -> None:
    fill(pair, form)
    for low in SCORE_BOUNDS:
        for high in SCORE_BOUNDS:
            pair.same("ZCOUNT", "z", low, high)
            pair.same("ZRANGEBYSCORE", "z", low, high)
            pair.same("ZRANGEBYSCORE", "z", low, high, "WITHSCORES")
            pair.same("ZREVRANGEBYSCORE", "z", high, low, "WITHSCORES")
            pair.same("ZRANGE", "z", low, high, "BYSCORE")
            pair.same("ZRANGE", "z", high, low, "BYSCORE", "REV", "WITHSCORES")
            pair.same("ZRANGESTORE", "d", "z", low, high, "BYSCORE")
            pair.same("ZRANGE", "d", 0, -1, "WITHSCORES")
    for limit in LIMITS:
        for low, high in (("-inf", "+inf"), ("2", "3"), ("(2", "(3"), ("5", "6")):
            pair.same("ZRANGEBYSCORE", "z", low, high, "LIMIT", *limit.split())
            pair.same("ZREVRANGEBYSCORE", "z", high, low, "LIMIT", *limit.split(), "WITHSCORES")
            pair.same("ZRANGE", "z", low, high, "BYSCORE", "LIMIT", *limit.split())
            pair.same("ZRANGE", "z", high, low, "REV", "LIMIT", *limit.split(), "BYSCORE")
            pair.same("ZRANGESTORE", "d", "z", low, high, "BYSCORE", "LIMIT", *limit.split())
            pair.same("ZRANGE", "d", 0, -1, "WITHSCORES")
            pair.same("ZRANGESTORE", "d", "z", high, low, "BYSCORE", "LIMIT", *limit.split(), "REV")
            pair.same("ZRANGE", "d", 0, -1, "WITHSCORES")


@pytest.mark.parametrize("form", FORMS)
def test_ranges_by_member(pair: Pair, form: str) -> None:
    fill(pair, form)
    for low in LEX_BOUNDS:
        for high in LEX_BOUNDS:
            pair.same("ZLEXCOUNT", "l", low, high)
            pair.same("ZRANGEBYLEX", "l", low, high)
            pair.same("ZREVRANGEBYLEX", "l", high, low)
            pair.same("ZRANGE", "l", low, high, "BYLEX")
            pair.same("ZRANGE", "l", high, low, "BYLEX", "REV")
            pair.same("ZRANGESTORE", "d", "l", low, high, "BYLEX")
            pair.same("ZRANGE", "d", 0, -1)
    for limit in LIMITS:
        for low, high in (("-", "+"), ("[b", "(d"), ("(b", "[bb"), ("+", "-")):
            pair.same("ZRANGEBYLEX", "l", low, high, "LIMIT", *limit.split())
            pair.same("ZREVRANGEBYLEX", "l", high, low, "limit", *limit.split())
            pair.same("ZRANGE", "l", low, high, "LIMIT", *limit.split(), "BYLEX")
            pair.same("ZRANGE", "l", high, low, "REV", "BYLEX", "LIMIT", *limit.split())
            pair.same("ZRANGESTORE", "d", "l", low, high, "BYLEX", "LIMIT", *limit.split())
            pair.same("ZRANGE", "d", 0, -1)


BY_RANK = ["ZRANGE z", "ZREVRANGE z", "ZREMRANGEBYRANK missing"]
BY_SCORE = ["ZCOUNT z", "ZRANGEBYSCORE z", "ZREVRANGEBYSCORE z", "ZRANGE z BYSCORE"]
BY_SCORE += ["ZRANGE z BYSCORE REV", "ZREMRANGEBYSCORE missing"]
BY_MEMBER = ["ZLEXCOUNT l", "ZRANGEBYLEX l", "ZREVRANGEBYLEX l", "ZRANGE l BYLEX"]
BY_MEMBER += ["ZRANGE l BYLEX REV", "ZREMRANGEBYLEX missing"]


@pytest.mark.parametrize("form", FORMS)
def test_odd_ends_of_ranges_are_read_or_refused_alike(pair: Pair, form: str) -> None:
    fill(pair, form)
    for bounds, requests, fine in (
        (ODD_RANKS, BY_RANK, "2"),
        (ODD_SCORE_BOUNDS, BY_SCORE, "2"),
        (ODD_LEX_BOUNDS, BY_MEMBER, "[c"),
    ):
        for bound in bounds:
            for request in requests:
                name, key, *options = request.split()
                for first, second in ((bound, fine), (fine, bound), (bound, bound)):
                    pair.same(name, key, first, second, *options)
                    pair.same(name, "missing", first, second, *options)
            removal = requests[-1].split()[0]
            for first, second in ((bound, fine), (fine, bound)):
                pair.same("ZUNIONSTORE", "copy", 1, "l" if fine == "[c" else "z")
                pair.same(removal, "copy", first, second)
                pair.same("ZRANGE", "copy", 0, -1)


@pytest.mark.parametrize("form", FORMS)
def test_odd_limits_of_ranges_are_read_or_refused_alike(pair: Pair, form: str) -> None:
    fill(pair, form)
    for limit in ODD_LIMITS:
        for request in ("ZRANGEBYSCORE z 1 3", "ZRANGE z 1 3 BYSCORE", "ZRANGESTORE d z 1 3 BYLEX"):
            pair.same(*request.split(), "LIMIT", *limit.split())
            pair.same(*request.split(), "LIMIT", *limit.split(), "WITHSCORES")


@pytest.mark.parametrize("form", FORMS)
def test_options_of_ranges_in_any_order_and_in_contradiction(pair: Pair, form: str) -> None:
    fill(pair, form)
    options = [
        *("BYLEX BYSCORE", "BYSCORE BYLEX", "BYSCORE BYSCORE", "BYLEX BYLEX", "REV REV", "BOGUS"),
        *("LIMIT 0 1", "LIMIT 0 -1", "LIMIT 5 -1", "REV LIMIT 0 1", "WITHSCORES LIMIT 0 2"),
        *("LIMIT 0 -2", "LIMIT 0 0"),
        *("LIMIT 0", "LIMIT", "LIMIT 0 1 2", "WITHSCORES WITHSCORES", "BYLEX WITHSCORES"),
        *("WITHSCORES BYLEX", "BYSCORE WITHSCORES LIMIT 1 1", "LIMIT 0 1 BYSCORE WITHSCORES"),
        *("REV BYSCORE", "BYSCORE REV", "REV", "withscores", "byscore rev limit 0 5 withscores"),
        *("LIMIT 0 1 LIMIT 1 2 BYSCORE", "BYSCORE LIMIT 0 1 BOGUS", "WITHSCORE", "LIMIT a b REV"),
        *("LIMIT 0 1 REV", "BYLEX LIMIT 0 1", "BYLEX REV LIMIT 0 1 WITHSCORES", "REV BYLEX"),
    ]
    requests = [
        *("ZRANGE z 1 3", "ZRANGE z 3 1", "ZRANGE l [a [c", "ZRANGE l + -", "ZREVRANGE z 0 3"),
        *("ZRANGEBYSCORE z 1 3", "ZREVRANGEBYSCORE z 3 1", "ZRANGEBYLEX l - +"),
        *("ZREVRANGEBYLEX l + -", "ZRANGESTORE d z 1 3", "ZRANGESTORE d z 3 1"),
        *("ZRANGESTORE d l - +", "ZRANGE missing 0 1", "ZRANGESTORE d missing 0 1"),
        *("ZRANGE z a b", "ZRANGEBYSCORE z a b"),
    ]
    for request in requests:
        for option in options:
            pair.same(*request.split(), *option.split())
            if request.startswith("ZRANGESTORE"):
                pair.same("EXISTS", "d")
                pair.same("ZRANGE", "d", 0, -1, "WITHSCORES")


@pytest.mark.parametrize("form", FORMS)
def test_ranges_are_removed(pair: Pair, form: str) -> None:
    fill(pair, form)
    cases = [
        *(("z", "ZREMRANGEBYRANK", low, high) for low in RANKS for high in RANKS),
        *(("z", "ZREMRANGEBYSCORE", low, high) for low in SCORE_BOUNDS for high in SCORE_BOUNDS),
        *(("l", "ZREMRANGEBYLEX", low, high) for low in LEX_BOUNDS[:9] for high in LEX_BOUNDS[:9]),
    ]
    for source, name, low, high in cases:
        pair.same("ZUNIONSTORE", "copy", 1, source)
        pair.same("EXPIRE", "copy", 100)
        pair.same(name, "copy", low, high)
        pair.same("ZRANGE", "copy", 0, -1)
        pair.same("ZCARD", "copy")
        pair.same("TTL", "copy")
        pair.same("OBJECT", "ENCODING", "copy")


def test_removing_refuses_odd_ranges(pair: Pair) -> None:
    fill(pair, "small")
    for bound in ODD_SCORE_BOUNDS[:14]:
        for key in ("z", "missing"):
            pair.same("ZREMRANGEBYSCORE", key, bound, "(-inf")
            pair.same("ZREMRANGEBYSCORE", key, "inf", bound)
    for bound in ODD_LEX_BOUNDS:
        for key in ("l", "missing"):
            pair.same("ZREMRANGEBYLEX", key, bound, "-")
            pair.same("ZREMRANGEBYLEX", key, "+", bound)
    pair.same_keyspace()


def test_stored_ranges_replace_what_was_there(pair: Pair) -> None:
    pair.same_script("""
        ZADD z 1 a 2 b 3 c
        SET d string
        EXPIRE d 100
        ZRANGESTORE d z 0 1
        TTL d
        TYPE d
        ZRANGESTORE d z 5 9
        EXISTS d
        ZRANGESTORE d z 5 9
        RPUSH d x
        ZRANGESTORE d missing 0 -1
        EXISTS d
        ZRANGESTORE z z 1 2 REV
        ZRANGE z 0 -1 WITHSCORES
        ZRANGESTORE z z 2 +inf BYSCORE LIMIT 0 1
        ZRANGE z 0 -1 WITHSCORES
        ZRANGESTORE d z 0 -1 WITHSCORES
        ZRANGESTORE z z (9 10 BYSCORE
        EXISTS z
    """)


def test_range_commands_refuse_other_types(pair: Pair) -> None:
    pair.same_script("""
        SET string v
        SET int 5
        RPUSH list a b
        SADD set a b
        HSET hash f v
    """)
    for key in ("string", "int", "list", "set", "hash"):
        pair.same_script(f"""
            ZRANGE {key} 0 -1
            ZRANGE {key} a b
            ZRANGE {key} 0 -1 BYSCORE LIMIT 0 1
            ZRANGE {key} 0 -1 BYSCORE WITHSCORES
            ZRANGE {key} - + BYLEX
            ZRANGE {key} 0 -1 BOGUS
            ZREVRANGE {key} 0 -1
            ZRANGEBYSCORE {key} 0 1
            ZRANGEBYSCORE {key} a 1
            ZREVRANGEBYSCORE {key} 1 0
            ZRANGEBYLEX {key} - +
            ZREVRANGEBYLEX {key} + -
            ZCOUNT {key} 0 1
            ZCOUNT {key} a 1
            ZLEXCOUNT {key} - +
            ZLEXCOUNT {key} a +
            ZREMRANGEBYRANK {key} 0 -1
            ZREMRANGEBYRANK {key} a -1
            ZREMRANGEBYSCORE {key} 0 1
            ZREMRANGEBYSCORE {key} a 1
            ZREMRANGEBYLEX {key} - +
            ZREMRANGEBYLEX {key} a +
            ZRANGESTORE d {key} 0 -1
            ZRANGESTORE d {key} a -1
            ZRANGESTORE {key} missing a -1
            TYPE {key}
        """)
    pair.same_keyspace()


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    names = words(
        "ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX ZREVRANGEBYLEX ZRANGESTORE "
        "ZCOUNT ZLEXCOUNT ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX"
    )
    for name in names:
        for count in range(7):
            pair.same(name, *["a"] * count)
            pair.same(name, *["1"] * count)


def test_watch_notices_only_changes(pair: Pair) -> None:
    pair.same("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d", 5, "e")
    for change in (
        *("ZREMRANGEBYRANK z 9 10", "ZREMRANGEBYSCORE z 9 10", "ZREMRANGEBYLEX z [x [y"),
        *("ZRANGESTORE gone z 9 10", "ZREMRANGEBYRANK z 0 0", "ZREMRANGEBYSCORE z 2 2"),
        *("ZREMRANGEBYLEX z [c [c", "ZRANGESTORE z z 0 -1", "ZRANGESTORE z z 9 10", "ZCOUNT z 0 1"),
    ):
        pair.same_script(f"""
            WATCH z gone
            B: {change}
            MULTI
            ZCARD z
            EXEC
        """)
