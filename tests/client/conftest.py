"""The servers that tests of the client use, once per test worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..wire.servers import Server, redis_server
from .clusters import RedisCluster


@pytest.fixture(scope="session")
def redis() -> Iterator[Server]:
    """A redis-server."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A cluster of three leaders with a follower each."""
    with RedisCluster(leaders=3, followers=1) as cluster:
        yield cluster
