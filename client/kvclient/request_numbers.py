"""The numbers under which a client's requests are executed once (REQUEST).

A node issues an id, and the client numbers the requests that it sends. Every repetition keeps its
number. With each request the client acknowledges: it has the replies of all numbers up to one, so
the nodes may forget those. A number is settled when its reply has come, or when nobody waits for it
any more. One id serves all nodes: numbers may have gaps, and followers remember what their leader
executed.
"""

from __future__ import annotations

import threading
from typing import Final

from kvclient.wire.channel import Argv

ASK_ID: Final = (b"REQUEST", b"ID")
OPEN_MAX: Final = 1000
"""A node remembers 1,024 replies of an id; with more numbers open another id is taken."""
IDLE_S_MAX: Final = 300.0
"""A node forgets an id that was not used for 15 minutes."""


class RequestNumbers:
    """The numbers of one id; `name` is what the node issued."""

    def __init__(self, name: object, now: float) -> None:
        self.name = name
        self._guard = threading.Lock()
        self._last = 0
        self._used_at = now
        # In the order of their numbers, since they are taken in that order.
        self._open: dict[int, None] = {}

    def is_fit(self, now: float) -> bool:
        """May another number be taken?"""
        return len(self._open) < OPEN_MAX and now - self._used_at < IDLE_S_MAX

    def take(self, now: float) -> int:
        """Return the next number."""
        with self._guard:
            self._last += 1
            self._used_at = now
            self._open[self._last] = None
            return self._last

    def carried(self, number: int, argv: Argv) -> Argv:
        """Return a request under its number; what is open before it is not acknowledged."""
        with self._guard:
            acknowledged = next(iter(self._open)) - 1
        return (b"REQUEST", self.name, number, acknowledged, *argv)

    def settle(self, number: int) -> None:
        """Note that nobody waits for the reply any more."""
        with self._guard:
            del self._open[number]

    def check(self) -> None:
        """Assert that the open numbers are in order, and none is from the future."""
        numbers = list(self._open)
        assert numbers == sorted(numbers), "numbers are out of order"
        assert not numbers or numbers[-1] <= self._last, "a number that was never taken"
