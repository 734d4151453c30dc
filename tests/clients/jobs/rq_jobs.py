"""Functions that RQ's workers call."""

from __future__ import annotations

import os
import time

from redis import Redis
from rq import get_current_job


def server() -> Redis:
    """A plain client, for what the jobs leave behind."""
    return Redis.from_url(os.environ["SERVER_URL"], decode_responses=True)


def add(left: int, right: int) -> int:
    return left + right


def divide(left: int, right: int) -> float:
    return left / right


def flaky(key: str, failures: int) -> int:
    """Fail `failures` times; the number of the try that went well."""
    tries = int(server().incr(key))
    if tries <= failures:
        raise RuntimeError(f"try {tries}")
    return tries


def progress() -> str:
    """Leave a note in the job's own hash."""
    job = get_current_job()
    assert job is not None
    job.meta["step"] = "half"
    job.save_meta()
    return str(job.id)


def sum_of_dependencies() -> int:
    """The sum of what the jobs returned that this one waited for."""
    job = get_current_job()
    assert job is not None
    return sum(int(other.return_value()) for other in job.fetch_dependencies())


def hang(key: str) -> None:
    server().set(key, "started")
    time.sleep(60)


def note(name: str) -> None:
    server().rpush("notes", name)


def succeeded(job: object, connection: Redis, result: object) -> None:
    connection.rpush("callbacks", f"success {result}")


def failed(job: object, connection: Redis, kind: type, error: Exception, trace: object) -> None:
    connection.rpush("callbacks", f"failure {error}")
