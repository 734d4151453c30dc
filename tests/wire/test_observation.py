"""SLOWLOG, LATENCY, MONITOR and MEMORY answer as redis-server does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .client import Reply, Wire
from .harness import Pair, words

# -- SLOWLOG ---------------------------------------------------------------------------------------


@pytest.fixture
def logged(pair: Pair) -> Iterator[Pair]:
    """Both servers with an empty slow log that takes every command."""
    pair.config("slowlog-log-slower-than", "0")
    pair.same("SLOWLOG", "RESET")
    yield pair


def entries_of(reply: Reply) -> list[tuple[tuple[bytes, ...], bytes]]:
    """The slow log's entries, oldest first, without number, times and address."""
    rows = []
    for entry in reversed(reply.items()):
        number, at, microseconds, argv, peer, name = entry.items()
        assert number.number() >= 0
        assert at.number() > 1_000_000_000
        assert microseconds.number() >= 0
        assert re.fullmatch(rb"127\.0\.0\.1:\d+", peer.text())
        rows.append((tuple(item.text() for item in argv.items()), name.text()))
    return rows


def same_slowlog(pair: Pair) -> list[tuple[tuple[bytes, ...], bytes]]:
    """Compare both slow logs; return ours."""
    ours, theirs = pair.both("SLOWLOG", "GET", "-1")
    assert entries_of(ours) == entries_of(theirs)
    return entries_of(ours)


def test_slowlog_refuses_what_is_malformed(pair: Pair) -> None:
    pair.same_script("""
        SLOWLOG
        SLOWLOG NONSENSE
        SLOWLOG GET nonsense
        SLOWLOG GET -2
        SLOWLOG GET 1 2
        SLOWLOG get 1 2 3
        SLOWLOG LEN x
        SLOWLOG RESET x
        SLOWLOG HELP x
        SLOWLOG GET 99999999999999999999
    """)


def test_slowlog_keeps_commands_with_their_arguments(logged: Pair) -> None:
    logged.same_script("""
        SET k v
        GET k
        GET
        LPUSH k x
        NONSENSE
        CLIENT SETNAME somebody
        INFO cpu
    """)
    assert len(same_slowlog(logged)) >= 5
    logged.same("SLOWLOG", "LEN")
    logged.same("SLOWLOG", "RESET")
    logged.same("SLOWLOG", "LEN")


def test_slowlog_cuts_long_requests(logged: Pair) -> None:
    logged.same("SET", "k", "x" * 128)
    logged.same("SET", "k", "x" * 129)
    logged.same("SET", "k", "x" * 5000)
    for count in (30, 31, 32, 33, 100):
        logged.same("SADD", "s", *range(count))
    same_slowlog(logged)


def test_slowlog_hides_secrets(logged: Pair) -> None:
    logged.config("masterauth", "")
    logged.same_script("""
        AUTH default nonsense
        AUTH nonsense
        HELLO 2 AUTH default nonsense
        HELLO 2 SETNAME x AUTH default nonsense
        CONFIG SET masterauth secret hz 10
        CONFIG SET MASTERAUTH secret
        CONFIG SET nonsense secret
    """)
    shown = repr(same_slowlog(logged))
    assert "(redacted)" in shown
    logged.same("CONFIG", "SET", "masterauth", "")


def test_slowlog_shows_the_commands_of_a_transaction(logged: Pair) -> None:
    logged.same_script("""
        MULTI
        SET k v
        GET k
        EXEC
    """)
    same_slowlog(logged)


def test_slowlog_is_bounded_and_can_be_turned_off(logged: Pair) -> None:
    logged.config("slowlog-max-len", "3")
    for number in range(6):
        logged.same("SET", "k", number)
    logged.same("SLOWLOG", "LEN")
    for count in ("0", "1", "2", "10", "-1"):
        ours, theirs = logged.both("SLOWLOG", "GET", count)
        assert len(ours.items()) == len(theirs.items())
    logged.config("slowlog-log-slower-than", "-1")
    logged.same("SLOWLOG", "RESET")
    logged.same("SET", "k", "v")
    logged.same_exactly("SLOWLOG", "GET")
    logged.same("SLOWLOG", "LEN")


def test_slowlog_numbers_grow_and_survive_a_reset(logged: Pair) -> None:
    numbers = []
    for _ in range(2):
        logged.same("SET", "k", "v")
        ours, theirs = logged.both("SLOWLOG", "GET", "1")
        for reply in (ours, theirs):
            numbers.append(reply.items()[0].items()[0].number())
        logged.same("SLOWLOG", "RESET")
    assert numbers[2] > numbers[0]
    assert numbers[3] > numbers[1]


def test_slowlog_get_returns_ten_entries_unless_told(logged: Pair) -> None:
    for number in range(12):
        logged.same("SET", "k", number)
    for reply in logged.both("SLOWLOG", "GET"):
        assert len(reply.items()) == 10


# -- LATENCY ---------------------------------------------------------------------------------------


