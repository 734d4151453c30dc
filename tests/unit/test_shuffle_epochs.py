"""What was read before a loss, and is acknowledged after it."""

from __future__ import annotations

from .engine import Engine
from .shufflers import Job, blocks_of


def run_again(deterministic: list[bytes]) -> Job:
    """A shuffle in its second epoch, after the loss of a map."""
    engine = Engine()
    job = Job(engine)
    job.open(2, 2, *deterministic)
    for number in range(2):
        job.run(number, number + 1, blocks_of(number))
    shuffles = engine.node.shuffles
    shuffles._lose(shuffles.manifests[b"job"], {1})
    assert str(job.ask(b"ACK", b"job/0", b"EPOCH", 1)).startswith("SHUFFLELOST ")
    job.run(1, 7, blocks_of(1))
    return job


def test_rows_of_an_earlier_epoch_are_not_acknowledged() -> None:
    job = run_again([])
    assert str(job.ask(b"ACK", b"job/0", b"EPOCH", 1)).startswith("SHUFFLESTALE 2 ")
    assert job.status()["consumed"] == 0
    assert job.ask(b"ACK", b"job/0", b"EPOCH", 2) == b"OK"
    assert job.ask(b"ACK", b"job/1") == b"OK"
    assert job.status()["consumed"] == 2


def test_equal_rows_are_acknowledged_in_any_epoch() -> None:
    job = run_again([b"DETERMINISTIC"])
    assert job.ask(b"ACK", b"job/0", b"EPOCH", 1) == b"OK"


def test_what_is_no_epoch_is_refused() -> None:
    job = run_again([])
    assert job.ask(b"ACK", b"job/0", b"AGE", 1) == "ERR syntax error"
    assert job.ask(b"ACK", b"job/0", b"EPOCH", -1) == "ERR value is out of range, must be positive"
