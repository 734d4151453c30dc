"""A few rounds of each fault of `shuffle_rounds`, against a node of its own."""

from __future__ import annotations

import os
import threading
import time

import pytest

from kvclient.errors import ShuffleStale
from kvclient.shuffle import Shuffle

from .shuffle_jobs import Job, Service, new_id, until_reachable
from .shuffle_load import stalled_load
from .shuffle_rounds import FAULTS, LOGGED, ON_SMALL_DISKS, rounds_of, run_missing

MB = 1 << 20
ROUNDS = {
    "killed_clients": 2,
    **dict.fromkeys(("full_disk", "full_disk_with_log", "limited_disk", "reserve_for_the_log"), 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_readers_get_exactly_their_rows_or_an_error_with_a_type(fault: str) -> None:
    if fault in ON_SMALL_DISKS and os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    rounds = ROUNDS.get(fault, 3)
    assert len(rounds_of(fault, rounds, 1)) == rounds


def test_memory_stays_within_the_budget_whoever_stalls() -> None:
    figures = stalled_load(64, 0.25)
    assert figures.rss - figures.rss_at_start < 64 * MB * 1.15, str(figures)


def test_what_was_read_before_a_loss_does_not_go_with_what_came_after_it() -> None:
    job = Job(new_id(), maps=2, partitions=2, is_deterministic=False)
    with Service(*LOGGED) as service, service.client() as client, job.open(client) as shuffle:
        run_missing(job, shuffle)
        epoch = shuffle.wait(10.0)
        job.check(0, shuffle.read(0, epoch=epoch))
        service.kill()
        service.restart()
        until_reachable(client)
        # Another one has seen to what was lost.
        assert run_missing(job, Shuffle.attach(client, job.id)) == [0, 1]
        with pytest.raises(ShuffleStale):
            shuffle.acknowledge(0)
        with pytest.raises(ShuffleStale):
            list(shuffle.read(1, epoch=epoch))
        job.check_all(shuffle)
        shuffle.acknowledge(0)


def test_a_shuffle_lives_while_somebody_waits_for_it() -> None:
    job = Job(new_id(), maps=1, partitions=1)
    with Service() as service, service.client() as client:
        shuffle = job.open(client, ttl_s=1)
        waiting = threading.Thread(target=shuffle.wait)
        waiting.start()
        time.sleep(3.5)
        job.run_map(Shuffle.attach(client, job.id), 0)
        waiting.join()
        job.check_all(shuffle)