def test_latency_refuses_what_is_malformed_or_unknown(pair: Pair) -> None:
    pair.same("LATENCY", "RESET")
    pair.same_script("""
        LATENCY
        LATENCY NONSENSE
        LATENCY LATEST x
        LATENCY LATEST
        LATENCY HISTORY
        LATENCY HISTORY nonsense
        LATENCY GRAPH
        LATENCY GRAPH nonsense
        LATENCY RESET nonsense other
        LATENCY DOCTOR x
        LATENCY DOCTOR
        LATENCY HISTOGRAM nonsense
        LATENCY HELP x
    """)


def test_latency_events_are_kept_shown_and_forgotten(pair: Pair) -> None:
    pair.config("latency-monitor-threshold", "50")
    pair.same_script("""
        LATENCY RESET
        LATENCY DOCTOR
        DEBUG SLEEP 0.1
        DEBUG SLEEP 0
    """)
    for reply in pair.both("LATENCY", "LATEST"):
        (row,) = reply.items()
        name, second, last, worst = row.items()
        assert name == Reply("bulk", b"command")
        assert second.number() > 1_000_000_000
        assert 100 <= last.number() <= worst.number() < 1000
    for reply in pair.both("LATENCY", "HISTORY", "command"):
        (row,) = reply.items()
        assert 100 <= row.items()[1].number() < 1000
    for reply in pair.both("LATENCY", "GRAPH", "command"):
        assert re.search(
            rb"command - high \d+ ms, low \d+ ms \(all time high \d+ ms\)", reply.text()
        )
        assert reply.kind == ("verbatim" if pair.protocol == 3 else "bulk")
    for reply in pair.both("LATENCY", "DOCTOR"):
        assert b"command: 1 latency s" in reply.text()
    pair.same_script("""
        LATENCY RESET nonsense command
        LATENCY RESET
        LATENCY HISTORY command
    """)


def test_latency_histograms_count_calls_cumulatively(pair: Pair) -> None:
    for number in range(20):
        pair.same("SET", "k", number)
    pair.same("CONFIG", "GET", "hz")
    pair.same("DEBUG", "SLEEP", "0.003")
    for name in words("set config|get debug SET Config|Get"):
        for reply in pair.both("LATENCY", "HISTOGRAM", name):
            ((shown, details),) = reply.pairs()
            assert shown.text() == name.lower().encode()
            assert details.kind == ("map" if pair.protocol == 3 else "array")
            (calls, count), (title, histogram) = details.pairs()
            assert (calls.text(), title.text()) == (b"calls", b"histogram_usec")
            bounds = [(bound.number(), seen.number()) for bound, seen in histogram.pairs()]
            assert bounds == sorted(set(bounds))
            assert bounds[-1][1] == count.number()
            assert {bound for bound, _ in bounds} <= REDIS_BOUNDS
    for reply in pair.both("LATENCY", "HISTOGRAM", "debug"):
        ((_, details),) = reply.pairs()
        bound = details.pairs()[1][1].pairs()[-1][0].number()
        assert 4000 < bound < 20000
    ours, theirs = pair.both("LATENCY", "HISTOGRAM")
    mine, others = ({name.text() for name, _ in reply.pairs()} for reply in (ours, theirs))
    assert mine == others
    for names in (("set", "get", "nonsense", "nonsense|x"), ("config",), ("nonsense", "config|x")):
        pair.same("LATENCY", "HISTOGRAM", *names)
    ours, theirs = pair.both("LATENCY", "HISTOGRAM", "config")
    assert {name for name, _ in ours.pairs()} == {name for name, _ in theirs.pairs()}


