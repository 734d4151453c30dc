"""A pytest plugin for redis-py's own tests: `kvclient.compat` stands in for `redis.Redis`.

The fixtures ask for a connection of the client's own (`client()`), where redis-py's code would be
tested with itself; they get the client that shares its connections.
"""

from __future__ import annotations

from typing import Final, Self

import pytest
import redis
import redis.asyncio

import kvclient.compat
import kvclient.compat.asyncio


class Blocking(kvclient.compat.Redis):
    """The class under test, also where the fixtures ask for another."""

    def client(self) -> Self:
        """Return a client of the same pool."""
        return type(self)(connection_pool=self.connection_pool)


for module, stand_in in ((redis, Blocking), (redis.asyncio, kvclient.compat.asyncio.Redis)):
    vars(module).update(Redis=stand_in, StrictRedis=stand_in)

_STATE: Final = "changes one connection; refused, since commands share theirs"

LEFT_OUT: Final = {
    "test_auth": _STATE,
    "test_client_reply": _STATE,
    "test_client_tracking": _STATE,
    "test_reset": _STATE,
    "test_select": _STATE,
    "test_bitfield_operations": "selects a database, in the asyncio variant",
    "test_client_setname": "names a connection of redis-py's pool, and reads another's name",
    "test_client_kill_filter_by_user": "logs in without a password, which our options refuse",
    "test_interrupted_command": "patches the connection of a single-connection client",
    "test_slowlog_get": "patches parse_response, which no reply of ours goes through",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of the table."""
    left_out: list[pytest.Item] = []
    kept: list[pytest.Item] = []
    for item in items:
        names = {part.partition("[")[0] for part in item.nodeid.split("::")}
        (left_out if names & LEFT_OUT.keys() else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept
