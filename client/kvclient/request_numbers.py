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

from kvclient.forks import fork_generation
from kvclient.wire.channel import Argv

ASK_ID: Final = (b"REQUEST", b"ID")
SPAN_MAX: Final = 1000
"""A node remembers 1,024 replies of an id; where more were not acknowledged another id is taken."""
IDLE_S_MAX: Final = 300.0
"""A node forgets an id that was not used for 15 minutes."""


class RequestNumbers:
    """The numbers of one id; `name` is what the node issued.

    A child process has no part in them: it would get the replies to its parent's requests.
    """

    def __init__(self, name: object, now: float) -> None:
        self.name = name
        self._generation = fork_generation()
        self._guard = threading.Lock()
        self._last = 0
        self._used_at = now
        # In the order of their numbers, since they are taken in that order.
        self._open: dict[int, None] = {}

    def take(self, now: float) -> int | None:
        """Return the next number, None where another id is to be taken."""
        if self._generation != fork_generation() or now - self._used_at >= IDLE_S_MAX:
            return None
        with self._guard:
            if self._last - self._acknowledged() >= SPAN_MAX:
                return None
            self._last += 1
            self._used_at = now
            self._open[self._last] = None
            return self._last

    def _acknowledged(self) -> int:
        """Return up to which number all are settled."""
        return next(iter(self._open), self._last + 1) - 1

    def carried(self, number: int, argv: Argv) -> Argv:
        """Return a request under its number; what is open before it is not acknowledged."""
        with self._guard:
            acknowledged = self._acknowledged()
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
