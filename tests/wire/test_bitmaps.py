"""Bitmap commands answer as redis-server does: every option, valid and not."""

from __future__ import annotations

import random

import pytest

from .harness import CHANGES, Pair

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
ODD_NUMBERS = ["", "-", "+1", " 1", "1 ", "1.0", "007", "abc", "1e3", str(INT_MAX + 1), "9" * 30]


def hold_every_type(pair: Pair) -> None:
    """A key of each type but string, for WRONGTYPE."""
    pair.same_script("""
        RPUSH list a b
        SADD set a b
        HSET hash f v
        ZADD zset 1 a
    """)


@pytest.mark.parametrize(
    "request_line",
    [
        *("SETBIT {} 0 1", "GETBIT {} 0", "BITCOUNT {}", "BITCOUNT {} 0 -1", "BITPOS {} 1"),
        *("BITOP AND d s {}", "BITOP NOT d {}", "BITFIELD {}", "BITFIELD {} GET u8 0"),
        *("BITFIELD {} SET u8 0 1", "BITFIELD_RO {} GET u8 0", "SETBIT {} x 1", "SETBIT {} 0 2"),
        *("GETBIT {} -1", "BITCOUNT {} x y", "BITCOUNT {} 0", "BITPOS {} 2", "BITPOS {} 0 x"),
        *("BITFIELD {} GET u99 0", "BITFIELD {} SET u8 x 1", "BITFIELD_RO {} SET u8 0 1"),
    ],
)
def test_other_types_are_refused_after_the_arguments_that_come_first(
    pair: Pair, request_line: str
) -> None:
    hold_every_type(pair)
    for name in ("list", "set", "hash", "zset", "missing"):
        pair.same(*request_line.format(name).split())
    pair.same_keyspace()


@pytest.mark.parametrize(
    "name", ["SETBIT", "GETBIT", "BITCOUNT", "BITPOS", "BITOP", "BITFIELD", "BITFIELD_RO"]
)
def test_any_number_of_arguments_is_answered_alike(pair: Pair, name: str) -> None:
    pair.same("SET", "1", "abc")
    for count in range(8):
        pair.same(name, *["1"] * count)
        pair.same(name, *["AND"] * count)


def test_setbit_grows_a_string_and_tells_the_bit_before(pair: Pair) -> None:
    pair.same_script(r"""
        SETBIT k 7 1
        GET k
        SETBIT k 7 1
        SETBIT k 7 0
        GET k
        SETBIT k 100 0
        STRLEN k
        SETBIT k 100 0
        SETBIT k 0 1
        GET k
        GETBIT k 0
        GETBIT k 1
        GETBIT k 100
        GETBIT k 4294967295
        GETBIT missing 5
        OBJECT ENCODING k
        SET n 12345
        GETBIT n 2
        GETBIT n 39
        GETBIT n 40
        SETBIT n 7 1
        OBJECT ENCODING n
        GET n
        SET n 12345
        SETBIT n 7 1
        SETBIT n 7 1
        SETBIT n 3 1
        OBJECT ENCODING n
        GET n
        INCR n
        SET tag "\xf8\x01"
        GETBIT tag 0
        SETBIT tag 0 0
        GET tag
        SETBIT tag 0 1
        GET tag
        SET e ""
        GETBIT e 0
        SETBIT e 0 0
        GET e
        APPEND k xyz
        SETBIT k 15 1
        GET k
        COPY k c
        SETBIT k 3 1
        GET c
        SET t v EX 1000
        SETBIT t 1 0
        TTL t
    """)


def test_an_unchanged_integer_loses_its_encoding(pair: Pair) -> None:
    pair.same_script("""
        SET n 12
        SETBIT n 7 1
        OBJECT ENCODING n
        SET n 12
        SETBIT n 0 0
        OBJECT ENCODING n
        GET n
        SET n 12
        BITFIELD n GET u8 0
        OBJECT ENCODING n
        BITFIELD n SET u8 0 49
        OBJECT ENCODING n
        GET n
    """)


