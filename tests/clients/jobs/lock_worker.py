"""Adds to a counter, reading and writing it in two steps, under the lock that is named."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import Any

import redis
import redis_lock
from dogpile.cache import make_region
from pottery import Redlock

ROUNDS = 25


def lock(kind: str, client: redis.Redis) -> AbstractContextManager[Any]:
    """A lock of one library."""
    if kind == "redis-py":
        return client.lock("door", timeout=10, sleep=0.005)
    if kind == "python-redis-lock":
        return redis_lock.Lock(client, "door", expire=10, auto_renewal=True)
    if kind == "pottery":
        return Redlock(key="door", masters={client}, auto_release_time=10)
    region = make_region().configure(
        "dogpile.cache.redis",
        arguments={
            "url": os.environ["SERVER_URL"],
            "distributed_lock": True,
            "lock_timeout": 10,
            "lock_sleep": 0.005,
        },
    )
    return region.backend.get_mutex("door")


class Held:
    """Holds what has only acquire and release."""

    def __init__(self, mutex: Any) -> None:
        self.mutex = mutex

    def __enter__(self) -> None:
        self.mutex.acquire()

    def __exit__(self, *error: object) -> None:
        self.mutex.release()


def main(kind: str) -> None:
    client = redis.Redis.from_url(os.environ["SERVER_URL"])
    print("started", flush=True)
    for _ in range(ROUNDS):
        with Held(lock(kind, client)):
            client.set("counter", int(client.get("counter") or 0) + 1)
    print("finished", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
