"""Hash commands answer as redis-server does: every option, valid and not."""

from __future__ import annotations

import pytest

from .harness import Pair, words
from .walking import same_options, same_walks

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
NAMES = words(
    "HSET HSETNX HMSET HGET HMGET HGETALL HDEL HEXISTS HKEYS HVALS HLEN HSTRLEN HINCRBY "
    "HINCRBYFLOAT HRANDFIELD HSCAN"
)
# What HINCRBY must tell apart: canonical integers and everything that only looks like one.
INTEGERS = [
    *("0", "1", "-1", "10", "007", "-0", "+1", " 1", "1 ", "", "-", "1.0", "1e3", "0x10", "nan"),
    *("inf", str(INT_MAX), str(INT_MIN), str(INT_MAX + 1), str(INT_MIN - 1), "9" * 40),
    *("9223372036854775806", "1\x00", "abc", "1_000"),
]
FLOATS = [
    *("0", "1", "-1.5", "1e2", "1E2", "1.5e-3", "inf", "-inf", "+inf", "Infinity", "nan", "-nan"),
    *("", " 1", "1 ", "1.", ".5", "1e400", "1e-400", "abc", "1,5", "3.0e3", "1e5000", "--1", "1e"),
    *("0.1", "0.2", "1e17", "123456789012345678", "0.30000000000000004", "-0"),
]


def hold_every_type(pair: Pair) -> None:
    """A key of each type but hash, for WRONGTYPE."""
    pair.same_script("""
        SET string v
        SET int 5
        RPUSH list a b
        SADD set a b
        ZADD zset 1 a
    """)


def test_fields_are_set_read_and_deleted(pair: Pair) -> None:
    pair.same_script(r"""
        HSET h a 1
        HSET h a 2
        HSET h a 2 b 3 c 4
        HSET h b 5 b 6 d 7
        HGET h a
        HGET h b
        HGET h missing
        HGET nothing a
        HMGET h a b missing a
        HMGET nothing a b
        HMSET h e 8 a 9
        HMSET n x 1
        HGETALL h
        HGETALL nothing
        HKEYS h
        HKEYS nothing
        HVALS h
        HVALS nothing
        HLEN h
        HLEN nothing
        HEXISTS h a
        HEXISTS h missing
        HEXISTS nothing a
        HSTRLEN h a
        HSTRLEN h missing
        HSTRLEN nothing a
        HSET h s "a longer value" n -12345 empty ""
        HSTRLEN h s
        HSTRLEN h n
        HSTRLEN h empty
        HSETNX h a never
        HSETNX h f new
        HSETNX fresh f v
        HGET h f
        HDEL h a
        HDEL h a
        HDEL h b c missing b
        HDEL nothing a
        HLEN h
        HDEL fresh f other
        EXISTS fresh
        HDEL n x
        EXISTS n
        HSET "" "" ""
        HGETALL ""
        HSET bin "\x00\r\n\xff" "\xf8\x00" "\xf8" "\xff\xfe"
        HGETALL bin
        HGET bin "\x00\r\n\xff"
        HDEL bin "\xf8"
        HVALS bin
    """)