@pytest.mark.parametrize("text", [*ODD_NUMBERS, "-1", "0", "4294967295", "4294967296", "#1"])
def test_odd_offsets_and_bits_are_refused(pair: Pair, text: str) -> None:
    pair.config("proto-max-bulk-len", 1 << 20)
    pair.same("SETBIT", "k", text, "1")
    pair.same("GETBIT", "k", text)
    pair.same("SETBIT", "k", "3", text)
    pair.same("BITFIELD", "k", "GET", "u8", text)
    pair.same("BITFIELD", "k", "SET", "u8", "0", text)
    pair.same("BITFIELD", "k", "GET", "u8", f"#{text}")
    pair.same("BITPOS", "k", text)
    pair.same("BITPOS", "k", "1", text)
    pair.same("BITPOS", "k", "1", "0", text)
    pair.same("BITCOUNT", "k", text, "-1")
    pair.same("BITCOUNT", "k", "0", text)
    pair.same_keyspace()


def test_offsets_end_at_the_longest_bulk_string(pair: Pair) -> None:
    pair.config("proto-max-bulk-len", 1 << 20)
    limit = 8 << 20
    for offset in (limit - 1, limit, limit + 1):
        pair.same("SETBIT", "k", offset, "1")
        pair.same("GETBIT", "k", offset)
        pair.same("BITFIELD", "f", "SET", "i64", offset, "-1", "GET", "u1", offset)
        pair.same("BITFIELD", "f", "SET", "u32", f"#{offset // 32}", "7")
        pair.same("STRLEN", "k")
        pair.same("STRLEN", "f")
    pair.same("BITFIELD", "f", "GET", "u3", f"#{INT_MAX}")
    pair.same("BITFIELD", "f", "GET", "u16", f"#{1 << 60}")


@pytest.mark.parametrize("unit", ["", "BYTE", "BIT", "bit", "NIBBLE"])
def test_bitcount_and_bitpos_take_every_range(pair: Pair, unit: str) -> None:
    values = [b"", b"\x00\xff\x10", b"\xff\xff\xff", bytes(4), b"foobar", b"\x01" + bytes(9)]
    edges = [-100, -25, -24, -9, -8, -3, -2, -1, 0, 1, 2, 3, 7, 8, 9, 23, 24, 25, 100]
    for value in values:
        pair.same("SET", "k", value)
        requests: list[list[str | int]] = []
        for start in edges:
            for end in edges:
                requests.append(["BITCOUNT", "k", start, end, *unit.split()])
                requests.append(["BITPOS", "k", 0, start, end, *unit.split()])
                requests.append(["BITPOS", "k", 1, start, end, *unit.split()])
            requests.append(["BITPOS", "k", 0, start])
            requests.append(["BITPOS", "k", 1, start])
        pair.same_batch(requests)
    extremes = [INT_MIN, INT_MIN + 1, INT_MAX, 0, -1]
    for start in extremes:
        for end in extremes:
            pair.same("BITCOUNT", "k", start, end, *unit.split())
            pair.same("BITPOS", "k", 0, start, end, *unit.split())


def test_bitpos_of_clear_bits_goes_on_behind_a_string_without_an_end(pair: Pair) -> None:
    pair.same_script(r"""
        SET k "\xff\xff\xff"
        BITPOS k 0
        BITPOS k 0 0
        BITPOS k 0 2
        BITPOS k 0 3
        BITPOS k 0 -1
        BITPOS k 0 0 -1
        BITPOS k 0 0 2
        BITPOS k 0 0 7 BIT
        BITPOS k 0 0 100 BIT
        BITPOS k 1 3 5 BIT
        BITPOS missing 0
        BITPOS missing 1
        BITPOS missing 0 5
        BITPOS missing 1 5 6 BIT
        BITPOS missing 0 x
        BITPOS missing 0 0 1 2 3
        BITPOS k 0 0 1 2 3
        BITPOS k 0 0 1 BIT 3
        BITCOUNT missing x
        BITCOUNT missing 1 2 3 4 5
        BITCOUNT k 1 2 3 4
        BITCOUNT k 1
        SET k ""
        BITPOS k 0
        BITPOS k 1
        BITPOS k 0 0 -1
        SET k 123
        BITCOUNT k
        BITPOS k 1
    """)


