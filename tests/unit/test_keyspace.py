"""The keyspace: accounting, its contracts with handlers, the snapshot seam, expiry on access."""

from __future__ import annotations

import random
import sys

import pytest
from librt.random import Random

from kvnode.dataset import BeforeChange, Dataset
from kvnode.keyspace import NEVER, Keyspace
from kvnode.structures.index_table import SetTable

NOW_MS = 1_700_000_000_000


class OldValues(BeforeChange):
    """Keeps the first value that each key had, as a snapshot would; sizes stand for containers."""

    def __init__(self) -> None:
        self.first: dict[tuple[int, bytes], object] = {}

    def before_change(self, keyspace: Keyspace, key: bytes, stored: object) -> None:
        value = int(stored.count()) if isinstance(stored, SetTable) else stored
        self.first.setdefault((keyspace.index, key), value)


def dataset_of(count: int = 2) -> tuple[Dataset, Keyspace]:
    dataset = Dataset(count)
    dataset.now_ms = NOW_MS
    return dataset, dataset.databases[0]


def members(count: int) -> SetTable:
    made = SetTable()
    for i in range(count):
        made.add(b"member:%d" % i)
    return made


def test_what_was_put_is_read() -> None:
    dataset, database = dataset_of()
    assert database.read(b"k") is None
    database.put(b"k", b"v")
    assert database.read(b"k") == b"v"
    assert database.peek(b"k") == b"v"
    assert database.contains(b"k")
    assert (database.count, dataset.key_count()) == (1, 1)
    assert (dataset.hits, dataset.misses) == (1, 1)
    dataset.check()


def test_sizes_return_to_zero_when_everything_is_gone() -> None:
    dataset, database = dataset_of()
    for i in range(300):
        database.put(b"k%d" % i, b"v" * i)
        database.put(b"k%d" % i, i)
        database.expire_at(b"k%d" % i, NOW_MS + 5000)
    database.put(b"set", members(100))
    assert dataset.memory > 300 * 60
    dataset.check()
    for i in range(300):
        assert database.remove(b"k%d" % i)
    assert database.remove(b"set")
    assert not database.remove(b"set")
    dataset.check()
    assert (dataset.memory, database.memory, database.count) == (0, 0, 0)
    assert not database.expiring


def test_check_sees_a_container_that_changed_behind_the_keyspace() -> None:
    dataset, database = dataset_of()
    value = members(3)
    database.put(b"k", value)
    value.add(b"more")
    with pytest.raises(AssertionError, match="behind our back"):
        dataset.check()
    database.store(b"k", value)
    dataset.check()


def test_a_container_is_changed_between_for_write_and_store() -> None:
    dataset, database = dataset_of()
    database.put(b"k", members(3))
    before = dataset.memory
    value = database.for_write(b"k")
    assert isinstance(value, SetTable)
    value.add(b"x" * 1000)
    database.store(b"k", value)
    assert dataset.memory >= before + 1000
    dataset.check()


def test_store_keeps_the_deadline_and_put_drops_it() -> None:
    dataset, database = dataset_of()
    database.put(b"k", b"1")
    database.expire_at(b"k", NOW_MS + 1000)
    assert database.for_write(b"k") == b"1"
    database.store(b"k", b"22")
    assert database.deadline(b"k") == NOW_MS + 1000
    database.put(b"k", b"3")
    assert database.deadline(b"k") == NEVER
    assert not database.expiring
    dataset.check()


def test_store_makes_a_key_that_was_not_there() -> None:
    dataset, database = dataset_of()
    assert database.for_write(b"k") is None
    database.store(b"k", b"v")
    database.store(b"other", b"w")  # without for_write
    assert (database.read(b"k"), database.read(b"other")) == (b"v", b"w")
    dataset.check()


def test_store_after_another_key_was_opened_looks_its_own_key_up() -> None:
    dataset, database = dataset_of()
    database.put(b"a", b"1")
    database.put(b"b", b"2" * 100)
    database.for_write(b"a")
    database.for_write(b"b")
    database.store(b"a", b"3" * 50)
    database.store(b"b", b"4")
    dataset.check()
    assert (database.read(b"a"), database.read(b"b")) == (b"3" * 50, b"4")


def test_what_was_opened_is_forgotten_when_the_key_goes() -> None:
    dataset, database = dataset_of()
    key = b"k"
    database.put(key, b"1")
    for gone in (
        lambda: database.remove(key),
        lambda: database.clear(False),
        lambda: dataset.swap(0, 1),
        lambda: dataset.swap(1, 0),
        lambda: database.put(key, b"long" * 100),
    ):
        database.for_write(key)
        gone()
        database.store(key, b"2")
        dataset.check()
        assert database.read(key) == b"2"
        dataset.databases[1].clear(False)


def test_take_hands_the_value_over() -> None:
    dataset, database = dataset_of()
    value = members(500)
    database.put(b"k", value)
    assert database.take(b"k") is value
    assert database.take(b"k") is None
    assert value.count() == 500
    database.put(b"l", value)
    dataset.check()


