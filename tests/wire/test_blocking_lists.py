"""Blocking list commands wait, are served in order and time out as redis-server's do."""

from __future__ import annotations

import pytest

from .harness import Pair, words

INT_MAX = 2**63 - 1
BLOCKING = (
    "BLPOP {key} {timeout}",
    "BRPOP {key} {timeout}",
    "BLMOVE {key} d LEFT RIGHT {timeout}",
    "BLMOVE {key} d RIGHT LEFT {timeout}",
    "BRPOPLPUSH {key} d {timeout}",
    "BLMPOP {timeout} 1 {key} LEFT",
    "BLMPOP {timeout} 1 {key} RIGHT COUNT 2",
)


def test_what_is_there_is_taken_at_once(pair: Pair) -> None:
    for form in BLOCKING:
        pair.same("RPUSH", "l", "a", "b", "c", "d")
        pair.same_script(f"""
            {form.format(key="l", timeout=0)}
            {form.format(key="l", timeout=1.5)}
            LRANGE l 0 -1
            LRANGE d 0 -1
            DEL l d
        """)
    pair.same_script("""
        RPUSH b 1
        RPUSH c 2
        BLPOP a b c 0
        EXISTS b
        BLPOP a b c 0
        RPUSH l x y z
        BLMOVE l l LEFT RIGHT 0
        LRANGE l 0 -1
        BRPOPLPUSH l l 0
        LRANGE l 0 -1
        BLMPOP 0 3 a l c RIGHT COUNT 10
        EXISTS l
    """)


def test_arguments_are_checked_in_redis_order(pair: Pair) -> None:
    pair.same_script(f"""
        SET string v
        RPUSH l a
        BLPOP l
        BLPOP l abc
        BLPOP l -1
        BLPOP l ""
        BLPOP l " 1"
        BLPOP l nan
        BLPOP l inf
        BLPOP l -inf
        BLPOP l 1e300
        BLPOP l {INT_MAX}
        BLPOP l 9223372036854776
        BLPOP l -0.002
        BLPOP missing -0.0015
        BLPOP missing -1
        BLPOP string abc
        BLPOP string 0
        BLPOP missing string 0
        BLPOP l string 0
        RPUSH l a
        BRPOP missing string l 0
        BLMOVE l d BOGUS LEFT 0
        BLMOVE l d LEFT BOGUS 0
        BLMOVE l d BOGUS LEFT abc
        BLMOVE l d LEFT LEFT abc
        BLMOVE l d LEFT LEFT -1
        BLMOVE string d LEFT LEFT -1
        BLMOVE string d LEFT LEFT 0
        BLMOVE l string LEFT LEFT 0
        BLMOVE l d left right 0
        BRPOPLPUSH string d 0
        BRPOPLPUSH d string 0
        BRPOPLPUSH d string abc
        BLMPOP abc 1 l LEFT
        BLMPOP -1 1 l LEFT
        BLMPOP -1 0 l LEFT
        BLMPOP abc 1 l BOGUS
        BLMPOP abc 1 l LEFT COUNT 0
        BLMPOP 0 0 l LEFT
        BLMPOP 0 abc l LEFT
        BLMPOP 0 2 l LEFT
        BLMPOP 0 1 l BOGUS
        BLMPOP 0 1 l LEFT COUNT
        BLMPOP 0 1 l LEFT COUNT 0
        BLMPOP 0 1 l LEFT COUNT abc
        BLMPOP 0 1 l LEFT COUNT 1 COUNT 1
        BLMPOP 0 1 l LEFT BOGUS 1
        BLMPOP 0 1 string LEFT
        BLMPOP 0 2 missing string LEFT
        LRANGE d 0 -1
    """)


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    for name in words("BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP"):
        for count in range(8):
            pair.same(name, *["0.02"] * count)
            pair.same(name.lower(), *["0.02"] * count)


def test_timeouts_answer_nil(pair: Pair) -> None:
    for form in BLOCKING:
        for timeout in ("0.02", "0.001", "0.0001", "1e-2", "0x1p-5"):
            pair.same(*form.format(key="missing", timeout=timeout).split())
        pair.same("EXISTS", "d", "missing")
    pair.same("BLPOP", "a", "b", "a", "0.02")
    pair.same("BLMPOP", "0.02", 3, "a", "b", "a", "LEFT")


