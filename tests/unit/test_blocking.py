"""Sessions that wait for keys: order, deadlines, and that nothing of them stays behind."""

from __future__ import annotations

import pytest

from kvnode.session import Session

from .engine import Engine, output


def waiting(engine: Engine, request: bytes, count: int = 1) -> list[Session]:
    """Sessions that sent `request` and now wait."""
    sessions = [engine.client()[0] for _ in range(count)]
    for session in sessions:
        session.feed(request + b"\r\n")
        assert output(session) == b""
        assert session.blocked is not None
    return sessions


def test_the_session_that_waits_longest_is_served_first() -> None:
    engine = Engine()
    first, second, third = waiting(engine, b"BLPOP l 0", 3)
    other, _ = engine.client()
    other.feed(b"RPUSH l a b\r\n")
    assert output(other) == b":2\r\n"
    assert output(first) == b"*2\r\n$1\r\nl\r\n$1\r\na\r\n"
    assert output(second) == b"*2\r\n$1\r\nl\r\n$1\r\nb\r\n"
    assert output(third) == b""
    assert engine.node.blocking.count == 1
    other.feed(b"EXISTS l\r\n")
    assert output(other) == b":0\r\n"


def test_a_session_that_was_served_goes_on_with_its_next_requests() -> None:
    engine = Engine()
    (session,) = waiting(engine, b"BLPOP l 0")
    session.feed(b"PING\r\nBLPOP m 0\r\nECHO a\r\n")
    assert output(session) == b""
    other, _ = engine.client()
    other.feed(b"RPUSH l x\r\n")
    assert output(session) == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n+PONG\r\n"
    other.feed(b"RPUSH m y\r\n")
    assert output(session) == b"*2\r\n$1\r\nm\r\n$1\r\ny\r\n$1\r\na\r\n"
    assert engine.node.blocking.count == 0


def test_a_large_input_behind_a_wait_is_kept_and_run_in_order() -> None:
    engine = Engine()
    (session,) = waiting(engine, b"BLPOP l 0")
    requests = b"".join(b"SET k%d %d\r\n" % (i, i) for i in range(5000))
    for place in range(0, len(requests), 777):
        session.feed(requests[place : place + 777])
    assert session.parser.buffered() == len(requests)
    other, _ = engine.client()
    other.feed(b"RPUSH l x\r\n")
    assert output(session) == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n" + b"+OK\r\n" * 5000
    other.feed(b"GET k4999\r\n")
    assert output(other) == b":1\r\n$4\r\n4999\r\n"


def test_a_key_of_another_type_does_not_end_the_wait() -> None:
    engine = Engine()
    (session,) = waiting(engine, b"BLPOP k 0")
    other, _ = engine.client()
    other.feed(b"SET k v\r\n")
    assert output(session) == b""
    other.feed(b"DEL k\r\nRPUSH k v\r\n")
    assert output(session) == b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n"


def test_a_transaction_wakes_waiters_only_at_its_end() -> None:
    engine = Engine()
    (session,) = waiting(engine, b"BLPOP l 0")
    other, _ = engine.client()
    other.feed(b"MULTI\r\nRPUSH l a\r\nDEL l\r\nEXEC\r\n")
    assert output(session) == b""
    other.feed(b"MULTI\r\nRPUSH l a\r\nRPUSH l b\r\nLPOP l\r\nEXEC\r\n")
    assert output(session) == b"*2\r\n$1\r\nl\r\n$1\r\nb\r\n"


def test_swapping_databases_wakes_who_waits_for_what_came_in() -> None:
    engine = Engine()
    (session,) = waiting(engine, b"BLPOP l 0")
    other, _ = engine.client()
    other.feed(b"SELECT 1\r\nRPUSH l a\r\n")
    assert output(session) == b""
    other.feed(b"SWAPDB 0 1\r\n")
    assert output(session) == b"*2\r\n$1\r\nl\r\n$1\r\na\r\n"


def test_a_session_that_waits_for_several_keys_is_served_once() -> None:
    engine = Engine()
    (session,) = waiting(engine, b"BLPOP a b c 0")
    other, _ = engine.client()
    other.feed(b"MULTI\r\nRPUSH c 1\r\nRPUSH a 2\r\nEXEC\r\n")
    assert output(session) == b"*2\r\n$1\r\nc\r\n$1\r\n1\r\n"
    assert output(session) == b""
    other.feed(b"LLEN a\r\n")
    assert output(other).endswith(b":1\r\n")
    assert not engine.node.blocking.is_waited_for()


