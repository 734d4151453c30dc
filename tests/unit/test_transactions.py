"""A transaction goes to the log as one unit, each entry with the database that it changed."""

from __future__ import annotations

from .engine import Engine, output


def test_a_transaction_is_one_unit_of_the_log() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"MULTI\r\nSET a 1\r\nGET a\r\nINCR a\r\nEXEC\r\n")
    assert output(session).endswith(b"*3\r\n+OK\r\n$1\r\n1\r\n:2\r\n")
    assert engine.log.lines() == [[(0, b"SET a 1"), (0, b"INCR a")]]


def test_each_entry_names_the_database_of_its_command() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"MULTI\r\nSET a 0\r\nSELECT 1\r\nSET a 1\r\nSELECT 2\r\nGET a\r\nEXEC\r\n")
    session.feed(b"SET a 2\r\n")
    assert engine.log.lines() == [[(0, b"SET a 0"), (1, b"SET a 1")], [(2, b"SET a 2")]]


def test_a_transaction_that_changes_nothing_is_not_logged() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"MULTI\r\nGET a\r\nEXEC\r\nMULTI\r\nSET a 1\r\nDISCARD\r\n")
    session.feed(b"WATCH a\r\nSET a 2\r\nMULTI\r\nSET a 3\r\nEXEC\r\n")
    assert engine.log.lines() == [[(0, b"SET a 2")]]


def test_effects_of_a_transaction_do_not_depend_on_the_time_of_their_replay() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"MULTI\r\nSET a 1 EX 10\r\nSADD s x\r\nSPOP s\r\nEXEC\r\n")
    deadline = int(engine.clock.seconds * 1000) + 10_000
    (block,) = engine.log.lines()
    assert block[0] == (0, b"SET a 1 PXAT %d" % deadline)
    assert block[2] == (0, b"SREM s x")


def test_a_key_that_expires_inside_a_transaction_is_deleted_in_its_order() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"SET a 1 PX 5\r\n")
    engine.log.units.clear()
    engine.clock.seconds += 1.0
    session.feed(b"MULTI\r\nSET b 1\r\nGET a\r\nSET b 2\r\nEXEC\r\n")
    assert engine.log.lines() == [[(0, b"SET b 1"), (0, b"DEL a"), (0, b"SET b 2")]]


def test_an_error_inside_a_transaction_leaves_the_rest_of_it() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"SET t text\r\nMULTI\r\nINCR t\r\nSET a 1\r\nEXEC\r\n")
    assert engine.log.lines() == [[(0, b"SET t text")], [(0, b"SET a 1")]]


def test_a_refused_exec_ends_the_transaction_and_its_watches() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"WATCH a\r\nMULTI\r\nSET a 1\r\nEXEC now\r\nGET a\r\n")
    assert output(session) == (
        b"+OK\r\n+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: "
        b"wrong number of arguments for 'exec' command\r\n$-1\r\n"
    )
    assert not engine.node.watching.is_watched()
    assert session.gate == 0


def test_a_watch_on_an_absent_key_stays_whole_until_the_key_is_made() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"WATCH a\r\nDEL a\r\nFLUSHALL\r\nSWAPDB 0 1\r\nMULTI\r\nPING\r\nEXEC\r\n")
    assert output(session).endswith(b"+QUEUED\r\n*1\r\n+PONG\r\n")
    session.feed(b"WATCH a\r\nSET a 1\r\nDEL a\r\nMULTI\r\nPING\r\nEXEC\r\n")
    assert output(session).endswith(b"+QUEUED\r\n*-1\r\n")


def test_a_watched_key_that_expires_breaks_the_watch_at_once() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"SET a 1 PX 100\r\nWATCH a\r\n")
    engine.wait(1.0)
    assert session.watch_broken
    assert engine.node.dataset.heard == []


def test_a_watched_key_that_is_due_at_exec_breaks_the_watch_before_any_tick() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"SET a 1 PX 100\r\nWATCH a\r\nMULTI\r\nPING\r\n")
    output(session)
    engine.clock.seconds += 1.0
    session.feed(b"EXEC\r\n")
    assert output(session) == b"*-1\r\n"


def test_no_log_means_no_bookkeeping_is_left() -> None:
    engine = Engine()
    engine.node.dispatcher.log = None
    session, _ = engine.client()
    session.feed(b"MULTI\r\nSET a 1\r\nEXEC\r\nGET a\r\n")
    assert engine.node.dataset.changes == 0
    assert engine.node.ctx.effects is None
    assert engine.node.ctx.may_block
