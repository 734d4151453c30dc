"""A snapshot shows one moment, whatever happens while it is read."""

from __future__ import annotations

import random

import pytest

from kvnode.durability.snapshot import Snapshot
from kvnode.keyspace import NEVER

from .engine import Dump, Engine

DATABASES = (0, 1, 2)
# Half of them in one group, so that it is read for a while.
KEYS = [
    b"%s:%b%d" % (kind, b"{t}" if n % 2 else b"", n)
    for kind in (b"s", b"h", b"l", b"z", b"set", b"x")
    for n in range(40)
]


def request(source: random.Random) -> list[bytes]:
    """One command that changes something, or may."""
    key = source.choice(KEYS)
    other = source.choice(KEYS)
    number = b"%d" % source.randrange(300)
    kind = key.partition(b":")[0]
    by_kind = {
        b"s": ([b"SET", key, b"v" * source.randrange(60)], [b"APPEND", key, number]),
        b"h": ([b"HSET", key, number, b"v" * source.randrange(90)], [b"HDEL", key, number]),
        b"l": ([b"RPUSH", key, *[number] * source.randrange(1, 40)], [b"LPOP", key, b"5"]),
        b"z": ([b"ZADD", key, number, number], [b"ZREM", key, number]),
        b"set": ([b"SADD", key, number, b"m" + number], [b"SPOP", key]),
        b"x": ([b"XADD", key, b"*", b"f", number], [b"XTRIM", key, b"MAXLEN", b"3"]),
    }
    common = (
        [b"DEL", key],
        [b"RENAME", key, other],
        [b"COPY", key, other, b"REPLACE"],
        [b"PEXPIRE", key, b"%d" % source.randrange(1, 5000)],
        [b"PERSIST", key],
        [b"MOVE", key, b"%d" % source.choice(DATABASES)],
        [b"SELECT", b"%d" % source.choice(DATABASES)],
        [b"GET", key],
    )
    if source.random() < 0.02:
        return source.choice(
            ([b"SWAPDB", b"0", b"1"], [b"SWAPDB", b"2", b"1"], [b"FLUSHDB"], [b"FLUSHDB", b"ASYNC"])
        )
    if source.random() < 0.7:
        return source.choice(by_kind[kind])
    return source.choice(common)


def taken(engine: Engine, snapshot: Snapshot, between: int, source: random.Random) -> Dump:
    """What a snapshot shows, with commands between its groups and while a group is read."""
    found: Dump = {}
    while (records := snapshot.take()) is not None:
        for place, key in enumerate(records.keys):
            snapshot.place = place
            for _ in range(between):
                engine.send(request(source))
                if source.random() < 0.05:
                    engine.clock.seconds += 0.3
                    engine.node.tick(engine.clock.now())
            content = engine.content(records.values[place])
            assert (records.index, key) not in found, "a key came twice"
            found[(records.index, key)] = (*content, records.deadline(place))
    snapshot.end()
    return found


@pytest.mark.parametrize("seed", range(12))
def test_a_snapshot_shows_the_moment_it_was_made(seed: int) -> None:
    source = random.Random(seed)
    engine = Engine(seed=seed)
    for _ in range(1500):
        engine.send(request(source))
    engine.node.tick(engine.clock.now())
    expected = engine.dump()
    snapshot = Snapshot(engine.node.dataset)
    assert snapshot.key_count == len(expected)
    assert taken(engine, snapshot, 6, source) == expected
    assert engine.node.dataset.snapshot is None
    while not engine.node.dataset.freeing.is_idle():
        engine.node.dataset.freeing.step(1000)
    engine.node.check()


def test_a_snapshot_that_is_given_up_leaves_the_data_as_it_is() -> None:
    engine = Engine()
    engine.send([b"SET", b"a", b"1"])
    snapshot = Snapshot(engine.node.dataset)
    engine.send([b"SET", b"a", b"2"])
    engine.send([b"FLUSHALL"])
    engine.send([b"SET", b"b", b"3"])
    snapshot.end()
    assert list(engine.dump()) == [(0, b"b")]
    assert engine.node.dataset.databases[0].deadline(b"b") == NEVER
    assert Snapshot(engine.node.dataset).take() is not None
