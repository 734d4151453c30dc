"""Dramatiq: its broker is one Lua script over lists, hashes and sorted sets."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
import redis

from tests.wire.servers import Server

from .processes import Process, environment, load_jobs, wait_until

TIMEOUT_MS = 20_000


@pytest.fixture(scope="module")
def jobs(node: Server) -> Any:
    return load_jobs("dramatiq_jobs", node.port)


@pytest.fixture(scope="module", autouse=True)
def workers(node: Server, jobs: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One worker process with four threads."""
    command = [sys.executable, "-m", "dramatiq", "dramatiq_jobs", "-p", "1", "-t", "4"]
    folder = tmp_path_factory.mktemp("dramatiq")
    with Process(command, environment(node.port), folder, "ready for action"):
        yield


def test_an_actor_returns_its_result(jobs: Any) -> None:
    assert jobs.add.send(2, 3).get_result(block=True, timeout=TIMEOUT_MS) == 5


def test_a_group_returns_all_results(jobs: Any) -> None:
    members = dramatiq.group([jobs.add.message(number, 1) for number in range(50)]).run()
    assert list(members.get_results(block=True, timeout=TIMEOUT_MS)) == list(range(1, 51))


def test_a_group_calls_back_when_all_are_done(jobs: Any, direct: redis.Redis) -> None:
    members = dramatiq.group([jobs.add.message(number, 1) for number in range(5)])
    members.add_completion_callback(jobs.note.message("complete"))
    members.run()
    wait_until(lambda: direct.lrange("notes", 0, -1) == ["complete"])


def test_a_pipeline_passes_each_result_on(jobs: Any) -> None:
    steps = jobs.add.message(1, 2) | jobs.add.message(10) | jobs.add.message(100)
    assert steps.run().get_result(block=True, timeout=TIMEOUT_MS) == 113


def test_a_failed_message_is_tried_again_with_a_delay(jobs: Any, direct: redis.Redis) -> None:
    message = jobs.flaky.send("tries", 2)
    assert message.get_result(block=True, timeout=TIMEOUT_MS) == 3
    assert direct.get("tries") == "3"


def test_a_message_that_fails_for_good_is_dead_lettered(jobs: Any, direct: redis.Redis) -> None:
    message = jobs.fail.send("no such luck")
    wait_until(lambda: direct.zcard("dramatiq:default.XQ") == 1)
    assert message.options["redis_message_id"] in direct.zrange("dramatiq:default.XQ", 0, -1)
    assert "no such luck" in direct.hvals("dramatiq:default.XQ.msgs")[0]


def test_a_delayed_message_waits(jobs: Any) -> None:
    start = time.time()
    message = jobs.now.send_with_options(delay=500)
    assert message.get_result(block=True, timeout=TIMEOUT_MS) >= start + 0.5


def test_a_rate_limiter_lets_one_actor_in(jobs: Any, direct: redis.Redis) -> None:
    for number in range(6):
        jobs.limited.send(f"actor {number}")
    wait_until(lambda: direct.hlen("limited") == 6)
    assert set(direct.hvals("limited")) == {"1"}


def test_a_queue_is_joined_and_flushed(jobs: Any, direct: redis.Redis) -> None:
    for number in range(20):
        jobs.note.send(f"note {number}")
    jobs.broker.join("default", timeout=TIMEOUT_MS)
    assert set(direct.lrange("notes", 0, -1)) == {f"note {number}" for number in range(20)}
    jobs.broker.flush_all()
    assert not direct.exists("dramatiq:default", "dramatiq:default.msgs")
