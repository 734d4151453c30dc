"""limits and Flask-Limiter: windows that several processes fill together."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import limits
import pytest
import redis
from limits.aio.storage import RedisStorage as AsyncRedisStorage
from limits.aio.strategies import MovingWindowRateLimiter as AsyncMovingWindow
from limits.storage import RedisStorage
from limits.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    SlidingWindowCounterRateLimiter,
)

from tests.wire.servers import Server

from .processes import two_of_a_site, wait_until

STRATEGIES = [FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter]
TEN_AN_HOUR = limits.parse("10 per hour")


@pytest.fixture(params=STRATEGIES, ids=lambda strategy: str(strategy.__name__))
def limiter(request: pytest.FixtureRequest, url: str, direct: redis.Redis) -> Any:
    """A limiter of each strategy."""
    return request.param(RedisStorage(url))


@pytest.fixture(scope="module")
def sites(node: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two processes of one site."""
    with two_of_a_site("flask_site.py", node.port, tmp_path_factory.mktemp("flask")) as addresses:
        yield addresses


def ask(address: str) -> tuple[int, str | None]:
    """The status of a page and how many more requests are allowed."""
    try:
        with urllib.request.urlopen(address, timeout=20) as reply:
            return reply.status, reply.headers["X-RateLimit-Remaining"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["X-RateLimit-Remaining"]


def test_the_limit_is_allowed_and_not_one_more(limiter: Any) -> None:
    outcomes = [limiter.hit(TEN_AN_HOUR, "user", "page") for _ in range(12)]
    assert outcomes == [True] * 10 + [False] * 2
    assert limiter.hit(TEN_AN_HOUR, "another", "page")
    assert not limiter.test(TEN_AN_HOUR, "user", "page")


def test_a_hit_may_cost_more_than_one(limiter: Any) -> None:
    assert limiter.hit(TEN_AN_HOUR, "user", cost=7)
    assert limiter.test(TEN_AN_HOUR, "user", cost=3)
    assert not limiter.test(TEN_AN_HOUR, "user", cost=4)
    assert not limiter.hit(TEN_AN_HOUR, "user", cost=4)


def test_the_state_of_a_window_is_told(limiter: Any) -> None:
    for _ in range(4):
        limiter.hit(TEN_AN_HOUR, "user")
    asked_at = time.time()
    state = limiter.get_window_stats(TEN_AN_HOUR, "user")
    assert state.remaining == 6
    # A sliding window asked about in its first millisecond says that it ends now.
    assert asked_at <= state.reset_time <= time.time() + 3601


def test_a_cleared_window_starts_anew(limiter: Any, direct: redis.Redis) -> None:
    for _ in range(10):
        limiter.hit(TEN_AN_HOUR, "user")
    limiter.clear(TEN_AN_HOUR, "user")
    assert limiter.hit(TEN_AN_HOUR, "user")
    keys = direct.keys()
    assert keys
    assert all(0 < direct.ttl(key) <= 7200 for key in keys)


def test_a_moving_window_moves(url: str, direct: redis.Redis) -> None:
    limiter = MovingWindowRateLimiter(RedisStorage(url))
    two = limits.parse("2 per 4 second")
    assert [limiter.hit(two) for _ in range(3)] == [True, True, False]
    wait_until(lambda: limiter.hit(two))


def test_a_storage_is_checked_and_reset(url: str, direct: redis.Redis) -> None:
    storage = RedisStorage(url)
    assert storage.check()
    limiter = FixedWindowRateLimiter(storage)
    for number in range(5):
        limiter.hit(TEN_AN_HOUR, f"user {number}")
    assert storage.reset() == 5
    assert direct.dbsize() == 0


async def test_tasks_of_one_process_share_a_window(url: str, direct: redis.Redis) -> None:
    storage = AsyncRedisStorage(f"async+{url}", implementation="redispy")
    limiter = AsyncMovingWindow(storage)
    outcomes = await asyncio.gather(*(limiter.hit(TEN_AN_HOUR, "user") for _ in range(25)))
    assert sorted(outcomes) == [False] * 15 + [True] * 10


def test_processes_of_a_site_share_a_limit(sites: list[str], direct: redis.Redis) -> None:
    replies = [ask(f"{address}/limited?user=ann") for address in sites * 3]
    assert [status for status, _ in replies] == [200] * 5 + [429]
    assert [remaining for _, remaining in replies] == ["4", "3", "2", "1", "0", "0"]
    assert ask(f"{sites[0]}/limited?user=bob") == (200, "4")
    assert ask(f"{sites[0]}/free?user=ann")[0] == 200
