"""The slow log, the latency monitor and what MONITOR and the slow log hide."""

from __future__ import annotations

import pytest

from kvnode.command import Card, Command
from kvnode.commands.containers import container
from kvnode.latency import LatencyMonitor
from kvnode.monitor import quoted, without_secrets

from .engine import Engine


def shown(engine: Engine, request: str) -> list[bytes]:
    argv = [word.encode() for word in request.split()]
    commands = engine.node.commands
    command = commands[argv[0].lower()]
    if command.subcommands is not None:
        command = command.subcommands[argv[1].lower()]
    return without_secrets(command, argv)


HIDDEN = b"(redacted)"


@pytest.mark.parametrize(
    ("request_", "hidden"),
    [
        ("GET auth", []),
        ("AUTH", []),
        ("AUTH secret", [1]),
        ("AUTH user secret", [1, 2]),
        ("HELLO 3", []),
        ("HELLO 3 AUTH user secret", [3, 4]),
        ("HELLO 3 SETNAME x auth user secret", [5, 6]),
        ("HELLO 3 AUTH user", []),
        ("CONFIG SET hz 10", []),
        ("CONFIG SET requirepass secret hz 10 masteruser who", [3, 7]),
        ("CONFIG SET REQUIREPASS secret", [3]),
        ("CONFIG SET requirepass", []),
        ("CONFIG GET requirepass", []),
    ],
)
def test_secrets_are_replaced_and_nothing_else(request_: str, hidden: list[int]) -> None:
    words = request_.encode().split()
    for place in hidden:
        words[place] = HIDDEN
    assert shown(Engine(), request_) == words


@pytest.mark.parametrize(
    ("name", "request_", "hidden"),
    [
        ("ACL SETUSER", "ACL SETUSER bob on >secret", [2, 3, 4]),
        ("MIGRATE", "MIGRATE host 1 k 0 10 COPY", []),
        ("MIGRATE", "MIGRATE host 1 k 0 10 COPY AUTH secret", [8]),
        ("MIGRATE", "MIGRATE host 1 k 0 10 auth2 user secret REPLACE", [7, 8]),
    ],
)
def test_secrets_of_commands_to_come_are_known(name: str, request_: str, hidden: list[int]) -> None:
    full_name = name.lower().replace(" ", "|").encode()
    command = Command(Card(name, -2, 0, container), full_name.rpartition(b"|")[2], full_name)
    words = request_.encode().split()
    expected = list(words)
    for place in hidden:
        expected[place] = HIDDEN
    assert without_secrets(command, words) == expected


def test_words_are_quoted_as_redis_quotes_them() -> None:
    assert quoted(b"plain1") == b'"plain1"'
    assert quoted(b"") == b'""'
    assert quoted(b'a "b"\\\n\r\t\a\b\x00\xff~ ') == b'"a \\"b\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff~ "'


def test_the_slow_log_keeps_the_newest_and_trims_when_its_limit_shrinks() -> None:
    engine = Engine()
    engine.send([b"CONFIG", b"SET", b"slowlog-log-slower-than", b"0", b"slowlog-max-len", b"3"])
    for number in range(5):
        engine.send([b"SET", b"k", b"%d" % number])
    assert [call.argv[2] for call in engine.node.slowlog.calls] == [b"4", b"3", b"2"]
    assert [call.number for call in engine.node.slowlog.calls] == [5, 4, 3]
    engine.send([b"CONFIG", b"SET", b"slowlog-max-len", b"1"])
    assert len(engine.node.slowlog.calls) == 1
    engine.send([b"CONFIG", b"SET", b"slowlog-max-len", b"0"])
    assert len(engine.node.slowlog.calls) == 0


def test_the_latency_monitor_keeps_the_worst_sample_of_each_second() -> None:
    monitor = LatencyMonitor()
    monitor.note("command", 1000.0, 5.0)
    assert monitor.events == {}
    monitor.threshold_ms = 100
    monitor.note("command", 1000.0, 0.099)
    assert monitor.events == {}
    monitor.note("command", 1000.1, 0.2)
    monitor.note("command", 1000.2, 0.5)
    monitor.note("command", 1000.3, 0.3)
    monitor.note("command", 1002.0, 0.1)
    event = monitor.events["command"]
    assert list(event.samples) == [(1000, 500), (1002, 100)]
    assert event.max_ms == 500
    for second in range(2000, 2200):
        monitor.note("command", second, 0.1)
    assert len(event.samples) == 160
