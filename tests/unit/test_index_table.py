"""Index tables against a dict as the model."""

import random

import pytest

from kvnode.structures.index_table import HashTable, IndexTable, SetTable


@pytest.mark.parametrize("seed", range(12))
def test_random_changes_agree_with_a_dict(seed: int) -> None:
    source = random.Random(seed)
    table = HashTable()
    model: dict[bytes, bytes] = {}
    for step in range(6000):
        growing = (step // 1500) % 2 == 0
        field = b"f%d" % source.randrange(4000)
        index = table.find(field)
        assert (index >= 0) == (field in model)
        if source.random() < (0.85 if growing else 0.1):
            value = source.randbytes(source.randrange(40))
            if index >= 0:
                table.overwrite(index, value)
            else:
                table.put(field, value)
            model[field] = value
        elif model:
            index = source.randrange(table.count())
            field = table.members[index]
            last = table.count() - 1
            assert table.remove_at(index) == (last if index != last else -1)
            del model[field]
        if step % 300 == 0 or step % 1500 > 1480:
            table.check()
    table.check()
    assert dict(zip(table.members, table.values, strict=True)) == model


def test_growth_and_shrinking_keep_every_member_at_every_step() -> None:
    table = SetTable()
    members = [b"member:%d" % i for i in range(20000)]
    start = table.memory
    for i, member in enumerate(members):
        assert table.find(member) == -1
        assert table.add(member) == i
        assert table.find(member) == i
        assert table.find(members[i // 2]) == i // 2
    table.check()
    source = random.Random(3)
    while table.count():
        index = source.randrange(table.count())
        member = table.members[index]
        table.remove_at(index)
        assert table.find(member) == -1
        if table.count() % 1000 < 3:
            table.check()
    assert table.memory == start


def test_a_resize_is_spread_over_many_changes() -> None:
    table = IndexTable()
    seen_half_way = 0
    for i in range(50000):
        table.add(b"%d" % i)
        seen_half_way += table._resizing
    assert seen_half_way > 3000
    table.check()


def test_a_check_in_the_middle_of_a_resize_holds() -> None:
    table = IndexTable()
    checked = 0
    for i in range(12000):
        table.add(b"%d" % i)
        if table._resizing and i % 37 == 0:
            table.check()
            checked += 1
    assert checked > 10


def test_a_copy_shares_nothing() -> None:
    table = HashTable()
    for i in range(3000):
        table.put(b"f%d" % i, b"v%d" % i)
    other = table.copy()
    other.check()
    for i in range(0, 3000, 2):
        table.remove_at(table.find(b"f%d" % i))
    other.check()
    table.check()
    assert other.count() == 3000 and table.count() == 1500
    assert other.values[other.find(b"f10")] == b"v10"


@pytest.mark.parametrize("seed", range(10))
def test_a_scan_returns_every_member_that_was_there_all_the_time(seed: int) -> None:
    source = random.Random(seed)
    table = SetTable()
    for i in range(1000):
        table.add(b"%d" % i)
    stable = set(source.sample(table.members, 400))
    seen: set[bytes] = set()
    cursor = 0
    rounds = 0
    fresh = 1000
    while True:
        cursor, start, end = table.scan(cursor, source.randrange(1, 30))
        seen.update(table.members[start:end])
        rounds += 1
        if cursor == 0:
            break
        for _ in range(source.randrange(20)):
            index = source.randrange(table.count())
            if source.random() < 0.5 and table.members[index] not in stable:
                table.remove_at(index)
            elif source.random() < 0.5:
                table.add(b"%d" % fresh)
                fresh += 1
    assert stable <= seen
    assert rounds > 10
    table.check()


def test_a_scan_of_an_empty_table_ends_at_once() -> None:
    assert SetTable().scan(0, 10) == (0, 0, 0)


def test_check_notices_a_member_at_the_wrong_place() -> None:
    table = SetTable()
    for i in range(10):
        table.add(b"%d" % i)
    table.members[3], table.members[4] = table.members[4], table.members[3]
    with pytest.raises(AssertionError):
        table.check()


def test_check_notices_wrong_memory() -> None:
    table = HashTable()
    table.put(b"a", b"b")
    table.memory += 1
    with pytest.raises(AssertionError):
        table.check()
