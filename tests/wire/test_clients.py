"""CLIENT and MONITOR answer as redis-server does."""

from __future__ import annotations

import time

import pytest

from .client import Reply, wait_until
from .connections import (
    STABLE,
    addresses,
    closed,
    fields,
    ids,
    pause_of_writers,
    post,
    request_on,
    same_each,
    same_lines,
)
from .harness import Pair


def test_client_names(pair: Pair) -> None:
    pair.same_script("""
        CLIENT GETNAME
        CLIENT SETNAME
        CLIENT SETNAME a b
        CLIENT SETNAME name
        CLIENT GETNAME
        CLIENT SETNAME "a b"
        CLIENT SETNAME "a\\n"
        CLIENT SETNAME "\\x7f"
        CLIENT SETNAME "\\xc3\\xa4"
        CLIENT SETNAME ~!
        CLIENT GETNAME
        CLIENT SETNAME ""
        CLIENT GETNAME
        CLIENT GETNAME x
    """)


def test_client_refuses_what_it_does_not_know(pair: Pair) -> None:
    pair.same_script("""
        CLIENT
        CLIENT FOO
        CLIENT ID x
        CLIENT INFO x
        CLIENT HELP x
        CLIENT NO-EVICT
        CLIENT NO-EVICT x
        CLIENT REPLY
        CLIENT REPLY x
        CLIENT PAUSE
        CLIENT PAUSE x
        CLIENT PAUSE -1
        CLIENT PAUSE 1.5
        CLIENT PAUSE x BAD
        CLIENT PAUSE 1 BAD
        CLIENT PAUSE 1 WRITE x
        client pause 1 write x
        CLIENT UNPAUSE x
        CLIENT UNBLOCK
        CLIENT UNBLOCK x
        CLIENT UNBLOCK x BAD
        CLIENT UNBLOCK 1 TIMEOUT x
        CLIENT UNBLOCK 999999
        CLIENT UNBLOCK 999999 ERROR
        CLIENT LIST TYPE
        CLIENT LIST TYPE foo
        CLIENT LIST TYPE normal x
        CLIENT LIST ID
        CLIENT LIST ID x
        CLIENT LIST ID 999999 x
        CLIENT LIST FOO
        CLIENT LIST FOO x
        CLIENT KILL
        CLIENT KILL ID
        CLIENT KILL 127.0.0.1:1
        CLIENT KILL a b c
        CLIENT KILL ID 0
        CLIENT KILL ID x
        CLIENT KILL ID 0 BAD
        CLIENT KILL ID 999999
        CLIENT KILL ID 999999 SKIPME
        CLIENT KILL TYPE x
        CLIENT KILL USER nobody
        CLIENT KILL SKIPME maybe
        CLIENT KILL ADDR nowhere
        CLIENT KILL LADDR nowhere
        CLIENT KILL TYPE master
        CLIENT KILL TYPE slave
        CLIENT KILL TYPE replica
    """)


def test_client_tracking_is_off(pair: Pair) -> None:
    pair.same_script("""
        CLIENT TRACKING
        CLIENT TRACKING OFF
        CLIENT TRACKING off BCAST NOLOOP
        CLIENT TRACKING maybe
        CLIENT TRACKING OFF FOO
        CLIENT TRACKING OFF REDIRECT
        CLIENT TRACKING OFF REDIRECT x
        CLIENT TRACKING ON REDIRECT 999999
        CLIENT TRACKING OFF PREFIX
        CLIENT TRACKINGINFO
        CLIENT TRACKINGINFO x
        CLIENT GETREDIR
        CLIENT CACHING YES
        CLIENT CACHING NO
        CLIENT CACHING maybe
        CLIENT CACHING
    """)
    own = ids(pair, "main")
    same_each(pair, lambda place: ["CLIENT", "TRACKING", "OFF", "REDIRECT", own[place]])


