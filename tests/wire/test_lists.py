"""The list commands answer as redis-server does: every option, valid and not."""

from __future__ import annotations

import random

import pytest

from .harness import Pair, words

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
NOT_INTEGERS = ("abc", "", "1.0", " 1", "01", "+1", str(INT_MAX + 1), str(INT_MIN - 1))
# How a list of each stored form is made: packed, in nodes, in nodes with large elements.
SIZES = {"one": 1, "few": 5, "full": 64, "over": 65, "many": 700}


def fill(pair: Pair) -> list[str]:
    """Lists of every stored form and keys of other types; returns all names."""
    for name, size in SIZES.items():
        pair.same("RPUSH", name, *[f"e{i % 50}" for i in range(size)])
    pair.same("RPUSH", "large", *[f"{i}" * (i * 700 % 20000 + 1) for i in range(60)])
    pair.same_script("""
        SET string v
        SADD set a
        HSET hash f v
        ZADD zset 1 a
    """)
    return [*SIZES, "large", "string", "set", "hash", "zset", "missing"]


def same_lists(pair: Pair, names: list[str]) -> None:
    """Compare length and content of these lists."""
    for name in names:
        pair.same("LLEN", name)
        pair.same("LRANGE", name, 0, -1)
        pair.same("TYPE", name)


def test_pushes_return_the_length_and_keep_the_order(pair: Pair) -> None:
    pair.same_script("""
        LPUSH l a
        LPUSH l b c d
        RPUSH l x y z
        LRANGE l 0 -1
        LLEN l
        LPUSHX l p q
        RPUSHX l r s
        LRANGE l 0 -1
        LPUSHX missing a
        RPUSHX missing a b
        EXISTS missing
        lpush l LOWER
        RPUSH empty ""
        LRANGE empty 0 -1
        OBJECT ENCODING l
        TYPE l
    """)
    pair.same("RPUSH", "binary", b"\x00\xff\r\n", b"$3\r\nabc\r\n", b"*1\r\n")
    pair.same("LRANGE", "binary", 0, -1)
    pair.same("RPUSH", "wide", *range(3000))
    pair.same("LPUSH", "wide", *range(3000))
    pair.same("LRANGE", "wide", 0, -1)
    pair.same("RPUSH", "heavy", "x" * 100_000, "y" * 20_000, "z")
    pair.same("LPUSH", "heavy", "w" * 9000)
    pair.same("LRANGE", "heavy", 0, -1)


def test_list_commands_refuse_other_types(pair: Pair) -> None:
    fill(pair)
    for name in ("string", "set", "hash", "zset"):
        pair.same_script(f"""
            LPUSH {name} a
            RPUSH {name} a b
            LPUSHX {name} a
            RPUSHX {name} a
            LPOP {name}
            RPOP {name}
            LPOP {name} 0
            RPOP {name} 2
            LPOP {name} abc
            LLEN {name}
            LINDEX {name} 0
            LINDEX {name} abc
            LSET {name} 0 a
            LSET {name} abc a
            LRANGE {name} 0 -1
            LRANGE {name} abc -1
            LTRIM {name} 0 -1
            LTRIM {name} 0 abc
            LINSERT {name} BEFORE a b
            LINSERT {name} BOGUS a b
            LREM {name} 0 a
            LREM {name} abc a
            LPOS {name} a
            LPOS {name} a COUNT 0
            LPOS {name} a BOGUS
            LMOVE {name} few LEFT LEFT
            LMOVE few {name} LEFT LEFT
            LMOVE missing {name} LEFT LEFT
            LMOVE {name} {name} LEFT LEFT
            RPOPLPUSH {name} few
            RPOPLPUSH few {name}
            RPOPLPUSH missing {name}
            LMPOP 1 {name} LEFT
            LMPOP 2 missing {name} LEFT
            LMPOP 2 {name} few RIGHT
            LLEN few
            TYPE {name}
        """)


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    names = words(
        "LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LLEN LINDEX LSET LRANGE LTRIM LINSERT LREM LPOS "
        "LMOVE RPOPLPUSH LMPOP"
    )
    for name in names:
        for count in range(7):
            pair.same(name, *["1"] * count)
            pair.same(name.lower(), *["1"] * count)
    pair.same_keyspace()


