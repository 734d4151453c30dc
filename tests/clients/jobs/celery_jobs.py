"""A Celery application: broker and results on the server under test."""

from __future__ import annotations

import os
import time
from typing import Final

import redis
from celery import Celery, Task

# A message that nobody confirmed within this time goes to another worker.
VISIBILITY_TIMEOUT_S: Final = 3

app = Celery("jobs")
app.conf.update(
    broker_url=os.environ.get("SERVER_URL"),
    result_backend=os.environ.get("SERVER_URL"),
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S},
    worker_prefetch_multiplier=1,
    task_track_started=True,
    result_expires=600,
)


def server() -> redis.Redis:
    """A plain client, for what the tasks leave behind."""
    return redis.Redis.from_url(os.environ["SERVER_URL"], decode_responses=True)


@app.task(name="add")
def add(left: int, right: int) -> int:
    return left + right


@app.task(name="total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(name="flaky", bind=True, max_retries=5)
def flaky(self: Task, key: str, failures: int) -> int:
    """Fail `failures` times; the number of the try that went well."""
    tries = int(server().incr(key))
    if tries <= failures:
        raise self.retry(exc=ValueError(f"try {tries}"), countdown=0.05)
    return tries


@app.task(name="fail")
def fail(text: str) -> None:
    raise ValueError(text)


@app.task(name="now")
def now() -> float:
    return time.time()


@app.task(name="once_stuck", acks_late=True, reject_on_worker_lost=True)
def once_stuck(key: str) -> str:
    """Hang at the first try; the process is killed meanwhile."""
    if server().incr(key) == 1:
        time.sleep(60)
    return "done by another worker"
