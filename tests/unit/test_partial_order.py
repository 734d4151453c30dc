"""The first elements of an order."""

from __future__ import annotations

import random

import pytest
from librt.vecs import vec

from kvnode.structures.partial_order import order_first


@pytest.mark.parametrize("size", [0, 1, 2, 6, 7, 8, 40, 41, 100, 1000])
@pytest.mark.parametrize("different", [1, 3, 10, 10**9])
def test_the_wanted_positions_come_first_and_in_order(size: int, different: int) -> None:
    draw = random.Random(size)
    keys = [float(draw.randrange(different)) for _ in range(size)]
    for wanted in {0, 1, size // 3, size - 1, size} & set(range(size + 1)):
        order = list(order_first(vec[float](keys), wanted))
        assert sorted(order) == list(range(size))
        assert [keys[i] for i in order[:wanted]] == sorted(keys)[:wanted]


def test_keys_that_are_in_order_already_stay() -> None:
    for size in (5, 7, 60):
        keys = [float(n) for n in range(size)]
        assert list(order_first(vec[float](keys), size)) == list(range(size))
        assert list(order_first(vec[float](keys[::-1]), size)) == list(range(size))[::-1]
