"""A dataset of all types travels to kvnode and back; `round_trip` itself takes a million keys."""

from __future__ import annotations

import pytest

from .bulk_client import BulkClient
from .contents import same_contents
from .datasets import dataset, key_of, maker_of
from .harness import Difference
from .round_trip import WAYS
from .servers import redis_server

KEYS = 4_000


@pytest.mark.parametrize("way", WAYS)
def test_a_dataset_is_equal_after_both_ways(way: str) -> None:
    assert WAYS[way](KEYS, 1, False, print) >= KEYS // 2


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_a_larger_dataset_is_equal_after_both_ways(way: str) -> None:
    assert WAYS[way](5 * KEYS, 3, False, print) >= 5 * KEYS // 2


# Of each kind at least one, small as a change can be; the keys are those of `dataset(100)`.
CHANGES = [
    "SET {string} 1",
    "APPEND {string} x",
    "PEXPIREAT {string} 4102444800001",
    "PEXPIREAT {string} 4102444800000",
    "PERSIST {string}",
    "RENAME {string} other",
    "DEL other",
    "HSET {hash_} field0 other",
    "HDEL {hash_} field0",
    "LPUSH {list_} x",
    "SADD {set_} x",
    "SADD {integer_set} 5",
    "ZINCRBY {sorted_set} 0.5 member0",
    "XADD {stream} 5000-1 a b",
    "XDEL {stream} 5000-1",
    "XGROUP CREATE {stream} other 0",
    "XREADGROUP GROUP other ann STREAMS {stream} >",
    "XGROUP SETID {stream} other 3-3",
    "PFADD {hyperloglog} x",
    "FUNCTION DELETE readers",
    "FLUSHDB",
]


def test_the_comparer_sees_every_change() -> None:
    with redis_server() as first, redis_server() as second:
        clients = [BulkClient(server.port) for server in (first, second)]
        for client in clients:
            client.feed(dataset(100, 7, now_ms=1_900_000_000_000))
        names = {maker_of(number).__name__: key_of(number) for number in range(100)}
        assert same_contents(first.port, second.port, logged=True) == 100
        for line in CHANGES:
            argv = line.format(**names).split()
            clients[0].call(*argv)
            with pytest.raises(Difference):
                same_contents(first.port, second.port, logged=True)
            clients[1].call(*argv)
            same_contents(first.port, second.port, logged=True)
        for name in ("XREADGROUP GROUP other bob STREAMS s >", "XGROUP CREATECONSUMER s other cy"):
            argv = name.split()
            for client in clients:
                client.ask([("XADD", "s", "5-1", "a", "b"), ("XGROUP", "CREATE", "s", "other", 0)])
            clients[0].call(*argv)
            with pytest.raises(Difference):
                same_contents(first.port, second.port)
            for client in clients:
                client.call("DEL", "s")
