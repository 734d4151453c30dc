"""Freeing large values in slices.

Dropping the last reference to a container of millions of elements, or to the dicts of a large
database, is a pause of hundreds of milliseconds with the interpreter held. What is let go of here
is taken apart some thousand elements with each tick instead.
"""

from typing import Final, final

from mypy_extensions import i64

from kvnode.structures.container import Container

SLICED_FROM: Final = 64  # elements; Redis frees smaller values at once, too


@final
class LazyFree:
    """What waits to be freed. `pending` counts keys and values, `freed` those done so far."""

    def __init__(self) -> None:
        self._values: list[Container] = []
        self._groups: list[dict[bytes, object]] = []
        self.pending: i64 = 0
        self.freed: i64 = 0

    def value(self, stored: Container) -> None:
        """Free one container later."""
        self._values.append(stored)
        self.pending += 1

    def groups(self, groups: list[dict[bytes, object]]) -> None:
        """Free the keys and values of a whole database later."""
        for keys in groups:
            if keys:
                self._groups.append(keys)
                self.pending += len(keys)

    def is_idle(self) -> bool:
        return self.pending == 0

    def step(self, elements: i64) -> None:
        """Free about `elements` elements."""
        while elements > 0 and self.pending > 0:
            if self._values:
                elements -= self._part_of_value(elements)
            else:
                elements -= self._part_of_group()

    def _part_of_value(self, elements: i64) -> i64:
        stored = self._values[len(self._values) - 1]
        work: i64 = 1
        work += stored.discard(elements)
        if stored.count() > 0 and work > 1:
            return work
        self._values.pop()
        self.pending -= 1
        self.freed += 1
        return work

    def _part_of_group(self) -> i64:
        keys = self._groups[len(self._groups) - 1]
        work: i64 = 0
        while keys and work < 256:
            stored = keys.popitem()[1]
            work += 1
            self.pending -= 1
            self.freed += 1
            if isinstance(stored, Container) and stored.count() > SLICED_FROM:
                self.value(stored)
        if not keys:
            self._groups.pop()
        return work
