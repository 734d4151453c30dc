"""String commands answer as redis-server does: every option, valid and not."""

from __future__ import annotations

import pytest

from .harness import Pair, words

FAR_S = 4102444800
PAST_S = 1000000000
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
# What INCR and its kin must tell apart: canonical integers and everything that only looks like one.
NUMBERS = [
    *(
        "0",
        "1",
        "-1",
        "10",
        "007",
        "-0",
        "+1",
        " 1",
        "1 ",
        "",
        "-",
        "+",
        "1.0",
        "1e3",
        "0x10",
        "nan",
    ),
    *("inf", "-inf", str(INT_MAX), str(INT_MIN), str(INT_MAX + 1), str(INT_MIN - 1), "9" * 40),
    *("9223372036854775806", "1\x00", "abc", "1_000", "٣"),
]
FLOATS = [
    *("0", "1", "-1.5", "1e2", "1E2", "1.5e-3", "inf", "-inf", "+inf", "Infinity", "nan", "-nan"),
    *("", " 1", "1 ", "1.", ".5", "0x1p3", "1e400", "1e-400", "abc", "1,5", "3.0e3", "5.0e3"),
    *("0.1", "0.2", "1e17", "123456789012345678", "0.30000000000000004", "1e5000", "--1", "1e"),
]


def hold_every_type(pair: Pair) -> None:
    """A key of each type but string, for WRONGTYPE."""
    pair.same_script("""
        RPUSH list a b
        SADD set a b
        HSET hash f v
        ZADD zset 1 a
    """)


def test_set_and_get_return_what_was_stored(pair: Pair) -> None:
    pair.same_script(r"""
        GET missing
        SET k v
        GET k
        SET k ""
        GET k
        SET "" "the empty key"
        GET ""
        SET "bin\x00\xff\r\n" "\x00\r\n\xff\xfe"
        GET "bin\x00\xff\r\n"
        SET k 12345
        GET k
        SET k "012"
        GET k
        SET tag "\xf8\x01"
        GET tag
        SET tag "\xf9\xfa\xfb\xfc\xfd"
        GET tag
        TYPE tag
        STRLEN tag
        DBSIZE
    """)


