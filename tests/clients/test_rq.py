"""RQ: workers with a scheduler, on the node's lists, hashes, sorted sets and streams."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from redis import Redis
from rq import Callback, Queue, Repeat, Retry, Worker
from rq.command import send_stop_job_command
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

from tests.wire.servers import Server

from .processes import Process, environment, script, wait_until


@pytest.fixture(scope="module")
def connection(node: Server) -> Iterator[Redis]:
    """The client that RQ is given; it stores pickles, so replies stay bytes."""
    with Redis(port=node.port) as connection:
        yield connection


@pytest.fixture(scope="module", autouse=True)
def workers(
    node: Server, url: str, connection: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Two workers that look at `high` before `low`."""
    command = [script("rq"), "worker", "--url", url, "--with-scheduler", "high", "low"]
    with ExitStack() as stack:
        for number in range(2):
            folder = tmp_path_factory.mktemp("rq")
            process = Process(
                [*command, "--name", f"worker-{number}"],
                environment(node.port),
                folder,
                "Listening on",
            )
            stack.enter_context(process)
        yield


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue("low", connection=connection)


def finished(job: Job) -> bool:
    return bool(job.get_status(refresh=True) in {"finished", "failed", "stopped", "canceled"})


def test_a_job_returns_its_result(queue: Queue) -> None:
    job = queue.enqueue("rq_jobs.add", 2, 3)
    wait_until(lambda: finished(job))
    assert job.return_value() == 5
    assert job in FinishedJobRegistry(queue=queue)


def test_a_job_keeps_its_last_results(queue: Queue) -> None:
    job = queue.enqueue("rq_jobs.add", 20, 30)
    wait_until(lambda: finished(job))
    (result,) = job.results()
    assert result.type == result.Type.SUCCESSFUL
    assert result.return_value == 50


def test_many_jobs_are_all_done(queue: Queue) -> None:
    jobs = queue.enqueue_many([Queue.prepare_data("rq_jobs.add", (n, 1)) for n in range(10)])
    wait_until(lambda: all(finished(job) for job in jobs))
    assert [job.return_value() for job in jobs] == list(range(1, 11))


def test_a_failed_job_stands_in_the_registry_with_its_traceback(queue: Queue) -> None:
    job = queue.enqueue("rq_jobs.divide", 1, 0)
    wait_until(lambda: finished(job))
    registry = FailedJobRegistry(queue=queue)
    assert job in registry
    result = job.latest_result()
    assert result is not None
    assert "ZeroDivisionError" in str(result.exc_string)
    registry.requeue(job)
    wait_until(lambda: len(list(job.results())) == 2)


def test_a_failed_job_is_tried_again(queue: Queue, connection: Redis) -> None:
    job = queue.enqueue("rq_jobs.flaky", "rq-tries", 2, retry=Retry(max=3))
    wait_until(lambda: finished(job))
    assert job.return_value() == 3
    assert connection.get("rq-tries") == b"3"


def test_a_job_waits_for_those_it_depends_on(queue: Queue) -> None:
    parts = [queue.enqueue("rq_jobs.add", number, number) for number in range(4)]
    total = queue.enqueue("rq_jobs.sum_of_dependencies", depends_on=parts)
    wait_until(lambda: finished(total))
    assert total.return_value() == 12


def test_the_scheduler_enqueues_a_job_when_it_is_due(queue: Queue) -> None:
    due = datetime.timedelta(seconds=1)
    job = queue.enqueue_in(due, "rq_jobs.add", 1, 1)
    assert job in ScheduledJobRegistry(queue=queue)
    wait_until(lambda: finished(job))
    assert job.return_value() == 2
    assert job not in ScheduledJobRegistry(queue=queue)


def test_a_job_is_repeated(queue: Queue, connection: Redis) -> None:
    queue.enqueue("rq_jobs.note", "again", repeat=Repeat(times=1, interval=1))
    wait_until(lambda: connection.lrange("notes", 0, -1) == [b"again", b"again"])


def test_a_job_leaves_notes_and_callbacks_run(queue: Queue, connection: Redis) -> None:
    job = queue.enqueue("rq_jobs.progress", on_success=Callback("rq_jobs.succeeded"))
    broken = queue.enqueue("rq_jobs.divide", 1, 0, on_failure=Callback("rq_jobs.failed"))
    wait_until(lambda: connection.llen("callbacks") == 2)
    wait_until(lambda: finished(job) and finished(broken))
    assert job.get_meta()["step"] == "half"
    assert set(connection.lrange("callbacks", 0, -1)) == {
        f"success {job.id}".encode(),
        b"failure division by zero",
    }


def test_a_running_job_is_stopped_by_a_message(queue: Queue, connection: Redis) -> None:
    job = queue.enqueue("rq_jobs.hang", "rq-hang")
    wait_until(lambda: connection.get("rq-hang") == b"started")
    send_stop_job_command(connection, job.id)
    wait_until(lambda: finished(job))
    assert job.get_status() == "stopped"


def test_the_workers_are_registered(connection: Redis) -> None:
    workers = Worker.all(connection=connection)
    assert sorted(worker.name for worker in workers) == ["worker-0", "worker-1"]
    assert {name for worker in workers for name in worker.queue_names()} == {"high", "low"}


def test_a_deleted_job_is_gone(connection: Redis) -> None:
    job = Queue("nobody", connection=connection).enqueue("rq_jobs.add", 1, 1)
    job.delete()
    with pytest.raises(NoSuchJobError):
        Job.fetch(job.id, connection=connection)
    assert not list(connection.scan_iter(match=f"*{job.id}*"))
