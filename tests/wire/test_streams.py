"""Commands on the entries of streams are answered as redis-server answers them."""

from __future__ import annotations

import random

import pytest

from .harness import Pair, words

U64_MAX = 2**64 - 1
I64_MAX = 2**63 - 1
ODD_IDS = (
    *(
        "0",
        "0-0",
        "0-1",
        "1",
        "1-0",
        "1-1",
        "-",
        "+",
        "$",
        ">",
        "*",
        "",
        "-1",
        "1-",
        "1--1",
        "a",
        "1-a",
    ),
    *(
        "1-*",
        "*-1",
        "1-1-1",
        "007-08",
        "+5",
        " 5",
        "5 ",
        "5-+3",
        "5- 3",
        "5--0",
        "5--03",
        "-0",
        "--",
    ),
    *(f"{U64_MAX}", f"{U64_MAX}-{U64_MAX}", f"{U64_MAX + 1}", f"1-{U64_MAX + 1}", f"0-{U64_MAX}"),
    *(
        f"{I64_MAX}-{I64_MAX}",
        f"{I64_MAX + 1}-{I64_MAX + 1}",
        "1" * 127,
        "1" * 128,
        "0" * 126 + "7",
    ),
    *(
        "(1",
        "(1-1",
        "(-",
        "(+",
        "(",
        "((1",
        f"({U64_MAX}-{U64_MAX}",
        "(0-0",
        "1-1\\x00a",
        "99999999",
    ),
)


def unescaped(word: str) -> bytes:
    """An id with its NUL."""
    return word.encode().replace(b"\\x00", b"\x00")


def state(pair: Pair, key: str = "s") -> None:
    """Everything that a stream says of itself is equal."""
    pair.same("XINFO", "STREAM", key)
    pair.same("XINFO", "STREAM", key, "FULL", "COUNT", 0)
    pair.same("XLEN", key)
    pair.same("DEBUG", "DIGEST-VALUE", key)


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    for name in words("XADD XTRIM XDEL XLEN XRANGE XREVRANGE XSETID"):
        for count in range(8):
            pair.same(name, *["1"] * count)
            pair.same(name.lower(), *["1"] * count)


def test_every_command_refuses_another_type(pair: Pair) -> None:
    pair.same_script("""
        SET string v
        RPUSH list a
        XADD string * a b
        XADD list NOMKSTREAM * a b
        XADD list 0-0 a b
        XADD list * a
        XTRIM string MAXLEN 1
        XTRIM string MAXLEN x
        XDEL string 1-1
        XDEL string x
        XDEL missing x
        XLEN string
        XRANGE string - +
        XRANGE string - + COUNT 0
        XRANGE string x +
        XREVRANGE string + -
        XSETID string 1-1
        XSETID string x
        XSETID missing 1-1
        XSETID missing x
        XLEN missing
        XRANGE missing - +
        XRANGE missing - + COUNT 0
        XTRIM missing MAXLEN 0
        XDEL missing 1
        EXISTS missing
    """)
    pair.same("XADD", "s", "1-1", "a", "b")
    for argv in ("GET s", "LPUSH s a", "SADD s a", "HSET s a b", "ZADD s 1 a", "APPEND s x"):
        pair.same(*argv.split())
    for argv in ("SORT s", "INCR s", "STRLEN s", "LRANGE s 0 -1", "SETRANGE s 0 a", "SUNION s"):
        pair.same(*argv.split())


@pytest.mark.parametrize("word", ODD_IDS)
def test_ids_are_read_as_redis_reads_them(pair: Pair, word: str) -> None:
    text = unescaped(word)
    pair.same("XADD", "s", "1-1", "a", "b")
    pair.same("XADD", "s", "5-3", "a", "c")
    pair.same("XRANGE", "s", text, "+")
    pair.same("XRANGE", "s", "-", text)
    pair.same("XREVRANGE", "s", text, "-")
    pair.same("XREVRANGE", "s", "+", text)
    pair.same("XDEL", "s", text)
    pair.same("XDEL", "s", "1-1", text)
    pair.same("XTRIM", "s", "MINID", text)
    pair.same("XSETID", "s", text)
    pair.same("XSETID", "s", "9-9", "MAXDELETEDID", text)
    if text != b"*":
        pair.same("XADD", "s", text, "a", "b")
        pair.same("XADD", "new", text, "a", "b")
        pair.same("XADD", "s", "NOMKSTREAM", text, "a", "b")
        pair.same("XADD", "s", "MINID", text, "9999-1", "a", "b")
        pair.same("XRANGE", "new", "-", "+")
    state(pair)


