"""Consumers of consumer groups: left over, claimed, new; across lost connections."""

from __future__ import annotations

import asyncio
import time

import pytest

from kvclient import ArgumentError, ReplyError

from .conftest import Texts
from .transport import AnyAsyncClient, AnyClient


def test_new_entries_come_in_order_and_are_acknowledged(c: AnyClient, t: Texts) -> None:
    for number in range(5):
        c.xadd("s", {"n": number})
    with c.consumer("s", group="g", name="me", count=2, block_s=0.01) as consumer:
        found = [consumer.next() for _ in range(5)]
        assert [entry.fields for entry in found if entry] == [
            {t("n"): t(str(number))} for number in range(5)
        ]
        assert consumer.next(0.01) is None
        assert c.xpending("s", "g").pending == 5
        assert consumer.ack(*[entry for entry in found if entry]) == 5
        assert c.xpending("s", "g").pending == 0


def test_a_consumer_begins_with_what_it_had_not_acknowledged(c: AnyClient, t: Texts) -> None:
    ids = [c.xadd("s", {"n": number}) for number in range(4)]
    first = c.consumer("s", group="g", name="me", count=3)
    entry = first.next()
    assert entry is not None
    first.ack(entry)
    first.close()
    assert first.next() is None
    assert list(first) == []
    c.xdel("s", ids[2])
    with c.consumer("s", group="g", name="me", count=1, block_s=0.01) as again:
        assert [again.next().id, again.next().id] == [ids[1], ids[3]]  # type: ignore[union-attr]
        assert again.next(0.01) is None
    assert c.xpending("s", "g").pending == 2  # the deleted one is none of them


def test_what_others_left_is_claimed_but_not_from_oneself_again(c: AnyClient) -> None:
    id = c.xadd("s", {"n": 1})
    other = c.consumer("s", group="g", name="other", block_s=0.01)
    assert other.next() is not None
    time.sleep(0.05)
    with c.consumer("s", group="g", name="me", block_s=0.01, claim_idle_s=0.04) as consumer:
        entry = consumer.next(1)
        assert entry is not None
        assert entry.id == id
        assert consumer.next(0.1) is None  # it is still worked on here
        assert consumer.ack(entry) == 1


def test_several_streams_are_read_together(c: AnyClient) -> None:
    c.xadd("{s}a", {"n": 1})
    c.xadd("{s}b", {"n": 2})
    with c.consumer("{s}a", b"{s}b", group="g", name="me", block_s=0.01) as consumer:
        first, second = consumer.next(), consumer.next()
        assert first is not None
        assert second is not None
        assert {first.stream, second.stream} == {"{s}a", b"{s}b"}
        assert consumer.ack(first, second) == 2


def test_a_group_begins_where_it_is_told_and_is_made_again(c: AnyClient) -> None:
    c.xadd("s", {"n": 1})
    with c.consumer("s", group="g", name="me", block_s=0.01, start="$") as consumer:
        assert consumer.next(0.02) is None
        c.delete("s")
        id = c.xadd("s", {"n": 2})
        c.xgroup_create("s", "g", "0")
        entry = consumer.next(1)
        assert entry is not None
        assert entry.id == id
        c.flushall()
        assert consumer.next(0.02) is None
        id = c.xadd("s", {"n": 3})
        entry = consumer.next(1)
        assert entry is not None
        assert entry.id == id


def test_what_cannot_be_is_refused(c: AnyClient) -> None:
    with pytest.raises(ArgumentError):
        c.consumer(group="g", name="me")
    with pytest.raises(ArgumentError):
        c.consumer("s", group="g", name="me", count=0)
    c.set("s", "no stream")
    with pytest.raises(ReplyError, match="WRONGTYPE"):
        c.consumer("s", group="g", name="me").next()


async def test_coroutines_consume(a: AnyAsyncClient) -> None:
    async def produce() -> None:
        for number in range(20):
            await a.xadd("s", {"n": number})
            await asyncio.sleep(0)

    task = asyncio.create_task(produce())
    seen = 0
    async with a.consumer("s", group="g", name="me", count=3) as consumer:
        async for entry in consumer:
            assert int(next(iter(entry.fields.values()))) == seen
            await consumer.ack(entry)
            seen += 1
            if seen == 20:
                break
    await task


async def test_a_lost_connection_is_no_end(a: AnyAsyncClient, c: AnyClient) -> None:
    async with a.consumer("s", group="g", name="me", block_s=0.5) as consumer:
        waiting = asyncio.ensure_future(consumer.next(10))
        for number in range(3):
            await asyncio.sleep(0.05)
            await a.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await a.xadd("s", {"n": number})
            entry = await waiting
            assert entry is not None
            assert int(next(iter(entry.fields.values()))) == number
            waiting = asyncio.ensure_future(consumer.next(10))
        waiting.cancel()


async def test_each_entry_comes_once_while_connections_are_killed(a: AnyAsyncClient) -> None:
    await a.many([("XADD", "s", "*", "n", number) for number in range(400)])

    async def kill() -> None:
        while True:
            await a.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0.01)

    killing = asyncio.create_task(kill())
    seen = []
    async with a.consumer("s", group="g", name="me", count=7, claim_idle_s=0.05) as consumer:
        async for entry in consumer:
            seen.append(int(next(iter(entry.fields.values()))))
            await (consumer.ack(entry) if len(seen) % 2 else asyncio.sleep(0))
            if len(seen) == 400:
                break
    killing.cancel()
    assert sorted(seen) == list(range(400))


def test_a_look_without_waiting_finds_what_is_there(c: AnyClient) -> None:
    consumer = c.consumer("s", group="g", name="me")
    assert consumer.next(0) is None
    c.xadd("s", {"n": 1})
    assert consumer.next(0) is not None
    assert consumer.next(0) is None


async def test_a_reader_that_was_cancelled_leaves_nothing_behind(a: AnyAsyncClient) -> None:
    """What the server handed out to it is pending, and comes to the next reader."""
    async with a.consumer("s", group="g", name="me", block_s=0.3) as consumer:
        assert await consumer.next(0) is None
        reader = asyncio.ensure_future(consumer.next())
        await asyncio.sleep(0.05)
        await a.xadd("s", {"n": 1})  # its reply may have come by now, or not
        reader.cancel()
        await asyncio.wait([reader])
        if reader.cancelled():
            assert await consumer.next(5) is not None
        # As a server does that has not noticed yet that the reader's connection is gone.
        reader = asyncio.ensure_future(consumer.next())
        await asyncio.sleep(0.05)
        reader.cancel()
        await asyncio.wait([reader])
        assert await consumer.next(0) is None
        await a.xadd("s", {"n": 2})
        await a.xreadgroup("g", "me", {"s": ">"})
        assert await consumer.next(5) is not None


def test_the_ids_of_a_stream_that_is_new_count_anew(c: AnyClient) -> None:
    consumer = c.consumer("s", group="g", name="me", block_s=0.1)
    for number in range(2):
        c.xadd("s", {"n": number}, id="1-1")
        entry = consumer.next(5)
        assert entry is not None and int(next(iter(entry.fields.values()))) == number
        c.delete("s")