def test_waits_end_at_their_deadlines_in_order() -> None:
    engine = Engine()
    (late,) = waiting(engine, b"BLPOP l 3")
    (early,) = waiting(engine, b"BLPOP l 0.5")
    (forever,) = waiting(engine, b"BLPOP l 0")
    node = engine.node
    assert node.blocking.next_deadline() == int(engine.clock.seconds * 1000) + 500
    assert node.seconds_to_next_tick(engine.clock.seconds + 0.45) == pytest.approx(0.05)
    engine.wait(0.499)
    assert output(early) == b""
    engine.wait(0.001)
    assert output(early) == b"*-1\r\n"
    engine.wait(2.5)
    assert output(late) == b"*-1\r\n"
    assert node.blocking.next_deadline() == 0
    engine.wait(1000)
    assert output(forever) == b""
    assert node.blocking.count == 1


def test_deadlines_of_waits_that_are_over_do_not_pile_up() -> None:
    engine = Engine()
    session, _ = engine.client()
    other, _ = engine.client()
    for _ in range(1000):
        session.feed(b"BLPOP l 100000\r\n")
        other.feed(b"RPUSH l a\r\n")
    assert output(session) == b"*2\r\n$1\r\nl\r\n$1\r\na\r\n" * 1000
    assert len(engine.node.blocking._deadlines) < 100
    (waiter,) = waiting(engine, b"BLPOP l 5")
    engine.wait(5)
    assert output(waiter) == b"*-1\r\n"


def test_waits_end_in_the_order_of_their_deadlines_after_stale_ones_were_dropped() -> None:
    engine = Engine()
    waiters = [waiting(engine, b"BLPOP k %d" % seconds)[0] for seconds in (5, 4, 3, 2, 1)]
    session, _ = engine.client()
    other, _ = engine.client()
    for _ in range(100):
        session.feed(b"BLPOP l 100000\r\n")
        other.feed(b"RPUSH l a\r\n")
    for waiter in reversed(waiters):
        assert output(waiter) == b""
        engine.wait(1)
        assert output(waiter) == b"*-1\r\n"


def test_an_element_goes_to_one_waiting_session_of_each_type() -> None:
    engine = Engine()
    for request, add in ((b"BLPOP k 0", b"RPUSH k a"), (b"BZPOPMIN z 0", b"ZADD z 1 a")):
        first, second = waiting(engine, request, 2)
        other, _ = engine.client()
        other.feed(add + b"\r\n")
        assert output(other) == b":1\r\n"
        assert output(first) != b""
        assert output(second) == b""
        assert second.blocked is not None


def test_a_swapped_database_serves_who_waits_in_it() -> None:
    engine = Engine()
    waiter, _ = engine.client()
    waiter.feed(b"SELECT 1\r\nBLPOP l 0\r\n")
    assert output(waiter) == b"+OK\r\n"
    other, _ = engine.client()
    other.feed(b"SELECT 2\r\nRPUSH l x\r\nSWAPDB 1 2\r\n")
    assert output(waiter) == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n"
    assert engine.log.lines()[-1] == [(1, b"LPOP l")]


def test_sessions_that_are_gone_leave_nothing_behind() -> None:
    engine = Engine()
    blocking = engine.node.blocking
    for session in waiting(engine, b"BLPOP a b 10", 50):
        engine.node.disconnect(session)
        assert session.blocked is None
    assert blocking.count == 0
    assert not blocking.is_waited_for()
    assert blocking.next_deadline() == 0
    assert not engine.node.dataset.listening
    other, _ = engine.client()
    other.feed(b"RPUSH a 1\r\n")
    assert output(other) == b":1\r\n"


def test_the_keyspace_lists_changes_only_while_somebody_waits() -> None:
    engine = Engine()
    (session,) = waiting(engine, b"BLPOP l 0")
    assert engine.node.dataset.listening
    other, _ = engine.client()
    other.feed(b"RPUSH l a\r\n")
    assert output(session)
    assert not engine.node.dataset.listening
    assert engine.node.dataset.heard == []


def test_a_session_is_unblocked_by_another_one() -> None:
    engine = Engine()
    first, second = waiting(engine, b"BLPOP l 0", 2)
    other, _ = engine.client()
    other.feed(b"CLIENT UNBLOCK %d\r\nCLIENT UNBLOCK %d ERROR\r\n" % (first.number, second.number))
    assert output(first) == b"*-1\r\n"
    assert output(second) == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
    other.feed(b"CLIENT UNBLOCK %d\r\n" % first.number)
    assert output(other) == b":1\r\n:1\r\n:0\r\n"


def test_a_served_session_may_serve_the_next_one() -> None:
    engine = Engine()
    (mover,) = waiting(engine, b"BLMOVE a b LEFT RIGHT 0")
    (popper,) = waiting(engine, b"BLPOP b 0")
    other, _ = engine.client()
    other.feed(b"RPUSH a x\r\n")
    assert output(mover) == b"$1\r\nx\r\n"
    assert output(popper) == b"*2\r\n$1\r\nb\r\n$1\r\nx\r\n"
    assert engine.log.lines() == [
        [(0, b"RPUSH a x")],
        [(0, b"LMOVE a b LEFT RIGHT")],
        [(0, b"LPOP b")],
    ]
