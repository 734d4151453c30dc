"""Client-side caching: who is told of which keys, when, and in what form, as redis-server does."""

from __future__ import annotations

import pytest

from .client import wait_until
from .connections import ids, request_on, same_each, same_lines
from .harness import Pair
from .invalidations import ids_of_subscriber, redirected, same_info, told
from .messages import around, heard, heard_apart


def test_a_key_that_was_read_is_told_of_once(pair: Pair) -> None:
    redirected(pair)
    pair.same_script("""
        SET a 1
        SET b 1
        GET a
        MGET b c
        B: SET a 2
        B: SET a 3
        B: MSET b 1 c 1
        B: SET d 1
    """)
    messages = told(heard(pair, "R"))
    assert messages == [[b"a"], [b"b"], [b"c"]]
    pair.same_script("""
        GET a
        GET a
        B: DEL a nothing
        B: DEL a
    """)
    assert told(heard(pair, "R")) == [[b"a"]]
    assert same_info(pair)[0] == 1


def test_every_reading_command_tracks_its_keys(pair: Pair) -> None:
    redirected(pair)
    keys = 0
    for line in (
        "GET s{} | STRLEN s{} | GETRANGE s{} 0 1 | MGET s{} s{}x | EXISTS s{} | TYPE s{} | TTL s{}",
        "OBJECT ENCODING s{} | MEMORY USAGE s{} | LRANGE s{} 0 -1 | HGETALL s{} | SMEMBERS s{}",
        "SINTER s{} s{}x | SUNION s{} | ZUNION 2 s{} s{}x | ZRANGE s{} 0 -1 | LCS s{} s{}x",
        "SORT_RO s{} BY nosort | TOUCH s{} | HGET s{} f | ZSCORE s{} m | SINTERCARD 1 s{}",
        # These do not.
        "GETDEL s{} | GETEX s{} | SCAN 0 MATCH s{} | KEYS s{} | GETSET s{} x | LPOP s{} | SORT s{}",
        "WATCH s{} | EXISTS | GET s{} x | DEBUG OBJECT s{} | RANDOMKEY | HGET s{}",
    ):
        for request in line.split("|"):
            keys += 1
            pair.both(*request.replace("{}", str(keys)).split())
            pair.same("SET", f"s{keys}", keys, client="B")
            pair.same("SET", f"s{keys}x", keys, client="B")
            heard(pair, "R")
    same_info(pair)


def test_a_wrong_type_is_tracked_all_the_same(pair: Pair) -> None:
    redirected(pair)
    pair.same_script("""
        LPUSH l 1
        GET l
        B: LPUSH l 2
    """)
    assert told(heard(pair, "R")) == [[b"l"]]


def test_own_changes_are_told_after_the_reply(pair: Pair) -> None:
    pair.same("CLIENT", "TRACKING", "ON")
    pair.same_script("""
        SET k 1
        GET k
    """)
    around(pair, "SET", "k", 2)
    around(pair, "MGET", "k", "l")
    around(pair, "MSET", "k", 2, "l", 3)
    around(pair, "GET", "k")
    around(pair, "RENAME", "k", "k2")
    pair.same_script("""
        MULTI
        GET k
        SET k 1
        GET k
        LPUSH list a
        SET k 2
    """)
    messages = around(pair, "EXEC")
    assert len(messages) == (1 if pair.protocol == 2 else 3)
    around(pair, "GET", "k")
    around(pair, "FLUSHALL")
    around(pair, "FLUSHDB")


def test_a_transaction_that_begins_to_track_tells_after_its_reply(pair: Pair) -> None:
    pair.same_script("""
        MULTI
        CLIENT TRACKING ON
        GET k
        SET k 1
        PING
    """)
    around(pair, "EXEC")
    pair.same_script("""
        GET k
        MULTI
        SET k 1
        CLIENT TRACKING OFF
        PING
    """)
    around(pair, "EXEC")


def test_messages_follow_replies_in_a_pipeline(pair: Pair) -> None:
    pair.same("CLIENT", "TRACKING", "ON")
    channel = pair.client()
    for wire in (channel.ours, channel.theirs):
        wire.send_raw(b"GET a\r\nSET a 1\r\nGET a\r\nGET b\r\nSET b 1\r\nSET a 2\r\nPING\r\n")
    heard(pair)


def test_noloop_spares_the_client_that_changed_the_key(pair: Pair) -> None:
    redirected(pair, "NOLOOP")
    pair.same_script("""
        SET k 1
        GET k
        SET k 2
    """)
    assert heard(pair, "R") == []
    pair.same_script("""
        GET k
        B: SET k 3
        GET k
        MULTI
        SET k 4
        GET k
        EXEC
        B: SET k 5
    """)
    assert told(heard(pair, "R")) == [[b"k"], [b"k"]]
    pair.same("GET", "k")
    pair.same("FLUSHALL")
    assert told(heard(pair, "R")) == [None]


