"""Random positions, for the commands that return random elements."""

from typing import Final

from librt.random import Random
from mypy_extensions import i64

# From a third of the whole on, a shuffle wastes less than drawing again does.
_SHUFFLED_FROM: Final = 3


def repeated_indices(random: Random, count: i64, size: i64) -> list[int]:
    """Return `count` indices below `size`, each drawn for itself. O(count)."""
    drawn: list[int] = []
    while count > 0:
        drawn.append(int(random.randrange(size)))
        count -= 1
    return drawn


def distinct_indices(random: Random, count: i64, size: i64) -> list[int]:
    """Return `count` different indices below `size` in random order; `count` is at most `size`.

    O(count) draws: a part of the whole is drawn again where it repeats, a larger part comes from
    the first steps of a Fisher-Yates shuffle.
    """
    if count * _SHUFFLED_FROM >= size:
        order = list(range(size))
        i: i64 = 0
        while i < count:
            j = random.randrange(i, size)
            order[i], order[j] = order[j], order[i]
            i += 1
        del order[count:]
        return order
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        drawn[int(random.randrange(size))] = None
    return list(drawn)
