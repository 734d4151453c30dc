"""Subscriptions across lost connections: everything is subscribed again, and the gap is told."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest

from kvclient import AsyncClient, Client
from kvclient.errors import ConnectError
from kvclient.messages import Gap, Message

from ..wire.proxy import Proxy
from ..wire.servers import Server
from .flavour import Flavour


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def protocol(request: pytest.FixtureRequest) -> int:
    value: int = request.param
    return value


class Ear:
    """A subscription in either flavour, entered by hand."""

    def __init__(self, f: Flavour, subscription: Any) -> None:
        self.f = f
        self.subscription = subscription
        f.do(subscription.__aenter__ if f.is_async else subscription.__enter__)

    def next(self, timeout_s: float) -> Any:
        return self.f.do(lambda: self.subscription.next(timeout_s))

    def until(self, kind: type, publish: Any, channel: str | None = None) -> Any:
        """Publish until something of a kind, on a channel, is heard; return it."""
        for _ in range(400):
            publish()
            heard = self.next(0.02)
            if isinstance(heard, kind) and channel in (None, getattr(heard, "channel", None)):
                return heard
        raise AssertionError(f"no {kind.__name__} was heard")


def test_a_lost_connection_leaves_a_gap(f: Flavour, redis: Server, protocol: int) -> None:
    redis.revive()
    with Client(f"kv://127.0.0.1:{redis.port}") as speaker, Proxy(redis.port) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}?protocol={protocol}", decode=True)
        ear = Ear(f, client.subscribe("c", patterns=["p*"]))
        for channel in ("c", "plain"):
            heard = ear.until(Message, partial(speaker.publish, channel, "text"), channel)
            assert heard.data == "text"
        f.do(lambda: ear.subscription.subscribe("more"))
        f.do(lambda: ear.subscription.unsubscribe("c"))
        proxy.cut()
        ear.until(Gap, lambda: None)
        for channel in ("more", "plain"):
            heard = ear.until(Message, partial(speaker.publish, channel, "text"), channel)
            assert heard.data == "text"
        assert speaker.execute("PUBSUB", "NUMSUB", "c", "more") == [b"c", 0, b"more", 1]
        f.do(ear.subscription.close)
        assert ear.next(1.0) is None
        f.until(lambda: speaker.execute("PUBSUB", "NUMSUB", "more") == [b"more", 0])


def test_a_server_that_is_away_is_waited_for(f: Flavour, redis: Server) -> None:
    redis.revive()
    with Client(f"kv://127.0.0.1:{redis.port}") as speaker, Proxy(redis.port) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}", decode=True)
        ear = Ear(f, client.subscribe("c"))
        ear.until(Message, lambda: speaker.publish("c", "before"))
        proxy.refuse()
        begin = time.monotonic()
        while time.monotonic() < begin + 0.5:
            assert not isinstance(ear.next(0.05), Gap)
        # What is asked for meanwhile counts too.
        f.do(lambda: ear.subscription.subscribe("more"))
        proxy.heal()
        gap = ear.until(Gap, lambda: None)
        assert gap.reason
        assert ear.until(Message, lambda: speaker.publish("more", "after")).data == "after"
        f.do(ear.subscription.close)


def test_nothing_to_hear_is_no_gap(f: Flavour, redis: Server) -> None:
    redis.revive()
    client = f.client(f"kv://127.0.0.1:{redis.port}")
    ear = Ear(f, client.subscribe("c"))
    assert ear.next(0.0) is None and ear.next(0.1) is None
    f.do(ear.subscription.close)


def test_the_first_connection_must_come(f: Flavour) -> None:
    client = f.client("kv://127.0.0.1:1", deadline_s=0.2)
    with pytest.raises(ConnectError):
        Ear(f, client.subscribe("c"))


async def test_a_gap_is_told_though_the_reader_was_cancelled(redis: Server) -> None:
    redis.revive()
    with Proxy(redis.port) as proxy:
        async with (
            AsyncClient(f"kv://127.0.0.1:{proxy.port}", decode=True) as client,
            client.subscribe("c") as heard,
        ):
            proxy.refuse()
            for _ in range(20):
                reader = asyncio.ensure_future(heard.next())
                await asyncio.sleep(0.01)
                reader.cancel()
                await asyncio.wait([reader])
                assert reader.cancelled()
            proxy.heal()
            assert isinstance(await heard.next(10.0), Gap)


def test_who_asks_without_waiting_is_connected_again(f: Flavour, redis: Server) -> None:
    redis.revive()
    with Client(f"kv://127.0.0.1:{redis.port}") as speaker, Proxy(redis.port) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}", decode=True)
        ear = Ear(f, client.subscribe("c"))
        proxy.cut()
        f.until(lambda: isinstance(ear.next(0.0), Gap))
        speaker.publish("c", "text")
        f.until(lambda: isinstance(ear.next(0.0), Message))
        f.do(ear.subscription.close)


def test_what_is_published_behind_a_gap_is_heard(f: Flavour, redis: Server) -> None:
    """The server takes requests late here: one that has been sent has no effect yet."""
    redis.revive()
    with Client(f"kv://127.0.0.1:{redis.port}") as speaker, Proxy(redis.port) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}", decode=True)
        proxy.delay_s = 0.05
        ear = Ear(f, client.subscribe("c", patterns=["p*"]))
        assert speaker.publish("c", "first") == speaker.publish("p", "second") == 1
        assert [ear.next(5.0).data, ear.next(5.0).data] == ["first", "second"]
        proxy.cut()
        assert isinstance(ear.next(5.0), Gap)
        assert speaker.publish("c", "third") == speaker.publish("p", "fourth") == 1
        assert [ear.next(5.0).data, ear.next(5.0).data] == ["third", "fourth"]
        f.do(ear.subscription.close)
