"""Reads that are answered from memory: the cache of an AsyncClient, and the way of calls past it.

Before a cached answer the sockets are looked at. Where one has something to read, an invalidation
may be in it, and the request goes to the server like any other: its reply comes behind all that.
"""

from __future__ import annotations

import asyncio
import select
from asyncio import events
from collections.abc import Callable
from typing import Any

from kvclient.aio.connection import Connection
from kvclient.aio.turns import Turns
from kvclient.batches import shaped
from kvclient.cache import ABSENT, TRACK, Cache, Entry
from kvclient.errors import ConfigurationError, ReplyError
from kvclient.wire.channel import Argv, Request, Shape


class Tracking:
    """The cache of one client, and the connections whose pushes keep it true."""

    def __init__(self, bytes_max: int) -> None:
        self.cache = Cache(bytes_max)
        self.failure: ConfigurationError | None = None
        self._poller = select.poll()
        self._descriptors: dict[object, int] = {}

    def opened(self, owner: object, connection: Connection, deadline: float) -> None:
        """Have the server track what a connection reads, from its first request on."""
        request = Request(TRACK, None, _Answer(self), deadline)
        connection.channel.submit(request)
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


class _Answer:
    """What stands for the future of the request that turns tracking on."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def done(self) -> bool:
        return False

    def set_result(self, reply: Any) -> None:
        pass

    def set_exception(self, error: BaseException) -> None:
        # Any other error is that of a connection, and with the next one it is turned on anew.
        if isinstance(error, ReplyError):
            self._tracking.failure = ConfigurationError(
                f"cache_bytes_max cannot be used: the server does not track keys: {error}"
            )
            self._tracking.cache.clear()


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
        self, tracking: Tracking, send: Callable[[Argv, Shape | None], asyncio.Future[Any]]
    ) -> None:
        self._tracking = tracking
        self._cache = tracking.cache
        self._send = send
        self._turns = Turns()

    def send(self, argv: Argv, shape: Shape | None = None) -> asyncio.Future[Any]:
        """Answer from the cache, or send a request; return the future of the result."""
        cache = self._cache
        words = cache.words_of(argv)
        if words is None:
            return self._send(argv, shape)
        if cache.holds(words) and not self._tracking.is_quiet():
            cache.misses += 1
        else:
            reply = cache.get(words)
            loop = events._get_running_loop()
            if reply is not ABSENT and loop is not None:
                return self._turns.done(loop, shaped(argv, shape, reply))
        if self._tracking.failure is not None:
            raise self._tracking.failure
        return self._send(argv, _Keeper(cache, cache.begin(words), shape))
