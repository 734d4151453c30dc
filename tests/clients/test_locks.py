"""Locks of several libraries: processes that add to one counter, and what a lock must refuse."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
import redis_lock
from pottery import (
    BloomFilter,
    HyperLogLog,
    NextID,
    RedisCounter,
    RedisDeque,
    RedisDict,
    RedisSet,
    Redlock,
    redis_cache,
)
from pottery.exceptions import ExtendUnlockedLock, ReleaseUnlockedLock
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.wire.servers import Server

from .conftest import wanted_server
from .jobs.lock_worker import ROUNDS
from .processes import JOBS, Process, environment, wait_until

PROCESSES = 3

pytestmark = pytest.mark.filterwarnings("ignore::pottery.InefficientAccessWarning")


@pytest.mark.parametrize("kind", ["redis-py", "python-redis-lock", "pottery", "dogpile.cache"])
def test_no_update_is_lost_under_a_lock(
    kind: str, node: Server, direct: redis.Redis, tmp_path: Path
) -> None:
    command = [sys.executable, str(JOBS / "lock_worker.py"), kind]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Process(command, environment(node.port), tmp_path, "started"))
            for _ in range(PROCESSES)
        ]
        for worker in workers:
            worker.expect("finished")
    assert direct.get("counter") == str(PROCESSES * ROUNDS)
    assert not direct.exists("door")


def test_redis_py_extends_and_gives_back_only_its_own_lock(direct: redis.Redis) -> None:
    lock = direct.lock("door", timeout=10)
    assert lock.acquire(blocking=False)
    assert not direct.lock("door", timeout=10).acquire(blocking=False)
    assert lock.extend(20)
    assert 10_000 < direct.pttl("door") <= 30_000
    assert lock.reacquire()
    assert direct.pttl("door") <= 10_000
    direct.set("door", "somebody else")
    with pytest.raises(redis.exceptions.LockError):
        lock.release()
    assert direct.get("door") == "somebody else"


def test_redis_lock_wakes_the_next_and_renews(node: Server, direct: redis.Redis) -> None:
    with redis.Redis(port=node.port) as client:
        first = redis_lock.Lock(client, "door", expire=1, auto_renewal=True)
        second = redis_lock.Lock(client, "door", expire=10)
        with first:
            assert not second.acquire(timeout=1.5)
            assert direct.get("lock:door") == first.id
        assert second.acquire(timeout=5)
        second.extend(expire=20)
        assert 10 < direct.ttl("lock:door") <= 20
        second.release()
        with pytest.raises(redis_lock.NotAcquired):
            second.release()
        assert second.acquire(blocking=False)
        redis_lock.reset_all(client)
        assert not direct.exists("lock:door")


def test_a_redlock_needs_most_of_three_servers(node: Server) -> None:
    with ExitStack() as stack:
        others = [stack.enter_context(wanted_server()) for _ in range(2)]
        masters = {
            stack.enter_context(redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)))
            for server in (node, *others)
        }
        lock = Redlock(key="shared", masters=masters, auto_release_time=60)
        rival = Redlock(key="shared", masters=masters, auto_release_time=60)
        assert lock.acquire()
        # It returns once it has two; the third must not go to the rival.
        wait_until(lambda: all(master.exists("redlock:shared") for master in masters))
        assert not rival.acquire(blocking=False)
        others[0].stop()
        lock.extend()
        assert lock.locked() > 0
        lock.release()
        with pytest.raises(ReleaseUnlockedLock):
            lock.release()
        assert rival.acquire(timeout=5)
        others[1].stop()
        with pytest.raises(ExtendUnlockedLock):
            rival.extend()


def test_pottery_containers_behave_as_pythons(node: Server, direct: redis.Redis) -> None:
    with redis.Redis(port=node.port) as client:
        table = RedisDict({"a": 1}, redis=client, key="dict")
        table["b"] = [1, 2]
        del table["a"]
        assert table == {"b": [1, 2]}
        members = RedisSet(range(10), redis=client, key="set")
        members -= {0, 1}
        assert members == set(range(2, 10))
        counter = RedisCounter("abracadabra", redis=client, key="counter")
        assert counter.most_common(1) == [("a", 5)]
        ends = RedisDeque(range(6), maxlen=4, redis=client, key="deque")
        ends.rotate(1)
        assert list(ends) == [5, 2, 3, 4]
        numbers = NextID(key="ids", masters={client})
        assert [next(numbers) for _ in range(3)] == [1, 2, 3]


def test_pottery_estimates_sets_of_words(node: Server, direct: redis.Redis) -> None:
    words = [f"word {number}" for number in range(500)]
    with redis.Redis(port=node.port) as client:
        bloom = BloomFilter(num_elements=1000, false_positives=0.01, redis=client, key="bloom")
        bloom.update(words)
        assert all(bloom.contains_many(*words))
        assert sum(bloom.contains_many(*(f"other {number}" for number in range(100)))) < 10
        log = HyperLogLog(words, redis=client, key="log")
        log.update(HyperLogLog(["one more"], redis=client, key="other"))
        assert len(log) == pytest.approx(501, rel=0.05)


def test_pottery_caches_the_results_of_a_function(node: Server, direct: redis.Redis) -> None:
    calls = []
    with redis.Redis(port=node.port) as client:

        @redis_cache(redis=client, key="squares", timeout=60)
        def square(number: int) -> int:
            calls.append(number)
            return number * number

        assert [square(3), square(3), square(4)] == [9, 9, 16]
        assert calls == [3, 4]
        assert 0 < direct.ttl("squares") <= 60


def test_a_lock_is_free_again_when_its_holder_is_gone(node: Server, direct: redis.Redis) -> None:
    with redis.Redis(port=node.port) as client:
        Redlock(key="left", masters={client}, auto_release_time=0.3).acquire()
        start = time.monotonic()
        wait_until(Redlock(key="left", masters={client}, auto_release_time=5).acquire)
        assert time.monotonic() - start < 10