def test_added_entries_come_back(pair: Pair) -> None:
    pair.same_script(f"""
        XADD s 1-1 a 1
        XADD s 1-1 a 1
        XADD s 1-0 a 1
        XADD s 0-5 a 1
        XADD s 1-* a 2 b 3
        XADD s 1-* a
        XADD s 1-* a b c
        XADD s 2-* "" ""
        XADD s 2 a b
        XADD s 3 a b
        XADD s 3-5 a b a c
        XADD s 2-* a b
        XADD s {U64_MAX}-5 a b
        XADD s {U64_MAX}-* a b
        XADD s {U64_MAX}-{U64_MAX - 1} a b
        XADD s {U64_MAX}-* a b
        XADD s {U64_MAX}-* a b
        XADD s * a b
        XADD s {U64_MAX}-{U64_MAX} a b
        XRANGE s - +
        XREVRANGE s + -
        XADD t NOMKSTREAM * a b
        XADD t nomkstream 1-1 a b
        EXISTS t
        XADD t 0-* a b
        XADD t NOMKSTREAM 1-1 a b
        XADD t NOMKSTREAM NOMKSTREAM 2-1 a b
        TYPE t
        OBJECT ENCODING t
        OBJECT REFCOUNT t
        XADD u 0-0 a b
        XADD u 0 a b
        XADD u NOMKSTREAM 0-0 a b
        EXISTS u
        XADD u 5-{U64_MAX} a b
        XADD u 5-* a b
        XADD u 6-* a b
    """)
    for key in "stu":
        state(pair, key)


def test_ids_that_are_made_grow(pair: Pair) -> None:
    for client in ("A", "B"):
        for _ in range(3):
            ours, theirs = pair.both("XADD", "s", "*", "a", "b", client=client)
            assert ours.kind == theirs.kind == "bulk"
    ours, theirs = pair.both("XRANGE", "s", "-", "+")
    for reply in (ours, theirs):
        ids = [tuple(map(int, row.items()[0].text().split(b"-"))) for row in reply.items()]
        assert len(ids) == 6
        assert ids == sorted(set(ids))
    # Behind an id in the future the sequence goes on.
    pair.same("XADD", "future", "9999999999999-5", "a", "b")
    pair.same("XADD", "future", "*", "a", "b")
    pair.same("XADD", "edge", f"9999999999999-{U64_MAX}", "a", "b")
    pair.same("XADD", "edge", "*", "a", "b")


OPTIONS = (
    *(
        "MAXLEN 3",
        "MAXLEN = 3",
        "MAXLEN ~ 3",
        "MAXLEN 0",
        "MAXLEN -1",
        "MAXLEN x",
        "MAXLEN",
        "MAXLEN ~",
    ),
    *("MAXLEN ~ =", "MAXLEN = ~ 3", "maxlen ~ 3 LIMIT 2", "MAXLEN 3 LIMIT 2", "MAXLEN = 3 LIMIT 2"),
    *(
        "MAXLEN ~ 3 LIMIT 0",
        "MAXLEN 3 LIMIT 0",
        "MAXLEN ~ 3 LIMIT -1",
        "MAXLEN ~ 3 LIMIT x",
        "LIMIT 5",
    ),
    *("LIMIT 0", "LIMIT", "LIMIT 5 MAXLEN ~ 3", "MAXLEN 3 MAXLEN 4", "MAXLEN 3 MINID 4", "MINID 4"),
    *(
        "MINID = 4-1",
        "MINID ~ 4",
        "MINID -",
        "MINID +",
        "MINID x",
        "MINID",
        "MINID ~",
        "MINID 4 LIMIT 1",
    ),
    *(
        "MINID ~ 4 LIMIT 1",
        "MINID 0",
        "MINID 99",
        "NOMKSTREAM MAXLEN 2",
        "MAXLEN 2 NOMKSTREAM",
        "BOGUS",
    ),
    *(
        "MAXLEN ~ 3 LIMIT 2 LIMIT 3",
        "MAXLEN 99999999999999999999",
        f"MAXLEN {I64_MAX}",
        "",
        "MAXLEN 1.5",
    ),
    *("MAXLEN * ", "MAXLEN ~ *", "MINID *", "LIMIT *", "MINID 4-*", "MINID ~ 4-* LIMIT 3"),
)