REDIS_BOUNDS = {((1 << power) + (1 << power) // 128 - 1) // 1000 for power in range(10, 31)}


# -- MONITOR ---------------------------------------------------------------------------------------


def lines_of(wire: Wire, count: int) -> list[bytes]:
    """Lines of MONITOR without their times and ports."""
    lines = []
    for _ in range(count):
        reply = wire.read()
        assert reply.kind == "simple"
        match = re.fullmatch(rb"\d+\.\d{6} \[(\d+) 127\.0\.0\.1:\d+\] (.*)", reply.text())
        assert match is not None, reply.text()
        lines.append(match[1] + b" " + match[2])
    return lines


def same_lines(pair: Pair, count: int) -> list[bytes]:
    """Compare what the monitoring client M was shown; return ours."""
    channel = pair.client("M")
    ours, theirs = lines_of(channel.ours, count), lines_of(channel.theirs, count)
    assert ours == theirs
    return ours


def nothing_more(pair: Pair) -> None:
    """The monitoring client was shown nothing since its last line."""
    pair.same("ECHO", "the next")
    assert same_lines(pair, 1) == [b'0 "ECHO" "the next"']


def test_monitor_shows_commands_with_database_and_quoted_words(pair: Pair) -> None:
    pair.same("PING")
    pair.same_exactly("MONITOR", client="M")
    pair.same_script("""
        SET k v
        get K
        SET k ""
        SELECT 3
        GET k
        SELECT 0
        GET
        NONSENSE
        LPUSH k x
        CONFIG GET hz
        PING
    """)
    pair.same("SET", "k", bytes(range(256)))
    pair.same("ECHO", 'quote " backslash \\ newline \n tab \t bell \a bs \b')
    lines = same_lines(pair, 10)
    assert lines[0] == b'0 "SET" "k" "v"'
    assert lines[3] == b'3 "SELECT" "3"'
    nothing_more(pair)


def test_monitor_shows_transactions_as_they_run(pair: Pair) -> None:
    pair.same("PING")
    pair.same("MONITOR", client="M")
    pair.same_script("""
        MULTI
        SET k v
        SELECT 2
        CONFIG GET hz
        GET k
        EXEC
        SELECT 0
        MULTI
        SET k v
        DISCARD
        MULTI
        NONSENSE
        EXEC
    """)
    same_lines(pair, 10)
    nothing_more(pair)


def test_monitor_hides_secrets_and_administration(pair: Pair) -> None:
    pair.same("PING")
    pair.same("MONITOR", client="M")
    pair.same_script("""
        AUTH default nonsense
        HELLO 2 AUTH default nonsense
        CONFIG SET masterauth ""
        SLOWLOG GET 0
        PING
    """)
    lines = same_lines(pair, 3)
    assert lines[0] == b'0 "AUTH" "(redacted)" "(redacted)"'
    nothing_more(pair)


def test_monitor_ends_with_the_connection_and_with_reset(pair: Pair) -> None:
    pair.same("PING")
    pair.same("MONITOR", client="M")
    nothing_more(pair)
    pair.same("RESET", client="M")
    pair.same("PING")
    pair.silent("M")
    pair.same_script("""
        M: PING
        MONITOR x
        MULTI
        MONITOR
        EXEC
        PING
    """)


def test_a_monitoring_client_cannot_reach_the_keys(pair: Pair) -> None:
    pair.same_script("""
        SET k v
        M: PING
        M: MONITOR
    """)
    channel = pair.client("M")
    requests = ("GET k", "SET k w", "PUBLISH c m", "SCAN 0", "CONFIG GET hz", "SLOWLOG GET 0")
    for wire in (channel.ours, channel.theirs):
        for request in requests:
            wire.send(*request.split())
    refused = Reply("error", b"ERR Replica can't interact with the keyspace")
    for _ in range(4):
        assert pair.read("M") == refused
    pair.read("M")
    pair.read("M")
    pair.same_script("""
        M: MULTI
        RESET
    """)


# -- MEMORY ----------------------------------------------------------------------------------------


def test_memory_refuses_what_is_malformed(pair: Pair) -> None:
    pair.same("SET", "k", "v")
    pair.same_script("""
        MEMORY
        MEMORY NONSENSE
        MEMORY USAGE
        MEMORY USAGE missing
        MEMORY USAGE missing SAMPLES nonsense
        MEMORY USAGE k
        MEMORY USAGE k SAMPLES
        MEMORY USAGE k SAMPLES nonsense
        MEMORY USAGE k SAMPLES -1
        MEMORY USAGE k SAMPLES 0
        MEMORY USAGE k samples 5
        MEMORY USAGE k SAMPLES 1 SAMPLES 2
        MEMORY USAGE k NONSENSE 1
        MEMORY USAGE k x
        MEMORY STATS x
        MEMORY STATS
        MEMORY DOCTOR
        MEMORY DOCTOR x
        MEMORY MALLOC-STATS
        MEMORY PURGE
        MEMORY PURGE x
        MEMORY HELP x
    """)


def test_memory_usage_grows_with_the_value_and_with_a_deadline(pair: Pair) -> None:
    sizes = []
    for length in (1, 100, 10000):
        pair.same("SET", "k", "x" * length)
        sizes.append(pair.same("MEMORY", "USAGE", "k").number())
    assert sizes == sorted(set(sizes))
    assert sizes[2] - sizes[0] >= 9999
    pair.same("SET", "k", "x" * 10000, "EX", 1000)
    assert pair.same("MEMORY", "USAGE", "k").number() > sizes[2]
    pair.same("HSET", "h", *[word for i in range(1000) for word in (i, "x" * 100)])
    assert pair.same("MEMORY", "USAGE", "h").number() > 100_000


def test_memory_stats_has_every_field_of_redis(pair: Pair) -> None:
    pair.same_script("""
        SET a 1
        SET b 2 EX 1000
        SELECT 3
        SET c 3
        SELECT 0
    """)
    ours, theirs = pair.both("MEMORY", "STATS")
    for (name, value), (other, other_value) in zip(ours.pairs(), theirs.pairs(), strict=True):
        assert name == other
        assert value.kind == other_value.kind, name
        if value.kind in ("map", "array"):
            assert [key for key, _ in value.pairs()] == [key for key, _ in other_value.pairs()]
    assert dict(ours.pairs())[Reply("bulk", b"keys.count")] == Reply("integer", 3)