def test_bitop_joins_strings_of_different_lengths(pair: Pair) -> None:
    pair.same_script(r"""
        SET a "\xff\x0f\xaa"
        SET b "\x0f\xff"
        SET c 12345
        SET e ""
        BITOP AND d a b
        GET d
        BITOP or d a b c
        GET d
        BITOP Xor d a b c missing
        GET d
        BITOP NOT d a
        GET d
        OBJECT ENCODING d
        BITOP AND d a missing
        GET d
        BITOP OR d c
        GET d
        OBJECT ENCODING d
        INCR d
        BITOP NOT a a
        GET a
        BITOP XOR a a a
        GET a
        BITOP AND d e
        EXISTS d
        BITOP AND d e
        SET d v EX 1000
        BITOP OR d b
        TTL d
        BITOP OR d missing other
        EXISTS d
        RPUSH l x
        BITOP OR l b
        TYPE l
        RPUSH l2 x
        BITOP OR l2 missing
        EXISTS l2
        BITOP NOT d a b
        BITOP NOT d
        BITOP NAND d a b
        BITOP "" d a
        SET tag "\xf8\xf9"
        BITOP OR d tag
        GET d
        TYPE d
    """)


@pytest.mark.parametrize("seed", range(4))
def test_large_strings_are_counted_searched_and_joined_alike(pair: Pair, seed: int) -> None:
    draw = random.Random(seed)
    size = draw.choice([65535, 65536, 65537, 200_003])
    pair.same("SET", "a", draw.randbytes(size))
    pair.same("SET", "b", draw.randbytes(size - draw.randint(0, 70_000)))
    pair.same("SETBIT", "b", 9, 1)
    pair.same("SETBIT", "zeros", size * 8, 1)
    pair.same("SETBIT", "zeros", size * 8, 0)
    pair.same("BITOP", "NOT", "ones", "zeros")
    for name in ("AND", "OR", "XOR"):
        pair.same("BITOP", name, "d", "a", "b", "ones")
        pair.same("GET", "d")
        pair.same("BITCOUNT", "d")
    for key in ("a", "b", "zeros", "ones"):
        pair.same("BITCOUNT", key)
        for bit in (0, 1):
            pair.same("BITPOS", key, bit)
        for _ in range(20):
            rows = sorted(draw.randint(0, size * 8) for _ in range(2))
            pair.same("BITCOUNT", key, *rows, "BIT")
            pair.same("BITPOS", key, 1, *rows, "BIT")
            pair.same("BITPOS", key, 0, *rows, "BIT")


def test_bitfield_reads_sets_and_increases_fields(pair: Pair) -> None:
    pair.same_script(r"""
        BITFIELD k
        EXISTS k
        BITFIELD k GET u8 0 GET i64 #3
        EXISTS k
        BITFIELD k SET u8 0 255 GET i8 0 GET u4 4 GET u8 4 INCRBY u2 100 1
        GET k
        BITFIELD k SET i5 3 -7 GET i5 3 GET u5 3
        BITFIELD k SET u8 #1 65 SET u8 #2 66 INCRBY i16 #0 1
        GET k
        BITFIELD k get u8 0 set u8 0 1 incrby u8 0 1 overflow sat
        BITFIELD k SET i64 0 9223372036854775807 GET i64 0 INCRBY i64 0 1
        BITFIELD k SET i64 3 -9223372036854775808 GET i64 3 GET u63 3
        BITFIELD k SET u63 1 9223372036854775807 INCRBY u63 1 1
        BITFIELD k SET u8 0 300 GET u8 0 SET u8 0 -1 GET u8 0
        BITFIELD k SET i8 0 200 GET i8 0 SET i8 0 -129 GET i8 0
        SET n 12345
        BITFIELD n GET u8 0 GET u8 36
        SET tag "\xf8"
        BITFIELD tag GET u8 0 SET u8 0 250
        GET tag
        BITFIELD_RO k
        BITFIELD_RO k GET u8 0 GET i8 #1
        BITFIELD_RO missing GET u8 0
        BITFIELD_RO k SET u8 0 1
        BITFIELD_RO missing INCRBY u8 0 1
        BITFIELD_RO k OVERFLOW SAT GET u8 0
    """)


