"""Calls that are cancelled, and calls that are interrupted: what comes after gets its own reply."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from kvclient import AsyncClient, Client

from ..wire.servers import Server
from .cancellations import storms
from .fake_server import FakeServer


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_random_cancellations(run: Callable[[Any], Any], redis: Server) -> None:
    redis.revive()
    outcomes = run(storms(redis.port, 3000, seed=5))
    assert outcomes["cancelled"] > 300 and outcomes["done"] > 300


async def test_a_cancelled_call_keeps_its_place(redis: Server) -> None:
    redis.revive()
    async with AsyncClient(f"kv://127.0.0.1:{redis.port}", decode=True) as client:
        await client.set("a", "1")
        for _ in range(100):
            first = asyncio.ensure_future(client.execute("ECHO", "first"))
            second = asyncio.ensure_future(client.execute("ECHO", "second"))
            await asyncio.sleep(0)
            first.cancel()
            assert await second == "second"


async def test_a_listener_may_be_cancelled_and_misses_nothing(redis: Server) -> None:
    redis.revive()
    async with (
        AsyncClient(f"kv://127.0.0.1:{redis.port}", decode=True) as client,
        client.subscribe("c") as heard,
    ):
        while await client.execute("PUBSUB", "NUMSUB", "c") != ["c", 1]:
            await asyncio.sleep(0.001)
        texts = []
        for n in range(200):
            task = asyncio.ensure_future(heard.next())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                texts.append(task.result().data)  # type: ignore[union-attr]
            await client.publish("c", f"m{n}")
        while len(texts) < 200:
            message: Any = await heard.next(5.0)
            texts.append(message.data)
        assert texts == [f"m{n}" for n in range(200)]


class TimeIsUp(Exception):
    """What a program's own handler of a signal raises."""


def raise_time_is_up(number: int, frame: object) -> None:
    raise TimeIsUp


@pytest.fixture(params=[KeyboardInterrupt, TimeIsUp])
def interruption(request: pytest.FixtureRequest) -> Iterator[type[BaseException]]:
    """What SIGINT raises, whatever other tests have made of it."""
    kind: type[BaseException] = request.param
    handler = raise_time_is_up if kind is TimeIsUp else signal.default_int_handler
    before = signal.signal(signal.SIGINT, handler)
    yield kind
    signal.signal(signal.SIGINT, before)


def test_a_call_that_was_interrupted_leaves_no_reply_behind(
    interruption: type[BaseException],
) -> None:
    with FakeServer() as server:
        client = Client(f"kv://127.0.0.1:{server.port}")
        calls: list[Callable[[], object]] = [
            lambda: client.execute("ECHO", "x"),
            lambda: client.many([("ECHO", "x"), ("ECHO", "y")]),
            lambda: client.blpop("l", 30),
        ]
        for call in calls:
            name = "BLPOP" if call is calls[-1] else "ECHO"
            before = server.sent[name]
            server.faults[name] = ["swallow"]
            interrupter = threading.Thread(target=interrupt, args=(server, name, before))
            interrupter.start()
            with pytest.raises(interruption):
                call()
                # Python sees the signal between two instructions, perhaps not in the call itself.
                time.sleep(5)
            interrupter.join()
            assert client.get("none") is None
        client.close()


def interrupt(server: FakeServer, name: str, before: int) -> None:
    while server.sent[name] == before:
        time.sleep(0.001)
    time.sleep(0.02)

    os.kill(os.getpid(), signal.SIGINT)
