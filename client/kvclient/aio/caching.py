"""Reads that are answered from memory: the cache of an AsyncClient, and the way of calls past it.

Before a cached answer the sockets are looked at. Where one has something to read, an invalidation
may be in it, and the request goes to the server like any other: its reply comes behind all that.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any

from kvclient.aio.connection import Connection
from kvclient.aio.turns import Turns
from kvclient.batches import shaped
from kvclient.cache import ABSENT, TRACK, Cache, Entry, no_tracking
from kvclient.errors import ConnectError, DeadlineExceeded, ReplyError
from kvclient.wire.channel import Argv, Gate, Shape


class Tracking:
    """The cache of one client, and the connections whose pushes keep it true."""

    def __init__(self, bytes_max: int) -> None:
        self.cache = Cache(bytes_max)
        self._poller = select.poll()
        self._descriptors: dict[object, int] = {}

    async def begin(self, connection: Connection, limit_s: float) -> None:
        """Have the server track what a new connection reads."""
        try:
            await connection.ask(TRACK, limit_s)
        except ReplyError as error:
            connection.abort()
            raise no_tracking(error) from error
        except DeadlineExceeded as error:
            raise ConnectError(str(error)) from None

    def opened(self, owner: object, connection: Connection) -> None:
        """Look from now on for what a connection pushes."""
        descriptor = connection.fileno()
        self._descriptors[owner] = descriptor
        self._poller.register(descriptor, select.POLLIN)

    def lost(self, owner: object) -> None:
        """Drop everything: nobody says any more what has changed."""
        self.cache.clear()
        descriptor = self._descriptors.pop(owner, None)
        if descriptor is not None:
            self._poller.unregister(descriptor)

    def is_quiet(self) -> bool:
        """Is there nothing to read that might be an invalidation?"""
        return not self._poller.poll(0)


class _Keeper:
    """The shape of a read that is on its way: keeps its reply, and shapes it."""

    __slots__ = ("_cache", "_entry", "_shape")

    def __init__(self, cache: Cache, entry: Entry, shape: Shape | None) -> None:
        self._cache = cache
        self._entry = entry
        self._shape = shape

    def __call__(self, reply: Any) -> Any:
        self._cache.keep(self._entry, reply)
        return reply if self._shape is None else self._shape(reply)


class CachingSender:
    """The way in for calls with one deadline, past the cache."""

    def __init__(
        self,
        tracking: Tracking,
        gate: Gate,
        send: Callable[[Argv, Shape | None], asyncio.Future[Any]],
    ) -> None:
        self._tracking = tracking
        self._gate = gate
        self._cache = tracking.cache
        self._send = send
        self._turns = Turns()

    def send(self, argv: Argv, shape: Shape | None = None) -> asyncio.Future[Any]:
        """Answer from the cache, or send a request; return the future of the result."""
        cache = self._cache
        words = cache.words_of(argv)
        if words is None:
            return self._send(argv, shape)
        # Elsewhere (another loop, a child process) the pushes are not this caller's to read.
        if cache.holds(words) and not (self._gate.is_here() and self._tracking.is_quiet()):
            cache.misses += 1
        else:
            reply = cache.get(words)
            if reply is not ABSENT:
                loop = asyncio.get_running_loop()
                return self._turns.done(loop, shaped(argv, shape, reply))
        return self._send(argv, _Keeper(cache, cache.begin(words), shape))