def test_a_key_is_gone_once_its_deadline_has_come() -> None:
    dataset, database = dataset_of()
    for access in (
        database.read,
        database.peek,
        database.for_write,
        database.take,
        lambda key: database.contains(key) or None,
        lambda key: database.remove(key) or None,
    ):
        database.put(b"k", b"v")
        database.expire_at(b"k", dataset.now_ms + 10)
        dataset.now_ms += 9
        assert database.peek(b"k") == b"v"
        dataset.now_ms += 1
        expired = dataset.expired
        assert access(b"k") is None
        assert dataset.expired == expired + 1
        assert (database.count, dataset.memory) == (0, 0)
        assert dataset.own_effects.pop() == (0, b"k")
        dataset.check()


def test_put_on_an_expired_key_drops_it_first() -> None:
    dataset, database = dataset_of()
    database.put(b"k", b"v")
    database.expire_at(b"k", NOW_MS)
    database.put(b"k", b"w")
    assert dataset.own_effects == [(0, b"k")]
    assert database.deadline(b"k") == NEVER
    dataset.check()


def test_a_follower_hides_expired_keys_but_its_leader_writes_them() -> None:
    dataset, database = dataset_of()
    dataset.expires_keys = False
    for name in (b"a", b"b", b"c"):
        database.put(name, b"old")
        database.expire_at(name, NOW_MS - 1)
    assert database.read(b"a") is None
    assert not database.contains(b"a")
    assert database.expire_cycle(100) == 0
    assert database.random_key(Random(1)) is None
    assert database.count == 3
    assert database.for_write(b"a") == b"old"
    database.store(b"a", b"new")
    dataset.check()
    database.put(b"b", b"new")
    assert database.read(b"b") == b"new"
    assert database.remove(b"c")
    dataset.check()
    assert (database.count, dataset.own_effects) == (2, [])


def test_persist_and_a_new_deadline() -> None:
    dataset, database = dataset_of()
    database.put(b"k", b"v")
    assert not database.persist(b"k")
    database.expire_at(b"k", NOW_MS + 10)
    database.expire_at(b"k", NOW_MS + 20)
    dataset.check()
    assert database.deadline(b"k") == NOW_MS + 20
    assert database.persist(b"k")
    assert not database.persist(b"k")
    assert database.deadline(b"k") == NEVER
    dataset.check()


def test_the_cycle_drops_what_is_due_and_says_so() -> None:
    dataset, database = dataset_of()
    dataset.listening = True
    for i in range(100):
        database.put(b"%d" % i, b"v")
        database.expire_at(b"%d" % i, NOW_MS + i)
    dataset.now_ms = NOW_MS + 49
    dropped = 0
    while database.expiry.is_due(dataset.now_ms):
        dropped += database.expire_cycle(7)
    assert dropped == 50
    assert sorted(dataset.own_effects) == sorted((0, b"%d" % i) for i in range(50))
    assert {event for _, _, event in dataset.heard} == {b"expired"}
    dataset.check()


def test_changes_are_counted_and_heard_only_while_somebody_listens() -> None:
    dataset, database = dataset_of()
    database.changed(b"k", b"set")
    assert (dataset.changes, dataset.dirty, dataset.heard) == (1, 1, [])
    dataset.listening = True
    dataset.databases[1].changed(b"l", b"del")
    assert dataset.heard == [(1, b"l", b"del")]
    database.clear(False)
    dataset.swap(0, 1)
    events = [(index, event) for index, _, event in dataset.heard[1:]]
    assert events == [(0, b"flushdb"), (0, b"swapdb"), (1, b"swapdb")]


@pytest.mark.parametrize("lazily", [False, True])
def test_clear_drops_everything_of_one_database(lazily: bool) -> None:
    dataset, database = dataset_of()
    for i in range(1000):
        database.put(b"%d" % i, b"v")
        database.expire_at(b"%d" % i, NOW_MS + 10)
    dataset.databases[1].put(b"stays", b"v")
    assert database.clear(lazily) == 1000
    assert (database.count, dataset.key_count()) == (0, 1)
    assert database.read(b"1") is None
    assert not database.expiring
    dataset.check()
    database.put(b"1", b"again")
    assert database.deadline(b"1") == NEVER
    dataset.check()


def test_swap_exchanges_contents_deadlines_and_sizes() -> None:
    dataset, first = dataset_of()
    second = dataset.databases[1]
    first.put(b"a", b"1" * 500)
    first.expire_at(b"a", NOW_MS + 10)
    second.put(b"b", b"2")
    dataset.swap(0, 1)
    dataset.check()
    assert (first.read(b"a"), first.read(b"b")) == (None, b"2")
    assert second.read(b"a") == b"1" * 500
    assert second.deadline(b"a") == NOW_MS + 10
    assert (first.index, second.index, first.expiring, second.expiring) == (0, 1, False, True)
    dataset.swap(1, 1)
    dataset.check()
    assert second.read(b"a") == b"1" * 500


