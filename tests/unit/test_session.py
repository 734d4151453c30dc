"""A session answers in order, whatever the pieces its input comes in and whoever it waits for."""

from __future__ import annotations

import pytest

from kvnode.context import Context
from kvprotocol.replies import Reply

from .engine import Engine, output


def test_the_answer_does_not_depend_on_the_pieces_of_the_input() -> None:
    data = (
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nb\r\n\r\n1\r\nPING\r\n\r\n*1\r\n$4\r\nPING\r\nget a\n"
    )
    whole, _ = Engine().client()
    whole.feed(data)
    expected = output(whole)
    assert expected == b"+OK\r\n+PONG\r\n+PONG\r\n$5\r\nb\r\n\r\n\r\n"
    single, _ = Engine().client()
    pieces = b""
    for place in range(len(data)):
        single.feed(data[place : place + 1])
        pieces += output(single)
    assert pieces == expected
    session, _ = Engine().client()
    session.feed(data + b"*2\r\n$4\r\nEC")
    assert output(session) == expected
    session.feed(b"HO\r\n$1\r\nx\r\n")
    assert output(session) == b"$1\r\nx\r\n"


def test_the_outlet_is_told_once_until_the_output_is_taken() -> None:
    session, outlet = Engine().client()
    session.feed(b"PING\r\nPING\r\n")
    session.feed(b"PING\r\n")
    assert outlet.ready_count == 1
    assert output(session) == b"+PONG\r\n" * 3
    session.feed(b"PING\r\n")
    assert outlet.ready_count == 2


def test_held_output_waits_for_its_ticket_and_keeps_its_order() -> None:
    session, outlet = Engine().client()
    session.feed(b"ECHO a\r\n")
    session.hold(1)
    session.feed(b"ECHO b\r\n")
    session.hold(2)
    session.feed(b"ECHO c\r\n")
    assert output(session) == b""
    assert session.pending_bytes() == 21
    assert session.is_held()
    told = outlet.ready_count
    session.release(1)
    assert outlet.ready_count == told + 1
    assert session.pending_bytes() == 21
    assert output(session) == b"$1\r\na\r\n"
    assert output(session) == b""
    assert session.pending_bytes() == 14
    session.feed(b"ECHO d\r\n")
    session.release(2)
    assert not session.is_held()
    assert output(session) == b"$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"
    assert session.pending_bytes() == 0


def test_one_release_lets_all_earlier_tickets_go() -> None:
    session, _ = Engine().client()
    for ticket in (1, 2, 3):
        session.feed(b"ECHO %d\r\n" % ticket)
        session.hold(ticket)
    session.release(2)
    assert output(session) == b"$1\r\n1\r\n$1\r\n2\r\n"
    session.release(3)
    assert output(session) == b"$1\r\n3\r\n"


def test_released_output_that_was_not_taken_stays_in_front() -> None:
    session, _ = Engine().client()
    session.feed(b"ECHO a\r\n")
    session.hold(1)
    session.release(1)
    session.feed(b"ECHO b\r\n")
    session.hold(2)
    assert output(session) == b"$1\r\na\r\n"
    session.release(2)
    assert output(session) == b"$1\r\nb\r\n"


def test_a_closing_session_sends_what_it_holds_first() -> None:
    session, outlet = Engine().client()
    session.feed(b"QUIT\r\nPING\r\n")
    session.hold(7)
    assert outlet.closed
    assert session.is_held()
    told = outlet.ready_count
    assert output(session) == b""
    session.release(7)
    assert outlet.ready_count == told + 1
    assert output(session) == b"+OK\r\n"
    session.feed(b"PING\r\n")
    assert output(session) == b""
    assert session.parser.buffered() == 6, "what came behind QUIT in one read; no more is kept"


def test_a_closing_session_is_told_of_a_release_without_output() -> None:
    session, outlet = Engine().client()
    session.hold(1)
    session.finish()
    told = outlet.ready_count
    session.release(1)
    assert outlet.ready_count == told + 1