def test_newer_client_subcommands(pair: Pair) -> None:
    wire = pair.client().ours
    ok = Reply("simple", b"OK")
    assert wire.call("CLIENT", "SETINFO", "LIB-NAME", "redis-py") == ok
    assert wire.call("CLIENT", "SETINFO", "lib-ver", "5.0") == ok
    assert wire.call("CLIENT", "SETINFO", "lib-ver", "") == ok
    for attribute in ("lib-name", "lib-ver"):
        text = f"ERR {attribute} cannot contain spaces, newlines or special characters."
        reply = wire.call("CLIENT", "SETINFO", attribute.upper(), "a b")
        assert reply == Reply("error", text.encode())
    refused = wire.call("CLIENT", "SETINFO", "FOO", "x")
    assert refused == Reply("error", b"ERR Unrecognized option 'FOO'")
    assert wire.call("CLIENT", "NO-TOUCH", "ON") == ok
    assert wire.call("CLIENT", "NO-TOUCH", "off") == ok
    assert wire.call("CLIENT", "NO-TOUCH", "x") == Reply("error", b"ERR syntax error")


def test_client_info_and_list_tell_the_same_of_a_connection(pair: Pair) -> None:
    pair.same_script("A: PING\nB: PING")
    same_lines(pair, "CLIENT", "INFO")
    same_lines(pair, "CLIENT", "LIST")
    pair.same_script("""
        A: CLIENT SETNAME a
        A: SELECT 3
        A: WATCH k
        B: SELECT 3
        B: SET k v
        B: CLIENT NO-EVICT ON
        B: SUBSCRIBE x y
        B<
        B: PSUBSCRIBE p
        B: SSUBSCRIBE s
        A: MULTI
        A: SET k v
        A: CLIENT INFO
    """)
    lines = same_lines(pair, "CLIENT", "LIST")
    assert sorted(line["flags"] for line in lines) == ["N", "N", "Pe", "xd"]
    pair.same("EXEC", client="A")
    pair.same_script("A: HELLO 3\nA: MULTI\nA: GET k\nA: CLIENT INFO")
    lines = same_lines(pair, "CLIENT", "LIST")
    ours, theirs = pair.both("EXEC", client="A")
    mine, other = fields(ours.items()[1])[0], fields(theirs.items()[1])[0]
    assert {name: mine[name] for name in STABLE} == {name: other[name] for name in STABLE}
    assert (mine["cmd"], mine["multi"], mine["flags"], mine["resp"]) == ("exec", "2", "x", "3")
    pair.same("MONITOR", client="A")
    same_lines(pair, "CLIENT", "LIST")


def test_client_list_chooses_by_type_and_id(pair: Pair) -> None:
    pair.same("SUBSCRIBE", "x", client="A")
    pair.same("PING", client="B")
    for kind in ("normal", "NORMAL", "pubsub", "master", "replica", "slave"):
        same_lines(pair, "CLIENT", "LIST", "TYPE", kind)
    own = ids(pair, "main")
    other = ids(pair, "B")
    for chosen in ([own], [own, other, own], [[0, 0], other, [999999, 999999]]):
        found = [
            fields(wire.call("CLIENT", "LIST", "ID", *(row[place] for row in chosen)))
            for place, wire in enumerate((pair.client().ours, pair.client().theirs))
        ]
        assert [line["cmd"] for line in found[0]] == [line["cmd"] for line in found[1]]


def test_idle_and_age_count_seconds(pair: Pair) -> None:
    pair.same("PING", client="A")
    time.sleep(1.1)
    for reply in pair.both("CLIENT", "LIST"):
        waiting = [line for line in fields(reply) if line["cmd"] == "ping"]
        assert {"1", "2"} & {line["idle"] for line in waiting}
        assert {"1", "2"} & {line["age"] for line in waiting}


