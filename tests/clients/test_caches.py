"""dogpile.cache and aiocache: values that are made once however many ask for them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import redis
from aiocache import Cache, cached, multi_cached
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import JsonSerializer, PickleSerializer
from dogpile.cache import CacheRegion, make_region
from dogpile.cache.api import NO_VALUE

from tests.wire.servers import Server


@pytest.fixture
def region(url: str, direct: redis.Redis) -> CacheRegion:
    """A dogpile region with a lock on the server."""
    arguments = {
        "url": url,
        "distributed_lock": True,
        "thread_local_lock": False,
        "redis_expiration_time": 60,
    }
    return make_region(key_mangler=lambda key: f"dogpile:{key}").configure(
        "dogpile.cache.redis", expiration_time=30, arguments=arguments
    )


@pytest.fixture
def cache(node: Server, direct: redis.Redis) -> Any:
    """An aiocache on the server."""
    return Cache(Cache.REDIS, port=node.port, namespace="aio", serializer=PickleSerializer())


def test_dogpile_makes_a_value_once_for_many_threads(region: CacheRegion) -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        time.sleep(0.1)
        made.append(1)
        return {"answer": 42}

    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(region.get_or_create("key", make)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [{"answer": 42}] * 8
    assert len(made) == 1


def test_dogpile_sets_gets_and_deletes_many(region: CacheRegion, direct: redis.Redis) -> None:
    region.set_multi({f"key {number}": number for number in range(10)})
    assert region.get_multi(["key 3", "missing", "key 7"]) == [3, NO_VALUE, 7]
    assert 0 < direct.ttl("dogpile:key 3") <= 60
    region.delete_multi(["key 3", "key 7"])
    assert region.get("key 3") is NO_VALUE
    assert direct.dbsize() == 8


def test_dogpile_caches_a_function_until_it_is_invalidated(region: CacheRegion) -> None:
    calls: list[int] = []

    @region.cache_on_arguments()
    def square(number: int) -> int:
        calls.append(number)
        return number * number

    assert [square(3), square(3)] == [9, 9]
    square.invalidate(3)
    assert square(3) == 9
    square.set(100, 3)
    assert square(3) == 100
    assert calls == [3, 3]


async def test_aiocache_keeps_values_and_deadlines(cache: Any, direct: redis.Redis) -> None:
    await cache.set("key", {"a": [1, 2]}, ttl=50)
    assert await cache.get("key") == {"a": [1, 2]}
    (name,) = direct.keys()
    assert 0 < direct.ttl(name) <= 50
    assert await cache.expire("key", 500)
    assert direct.ttl(name) > 50
    await cache.multi_set([("x", 1), ("y", 2)], ttl=50)
    assert await cache.multi_get(["x", "y", "missing"]) == [1, 2, None]
    assert await cache.exists("x")
    assert await cache.delete("x") == 1
    with pytest.raises(ValueError, match="already exists"):
        await cache.add("y", 3)
    await cache.clear(namespace="aio")
    assert direct.dbsize() == 0


async def test_aiocache_counts_without_a_serializer(node: Server, direct: redis.Redis) -> None:
    async with Cache(Cache.REDIS, port=node.port) as cache:
        assert await cache.increment("counter", 5) == 5
        assert await cache.increment("counter", -2) == 3
        await cache.set("text", "abc")
        with pytest.raises(TypeError, match="integer"):
            await cache.increment("text")


async def test_aiocache_decorators_call_once(node: Server, direct: redis.Redis) -> None:
    calls: list[Any] = []

    @cached(
        ttl=60, cache=Cache.REDIS, port=node.port, namespace="one", serializer=PickleSerializer()
    )
    async def slow(number: int) -> int:
        calls.append(number)
        return number * 2

    @multi_cached("numbers", cache=Cache.REDIS, port=node.port, serializer=PickleSerializer())
    async def many(numbers: list[str]) -> dict[str, str]:
        calls.append(numbers)
        return {number: number * 2 for number in numbers}

    assert [await slow(4), await slow(4)] == [8, 8]
    assert await many(numbers=["1", "2"]) == {"1": "11", "2": "22"}
    assert await many(numbers=["2", "3"]) == {"2": "22", "3": "33"}
    assert calls == [4, ["1", "2"], ["3"]]


async def test_aiocache_locks_the_making_of_a_value(cache: Any) -> None:
    made: list[int] = []

    async def fetch() -> Any:
        async with RedLock(cache, "key", lease=5):
            value = await cache.get("key")
            if value is None:
                await asyncio.sleep(0.05)
                made.append(1)
                value = "made"
                await cache.set("key", value)
            return value

    # Whoever finds the lock taken before its holder has heard of it passes: the library's own race.
    first = asyncio.create_task(fetch())
    while not RedLock._EVENTS:
        await asyncio.sleep(0.001)
    assert await asyncio.gather(first, *(fetch() for _ in range(4))) == ["made"] * 5
    assert made == [1]


async def test_aiocache_notices_a_change_by_another(node: Server, direct: redis.Redis) -> None:
    # The lock compares what is stored as text.
    cache = Cache(Cache.REDIS, port=node.port, serializer=JsonSerializer())
    await cache.set("key", 1)
    async with OptimisticLock(cache, "key") as lock:
        await lock.cas(2)
    assert await cache.get("key") == 2
    async with OptimisticLock(cache, "key") as lock:
        await cache.set("key", 3)
        with pytest.raises(OptimisticLockError):
            await lock.cas(4)
    assert await cache.get("key") == 3
