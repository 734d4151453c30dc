"""Intsets against a set as the model, and against bytes that redis-server 7.0.15 dumped."""

import random

import pytest

from kvnode.structures import intset

EDGES = [0, -1, 32767, 32768, -32768, -32769, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1]
EDGES += [2**63 - 1, -(2**63)]


@pytest.mark.parametrize("seed", range(20))
def test_random_changes_agree_with_a_set(seed: int) -> None:
    source = random.Random(seed)
    shift = source.choice([0, 20, 33, 48, 55, 60])
    prefix = b"\xfa" * source.randrange(3)
    base = len(prefix)
    data = prefix + intset.EMPTY
    model: set[int] = set()
    for _ in range(300):
        value = source.randint(-(2**63), 2**63 - 1) >> shift
        if source.random() < 0.1:
            value = source.choice(EDGES)
        if model and source.random() < 0.3:
            value = source.choice(sorted(model))
        assert intset.contains(data, base, value) == (value in model)
        if source.random() < 0.7:
            changed = intset.add(data, base, value)
            assert (changed is data) == (value in model)
            model.add(value)
        else:
            changed = intset.remove(data, base, value)
            assert (changed is data) == (value not in model)
            model.discard(value)
        data = changed
        intset.validate(data, base)
        assert intset.count(data, base) == len(model)
    ordered = sorted(model)
    assert intset.members(data, base) == [b"%d" % value for value in ordered]
    assert [intset.at(data, base, i) for i in range(len(model))] == ordered


def test_the_bytes_are_those_of_redis_through_widening_and_removal() -> None:
    data = intset.EMPTY
    for value in (3, 1, -2):
        data = intset.add(data, 0, value)
    assert data == b"\x02\x00\x00\x00\x03\x00\x00\x00\xfe\xff\x01\x00\x03\x00"
    data = intset.add(data, 0, 70000)
    assert data == (
        b"\x04\x00\x00\x00\x04\x00\x00\x00"
        b"\xfe\xff\xff\xff\x01\x00\x00\x00\x03\x00\x00\x00p\x11\x01\x00"
    )
    data = intset.remove(intset.add(data, 0, -(2**40)), 0, -(2**40))
    assert data == (
        b"\x08\x00\x00\x00\x04\x00\x00\x00\xfe\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00"
        b"\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00p\x11\x01\x00\x00\x00\x00\x00"
    )


def test_a_built_intset_equals_one_that_grew() -> None:
    for limit in range(1, len(EDGES) + 1):
        data = b"t" + intset.EMPTY
        for value in EDGES[:limit]:
            data = intset.add(data, 1, value)
        assert intset.build(b"t", EDGES[:limit]) == data


def test_corrupt_intsets_are_refused() -> None:
    data = intset.build(b"", [1, 2, 3])
    for broken in (
        data[:-1],
        data + b"\x00",
        data[:5],
        b"\x03" + data[1:],
        data[:4] + b"\xff\xff\xff\xff" + data[8:],
        data[:8] + b"\x02\x00\x02\x00\x03\x00",
        data[:8] + b"\x03\x00\x02\x00\x01\x00",
    ):
        with pytest.raises(ValueError):
            intset.validate(broken, 0)