@pytest.mark.parametrize("seed", range(6))
def test_a_snapshot_is_told_of_each_old_value_before_its_first_change(seed: int) -> None:
    source = random.Random(seed)
    dataset, database = dataset_of()
    old: dict[bytes, object] = {}
    for i in range(200):
        key = b"%d" % i
        if i % 4 == 0:
            database.put(key, members(i + 1))
            old[key] = i + 1
        else:
            database.put(key, b"old%d" % i)
            old[key] = b"old%d" % i
        if i % 3 == 0:
            database.expire_at(key, NOW_MS + source.randrange(2000))
    seen = OldValues()
    dataset.snapshot = seen
    touched: set[bytes] = set()
    for _ in range(400):
        key = b"%d" % source.randrange(240)
        action = source.randrange(6)
        if action == 0:
            database.put(key, b"new")
        elif action == 1:
            database.remove(key, source.random() < 0.5)
        elif action == 2:
            value = database.for_write(key)
            if isinstance(value, SetTable):
                value.add(b"new%f" % source.random())
                database.store(key, value)
            else:
                database.store(key, b"newer")
        elif action == 3:
            dataset.now_ms += 5
            database.read(key)
            continue
        elif action == 4:
            dataset.now_ms += 5
            database.expire_cycle(10)
            continue
        else:
            database.take(key)
        touched.add(key)
        for name in touched & old.keys():
            assert seen.first[(0, name)] == old[name]
    dataset.check()


@pytest.mark.parametrize(
    "names",
    [
        [b"key:%d" % i for i in range(40)],
        [b"{tag}%d" % i for i in range(40)],
        [b"{tag}%d" % i for i in range(20)] + [b"key:%d" % i for i in range(20)],
        [b"key:%d" % i for i in range(3000)] + [b"{tag}%d" % i for i in range(500)],
    ],
    ids=["spread", "one tag", "mixed", "many"],
)
def test_a_random_key_is_uniform(names: list[bytes]) -> None:
    _, database = dataset_of()
    for name in names:
        database.put(name, b"v")
    source = Random(12345)
    draws = 40 * len(names) if len(names) < 100 else 3 * len(names)
    seen = dict.fromkeys(names, 0)
    for _ in range(draws):
        key = database.random_key(source)
        assert key is not None
        seen[key] += 1
    expected = draws / len(names)
    chi_square = sum((count - expected) ** 2 / expected for count in seen.values())
    freedom = len(names) - 1
    # Five standard deviations of the chi-square distribution.
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5


def test_a_random_key_is_never_an_expired_one() -> None:
    dataset, database = dataset_of()
    for i in range(300):
        database.put(b"%d" % i, b"v")
        if i:
            database.expire_at(b"%d" % i, NOW_MS - 1)
    source = Random(1)
    for _ in range(5):
        assert database.random_key(source) == b"0"
    assert database.remove(b"0")
    assert database.random_key(source) is None
    dataset.check()


@pytest.mark.parametrize("seed", range(8))
def test_random_changes_agree_with_a_dict(seed: int) -> None:
    source = random.Random(seed)
    dataset, database = dataset_of()
    model: dict[bytes, object] = {}
    deadlines: dict[bytes, int] = {}
    for step in range(3000):
        key = b"k%d" % source.randrange(150)
        value = source.choice([source.randbytes(source.randrange(60)), source.randrange(1000)])
        action = source.randrange(8)
        if action < 2:
            database.put(key, value)
            model[key] = value
            deadlines.pop(key, None)
        elif action == 2:
            assert database.for_write(key) == model.get(key)
            database.store(key, value)
            model[key] = value
        elif action == 3:
            assert database.take(key) == model.pop(key, None)
            deadlines.pop(key, None)
        elif action == 4 and key in model:
            deadlines[key] = int(dataset.now_ms) + source.randrange(1, 900)
            database.expire_at(key, deadlines[key])
        elif action == 5:
            database.contains(key)  # handlers look before they ask for a deadline
            assert database.persist(key) == (deadlines.pop(key, None) is not None)
        elif action == 6:
            assert database.read(key) == model.get(key)
            assert database.deadline(key) == deadlines.get(key, NEVER)
        else:
            dataset.now_ms += source.randrange(20)
            for name in [name for name, at in deadlines.items() if at <= dataset.now_ms]:
                del model[name], deadlines[name]
            if source.random() < 0.3:
                database.expire_cycle(1000)
        if step % 300 == 0:
            dataset.check()
    dataset.check()
    found = {}
    for group in database.groups:
        for key in list(group):
            stored = database.peek(key)
            if stored is not None:
                found[key] = stored
    assert found == model


@pytest.mark.parametrize("way", ["take", "put", "clear", "swap"])
def test_a_value_that_is_gone_is_not_kept_alive_by_what_was_opened_last(way: str) -> None:
    dataset, database = dataset_of()
    value = members(100)
    database.store(b"k", value)
    database.for_write(b"k")
    held = sys.getrefcount(value)
    if way == "take":
        database.take(b"k")
    elif way == "put":
        database.put(b"k", b"other")
    elif way == "clear":
        database.clear(False)
    else:
        dataset.swap(0, 1)
    gone_from = 1 if way == "swap" else 2  # a swapped value is in the other database
    assert sys.getrefcount(value) == held - gone_from
