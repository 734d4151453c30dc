"""Reads that are answered from memory: each thread's cache, and the way of calls past it.

A thread's connections push invalidations for what that thread has read, so each thread has a cache
of its own. Before a cached answer everything that has come is read from its connections.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Any

from kvclient.batches import shaped
from kvclient.blocking.connection import Connection, no_answer
from kvclient.cache import ABSENT, TRACK, Cache, CacheStats, no_tracking
from kvclient.errors import DeadlineExceeded, KvError, ReplyError
from kvclient.forks import fork_generation
from kvclient.wire.channel import Argv, Shape


class Tracking:
    """The cache of one thread, and the connections whose pushes keep it true."""

    def __init__(self, bytes_max: int) -> None:
        self.cache = Cache(bytes_max)
        self._poller = select.poll()
        self._connections: dict[int, Connection] = {}
        self._generation = fork_generation()

    def opened(self, connection: Connection, limit_s: float) -> None:
        """Have the server track what a new connection reads."""
        connection.line.pushed = self.cache.take_push
        try:
            connection.ask(TRACK, limit_s)
        except ReplyError as error:
            connection.close()
            raise no_tracking(error) from error
        except DeadlineExceeded:
            raise no_answer(connection.address, limit_s) from None
        descriptor = connection.fileno()
        self._connections[descriptor] = connection
        self._poller.register(descriptor, select.POLLIN)

    def lost(self, connection: Connection) -> None:
        """Drop everything: nobody says any more what has changed."""
        self.cache.clear()
        for descriptor, known in list(self._connections.items()):
            if known is connection:
                del self._connections[descriptor]
                self._poller.unregister(descriptor)

    def read_pushes(self) -> None:
        """Read all that has come, without waiting."""
        if self._generation != fork_generation():
            # The connections are the parent's; what they push it must read.
            self._generation = fork_generation()
            for connection in list(self._connections.values()):
                self.lost(connection)
        for connection in list(self._connections.values()):
            try:
                connection.line.take_pushes(b"")  # what came in one piece with a reply
            except KvError:
                self._end(connection)
        while ready := self._poller.poll(0):
            for descriptor, _ in ready:
                connection = self._connections[descriptor]
                try:
                    if connection.has_ended():
                        self._end(connection)
                except KvError:
                    self._end(connection)

    def _end(self, connection: Connection) -> None:
        """Give up a connection; the next request makes another."""
        self.lost(connection)
        connection.line.is_clean = False
        connection.close()


class Caches(threading.local):
    """The Tracking of each thread."""

    def __init__(self, bytes_max: int) -> None:
        self.tracking = Tracking(bytes_max)

    def stats(self) -> CacheStats:
        """Return the counters of this thread's cache."""
        return self.tracking.cache.stats()


class CachingSender:
    """The way in for calls with one deadline, past the cache."""

    def __init__(self, caches: Caches, send: Callable[[Argv], Any]) -> None:
        self._caches = caches
        self._send = send

    def send(self, argv: Argv, shape: Shape | None = None) -> Any:
        """Answer from the cache, or send a request; return what `shape` makes of the reply."""
        tracking = self._caches.tracking
        cache = tracking.cache
        words = cache.words_of(argv)
        if words is None:
            reply = self._send(argv)
        else:
            if cache.holds(words):
                tracking.read_pushes()
            reply = cache.get(words)
            if reply is ABSENT:
                entry = cache.begin(words)
                try:
                    reply = self._send(argv)
                except BaseException:
                    cache.forget(entry)
                    raise
                cache.keep(entry, reply)
        value = shaped(argv, shape, reply)
        if isinstance(value, Exception):
            raise value
        return value
