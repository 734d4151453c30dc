"""The set commands answer as redis-server does: every option, valid and not."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from .harness import Pair, words

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
NOT_INTEGERS = ("abc", "", "1.0", " 1", "01", "+1", str(INT_MAX + 1), str(INT_MIN - 1))
OTHERS = words("string list hash zset")


def fill(pair: Pair) -> list[str]:
    """Sets of every encoding and stored form, and keys of other types; returns all names."""
    pair.same("SADD", "ints", *range(0, 40, 2))
    pair.same("SADD", "wide", -5, 70000, 2**40, INT_MAX, INT_MIN, 4)
    pair.same("SADD", "manyints", *range(512))
    pair.same("SADD", "hugeints", *range(100, 1000))
    pair.same("SADD", "words", "a", "b", "c", "2", "4", "", "x" * 70)
    pair.same("SADD", "few", "c", "d", "4", "6")
    pair.same("SADD", "table", *[f"m{i}" for i in range(300)], *range(30))
    pair.same("SADD", "table2", *[f"m{i}" for i in range(150, 500)])
    pair.same_script("""
        SET string v
        RPUSH list a
        HSET hash f v
        ZADD zset 1 a
    """)
    return [*words("ints wide manyints hugeints words few table table2 missing"), *OTHERS]


def same_sets(pair: Pair, names: list[str]) -> None:
    """Compare size, members and encoding of these sets."""
    for name in names:
        pair.same("SCARD", name)
        pair.same("SMEMBERS", name)
        pair.same("OBJECT", "ENCODING", name)


def test_sadd_and_srem_count_what_they_changed(pair: Pair) -> None:
    names = fill(pair)
    members = words("a b c 2 4 04 -5 -0 m3 m299 m300 new 511 512 513 70000 9223372036854775808")
    for name in names:
        pair.same("SADD", name, "a")
        pair.same("SADD", name, *members, "a", "a")
        pair.same("SADD", name, *members)
        pair.same("SREM", name, "nothing")
        pair.same("SREM", name, *members[::2], "nothing", "a")
        pair.same("SADD", name, "")
        pair.same("SREM", name, "", "")
    same_sets(pair, names)
    pair.same("SADD", "binary", b"\x00\xff\r\n", b"", b"\x00")
    pair.same("SMEMBERS", "binary")


def test_a_set_that_loses_its_last_member_is_gone(pair: Pair) -> None:
    pair.same_script("""
        SADD s a b
        SREM s a b c
        EXISTS s
        SREM s a
        SADD s 1
        EXPIRE s 1000
        SADD s 2
        TTL s
        SREM s 2
        TTL s
        SREM s 1
        SADD s 1
        TTL s
    """)


def test_encodings_follow_redis(pair: Pair) -> None:
    pair.same_script("""
        SADD s 1 2 3
        OBJECT ENCODING s
        SADD s x
        OBJECT ENCODING s
        SREM s x
        OBJECT ENCODING s
        SADD t 01
        OBJECT ENCODING t
        SADD u 9223372036854775807 -9223372036854775808
        OBJECT ENCODING u
        SADD u 9223372036854775808
        OBJECT ENCODING u
    """)
    for count in (511, 512, 513):
        pair.same("SADD", f"n{count}", *range(count))
        pair.same("OBJECT", "ENCODING", f"n{count}")
    pair.same("SADD", "n512", 10_000)
    pair.same("OBJECT", "ENCODING", "n512")
    pair.config("set-max-intset-entries", 3)
    pair.same_script("""
        SADD small 1 2 3
        OBJECT ENCODING small
        SADD small 4
        OBJECT ENCODING small
        SUNIONSTORE d small
        OBJECT ENCODING d
        SREM small 1 2
        SUNIONSTORE d small
        OBJECT ENCODING d
    """)


def test_membership_is_told_for_one_and_for_many(pair: Pair) -> None:
    names = fill(pair)
    members = ["a", "4", "04", "-5", "m299", "m300", "", "x" * 70, str(INT_MAX), "511", "512"]
    for name in names:
        for member in members:
            pair.same("SISMEMBER", name, member)
        pair.same("SMISMEMBER", name, *members)
        pair.same("SMISMEMBER", name, "a")
        pair.same("SCARD", name)
        pair.same("SMEMBERS", name)


def test_set_commands_refuse_other_types(pair: Pair) -> None:
    fill(pair)
    for name in OTHERS:
        pair.same_script(f"""
            SADD {name} a
            SREM {name} a
            SMOVE {name} few a
            SMOVE few {name} c
            SMOVE few {name} nothing
            SMOVE missing {name} a
            SMOVE {name} missing a
            SMOVE {name} {name} a
            SPOP {name}
            SPOP {name} 0
            SPOP {name} 2
            SPOP {name} -1
            SPOP {name} abc
            SRANDMEMBER {name}
            SRANDMEMBER {name} 0
            SRANDMEMBER {name} -2
            SRANDMEMBER {name} abc
            SSCAN {name} 0
            SSCAN {name} abc
            SSCAN {name} 0 BOGUS
            SINTER {name}
            SINTER few {name}
            SINTER missing {name}
            SINTER {name} missing
            SUNION few {name}
            SUNION missing {name}
            SDIFF few {name}
            SDIFF missing {name}
            SDIFF {name} missing
            SINTERCARD 2 few {name}
            SINTERCARD 2 missing {name}
            SINTERSTORE d few {name}
            SINTERSTORE d missing {name}
            SINTERSTORE {name} few {name}
            SUNIONSTORE d few {name}
            SDIFFSTORE d few {name}
            SDIFFSTORE d missing {name}
            TYPE {name}
            EXISTS d
        """)


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    names = words(
        "SADD SREM SISMEMBER SMISMEMBER SCARD SMEMBERS SMOVE SRANDMEMBER SINTER SINTERSTORE "
        "SINTERCARD SUNION SUNIONSTORE SDIFF SDIFFSTORE SSCAN SPOP"
    )
    for name in names:
        for count in range(6):
            pair.same(name, *["1"] * count)
            pair.same(name.lower(), *["1"] * count)
    pair.same_keyspace()


def test_smove_moves_between_forms(pair: Pair) -> None:
    names = fill(pair)
    for source in names:
        for destination in names:
            for member in ("4", "c", "m170", "nothing"):
                pair.same("SMOVE", source, destination, member)
    same_sets(pair, names)
    pair.same_script("""
        SADD one x
        SMOVE one two x
        EXISTS one
        SMEMBERS two
        SADD one x
        SMOVE one two x
        EXISTS one
        SMOVE two two x
        SMOVE two two y
        EXPIRE two 1000
        SADD one z
        SMOVE one two z
        TTL two
    """)


def test_spop_takes_different_members(pair: Pair) -> None:
    pair.same_script("""
        SPOP missing
        SPOP missing 0
        SPOP missing 3
        SPOP missing -1
        SPOP missing abc
        SPOP missing 1 2
        SADD s a b c
        SPOP s 0
        SPOP s -1
        SPOP s ""
        SPOP s 1.5
        SPOP s 1 2
        SPOP s 9223372036854775808
        SCARD s
        SPOP s 3
        EXISTS s
        SADD s a
        SPOP s
        EXISTS s
        SADD s a b
        SPOP s 9223372036854775807
        EXISTS s
        SADD s a b c
        SPOP s 2
        SCARD s
    """)
    fill(pair)
    for name in words("ints wide words few table manyints hugeints"):
        for server_only in (pair.client().ours, pair.client().theirs):
            members = server_only.call("SMEMBERS", name).items()
            taken = [server_only.call("SPOP", name)]
            taken += server_only.call("SPOP", name, 2).items()
            rest = server_only.call("SMEMBERS", name).items()
            assert Counter(members) == Counter([*taken, *rest])
        for count in (1, 3, 200, 100, 1000):
            pair.same("SPOP", name, count)
            pair.same("SCARD", name)
            pair.same("OBJECT", "ENCODING", name)


def test_srandmember_returns_members_and_takes_none(pair: Pair) -> None:
    pair.same_script(f"""
        SRANDMEMBER missing
        SRANDMEMBER missing 0
        SRANDMEMBER missing 3
        SRANDMEMBER missing -3
        SRANDMEMBER missing abc
        SRANDMEMBER missing 1 2
        SADD s a b c
        SRANDMEMBER s 0
        SRANDMEMBER s abc
        SRANDMEMBER s ""
        SRANDMEMBER s 1 2
        SRANDMEMBER s {INT_MIN}
        SRANDMEMBER s {INT_MAX}
        SRANDMEMBER missing {INT_MIN}
        SRANDMEMBER missing {INT_MIN + 1}
        SRANDMEMBER s {INT_MAX + 1}
    """)
    fill(pair)
    for name in words("ints wide words few table manyints hugeints"):
        members = set(pair.client().ours.call("SMEMBERS", name).items())
        pair.same("SRANDMEMBER", name)
        assert pair.client().ours.call("SRANDMEMBER", name) in members
        for count in (1, 2, 5, 100, 299, 511, 1000):
            pair.same("SRANDMEMBER", name, count)
            found = pair.client().ours.call("SRANDMEMBER", name, count).items()
            assert len(set(found)) == len(found) == min(count, len(members))
            assert members.issuperset(found)
            pair.same("SRANDMEMBER", name, -count)
            found = pair.client().ours.call("SRANDMEMBER", name, -count).items()
            assert len(found) == count
            assert members.issuperset(found)
        pair.same("SCARD", name)


def test_random_members_are_about_equally_frequent(pair: Pair) -> None:
    ours = pair.client().ours
    for size, prefix in ((10, ""), (10, "m"), (200, "m")):
        name = f"u{size}{prefix}"
        pair.same("SADD", name, *[f"{prefix}{i}" for i in range(size)])
        counts = Counter(ours.call("SRANDMEMBER", name, -200 * size).items())
        assert len(counts) == size
        # 200 expected each, with a deviation of 14: eight deviations never happen by chance.
        assert all(86 < count < 314 for count in counts.values())
        firsts: Counter[object] = Counter()
        for _ in range(300):
            firsts.update(ours.call("SRANDMEMBER", name, 3).items())
        assert len(firsts) >= size * 0.9


@pytest.mark.parametrize("command", ["SINTER", "SUNION", "SDIFF"])
def test_set_algebra_over_every_form(pair: Pair, command: str) -> None:
    names = fill(pair)
    for first in names:
        pair.same(command, first)
        pair.same(f"{command}STORE", "d", first)
        same_sets(pair, ["d"])
        for second in names:
            pair.same(command, first, second)
            pair.same(f"{command}STORE", "d", first, second)
            same_sets(pair, ["d"])
            pair.same("SINTERCARD", 2, first, second)
            pair.same(command, first, second, "few")
            for third in ("few", "table2", "missing", first):
                pair.same(f"{command}STORE", "d", first, second, third)
                pair.same("DEBUG", "DIGEST-VALUE", "d")
                pair.same("OBJECT", "ENCODING", "d")
    same_sets(pair, names)


@pytest.mark.parametrize("command", ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
def test_stores_replace_whatever_the_destination_held(pair: Pair, command: str) -> None:
    for destination in words("string list hash zset few table new"):
        pair.same("FLUSHALL")
        fill(pair)
        pair.same("EXPIRE", destination, 1000)
        pair.same(command, destination, "few", "words")
        pair.same("TYPE", destination)
        pair.same("TTL", destination)
        pair.same("SMEMBERS", destination)
        pair.same(command, destination, "missing", "missing")
        pair.same("EXISTS", destination)
        pair.same(command, destination, "missing")
    pair.same_script(f"""
        SADD a 1 2 3
        SADD b 2 3 4
        {command} a a b
        SMEMBERS a
        {command} b a b
        SMEMBERS b
        {command} b b b
        SMEMBERS b
    """)


def test_sdiffstore_keeps_the_encoding_that_redis_chooses(pair: Pair) -> None:
    chance = random.Random(5)
    for _ in range(150):
        names = []
        for i in range(chance.randint(1, 6)):
            name = f"s{i}"
            pair.same("DEL", name)
            members = [str(chance.randint(0, 20)) for _ in range(chance.randint(0, 15))]
            if chance.random() < 0.6:
                members.append(chance.choice("ab"))
            if members:
                pair.same("SADD", name, *members)
            names.append(name)
        pair.same("SDIFFSTORE", "d", *names)
        same_sets(pair, ["d"])


def test_sintercard_stops_at_its_limit(pair: Pair) -> None:
    fill(pair)
    for keys in (["table", "table2"], ["table"], ["hugeints", "manyints"], ["few", "missing"]):
        for limit in (0, 1, 2, 100, 149, 150, 151, 10_000, INT_MAX):
            pair.same("SINTERCARD", len(keys), *keys, "LIMIT", limit)
    pair.same_script("""
        SINTERCARD 0 few
        SINTERCARD -1 few
        SINTERCARD abc few
        SINTERCARD 2 few
        SINTERCARD 100 few words
        SINTERCARD 1 few BOGUS
        SINTERCARD 1 few BOGUS 1
        SINTERCARD 1 few LIMIT
        SINTERCARD 1 few LIMIT -1
        SINTERCARD 1 few LIMIT abc
        SINTERCARD 1 few LIMIT 1 LIMIT 2
        SINTERCARD 1 few LIMIT 1 BOGUS
        SINTERCARD 1 few limit 3
        SINTERCARD 1 few few
        SINTERCARD 1 missing LIMIT abc
        SINTERCARD 1 string LIMIT abc
        SINTERCARD 2 few LIMIT 1
        SINTERCARD 3 few LIMIT 1
    """)


def test_sscan_iterates_and_reads_its_options(pair: Pair) -> None:
    names = fill(pair)
    for name in names[:9]:
        pair.same_scan("SSCAN", name)
        for count in (1, 7, 100, 5000):
            pair.same_scan("SSCAN", name, "COUNT", count)
        for pattern in ("*", "m1*", "?", "[0-9]", "1*", "nothing", "", "m??"):
            pair.same_scan("SSCAN", name, "MATCH", pattern)
            pair.same_scan("SSCAN", name, "count", 1000, "match", pattern)
    pair.same_script(f"""
        SSCAN few 0
        SSCAN few 0 COUNT 0
        SSCAN few 0 COUNT -1
        SSCAN few 0 COUNT abc
        SSCAN few 0 COUNT {INT_MAX}
        SSCAN few 0 COUNT {INT_MAX + 1}
        SSCAN few 0 COUNT
        SSCAN few 0 MATCH
        SSCAN few 0 MATCH c
        SSCAN few 0 MATCH c MATCH d
        SSCAN few 0 COUNT 1 COUNT 10
        SSCAN few 0 TYPE set
        SSCAN few 0 BOGUS
        SSCAN few 0 BOGUS 1
        SSCAN few 0 MATCH c BOGUS
        SSCAN missing 0 BOGUS
        SSCAN missing 0 COUNT 0
        SSCAN missing abc BOGUS
        SSCAN string 0 BOGUS
        SSCAN table {INT_MAX} COUNT 1000
    """)
    cursors = words("abc 1abc - + -- 0x1 18446744073709551616 1.0 00000000000000000000000000 +0")
    cursors += ["", " 0", "0 ", "18446744073709551615", "-18446744073709551616", "-0", "0" * 30]
    cursors += ["1" * 21, "1" * 20, "0" * 20 + "x"]
    for cursor in cursors:
        pair.same("SSCAN", "few", cursor)
        pair.same("SSCAN", "missing", cursor)
        pair.same("SSCAN", "string", cursor)
    pair.same("SSCAN", "few", b"0\x00x")


def test_a_set_that_changes_during_an_iteration_is_scanned_whole(pair: Pair) -> None:
    pair.same("SADD", "s", *[f"m{i}" for i in range(1000)])
    for wire in (pair.client().ours, pair.client().theirs):
        cursor = b"0"
        seen: set[bytes] = set()
        i = 0
        while True:
            cursor_reply, page = wire.call("SSCAN", "s", cursor, "COUNT", 20).items()
            seen.update(member.text() for member in page.items())
            cursor = cursor_reply.text()
            if cursor == b"0":
                break
            wire.call("SREM", "s", f"m{500 + i}")
            wire.call("SADD", "s", f"new{i}")
            i += 1
        assert seen.issuperset(b"m%d" % j for j in range(500))
        assert i > 10
        wire.call("DEL", "s")


def test_random_edits_leave_equal_sets(pair: Pair) -> None:
    chance = random.Random(7)
    names = ["s", "t", "u"]
    for _ in range(1500):
        name, other = chance.choice(names), chance.choice(names)
        values = [
            chance.choice([str(chance.randint(-300, 300)), f"m{chance.randint(0, 300)}"])
            for _ in range(chance.randint(1, 40))
        ]
        choices: list[list[str]] = [
            ["SADD", name, *values],
            ["SREM", name, *values],
            ["SMOVE", name, other, values[0]],
            ["SMISMEMBER", name, *values],
            ["SUNION", name, other],
            ["SINTERSTORE", name, name, other],
            ["SDIFFSTORE", name, name, other],
            ["SUNIONSTORE", name, name, other],
            ["SADD", name, *map(str, range(100))],
            ["SCARD", name],
        ]
        pair.same(*chance.choice(choices))
    for name in names:
        pair.same("SMEMBERS", name)


def test_changes_break_a_watch_and_what_changes_nothing_does_not(pair: Pair) -> None:
    pair.same("SADD", "s", "a", "b", "c", "d", "e", "f")
    pair.same("SADD", "t", "x", "y")
    edits = [
        "SADD s a",
        "SADD s g",
        "SREM s nothing",
        "SREM s g",
        "SMOVE s s a",
        "SMOVE s t nothing",
        "SMOVE s t a",
        "SMOVE t s a",
        "SPOP s 0",
        "SRANDMEMBER s",
        "SSCAN s 0",
        "SINTERSTORE s s t",
        "SINTERSTORE s s t",
        "SUNIONSTORE s t",
        "SDIFFSTORE s t missing",
        "SADD s p q r u",
        "SPOP s",
        "SPOP s 1",
        "SPOP s 100",
        "SUNIONSTORE s missing",
    ]
    for edit in edits:
        pair.same_script(f"WATCH s\nB: {edit}\nMULTI\nPING\nEXEC")