def test_pops_take_from_their_end(pair: Pair) -> None:
    pair.same_script("""
        LPOP missing
        RPOP missing
        LPOP missing 0
        RPOP missing 5
        RPUSH l a b c d e f g
        LPOP l
        RPOP l
        LPOP l 2
        RPOP l 2
        LPOP l 0
        RPOP l 0
        LRANGE l 0 -1
        LPOP l 100
        EXISTS l
        RPUSH l a b c
        RPOP l 100
        EXISTS l
        RPUSH l only
        RPOP l
        EXISTS l
        RPUSH l a b c
        LPOP l -1
        LPOP l abc
        LPOP l ""
        LPOP l 1.5
        RPOP l -5
        LPOP l 9223372036854775808
        LPOP l 1 2
        RPOP l 1 2
        LPOP missing abc
        LPOP missing -1
        LPOP l 9223372036854775807
        EXISTS l
    """)


@pytest.mark.parametrize("command", ["LPOP", "RPOP"])
def test_pops_with_counts_from_every_form(pair: Pair, command: str) -> None:
    for count in (1, 2, 5, 31, 32, 33, 63, 64, 65, 66, 300, 699, 700, 701):
        pair.same("FLUSHALL")
        fill(pair)
        for name in [*SIZES, "large"]:
            pair.same(command, name, count)
            pair.same(command, name)
            pair.same(command, name, 1)
            pair.same("LLEN", name)
        same_lists(pair, [*SIZES, "large"])


def test_a_list_is_drained_one_by_one(pair: Pair) -> None:
    fill(pair)
    for name in [*SIZES, "large"]:
        while pair.same("LPOP", name).value is not None:
            pair.same("RPOP", name)
        pair.same("EXISTS", name)


def test_indexes_and_ranges_count_from_both_ends(pair: Pair) -> None:
    names = fill(pair)
    edges = [0, 1, 2, 4, 5, 31, 32, 33, 63, 64, 65, 100, 350, 699, 700, INT_MAX]
    edges += [-edge for edge in edges if edge] + [INT_MIN]
    for name in names:
        for index in edges:
            pair.same("LINDEX", name, index)
    ranges = [0, 3, 40, 64, 698, INT_MAX, -1, -2, -5, -40, -64, -700, -701, INT_MIN]
    for name in names:
        for start in ranges:
            for stop in ranges:
                pair.same("LRANGE", name, start, stop)


def test_numbers_that_are_none_are_refused(pair: Pair) -> None:
    fill(pair)
    for bad in NOT_INTEGERS:
        for name in ("few", "many", "missing", "string"):
            pair.same("LINDEX", name, bad)
            pair.same("LSET", name, bad, "v")
            pair.same("LRANGE", name, bad, 0)
            pair.same("LRANGE", name, 0, bad)
            pair.same("LTRIM", name, bad, 0)
            pair.same("LTRIM", name, 0, bad)
            pair.same("LREM", name, bad, "v")
            pair.same("LPOP", name, bad)
            pair.same("RPOP", name, bad)
            pair.same("LPOS", name, "v", "RANK", bad)
            pair.same("LPOS", name, "v", "COUNT", bad)
            pair.same("LPOS", name, "v", "MAXLEN", bad)
            pair.same("LMPOP", bad, name, "LEFT")
            pair.same("LMPOP", 1, name, "LEFT", "COUNT", bad)
    same_lists(pair, ["few", "many"])


def test_lset_replaces_within_the_list_only(pair: Pair) -> None:
    names = fill(pair)
    for name in names:
        for index in (0, 1, 4, 40, 64, 350, 699, -1, -5, -60, -700, 700, -701, INT_MAX, INT_MIN):
            pair.same("LSET", name, index, f"set {index}")
            pair.same("LSET", name, index, "x" * 3000)
    same_lists(pair, names)
    pair.same("EXPIRE", "few", 1000)
    pair.same("LSET", "few", 0, "again")
    pair.same("TTL", "few")


@pytest.mark.parametrize("size", SIZES.values())
def test_ltrim_keeps_what_lrange_would_return(pair: Pair, size: int) -> None:
    edges = [0, 1, 3, 31, 33, size - 1, size, size + 1, -1, -2, -33, -size, -size - 1]
    for start in [*edges, INT_MAX, INT_MIN]:
        for stop in [*edges, INT_MAX, INT_MIN]:
            pair.same("RPUSH", "l", *range(size))
            pair.same("LTRIM", "l", start, stop)
            pair.same("LRANGE", "l", 0, -1)
            pair.same("EXISTS", "l")
            pair.same("DEL", "l")
    pair.same("LTRIM", "missing", 0, 1)


