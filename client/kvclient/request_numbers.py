"""The numbers under which a client's requests are executed once: ids for REQUEST, sans-IO.

A node issues an id, and the client numbers the requests that it sends there. A number is kept by
every repetition. With each request the client acknowledges: it has the replies of all numbers up to
one, so the node may forget those. A number is settled when its reply has come, or when nobody waits
for it any more.
"""

from __future__ import annotations

from typing import Final

from kvclient.wire.channel import Argv

ASK_ID: Final = (b"REQUEST", b"ID")


class RequestNumbers:
    """One client's numbers at one node; `name` is the id that the node issued."""

    def __init__(self, name: object) -> None:
        self.name = name
        self._last = 0
        # In the order of their numbers, since they are taken in that order.
        self._open: dict[int, None] = {}

    def __len__(self) -> int:
        """Return how many numbers are not settled."""
        return len(self._open)

    def take(self) -> int:
        """Return the next number."""
        self._last += 1
        self._open[self._last] = None
        return self._last

    def prefix(self, number: int) -> Argv:
        """Return what stands before a request of this number, as things are now."""
        return (b"REQUEST", self.name, number, min(next(iter(self._open), number), number) - 1)

    def settle(self, number: int) -> None:
        """Note that nobody waits for the reply any more."""
        self._open.pop(number, None)

    def check(self) -> None:
        """Assert that the open numbers are in order, and none is from the future."""
        numbers = list(self._open)
        assert numbers == sorted(numbers), "numbers are out of order"
        assert not numbers or numbers[-1] <= self._last, "a number that was never taken"
