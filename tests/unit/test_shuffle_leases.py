"""How long shuffles live: leases, and what is left of one that is no more."""

from __future__ import annotations

import pytest

from kvnode.shuffle.spill_file import checksum_of

from .engine import Engine, output
from .shufflers import Job


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_what_nobody_uses_expires_and_all_its_memory_is_free(engine: Engine) -> None:
    job = Job(engine)
    job.open(2, 1, b"TTL", 5)
    job.push(0, 5, {0: [b"x" * 1000]})
    engine.wait(4.9)
    assert job.status()["bytes"] == 1000
    engine.wait(4.9)
    assert job.ask(b"LIST") != []  # which renews nothing
    engine.wait(1.1)
    assert job.ask(b"LIST") == []
    assert engine.node.shuffles.owner.memory == 0
    assert engine.node.shuffles.expired == 1
    for reply in (job.push_one(0, 5, 0, 1, b"y"), job.missing()):
        assert isinstance(reply, str) and reply.startswith("NOSHUFFLE expired: ")


@pytest.mark.parametrize(
    "words",
    [
        (b"OPEN", b"job", 2, 1, b"TTL", 5),
        (b"PING", b"job"),
        (b"STATUS", b"job"),
        (b"MISSING", b"job"),
        (b"COMMIT", b"job", 0, 5, b"[]"),
        (b"ABORT", b"job", 0, 6),
        (b"SEAL", b"job"),
        (b"FETCH", b"job/0", 0, b"CREDIT", 1),
        (b"ACK", b"job/0"),
        (b"WAIT", b"job", 1),
        (b"PUSH", b"job/0", 0, 6, 0, checksum_of(b"x"), b"x"),
        (b"MPUSH", 0, 6, b"job/0", 0, checksum_of(b"x"), b"x"),
    ],
)
def test_every_use_renews_the_lease(engine: Engine, words: tuple[bytes | int, ...]) -> None:
    job = Job(engine)
    job.open(2, 1, b"TTL", 5)
    for _ in range(3):
        engine.wait(4)
        job.ask(*words)
        output(engine.session())
    assert job.ask(b"LIST") != []


@pytest.mark.parametrize("seconds", [-86_400.0, 86_400.0])
def test_a_lease_does_not_run_while_the_clock_is_set(engine: Engine, seconds: float) -> None:
    job = Job(engine)
    job.open(2, 1, b"TTL", 60)
    engine.wait(0)
    engine.wait(seconds)
    for _ in range(4):
        engine.wait(9)
    assert job.ask(b"LIST") != []
    for _ in range(4):
        engine.wait(9)
    assert job.ask(b"LIST") == []
    assert engine.node.shuffles.expired == 1


def test_an_end_leaves_a_tombstone_for_the_ttl(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1, b"TTL", 5)
    job.ask(b"END", b"job")
    text = "NOSHUFFLE ended: the shuffle job is no more, its id is free in 5 seconds"
    assert job.push_one(0, 5, 0, 0, b"late") == text
    assert job.commit(0, 5, {}) == text
    assert job.open(1, 1, b"TTL", 5) == text
    assert job.fetch(0) == text
    engine.wait(5.1)
    reply = job.fetch(0)
    assert isinstance(reply, str) and reply.startswith("NOSHUFFLE unknown: ")
    assert isinstance(job.open(7, 1), list)
