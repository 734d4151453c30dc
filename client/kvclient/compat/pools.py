"""Which client stands in for a pool of redis-py's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from kvclient.compat.transport import options_of
from kvclient.options import Options

C = TypeVar("C")


class Clients(Generic[C]):
    """The clients of one flavour; all that is made of one pool shares one, as long as it lives."""

    def __init__(self, make: Callable[[Options], C]) -> None:
        self._make: Final = make
        self._by_pool: Final[WeakKeyDictionary[Any, C]] = WeakKeyDictionary()

    def of(self, pool: Any) -> C:
        """Return the client that stands in for a pool, made when first asked for."""
        client = self._by_pool.get(pool)
        if client is None:
            # Without a lock, which a client that is collected right here would wait for in `close`:
            # of two threads the second gets the first one's, and its own has no connections.
            client = self._by_pool.setdefault(pool, self._make(options_of(pool)))
        return client

    def take_from(self, pool: Any) -> C | None:
        """Return a pool's client to be closed; the next command makes a new one."""
        return self._by_pool.pop(pool, None)
