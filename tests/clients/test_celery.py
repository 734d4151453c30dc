"""Celery: a pool of worker processes, with broker and results on the node."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import chain, chord, group

from tests.wire.servers import Server

from .jobs import celery_jobs as jobs
from .processes import Process, environment, wait_until

TIMEOUT_S = 30


def worker(node: Server, folder: Path, *options: str) -> Process:
    command = [sys.executable, "-m", "celery", "-A", "celery_jobs", "worker", "--loglevel", "INFO"]
    return Process([*command, *options], environment(node.port), folder, "ready.")


@pytest.fixture(scope="module", autouse=True)
def pool(node: Server, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A worker with two processes; this process is its client."""
    jobs.app.conf.update(broker_url=url, result_backend=url)
    with worker(node, tmp_path_factory.mktemp("celery"), "-c", "2", "-n", "first@%h") as process:
        yield process
    jobs.app.close()


def test_a_group_returns_its_results_in_order() -> None:
    results = group(jobs.add.s(number, number) for number in range(40))()
    assert results.get(timeout=TIMEOUT_S) == [2 * number for number in range(40)]
    assert results.successful()


def test_a_chain_passes_each_result_on() -> None:
    result = chain(jobs.add.s(1, 2), jobs.add.s(10), jobs.add.s(100))()
    assert result.get(timeout=TIMEOUT_S) == 113
    assert result.parent.get(timeout=TIMEOUT_S) == 13


def test_a_chord_calls_back_with_all_results() -> None:
    header = [jobs.add.s(number, 1) for number in range(20)]
    assert chord(header)(jobs.total.s()).get(timeout=TIMEOUT_S) == sum(range(1, 21))


def test_a_chord_of_chains_and_groups_joins_them_all() -> None:
    header = [chain(jobs.add.s(n, 1), jobs.add.s(100)) for n in range(4)]
    steps = chain(group(header), jobs.total.s(), jobs.add.s(1))
    assert steps().get(timeout=TIMEOUT_S) == sum(range(101, 105)) + 1


def test_a_failed_part_fails_the_chord() -> None:
    result = chord([jobs.add.s(1, 1), jobs.fail.s("broken part")])(jobs.total.s())
    with pytest.raises(Exception, match="broken part"):
        result.get(timeout=TIMEOUT_S)


def test_a_task_is_tried_again_until_it_goes_well(direct: redis.Redis) -> None:
    assert jobs.flaky.delay("tries", 3).get(timeout=TIMEOUT_S) == 4
    assert direct.get("tries") == "4"


def test_a_failure_reaches_the_caller_with_its_traceback() -> None:
    result = jobs.fail.delay("no such luck")
    with pytest.raises(ValueError, match="no such luck"):
        result.get(timeout=TIMEOUT_S)
    assert result.state == "FAILURE"
    assert "raise ValueError(text)" in result.traceback


def test_a_countdown_is_waited_for() -> None:
    start = time.time()
    assert jobs.now.apply_async(countdown=1).get(timeout=TIMEOUT_S) >= start + 1


def test_results_are_kept_until_they_are_forgotten(direct: redis.Redis) -> None:
    result = jobs.add.delay(3, 4)
    assert result.get(timeout=TIMEOUT_S) == 7
    key = f"celery-task-meta-{result.id}"
    assert 0 < direct.ttl(key) <= 600
    result.forget()
    assert not direct.exists(key)


def test_a_revoked_task_does_not_run() -> None:
    result = jobs.add.apply_async((1, 1), countdown=1)
    assert jobs.app.control.revoke(result.id, reply=True, timeout=5, limit=1)
    with pytest.raises(Exception, match="revoked"):
        result.get(timeout=TIMEOUT_S)


def test_workers_answer_the_remote_control() -> None:
    inspection = jobs.app.control.inspect(timeout=5)
    inspection.limit = 1
    (name,) = inspection.ping()
    assert name.startswith("first@")
    assert "flaky" in inspection.registered()[name]


def test_a_task_of_a_killed_worker_is_done_by_another(
    node: Server, pool: Process, tmp_path: Path, direct: redis.Redis
) -> None:
    with worker(node, tmp_path, "-c", "1", "-n", "doomed@%h", "-Q", "risky") as doomed:
        result = jobs.once_stuck.apply_async(("stuck",), queue="risky")
        wait_until(lambda: direct.get("stuck") == "1")
        doomed.kill()
    assert direct.hlen("unacked") == 1
    # Workers look for messages whose time is over when they start, then seldom.
    (tag,) = direct.hkeys("unacked")
    delivered = float(direct.zscore("unacked_index", tag) or 0)
    wait_until(lambda: time.time() > delivered + jobs.VISIBILITY_TIMEOUT_S)
    with worker(node, tmp_path, "-c", "1", "-n", "heir@%h", "-Q", "risky"):
        assert result.get(timeout=TIMEOUT_S) == "done by another worker"
    wait_until(lambda: direct.hlen("unacked") == 0)