@pytest.mark.parametrize("size", [0, 1, 43, 44, 45, 63, 64, 255, 4096, 16384, 65536, 1 << 20])
def test_values_of_any_size_come_back_whole(pair: Pair, size: int) -> None:
    value = bytes(i % 256 for i in range(256)) * (size // 256 + 1)
    pair.same("SET", "k", value[:size])
    assert pair.same("GET", "k").value == value[:size]
    pair.same("STRLEN", "k")
    pair.same("OBJECT", "ENCODING", "k")


def test_set_takes_every_flag_alone_and_together(pair: Pair) -> None:
    expiries = ["", "EX 1000", "PX 1000000", f"EXAT {FAR_S}", f"PXAT {FAR_S}000", "KEEPTTL"]
    for exists in (False, True):
        for condition in ("", "NX", "XX"):
            for get in ("", "GET"):
                for expiry in expiries:
                    pair.same("DEL", "k")
                    if exists:
                        pair.same("SET", "k", "old", "EX", 5000)
                    request = f"SET k new {condition} {expiry} {get}".split()
                    pair.same(*request)
                    pair.same(*[word.lower() for word in request])
                    pair.same_script("GET k\nTTL k\nPTTL k\nEXPIRETIME k")


def test_set_refuses_contradictory_and_malformed_options(pair: Pair) -> None:
    pair.same_script(f"""
        SET
        SET k
        SET k v NX XX
        SET k v XX NX GET
        SET k v EX
        SET k v EX 0
        SET k v EX -1
        SET k v EX abc
        SET k v EX 1.5
        SET k v EX ""
        SET k v EX 9223372036854775807
        SET k v EX 9223372036854775
        SET k v EX 9223372036854776
        SET k v EX 99999999999999999999
        SET k v PX 0
        SET k v PX -5
        SET k v PX 9223372036854775807
        SET k v PX
        SET k v EXAT 0
        SET k v EXAT -1
        SET k v EXAT {INT_MAX}
        SET k v PXAT 0
        SET k v PXAT {INT_MAX}
        SET k v EX 10 PX 10
        SET k v EX 10 EX 20
        SET k v EX 10 KEEPTTL
        SET k v KEEPTTL EX 10
        SET k v KEEPTTL KEEPTTL
        SET k v PERSIST
        SET k v EXAT {FAR_S} PXAT {FAR_S}000
        SET k v GET GET
        SET k v NX NX
        SET k v BOGUS
        SET k v 10
        SET k v NX 10
        SET k v EX 10 BOGUS
        SET k v EX abc NX XX
        EXISTS k
    """)


def test_set_with_a_time_that_is_past_deletes_the_key(pair: Pair) -> None:
    pair.same_script(f"""
        SET k v EXAT {PAST_S}
        EXISTS k
        SET k v
        SET k v2 PXAT {PAST_S}000 GET
        EXISTS k
        GET k
        SET k v
        GETEX k EXAT {PAST_S}
        EXISTS k
        DBSIZE
    """)


def test_set_get_and_friends_refuse_other_types(pair: Pair) -> None:
    hold_every_type(pair)
    for key in ("list", "set", "hash", "zset"):
        pair.same_script(f"""
            GET {key}
            GETDEL {key}
            GETEX {key}
            GETEX {key} EX 100
            GETEX {key} PERSIST
            GETSET {key} v
            STRLEN {key}
            APPEND {key} x
            GETRANGE {key} 0 1
            SUBSTR {key} 0 1
            SETRANGE {key} 0 x
            SETRANGE {key} 0 ""
            INCR {key}
            DECR {key}
            INCRBY {key} 5
            DECRBY {key} 5
            INCRBYFLOAT {key} 1.5
            SETNX {key} v
            SET {key} v GET
            SET {key} v NX GET
            SET {key} v XX GET
            LCS {key} {key}
            LCS {key} missing
            LCS missing {key}
            MGET {key} missing {key}
            MSETNX {key} v other w
            TYPE {key}
            SET {key} v
            TYPE {key}
            GET {key}
        """)


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    names = words(
        "GET SET GETSET GETDEL GETEX SETEX PSETEX SETNX MSET MSETNX MGET APPEND STRLEN GETRANGE "
        "SUBSTR SETRANGE INCR DECR INCRBY DECRBY INCRBYFLOAT LCS"
    )
    for name in names:
        for count in range(6):
            pair.same("FLUSHALL")
            # As a time in ms it is long enough for the test.
            pair.same(name, *["70000"] * count)
            pair.same(name.lower(), *["70000"] * count)
            pair.same_keyspace()


def test_getset_getdel_and_setnx(pair: Pair) -> None:
    pair.same_script("""
        GETSET k a
        GETSET k b
        SET k c EX 1000
        GETSET k d
        TTL k
        GETDEL k
        GETDEL k
        EXISTS k
        SETNX k 1
        SETNX k 2
        GET k
        SET n 100
        GETDEL n
    """)


def test_getex_changes_the_expiry_only(pair: Pair) -> None:
    pair.same_script(f"""
        GETEX k
        GETEX k EX 10
        SET k v
        GETEX k
        TTL k
        GETEX k EX 1000
        TTL k
        GETEX k
        TTL k
        GETEX k PX 5000000
        TTL k
        GETEX k EXAT {FAR_S}
        EXPIRETIME k
        GETEX k PXAT {FAR_S}123
        PEXPIRETIME k
        GETEX k PERSIST
        TTL k
        GETEX k persist
        GETEX k EX
        GETEX k EX 0
        GETEX k EX -1
        GETEX k EX abc
        GETEX k EX 10 PX 10
        GETEX k EX 10 PERSIST
        GETEX k PERSIST EX 10
        GETEX k PERSIST PERSIST
        GETEX k KEEPTTL
        GETEX k NX
        GETEX k GET
        GETEX k BOGUS
        GETEX k EX {INT_MAX}
        GETEX k PX {INT_MAX}
        GETEX missing EX abc
        GETEX missing BOGUS
        TTL k
        GET k
    """)


@pytest.mark.parametrize("command", ["SETEX", "PSETEX"])
def test_setex_and_psetex_check_their_time(pair: Pair, command: str) -> None:
    pair.same_script(f"""
        {command} k 1000000 v
        GET k
        PTTL k
        {command} k 0 v
        {command} k -1 v
        {command} k abc v
        {command} k 1.0 v
        {command} k "" v
        {command} k {INT_MAX} v
        {command} k {INT_MIN} v
        {command} k 9223372036854775 v
        {command} k 99999999999999999999 v
        RPUSH l a
        {command} l 1000000 v
        TYPE l
    """)


def test_mset_msetnx_and_mget(pair: Pair) -> None:
    pair.same_script("""
        MSET a 1
        MSET a 1 b
        MSET a 1 b 2 c 3
        MGET a b c d
        MSET a x a y
        GET a
        MSETNX a 1 new 2
        EXISTS new
        MSETNX new 1 new2 2
        MSETNX new 1
        MSETNX x
        MSETNX dup 1 dup 2
        GET dup
        SET t 1 EX 1000
        MSET t 2
        TTL t
        RPUSH l a
        MGET l a l
        MSET l 1
        TYPE l
    """)


def test_append_and_strlen(pair: Pair) -> None:
    pair.same_script("""
        APPEND k ""
        EXISTS k
        APPEND k abc
        APPEND k def
        GET k
        STRLEN k
        OBJECT ENCODING k
        SET n 10
        OBJECT ENCODING n
        APPEND n 5
        GET n
        OBJECT ENCODING n
        INCR n
        OBJECT ENCODING n
        STRLEN n
        APPEND n ""
        STRLEN missing
        SET t x EX 1000
        APPEND t y
        TTL t
        SET i -9223372036854775808
        STRLEN i
    """)
    for piece in ("x" * 10, "y" * 5000, "z" * 70000):
        for _ in range(5):
            pair.same("APPEND", "grow", piece)
    pair.same("GET", "grow")


@pytest.mark.parametrize("command", ["GETRANGE", "SUBSTR"])
def test_ranges_count_from_both_ends(pair: Pair, command: str) -> None:
    pair.same("SET", "k", "Hello, World")
    pair.same("SET", "n", "12345")
    pair.same("SET", "e", "")
    edges = [0, 1, 4, 11, 12, 13, 100, -1, -2, -12, -13, -100, INT_MAX, INT_MIN]
    for key in ("k", "n", "e", "missing"):
        for start in edges:
            for end in edges:
                pair.same(command, key, start, end)
    for bad in ("abc", "", "1.0", str(INT_MAX + 1)):
        pair.same(command, "k", bad, 0)
        pair.same(command, "k", 0, bad)
        pair.same(command, "missing", bad, bad)


def test_setrange_pads_with_zeros(pair: Pair) -> None:
    pair.same_script("""
        SETRANGE k 0 ""
        EXISTS k
        SETRANGE k 5 ""
        EXISTS k
        SETRANGE k 5 abc
        GET k
        SETRANGE k 0 XY
        GET k
        SETRANGE k 7 long
        GET k
        SETRANGE k 2 ""
        SETRANGE k -1 x
        SETRANGE k -1 ""
        SETRANGE k abc x
        SETRANGE k 1.5 x
        SETRANGE k 536870912 x
        SETRANGE k 536870911 xx
        SETRANGE k 9223372036854775807 x
        SETRANGE k 9223372036854775808 x
        SETRANGE missing 536870912 ""
        GET k
        SET n 12345
        SETRANGE n 2 xx
        GET n
        SETRANGE n 2 99
        GET n
        OBJECT ENCODING n
        SET t abc EX 1000
        SETRANGE t 1 X
        TTL t
        OBJECT ENCODING t
    """)


def test_counters_tell_integers_from_what_looks_like_one(pair: Pair) -> None:
    for number in NUMBERS:
        pair.same("SET", "k", number)
        for command in ("INCR", "DECR"):
            pair.same(command, "k")
            pair.same("GET", "k")
        for command in ("INCRBY", "DECRBY"):
            pair.same("SET", "k", number)
            pair.same(command, "k", 10)
            pair.same("SET", "k", 10)
            pair.same(command, "k", number)
            pair.same("GET", "k")
            pair.same("DEL", "k")
            pair.same(command, "k", number)


def test_counters_do_not_overflow(pair: Pair) -> None:
    pair.same_script(f"""
        SET k {INT_MAX}
        INCR k
        INCRBY k 1
        INCRBY k {INT_MAX}
        DECRBY k -1
        INCRBY k -1
        INCR k
        GET k
        SET k {INT_MIN}
        DECR k
        DECRBY k 1
        DECRBY k {INT_MIN}
        INCRBY k {INT_MIN}
        INCRBY k {INT_MAX}
        GET k
        SET k 0
        DECRBY k {INT_MIN}
        SET k -1
        DECRBY k {INT_MIN}
        DECRBY k {INT_MAX}
        SET t 1 EX 1000
        INCR t
        TTL t
        OBJECT ENCODING t
        DEL new
        DECR new
        INCRBY new 0
        SET "z" "10000"
        INCR z
        OBJECT ENCODING z
        OBJECT REFCOUNT z
    """)


def test_incrbyfloat_reads_and_prints_as_redis_does(pair: Pair) -> None:
    for number in FLOATS:
        pair.same("SET", "k", number)
        pair.same("INCRBYFLOAT", "k", "1")
        pair.same("GET", "k")
        pair.same("SET", "k", "3")
        pair.same("INCRBYFLOAT", "k", number)
        pair.same("GET", "k")
        pair.same("DEL", "k")
        pair.same("INCRBYFLOAT", "k", number)
        pair.same("OBJECT", "ENCODING", "k")
    pair.same_script("""
        SET k 10.50
        INCRBYFLOAT k 0.1
        INCRBYFLOAT k -5
        SET k 5.0e3
        INCRBYFLOAT k 2.0e2
        SET k 3.0
        INCRBYFLOAT k 1.000000000000000005
        INCRBYFLOAT k 1e15
        INCRBYFLOAT k 1e18
        INCRBYFLOAT k -1e18
        SET k 1.7976931348623157e308
        INCRBYFLOAT k 1.7976931348623157e308
        SET huge 3
        INCRBYFLOAT huge 1e400
        INCRBYFLOAT huge 1e400
        INCRBYFLOAT huge -1e400
        SET huge 1e4000
        INCRBYFLOAT huge 1
        INCRBYFLOAT huge 1
        SET t 1 EX 1000
        INCRBYFLOAT t 0.5
        TTL t
    """)
    for _ in range(30):
        pair.same("INCRBYFLOAT", "sum", "0.1")
        pair.same("INCRBYFLOAT", "sum", "-0.37")


def test_lcs_with_every_option(pair: Pair) -> None:
    pair.same_script("""
        MSET a ohmytext b mynewtext e ""
        LCS a b
        LCS a b LEN
        LCS a b IDX
        LCS a b IDX MINMATCHLEN 4
        LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN
        LCS a b IDX WITHMATCHLEN
        LCS a b idx withmatchlen minmatchlen 0
        LCS a b IDX MINMATCHLEN -5
        LCS a b IDX MINMATCHLEN abc
        LCS a b IDX MINMATCHLEN
        LCS a b MINMATCHLEN 3
        LCS a b WITHMATCHLEN
        LCS a b LEN IDX
        LCS a b LEN LEN
        LCS a b BOGUS
        LCS a a
        LCS a a IDX
        LCS a missing
        LCS missing missing2 IDX
        LCS missing missing2 LEN
        LCS e a IDX
        LCS e e
        SET n 12345
        SET m 13579
        LCS n m
        LCS n m IDX WITHMATCHLEN
    """)


def test_lcs_of_longer_texts(pair: Pair) -> None:
    pair.same("SET", "a", "".join("acgt"[(i * i * 7 + i // 3) % 4] for i in range(700)))
    pair.same("SET", "b", "".join("acgt"[(i * i * 5 + i // 7) % 4] for i in range(600)))
    pair.same_script("LCS a b\nLCS a b LEN\nLCS a b IDX\nLCS a b IDX MINMATCHLEN 5 WITHMATCHLEN")


def test_encodings_follow_redis(pair: Pair) -> None:
    values = [*NUMBERS, "x" * 44, "x" * 45, "9" * 18, "9" * 19, "9" * 20, "9" * 21, "1" * 44]
    for value in values:
        pair.same("SET", "k", value)
        pair.same("OBJECT", "ENCODING", "k")
        pair.same("COPY", "k", "copy", "REPLACE")
        pair.same("OBJECT", "ENCODING", "copy")
        pair.same("GETSET", "k", value)
        pair.same("OBJECT", "ENCODING", "k")
        pair.same("MSET", "k", value)
        pair.same("OBJECT", "ENCODING", "k")
        pair.same("APPEND", "appended", value)
        pair.same("OBJECT", "ENCODING", "appended")


def test_a_pipeline_is_answered_in_order(pair: Pair) -> None:
    requests: list[tuple[object, ...]] = []
    for i in range(500):
        requests += [
            ("SET", f"k{i % 7}", i),
            ("INCR", f"k{i % 5}"),
            ("GET", f"k{i % 3}"),
            ("NOPE",),
        ]
    pair.same_batch([[str(word) for word in argv] for argv in requests])


def test_an_integer_made_by_incrbyfloat_is_a_text(pair: Pair) -> None:
    pair.same_script("""
        SET n 1
        INCRBYFLOAT n 2.0
        OBJECT ENCODING n
        INCR n
        OBJECT ENCODING n
    """)


def test_lcs_looks_at_its_keys_before_its_options(pair: Pair) -> None:
    pair.same_script("""
        RPUSH list 1
        LCS list none LEN IDX
        LCS none list BOGUS
        LCS none none BOGUS
    """)