def test_flushes_tell_of_all_keys(pair: Pair) -> None:
    redirected(pair)
    pair.same_script("""
        GET k
        B: FLUSHDB
        B: FLUSHALL
        B: FLUSHALL ASYNC
        B: SWAPDB 0 1
        B: SET k 1
        FLUSHDB
    """)
    assert told(heard(pair, "R")) == [None] * 4
    same_info(pair)


def test_databases_are_not_told_apart(pair: Pair) -> None:
    redirected(pair)
    pair.same_script("""
        GET k
        B: SELECT 3
        B: SET k 1
        GET j
        B: SET j 1
        B: MOVE j 0
        GET k
        B: COPY k k DB 0
        EXISTS k j
        B: RENAME k j
    """)
    heard(pair, "R")


def test_expired_keys_are_told_of(pair: Pair) -> None:
    redirected(pair, "NOLOOP")
    pair.same_script("""
        DEBUG SET-ACTIVE-EXPIRE 0
        SET k 1 PX 20
        GET k
        DEBUG SLEEP 0.03
        GET k
        B: SET k 1 PX 20
        GET k
        DEBUG SLEEP 0.03
        B: GET k
        DEBUG SET-ACTIVE-EXPIRE 1
    """)
    # Who finds the key expired counts as the one that changed it.
    assert len(heard(pair, "R")) == 2
    pair.same_script("""
        SET j 1
        GET j
        B: EXPIRE j 100
        GET j
        B: EXPIRE j 0
        GET j
        B: SET j 1 EX 100
        GET j
        B: PERSIST j
    """)
    assert len(heard(pair, "R")) == 4


def test_a_served_client_hears_of_its_key_before_the_reply(pair: Pair) -> None:
    for options in ((), ("NOLOOP",)):
        pair.same("CLIENT", "TRACKING", "ON", *options, client="W")
        pair.same("LRANGE", "list", 0, -1, client="W")
        pair.send("BLPOP", "list", 0, client="W")
        pair.same("LPUSH", "list", "a", "b", client="B")
        pair.client("W").waiting.clear()
        heard(pair, "W")
        pair.same("CLIENT", "TRACKING", "OFF", client="W")
        pair.same("DEL", "list")


def test_a_gone_redirection_is_reported(pair: Pair) -> None:
    redirected(pair)
    pair.same_script("""
        GET k
        GET j
    """)
    numbers = ids_of_subscriber(pair)
    pair.drop("R")
    pair.same("SET", "k", 1, client="B")
    channel = pair.client()
    if pair.protocol == 3:
        for wire, number in zip((channel.ours, channel.theirs), numbers, strict=True):
            message = wire.read()
            assert message.kind == "push"
            assert message.plain() == [b"tracking-redir-broken", number]
    for reply, number in zip(pair.both("CLIENT", "TRACKINGINFO"), numbers, strict=True):
        flags, redirect = reply.items()[1], reply.items()[3]
        assert flags.plain() == [b"on", b"broken_redirect"]
        assert redirect.value == number
    for reply in pair.both("CLIENT", "INFO"):
        assert b" flags=tR " in reply.text()
    pair.same("CLIENT", "TRACKING", "ON")
    pair.same("CLIENT", "TRACKINGINFO")


def test_client_lists_show_who_tracks(pair: Pair) -> None:
    for options in ("", "OPTIN", "NOLOOP"):
        pair.same("CLIENT", "TRACKING", "ON", *options.split())
        same_lines(pair, "CLIENT", "INFO")
        pair.same("CLIENT", "TRACKING", "OFF")
    pair.same("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a")
    same_lines(pair, "CLIENT", "INFO")
    pair.same("RESET")
    if pair.protocol == 3:
        pair.same("HELLO", 3)
    same_lines(pair, "CLIENT", "INFO")


@pytest.mark.parametrize("limit", [1, 5, 150])
def test_a_full_table_drops_keys_until_it_is_within_its_limit(pair: Pair, limit: int) -> None:
    pair.config("tracking-table-max-keys", limit)
    redirected(pair)
    keys = [f"k{number}" for number in range(400)]
    pair.same("MGET", *keys)
    dropped = [0, 0]

    def is_small() -> bool:
        for place, messages in enumerate(heard_apart(pair, "R")):
            dropped[place] += len(messages)
        return dropped == [400 - limit, 400 - limit]

    # Each command makes some room, and so does time.
    assert wait_until(is_small, 5.0)
    assert same_info(pair)[1] == limit
    pair.config("tracking-table-max-keys", 0)
    pair.same("MGET", *keys)
    assert same_info(pair)[1] == 400


def test_only_resp2_needs_a_subscription(pair: Pair) -> None:
    numbers = ids(pair, "R")
    same_each(pair, request_on(numbers, "CLIENT TRACKING ON REDIRECT"))
    pair.same_script("""
        GET k
        B: SET k 1
    """)
    assert told(heard(pair, "R")) == ([] if pair.protocol == 2 else [[b"k"]])
    pair.same("SUBSCRIBE", "anything", client="R")
    pair.same("GET", "k")
    pair.same("SET", "k", 2, client="B")
    assert told(heard(pair, "R")) == [[b"k"]]
