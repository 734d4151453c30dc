"""MONITOR line by line: which requests are shown, in which order, from where."""

from __future__ import annotations

import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import Wire
from .harness import Pair, split_words
from .servers import Server, kvnode_server, redis_server

SHOWN = re.compile(rb"\d+\.\d{6} \[(\d+) ([^\]]*)\] (.*)", re.DOTALL)


def shown_until(wire: Wire, mark: bytes) -> list[bytes]:
    """The lines up to the one that shows the mark, without times and ports."""
    lines: list[bytes] = []
    while not lines or mark not in lines[-1]:
        match = SHOWN.fullmatch(wire.read().text())
        assert match is not None
        source = re.sub(rb"127\.0\.0\.1:\d+", b"client", match[2])
        source = re.sub(rb"unix:.*", b"unix", source)
        lines.append(b"%b %b %b" % (match[1], source, match[3]))
    return lines


def same_monitor(pair: Pair, requests: str, client: str = "main") -> list[bytes]:
    """Run requests while client M monitors; compare what it is shown, return ours."""
    pair.same("MONITOR", client="M")
    channel = pair.client(client)
    for line in requests.strip().splitlines():
        for wire in (channel.ours, channel.theirs):
            wire.call(*split_words(line))
    pair.both("ECHO", "the mark", client=client)
    monitor = pair.client("M")
    ours, theirs = (shown_until(wire, b"the mark") for wire in (monitor.ours, monitor.theirs))
    assert ours == theirs
    return ours


def test_what_is_not_administration_is_shown(pair: Pair) -> None:
    same_monitor(
        pair,
        r"""
        PING
        CLIENT ID
        CLIENT LIST
        CLIENT TRACKING OFF
        CLIENT NO-EVICT ON
        COMMAND COUNT
        ACL WHOAMI
        INFO server
        DEBUG SLEEP 0
        OBJECT ENCODING x
        object HELP
        OBJECT NONSENSE
        MEMORY DOCTOR
        latency latest
        CONFIG GET hz
        CONFIG RESETSTAT
        LOLWUT
        LASTSAVE
        DBSIZE
        FLUSHALL
        SWAPDB 0 1
        CLUSTER INFO
        ROLE
        READONLY
        TIME
        WAIT 0 0
        PUBLISH a b
        SLOWLOG GET
        KEYS *
        SORT none
        RANDOMKEY
        GET
        NONSENSE a
        MONITOR x
        SET k "\x00\xff\n"
        LPUSH k v
        BLPOP none 0.01
        """,
    )


def test_secrets_are_hidden_wherever_they_stand(pair: Pair) -> None:
    lines = same_monitor(
        pair,
        """
        AUTH secret
        AUTH default secret
        HELLO 2 AUTH default secret
        HELLO 2 SETNAME x AUTH default secret
        HELLO 2 AUTH default
        MULTI
        AUTH secret
        HELLO 2 AUTH default secret SETNAME y
        DISCARD
        ACL SETUSER somebody >secret
        CONFIG SET masterauth secret
        """,
    )
    assert b"secret" not in b" ".join(lines)
    pair.same("CONFIG", "SET", "masterauth", "")
    pair.both("ACL", "DELUSER", "somebody")


def test_blocked_commands_are_shown_when_they_come(pair: Pair) -> None:
    pair.same("PING", client="W")
    pair.same("PING")
    pair.same("MONITOR", client="M")
    pair.send("BLPOP", "list", 0, client="W")
    pair.same("LPUSH", "list", "a")
    pair.read("W")
    pair.both("ECHO", "the mark")
    monitor = pair.client("M")
    for wire in (monitor.ours, monitor.theirs):
        # The harness looks at INFO meanwhile.
        lines = [line for line in shown_until(wire, b"the mark") if b"list" in line]
        assert lines == [b'0 client "BLPOP" "list" "0"', b'0 client "LPUSH" "list" "a"']


def test_a_transaction_is_shown_in_the_order_of_its_run(pair: Pair) -> None:
    same_monitor(
        pair,
        """
        MULTI
        SET a 1
        SELECT 1
        CONFIG GET hz
        LPUSH a x
        GET a
        SELECT 0
        EXEC
        WATCH a
        MULTI
        GET a
        EXEC
        MULTI
        NONSENSE
        GET a
        EXEC
        MULTI
        GET
        DISCARD
        EXEC
        MULTI
        EXEC now
        EXEC now
        """,
    )


def test_refused_requests_are_not_shown(pair: Pair) -> None:
    pair.both("SET", "list", "x")
    if pair.protocol == 2:
        pair.same("SUBSCRIBE", "channel", client="S")
        pair.same("MONITOR", client="M")
        for argv in (("GET", "k"), ("PING",), ("NONSENSE",)):
            pair.same(*argv, client="S")
        pair.both("ECHO", "the mark")
        monitor = pair.client("M")
        ours, theirs = (shown_until(wire, b"the mark") for wire in (monitor.ours, monitor.theirs))
        assert ours == theirs
    else:
        same_monitor(pair, "GET\nLPUSH list\nLPUSH list a\nNONSENSE")


@pytest.fixture(scope="module")
def local_servers() -> Iterator[tuple[tuple[Server, Path], ...]]:
    """Both servers with a UNIX socket each."""
    with tempfile.TemporaryDirectory(prefix="wire-unix-") as folder:
        pairs = []
        for name, make in (("kvnode", kvnode_server), ("redis", redis_server)):
            path = Path(folder) / name
            pairs.append((make("--unixsocket", str(path)), path))
        with pairs[0][0], pairs[1][0]:
            yield tuple(pairs)


def test_a_unix_socket_is_named_by_its_path(
    local_servers: tuple[tuple[Server, Path], ...],
) -> None:
    for server, path in local_servers:
        monitor = Wire(server.port)
        monitor.call("MONITOR")
        with socket.socket(socket.AF_UNIX) as local:
            local.connect(str(path))
            local.sendall(b"ECHO here\r\n")
            assert local.recv(100) == b"$4\r\nhere\r\n"
        match = SHOWN.fullmatch(monitor.read().text())
        monitor.close()
        assert match is not None
        assert match[2] == b"unix:" + str(path).encode()


def test_a_script_is_shown_before_its_commands(pair: Pair) -> None:
    same_monitor(
        pair,
        r"""
        EVAL "redis.call('SET', KEYS[1], 'v') return redis.call('get', 'k')" 1 k
        EVAL "redis.pcall('NONSENSE') redis.pcall('AUTH', 'x') redis.pcall('LPUSH', 'k')" 0
        EVAL "redis.call('SELECT', 2) redis.call('DEL', 'x') return redis.pcall('INCR', 'k')" 0
        EVAL "redis.pcall('CONFIG', 'GET', 'hz') return redis.call('ECHO', 'a b')" 0
        EVAL_RO "return redis.pcall('SET', 'a', 'b')" 0
        EVAL "syntax error(" 0
        EVAL "return 1" 5
        EVAL "return 1" x
        SCRIPT LOAD "return redis.call('PING')"
        EVALSHA 12288c9eb9a2a4a1bb8f2ce1b4a1b7c2d2b8d1a4 0
        EVALSHA nothing 0
        MULTI
        EVAL "return redis.call('GET', 'a')" 0
        SET a 1
        EXEC
        FUNCTION LOAD REPLACE "#!lua name=l\nredis.register_function('f', function() end)"
        FCALL f 1 counter
        FCALL nothing 0
        """,
    )
    pair.both("FUNCTION", "FLUSH")
