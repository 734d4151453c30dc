"""Both clients against a Redis cluster: keys everywhere, slots that move, a leader that dies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from kvclient import AsyncClient, Client
from kvclient.errors import OutcomeUnknown, UsageError
from kvclient.messages import Gap, Message
from kvprotocol.slots import key_slot

from ..wire.client import wait_until
from .clusters import ClusterNode, RedisCluster
from .flavour import Flavour

MANY = [f"key:{n}" for n in range(300)]


@pytest.fixture(scope="module")
def mortal() -> Iterator[RedisCluster]:
    """A cluster whose leaders may be killed: one in each flavour."""
    with RedisCluster(leaders=3, followers=1) as made:
        yield made


@pytest.fixture
def whole(redis_cluster: RedisCluster) -> RedisCluster:
    return redis_cluster


def url(cluster: RedisCluster) -> str:
    host, port, _ = cluster.leaders[0].address
    return f"kv://{host}:{port}?mode=cluster"


@pytest.fixture(params=["blocking", "asyncio"])
def f(request: pytest.FixtureRequest) -> Iterator[Flavour]:
    with Flavour(request.param) as flavour:
        yield flavour


@pytest.fixture
def c(f: Flavour, whole: RedisCluster) -> Any:
    client = f.client(url(whole), decode=True, deadline_s=20.0)
    f.do(client.flushall)
    return client


def other(whole: RedisCluster, node: ClusterNode) -> ClusterNode:
    return next(kept for kept in whole.leaders if kept is not node)


def move(whole: RedisCluster, slot: int) -> None:
    """Move a slot to another leader."""
    whole.move_slot(slot, other(whole, whole.owner(slot)))


def test_keys_of_all_slots(f: Flavour, c: Any) -> None:
    assert f.do(lambda: c.mset(dict.fromkeys(MANY, "v"))) is True
    assert f.do(lambda: c.mget(*MANY, "none")) == ["v"] * len(MANY) + [None]
    assert f.do(lambda: c.exists(*MANY, "none")) == len(MANY)
    assert f.do(c.dbsize) == len(MANY)
    assert set(f.each(lambda: c.scan_iter(count=50))) == set(MANY)
    assert len(f.each(lambda: c.scan_iter(match="key:1*"))) == 111
    assert set(f.do(lambda: c.keys("*"))) == set(MANY)
    assert f.do(lambda: c.delete(*MANY[:100])) == 100
    assert f.do(lambda: c.unlink(*MANY[100:200], "none")) == 100
    assert f.do(lambda: c.touch(*MANY)) == 100
    assert f.do(c.flushall) is True
    assert f.do(c.dbsize) == 0
    assert f.each(c.scan_iter) == []


def test_the_first_call_may_be_one_for_all_nodes(f: Flavour, c: Any, whole: RedisCluster) -> None:
    f.do(lambda: c.mset(dict.fromkeys(MANY, "v")))
    for call in ("dbsize", "scan_iter"):
        fresh = f.client(url(whole))
        counted = f.do(fresh.dbsize) if call == "dbsize" else len(f.each(fresh.scan_iter))
        assert counted == len(MANY)
    assert len(f.do(lambda: f.client(url(whole)).mget(*MANY))) == len(MANY)


def test_keys_that_lie_apart_are_refused(f: Flavour, c: Any) -> None:
    for call in (
        lambda: c.sunion("a", "b"),
        lambda: c.rename("a", "b"),
        lambda: c.msetnx({"a": 1, "b": 2}),
        lambda: c.blpop(["a", "b"], 0.01),
        lambda: c.scan(),
    ):
        with pytest.raises(UsageError):
            f.do(call)
    transaction: Any = c.transaction()
    transaction.set("a", "1")
    transaction.set("b", "2")
    with pytest.raises(UsageError, match="transaction"):
        f.do(transaction.execute)
    assert f.do(c.dbsize) == 0
    f.do(lambda: c.set("{t}a", "1"))
    assert f.do(lambda: c.rename("{t}a", "{t}b")) is True


def test_many_and_pipelines_over_all_nodes(f: Flavour, c: Any) -> None:
    numbers = range(2000)
    requests = [part for n in numbers for part in (("SET", f"n:{n}", n), ("INCR", f"n:{n}"))]
    replies = f.do(lambda: c.many(requests))
    assert replies[1::2] == [n + 1 for n in numbers]
    pipeline: Any = c.pipeline()
    results = [pipeline.get(f"n:{n}") for n in numbers]
    pipeline.dbsize()
    assert f.do(pipeline.execute)[-1] == len(numbers)
    assert [result.value for result in results] == [str(n + 1) for n in numbers]


def test_transactions_scripts_and_locks(f: Flavour, c: Any) -> None:
    check_in_one_slot(f, c, "{here}")


@pytest.mark.parametrize("name", ["a}b", "{}a", "}"])
def test_a_lock_whose_name_no_tag_can_hold_has_its_counter_in_its_slot(
    f: Flavour, c: Any, name: str
) -> None:
    lock = c.lock(name)
    assert f.do(lock.acquire)
    f.do(lock.release)


def check_in_one_slot(f: Flavour, c: Any, tag: str) -> None:
    """Everything that has its place in one slot."""
    transaction: Any = c.transaction()
    transaction.set(f"{tag}n", "1")
    transaction.incr(f"{tag}n")
    assert f.do(transaction.execute) == [True, 2]
    assert f.do(lambda: transact(f, c, f"{tag}n")) == 2
    assert f.do(lambda: c.get(f"{tag}n")) == "3"
    script = c.script("return redis.call('INCR', KEYS[1])")
    assert f.do(lambda: script([f"{tag}n"])) == 4
    lock = c.lock(f"{tag}lock")
    assert f.do(lock.acquire)
    assert f.do(lambda: c.lock(f"{tag}lock", wait_s=0.0).acquire()) is False
    f.do(lock.release)
    f.do(lambda: c.rpush(f"{tag}l", "v"))
    assert f.do(lambda: c.blpop(f"{tag}l", 1)) == (f"{tag}l", "v")


def transact(f: Flavour, c: Any, key: str) -> Any:
    """Add one to what was read, under WATCH; return what was read."""
    if not f.is_async:

        def body(watch: Any, transaction: Any) -> int:
            value = int(watch.get(key))
            transaction.set(key, value + 1)
            return value

        return c.transact(body, key)

    async def awaited(watch: Any, transaction: Any) -> int:
        value = int(await watch.get(key))
        transaction.set(key, value + 1)
        return value

    return c.transact(awaited, key)


def test_a_slot_that_has_moved(f: Flavour, c: Any, whole: RedisCluster) -> None:
    for number, check in enumerate((check_in_one_slot, check_many, check_waiting)):
        tag = f"{{moved:{f.is_async}:{number}}}"
        f.do(partial(c.set, f"{tag}x", "v"))
        move(whole, key_slot(tag.encode()))
        check(f, c, tag)
        assert f.do(partial(c.get, f"{tag}x")) == "v"


def check_many(f: Flavour, c: Any, tag: str) -> None:
    assert f.do(lambda: c.many([("INCR", f"{tag}n"), ("GET", f"{tag}x")] * 3))[::2] == [1, 2, 3]


def check_waiting(f: Flavour, c: Any, tag: str) -> None:
    assert f.do(lambda: c.blpop(f"{tag}none", 0.01)) is None


def test_a_slot_that_is_on_its_way(f: Flavour, c: Any, whole: RedisCluster) -> None:
    tag = f"{{asked:{f.is_async}}}"
    slot = key_slot(tag.encode())
    f.do(lambda: c.mset({f"{tag}here": "1", f"{tag}there": "2"}))
    target = other(whole, whole.owner(slot))
    with whole.migrating(slot, target) as source:
        host, port, _ = target.address
        source.call("MIGRATE", host, port, f"{tag}there", 0, 5000)
        assert f.do(lambda: c.get(f"{tag}here")) == "1"
        assert f.do(lambda: c.get(f"{tag}there")) == "2"
        assert f.do(lambda: c.incr(f"{tag}new")) == 1
        replies = f.do(lambda: c.many([("GET", f"{tag}here"), ("INCR", f"{tag}there")]))
        assert replies == ["1", 3]
        transaction: Any = c.transaction()
        transaction.incr(f"{tag}there")
        assert f.do(transaction.execute) == [4]
        f.do(lambda: c.rpush(f"{tag}l", "v"))
        assert f.do(lambda: c.blpop(f"{tag}l", 1)) == (f"{tag}l", "v")
        # Keys on both sides: refused until they are together.
        carry = threading.Timer(0.2, whole.move_keys, (slot, source, target))
        carry.start()
        assert f.do(lambda: c.mget(f"{tag}here", f"{tag}there")) == ["1", "4"]
        carry.join()
    whole.move_slot(slot, target)
    assert f.do(lambda: c.mget(f"{tag}here", f"{tag}there")) == ["1", "4"]


def test_nothing_is_lost_or_doubled_while_slots_move(
    f: Flavour, c: Any, whole: RedisCluster
) -> None:
    tags = [f"{{load:{f.is_async}:{n}}}" for n in range(4)]
    keys = [f"{tag}{n}" for tag in tags for n in range(5)]
    known = dict.fromkeys(keys, 0)
    unknown = dict.fromkeys(keys, 0)
    is_over = threading.Event()

    def count(key: str, outcome: BaseException | None) -> None:
        if outcome is None:
            known[key] += 1
        elif isinstance(outcome, OutcomeUnknown):
            unknown[key] += 1
        else:
            raise outcome

    def work(keys: list[str]) -> None:
        while not is_over.is_set():
            for key in keys:
                c.incr(key)
                count(key, None)
            for key, reply in zip(
                keys, c.many([("INCR", key) for key in keys], raise_errors=False)
            ):
                count(key, reply if isinstance(reply, BaseException) else None)

    async def work_async(client: Any, keys: list[str]) -> None:
        while not is_over.is_set():
            for key in keys:
                await client.incr(key)
                count(key, None)
            requests = [("INCR", key) for key in keys]
            for key, reply in zip(keys, await client.many(requests, raise_errors=False)):
                count(key, reply if isinstance(reply, BaseException) else None)

    def load() -> None:
        if f.is_async:

            async def run() -> None:
                async with AsyncClient(url(whole), deadline_s=20.0) as client:
                    await asyncio.gather(*(work_async(client, keys[n::4]) for n in range(4)))

            asyncio.run(run())
        else:
            threads = [threading.Thread(target=work, args=(keys[n::4],)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    loader = threading.Thread(target=load)
    loader.start()
    try:
        for tag in tags * 2:
            move(whole, key_slot(tag.encode()))
    finally:
        is_over.set()
        loader.join()
    for key in keys:
        assert known[key] > 0
        value = int(f.do(partial(c.get, key)))
        assert known[key] <= value <= known[key] + unknown[key]
    assert sum(unknown.values()) == 0


def test_reads_from_followers(f: Flavour, c: Any, whole: RedisCluster) -> None:
    f.do(lambda: c.mset(dict.fromkeys(MANY[:30], "v")))
    f.pause(0.3)
    for read_from in ("prefer_follower", "any"):
        before = [reads(node) for node in whole.followers]
        check_reads(f, f.client(url(whole), decode=True, read_from=read_from))
        assert sum(reads(node) for node in whole.followers) > sum(before)


def check_reads(f: Flavour, reader: Any) -> None:
    for key in MANY[:30]:
        f.until(partial(is_value, f, reader, key))
    assert f.do(lambda: reader.mget(*MANY[:30])) == ["v"] * 30
    assert f.do(lambda: reader.set(MANY[0], "v")) is True


def is_value(f: Flavour, reader: Any, key: str) -> bool:
    return bool(f.do(lambda: reader.get(key)) == "v")


def reads(node: ClusterNode) -> int:
    """Return how many GETs a node has been asked for."""
    for line in node.call("INFO", "commandstats").text().decode().splitlines():
        if line.startswith("cmdstat_get:"):
            fields = dict(part.split("=") for part in line.partition(":")[2].split(","))
            return int(fields["calls"]) - int(fields["rejected_calls"])
    return 0


def test_channels(f: Flavour, c: Any, whole: RedisCluster) -> None:
    if f.is_async:
        f.do(lambda: hear_async(whole))
    else:
        hear(whole)


def hear(whole: RedisCluster) -> None:
    with Client(url(whole), decode=True, deadline_s=20.0) as c:
        with c.subscribe("news", patterns=["p*"]) as heard:
            publish(c, "news", heard.next, "publish")
            publish(c, "plain", heard.next, "publish")
        tag = "{shard:blocking}"
        with c.subscribe(shards=[f"{tag}1", f"{tag}2"]) as heard:
            with pytest.raises(UsageError):
                heard.ssubscribe("elsewhere")
            publish(c, f"{tag}2", heard.next, "spublish")
            move(whole, key_slot(tag.encode()))
            publish(c, f"{tag}2", heard.next, "spublish")


def publish(c: Any, channel: str, heard: Any, how: str) -> None:
    """Publish until it is heard: who has not subscribed yet hears nothing."""
    for _ in range(400):
        getattr(c, how)(channel, "text")
        message = heard(0.05)
        if isinstance(message, Message):
            assert (message.channel, message.data) == (channel, "text")
            while isinstance(heard(0.05), Message | Gap):
                pass
            return
    raise AssertionError(f"nothing was heard on {channel}")


async def hear_async(whole: RedisCluster) -> None:
    async with AsyncClient(url(whole), decode=True, deadline_s=20.0) as c:
        async with c.subscribe("news", patterns=["p*"]) as heard:
            await publish_async(c, "news", heard.next, "publish")
            await publish_async(c, "plain", heard.next, "publish")
        tag = "{shard:async}"
        async with c.subscribe(shards=[f"{tag}1", f"{tag}2"]) as heard:
            with pytest.raises(UsageError):
                await heard.ssubscribe("elsewhere")
            await publish_async(c, f"{tag}2", heard.next, "spublish")
            await asyncio.to_thread(move, whole, key_slot(tag.encode()))
            await publish_async(c, f"{tag}2", heard.next, "spublish")


async def publish_async(c: Any, channel: str, heard: Any, how: str) -> None:
    for _ in range(400):
        await getattr(c, how)(channel, "text")
        message = await heard(0.05)
        if isinstance(message, Message):
            assert (message.channel, message.data) == (channel, "text")
            while isinstance(await heard(0.05), Message | Gap):
                pass
            return
    raise AssertionError(f"nothing was heard on {channel}")


def test_a_leader_that_dies_is_followed_by_its_follower(f: Flavour, mortal: RedisCluster) -> None:
    c = f.client(url(mortal), decode=True, deadline_s=30.0)
    f.do(lambda: c.mset(dict.fromkeys(MANY, "v")))
    assert wait_until(
        lambda: all(is_copied(node) for node in mortal.leaders if node.server.alive()), 10.0
    )
    mortal.leaders[1 + f.is_async].server.kill()
    # All within the deadline of each call, though the map is old.
    assert f.do(lambda: c.mget(*MANY)) == ["v"] * len(MANY)
    assert f.do(lambda: c.mset(dict.fromkeys(MANY, "w"))) is True
    assert set(f.do(lambda: c.many([("GET", key) for key in MANY]))) == {"w"}
    assert f.do(lambda: f.client(url(mortal), decode=True).get(MANY[0])) == "w"
    assert len(f.each(c.scan_iter)) == len(MANY)
    for key in MANY[:50]:
        assert f.do(partial(c.blpop, f"{{{key}}}none", 0.001)) is None


def is_copied(node: ClusterNode) -> bool:
    return (
        b"lag=" in node.call("INFO", "replication").text()
        and node.call("WAIT", 1, 100).number() > 0
    )
