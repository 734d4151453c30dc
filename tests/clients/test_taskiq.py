"""taskiq: workers on a stream with a consumer group, and on a list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from tests.wire.servers import Server

from .processes import Process, environment, load_jobs, script, wait_until

TIMEOUT_S = 20


@pytest.fixture(scope="module")
def jobs(node: Server) -> Any:
    return load_jobs("taskiq_jobs", node.port)


@pytest.fixture(scope="module", autouse=True)
def workers(node: Server, jobs: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two workers of the stream, one of the list."""
    with ExitStack() as stack:
        for broker, count in (("stream_broker", "2"), ("list_broker", "1")):
            command = [script("taskiq"), "worker", f"taskiq_jobs:{broker}", "--workers", count]
            folder = tmp_path_factory.mktemp(broker)
            process = Process(command, environment(node.port), folder, "Listening started.")
            stack.enter_context(process)
        yield


@pytest.fixture(autouse=True)
async def started(jobs: Any) -> AsyncIterator[None]:
    """The client's side of both brokers."""
    brokers = (jobs.stream_broker, jobs.list_broker)
    for broker in brokers:
        await broker.startup()
    yield
    for broker in brokers:
        await broker.shutdown()


@pytest.fixture
def direct(node: Server) -> Iterator[redis.Redis]:
    """A plain client; the server is not emptied, for the workers keep their consumer group."""
    with redis.Redis(port=node.port, decode_responses=True) as client:
        yield client


async def test_tasks_on_a_stream_return_their_results(jobs: Any) -> None:
    tasks = [await jobs.add.kiq(number, 1) for number in range(30)]
    results = await asyncio.gather(*(task.wait_result(timeout=TIMEOUT_S) for task in tasks))
    assert [result.return_value for result in results] == list(range(1, 31))


async def test_tasks_on_a_list_return_their_results(jobs: Any, direct: redis.Redis) -> None:
    tasks = [await jobs.add_from_list.kiq(number, 2) for number in range(30)]
    results = await asyncio.gather(*(task.wait_result(timeout=TIMEOUT_S) for task in tasks))
    assert [result.return_value for result in results] == list(range(2, 32))
    assert not direct.exists(*(task.task_id for task in tasks))


async def test_a_failed_task_is_tried_again(jobs: Any) -> None:
    task = await jobs.flaky.kiq("taskiq-tries", 2)
    result = await task.wait_result(timeout=TIMEOUT_S)
    assert result.return_value == 3


async def test_a_failure_reaches_the_caller(jobs: Any) -> None:
    result = await (await jobs.fail.kiq("no such luck")).wait_result(timeout=TIMEOUT_S)
    assert result.is_err
    with pytest.raises(ValueError, match="no such luck"):
        result.raise_for_error()


async def test_the_workers_confirm_what_they_have_done(jobs: Any, direct: redis.Redis) -> None:
    task = await jobs.now.kiq()
    await task.wait_result(timeout=TIMEOUT_S)
    wait_until(lambda: direct.xpending("stream-jobs", "taskiq")["pending"] == 0)
    (group,) = direct.xinfo_groups("stream-jobs")
    assert group["lag"] == 0
    assert group["entries-read"] == direct.xlen("stream-jobs")
    assert len(direct.xinfo_consumers("stream-jobs", "taskiq")) >= 1
