"""Much at once: many tasks, many requests, large values, and peers that read slowly."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from kvclient import AsyncClient, Client
from kvclient.errors import KvError

from ..wire.proxy import Proxy
from .flavour import Flavour

MEGABYTE = 1 << 20


async def test_ten_thousand_tasks_with_defaults(url: str) -> None:
    async with AsyncClient(url, deadline_s=60.0) as client:

        async def work(n: int) -> None:
            assert await client.set(f"k{n}", f"v{n}")
            assert await client.get(f"k{n}") == b"v%d" % n

        await asyncio.gather(*(work(n) for n in range(10_000)))
        assert await client.dbsize() == 10_000
        assert (await client.info("clients"))["connected_clients"] == 1


async def test_what_is_in_flight_is_bounded_and_in_order(url: str) -> None:
    bound = 64 * 1024
    async with AsyncClient(url, bytes_in_flight_max=bound, deadline_s=60.0) as client:
        await client.set("k", "v")
        channel = client._core.gate.channel
        assert channel is not None
        replies: list[Any] = []
        value = b"x" * 1000

        async def work(n: int) -> None:
            replies.append(await client.rpush("l", b"%d" % n + value))

        tasks = [asyncio.ensure_future(work(n)) for n in range(3000)]
        highest = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            highest = max(highest, channel.bytes_in_flight)
        assert bound / 2 < highest < bound + 2000
        assert replies == list(range(1, 3001))
        stored = await client.lrange("l", 0, -1)
        assert [int(item[:-1000]) for item in stored] == list(range(3000))


async def test_a_batch_is_held_back_too(url: str) -> None:
    async with AsyncClient(url, bytes_in_flight_max=MEGABYTE, deadline_s=60.0) as client:
        await client.set("k", "v")
        channel = client._core.gate.channel
        assert channel is not None
        requests = [("RPUSH", "l", b"%d:" % n + b"x" * 10_000) for n in range(1000)]
        batch = asyncio.ensure_future(client.many(requests))
        highest = 0
        while not batch.done():
            await asyncio.sleep(0)
            highest = max(highest, channel.bytes_in_flight)
        assert batch.result() == list(range(1, 1001))
        assert highest < 2 * MEGABYTE


def test_a_hundred_thousand_at_once(f: Flavour, url: str) -> None:
    client = f.client(url, deadline_s=60.0)
    replies = f.do(lambda: client.many([("INCR", "n")] * 100_000))
    assert replies == list(range(1, 100_001))


def test_large_values(f: Flavour, url: str) -> None:
    client = f.client(url, deadline_s=60.0)
    values = {f"k{n}": bytes([65 + n]) * (8 * MEGABYTE) for n in range(4)}
    f.do(lambda: client.mset(values))
    assert f.do(lambda: client.mget(*values)) == list(values.values())
    echoed = f.do(lambda: client.many([("ECHO", value) for value in values.values()]))
    assert echoed == list(values.values())


def test_replies_that_come_while_much_is_sent(f: Flavour, url: str) -> None:
    # Requests and replies are both larger than what sockets hold: who only writes waits for ever.
    requests = [("ECHO", bytes([65 + n % 26]) * 200_000) for n in range(200)]
    with Proxy(int(url.rpartition(":")[2])) as proxy:
        slow = f.client(f"kv://127.0.0.1:{proxy.port}", deadline_s=60.0)
        assert f.do(lambda: slow.many(requests)) == [value for _, value in requests]


def test_a_peer_that_reads_nothing_ends_the_call_in_time(f: Flavour, url: str) -> None:
    with Proxy(int(url.rpartition(":")[2])) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}", deadline_s=0.5)
        f.do(lambda: client.set("k", "v"))
        proxy.stall()
        with pytest.raises(KvError):
            f.do(lambda: client.set("k", b"x" * 64 * MEGABYTE))
        proxy.heal()
        f.until(lambda: f.do(lambda: client.with_deadline(30.0).set("k", "w")) is True)


async def test_a_reader_that_lags_stops_the_socket(url: str) -> None:
    async with (
        AsyncClient(url, deadline_s=60.0) as client,
        client.subscribe("c") as heard,
    ):
        while await client.execute("PUBSUB", "NUMSUB", "c") != [b"c", 1]:
            await asyncio.sleep(0.001)
        connection: Any = heard._connection
        text = b"x" * 10_000
        for begin in range(0, 2400, 100):
            numbers = range(begin, begin + 100)
            await client.many([("PUBLISH", "c", b"%d:" % n + text) for n in numbers])
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        texts = [message[-1] for message in connection._inbox._messages]
        kept = sum(len(text) for text in texts if isinstance(text, bytes))
        assert kept < 6 * MEGABYTE
        for n in range(2400):
            message: Any = await heard.next(20.0)
            assert message.data.startswith(b"%d:" % n)


def test_a_blocking_listener_reads_no_more_than_it_needs(url: str) -> None:
    with Client(url, deadline_s=60.0) as client, client.subscribe("c") as heard:
        while client.execute("PUBSUB", "NUMSUB", "c") != [b"c", 1]:
            pass
        publisher = threading.Thread(
            target=lambda: client.many([("PUBLISH", "c", str(n)) for n in range(3000)])
        )
        publisher.start()
        texts = [heard.next(20.0).data for _ in range(3000)]  # type: ignore[union-attr]
        publisher.join()
        assert texts == [b"%d" % n for n in range(3000)]