def test_linsert_finds_the_first_pivot(pair: Pair) -> None:
    names = fill(pair)
    for name in names:
        for where in ("BEFORE", "AFTER", "before", "After"):
            for pivot in ("e0", "e4", "e33", "e49", "nothing", ""):
                pair.same("LINSERT", name, where, pivot, f"{where} {pivot}")
    same_lists(pair, names)
    pair.same_script("""
        LINSERT few BOGUS e0 x
        LINSERT missing BOGUS e0 x
        LINSERT missing BEFORE e0 x
        EXISTS missing
    """)
    for i in range(200):
        pair.same("LINSERT", "few", "AFTER", "e2", f"grown {i}")
        pair.same("LINSERT", "few", "BEFORE", "e2", "y" * (i * 13))
    pair.same("LRANGE", "few", 0, -1)


def test_lrem_removes_from_the_side_of_the_sign(pair: Pair) -> None:
    for count in (0, 1, 2, 3, 100, -1, -2, -3, -100, INT_MAX, INT_MIN, INT_MIN + 1):
        pair.same("FLUSHALL")
        names = fill(pair)
        for name in names:
            for element in ("e0", "e3", "e49", "nothing"):
                pair.same("LREM", name, count, element)
        same_lists(pair, names)
    pair.same_script("""
        RPUSH same a a a
        LREM same 0 a
        EXISTS same
        RPUSH same a a b
        EXPIRE same 1000
        LREM same -1 a
        TTL same
    """)


def test_lpos_with_every_option(pair: Pair) -> None:
    names = fill(pair)
    for name in names:
        for element in ("e0", "e3", "e49", "nothing"):
            pair.same("LPOS", name, element)
            for rank in (1, 2, 3, 14, 15, 100, -1, -2, -3, -14, -100, INT_MAX, INT_MIN + 1):
                pair.same("LPOS", name, element, "RANK", rank)
                for count in (0, 1, 2, 100):
                    for maxlen in (0, 1, 4, 60, 64, 300, 10_000):
                        pair.same(
                            *("LPOS", name, element, "RANK", rank),
                            *("COUNT", count, "MAXLEN", maxlen),
                        )
    for maxlen in (0, 1, 4, 60, 64, 65, 300, INT_MAX):
        pair.same("LPOS", "many", "e3", "MAXLEN", maxlen)
        pair.same("LPOS", "many", "e3", "RANK", -1, "MAXLEN", maxlen)


def test_lpos_refuses_malformed_options(pair: Pair) -> None:
    pair.same_script(f"""
        RPUSH l a b a c a
        LPOS l a RANK 0
        LPOS l a RANK {INT_MIN}
        LPOS l c RANK {INT_MIN}
        LPOS l a RANK
        LPOS l a COUNT
        LPOS l a MAXLEN
        LPOS l a COUNT -1
        LPOS l a COUNT {INT_MIN}
        LPOS l a COUNT {INT_MAX}
        LPOS l a MAXLEN -1
        LPOS l a MAXLEN {INT_MAX}
        LPOS l a BOGUS
        LPOS l a BOGUS 1
        LPOS l a RANK 1 BOGUS
        LPOS l a RANK 1 RANK 2
        LPOS l a COUNT 1 COUNT 2
        LPOS l a MAXLEN 1 MAXLEN 5
        LPOS l a rank -1 count 2 maxlen 4
        LPOS missing a
        LPOS missing a COUNT 0
        LPOS missing a RANK 0
        LPOS missing a BOGUS
        LPOS l a BOGUS RANK 0
        LPOS l a RANK 0 BOGUS
    """)


def test_lmove_with_every_pair_of_ends(pair: Pair) -> None:
    for wherefrom in ("LEFT", "RIGHT", "left"):
        for whereto in ("LEFT", "RIGHT", "Right"):
            pair.same("FLUSHALL")
            names = fill(pair)
            for source in names:
                for destination in ("few", "many", "new", source):
                    pair.same("LMOVE", source, destination, wherefrom, whereto)
            same_lists(pair, [*names, "new"])
    pair.same_script("""
        LMOVE few many BOGUS LEFT
        LMOVE few many LEFT BOGUS
        LMOVE missing many BOGUS LEFT
        LMOVE string many LEFT BOGUS
        LMOVE few many "" ""
    """)