def test_client_kill_ends_other_connections(pair: Pair) -> None:
    pair.same_script("A: PING\nB: PING\nC: SUBSCRIBE x\nD: MULTI\nD: SET k v\nE: WATCH k")
    numbers = ids(pair, "A")
    place = addresses(pair, "B")
    local = addresses(pair, "B", "laddr")
    same_each(pair, lambda i: ["CLIENT", "KILL", "ID", numbers[i], "ADDR", place[i]])
    same_each(pair, lambda i: ["CLIENT", "KILL", "ID", numbers[i], "TYPE", "pubsub"])
    same_each(pair, lambda i: ["CLIENT", "KILL", "ID", numbers[i], "USER", "default"])
    assert closed(pair, "A")
    same_each(pair, lambda i: ["CLIENT", "KILL", place[i]])
    assert closed(pair, "B")
    same_each(pair, lambda i: ["CLIENT", "KILL", place[i]])
    pair.same("CLIENT", "KILL", "TYPE", "PUBSUB")
    assert closed(pair, "C")
    pair.same("PUBSUB", "NUMSUB", "x")
    same_each(
        pair, lambda i: ["CLIENT", "KILL", "LADDR", local[i], "SKIPME", "yes", "TYPE", "master"]
    )
    numbers = ids(pair, "E")
    same_each(pair, lambda i: ["CLIENT", "KILL", "ID", numbers[i]])
    assert closed(pair, "E")
    pair.same_script("D: EXEC\nGET k")


def test_client_kill_of_oneself_answers_first(pair: Pair) -> None:
    for form in (["SKIPME", "no"], ["SKIPME", "NO", "TYPE", "normal"]):
        same_each(pair, request_on(ids(pair, "A"), "CLIENT KILL ID", *form), "A")
        assert closed(pair, "A")
    place = addresses(pair, "A")
    same_each(pair, lambda i: ["CLIENT", "KILL", place[i]], "A")
    assert closed(pair, "A")
    numbers = ids(pair, "A")
    same_each(pair, lambda i: ["CLIENT", "KILL", "ID", numbers[i]], "A")
    pair.same("PING", client="A")
    pair.same("MULTI", client="A")
    same_each(pair, lambda i: ["CLIENT", "KILL", "ID", numbers[i], "SKIPME", "no"], "A")
    pair.same("SET", "k", "ran", client="A")
    channel = pair.client("A")
    rest = []
    for wire in (channel.ours, channel.theirs):
        wire.send("EXEC")
        wire.socket.settimeout(5)
        data = b""
        while chunk := wire.socket.recv(65536):
            data += chunk
        rest.append(data)
    pair.channels.pop("A").close()
    assert rest[0] == rest[1] == b"*2\r\n:1\r\n"
    pair.same("GET", "k")


def test_client_unblock_ends_a_wait(pair: Pair) -> None:
    numbers = ids(pair, "A")
    for ending in ([], ["TIMEOUT"], ["error"]):
        pair.same_script("A> BLPOP list 0")
        same_each(pair, request_on(numbers, "CLIENT UNBLOCK", *ending))
        pair.read("A")
        same_each(pair, lambda i: ["CLIENT", "UNBLOCK", numbers[i]])
        pair.same("PING", client="A")
    pair.same_script("A> BLPOP list 0")
    same_each(pair, lambda i: ["CLIENT", "KILL", "ID", numbers[i]])
    assert closed(pair, "A")
    pair.same_script("RPUSH list a\nLLEN list")


def test_a_pause_of_writers_lets_readers_go_on(pair: Pair) -> None:
    pair.same_script("A: PING\nB: PING\nC: PING\nD: PING")
    with pause_of_writers(pair):
        post(pair, "A", "SET", "k", "v")
        post(pair, "B", "PUBLISH", "c", "m")
        post(pair, "C", "SPUBLISH", "c", "m")
        for name in "ABC":
            post(pair, name, "ECHO", name)
            pair.silent(name)
        pair.same_script("D: GET k\nD: SUBSCRIBE c\nD: UNSUBSCRIBE c\nD: WATCH k")
        paused = [line for line in same_lines(pair, "CLIENT", "LIST") if line["flags"] == "b"]
        assert [line["cmd"] for line in paused] == ["set", "publish", "spublish"]
        # A pause only grows: this one is shorter and stays without effect.
        pair.same("CLIENT", "PAUSE", 0, "WRITE")
        pair.silent("A")
        pair.drop("C")
        pair.same("CLIENT", "UNPAUSE")
        for name in "AABB":
            pair.read(name)
        pair.same_script("GET k\nSET k w\nCLIENT UNPAUSE")


