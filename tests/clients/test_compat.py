"""Libraries that take a client, given `kvclient.compat.Redis` in place of redis-py's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis_lock
from huey import RedisHuey
from huey.storage import RedisStorage
from pottery import BloomFilter, RedisDeque, RedisDict, Redlock
from rq import Queue, SimpleWorker

from kvclient.compat import Redis
from tests.wire.servers import Server

pytestmark = pytest.mark.filterwarnings("ignore::pottery.InefficientAccessWarning")

DJANGO = """
import sys
from django.conf import settings
settings.configure(CACHES={"default": {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": sys.argv[1],
    "OPTIONS": {"REDIS_CLIENT_CLASS": "kvclient.compat.Redis"},
}})
from django.core.cache import cache
from django_redis import get_redis_connection
cache.set_many({"a": [1, 2], "b": "text"}, timeout=60)
assert cache.get_many(["a", "b", "c"]) == {"a": [1, 2], "b": "text"}
cache.set("n", 1)
assert cache.incr("n") == 2 and cache.ttl("a") > 50 and cache.delete_pattern("*") == 3
with cache.lock("door"):
    pass
print(type(get_redis_connection()).__module__)
"""


@pytest.fixture
def client(node: Server, direct: redis.Redis) -> Iterator[Redis]:
    """A client of an empty node."""
    with Redis(port=node.port) as made:
        yield made


def double(number: int) -> int:
    return number * 2


def test_rq_works_through_a_queue(client: Redis) -> None:
    queue = Queue("numbers", connection=client)
    jobs = [queue.enqueue(double, number) for number in range(5)]
    failing = queue.enqueue(double, None)
    SimpleWorker([queue], connection=client).work(burst=True)
    assert [job.return_value() for job in jobs] == [0, 2, 4, 6, 8]
    assert failing.id in queue.failed_job_registry.get_job_ids()


def test_huey_works_through_a_queue(client: Redis, node: Server) -> None:
    class Storage(RedisStorage):
        redis_client = Redis

    huey = RedisHuey("numbers", port=node.port, storage_class=Storage)
    storage: Any = huey.storage
    assert isinstance(storage.conn, Redis)
    doubled = huey.task()(double)
    results = [doubled(number) for number in range(3)]
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
        if not len(huey):
            break
    assert [result() for result in results] == [0, 2, 4]


def test_locks_of_other_libraries(client: Redis) -> None:
    with redis_lock.Lock(client, "door", expire=5):
        assert not redis_lock.Lock(client, "door", expire=5).acquire(timeout=1)
    with Redlock(key="shared", masters={client}, auto_release_time=5):
        rival = Redlock(key="shared", masters={client}, auto_release_time=5)
        assert not rival.acquire(blocking=False)


def test_pottery_containers(client: Redis) -> None:
    table = RedisDict({"a": 1}, redis=client, key="dict")
    table["b"] = [1, 2]
    assert table == {"a": 1, "b": [1, 2]}
    ends = RedisDeque(range(6), maxlen=4, redis=client, key="deque")
    ends.rotate(1)
    assert list(ends) == [5, 2, 3, 4]
    bloom = BloomFilter(num_elements=100, false_positives=0.01, redis=client, key="bloom")
    bloom.update(["a", "b"])
    assert "a" in bloom


def test_django_redis_takes_the_class(url: str, direct: redis.Redis) -> None:
    done = subprocess.run([sys.executable, "-c", DJANGO, url], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "kvclient.compat.blocking"
