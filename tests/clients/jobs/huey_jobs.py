"""A Huey instance with its tasks."""

from __future__ import annotations

import os
import time

import redis
from huey import PriorityRedisHuey

huey = PriorityRedisHuey("jobs", url=os.environ["SERVER_URL"], blocking=True, read_timeout=1)


def server() -> redis.Redis:
    """A plain client, for what the tasks leave behind."""
    return redis.Redis.from_url(os.environ["SERVER_URL"], decode_responses=True)


@huey.task()
def add(left: int, right: int) -> int:
    return left + right


@huey.task()
def total(numbers: list[int]) -> int:
    return sum(numbers)


@huey.task(retries=3)
def flaky(key: str, failures: int) -> int:
    """Fail `failures` times; the number of the try that went well."""
    tries = int(server().incr(key))
    if tries <= failures:
        raise ValueError(f"try {tries}")
    return tries


@huey.task()
def fail(text: str) -> None:
    raise ValueError(text)


@huey.task()
def now() -> float:
    return time.time()


@huey.task()
def note(name: str) -> None:
    server().rpush("order", name)


@huey.task()
def wait_for(key: str) -> None:
    """Hold a worker until `key` exists."""
    deadline = time.monotonic() + 20
    while not server().exists(key) and time.monotonic() < deadline:
        time.sleep(0.02)


@huey.task()
def locked(key: str) -> int:
    """The number of those that were inside the lock at the same time."""
    with huey.lock_task("door"):
        inside = int(server().incr(key))
        time.sleep(0.2)
        server().decr(key)
        return inside
