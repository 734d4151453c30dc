"""The access table stays in step with its database, and clocks tell what Redis's would."""

from __future__ import annotations

import random

import pytest
from librt.random import Random

from kvnode.access import (
    FIRST_COUNT,
    KEYS,
    LAST_USE,
    NO_CLOCK,
    NOTHING,
    USE_COUNT,
    Access,
    AccessRules,
    build_table,
    drop_table,
    idle_ms,
    keep_table,
    last_use_clock,
    use_clock,
)
from kvnode.dataset import Dataset
from kvnode.keyspace import Keyspace
from kvnode.structures.index_table import SetTable

NOW_MS = 1_700_000_000_000
MINUTE_MS = 60_000


def dataset_with(purpose: int, count: int = 3) -> Dataset:
    dataset = Dataset(count)
    dataset.now_ms = NOW_MS
    set_purpose(dataset, purpose)
    return dataset


def set_purpose(dataset: Dataset, purpose: int) -> None:
    """What CONFIG SET maxmemory-policy does."""
    if purpose == dataset.access_rules.purpose:
        return
    dataset.access_rules.purpose = purpose
    for database in dataset.databases:
        if purpose == NOTHING:
            drop_table(database)
        else:
            keep_table(database)


def table_of(database: Keyspace) -> Access:
    access = database.access
    assert access is not None
    return access


