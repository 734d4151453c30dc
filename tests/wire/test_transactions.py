"""MULTI, EXEC, DISCARD, WATCH and UNWATCH answer as redis-server does."""

from __future__ import annotations

import time

import pytest

from .client import Reply
from .connections import pause_of_writers, post
from .harness import Pair


def test_a_transaction_answers_with_all_replies(pair: Pair) -> None:
    pair.same_script("""
        MULTI
        SET a 1
        INCR a
        GET missing
        ECHO x
        EXEC
        MULTI
        EXEC
        GET a
    """)


def test_transaction_commands_out_of_place_are_refused(pair: Pair) -> None:
    pair.same_script("""
        EXEC
        DISCARD
        EXEC a
        MULTI a
        DISCARD a
        WATCH
        UNWATCH a
        UNWATCH
        MULTI
        MULTI
        WATCH a
        SET a b
        EXEC
        GET a
    """)


@pytest.mark.parametrize(
    "wrong", ["FOO", "SET a", "CLIENT", "CLIENT FOO", "MULTI a", "DISCARD a", "WATCH", "RESET a"]
)
def test_a_request_that_cannot_be_queued_aborts_exec(pair: Pair, wrong: str) -> None:
    pair.same_script(f"""
        MULTI
        SET a 1
        {wrong}
        SET a 2
        EXEC
        GET a
        EXEC
        MULTI
        {wrong}
        DISCARD
        SET a 3
        GET a
    """)


def test_a_refused_exec_ends_the_transaction(pair: Pair) -> None:
    pair.same_script("""
        MULTI
        SET a 1
        EXEC now
        GET a
        EXEC
    """)


def test_errors_inside_exec_are_values(pair: Pair) -> None:
    pair.same_script("""
        SET text abc
        MULTI
        INCR text
        SET a 1
        SELECT abc
        INCR a
        EXEC
        GET a
    """)


def test_discard_forgets_the_queue_and_the_watched_keys(pair: Pair) -> None:
    pair.same_script("""
        WATCH a
        MULTI
        SET a 1
        DISCARD
        GET a
        B: SET a 2
        MULTI
        GET a
        EXEC
    """)


@pytest.mark.parametrize(
    "change",
    [
        *("SET k new", "DEL k", "SET other x", "GET k", "APPEND k x", "PERSIST k", "GETDEL k"),
        *("FLUSHALL", "FLUSHDB", "SELECT 1", "EXPIRE k 100", "SET k old", "RENAME k l"),
    ],
)
def test_exec_depends_on_watched_keys(pair: Pair, change: str) -> None:
    for client in ("main", "B"):
        pair.same("SET", "k", "old")
        pair.same("WATCH", "k", "never")
        pair.same(*change.split(), client=client)
        pair.same_script("""
            MULTI
            SET result done
            EXEC
            GET result
            SELECT 0
        """)
        pair.same("FLUSHALL", client=client)


@pytest.mark.parametrize("change", ["FLUSHALL", "FLUSHDB", "DEL k", "SET k x", "SWAPDB 0 1"])
def test_a_watched_key_that_is_missing_must_stay_so(pair: Pair, change: str) -> None:
    pair.same("WATCH", "k")
    pair.same(*change.split(), client="B")
    pair.same_script("""
        MULTI
        PING
        EXEC
    """)


@pytest.mark.parametrize("place", ["0", "1", "neither", "both"])
def test_swapdb_changes_the_keys_that_either_database_held(pair: Pair, place: str) -> None:
    if place in ("0", "both"):
        pair.same("SET", "k", "v", client="B")
    if place in ("1", "both"):
        pair.same_script("B: SELECT 1\nB: SET k v\nB: SELECT 0")
    pair.same("WATCH", "k")
    pair.same("SWAPDB", "0", "1", client="B")
    pair.same_script("MULTI\nGET k\nEXEC\nGET k")


def test_a_watch_belongs_to_its_database(pair: Pair) -> None:
    pair.same_script("""
        SELECT 1
        WATCH k
        SELECT 0
        SET k v
        MULTI
        PING
        EXEC
        SELECT 1
        WATCH k
        SELECT 0
        B: SELECT 1
        B: SET k v
        MULTI
        PING
        EXEC
    """)


def test_a_watched_key_that_expires_breaks_the_watch(pair: Pair) -> None:
    pair.same_script("SET k v PX 30\nWATCH k")
    time.sleep(0.06)
    pair.same_script("MULTI\nPING\nEXEC")
    pair.same_script("SET k v PX 30\nWATCH k\nMULTI\nPING")
    time.sleep(0.3)
    pair.same("EXEC")


