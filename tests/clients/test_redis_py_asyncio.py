"""redis-py's asyncio client over RESP2 and RESP3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from redis.asyncio import Redis
from redis.asyncio.lock import Lock

from tests.wire.servers import Server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
async def client(request: pytest.FixtureRequest, node: Server) -> AsyncIterator[Any]:
    """An asyncio client on an empty node."""
    async with Redis(port=node.port, protocol=request.param, decode_responses=True) as client:
        await client.flushall()
        yield client


async def blocked(client: Any, count: int) -> None:
    """Wait until `count` clients are blocked."""
    async with asyncio.timeout(20):
        while (await client.info("clients"))["blocked_clients"] != count:
            await asyncio.sleep(0.01)


async def test_workers_share_jobs(client: Any) -> None:
    async def worker(number: int) -> int:
        job = await client.blpop(["jobs"], timeout=10)
        assert job is not None
        await client.sadd("done", job[1])
        return number

    workers = [asyncio.create_task(worker(number)) for number in range(20)]
    await blocked(client, 20)
    for number in range(20):
        await client.rpush("jobs", f"job:{number}")
    assert sorted(await asyncio.gather(*workers)) == list(range(20))
    assert await client.scard("done") == 20


async def test_pipelines_and_transactions_answer_each_command(client: Any) -> None:
    async with client.pipeline(transaction=True) as pipe:
        pipe.set("a", 1).incr("a").hset("hash", mapping={"x": 1}).hgetall("hash")
        assert await pipe.execute() == [True, 2, 1, {"x": "1"}]
    async with client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"key:{number}", number)
        assert await pipe.execute() == [True] * 1000


async def test_tasks_try_again_until_no_update_is_lost(client: Any) -> None:
    async def add() -> None:
        async def change(pipe: Any) -> None:
            value = int(await pipe.get("counter") or 0)
            pipe.multi()
            pipe.set("counter", value + 1)

        await client.transaction(change, "counter")

    await asyncio.gather(*(add() for _ in range(20)))
    assert await client.get("counter") == "20"


async def test_a_subscriber_gets_messages_by_channel_and_pattern(client: Any) -> None:
    async with client.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe("news")
        await listener.psubscribe("n*")
        async with asyncio.timeout(20):
            while await client.publish("news", "hello") != 2:
                await listener.get_message(timeout=0.05)
            found: set[tuple[str, str]] = set()
            while len(found) < 2:
                message = await listener.get_message(timeout=5.0)
                if message is not None:
                    found.add((message["type"], message["data"]))
    assert found == {("message", "hello"), ("pmessage", "hello")}


async def test_consumers_of_a_group_share_a_stream(client: Any) -> None:
    await client.xgroup_create("stream", "group", id="0", mkstream=True)

    async def consume(name: str) -> list[str]:
        numbers: list[str] = []
        while len(numbers) < 10:
            read = await client.xreadgroup("group", name, {"stream": ">"}, count=2, block=500)
            if not read:
                break
            found = dict(read)["stream"]
            # Over RESP3 the entries of a stream stand in one more list.
            for id, fields in found[0] if isinstance(read, dict) else found:
                numbers.append(fields["number"])
                await client.xack("stream", "group", id)
        return numbers

    consumers = [asyncio.create_task(consume(name)) for name in ("one", "two", "three")]
    await blocked(client, 3)
    for number in range(12):
        await client.xadd("stream", {"number": number})
    numbers = [int(number) for part in await asyncio.gather(*consumers) for number in part]
    assert sorted(numbers) == list(range(12))
    assert (await client.xpending("stream", "group"))["pending"] == 0


async def test_a_registered_script_is_called_by_its_digest(client: Any) -> None:
    bump = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert await bump(keys=["counter"], args=[5]) == 5
    await client.script_flush()
    assert await bump(keys=["counter"], args=[1]) == 6
    assert await client.script_exists(bump.sha, "0" * 40) == [True, False]


async def test_a_lock_lets_one_task_in(client: Any) -> None:
    inside: list[int] = []

    async def work(number: int) -> None:
        async with Lock(client, "door", timeout=10, sleep=0.002):
            inside.append(number)
            await asyncio.sleep(0)
            assert inside == [number]
            inside.pop()

    await asyncio.gather(*(work(number) for number in range(8)))
    assert await client.exists("door") == 0


async def test_every_key_is_scanned(client: Any) -> None:
    await client.mset({f"key:{number}": number for number in range(300)})
    found = [key async for key in client.scan_iter("key:*", count=20)]
    assert set(found) == {f"key:{number}" for number in range(300)}


async def test_a_user_may_do_only_what_is_allowed(node: Server, client: Any) -> None:
    await client.acl_setuser("bob", enabled=True, nopass=True, keys=["a"], commands=["+get"])
    async with Redis(port=node.port, username="bob", password="x", driver_info=None) as user:
        assert await user.get("a") is None
        with pytest.raises(redis.exceptions.NoPermissionError):
            await user.set("a", 1)
    await client.acl_deluser("bob")


async def test_a_cancelled_wait_leaves_the_pool_usable(client: Any) -> None:
    waiting = asyncio.create_task(client.blpop(["never"], timeout=20))
    await blocked(client, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await blocked(client, 0)
    assert await client.rpush("never", "x") == 1
    assert await client.lrange("never", 0, -1) == ["x"]
