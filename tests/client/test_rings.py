"""Independent nodes on a ring: keys are split, and a node that is removed leaves only its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import pytest

from kvclient import Client
from kvclient.errors import ConfigurationError, ConnectError, Unavailable, UsageError
from kvclient.messages import Message

from ..wire.servers import Server, redis_server
from .flavour import Flavour

NODES: Final = 10
KEYS: Final = [f"key:{n}" for n in range(2000)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(redis_server()) for _ in range(NODES)]


@pytest.fixture
def c(f: Flavour, nodes: list[Server]) -> Any:
    for node in nodes:
        node.revive()
    client = f.client(url(nodes), decode=True)
    f.do(client.flushall)
    return client


def url(nodes: list[Server]) -> str:
    return f"kv://{','.join(place(node) for node in nodes)}?mode=ring&deadline=2"


def place(node: Server) -> str:
    return f"127.0.0.1:{node.port}"


def held(node: Server) -> set[str]:
    with Client(f"kv://{place(node)}", decode=True) as client:
        return set(client.keys("*"))


def test_keys_are_split_over_all_nodes(f: Flavour, c: Any, nodes: list[Server]) -> None:
    assert f.do(lambda: c.mset(dict.fromkeys(KEYS, "v"))) is True
    counts = [len(held(node)) for node in nodes]
    assert sum(counts) == len(KEYS) and min(counts) > len(KEYS) / NODES / 2
    assert f.do(lambda: c.mget(*KEYS, "none")) == ["v"] * len(KEYS) + [None]
    assert f.do(c.dbsize) == len(KEYS)
    assert set(f.each(lambda: c.scan_iter(count=100))) == set(KEYS)
    assert f.do(lambda: c.many([("INCR", f"n{n}") for n in range(100)])) == [1] * 100
    assert f.do(lambda: c.delete(*KEYS)) == len(KEYS)
    transaction = c.transaction()
    transaction.set("{tag}a", "1")
    transaction.incr("{tag}a")
    assert f.do(transaction.execute) == [True, 2]
    with pytest.raises(UsageError, match="nodes"):
        f.do(lambda: c.sunion(*KEYS[:20]))


def test_a_node_that_is_not_reached_keeps_its_keys(f: Flavour, c: Any, nodes: list[Server]) -> None:
    f.do(lambda: c.mset(dict.fromkeys(KEYS, "v")))
    lost = held(nodes[3])
    nodes[3].kill()
    quick = c.with_deadline(0.3)
    with pytest.raises(ConnectError):
        f.do(partial(quick.get, min(lost)))
    kept = [key for key in KEYS if key not in lost]
    assert f.do(lambda: quick.mget(*kept)) == ["v"] * len(kept)
    replies = f.do(lambda: quick.many([("GET", min(lost)), ("GET", kept[0])], raise_errors=False))
    assert isinstance(replies[0], Unavailable) and replies[1] == "v"


def test_removing_one_of_ten_moves_its_keys_alone(f: Flavour, c: Any, nodes: list[Server]) -> None:
    f.do(lambda: c.mset(dict.fromkeys(KEYS, "v")))
    before = {node.port: held(node) for node in nodes}
    lost = before[nodes[7].port]
    nodes[7].kill()
    c.remove_node(place(nodes[7]))
    assert f.do(lambda: c.mget(*KEYS)) == [None if key in lost else "v" for key in KEYS]
    assert len(KEYS) / 20 < len(lost) < len(KEYS) / 5
    f.do(lambda: c.mset(dict.fromkeys(KEYS, "w")))
    rest = [node for node in nodes if node is not nodes[7]]
    assert all(before[node.port] <= held(node) for node in rest)
    nodes[7].revive()
    c.add_node(place(nodes[7]))
    f.do(lambda: c.mset(dict.fromkeys(KEYS, "x")))
    if nodes[7].port in before:  # it has come back on its port, and so to its place
        assert held(nodes[7]) == lost


def test_nodes_are_named_by_their_addresses(f: Flavour, c: Any) -> None:
    with pytest.raises(KeyError):
        c.remove_node("127.0.0.1:1")
    with pytest.raises(ConfigurationError):
        c.add_node("a,b")
    with pytest.raises(UsageError, match="ring"):
        f.client("kv://127.0.0.1").add_node("127.0.0.1:1")


def test_channels_are_heard_where_they_are_published(
    f: Flavour, c: Any, nodes: list[Server]
) -> None:
    for n in range(5):
        assert f.do(partial(heard_async if f.is_async else heard, c, f"channel{n}")) == "text"
    with pytest.raises(UsageError):
        f.do(partial(opened_async if f.is_async else opened, c, *(f"c{n}" for n in range(20))))


def heard(c: Any, channel: str) -> Any:
    with c.subscribe(channel) as subscription:
        for _ in range(400):
            c.publish(channel, "text")
            message = subscription.next(0.05)
            if isinstance(message, Message):
                return message.data
    return None


async def heard_async(c: Any, channel: str) -> Any:
    async with c.subscribe(channel) as subscription:
        for _ in range(400):
            await c.publish(channel, "text")
            message = await subscription.next(0.05)
            if isinstance(message, Message):
                return message.data
    return None


def opened(c: Any, *channels: str) -> None:
    with c.subscribe(*channels):
        pass


async def opened_async(c: Any, *channels: str) -> None:
    async with c.subscribe(*channels):
        pass