def test_a_key_that_had_expired_before_watch_may_be_dropped(pair: Pair) -> None:
    pair.same("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    try:
        pair.same("WATCH", "other")
        pair.same("SET", "k", "v", "PX", 5)
        time.sleep(0.03)
        pair.same_script("""
            WATCH k
            B: GET k
            MULTI
            PING
            EXEC
            WATCH k
            B: SET k v
            MULTI
            PING
            EXEC
        """)
    finally:
        pair.same("DEBUG", "SET-ACTIVE-EXPIRE", "1")


def test_watching_ends_with_exec_unwatch_and_reset(pair: Pair) -> None:
    pair.same_script("""
        WATCH a
        MULTI
        SET a 1
        EXEC
        B: SET a 2
        MULTI
        GET a
        EXEC
        WATCH a a b
        B: SET a 3
        UNWATCH
        MULTI
        GET a
        EXEC
        WATCH a
        B: SET a 4
        WATCH b
        MULTI
        UNWATCH
        EXEC
        MULTI
        GET a
        EXEC
    """)


def test_a_transaction_changes_its_own_watched_keys(pair: Pair) -> None:
    pair.same_script("""
        WATCH a b
        MULTI
        SET a 1
        SET b 2
        EXEC
        MGET a b
    """)


def test_select_inside_a_transaction_holds_for_what_follows(pair: Pair) -> None:
    pair.same_script("""
        MULTI
        SET k zero
        SELECT 1
        SET k one
        SELECT 99
        GET k
        EXEC
        GET k
        SELECT 0
        GET k
    """)


def test_blocking_commands_inside_a_transaction_do_not_wait(pair: Pair) -> None:
    pair.same_script("""
        MULTI
        BLPOP list 0
        BRPOP list 0
        BLMOVE list other LEFT LEFT 0
        BLMPOP 0 1 list LEFT
        BZPOPMIN zset 0
        BZMPOP 0 1 zset MIN
        RPUSH list a
        BLPOP list 0
        EXEC
    """)


def test_a_transaction_wakes_a_blocked_client_once_it_is_over(pair: Pair) -> None:
    pair.same_script("""
        B> BLPOP list 0
        MULTI
        RPUSH list a
        LPOP list
        RPUSH list b c
        EXEC
        B<
        LRANGE list 0 -1
    """)


def test_quit_and_reset_inside_a_transaction_run_at_once(pair: Pair) -> None:
    pair.same_script("MULTI\nSET a 1\nRESET\nEXEC\nGET a")
    pair.same_raw(b"MULTI\r\nSET a 1\r\nQUIT\r\nEXEC\r\n", 4, client="Q")
    pair.same("GET", "a")


@pytest.mark.parametrize(
    ("lines", "replies"),
    [
        ("MULTI;PING;CLIENT REPLY OFF;PING;EXEC;CLIENT REPLY ON;PING", 8),
        ("MULTI;PING;CLIENT REPLY SKIP;EXEC;PING;ECHO x", 6),
        ("CLIENT REPLY SKIP;MULTI;PING;CLIENT REPLY SKIP;EXEC;PING;ECHO x", 4),
        ("MULTI;PING;CLIENT REPLY SKIP;EXEC;CLIENT REPLY ON;ECHO x", 6),
        ("CLIENT REPLY OFF;MULTI;PING;EXEC;CLIENT REPLY ON;ECHO x", 2),
        ("CLIENT REPLY SKIP;FOO;ECHO x", 1),
        ("CLIENT REPLY OFF;FOO;MULTI;SET a;EXEC;CLIENT REPLY ON;GET a", 2),
    ],
)
def test_replies_of_a_transaction_can_be_swallowed(pair: Pair, lines: str, replies: int) -> None:
    sentinel = "\r\nECHO end\r\n"
    channel = pair.client("A")
    for wire in (channel.ours, channel.theirs):
        wire.send_raw(lines.replace(";", "\r\n").encode() + sentinel.encode())
    got: list[list[Reply]] = []
    for wire in (channel.ours, channel.theirs):
        seen = [wire.read()]
        while seen[-1] != Reply("bulk", b"end"):
            seen.append(wire.read())
        got.append(seen)
    assert got[0] == got[1]
    assert len(got[0]) <= replies + 1


def test_a_pause_of_writers_stops_queueing_and_exec(pair: Pair) -> None:
    pair.same_script("B: MULTI\nB: GET a\nC: MULTI\nC: SET a c")
    with pause_of_writers(pair):
        post(pair, "B", "SET", "a", "b")
        post(pair, "C", "EXEC")
        pair.same_script("""
            GET a
            D: MULTI
            D: GET a
            D: EXEC
            CLIENT UNPAUSE
            B<
            C<
            B: GET a
            B: EXEC
        """)


def test_exec_is_refused_when_memory_is_short(pair: Pair) -> None:
    pair.same_script("B: MULTI\nB: SET a 1\nC: MULTI\nC: GET a\nD: MULTI")
    pair.config("maxmemory", "1")
    pair.same_script("""
        B: EXEC
        C: EXEC
        D: SET a 1
        D: GET a
        D: EXEC
        MULTI
        GET a
        EXEC
        SET a 1
    """)


def test_queued_commands_are_counted_and_shown_in_order(pair: Pair) -> None:
    pair.client("main")
    pair.same("MONITOR", client="M")
    pair.same_script("""
        MULTI
        SET a 1
        SELECT 1
        CONFIG GET save
        AUTH default secret
        EXEC
        PING
    """)
    channel = pair.client("M")
    for wanted in (b'"MULTI"', b'"SET" "a" "1"', b'"SELECT" "1"', b'"AUTH" "(redacted)"'):
        for wire in (channel.ours, channel.theirs):
            assert wanted in wire.read().text()
    for wanted in (b"[1 127.0.0.1:", b'"PING"'):
        for wire in (channel.ours, channel.theirs):
            assert wanted in wire.read().text()


def test_a_subcommand_named_like_reset_is_queued(pair: Pair) -> None:
    pair.same_script("""
        MULTI
        LATENCY RESET
        CLUSTER RESET
        EXEC
    """)
