"""Every typed method on a cluster answers what it answers on a single server.

The calls are those whose requests tests/unit compares with redis-py's. They are made one after
another, on what the ones before have left; their keys get a tag, since several may be named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from kvclient.blocking.commands import Commands
from kvclient.errors import KvError, ReplyError, UsageError
from kvclient.traits import traits_of
from kvclient.wire.encoding import as_wire

from ..unit.test_client_argv import CALLS
from ..unit.test_client_flavours import WAITING as ELSEWHERE
from .clusters import RedisCluster
from .exactness import same
from .flavour import Flavour

TAG: Final = b"{tag}"


class Tagged(Commands[Any]):
    """The typed methods of a client, with a tag in front of each key."""

    def __init__(self, f: Flavour, client: Any) -> None:
        self._f = f
        self._client = client

    def _send(self, argv: Any, shape: Callable[[Any], Any] | None = None) -> Any:
        return self._f.do(lambda: self._client._send(self._tagged(argv), shape))

    def _send_blocking(self, argv: Any, shape: Any, timeout_s: int | float) -> Any:
        words = self._tagged(argv)
        return self._f.do(lambda: self._client._send_blocking(words, shape, timeout_s))

    def _tagged(self, argv: Any) -> Any:
        positions = traits_of(argv).key_positions(argv)
        return tuple(
            TAG + as_wire(word) if place in positions else word for place, word in enumerate(argv)
        )


# What waits, with something to take and with nothing.
WAITING: Final = """
rpush("bl", "a", "b", "c", "d", "e")
zadd("bz", {"a": 1, "b": 2, "c": 3})
blpop(["none", "bl"], 0.01)
brpop("bl", 0.01)
blmove("bl", "bd", 0.01)
brpoplpush("bl", "bd", 0.01)
blmpop(0.01, ["none", "bl"], direction="LEFT")
bzpopmin(["none", "bz"], 0.01)
bzpopmax("bz", 0.01)
bzmpop(0.01, ["none", "bz"], max=True)
blpop("none", 0.01)
blmove("none", "bd", 0.01)
bzpopmin("none", 0.01)
xadd("bs", {"f": "v"}, id="1-1")
xgroup_create("bs", "g", "0")
xread({"bs": "0"}, block=10)
xread({"bs": "$"}, block=10)
xreadgroup("g", "c", {"bs": ">"}, block=10)
"""
# What a cluster does not have, or does not do between databases.
REFUSED: Final = {"copy", "move", "scan", "swapdb"}
# sort() with the keys of its patterns on other nodes, perhaps.
PATTERNS: Final = ("by=", "get=")
# Of one node, at one moment, or by chance.
VARYING: Final = {
    *("acl_deluser", "acl_list", "acl_users", "client_id", "client_info", "dbsize", "info"),
    *("keys", "lastsave", "memory_usage", "object_idletime", "randomkey", "slowlog_get"),
    *("expire", "pexpire", "srandmember", "time", "xadd", "xinfo_stream", "xinfo_stream_full"),
    *("client_list", "slowlog_len", "spop", "xrange", "xrevrange"),
}
# A node that saves refuses to save.
LEFT_OUT: Final = {"bgrewriteaof", "bgsave", "save"}


def calls() -> Iterator[str]:
    for call in [call for call, _ in CALLS] + [line for line in WAITING.split("\n") if line]:
        waits = call.partition("(")[0] in ELSEWHERE or "block=" in call
        if call.partition("(")[0] not in LEFT_OUT and (not waits or call in WAITING):
            yield call


def outcome(call: str, methods: Tagged) -> Any:
    """Return a call's result, or what kind of error it has."""
    try:
        return eval(
            f"methods.{call}", {"methods": methods, "datetime": datetime, "timedelta": timedelta}
        )
    except KvError as error:
        return type(error)


def fits(call: str, alone: Any, together: Any) -> bool:
    """Does a cluster answer what one server does, as far as it can?"""
    name = call.partition("(")[0]
    if name == "sort" and any(word in call for word in PATTERNS):
        return together is ReplyError
    if name in REFUSED and together in (ReplyError, UsageError):
        return True
    if name in VARYING:
        return type(alone) is type(together)
    return same(alone, together)


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_cluster_answers_what_one_server_answers(
    f: Flavour, protocol: int, url: str, redis_cluster: RedisCluster
) -> None:
    place = redis_cluster.leaders[0].address
    alone = f.client(url, protocol=protocol)
    together = f.client(f"kv://{place}?mode=cluster", protocol=protocol)
    f.do(together.flushall)
    wrong = []
    for call in calls():
        pair = [outcome(call, Tagged(f, client)) for client in (alone, together)]
        if not fits(call, *pair):
            wrong.append((call, *pair))
    f.do(together.flushall)
    assert not wrong
