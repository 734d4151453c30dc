"""Connections on a transport in the test's hands: flushes, back-pressure, limits, endings."""

from __future__ import annotations

import gc
import weakref

import pytest

from kvnode.connection import Connection
from kvnode.session import is_loopback

from .loops import FakeTransport, Loop

MEGABYTE = 1 << 20


def test_the_replies_of_a_round_go_out_together() -> None:
    loop = Loop()
    one, first = loop.connect()
    two, second = loop.connect()
    one.data_received(b"PING\r\nPI")
    two.data_received(b"ECHO a\r\n")
    one.data_received(b"NG\r\nECHO b\r\n")
    assert first.writes == second.writes == []
    assert len(loop.calls) == 1
    loop.end_round()
    assert first.writes == [b"+PONG\r\n+PONG\r\n$1\r\nb\r\n"]
    assert second.writes == [b"$1\r\na\r\n"]
    assert loop.calls == []
    stats = loop.node.stats
    assert (stats.reads, stats.input_bytes, stats.output_bytes) == (3, 28, 28)
    assert (one.session.input_bytes, one.session.output_bytes) == (20, 21)


def test_a_large_value_goes_out_with_what_surrounds_it() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    value = b"v" * MEGABYTE
    connection.data_received(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n" + value[:70000])
    connection.data_received(value[70000:] + b"\r\nGET k\r\nPING\r\n")
    loop.end_round()
    assert transport.writes == [b"+OK\r\n$1048576\r\n" + value + b"\r\n+PONG\r\n"]


def test_addresses_are_shown_as_redis_shows_them() -> None:
    loop = Loop()
    session = loop.connect(("127.0.0.1", 5000))[0].session
    assert (session.peer, session.local) == (b"127.0.0.1:5000", b"127.0.0.1:6379")
    assert loop.connect(("::1", 5000, 0, 0))[0].session.peer == b"[::1]:5000"
    session = loop.connect("")[0].session
    assert (session.peer, session.is_unix) == (b"/run/node.sock:0", True)
    for address, local in (
        (b"127.0.0.1:1", True),
        (b"127.9.9.9:1", True),
        (b"[::1]:1", True),
        (b"[::ffff:127.0.0.1]:1", True),
        (b"10.0.0.1:1", False),
        (b"[fe80::1]:1", False),
        (b"12.7.0.1:1", False),
    ):
        assert is_loopback(address) is local


@pytest.mark.parametrize(
    ("peer", "limit", "text"),
    [
        (("10.0.0.1", 5000), 100, b"-DENIED kvnode runs in protected mode"),
        (("127.0.0.1", 5000), 0, b"-ERR max number of clients reached\r\n"),
    ],
)
def test_a_refused_peer_is_told_why(peer: object, limit: int, text: bytes) -> None:
    loop = Loop()
    loop.node.settings.maxclients = limit
    connection, transport = loop.connect(peer)
    assert b"".join(transport.writes).startswith(text)
    assert transport.closed
    connection.data_received(b"SET k v\r\n")
    assert connection.eof_received() is False
    connection.connection_lost(None)
    loop.end_round()
    assert loop.node.dataset.key_count() == 0
    assert loop.node.sessions == {}
    assert loop.node.stats.rejected_connections == 1


def test_quit_closes_behind_its_reply_and_later_requests_are_ignored() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    connection.data_received(b"PING\r\nQUIT\r\nPING\r\n")
    connection.data_received(b"PING\r\n")
    assert not transport.closed
    loop.end_round()
    assert transport.writes == [b"+PONG\r\n+OK\r\n"]
    assert transport.closed


def test_what_was_asked_right_before_the_end_of_the_input_is_answered() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    connection.data_received(b"PING\r\n")
    assert connection.eof_received() is False
    assert transport.writes == [b"+PONG\r\n"]
    transport.close()
    loop.end_round()
    connection.connection_lost(None)
    assert loop.node.sessions == {}


def test_a_peer_that_does_not_read_is_not_read_from() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    transport.stuck = True
    connection.data_received(b"SET k " + b"v" * 60000 + b"\r\nGET k\r\nGET k\r\n")
    loop.end_round()
    assert not transport.reading
    transport.unsent = 0
    connection.resume_writing()
    assert transport.reading
    connection.data_received(b"PING\r\n")
    loop.end_round()
    assert transport.writes[-1] == b"+PONG\r\n"
    assert loop.node.journal.take() == []


def test_a_large_read_is_run_only_as_far_as_the_peer_takes_the_replies() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    connection.data_received(b"SET k " + b"v" * 15000 + b"\r\n")
    loop.end_round()
    transport.writes.clear()
    transport.stuck = True
    count = 20000
    connection.data_received(b"GET k\r\n" * count + b"ECHO end\r\n")
    loop.end_round()
    assert not transport.reading
    assert MEGABYTE < transport.unsent < 64 * MEGABYTE
    replies = 0
    last = b""
    while transport.writes:
        replies += sum(map(len, transport.writes))
        last = transport.writes[-1]
        transport.writes.clear()
        transport.unsent = 0
        connection.resume_writing()
        loop.end_round()
    assert replies == count * len(b"$15000\r\n" + b"v" * 15000 + b"\r\n") + len(b"$3\r\nend\r\n")
    assert last.endswith(b"$3\r\nend\r\n")
    connection.data_received(b"PING\r\n")
    loop.end_round()
    assert transport.writes[-1] == b"+PONG\r\n"


def test_a_large_read_ends_with_the_connection() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    connection.data_received(b"QUIT\r\n" + b"SET k v\r\n" * 20000)
    loop.end_round()
    assert transport.closed
    assert loop.node.dataset.key_count() == 0


def test_large_values_in_large_reads_come_whole() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    value = bytes(range(256)) * 400
    request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$102400\r\n" + value + b"\r\nGET k\r\n"
    stream = request * 10
    for size in (30000, 100_000, 262_144, len(stream)):
        transport.writes.clear()
        for place in range(0, len(stream), size):
            connection.data_received(stream[place : place + size])
        loop.end_round()
        assert b"".join(transport.writes) == (b"+OK\r\n$102400\r\n" + value + b"\r\n") * 10


def stuck_subscriber(loop: Loop) -> tuple[Connection, FakeTransport]:
    connection, transport = loop.connect()
    connection.data_received(b"SUBSCRIBE c\r\n")
    loop.end_round()
    transport.stuck = True
    return connection, transport


def publish(loop: Loop, size: int) -> None:
    publisher, _ = loop.connect()
    payload = b"m" * size
    publisher.data_received(b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%d\r\n%b\r\n" % (size, payload))
    loop.end_round()
    publisher.connection_lost(None)


def test_output_over_the_hard_limit_ends_the_connection_at_once() -> None:
    loop = Loop()
    connection, transport = stuck_subscriber(loop)
    loop.node.settings.output_pubsub.set(2 * MEGABYTE, 0, 0)
    publish(loop, MEGABYTE)
    assert not transport.closed
    publish(loop, MEGABYTE)
    assert transport.aborted
    publish(loop, MEGABYTE)
    number = connection.session.number
    fields = {"id": number, "peer": b"127.0.0.1:5000", "reason": "output-buffer-limit"}
    assert loop.node.journal.take() == [("warning", "client-dropped", fields)]
    assert loop.node.stats.dropped_for_output == 1
    connection.connection_lost(None)
    assert number not in loop.node.sessions


def test_output_over_the_soft_limit_ends_the_connection_after_a_time() -> None:
    loop = Loop()
    _, transport = stuck_subscriber(loop)
    loop.node.settings.output_pubsub.set(0, MEGABYTE, 10)
    publish(loop, 2 * MEGABYTE)
    loop.engine.wait(9)
    loop.rounds.enforce_limits()
    assert not transport.closed
    loop.engine.wait(2)
    loop.rounds.enforce_limits()  # no output arises in the meantime
    assert transport.aborted
    loop.rounds.enforce_limits()
    assert loop.node.stats.dropped_for_output == 1


def test_a_monitor_that_does_not_read_is_dropped_like_a_subscriber() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    connection.data_received(b"MONITOR\r\n")
    loop.end_round()
    transport.stuck = True
    loop.node.settings.output_pubsub.set(MEGABYTE, 0, 0)
    publish(loop, 2 * MEGABYTE)
    publish(loop, 1)
    assert transport.aborted


def test_the_time_over_the_soft_limit_begins_anew_when_the_peer_has_read() -> None:
    loop = Loop()
    _, transport = stuck_subscriber(loop)
    loop.node.settings.output_pubsub.set(0, MEGABYTE, 10)
    publish(loop, 2 * MEGABYTE)
    loop.engine.wait(9)
    transport.unsent = MEGABYTE // 2
    loop.rounds.enforce_limits()
    publish(loop, MEGABYTE)
    loop.engine.wait(9)
    loop.rounds.enforce_limits()
    assert not transport.closed
    loop.engine.wait(2)
    loop.rounds.enforce_limits()
    assert transport.aborted


def test_a_peer_that_reads_again_is_no_longer_looked_at() -> None:
    loop = Loop()
    connection, transport = stuck_subscriber(loop)
    loop.node.settings.output_pubsub.set(0, MEGABYTE, 1)
    publish(loop, 2 * MEGABYTE)
    transport.unsent = 0
    connection.resume_writing()
    loop.engine.wait(100)
    loop.rounds.enforce_limits()
    assert not transport.closed


def test_a_request_over_the_query_buffer_limit_ends_the_connection() -> None:
    loop = Loop()
    loop.node.settings.client_query_buffer_limit = MEGABYTE
    connection, transport = loop.connect()
    connection.data_received(b"*2\r\n$3\r\nGET\r\n$5000000\r\n")
    for _ in range(16):
        connection.data_received(b"x" * 65536)
    assert not transport.closed
    connection.data_received(b"x")
    assert transport.aborted
    assert loop.node.journal.take()[0][2]["reason"] == "query-buffer-limit"
    assert loop.node.stats.dropped_for_query == 1


def test_input_behind_a_wait_counts_for_the_query_buffer_limit() -> None:
    loop = Loop()
    loop.node.settings.client_query_buffer_limit = MEGABYTE
    connection, transport = loop.connect()
    connection.data_received(b"BLPOP l 0\r\n")
    for _ in range(17):
        connection.data_received(b"PING\r\n" * 11000)
    assert transport.aborted


def test_a_browser_is_cut_off() -> None:
    loop = Loop()
    connection, transport = loop.connect()
    connection.data_received(b"PING\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\nSET k v\r\n")
    loop.end_round()
    assert transport.aborted
    assert transport.writes == []
    connection.connection_lost(None)
    assert loop.node.dataset.key_count() == 0


def test_an_ended_connection_leaves_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        loop = Loop()
        for ending in (
            b"",
            b"QUIT\r\n",
            b"BLPOP l 5\r\n",
            b"SUBSCRIBE a\r\n",
            b"*-x\r\n",
            b"POST\r\n",
        ):
            connection, transport = loop.connect()
            connection.data_received(b"PING\r\nMULTI\r\nPING\r\nEXEC\r\nWATCH k\r\n" + ending)
            loop.end_round()
            connection.connection_lost(None)
            session = weakref.ref(transport)
            transport.protocol = None
            del connection, transport
            assert session() is None, ending
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_shutdown_stops_the_loop_at_the_end_of_the_round() -> None:
    loop = Loop()
    connection, _ = loop.connect()
    connection.data_received(b"PING\r\n")
    loop.end_round()
    assert loop.stops == 0
    connection.data_received(b"SHUTDOWN\r\n")
    loop.end_round()
    assert loop.stops == 1
