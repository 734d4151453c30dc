"""Freeing in slices: bounded steps, and counts that add up."""

from __future__ import annotations

import pytest

from kvnode.dataset import Dataset
from kvnode.lazyfree import SLICED_FROM, LazyFree
from kvnode.structures.index_table import SetTable
from kvnode.structures.mutable_string import MutableString


def table(count: int) -> SetTable:
    made = SetTable()
    for i in range(count):
        made.add(b"%d" % i)
    return made


def test_nothing_is_pending_at_first() -> None:
    freeing = LazyFree()
    assert freeing.is_idle()
    freeing.step(1000)
    assert (freeing.pending, freeing.freed) == (0, 0)


def test_a_large_value_is_freed_in_slices() -> None:
    freeing = LazyFree()
    value = table(10_000)
    freeing.value(value)
    assert freeing.pending == 1
    steps = 0
    while not freeing.is_idle():
        before = value.count()
        freeing.step(1000)
        assert before - value.count() <= 1100
        steps += 1
    assert steps >= 9
    assert value.count() == 0
    assert (freeing.pending, freeing.freed) == (0, 1)


def test_many_values_are_freed_one_after_the_other() -> None:
    freeing = LazyFree()
    values = [table(500) for _ in range(20)]
    for value in values:
        freeing.value(value)
    assert freeing.pending == 20
    freeing.step(2600)
    assert 4 <= freeing.freed <= 6
    assert freeing.pending + freeing.freed == 20
    freeing.step(100_000)
    assert freeing.is_idle()
    assert freeing.freed == 20
    assert all(value.count() == 0 for value in values)


def test_an_empty_value_is_freed_like_others() -> None:
    freeing = LazyFree()
    freeing.value(SetTable())
    freeing.step(10)
    assert freeing.is_idle()


def test_a_whole_database_is_freed_with_its_containers() -> None:
    dataset = Dataset(1)
    database = dataset.databases[0]
    large = table(5000)
    for i in range(3000):
        database.put(b"key:%d" % i, b"value")
    database.put(b"large", large)
    database.expire_at(b"key:7", 10**15)
    assert database.clear(True) == 3001
    dataset.check()
    assert dataset.memory == 0
    assert database.count == 0
    freeing = dataset.freeing
    assert freeing.pending == 3002
    steps = 0
    while not freeing.is_idle():
        freeing.step(500)
        steps += 1
    assert steps >= 10
    assert large.count() == 0
    assert freeing.freed == 3003  # the keys, the container once more, the deadlines


def test_small_values_are_freed_at_once_and_large_ones_later() -> None:
    dataset = Dataset(1)
    database = dataset.databases[0]
    for count, pending in ((SLICED_FROM, 0), (SLICED_FROM + 1, 1)):
        database.put(b"k", table(count))
        assert database.remove(b"k", True)
        assert dataset.freeing.pending == pending


def test_a_large_value_is_freed_at_once_where_that_is_asked_for() -> None:
    dataset = Dataset(1)
    database = dataset.databases[0]
    database.put(b"k", table(5000))
    assert database.remove(b"k", False)
    assert dataset.freeing.is_idle()


@pytest.mark.parametrize("lazily", [False, True])
def test_a_large_value_that_expires_is_freed_in_slices_where_that_is_set(lazily: bool) -> None:
    dataset = Dataset(1)
    dataset.lazyfree_lazy_expire = lazily
    database = dataset.databases[0]
    database.put(b"k", table(5000))
    database.expire_at(b"k", 1000)
    dataset.now_ms = 1000
    assert database.read(b"k") is None
    assert dataset.freeing.pending == int(lazily)


@pytest.mark.parametrize("lazily", [False, True])
def test_a_large_value_that_is_replaced_is_freed_in_slices_where_that_is_set(lazily: bool) -> None:
    dataset = Dataset(1)
    dataset.lazyfree_lazy_server_del = lazily
    database = dataset.databases[0]
    database.put(b"k", table(5000))
    database.put(b"k", b"v")
    assert dataset.freeing.pending == int(lazily)
    dataset.check()


def test_an_appended_string_is_freed_and_not_met_again() -> None:
    freeing = LazyFree()
    freeing.value(MutableString(b"text", True))
    freeing.groups([{b"k": MutableString(b"other", True)}])
    freeing.step(100)
    assert freeing.is_idle()