def test_a_moved_last_element_deletes_the_source_and_rotation_keeps_it(pair: Pair) -> None:
    pair.same_script("""
        RPUSH a x
        LMOVE a b LEFT RIGHT
        EXISTS a
        LRANGE b 0 -1
        EXPIRE b 1000
        LMOVE b b LEFT RIGHT
        TTL b
        LRANGE b 0 -1
        RPOPLPUSH b b
        TTL b
        RPOPLPUSH b c
        EXISTS b
        TTL c
        RPUSH c y z
        RPOPLPUSH c c
        LRANGE c 0 -1
        EXPIRE c 1000
        RPUSH d 1 2
        RPOPLPUSH d c
        TTL c
        RPOPLPUSH missing c
        RPOPLPUSH missing missing
        LMOVE missing missing LEFT LEFT
    """)


def test_lmpop_takes_from_the_first_list_that_is_there(pair: Pair) -> None:
    pair.same_script(f"""
        RPUSH a 1 2 3 4 5
        RPUSH b x y z
        LMPOP 1 missing LEFT
        LMPOP 2 missing missing2 RIGHT COUNT 5
        LMPOP 2 missing a LEFT
        LMPOP 2 a b RIGHT COUNT 2
        LMPOP 2 a b LEFT COUNT 100
        EXISTS a
        LMPOP 2 a b right count {INT_MAX}
        EXISTS b
        RPUSH l a b c
        LMPOP 0 l LEFT
        LMPOP -1 l LEFT
        LMPOP abc l LEFT
        LMPOP 2 l LEFT
        LMPOP 100 l LEFT
        LMPOP 1 l
        LMPOP 1 l BOGUS
        LMPOP 1 l LEFT COUNT
        LMPOP 1 l LEFT COUNT 0
        LMPOP 1 l LEFT COUNT -1
        LMPOP 1 l LEFT COUNT abc
        LMPOP 1 l LEFT COUNT 1 COUNT 2
        LMPOP 1 l LEFT COUNT 1 BOGUS
        LMPOP 1 l LEFT COUNT 0 BOGUS
        LMPOP 1 l LEFT BOGUS
        LMPOP 1 l LEFT BOGUS 1
        LMPOP 1 l LEFT BOGUS 1 2
        LMPOP 1 l BOGUS COUNT 0
        LMPOP 2 l missing LEFT COUNT 3
        EXISTS l
    """)


def test_random_edits_leave_equal_lists(pair: Pair) -> None:
    chance = random.Random(11)
    names = ["l", "m", "n"]
    for _ in range(1500):
        name = chance.choice(names)
        element = chance.choice(["a", "b", "1", "-7", "x" * 70, "y" * 9000, ""])
        index = chance.randint(-90, 90)
        ends = [chance.choice(["LEFT", "RIGHT"]) for _ in range(2)]
        choices: list[tuple[object, ...]] = [
            ("RPUSH", name, *[element] * chance.randint(1, 30)),
            ("LPUSH", name, *range(chance.randint(1, 30))),
            ("LPOP", name),
            ("RPOP", name, chance.randint(0, 40)),
            ("LPOP", name, chance.randint(0, 40)),
            ("LSET", name, index, element),
            ("LINSERT", name, chance.choice(["BEFORE", "AFTER"]), element, index),
            ("LREM", name, chance.randint(-3, 3), element),
            ("LTRIM", name, chance.randint(0, 4), chance.randint(-4, -1)),
            ("LMOVE", name, chance.choice(names), *ends),
            ("LPOS", name, element, "COUNT", 0),
            ("LRANGE", name, index, chance.randint(-90, 90)),
        ]
        pair.same(*[str(word) for word in chance.choice(choices)])
    same_lists(pair, names)


def test_changes_break_a_watch_and_what_changes_nothing_does_not(pair: Pair) -> None:
    pair.same("RPUSH", "l", "a", "b", "c", "d", "e", "f")
    edits = [
        "LPUSH l x",
        "RPUSHX l x",
        "LPOP l",
        "RPOP l 1",
        "LPOP l 0",
        "LSET l 0 y",
        "LSET l 99 y",
        "LTRIM l 0 -1",
        "LTRIM l 0 -2",
        "LINSERT l AFTER y z",
        "LINSERT l AFTER nothing z",
        "LREM l 0 y",
        "LREM l 0 nothing",
        "LMOVE l l LEFT RIGHT",
        "LMOVE missing l LEFT LEFT",
        "LMPOP 1 l LEFT",
        "LRANGE l 0 -1",
    ]
    for edit in edits:
        pair.same_script(f"WATCH l\nB: {edit}\nMULTI\nLLEN l\nEXEC")
