"""SORT and SORT_RO answer as redis-server does: every option, valid and not."""

from __future__ import annotations

from .harness import Pair


def test_sort_of_lists_sets_and_sorted_sets(pair: Pair) -> None:
    pair.same("RPUSH", "l", 3, 10, 2, 1, 30, -5, "2.5", "1e1", 2)
    pair.same("RPUSH", "words", "banana", "Apple", "cherry", "apple", "", "10", "9")
    pair.same("SADD", "s", 5, 3, 11, 2, -1)
    pair.same("ZADD", "z", 1, 30, 2, 20, 3, 10, 4, 5)
    forms = [
        *("", "DESC", "ASC", "ALPHA", "ALPHA DESC", "LIMIT 0 3", "LIMIT 2 2", "LIMIT -1 2"),
        *("LIMIT 1 -1", "LIMIT 100 2", "LIMIT 0 0", "desc alpha limit 1 3", "ASC DESC", "DESC ASC"),
        *("BY nosort", "BY nosort LIMIT 1 2", "BY nosort DESC", "GET #", "GET # GET #"),
    ]
    for command in ("SORT", "SORT_RO"):
        for key in ("l", "words", "z", "missing"):
            for form in forms:
                pair.same_exactly(command, key, *form.split())
        for form in forms[:14]:
            pair.same(command, "s", *form.split())
        pair.same(command, "s", "BY", "nosort")


def test_sort_by_and_get_patterns(pair: Pair) -> None:
    pair.same("RPUSH", "ids", 1, 2, 3, 4)
    pair.same("SADD", "idset", 1, 2, 3, 4)
    weights = {1: "30", 2: "20", 3: "10", 4: "40"}
    for i, weight in weights.items():
        pair.same("SET", f"w_{i}", weight)
        pair.same("HSET", f"h_{i}", "w", weight, "name", f"name {i}")
        pair.same("SET", f"name_{i}", "zyxw"[i - 1])
    pair.same("RPUSH", "wrong_1", "x")
    forms = [
        "BY w_*",
        "BY w_* DESC",
        "BY w_* GET #",
        "BY w_* GET name_*",
        "BY w_* GET name_* GET # GET nothing_*",
        "BY h_*->w GET h_*->name",
        "BY h_*->nothing GET h_*->name",
        "BY h_*-> GET #",
        "BY name_* ALPHA",
        "BY name_* ALPHA DESC GET name_* LIMIT 1 2",
        "BY name_*",
        "BY missing_*",
        "BY w_* LIMIT 1 2",
        "BY wrong_* GET wrong_*",
        "GET h_1",
        "GET w_* BY h_*->w",
        "GET *",
        "BY constant",
        "GET h_*->",
        "GET ->*",
    ]
    for key in ("ids", "idset"):
        for form in forms:
            if key == "idset" and form == "BY constant":
                continue
            pair.same("SORT", key, *form.split())
            pair.same("SORT_RO", key, *form.split())


def test_sort_stores_its_result(pair: Pair) -> None:
    pair.same_script("""
        RPUSH l 3 1 2
        SORT l STORE out
        LRANGE out 0 -1
        TYPE out
        OBJECT ENCODING out
        SORT l DESC STORE l
        LRANGE l 0 -1
        SORT missing STORE out
        EXISTS out
        SET out string
        SORT l STORE out
        TYPE out
        SORT l GET nothing_* STORE out
        LRANGE out 0 -1
        EXPIRE out 1000
        SORT l STORE out
        TTL out
        SORT l STORE
        SORT_RO l STORE out
        SORT l LIMIT 5 1 STORE out
        EXISTS out
    """)


def test_sort_refuses_what_redis_refuses(pair: Pair) -> None:
    pair.same_script("""
        SET string x
        HSET hash f v
        RPUSH l a b 1
        SORT
        SORT string
        SORT hash
        SORT l
        SORT l LIMIT
        SORT l LIMIT 0
        SORT l LIMIT a b
        SORT l LIMIT 0 b
        SORT l BY
        SORT l GET
        SORT l BOGUS
        SORT l ALPHA BOGUS
        RPUSH n 1 nan 2
        SORT n
        RPUSH i 1 inf -inf
        SORT i
        RPUSH e 1 "" 2
        SORT e
        RPUSH sp 1 " 2" 3
        SORT sp
        SORT_RO string
        SORT_RO
    """)


