"""BZPOPMIN, BZPOPMAX and BZMPOP wait, are served and time out as on redis-server."""

from __future__ import annotations

import pytest

from .harness import Pair

NAMES = ["BZPOPMIN", "BZPOPMAX"]


@pytest.mark.parametrize("name", NAMES)
def test_blocking_pops_take_at_once_what_is_there(pair: Pair, name: str) -> None:
    pair.same_script(f"""
        ZADD a 1 x 2.5 y inf z
        ZADD b 5 p
        {name} a 0
        {name} missing b a 0
        {name} missing b a 0
        {name} a 1.5
        EXISTS a b
        ZADD a 1 x
        {name} a a 0
        EXISTS a
    """)


@pytest.mark.parametrize("name", NAMES)
def test_a_waiting_client_is_served_when_a_member_arrives(pair: Pair, name: str) -> None:
    pair.same_script(f"""
        B> {name} a b 0
        B<!
        ZADD other 1 m
        B<!
        ZADD b 2 m 1 n 3 o
        B<
        ZRANGE b 0 -1
        B> {name} c 0
        ZINCRBY c 5 m
        B<
        EXISTS c
        B> {name} d 0
        ZADD d INCR 1.5 m
        B<
        B> {name} e 0
        ZUNIONSTORE e 2 b other
        B<
        B> {name} f 0
        ZRANGESTORE f b 0 -1
        B<
        B> {name} g 0
        RENAME b g
        B<
        B: {name} g 0
        B: PING
    """)


def test_bzmpop_is_served_with_its_count(pair: Pair) -> None:
    pair.same_script("""
        B> BZMPOP 0 2 a b MIN COUNT 2
        ZADD b 2 m 1 n 3.5 o
        B<
        ZRANGE b 0 -1 WITHSCORES
        B> BZMPOP 0 1 c MAX COUNT 10
        ZADD c 2 m 1 n 3.5 o
        B<
        EXISTS c
        B> BZMPOP 0 1 d MAX
        ZADD d 2 m 1 n
        B<
        ZADD now 1 x 2 y 3 z
        B: BZMPOP 0 2 missing now MAX COUNT 2
        B: BZMPOP 0 1 now MIN
        EXISTS now
    """)


def test_several_clients_are_served_in_the_order_in_which_they_came(pair: Pair) -> None:
    pair.same_script("""
        B> BZPOPMIN z 0
        C> BZPOPMAX z 0
        D> BZMPOP 0 1 z MIN COUNT 2
        E> BZPOPMIN z 0
        ZADD z 1 a 2 b 3 c 4 d
        B<
        C<
        D<
        E<!
        EXISTS z
        ZADD z 9 last
        E<
        EXISTS z
    """)


def test_a_client_that_waits_for_several_keys_is_served_once(pair: Pair) -> None:
    pair.same_script("""
        B> BZPOPMIN a b c 0
        MULTI
        ZADD c 1 x
        ZADD a 2 y
        EXEC
        B<
        ZCARD a
        ZCARD b
        ZCARD c
        B<!
        B: PING
    """)


def test_a_key_of_another_type_does_not_end_the_wait(pair: Pair) -> None:
    pair.same_script("""
        B> BZPOPMIN z 0
        RPUSH z x
        B<!
        DEL z
        SADD z x
        B<!
        DEL z
        HSET z f v
        B<!
        DEL z
        ZADD z 1 a
        B<
        SADD s a
        B: BZPOPMIN s 0
        B: BZPOPMAX missing s 0
        B: BZMPOP 0 2 missing s MIN
        ZADD z 1 a
        B: BZPOPMIN z s 0
        B: BZPOPMIN s z 0
        C> BZMPOP 0 1 w MIN
        SET w string
        C<!
        DEL w
        ZADD w 1 a
        C<
    """)


def test_a_member_that_is_gone_at_the_end_of_a_transaction_serves_nobody(pair: Pair) -> None:
    pair.same_script("""
        B> BZPOPMIN z 0
        MULTI
        ZADD z 1 a
        ZREM z a
        EXEC
        B<!
        MULTI
        ZADD z 1 a
        DEL z
        ZADD z 2 b
        EXEC
        B<
        EXISTS z
    """)


@pytest.mark.parametrize("request_", ["BZPOPMIN z", "BZPOPMAX y z", "BZMPOP 2 z y MIN COUNT 3"])
def test_a_wait_times_out(pair: Pair, request_: str) -> None:
    words = request_.split()
    for timeout in ("0.01", "0.001", "0.00001", "1e-2", "0x0.1p-3"):
        if words[0] == "BZMPOP":
            pair.same(words[0], timeout, *words[1:])
        else:
            pair.same(*words, timeout)
    pair.same("ZADD", "z", 1, "a")
    pair.same("ZCARD", "z")


def test_timeouts_are_checked(pair: Pair) -> None:
    for timeout in (
        "abc",
        "",
        "-1",
        "-0.1",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "9223372036854780",
        " 1",
    ):
        pair.same("BZPOPMIN", "z", timeout)
        pair.same("BZPOPMAX", "z", "y", timeout)
        pair.same("BZMPOP", timeout, 1, "z", "MIN")
        pair.same("BZMPOP", timeout, 1, "z", "BOGUS")
        pair.same("BZMPOP", timeout, 0, "z", "MIN")
    pair.same("SET", "s", "string")
    pair.same("BZPOPMIN", "s", "abc")
    pair.same("BZMPOP", "abc", 1, "s", "MIN")
    pair.same("BZMPOP", "abc", 1, "s", "MIN", "COUNT", 0)
    for name in ("BZPOPMIN", "BZPOPMAX", "BZMPOP"):
        for count in range(6):
            pair.same(name, *["a"] * count)


def test_blocking_pops_in_a_transaction_do_not_wait(pair: Pair) -> None:
    pair.same_script("""
        ZADD z 1 a 2 b 3 c
        MULTI
        BZPOPMIN missing 0
        BZPOPMAX z 0
        BZMPOP 0 2 missing z MIN COUNT 5
        BZMPOP 0 1 missing MIN
        BZPOPMIN z abc
        EXEC
        EXISTS z
    """)


def test_a_client_that_left_is_not_served(pair: Pair) -> None:
    pair.same_script("B> BZPOPMIN z 0")
    pair.drop("B")
    pair.same("ZADD", "z", 1, "a")
    pair.same("ZCARD", "z")


def test_requests_behind_a_blocking_pop_wait_with_it(pair: Pair) -> None:
    pair.client("B")
    pair.send("BZPOPMIN", "z", 0, client="B")
    channel = pair.client("B")
    for wire in (channel.ours, channel.theirs):
        wire.send("ZCARD", "z")
        wire.send("ZPOPMAX", "z")
    channel.waiting += [[b"ZCARD", b"z"], [b"ZPOPMAX", b"z"]]
    pair.silent("B")
    pair.same("ZADD", "z", 1, "a", 2, "b")
    for _ in range(3):
        pair.read("B")
    pair.same("EXISTS", "z")