@pytest.mark.parametrize("options", OPTIONS)
def test_trimming_options_are_read_in_redis_order(pair: Pair, options: str) -> None:
    pair.config("stream-node-max-entries", "2")
    for i in range(1, 8):
        pair.same("XADD", "s", f"{i}-1", "field", i)
    pair.same("XADD", "s", *options.split(), "20-1", "a", "b")
    pair.same("XADD", "s", *options.split(), "21-1", "a")
    pair.same("XADD", "s", *options.split())
    pair.same("XADD", "missing", *options.split(), "1-1", "a", "b")
    state(pair)
    pair.same("XTRIM", "s", *options.split())
    pair.same("XTRIM", "missing", *options.split())
    pair.same("XTRIM", "s", *options.split(), "20-1")
    state(pair)


def test_exact_trimming_deletes_inside_of_nodes(pair: Pair) -> None:
    for size in (0, 1, 3, 10):
        pair.config("stream-node-max-entries", size)
        for i in range(1, 40):
            pair.same("XADD", "s", f"{i}-1", "field", i, *(["x", "y"] if i % 3 == 0 else []))
        for length in (37, 36, 30, 29, 29, 28, 10, 9, 3, 1, 0, 0):
            pair.same("XTRIM", "s", "MAXLEN", length)
            state(pair)
        pair.same("DEL", "s")
        for i in range(1, 40):
            pair.same("XADD", "s", f"{i}-1", "field", i)
        pair.same("XDEL", "s", "5-1", "11-1", "12-1", "20-1", "39-1")
        for minimum in ("1", "2-1", "3-0", "3-2", "6", "12-5", "20-1", "20-2", "38", "39", "40"):
            pair.same("XTRIM", "s", "MINID", minimum)
            state(pair)
            pair.same("XADD", "s", f"{int(minimum.split('-')[0]) + 100}-1", "late", "x")
        pair.same("DEL", "s")


@pytest.mark.parametrize("entries", ["0", "1", "7", "100", "200", "5000"])
@pytest.mark.parametrize("size", ["0", "1", "60", "500", "4096"])
def test_nodes_are_cut_where_redis_cuts_them(pair: Pair, entries: str, size: str) -> None:
    """The number of nodes follows from the bytes that each entry takes."""
    pair.config("stream-node-max-entries", entries)
    pair.config("stream-node-max-bytes", size)
    source = random.Random(f"{entries} {size}")
    values = ["", "a", "7", "-5000", "123456", "70000", "x" * 63, "y" * 64, "z" * 70, "9" * 19]
    values += ["w" * 400, str(2**40), "-1", "0", "00", "127", "128", "4095", "4096"]
    ms = 0
    for count in range(600):
        ms += source.choice([0, 0, 1, 5, 200, 70000, 2**33])
        fields = source.choice([["f"], ["f"], ["f", "g"], ["g", "f"], ["f", "f"], ["12", "h" * 70]])
        pairs = [word for field in fields for word in (field, source.choice(values))]
        pair.same("XADD", "s", f"{ms}-*", *pairs)
        if count % 40 == 0:
            pair.same("XINFO", "STREAM", "s")
            pair.same("XTRIM", "s", "MAXLEN", "~", source.randint(200, 700))
            pair.same("XTRIM", "s", "MINID", "~", source.randint(0, ms + 1))
            pair.same("XTRIM", "s", "MAXLEN", "~", 100, "LIMIT", source.randint(0, 150))
            pair.same("XTRIM", "s", "MAXLEN", source.randint(150, 700))
    state(pair)
    pair.same("XREVRANGE", "s", "+", "-")
    for row in pair.same("XRANGE", "s", "-", "+").items():
        if source.random() < 0.7:
            pair.same("XDEL", "s", row.items()[0].text())
    state(pair)