@pytest.mark.parametrize("mode", [[], ["ALL"], ["all"]])
def test_a_pause_of_all_ends_by_itself(pair: Pair, mode: list[str]) -> None:
    pair.same("PING", client="A")
    began = time.monotonic()
    pair.same("CLIENT", "PAUSE", 300, *mode)
    pair.same("PING", client="A")
    assert time.monotonic() - began >= 0.29
    pair.same("PING")


def test_expiry_waits_while_writers_are_paused(pair: Pair) -> None:
    pair.same("SET", "k", "v", "PX", 30)
    with pause_of_writers(pair):
        time.sleep(0.25)
        pair.same("GET", "k")
        pair.same("DBSIZE")
    wires = (pair.control.ours, pair.control.theirs)
    assert wait_until(lambda: all(wire.call("DBSIZE").number() == 0 for wire in wires), 5.0)


@pytest.mark.parametrize(
    "lines",
    [
        "CLIENT REPLY OFF;PING;SET k v;CLIENT REPLY ON;GET k",
        "CLIENT REPLY SKIP;PING;PING",
        "CLIENT REPLY SKIP;CLIENT REPLY SKIP;PING;PING",
        "CLIENT REPLY SKIP;CLIENT REPLY ON;PING",
        "CLIENT REPLY OFF;CLIENT REPLY SKIP;PING;CLIENT REPLY ON;PING;PING",
        "CLIENT REPLY SKIP;CLIENT REPLY OFF;PING;CLIENT REPLY ON",
        "CLIENT REPLY OFF;CLIENT REPLY bad;FOO;CLIENT REPLY ON",
        "CLIENT REPLY SKIP;BLPOP nothing 0.02;PING",
        "CLIENT REPLY OFF;BLPOP nothing 0.02;CLIENT REPLY ON;PING",
        "CLIENT REPLY SKIP;SUBSCRIBE a;PING",
        "CLIENT REPLY OFF;HELLO 3;CLIENT REPLY ON",
    ],
)
def test_replies_can_be_swallowed(pair: Pair, lines: str) -> None:
    channel = pair.client("A")
    data = lines.replace(";", "\r\n").encode() + b"\r\nUNSUBSCRIBE end\r\n"
    seen: list[list[Reply]] = []
    for wire in (channel.ours, channel.theirs):
        wire.send_raw(data)
        replies = [wire.read()]
        while b"end" not in [part.value for part in _parts(replies[-1])]:
            replies.append(wire.read())
        seen.append(replies)
    assert seen[0] == seen[1]


def _parts(reply: Reply) -> tuple[Reply, ...]:
    return reply.items() if isinstance(reply.value, tuple) else ()


def test_the_help_has_the_same_forms(pair: Pair) -> None:
    ours, theirs = pair.both("CLIENT", "HELP")
    forms = [{item.text() for item in reply.items()} for reply in (ours, theirs)]
    assert {item.kind for item in ours.items()} == {"simple"}
    missing = {line for line in forms[1] if not line.startswith(b" ")} - forms[0]
    assert not missing


def test_monitor_shows_requests_without_secrets(pair: Pair) -> None:
    pair.client("main")
    pair.same("MONITOR", client="M")
    pair.same_script("""
        SET k "a b\\n\\xff"
        AUTH default secret
        AUTH secret
        CONFIG GET save
        CLIENT LIST
        FOO
        SET k
        CLIENT ID
        SELECT 2
    """)
    shown: list[list[bytes]] = []
    channel = pair.client("M")
    for wire in (channel.ours, channel.theirs):
        wire.send("ECHO", "end")
        lines = []
        while (reply := wire.read()) != Reply("bulk", b"end"):
            _time, database, _address, request = reply.text().split(b" ", 3)
            lines.append(database + b" " + request)
        shown.append(lines)
    assert shown[0] == shown[1]
