"""The client-side cache beside a writer: no answer is older than what the reader can know."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kvclient import AsyncClient, Client, ConfigurationError
from kvclient.aio.connection import Connection
from kvclient.wire.channel import Request

from ..wire.servers import Server
from .fake_server import FakeServer

SERVERS = ("kvnode", "redis-server")
WRITES = 500


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest, servers: dict[str, Server]) -> str:
    server = servers[request.param]
    server.revive()
    url = f"kv://127.0.0.1:{server.port}"
    with Client(url) as client:
        client.flushall()
    return f"{url}?cache=100000"


@pytest.fixture
def pings(request: pytest.FixtureRequest, url: str) -> bool:
    return bool(request.node.callspec.params["url"] == "redis-server")


def plain(url: str) -> str:
    return url.partition("?")[0]


class Writer:
    """Writes growing numbers in a thread; `known` is the last one that the server confirmed."""

    def __init__(self, url: str, pings: bool) -> None:
        self._pings = pings
        self.known = 0
        self.is_over = False
        self._url = url
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with Client(self._url) as client:
            while not self.is_over:
                number = self.known + 1
                client.set("n", number)
                # kvnode sends invalidations before the writer's reply. redis-server may send them
                # after it, but before it reads the writer's next request.
                if self._pings:
                    client.ping()
                self.known = number
                threading.Event().wait(0.0005)

    @contextmanager
    def running(self) -> Iterator[Writer]:
        self._thread.start()
        try:
            yield self
        finally:
            self.is_over = True
            self._thread.join()


def test_no_answer_is_stale_beside_a_writer(url: str, pings: bool) -> None:
    with Client(url) as client, Writer(plain(url), pings).running() as writer:
        while (known := writer.known) < WRITES:
            assert int(client.get("n") or 0) >= known
    assert client.cache_stats().hits > 0


async def test_no_answer_of_a_coroutine_is_stale_beside_a_writer(url: str, pings: bool) -> None:
    async with AsyncClient(url) as client:

        async def read() -> None:
            while (known := writer.known) < WRITES:
                assert int(await client.get("n") or 0) >= known

        with Writer(plain(url), pings).running() as writer:
            await asyncio.gather(*[read() for _ in range(5)])
        assert client.cache_stats().hits > 0


def test_reads_are_answered_from_memory(url: str) -> None:
    with Client(url, decode=True) as client, Client(plain(url)) as other:
        client.hset("h", mapping={"a": 1})
        for _ in range(3):
            assert client.hgetall("h") == {"a": "1"}
        assert client.cache_stats()[:2] == (2, 1)
        other.hset("h", "b", 2)
        assert client.hgetall("h") == {"a": "1", "b": "2"}
        client.hset("h", "b", 3)
        assert client.hget("h", "b") == "3"
        with client.transaction() as queue:
            queue.hset("h", "b", 4)
        assert client.hget("h", "b") == "4"
        client.flushall()
        assert client.hgetall("h") == {}


async def test_reads_of_coroutines_are_answered_from_memory(url: str) -> None:
    async with AsyncClient(url) as client:
        await client.rpush("l", 1, 2)
        for _ in range(3):
            assert await client.lrange("l", 0, -1) == [b"1", b"2"]
        assert client.cache_stats()[:2] == (2, 1)
        future = client.rpush("l", 3)
        assert await client.lrange("l", 0, -1) == [b"1", b"2", b"3"]
        await future
        assert await client.lpop("l") == b"1"
        assert await client.lrange("l", 0, -1) == [b"2", b"3"]
        assert await client.blpop("l", 1) == (b"l", b"2")
        assert await client.lrange("l", 0, -1) == [b"3"]


def test_nothing_outlives_its_connection(url: str) -> None:
    with Client(url) as client, Client(plain(url)) as other:
        client.set("k", 1)
        assert client.get("k") == client.get("k") == b"1"
        other.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        other.set("k", 2)
        assert client.get("k") == b"2"
        assert client.get("k") == b"2"  # what was asked for on the lost connection is not kept
        assert client.get("k") == b"2"
        assert client.cache_stats().hits == 2


async def test_nothing_of_a_coroutine_outlives_its_connection(url: str) -> None:
    async with AsyncClient(url) as client:
        await client.set("k", 1)
        assert await client.get("k") == await client.get("k") == b"1"
        with Client(plain(url)) as other:
            other.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            other.set("k", 2)
        assert await client.get("k") == b"2"
        assert await client.get("k") == b"2"


async def test_a_cached_answer_leaves_other_tasks_their_turn(url: str) -> None:
    async with AsyncClient(url) as client:
        await client.set("k", 1)
        is_over = asyncio.Event()
        task = asyncio.create_task(asyncio.sleep(0.01))
        task.add_done_callback(lambda _: is_over.set())
        while not is_over.is_set():
            assert await client.get("k") == b"1"


def test_threads_have_a_cache_each(url: str) -> None:
    with Client(url) as client:
        client.set("k", 1)
        client.get("k")
        stats = []
        thread = threading.Thread(target=lambda: stats.append((client.get("k"), client.get("k"))))
        thread.start()
        thread.join()
        assert stats == [(b"1", b"1")]
        assert client.cache_stats()[:2] == (0, 1)


@pytest.fixture
def unheard(url: str) -> Iterator[str]:
    """A user who may not turn tracking on."""
    with Client(plain(url), decode=True) as client:
        client.acl_setuser("unheard", "on", "nopass", "~*", "+@all", "-client|tracking")
        yield "unheard"
        client.acl_deluser("unheard")


def test_a_server_that_tells_nothing_is_named(url: str, unheard: str) -> None:
    client = Client(url, username=unheard, password="x")
    with client, pytest.raises(ConfigurationError, match="cache_bytes_max cannot be used"):
        client.get("k")


async def test_a_coroutine_is_told_as_well(url: str, unheard: str) -> None:
    async with AsyncClient(url, username=unheard, password="x") as client:
        with pytest.raises(ConfigurationError, match="cache_bytes_max cannot be used"):
            await client.get("k")


@pytest.mark.parametrize("url", ["kvnode"], indirect=True)
async def test_numbered_writes_drop_what_they_change(url: str) -> None:
    with Client(url, exactly_once=True) as client:
        assert [client.incr("n"), client.get("n"), client.get("n")] == [1, b"1", b"1"]
        assert [client.incr("n"), client.get("n")] == [2, b"2"]
        assert client.cache_stats().hits == 1
    async with AsyncClient(url, exactly_once=True) as other:
        assert await other.get("n") == await other.get("n") == b"2"
        assert await other.incr("n") == 3
        assert await other.get("n") == b"3"
        assert other.cache_stats().hits == 1


def test_what_a_watch_changes_is_dropped(url: str) -> None:
    with Client(url) as client:
        for number in range(20):
            client.get("k")
            with client.watch("k") as watch, watch.transaction() as queue:
                queue.set("k", number)
            assert client.get("k") == b"%d" % number


def test_a_cache_goes_on_in_another_loop(url: str) -> None:
    client = AsyncClient(url)

    async def read() -> bytes | None:
        assert await client.get("k") == await client.get("k")
        return await client.get("k")

    with Client(plain(url)) as other:
        for number in range(2):
            other.set("k", number)
            assert asyncio.run(read()) == b"%d" % number
    asyncio.run(client.close())


def test_an_invalidation_that_is_no_text_leaves_replies_in_step(url: str) -> None:
    with Client(url, decode=True) as client, Client(plain(url)) as writer:
        writer.mset({b"\xff": b"old", b"a": b"1", b"b": b"2"})
        assert client.get(b"\xff") == "old"
        writer.set(b"\xff", b"new")
        writer.ping()
        assert client.get("a") == "1"
        assert client.get("b") == "2"
        assert client.get(b"\xff") == "new"


async def test_an_invalidation_that_is_no_text_leaves_futures_in_step(url: str) -> None:
    async with AsyncClient(url, decode=True) as client, AsyncClient(plain(url)) as writer:
        await writer.mset({b"\xff": b"old", b"a": b"1", b"b": b"2"})
        assert await client.get(b"\xff") == "old"
        await writer.set(b"\xff", b"new")
        await writer.ping()
        first, second = await asyncio.gather(client.get("a"), client.get("b"))
        assert (first, second) == ("1", "2")
        assert await client.get(b"\xff") == "new"


async def test_what_is_read_beside_a_write_on_another_connection_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This server tells of no change: its invalidations are on their way for ever."""
    with FakeServer() as server:
        async with AsyncClient(f"kv://127.0.0.1:{server.port}?cache=9999") as client:
            other = AsyncClient(f"kv://127.0.0.1:{server.port}")
            submit = Connection._submit

            async def submit_late(self: Connection, request: Request, limit_s: float) -> Any:
                if request.argv[0] not in (b"BLMOVE", b"MULTI"):
                    return await submit(self, request, limit_s)
                assert await client.get("k") == b"old"
                if request.argv[0] == b"BLMOVE":
                    await other.set("k", "new")
                return await submit(self, request, limit_s)

            monkeypatch.setattr(Connection, "_submit", submit_late)
            server.faults["BLMOVE"] = [b"$3\r\nnew\r\n"]
            await client.set("k", "old")
            await client.blmove("source", "k", 1)
            assert await client.get("k") == b"new"
            await client.set("k", "old")
            async with client.watch("k") as watch, watch.transaction() as queue:
                queue.set("k", "new")
            assert await client.get("k") == b"new"
            await other.close()