def test_sort_reads_numbers_as_strtod_does(pair: Pair) -> None:
    numbers: list[bytes | str] = [
        *("", "0", "-0", "+1", "1.", ".5", "-.5", "1e3", "1E3", "0x10", "0X1p3", "-0x2", "0x.8"),
        *(" 3", "\t4", "\n5", "inf", "-INF", "Infinity", "+infinity", "007", "1e-300", "0e99999"),
        *(
            b"2\x00",
            b"2\x00x",
            b"\x00",
            "0x1p-1",
            "00",
            "-00.0e5",
            "1e22",
            "9" * 25,
            "0." + "0" * 20,
        ),
    ]
    for number in numbers:
        pair.same("DEL", "l")
        pair.same("RPUSH", "l", 2, number, "1.5", 7)
        pair.same_exactly("SORT", "l")
        pair.same_exactly("SORT_RO", "l", "DESC")
    refused = [
        *(" ", "1 ", "1\n", "1_0", "1_", "_1", "nan", "-nan", "NaN", "1e400", "-1e400", "1e-400"),
        *(
            "1e-310",
            "0x",
            "x",
            "+",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "--1",
            "0x1p",
            "infi",
            "1,5",
            "1d",
        ),
        *("0x1_0", "0xg", "0x1 ", "0x1p99999", "\xb2", "infinit", "in", "1.2.3", "0b1", "1j"),
    ]
    for number in refused:
        pair.same("DEL", "l")
        pair.same("RPUSH", "l", 2, number, 1)
        pair.same_exactly("SORT", "l")
        pair.same_exactly("SORT", "l", "ALPHA")
        pair.same_exactly("SORT", "l", "BY", "nosort")
        pair.same_exactly("SORT", "l", "STORE", "out")
    pair.same("EXISTS", "out")


def test_sort_alpha_compares_bytes(pair: Pair) -> None:
    words: list[bytes | str] = [
        "b",
        "a",
        "B",
        "",
        "ab",
        "a b",
        "\xe9",
        "e",
        "10",
        "9",
        "a\xff",
        b"\xff",
        b"\x01",
    ]
    pair.same("RPUSH", "l", *words)
    pair.same("SADD", "s", *words)
    pair.same("RPUSH", "zeros", b"a\x00z", b"a\x00b", "a", b"a\x00b", "", b"\x00", "b")
    for key in ("l", "s", "zeros"):
        for form in ("ALPHA", "ALPHA DESC", "ALPHA LIMIT 2 3", "ALPHA DESC LIMIT 1 2"):
            pair.same_exactly("SORT", key, *form.split())
        pair.same("SORT", key, "ALPHA", "STORE", "out")
        pair.same("LRANGE", "out", 0, -1)
        pair.same("SORT", key, "ALPHA", "DESC", "STORE", "out")
        pair.same("LRANGE", "out", 0, -1)