class RandomUse:
    """Every call that changes a keyspace, drawn at random, with the keys that must be there."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.dataset = dataset_with(NOTHING)
        self.model: list[set[bytes]] = [set(), set(), set()]

    def key(self) -> bytes:
        return b"{%d}k%d" % (self.source.randrange(3), self.source.randrange(300))

    def step(self) -> None:
        source = self.source
        index = source.randrange(3)
        database = self.dataset.databases[index]
        keys = self.model[index]
        key = self.key()
        action = source.random()
        if action < 0.3:
            database.put(key, source.choice([b"v" * 20, 7, SetTable()]))
            keys.add(key)
        elif action < 0.45:
            database.for_write(key)
            database.store(key, b"stored")
            keys.add(key)
        elif action < 0.55:
            assert database.remove(key, source.random() < 0.5) == (key in keys)
            keys.discard(key)
        elif action < 0.7:
            assert (database.read(key) is not None) == (key in keys)
        elif action < 0.76:
            assert (database.inspect(key) is not None) == (key in keys)
        elif action < 0.82 and key in keys:
            database.expire_at(key, self.dataset.now_ms + source.randrange(1, 3000))
        elif action < 0.88:
            assert database.evict(key, source.random() < 0.5) == (key in keys)
            keys.discard(key)
        elif action < 0.91:
            self.rename(database, keys, key)
        elif action < 0.94:
            build_table(database, source.randrange(1, 100))
        else:
            self.rarely()

    def rename(self, database: Keyspace, keys: set[bytes], key: bytes) -> None:
        stored = database.for_write(key)
        if stored is None:
            return
        name = self.key()
        clock = database.clock(key)
        database.take(key)
        keys.discard(key)
        database.put(name, stored)
        database.set_clock(name, clock)
        keys.add(name)
        assert database.clock(name) in (clock, NO_CLOCK) or clock == NO_CLOCK

    def rarely(self) -> None:
        source = self.source
        choice = source.random()
        if choice < 0.7:
            self.dataset.now_ms += source.randrange(2000)
            for index, database in enumerate(self.dataset.databases):
                gone = {
                    key
                    for key in self.model[index]
                    if 0 <= database.deadline(key) <= self.dataset.now_ms
                }
                while database.expiring and database.expiry.is_due(self.dataset.now_ms):
                    database.expire_cycle(50)
                self.model[index] -= gone
        elif choice < 0.8:
            self.dataset.swap(0, 2)
            self.model[0], self.model[2] = self.model[2], self.model[0]
        elif choice < 0.84:
            self.dataset.databases[1].clear(source.random() < 0.5)
            self.model[1].clear()
        else:
            set_purpose(self.dataset, source.choice([NOTHING, KEYS, LAST_USE, USE_COUNT]))


@pytest.mark.parametrize("seed", range(5))
def test_the_table_has_every_key_after_any_sequence_of_changes(seed: int) -> None:
    use = RandomUse(seed)
    for number in range(4000):
        use.step()
        if number % 300 == 0:
            use.dataset.check()
    while any(not build_table(database, 100) for database in use.dataset.databases):
        pass
    use.dataset.check()
    for index, keys in enumerate(use.model):
        database = use.dataset.databases[index]
        assert database.count == len(keys), f"seed {seed}"
        if database.access is not None:
            assert set(database.access.members) == keys, f"seed {seed}"


def test_a_policy_set_late_finds_the_keys_that_were_there_in_slices() -> None:
    dataset = dataset_with(NOTHING, 1)
    database = dataset.databases[0]
    for i in range(5000):
        database.put(b"{tag}%d" % i if i % 2 else b"k%d" % i, b"v")
    before = dataset.memory
    set_purpose(dataset, LAST_USE)
    steps = 1
    while not build_table(database, 100):
        steps += 1
        database.remove(b"k%d" % (2 * steps))
        database.put(b"new:%d" % steps, b"v")
        dataset.check()
    assert steps > 50
    assert table_of(database).count() == database.count
    assert dataset.memory > before
    set_purpose(dataset, NOTHING)
    dataset.check()
    assert not database.ageing


def test_a_table_of_nobody_is_freed_in_slices() -> None:
    dataset = dataset_with(LAST_USE, 1)
    database = dataset.databases[0]
    for i in range(1000):
        database.put(b"%d" % i, b"v")
    set_purpose(dataset, NOTHING)
    steps = 0
    while not dataset.freeing.is_idle():
        dataset.freeing.step(100)
        steps += 1
    assert steps >= 10


def test_reads_and_writes_set_the_clock_and_questions_do_not() -> None:
    dataset = dataset_with(LAST_USE, 1)
    database = dataset.databases[0]
    database.put(b"k", b"v")

    def idle_after(call: object) -> int:
        dataset.now_ms += 80_000
        assert callable(call)
        call(b"k")
        return int(idle_ms(database.clock(b"k"), dataset.now_ms))

    assert idle_after(database.inspect) == 80_000
    assert idle_after(database.peek) == 160_000
    assert idle_after(database.deadline) == 240_000
    assert idle_after(database.read) == 0
    assert idle_after(database.inspect) == 80_000
    assert idle_after(database.for_write) == 0
    assert idle_after(lambda key: database.put(key, b"w")) == 0
    dataset.touches = False
    assert idle_after(database.read) == 80_000


def test_idle_time_survives_the_end_of_the_clock_and_a_step_back() -> None:
    wrap = 1 << 34  # 31 bits of 8 ms
    late = 100 * wrap - 16
    assert idle_ms(last_use_clock(late), late + 4000) == 4000
    assert idle_ms(last_use_clock(late), late - 3_000_000) == 0
    assert idle_ms(last_use_clock(late), late + wrap // 2) == wrap // 2


def test_a_counter_grows_with_every_use_when_the_factor_is_zero() -> None:
    rules = AccessRules()
    rules.purpose = USE_COUNT
    rules.log_factor = 0
    clock = rules.fresh_clock(NOW_MS)
    for use in range(300):
        assert rules.decayed(clock, NOW_MS) == min(FIRST_COUNT + use, 255)
        clock = rules.counted(clock, NOW_MS)


def test_a_counter_loses_one_for_each_period_without_a_use() -> None:
    rules = AccessRules()
    rules.purpose = USE_COUNT
    clock = use_clock(100, NOW_MS)
    assert rules.decayed(clock, NOW_MS + 10 * MINUTE_MS) == 90
    assert rules.decayed(clock, NOW_MS + 1000 * MINUTE_MS) == 0
    rules.decay_minutes = 5
    assert rules.decayed(clock, NOW_MS + 10 * MINUTE_MS) == 98
    rules.decay_minutes = 0
    assert rules.decayed(clock, NOW_MS + 10 * MINUTE_MS) == 100
    end = 65536 * MINUTE_MS * 500
    rules.decay_minutes = 1
    assert rules.decayed(use_clock(50, end - MINUTE_MS), end + MINUTE_MS) == 48


def test_a_counter_of_a_million_uses_is_about_255_at_factor_ten() -> None:
    # Redis's documentation: 100 uses 10, 1,000 uses 18, 100,000 uses 142, a million 255.
    rules = AccessRules()
    rules.purpose = USE_COUNT
    rules.random = Random(7)
    clock = rules.fresh_clock(NOW_MS)
    counts: dict[int, int] = {}
    for use in range(1, 100_001):
        clock = rules.counted(clock, NOW_MS)
        if use in (100, 1000, 100_000):
            counts[use] = int(rules.decayed(clock, NOW_MS))
    assert 7 <= counts[100] <= 14
    assert 14 <= counts[1000] <= 24
    assert 128 <= counts[100_000] <= 156


def test_a_draw_of_rows_is_uniform_over_keys() -> None:
    dataset = dataset_with(KEYS, 1)
    database = dataset.databases[0]
    for i in range(100):
        database.put(b"{same}%d" % i, b"v")
    source = Random(3)
    seen: dict[bytes, int] = {}
    access = table_of(database)
    for _ in range(100_000):
        key = access.members[source.randrange(access.count())]
        seen[key] = seen.get(key, 0) + 1
    assert min(seen.values()) > 850
    assert max(seen.values()) < 1150
