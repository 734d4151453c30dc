"""Huey: a consumer with worker processes and a scheduler; priorities in a sorted set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from huey import group

from tests.wire.servers import Server

from .processes import Process, environment, load_jobs, script, wait_until

TIMEOUT_S = 20


@pytest.fixture(scope="module")
def jobs(node: Server) -> Any:
    return load_jobs("huey_jobs", node.port)


@pytest.fixture(scope="module", autouse=True)
def consumer(node: Server, jobs: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A consumer with two worker processes."""
    command = [script("huey_consumer"), "huey_jobs.huey", "-w", "2", "-k", "process", "-s", "1"]
    folder = tmp_path_factory.mktemp("huey")
    with Process(command, environment(node.port), folder, "huey_jobs.add"):
        yield


@pytest.fixture(autouse=True)
def empty(direct: redis.Redis) -> None:
    """Each test starts on an empty server."""


def test_tasks_return_their_results(jobs: Any) -> None:
    results = [jobs.add(number, 1) for number in range(20)]
    assert [r.get(blocking=True, timeout=TIMEOUT_S) for r in results] == list(range(1, 21))


def test_a_pipeline_passes_each_result_on(jobs: Any) -> None:
    steps = jobs.add.s(1, 2).then(jobs.add, 10).then(jobs.add, 100)
    assert jobs.huey.enqueue(steps).get(blocking=True, timeout=TIMEOUT_S) == [3, 13, 113]


def test_a_chord_calls_back_with_all_results(jobs: Any) -> None:
    members = group([jobs.add.s(number, 1) for number in range(8)])
    result = jobs.huey.enqueue(members.then(jobs.total))
    assert result.get(blocking=True, timeout=TIMEOUT_S) == sum(range(1, 9))


def test_a_failed_task_is_tried_again(jobs: Any, direct: redis.Redis) -> None:
    result = jobs.flaky("tries", 2)
    wait_until(lambda: direct.get("tries") == "3")
    assert result.get(blocking=True, timeout=TIMEOUT_S, preserve=True) == 3


def test_a_failure_reaches_the_caller(jobs: Any) -> None:
    with pytest.raises(Exception, match="no such luck"):
        jobs.fail("no such luck").get(blocking=True, timeout=TIMEOUT_S)


def test_the_scheduler_waits_until_a_task_is_due(jobs: Any) -> None:
    start = time.time()
    result = jobs.now.schedule(delay=1)
    wait_until(lambda: jobs.huey.scheduled_count() == 1)
    assert result.get(blocking=True, timeout=TIMEOUT_S) >= start + 0.9
    assert jobs.huey.scheduled_count() == 0


def test_a_revoked_task_does_not_run(jobs: Any, direct: redis.Redis) -> None:
    revoked = jobs.note.schedule(("revoked",), delay=0.5)
    revoked.revoke()
    assert revoked.is_revoked()
    kept = jobs.note.schedule(("kept",), delay=0.5)
    wait_until(lambda: direct.lrange("order", 0, -1) == ["kept"])
    wait_until(lambda: jobs.huey.scheduled_count() + len(jobs.huey) == 0)
    assert not kept.is_revoked()
    assert direct.lrange("order", 0, -1) == ["kept"]


def test_the_most_urgent_task_is_first(jobs: Any, direct: redis.Redis) -> None:
    for worker in range(2):
        jobs.wait_for(f"go-{worker}")
    wait_until(lambda: len(jobs.huey) == 0)
    for priority in (1, 9, 5):
        jobs.note(f"priority {priority}", priority=priority)
    assert len(jobs.huey) == 3
    direct.set("go-0", 1)
    wait_until(lambda: direct.llen("order") == 3)
    assert direct.lrange("order", 0, -1) == ["priority 9", "priority 5", "priority 1"]
    direct.set("go-1", 1)


def test_a_lock_lets_one_task_in(jobs: Any) -> None:
    results = [jobs.locked("inside") for _ in range(2)]
    outcomes = []
    for result in results:
        try:
            outcomes.append(result.get(blocking=True, timeout=TIMEOUT_S))
        except Exception as error:
            outcomes.append(str(error))
    assert outcomes.count(1) >= 1
    assert all(outcome == 1 or "unable to acquire lock" in str(outcome) for outcome in outcomes)