def test_requests_behind_a_blocked_one_wait_with_it() -> None:
    engine = Engine()
    session, _ = engine.client()
    other, _ = engine.client()
    session.feed(b"BLPOP list 0\r\nECHO after\r\n")
    session.feed(b"ECHO more\r\n")
    assert output(session) == b""
    other.feed(b"RPUSH list x\r\n")
    assert output(other) == b":1\r\n"
    expected = b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n$5\r\nafter\r\n$4\r\nmore\r\n"
    assert output(session) == expected


def test_a_blocked_session_times_out_with_the_clock() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"BLPOP list 1.5\r\nPING\r\n")
    engine.wait(1.4)
    assert output(session) == b""
    engine.wait(0.2)
    assert output(session) == b"*-1\r\n+PONG\r\n"


def test_a_session_that_is_gone_leaves_nothing_behind() -> None:
    engine = Engine()
    node = engine.node
    session, _ = engine.client()
    other, _ = engine.client()
    session.feed(b"SUBSCRIBE a\r\nPSUBSCRIBE b*\r\nSSUBSCRIBE c\r\nRESET\r\nWATCH k\r\nMONITOR\r\n")
    other.feed(b"SUBSCRIBE a\r\n")
    blocked, _ = engine.client()
    blocked.feed(b"BLPOP list 10\r\n")
    for gone in (session, other, blocked):
        node.disconnect(gone)
        node.disconnect(gone)
    assert not node.sessions
    assert not node.pubsub.channels
    assert not node.pubsub.patterns
    assert not node.pubsub.shard_channels
    assert not node.watching.is_watched()
    assert not node.monitors
    assert not node.blocking.is_waited_for()
    assert node.blocking.count == 0
    assert not node.dataset.listening
    engine.wait(20.0)
    assert output(blocked) == b""


def test_a_reset_ends_subscriptions_and_what_they_forbid() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"SUBSCRIBE a\r\n")
    output(session)
    session.feed(b"GET k\r\n")
    assert output(session).startswith(b"-ERR Can't execute 'get'")
    session.feed(b"RESET\r\nGET k\r\n")
    assert output(session) == b"+RESET\r\n$-1\r\n"
    assert not engine.node.pubsub.channels


def test_a_killed_connection_is_aborted_and_gone_at_once() -> None:
    engine = Engine()
    session, _ = engine.client()
    victim, outlet = engine.client()
    session.feed(b"CLIENT KILL ID %d\r\n" % victim.number)
    assert output(session) == b":1\r\n"
    assert outlet.aborted
    assert victim.number not in engine.node.sessions
    session.feed(b"CLIENT KILL ID %d SKIPME no\r\nPING\r\n" % session.number)
    assert output(session) == b":1\r\n"
    assert session.closing


def test_a_protocol_error_ends_the_connection_behind_its_message() -> None:
    session, outlet = Engine().client()
    session.feed(b"PING\r\n*1\r\n+PING\r\nPING\r\n")
    assert output(session) == b"+PONG\r\n-ERR Protocol error: expected '$', got '+'\r\n"
    assert outlet.closed
    silent, _ = Engine().client()
    silent.feed(b"CLIENT REPLY OFF\r\n*x\r\n")
    assert output(silent) == b""
    assert silent.closing


def test_a_message_for_a_closing_session_is_dropped() -> None:
    engine = Engine()
    session, _ = engine.client()
    other, _ = engine.client()
    session.feed(b"SUBSCRIBE a\r\nQUIT\r\n")
    output(session)
    other.feed(b"PUBLISH a x\r\n")
    assert output(session) == b""


def test_a_command_that_fails_by_a_bug_leaves_nothing_to_the_next_one() -> None:
    engine = Engine()
    session, _ = engine.client()

    def broken(ctx: Context, argv: list[bytes]) -> Reply:
        ctx.keyspace.changed(argv[1], b"set")
        raise RuntimeError("a bug")

    engine.node.commands[b"get"].handler = broken
    with pytest.raises(RuntimeError, match="a bug"):
        session.feed(b"GET k\r\n")
    assert engine.node.dataset.changes == 0
