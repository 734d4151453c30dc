"""The server that the libraries talk to.

KVNODE_CLIENTS_ON=redis runs every scenario on a real redis-server instead: a scenario that fails
there tests nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest
import redis

from tests.wire.servers import Server, kvnode_server, redis_server

from .processes import server_url

ON: Final = os.environ.get("KVNODE_CLIENTS_ON", "kvnode")
SERVERS: Final = {"kvnode": kvnode_server, "redis": redis_server}


def wanted_server(*directives: str) -> Server:
    """A server of the wanted kind, not started yet."""
    return SERVERS[ON](*directives)


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    """A running server, shared by the tests of a file."""
    with wanted_server() as server:
        yield server


@pytest.fixture(scope="module")
def url(node: Server) -> str:
    """The server's address."""
    return server_url(node.port)


@pytest.fixture
def direct(node: Server) -> Iterator[redis.Redis]:
    """A plain client, to see what a library left on the server, which is empty at the start."""
    with redis.Redis(port=node.port, decode_responses=True) as client:
        client.flushall()
        yield client