def test_replies_to_hgetall_are_maps_in_resp3(pair: Pair) -> None:
    kind = "map" if pair.protocol == 3 else "array"
    assert pair.same("HGETALL", "nothing").kind == kind
    pair.same("HSET", "h", "a", 1)
    assert pair.same("HGETALL", "h").kind == kind
    assert pair.same("HKEYS", "h").kind == "array"


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 255, 4095, 4096, 70000])
def test_values_and_fields_of_any_size_come_back_whole(pair: Pair, size: int) -> None:
    text = (bytes(range(256)) * (size // 256 + 1))[:size]
    pair.same("HSET", "h", "f", text)
    assert pair.same("HGET", "h", "f").value == text
    pair.same("HSET", "g", text, "v")
    pair.same("HGET", "g", text)
    pair.same("HSTRLEN", "h", "f")
    pair.same_keyspace()


@pytest.mark.parametrize("count", [127, 128, 129, 512, 513, 3000])
def test_a_hash_grows_and_shrinks_through_its_encodings(pair: Pair, count: int) -> None:
    for start in range(0, count, 100):
        fields = [w for i in range(start, min(count, start + 100)) for w in (f"f{i}", i * 7)]
        pair.same("HSET", "h", *fields)
    pair.same("HLEN", "h")
    pair.same("OBJECT", "ENCODING", "h")
    pair.same("HGETALL", "h")
    pair.same("HMGET", "h", *[f"f{i}" for i in range(-3, count + 3, 11)])
    pair.same_scan("HSCAN", "h")
    pair.same("HDEL", "h", *[f"f{i}" for i in range(0, count, 2)])
    pair.same("OBJECT", "ENCODING", "h")
    pair.same("HGETALL", "h")
    pair.same("HDEL", "h", *[f"f{i}" for i in range(count)], "more")
    pair.same("EXISTS", "h")


def test_the_thresholds_of_the_packed_form_can_be_set(pair: Pair) -> None:
    pair.config("hash-max-listpack-entries", 4)
    pair.config("hash-max-listpack-value", 10)
    for i in range(6):
        pair.same("HSET", "h", f"f{i}", i)
        pair.same("OBJECT", "ENCODING", "h")
    pair.same_script("""
        HSET v f 1234567890
        OBJECT ENCODING v
        HSET v f 12345678901
        OBJECT ENCODING v
        HSET w 12345678901 v
        OBJECT ENCODING w
        HSETNX x f 12345678901
        OBJECT ENCODING x
        HINCRBY y f 123456789012
        OBJECT ENCODING y
        HINCRBYFLOAT z f 12345678901.5
        OBJECT ENCODING z
    """)
    pair.same_keyspace()


@pytest.mark.parametrize("present", INTEGERS)
def test_hincrby_adds_to_integers_only(pair: Pair, present: str) -> None:
    for amount in ("0", "1", "-1", str(INT_MAX), str(INT_MIN), "7"):
        pair.same("HSET", "h", "f", present)
        pair.same("HINCRBY", "h", "f", amount)
        pair.same("HGET", "h", "f")


def test_hincrby_refuses_what_is_no_integer(pair: Pair) -> None:
    for amount in INTEGERS:
        pair.same("HINCRBY", "h", "f", amount)
        pair.same("HGETALL", "h")
        pair.same("DEL", "h")
        pair.same("HINCRBY", "h", "f", amount)
        pair.same("HSET", "h", "f", "abc")
        pair.same("HINCRBY", "h", "f", amount)
        pair.same("DEL", "h")
    pair.same("EXISTS", "h")


@pytest.mark.parametrize("present", FLOATS)
def test_hincrbyfloat_adds_to_floats_only(pair: Pair, present: str) -> None:
    for amount in ("0", "1", "-1.5", "0.1", "1e17", "1e-5", "3.0e3"):
        pair.same("HSET", "h", "f", present)
        pair.same("HINCRBYFLOAT", "h", "f", amount)
        pair.same("HGET", "h", "f")


def test_hincrbyfloat_refuses_what_is_no_finite_float(pair: Pair) -> None:
    for amount in FLOATS:
        pair.same("HINCRBYFLOAT", "h", "f", amount)
        pair.same("EXISTS", "h")
        pair.same("HGETALL", "h")
        pair.same("HINCRBYFLOAT", "h", "f", amount)
        pair.same("DEL", "h")
        pair.same("HSET", "h", "f", "abc")
        pair.same("HINCRBYFLOAT", "h", "f", amount)
        pair.same("DEL", "h")
    pair.same("HSET", "h", "f", "1e4931")
    for _ in range(20):
        pair.same("HINCRBYFLOAT", "h", "f", "1e4932")
    pair.same("HSET", "h", "f", "x" * 6000)
    pair.same("HINCRBYFLOAT", "h", "f", 1)


def test_hrandfield_gives_kinds_and_counts_like_redis(pair: Pair) -> None:
    counts = ["0", "1", "2", "3", "5", "6", "100", "-1", "-3", "-5", "-20", "-0", "abc", "", "1.5"]
    counts += [str(INT_MAX), str(INT_MIN), "99999999999999999999"]
    pair.same("HSET", "h", *[w for i in range(5) for w in (f"f{i}", i)])
    pair.same("HSET", "big", *[w for i in range(700) for w in (f"f{i}", i)])
    for key in ("h", "big", "nothing"):
        pair.same("HRANDFIELD", key)
        for count in counts:
            pair.same("HRANDFIELD", key, count)
            pair.same("HRANDFIELD", key, count, "WITHVALUES")
    for many in (300, 699, 700, 701, -2000):
        pair.same("HRANDFIELD", "big", many)
        pair.same("HRANDFIELD", "big", many, "withvalues")
    half = INT_MAX // 2
    for key in ("nothing", "h"):
        pair.same("HRANDFIELD", key, half + 1, "WITHVALUES")
        pair.same("HRANDFIELD", key, half, "WITHVALUES")
        pair.same("HRANDFIELD", key, -half - 1, "WITHVALUES")
        pair.same("HRANDFIELD", key, INT_MAX, "WITHVALUES")
    pair.same("HRANDFIELD", "nothing", -half, "WITHVALUES")
    pair.same("HRANDFIELD", "nothing", INT_MIN + 1)
    pair.same_script("""
        HRANDFIELD h 2 WITHSCORES
        HRANDFIELD h 2 WITHVALUES x
        HRANDFIELD h abc WITHSCORES
        HRANDFIELD h WITHVALUES
        HRANDFIELD nothing 2 BOGUS
        HSET one f v
        HRANDFIELD one
        HRANDFIELD one 5 WITHVALUES
        HRANDFIELD one -2 WITHVALUES
    """)


@pytest.mark.parametrize("size", [5, 600])
def test_hrandfield_draws_what_is_there_each_once_for_a_positive_count(
    pair: Pair, size: int
) -> None:
    pair.same("HSET", "h", *[w for i in range(size) for w in (f"f{i}", f"v{i}")])
    there = {f"f{i}".encode() for i in range(size)}
    for count in (1, 2, size // 10 + 1, size // 2, size - 1, size, size + 5):
        for ours in pair.both("HRANDFIELD", "h", count):
            drawn = [item.text() for item in ours.items()]
            assert len(set(drawn)) == len(drawn) == min(count, size)
            assert set(drawn) <= there
    for ours in pair.both("HRANDFIELD", "h", -size * 20):
        drawn = [item.text() for item in ours.items()]
        assert len(drawn) == size * 20
        assert set(drawn) == there
    for ours in pair.both("HRANDFIELD", "h", -50, "WITHVALUES"):
        rows = ours.items()
        flat = [i.text() for row in rows for i in (row.items() if row.kind == "array" else [row])]
        for field, value in zip(flat[::2], flat[1::2], strict=True):
            assert value == b"v" + field[1:]


def test_hscan_takes_cursors_and_options(pair: Pair) -> None:
    pair.same("HSET", "h", *[w for i in range(20) for w in (f"f{i}", i)])
    pair.same("HSET", "big", *[w for i in range(1000) for w in (f"f{i}", i)])
    same_walks(pair, "HSCAN", ("h", "big", "nothing"), "f")
    same_options(pair, "HSCAN", ("h", "nothing"), "f")


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    for name in NAMES:
        for count in range(6):
            pair.same(name, *["a"] * count)
            pair.same("DEL", "a")
    pair.same_script("""
        HSET h a 1 b
        HMSET h a 1 b
        HSET h a 1 b 2 c
        hMsEt h a 1 b
        EXISTS h
    """)


def test_hash_commands_refuse_other_types(pair: Pair) -> None:
    hold_every_type(pair)
    for key in ("string", "int", "list", "set", "zset"):
        pair.same_script(f"""
            HSET {key} f v
            HSET {key} f
            HMSET {key} f v
            HSETNX {key} f v
            HGET {key} f
            HMGET {key} f g
            HGETALL {key}
            HKEYS {key}
            HVALS {key}
            HLEN {key}
            HEXISTS {key} f
            HSTRLEN {key} f
            HDEL {key} f
            HINCRBY {key} f 1
            HINCRBY {key} f abc
            HINCRBYFLOAT {key} f 1.5
            HINCRBYFLOAT {key} f abc
            HINCRBYFLOAT {key} f inf
            HRANDFIELD {key}
            HRANDFIELD {key} 2
            HRANDFIELD {key} 0
            HRANDFIELD {key} abc
            HRANDFIELD {key} 2 BOGUS
            HRANDFIELD {key} 2 WITHVALUES
            HSCAN {key} 0
            HSCAN {key} abc
            HSCAN {key} 0 BOGUS
            TYPE {key}
        """)
    pair.same_keyspace()


def test_changes_of_hashes_keep_the_deadline_and_an_emptied_hash_loses_it(pair: Pair) -> None:
    pair.same_script("""
        HSET h a 1 b 2
        EXPIRE h 1000
        HSET h c 3
        TTL h
        HINCRBY h a 1
        TTL h
        HDEL h a
        TTL h
        HDEL h b c
        HSET h a 1
        TTL h
        HSET p a 1
        PEXPIRE p 1
    """)


def test_watch_notices_only_changes(pair: Pair) -> None:
    pair.same("HSET", "h", "a", 1)
    for change in ("HSETNX h a 2", "HDEL h missing", "HDEL nothing a", "HINCRBY h a abc"):
        pair.same_script(f"""
            WATCH h
            B: {change}
            MULTI
            HGETALL h
            EXEC
        """)
    for change in ("HSET h a 1", "HSETNX h z 2", "HDEL h z", "HINCRBY h a 0", "HINCRBYFLOAT h a 0"):
        pair.same_script(f"""
            WATCH h
            B: {change}
            MULTI
            HGETALL h
            EXEC
        """)