@pytest.mark.parametrize("overflow", ["", "OVERFLOW WRAP", "OVERFLOW SAT", "OVERFLOW FAIL"])
@pytest.mark.parametrize("field", ["u1", "i1", "u2", "i3", "u8", "i8", "u33", "i63", "u63", "i64"])
def test_overflow_is_handled_for_every_width(pair: Pair, overflow: str, field: str) -> None:
    bits = int(field[1:])
    edges = {0, 1, -1, 2**bits, 2**bits - 1, -(2**bits), 2 ** (bits - 1), -(2 ** (bits - 1)) - 1}
    numbers = [n for n in sorted(edges) if INT_MIN <= n <= INT_MAX]
    numbers += [INT_MIN, INT_MIN + 1, -(2**62), 2**62, INT_MAX]
    for value in numbers:
        for increment in numbers:
            pair.same(
                *["BITFIELD", "k", *overflow.split(), "SET", field, "5", value],
                *["INCRBY", field, "5", increment, "GET", field, "5"],
            )
    pair.same("GET", "k")


def test_overflow_counts_for_what_follows_it(pair: Pair) -> None:
    pair.same_script("""
        BITFIELD k SET u8 0 250 OVERFLOW SAT INCRBY u8 0 10 OVERFLOW FAIL INCRBY u8 0 1 GET u8 0
        BITFIELD k OVERFLOW FAIL INCRBY u8 0 1 OVERFLOW WRAP INCRBY u8 0 1
        BITFIELD grown OVERFLOW FAIL INCRBY u8 64 300
        STRLEN grown
        BITFIELD grown OVERFLOW FAIL SET u2 200 4 GET u8 0
        STRLEN grown
        GET grown
    """)


@pytest.mark.parametrize(
    "field_type",
    [
        *("u0", "i0", "u64", "i65", "u", "i", "x8", "8", "", "U8", "I8", "u08", "u+8", "u-8"),
        *("u8x", "u8 ", "u8\x00junk", "i99999999999999999999"),
    ],
)
def test_odd_field_types_are_refused(pair: Pair, field_type: str) -> None:
    pair.same("BITFIELD", "k", "GET", field_type, "0")
    pair.same("BITFIELD", "k", "SET", field_type, "x", "x")
    pair.same("BITFIELD", "k", "INCRBY", field_type, "0", "x")


def test_bitfield_refuses_malformed_requests(pair: Pair) -> None:
    pair.same_script("""
        BITFIELD k GET
        BITFIELD k GET u8
        BITFIELD k SET u8 0
        BITFIELD k INCRBY u8 0
        BITFIELD k OVERFLOW
        BITFIELD k OVERFLOW BEND
        BITFIELD k OVERFLOW BEND GET u8 0
        BITFIELD k OVERFLOW SAT
        BITFIELD k BOGUS u8 0
        BITFIELD k SET u8 0 1 BOGUS
        BITFIELD k SET u8 0 x
        BITFIELD k SET u8 0 9223372036854775808
        BITFIELD k GET u8 # GET u8 #x
        BITFIELD k SET u8 0 1 GET u99 0
        EXISTS k
    """)


def test_only_real_changes_are_counted(pair: Pair) -> None:
    for line in (
        *("SETBIT k 3 1", "SETBIT k 3 1", "SETBIT k 3 0", "SETBIT k 90 0", "SETBIT k 90 0"),
        *("BITFIELD k SET u8 0 5", "BITFIELD k SET u8 0 5", "BITFIELD k GET u8 0", "BITFIELD k"),
        *("BITFIELD k SET u8 0 1 INCRBY u8 8 0 INCRBY u8 8 4", "BITFIELD k SET u8 160 0"),
        *("BITFIELD k OVERFLOW FAIL SET u8 0 256", "BITFIELD x OVERFLOW FAIL SET u8 0 256"),
        *("BITOP AND d k k", "BITOP AND d missing", "BITOP AND d missing", "BITCOUNT k"),
    ):
        before = pair.figures(CHANGES)
        pair.same(*line.split())
        pair.same_growth(CHANGES, before)


def test_a_reply_keeps_the_bytes_that_were_there(pair: Pair) -> None:
    pair.same("SETBIT", "k", 300_000, 1)
    requests: list[list[str | int]] = [["GET", "k"], ["SETBIT", "k", 5, 1], ["GET", "k"]]
    requests += [["SETBIT", "k", 400_000, 1], ["GET", "k"], ["BITOP", "NOT", "k", "k"]]
    pair.same_batch([*requests, ["GET", "k"]])
