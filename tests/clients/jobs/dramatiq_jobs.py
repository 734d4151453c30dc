"""A Dramatiq broker with its actors."""

from __future__ import annotations

import os
import time

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as ResultBackend

URL = os.environ["SERVER_URL"]
broker = RedisBroker(url=URL, maintenance_chance=100_000, heartbeat_timeout=2_000)
broker.add_middleware(Results(backend=ResultBackend(url=URL)))
limits = LimiterBackend(url=URL)
broker.add_middleware(GroupCallbacks(limits))
dramatiq.set_broker(broker)


def server() -> redis.Redis:
    """A plain client, for what the actors leave behind."""
    return redis.Redis.from_url(URL, decode_responses=True)


@dramatiq.actor(store_results=True)
def add(left: int, right: int) -> int:
    return left + right


@dramatiq.actor(store_results=True, min_backoff=50, max_backoff=100, max_retries=5)
def flaky(key: str, failures: int) -> int:
    """Fail `failures` times; the number of the try that went well."""
    tries = int(server().incr(key))
    if tries <= failures:
        raise ValueError(f"try {tries}")
    return tries


@dramatiq.actor(max_retries=0)
def fail(text: str) -> None:
    raise ValueError(text)


@dramatiq.actor(store_results=True)
def now() -> float:
    return time.time()


@dramatiq.actor
def note(name: str) -> None:
    server().rpush("notes", name)


@dramatiq.actor(min_backoff=50, max_backoff=100, max_retries=200)
def limited(name: str) -> None:
    """Note how many run at the same time; one at most may."""
    with ConcurrentRateLimiter(limits, "one-at-a-time", limit=1).acquire():
        inside = server().incr("inside")
        time.sleep(0.05)
        server().decr("inside")
        server().hset("limited", name, inside)
