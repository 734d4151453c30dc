"""redis-py, blocking and asyncio, does its ordinary work on a node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

from tests.wire.servers import Server, kvnode_server


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    """A running node."""
    server = kvnode_server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request: pytest.FixtureRequest, node: Server) -> Iterator[Any]:
    """A blocking client on an empty node."""
    with redis.Redis(port=node.port, protocol=request.param, decode_responses=True) as client:
        client.flushall()
        yield client


def test_the_data_types_come_back_as_python_values(client: Any) -> None:
    assert client.set("string", "value", ex=100) is True
    assert client.get("string") == "value"
    assert client.incr("counter", 5) == 5
    client.hset("hash", mapping={"a": 1, "b": 2})
    assert client.hgetall("hash") == {"a": "1", "b": "2"}
    client.rpush("list", "x", "y", "z")
    assert client.lrange("list", 0, -1) == ["x", "y", "z"]
    client.sadd("set", "m", "n")
    assert client.smembers("set") == {"m", "n"}
    client.zadd("zset", {"one": 1, "half": 0.5})
    scored = client.zrange("zset", 0, -1, withscores=True)
    assert [tuple(row) for row in scored] == [("half", 0.5), ("one", 1.0)]
    assert sorted(client.scan_iter(count=2)) == sorted(client.keys())
    assert client.info("server")["redis_version"] == "7.0.15"


def test_a_watched_transaction_is_tried_again_after_a_change(client: Any) -> None:
    client.set("balance", 10)
    tries: list[int] = []

    def withdraw(pipe: Any) -> None:
        balance = int(pipe.get("balance"))
        if not tries:
            client.set("balance", 7)
        tries.append(balance)
        pipe.multi()
        pipe.set("balance", balance - 1)

    client.transaction(withdraw, "balance")
    assert tries == [10, 7]
    assert client.get("balance") == "6"


def test_a_pipeline_of_many_commands_answers_each(client: Any) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"key:{number}", number)
        pipe.get("key:999")
        replies = pipe.execute()
    assert replies == [True] * 1000 + ["999"]


def test_a_subscriber_gets_messages_by_channel_and_pattern(client: Any) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("news")
        listener.psubscribe("n*")
        while client.pubsub_numpat() != 1:
            listener.get_message(timeout=0.1)
        assert client.publish("news", "hello") == 2
        found: set[tuple[str, str]] = set()
        while len(found) < 2:
            message = listener.get_message(timeout=5.0)
            if message is not None:
                found.add((message["type"], message["data"]))
    assert found == {("message", "hello"), ("pmessage", "hello")}


@pytest.mark.parametrize("protocol", [2, 3])
async def test_asyncio_tasks_share_a_node(node: Server, protocol: int) -> None:
    async with redis.asyncio.Redis(port=node.port, protocol=protocol) as client:
        await client.flushall()

        async def worker(number: int) -> int:
            job = await client.blpop(["jobs"], timeout=10)
            assert job is not None
            await client.sadd("done", job[1])
            return number

        workers = [asyncio.create_task(worker(number)) for number in range(20)]
        for number in range(20):
            await client.rpush("jobs", f"job:{number}")
        assert sorted(await asyncio.gather(*workers)) == list(range(20))
        assert await client.scard("done") == 20
        async with client.pipeline(transaction=True) as pipe:
            pipe.set("a", 1)
            pipe.incr("a")
            assert await pipe.execute() == [True, 2]