def test_entries_are_deleted_singly(pair: Pair) -> None:
    pair.config("stream-node-max-entries", "3")
    for i in range(1, 11):
        pair.same("XADD", "s", f"{i}-{i}", "a", i)
    pair.same_script("""
        XDEL s 5-5
        XDEL s 5-5
        XDEL s 5 6 7-7 7-7 99-1
        XDEL s 1-1 x
        XDEL s 1-1
        XINFO STREAM s
        XDEL s 2-2 3-3
        XINFO STREAM s
        XDEL s 10-10
        XINFO STREAM s
        XADD s 10-10 a b
        XADD s 10-11 a b
        XINFO STREAM s
        XREVRANGE s + - COUNT 2
        XDEL s 10-11 9-9 8-8 6-6 4-4
        XINFO STREAM s
        XRANGE s - +
        XLEN s
        XADD s 10-11 a b
        XADD s 11-1 a b
        XDEL s 11-1
        EXISTS s
        XDEL s 11-1
        DEL s
    """)


def test_ranges_with_bounds_and_counts(pair: Pair) -> None:
    pair.config("stream-node-max-entries", "4")
    for ms in range(1, 6):
        for seq in range(3):
            pair.same("XADD", "s", f"{ms}-{seq}", "a", f"{ms}.{seq}")
    pair.same("XDEL", "s", "2-1", "4-0", "4-1", "4-2", "5-2")
    bounds = words("- + 0 1 1-1 2 2-0 2-1 2-2 3 4 4-1 5-2 6 (1 (1-2 (2-0 (2 (5-1 (4-2 (6")
    for start in bounds:
        for end in bounds:
            pair.same("XRANGE", "s", start, end)
            pair.same("XREVRANGE", "s", start, end)
    for options in ("COUNT 1", "COUNT 3", "count 0", "COUNT -1", "COUNT x", "COUNT", "BOGUS 1"):
        pair.same("XRANGE", "s", "-", "+", *options.split())
        pair.same("XREVRANGE", "s", "+", "-", *options.split())
        pair.same("XRANGE", "s", "x", "+", *options.split())
        pair.same("XRANGE", "missing", "-", "+", *options.split())
    pair.same("XRANGE", "s", "-", "+", "COUNT", 1, "COUNT", 2)
    pair.same("XRANGE", "s", "-", "+", "COUNT", 1, "BOGUS")
    pair.same("XRANGE", "s", "-", "+", "COUNT", I64_MAX)
    for start in ("1", "2-1", "3", "9"):
        for count in (1, 2, 100):
            pair.same("XRANGE", "s", start, "+", "COUNT", count)
            pair.same("XREVRANGE", "s", start, "-", "COUNT", count)


def test_ids_far_apart_in_one_node(pair: Pair) -> None:
    for text in ("0-1", f"0-{I64_MAX}", f"0-{I64_MAX + 1}", f"0-{U64_MAX}", "1-0", f"{I64_MAX}-1"):
        pair.same("XADD", "s", text, "a", "b")
    for text in (f"{I64_MAX + 1}-0", f"{I64_MAX + 9}-{U64_MAX}", f"{U64_MAX}-3"):
        pair.same("XADD", "s", text, "a", "b")
    state(pair)
    pair.same("XDEL", "s", f"0-{U64_MAX}", f"{I64_MAX + 9}-{U64_MAX}", f"{U64_MAX}-3")
    pair.same("XTRIM", "s", "MINID", f"0-{I64_MAX + 1}")
    state(pair)