@pytest.mark.parametrize("timeout", ["-0.0001", "0", "-0", "9223372036854774", "1e15"])
def test_timeouts_that_mean_for_ever(pair: Pair, timeout: str) -> None:
    pair.same_script(f"""
        B> BLPOP l {timeout}
        B<!
        RPUSH l a
        B<
    """)


@pytest.mark.parametrize("form", BLOCKING)
def test_a_push_serves_the_waiting_client(pair: Pair, form: str) -> None:
    request = form.format(key="l", timeout=0)
    pair.same_script(f"""
        B> {request}
        B<!
        RPUSH other x
        B<!
        RPUSH l a b c
        B<
        LRANGE l 0 -1
        LRANGE d 0 -1
        DEL l d
        B> {request}
        LPUSH l a b c
        B<
        LRANGE l 0 -1
        DEL l d
        B> {request}
        LPUSHX l a
        B<!
        RPUSH l last
        B<
        EXISTS l
    """)


def test_clients_are_served_in_the_order_in_which_they_came(pair: Pair) -> None:
    pair.same_script("""
        B> BLPOP l 0
        C> BRPOP l 0
        D> BLMPOP 0 1 l LEFT COUNT 2
        E> BLPOP l 0
        RPUSH l a
        B<
        C<!
        D<!
        RPUSH l b c d e f
        C<
        D<
        E<
        LRANGE l 0 -1
    """)


def test_the_first_key_with_an_element_serves(pair: Pair) -> None:
    pair.same_script("""
        B> BLPOP a b c 0
        RPUSH c 1
        B<
        B> BLMPOP 0 3 a b c RIGHT COUNT 5
        MULTI
        RPUSH b 1 2
        RPUSH a 3
        EXEC
        B<
        LRANGE a 0 -1
        DEL a b c
        B> BLPOP a a a 0
        RPUSH a 1 2
        B<
        LRANGE a 0 -1
    """)


def test_a_transaction_serves_after_its_end(pair: Pair) -> None:
    pair.same_script("""
        B> BLPOP l 0
        MULTI
        RPUSH l a
        LPUSH l b
        LLEN l
        EXEC
        B<
        LRANGE l 0 -1
        DEL l
        B> BLPOP l 0
        MULTI
        RPUSH l a
        DEL l
        EXEC
        B<!
        MULTI
        RPUSH l a
        LPOP l
        SET l string
        EXEC
        B<!
        DEL l
        RPUSH l end
        B<
    """)


def test_blocking_commands_do_not_block_in_a_transaction(pair: Pair) -> None:
    pair.same("MULTI")
    for form in BLOCKING:
        pair.same(*form.format(key="missing", timeout=0).split())
    pair.same("BLPOP", "missing", "abc")
    pair.same("RPUSH", "l", *range(20))
    for form in BLOCKING:
        pair.same(*form.format(key="l", timeout=0).split())
    pair.same("EXEC")
    pair.same("LRANGE", "l", 0, -1)
    pair.same("LRANGE", "d", 0, -1)


def test_a_key_of_another_type_wakes_nobody(pair: Pair) -> None:
    for form in BLOCKING:
        pair.same_script(f"""
            B> {form.format(key="l", timeout=0)}
            SET l v
            B<!
            APPEND l w
            DEL l
            SADD l a
            DEL l
            ZADD l 1 a
            DEL l
            HSET l f v
            B<!
            DEL l
            RPUSH l x y z
            B<
            DEL l d
        """)


@pytest.mark.parametrize(
    "creation",
    [
        "RENAME source l",
        "RENAMENX source l",
        "COPY source l",
        "LMOVE source l LEFT LEFT",
        "RPOPLPUSH source l",
        "SORT source ALPHA STORE l",
    ],
)
def test_any_creation_of_the_list_wakes(pair: Pair, creation: str) -> None:
    pair.same_script(f"""
        RPUSH source b a c
        B> BLPOP l 0
        B<!
        {creation}
        B<
        LRANGE l 0 -1
    """)


