"""A reader that asks for much and takes nothing: what it asks for next waits until it has."""

from __future__ import annotations

import pytest

from .disks import MemoryDisk
from .engine import Engine, output
from .shufflers import Job, parsed

SIZE = 600_000


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    job = Job(engine)
    job.open(1, 1)
    job.run(0, 5, {0: [bytes([number]) * SIZE for number in range(2)]})
    return engine


def test_fetches_behind_unread_replies_wait(engine: Engine) -> None:
    session = engine.session("reader")
    session.feed(b"SHUFFLE.FETCH job/0 0 CREDIT 10000000\r\n" * 5 + b"PING\r\n")
    replies = []
    while data := output(session):
        replies.append(data)
        engine.node.shuffle_waits.note_drained()
        assert engine.node.shuffles.owner.unread_bytes > 0
        engine.node.tick_shuffles(engine.clock.now())
    assert [len(data) // SIZE for data in replies] == [2, 2, 2, 2, 2]
    assert replies[-1].endswith(b"+PONG\r\n")
    engine.wait(0.1)
    assert engine.node.shuffles.owner.unread_bytes == 0
    engine.node.check()


def test_who_waits_to_be_read_hears_of_the_end(engine: Engine) -> None:
    session = engine.session("reader")
    session.feed(b"SHUFFLE.FETCH job/0 0 CREDIT 10000000\r\n" * 2)
    assert session.blocked is not None
    engine.send([b"SHUFFLE.END", b"job"])
    engine.node.tick_shuffles(engine.clock.now())
    assert b"-NOSHUFFLE ended" in output(session)


def budgeted(blocks: int) -> tuple[Engine, Job]:
    """A budget of 16 MiB, and so many blocks of 256 KiB to be read."""
    engine = Engine(disk=MemoryDisk())
    engine.send([b"CONFIG", b"SET", b"shuffle-memory", b"16mb"])
    job = Job(engine)
    job.open(2, 1)
    job.run(0, 5, {0: [bytes([number]) * (1 << 18) for number in range(blocks)]})
    job.commit(1, 6, {})
    engine.wait(0.1)
    return engine, job


def read_rest(engine: Engine, name: str) -> int:
    """Take the reply of a reader; return how many blocks it had."""
    reply = parsed(output(engine.session(name)))
    assert isinstance(reply, list)
    return len(reply) - 1


def test_what_is_not_taken_counts_in_the_budget_and_gets_a_quarter_of_it() -> None:
    engine, _ = budgeted(20)
    owner = engine.node.shuffles.owner
    before = owner.memory
    for name in "abcd":
        engine.session(name).feed(b"SHUFFLE.FETCH job/0 0 CREDIT 2900000\r\n")
        engine.wait(0.1)
    unread = owner.unread_bytes
    assert unread == (4 << 20) + (2 << 18)
    assert owner.memory == before + unread
    owner.check()
    assert [read_rest(engine, name) for name in "abcd"] == [11, 5, 1, 1]
    engine.wait(0.1)
    assert (owner.unread_bytes, owner.memory) == (0, before)
    engine.session("d").feed(b"SHUFFLE.FETCH job/0 0 CREDIT 2900000\r\n")
    assert read_rest(engine, "d") == 11


def test_payloads_that_are_dropped_count_until_their_reply_is_taken() -> None:
    engine, job = budgeted(30)
    owner = engine.node.shuffles.owner
    engine.session("a").feed(b"SHUFFLE.FETCH job/0 0 CREDIT 2900000\r\n")
    job.ask(b"END", b"job")
    engine.wait(0.1)
    assert owner.memory == owner.unread_bytes == 11 << 18
    engine.node.disconnect(engine.session("a"))
    engine.wait(0.1)
    assert owner.memory == 0


def test_writers_go_on_beside_readers_that_take_nothing() -> None:
    engine, _ = budgeted(30)
    for number in range(12):
        request = b"SHUFFLE.FETCH job/0 0 CREDIT 60000000\r\n"
        engine.session(f"reader{number}").feed(request * 5)
        engine.wait(0.1)
    later = Job(engine, b"later")
    later.open(1, 1)
    for seq in range(100):
        reply = later.push_one(0, 5, 0, seq, bytes([seq]) * (1 << 18))
        assert isinstance(reply, int), (seq, reply)
        engine.wait(0.01)
    owner = engine.node.shuffles.owner
    assert owner.memory <= 16 << 20
    engine.node.check()