def test_values_of_every_kind_come_back(pair: Pair) -> None:
    values = [
        b"",
        b"0",
        b"-0",
        b"127",
        b"128",
        b"-4096",
        b"4096",
        b"32768",
        b"8388608",
        b"2147483648",
    ]
    values += [
        b"9223372036854775807",
        b"-9223372036854775808",
        b"9223372036854775808",
        b"\x00\xff\r\n",
    ]
    values += [
        b"x" * size for size in (1, 7, 8, 9, 16, 33, 40, 41, 62, 63, 64, 65, 4095, 4096, 20000)
    ]
    for i, value in enumerate(values):
        pair.same("XADD", "s", f"{i + 1}-0", "field", value)
        pair.same("XADD", "s", f"{i + 1}-1", value, i, "other", value)
    state(pair)
    pair.same("XRANGE", "s", "-", "+")
    many = [word for i in range(400) for word in (f"field{i}", i)]
    pair.same("XADD", "s", "100-0", *many)
    pair.same("XADD", "s", "100-1", *many)
    pair.same("XRANGE", "s", "100", "+")


def test_xsetid_checks_what_is_there(pair: Pair) -> None:
    pair.same_script(f"""
        XADD s 5-5 a b
        XADD s 6-6 a b
        XSETID s 6-5
        XSETID s 6-6
        XSETID s 7
        XADD s 7-0 a b
        XADD s 8-* a b
        XSETID s 9-9 ENTRIESADDED 2
        XSETID s 9-9 ENTRIESADDED 3
        XSETID s 9-9 ENTRIESADDED -1
        XSETID s 9-9 ENTRIESADDED x
        XSETID s 9-9 ENTRIESADDED
        XSETID s 9-9 BOGUS 1
        XSETID s 9-9 MAXDELETEDID 10-1
        XSETID s 9-9 MAXDELETEDID 8-1 ENTRIESADDED 30
        XSETID s 9-9 entriesadded 31 maxdeletedid 9-9
        XSETID s 9-8
        XSETID s 9-9 MAXDELETEDID 0-0
        XSETID s 9-9 MAXDELETEDID -
        XSETID s 9-9 ENTRIESADDED 50 ENTRIESADDED 40
        XSETID s 9-9 ENTRIESADDED {I64_MAX}
        XINFO STREAM s
        XADD s 10-1 a b
        XINFO STREAM s
        XDEL s 10-1
        XSETID s 9-9
        XTRIM s MAXLEN 0
        XSETID s 10-1 ENTRIESADDED 0
        XINFO STREAM s
        XSETID s {U64_MAX}-{U64_MAX}
        XADD s * a b
        XADD s {U64_MAX}-* a b
        XGROUP CREATE empty g $ MKSTREAM
        XSETID empty 5-5
        XINFO STREAM empty
        XADD empty 5-5 a b
        XADD empty 5-6 a b
    """)


def test_streams_are_copied_renamed_moved_and_expire(pair: Pair) -> None:
    pair.config("stream-node-max-entries", "3")
    for i in range(1, 11):
        pair.same("XADD", "s", f"{i}-1", "a", i)
    pair.same_script("""
        XGROUP CREATE s g 0
        XGROUP CREATE s h $
        XREADGROUP GROUP g c COUNT 3 STREAMS s >
        XREADGROUP GROUP g d COUNT 2 STREAMS s >
        XDEL s 4-1
        COPY s t
        XADD t 20-1 a b
        XACK t g 1-1
        XGROUP DESTROY t h
        XPENDING s g
        XPENDING t g
        XINFO GROUPS s
        XINFO GROUPS t
        XRANGE s - +
        XRANGE t - +
        RENAME t u
        XADD u 21-1 a b
        MOVE u 1
        EXISTS u
        SELECT 1
        XLEN u
        XINFO STREAM u
        DEL u
        SELECT 0
        PEXPIRE s 100000
        PERSIST s
        UNLINK s
        EXISTS s
        XADD s 1-1 a b
        PEXPIRE s 1
    """)
    pair.same_shape("DEBUG", "SLEEP", "0.01")
    pair.same("EXISTS", "s")
    pair.same("XADD", "s", "1-1", "a", "b")
    pair.same_shape("MEMORY", "USAGE", "s")