def test_sort_by_weights_of_every_kind(pair: Pair) -> None:
    pair.same("RPUSH", "ids", 3, 1, 4, 2, 5, 1)
    pair.same_script("""
        SET w_1 same
        SET w_2 same
        SET w_4 ""
        HSET w_5 f 1
        SET n_1 5
        SET n_2 5
        SET n_3 " -1"
        RPUSH n_4 1
        HSET h_1 f 2 "" empty
        HSET h_2 f x
        SET h_3 string
        HSET h*2 f 9
        SET plain value
        SET 1 one
        HSET 2 f two
    """)
    for form in (
        *("BY w_* ALPHA", "BY w_* ALPHA DESC", "BY w_*", "BY n_*", "BY n_* DESC", "BY n_* ALPHA"),
        *("BY h_*->f", "BY h_*->f ALPHA GET h_*->f", "BY h_*->missing DESC", "BY # GET #", "BY *"),
        *("GET # GET plain GET *", "GET *->f", "GET h_*->", "GET h_*->f->g", "GET h_->*", "GET #*"),
        *("GET h_**", "GET w_5->f", "BY w_* BY n_*", "BY nosort BY n_*", "BY n_* BY nosort DESC"),
        *("BY n_* LIMIT 0 2", "BY n_* LIMIT -5 100", "LIMIT 1 2 LIMIT 0 1", "BY x ALPHA LIMIT 2 9"),
        *("BY nosort DESC LIMIT 1 3", "BY nosort LIMIT 5 -1", "BY nosort LIMIT 6 1", "GET w_*"),
    ):
        for command in ("SORT", "SORT_RO"):
            pair.same_exactly(command, "ids", *form.split())
        pair.same("SORT", "ids", *form.split(), "STORE", "out")
        pair.same("LRANGE", "out", 0, -1)


def test_sort_of_large_values(pair: Pair) -> None:
    numbers = [i * 7919 % 1000 for i in range(1000)]
    pair.same("RPUSH", "l", *numbers)
    pair.same("SADD", "s", *numbers)
    pair.same("SADD", "words", *[f"w{i}" for i in numbers])
    pair.same("ZADD", "z", *[word for i in numbers for word in (-i, f"{i}")])
    for key in ("l", "s", "z"):
        for form in ("", "DESC", "ALPHA", "LIMIT 990 20", "LIMIT 10 20 DESC", "ALPHA LIMIT 0 5"):
            pair.same_exactly("SORT", key, *form.split())
    for key in ("l", "z"):
        for form in ("", "DESC", "LIMIT 10 5", "DESC LIMIT 10 5"):
            pair.same_exactly("SORT", key, "BY", "nosort", *form.split())
    for key in ("l", "s", "z", "words"):
        pair.same("SORT", key, "BY", "nosort", "STORE", "out")
        pair.same("LRANGE", "out", 0, -1)
        pair.same("SORT", key, "BY", "nosort", "DESC", "LIMIT", 3, 50, "STORE", "out")
        pair.same("LRANGE", "out", 0, -1)
        pair.same("SORT", key, "ALPHA", "DESC", "STORE", "out")
        pair.same("LRANGE", "out", 0, -1)


def test_sort_refuses_options_in_the_order_of_redis(pair: Pair) -> None:
    pair.same_script("""
        SET string x
        RPUSH l a
        SORT string BOGUS
        SORT string LIMIT 0 x
        SORT string STORE
        SORT string GET
        SORT string BY
        SORT string LIMIT 1
        SORT string LIMIT x BOGUS
        SORT string LIMIT 9223372036854775808 1
        SORT string ALPHA
        SORT missing BOGUS
        SORT missing GET x STORE out
        SORT l STORE string
        SORT l ALPHA LIMIT 0 9223372036854775807
        SORT l ALPHA LIMIT 9223372036854775807 9223372036854775807
        SORT l ALPHA LIMIT -9223372036854775808 -9223372036854775808
        SORT_RO l ALPHA STORE string
        SORT_RO l STORE
        SORT l ALPHA STORE string
        TYPE string
        sort l alpha asc limit 0 1 get # by nosort store string
        LRANGE string 0 -1
    """)


def test_sorting_into_a_list_serves_who_waits_for_it(pair: Pair) -> None:
    pair.same_script("""
        RPUSH l 2 1
        A> BLPOP out 0
        A<!
        SORT l STORE out
        A<
        LRANGE out 0 -1
    """)


def test_sorting_unpacks_a_sorted_set(pair: Pair) -> None:
    pair.same_script("""
        ZADD z 1 a 2 b
        SORT_RO z ALPHA
        OBJECT ENCODING z
        ZADD y 1 a
        SORT y BY nosort LIMIT 0 0
        OBJECT ENCODING y
    """)
