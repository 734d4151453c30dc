"""kvnode and redis-server once per worker; a client of either, in each protocol and decoding.

And embedded clients, which are tested as the third server; they have no choice of a protocol.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from kvclient import Client

from ..wire.servers import Server, both_servers, redis_server
from .clusters import RedisCluster
from .flavour import KINDS as FLAVOURS
from .flavour import Flavour
from .transport import (
    EMBEDDED,
    AnyAsyncClient,
    AnyClient,
    connect,
    connect_async,
    embed,
    embed_async,
)

KINDS = [
    *product(("kvnode", "redis-server"), (2, 3), (False, True)),
    *product((EMBEDDED,), (3,), (False, True)),
]
NAMES = [
    f"{name}-resp{protocol}-{'str' if decode else 'bytes'}" for name, protocol, decode in KINDS
]


class Texts(Protocol):
    """Makes of a value its twin with bytes or str, as the client under test has them."""

    def __call__(self, value: Any) -> Any: ...


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Server]]:
    """Both servers, running, by name."""
    with both_servers() as both:
        yield {server.name: server for server in both}


@pytest.fixture(scope="session")
def redis() -> Iterator[Server]:
    """A redis-server of its own."""
    with redis_server() as server:
        yield server


@pytest.fixture
def url(redis: Server) -> str:
    """The URL of that redis-server, which is empty."""
    redis.revive()
    place = f"kv://127.0.0.1:{redis.port}"
    with Client(place) as client:
        client.flushall()
    return place


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A cluster of three leaders with a follower each."""
    with RedisCluster(leaders=3, followers=1) as cluster:
        yield cluster


@pytest.fixture(params=FLAVOURS)
def f(request: pytest.FixtureRequest) -> Iterator[Flavour]:
    """Makes blocking clients, or asynchronous ones on either kind of loop."""
    with Flavour(request.param) as flavour:
        yield flavour


@pytest.fixture(params=KINDS, ids=NAMES)
def kind(request: pytest.FixtureRequest) -> tuple[str, int, bool]:
    """The server's name, the protocol, and whether the client decodes."""
    value: tuple[str, int, bool] = request.param
    return value


@pytest.fixture
def c(
    kind: tuple[str, int, bool], servers: dict[str, Server], tmp_path: Path
) -> Iterator[AnyClient]:
    """A client whose server is empty."""
    name, protocol, decode = kind
    if name == EMBEDDED:
        with embed(tmp_path / "blocking", decode=decode) as embedded:
            yield embedded
        return
    servers[name].revive()
    client = connect(servers[name].port, protocol=protocol, decode=decode)
    try:
        client.flushall()
        client.function_flush()
        client.script_flush()
        yield client
    finally:
        client.close()


@pytest_asyncio.fixture
async def a(
    c: AnyClient, kind: tuple[str, int, bool], servers: dict[str, Server], tmp_path: Path
) -> AsyncIterator[AnyAsyncClient]:
    """An asynchronous client of the same server, which `c` emptied; or an embedded one."""
    name, protocol, decode = kind
    if name == EMBEDDED:
        client = embed_async(tmp_path / "async", decode=decode)
    else:
        client = connect_async(servers[name].port, protocol=protocol, decode=decode)
    yield client
    await client.close()


@pytest.fixture
def t(kind: tuple[str, int, bool]) -> Texts:
    """What the client under test makes of texts: `t({"a": ["b"]})` turns them at any depth."""
    return as_it_is if kind[2] else as_bytes


def as_it_is(value: Any) -> Any:
    return value


def as_bytes(value: Any) -> Any:
    """Return the value with bytes in place of str."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict):
        return {as_bytes(key): as_bytes(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(as_bytes, value))
    if isinstance(value, list | tuple | set):
        return type(value)(map(as_bytes, value))
    return value
