"""Django: both cache backends, and sessions shared by two processes of a site."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from typing import Any

import pytest
import redis
from django.core.cache import caches

from tests.wire.servers import Server

from .processes import load_jobs, two_of_a_site


@pytest.fixture(scope="module")
def site(node: Server) -> Any:
    return load_jobs("django_site", node.port)


@pytest.fixture(params=["default", "django_redis"])
def cache(site: Any, request: pytest.FixtureRequest, direct: redis.Redis) -> Any:
    """Each of the two backends, empty."""
    return caches[request.param]


@pytest.fixture
def rich(site: Any, direct: redis.Redis) -> Any:
    """django-redis, which can do more than Django's own backend."""
    return caches["django_redis"]


@pytest.fixture(scope="module")
def processes(node: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two processes of one site."""
    with two_of_a_site("django_site.py", node.port, tmp_path_factory.mktemp("django")) as addresses:
        yield addresses


class Browser:
    """A client that keeps its cookies."""

    def __init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(cookies)

    def get(self, address: str) -> Any:
        # One name for all processes of the site, as behind a load balancer.
        request = urllib.request.Request(address, headers={"Host": "site.example"})
        with self._opener.open(request, timeout=20) as reply:
            return json.load(reply)


def test_values_of_many_types_come_back(cache: Any) -> None:
    values = {"text": "grün", "number": 12, "list": [1, {"a": None}], "big": "x" * 100_000}
    cache.set_many(values, timeout=60)
    assert cache.get_many([*values, "missing"]) == values
    assert cache.get("missing", "default") == "default"


def test_counters_count(cache: Any) -> None:
    cache.set("counter", 10)
    assert cache.incr("counter") == 11
    assert cache.incr("counter", 5) == 16
    assert cache.decr("counter", 20) == -4
    with pytest.raises(ValueError, match="missing"):
        cache.incr("missing")


def test_add_and_get_or_set_keep_what_is_there(cache: Any) -> None:
    assert cache.add("key", "first")
    assert not cache.add("key", "second")
    assert cache.get_or_set("key", "third") == "first"
    assert cache.get_or_set("other", lambda: "made") == "made"


def test_deadlines_are_set_changed_and_over(cache: Any) -> None:
    cache.set("gone", 1, timeout=0)
    assert "gone" not in cache
    cache.set("key", 1, timeout=100)
    assert cache.touch("key", 200)
    assert not cache.touch("missing", 200)
    cache.set("key", 1, timeout=-1)
    assert cache.get("key") is None


def test_deleting_and_clearing_leave_nothing(cache: Any, direct: redis.Redis) -> None:
    cache.set_many({"a": 1, "b": 2, "c": 3})
    assert cache.delete("a")
    assert not cache.delete("a")
    cache.delete_many(["b"])
    assert cache.get_many(["a", "b", "c"]) == {"c": 3}
    direct.set("elsewhere", 1)
    cache.clear()
    assert cache.get("c") is None
    assert direct.get("elsewhere") == "1"


def test_versions_are_apart(cache: Any) -> None:
    cache.set("key", "one", version=1)
    cache.set("key", "two", version=2)
    assert cache.get("key", version=1) == "one"
    cache.incr_version("key", version=2)
    assert cache.get("key", version=3) == "two"


async def test_the_asynchronous_interface_does_the_same(cache: Any) -> None:
    await cache.aset("key", "value")
    assert await cache.aget("key") == "value"
    assert await cache.aget_many(["key", "missing"]) == {"key": "value"}


def test_patterns_list_and_delete_keys(rich: Any) -> None:
    rich.set_many({f"user:{number}": number for number in range(50)})
    rich.set("group:1", 1)
    assert sorted(rich.keys("user:1?")) == [f"user:{number}" for number in range(10, 20)]
    assert len(list(rich.iter_keys("user:*", itersize=7))) == 50
    assert rich.delete_pattern("user:*", itersize=10) == 50
    assert rich.keys("*") == ["group:1"]


def test_times_to_live_are_read_and_changed(rich: Any) -> None:
    rich.set("key", 1, timeout=100)
    assert 90 < rich.ttl("key") <= 100
    rich.pexpire("key", 5_000)
    assert 0 < rich.pttl("key") <= 5_000
    rich.persist("key")
    assert rich.ttl("key") is None
    assert rich.ttl("missing") == 0
    rich.set("key", 2, nx=True)
    assert rich.get("key") == 1


def test_a_lock_lets_one_thread_in(rich: Any) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(10):
            with rich.lock("door", timeout=10):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1


def test_sets_hashes_and_sorted_sets_hold_python_values(rich: Any) -> None:
    rich.sadd("set", "a", 2, (3, 4))
    assert rich.smembers("set") == {"a", 2, (3, 4)}
    assert rich.sismember("set", (3, 4))
    rich.hset("hash", "field", {"x": 1})
    assert rich.hexists("hash", "field")
    rich.zadd("board", {"ann": 3.5, "bob": 1})
    assert rich.zrange("board", 0, -1, withscores=True) == [("bob", 1.0), ("ann", 3.5)]


def test_two_processes_share_sessions_and_counters(
    processes: list[str], direct: redis.Redis
) -> None:
    first, second = Browser(), Browser()
    one, other = processes
    replies = [first.get(f"{address}/visit") for address in (one, other, one)]
    assert [reply["session"] for reply in replies] == [1, 2, 3]
    assert len({reply["pid"] for reply in replies}) == 2
    stranger = second.get(f"{other}/visit")
    assert (stranger["session"], stranger["site"]) == (1, 4)
    assert direct.info("keyspace")["db2"]["keys"] == 2
    first.get(f"{other}/leave")
    assert direct.info("keyspace")["db2"]["keys"] == 1
    assert first.get(f"{one}/visit")["session"] == 1


def test_a_cached_page_is_made_once(processes: list[str], direct: redis.Redis) -> None:
    pages = [Browser().get(f"{address}/slow") for address in processes * 2]
    assert len({page["made"] for page in pages}) == 1
    assert direct.info("keyspace")["db3"]["keys"] == 2
