"""The handshake, the login and the state of a connection are as in redis-server."""

from __future__ import annotations

from .client import encode_request
from .connections import closed, connect_raw, same_lines
from .harness import Pair


def test_ping_and_echo(pair: Pair) -> None:
    pair.same_script("""
        PING
        PING hello
        PING a b
        ping
        ECHO hello
        ECHO ""
        ECHO
        ECHO a b
    """)


def test_select_takes_the_index_of_a_database(pair: Pair) -> None:
    for index in ("0", "15", "16", "-1", "x", "", "1.0", "99999999999", "-99999999999", "01"):
        pair.same("SELECT", index)
    pair.same_script("""
        SELECT
        SELECT 1 2
        SELECT 3
        SET k three
        B: GET k
        SELECT 0
        GET k
        SELECT 3
        GET k
    """)


def test_hello_agrees_on_the_protocol(pair: Pair) -> None:
    for version in ((), ("2",), ("3",), ("2",), ()):
        ours, theirs = pair.both("HELLO", *version)
        assert ours.kind == theirs.kind
        assert [name.text() for name, _ in ours.pairs()] == [
            name.text() for name, _ in theirs.pairs()
        ]
        for (name, mine), (_, other) in zip(ours.pairs(), theirs.pairs(), strict=True):
            assert mine.kind == other.kind
            assert name.text() == b"id" or mine == other
        pair.same("GET", "missing")


def test_hello_refuses_what_it_does_not_know(pair: Pair) -> None:
    pair.same_script("""
        HELLO 1
        HELLO 4
        HELLO x
        HELLO ""
        HELLO SETNAME x
        HELLO 2 SETNAME
        HELLO 3 FOO
        HELLO 2 AUTH
        HELLO 2 AUTH default
        HELLO 2 AUTH nobody x
        HELLO 2 AUTH nobody x SETNAME name
        HELLO 2 SETNAME "a b"
        HELLO 2 SETNAME name FOO
        CLIENT GETNAME
        HELLO 2 setname one auth default any SETNAME two
        CLIENT GETNAME
        HELLO 2 SETNAME ""
        CLIENT GETNAME
        MULTI
        HELLO 3
        GET missing
        HELLO 2
        GET missing
    """)
    ours, theirs = pair.both("EXEC")
    assert [item.kind for item in ours.items()] == [item.kind for item in theirs.items()]


def test_auth_without_a_password_configured(pair: Pair) -> None:
    pair.same_script("""
        AUTH
        AUTH x
        AUTH default x
        AUTH default ""
        AUTH nobody x
        AUTH a b c
        PING
    """)


def test_a_password_is_asked_of_new_and_reset_connections(pair: Pair) -> None:
    pair.same_script("PING\nA: PING\nB: MULTI")
    pair.config("requirepass", "secret")
    connect_raw(pair, "N")
    pair.same_script("""
        A: PING
        A: RESET
        A: PING
        A: FOO
        A: GET
        A: MULTI
        A: EXEC
        A: CLIENT ID
        A: CLIENT
        A: HELLO
        A: HELLO 3
        A: HELLO 9
        A: HELLO 3 AUTH default wrong
        A: HELLO 3 AUTH nobody secret
        A: AUTH wrong
        A: AUTH nobody secret
        A: AUTH default secre
        A: AUTH ""
        A: PING
        A: AUTH secret
        A: PING
        A: AUTH wrong
        A: PING
        N: PING
        N: RESET
        N: HELLO 3 AUTH default secret SETNAME n
        N: CLIENT GETNAME
        N: HELLO 3
        B: PING
        B: EXEC
    """)
    connect_raw(pair, "Q")
    pair.same("QUIT", client="Q")
    assert closed(pair, "Q")


def test_a_connection_that_did_not_log_in_sends_small_requests(pair: Pair) -> None:
    pair.config("requirepass", "secret")
    for request in (b"*11\r\n", b"*2\r\n$3\r\nGET\r\n$16385\r\n"):
        connect_raw(pair, "N")
        pair.same_raw(request, 2, client="N")
    connect_raw(pair, "N")
    pair.same("AUTH", "secret", client="N")
    pair.same("MGET", *"abcdefghijkl", client="N")
    pair.same("RESET", client="N")
    pair.same_raw(b"*11\r\n", 2, client="N")


def test_a_password_that_was_taken_away_is_asked_of_nobody(pair: Pair) -> None:
    pair.config("requirepass", "secret")
    connect_raw(pair, "N")
    pair.same("PING", client="N")
    pair.config("requirepass", "")
    pair.same_script("N: PING\nN: GET k\nN: AUTH secret\nN: AUTH default any\nN: HELLO 3 SETNAME n")


def test_quit_closes_the_connection_after_its_answer(pair: Pair) -> None:
    pair.same_raw(b"PING\r\nQUIT\r\nPING\r\n", 3, client="A")
    pair.same_raw(encode_request(("QUIT", "now")), 2, client="A")


def test_reset_brings_the_connection_back_to_its_beginning(pair: Pair) -> None:
    pair.same_script("""
        RESET now
        A: HELLO 3
        A: SELECT 2
        A: CLIENT SETNAME name
        A: WATCH k
        A: SUBSCRIBE channel
        A: MULTI
        A: SET k v
        A: RESET
        A: EXEC
        A: CLIENT GETNAME
        A: GET k
        PUBSUB NUMSUB channel
        B: SELECT 2
        B: SET k v
        A: MULTI
        A: PING
        A: EXEC
    """)
    same_lines(pair, "CLIENT", "INFO", client="A")


def test_reset_ends_monitoring_and_silence(pair: Pair) -> None:
    pair.client("main")
    pair.same("MONITOR", client="M")
    pair.same("RESET", client="M")
    pair.same_script("PING\nM<!\nM: PING")
    channel = pair.client("A")
    for wire in (channel.ours, channel.theirs):
        wire.send("CLIENT", "REPLY", "OFF")
        wire.send("PING")
        wire.send("RESET")
        wire.send("ECHO", "x")
    pair.read("A")