def test_a_moved_or_swapped_list_wakes(pair: Pair) -> None:
    pair.same_script("""
        B> BLPOP l 0
        SELECT 1
        RPUSH l a b
        B<!
        MOVE l 0
        B<
        SELECT 0
        DEL l
        B> BLPOP l 0
        SELECT 1
        RPUSH l c
        SELECT 0
        B<!
        SWAPDB 0 1
        B<
        EXISTS l
    """)


def test_moves_chain_through_waiting_clients(pair: Pair) -> None:
    pair.same_script("""
        B> BLMOVE a b LEFT RIGHT 0
        C> BLMOVE b c LEFT RIGHT 0
        D> BLPOP c 0
        E> BRPOPLPUSH a a2 0
        RPUSH a 1
        B<
        C<
        D<
        E<!
        KEYS *
        RPUSH a 2
        E<
        B> BRPOPLPUSH l l 0
        C> BLPOP l 0
        RPUSH l x
        B<
        C<
        EXISTS l
        B> BLMOVE p q LEFT LEFT 0
        C> BLMOVE q p LEFT LEFT 0
        RPUSH p 1
        B<
        C<
        LRANGE p 0 -1
    """)


def test_a_destination_of_another_type_ends_the_wait_with_an_error(pair: Pair) -> None:
    for request in ("BLMOVE l d LEFT LEFT 0", "BRPOPLPUSH l d 0"):
        pair.same_script(f"""
            SET d string
            B> {request}
            C> BLPOP l 0
            RPUSH l a
            B<
            C<
            EXISTS l
            TYPE d
        """)


def test_requests_behind_a_blocking_one_wait_for_it(pair: Pair) -> None:
    for name in ("B", "C"):
        pair.client(name)
    pair.same_script("""
        B> BLPOP l 0
        C> BLPOP l 0
    """)
    channel = pair.client("B")
    for argv in (("RPUSH", "l", "again"), ("LRANGE", "l", "0", "-1")):
        pair._send(channel, argv)
    pair.silent("B")
    pair.same_script("""
        RPUSH l a
        B<
        B<
        B<
        C<
        EXISTS l
    """)


def test_a_client_that_went_away_takes_nothing(pair: Pair) -> None:
    pair.same_script("B> BLPOP l m 0\nC> BRPOP l 0")
    pair.drop("B")
    pair.same_script("""
        RPUSH l a
        C<
        EXISTS l
        RPUSH l b c
        LRANGE l 0 -1
        RPUSH m d
        LRANGE m 0 -1
    """)


def test_blocked_clients_can_be_unblocked(pair: Pair) -> None:
    for form in BLOCKING:
        for how in ([], ["TIMEOUT"], ["ERROR"]):
            ids = pair.both("CLIENT", "ID", client="B")
            pair.send(*form.format(key="l", timeout=0).split(), client="B")
            pair.silent("B")
            for wire, number in zip((pair.control.ours, pair.control.theirs), ids, strict=True):
                assert wire.call("CLIENT", "UNBLOCK", number.number(), *how).value == 1
            pair.read("B")
    pair.same("RPUSH", "l", "a")
    pair.same("LRANGE", "l", 0, -1)


def test_a_served_client_breaks_a_watch(pair: Pair) -> None:
    pair.same_script("""
        B> BLMOVE l d LEFT LEFT 0
        WATCH d
        C: RPUSH l a
        B<
        MULTI
        LRANGE d 0 -1
        EXEC
        B> BLPOP l 0
        WATCH l
        C: RPUSH l a
        B<
        MULTI
        EXISTS l
        EXEC
    """)


def test_a_database_is_waited_for_on_its_own(pair: Pair) -> None:
    pair.same_script("""
        B: SELECT 3
        B> BLMOVE l d LEFT LEFT 0
        RPUSH l here
        B<!
        C: SELECT 3
        C: RPUSH l there
        B<
        C: LRANGE d 0 -1
        LRANGE l 0 -1
        EXISTS d
    """)


def test_a_list_with_a_deadline_serves_like_any(pair: Pair) -> None:
    pair.same_script("""
        B> BLPOP l 0
        MULTI
        RPUSH l a b
        EXPIRE l 1000
        EXEC
        B<
        TTL l
        LRANGE l 0 -1
        DEL l
        B> BLPOP l 0
        MULTI
        RPUSH l gone
        PEXPIRE l -1
        EXEC
        B<!
        RPUSH l c
        B<
    """)
