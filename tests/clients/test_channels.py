"""Channels: both channel layers of channels_redis, between processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from tests.wire.servers import Server

from .processes import JOBS, Process, environment, wait_until

TIMEOUT_S = 20
LAYERS = {"lists": RedisChannelLayer, "pubsub": RedisPubSubChannelLayer}


@pytest.fixture(params=list(LAYERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def layer(kind: str, url: str, direct: redis.Redis) -> AsyncIterator[Any]:
    """A channel layer, as a process of a site has one."""
    layer = LAYERS[kind](hosts=[url])
    yield layer
    await layer.flush()


@pytest.fixture
def echo(kind: str, node: Server, direct: redis.Redis, tmp_path: Any) -> Iterator[Process]:
    """Another process, which answers what it gets on its channel or as a member of a group."""
    command = [sys.executable, str(JOBS / "channels_echo.py"), kind]
    with Process(command, environment(node.port), tmp_path, "listening") as process:
        yield process


async def receive(layer: Any, channel: str) -> Any:
    return await asyncio.wait_for(layer.receive(channel), TIMEOUT_S)


async def test_a_message_reaches_a_channel_of_the_same_process(layer: Any) -> None:
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "text", "bytes": b"\x00\xff", "number": 7})
    assert await receive(layer, channel) == {"type": "text", "bytes": b"\x00\xff", "number": 7}


async def test_a_group_reaches_every_member(layer: Any) -> None:
    members = [await layer.new_channel() for _ in range(5)]
    for member in members[:4]:
        await layer.group_add("room", member)
    await layer.group_discard("room", members[0])
    await layer.group_send("room", {"type": "news"})
    for member in members[1:4]:
        assert await receive(layer, member) == {"type": "news"}
    for member in (members[0], members[4]):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(layer.receive(member), 0.1)


async def test_another_process_answers(layer: Any, echo: Process) -> None:
    mine = await layer.new_channel()
    for number in range(20):
        await layer.group_send("echo", {"type": "ask", "reply_to": mine, "number": number})
    answers = [await receive(layer, mine) for _ in range(20)]
    assert sorted(answer["number"] for answer in answers) == list(range(20))
    assert {answer["type"] for answer in answers} == {"answer"}


async def test_a_full_channel_refuses_messages(url: str, direct: redis.Redis) -> None:
    layer = RedisChannelLayer(hosts=[url], capacity=3)
    for number in range(3):
        await layer.send("narrow", {"type": "number", "number": number})
    with pytest.raises(ChannelFull):
        await layer.send("narrow", {"type": "number", "number": 3})
    assert [(await receive(layer, "narrow"))["number"] for _ in range(3)] == [0, 1, 2]
    await layer.close_pools()


async def test_messages_that_are_too_old_are_dropped(url: str, direct: redis.Redis) -> None:
    layer = RedisChannelLayer(hosts=[url], expiry=3)
    await layer.send("slow", {"type": "old"})
    (key,) = direct.keys()
    assert 0 < direct.pttl(key) <= 3000
    wait_until(lambda: not direct.keys())
    await layer.send("slow", {"type": "new"})
    assert (await receive(layer, "slow"))["type"] == "new"
    await layer.close_pools()
