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
