"""What all views of one Client share. Every thread has its own connection to every node."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final

from kvclient.batches import as_transaction, shaped, transaction_replies
from kvclient.blocking.attempts import Attempts, GroupAttempts
from kvclient.blocking.caching import Caches, CachingSender, Tracking
from kvclient.blocking.connection import Connection
from kvclient.cache import CacheStats
from kvclient.errors import ConfigurationError, ConnectError, KvError, ReplyError, UsageError
from kvclient.options import Options
from kvclient.retrying import backoff_s, check_single, is_for_later
from kvclient.routing.address import Address
from kvclient.routing.router import Router, router_of
from kvclient.wire.channel import Argv, Shape

_SLOTS: Final = (b"CLUSTER", b"SLOTS")
_CLOSED: Final = "the client was closed"
_LIMIT_S_MIN: Final = 0.001


class _Own(threading.local):
    """The connections of one thread, by address."""

    def __init__(self) -> None:
        self.connections: dict[Address, Connection] = {}


class Sender:
    """The way in for calls with one deadline."""

    def __init__(self, core: Core, deadline_s: float) -> None:
        self._core = core
        self._deadline_s = deadline_s

    def send(self, argv: Argv, shape: Shape | None = None) -> Any:
        """Send a request; return what `shape` makes of its reply."""
        reply = Attempts(self._core, argv, self._deadline_s).reply()
        if shape is None:
            return reply
        value = shaped(argv, shape, reply)
        if isinstance(value, Exception):
            raise value
        return value


class Core:
    """Routes, and the connections of each thread."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.router: Router = router_of(options)
        self.own = _Own()
        # Of all threads, so that `close` finds them; a thread that ends lets go of its own.
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._is_closed = False
        self._caches = Caches(options.cache_bytes_max) if options.cache_bytes_max else None

    def check_portable(self) -> None:
        """Raise UsageError where a client in another process could not reach the same data."""

    def sender(self, deadline_s: float) -> Sender | CachingSender:
        """Return the way in for calls with such a deadline."""
        sender = Sender(self, deadline_s)
        return sender if self._caches is None else CachingSender(self._caches, sender.send)

    def cache_stats(self) -> CacheStats:
        """Return the counters of this thread's cache."""
        return self._caches.stats() if self._caches is not None else CacheStats(0, 0, 0, 0)

    def _note_sent(self, parts: Sequence[Argv]) -> None:
        """Drop from the cache what these requests may change."""
        if self._caches is not None:
            for part in parts:
                self._caches.tracking.cache.note_sent(part)

    def send_waiting(
        self, argv: Argv, shape: Shape | None, timeout_s: float, deadline_s: float
    ) -> Any:
        """Send a request that may wait for `timeout_s` seconds, 0 for ever.

        It is never sent twice if it takes something: OutcomeUnknown if its reply is lost.
        """
        self._note_sent([argv])
        value = shaped(argv, shape, Attempts(self, argv, deadline_s, timeout_s).reply())
        if isinstance(value, Exception):
            raise value
        return value

    def send_all(self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool) -> list[Any]:
        """Send many requests; return their replies, errors among them.

        A transaction goes to one node and is executed as one; the others are sent to the nodes
        that their keys name, node by node.
        """
        if not parts:
            return []
        self._note_sent(parts)
        if is_transaction:
            address = self.router.address_of_all(parts)
            transaction = as_transaction(parts)
            group = GroupAttempts(self, transaction, address, deadline_s)
            return transaction_replies(group.transaction())
        replies: list[Any] = [None] * len(parts)
        groups: dict[Address, list[int]] = {}
        deadline = time.monotonic() + deadline_s
        for index, part in enumerate(parts):
            address_or_none = self.router.address_of(part)
            if address_or_none is None:
                replies[index] = self._single(part, deadline)
            else:
                groups.setdefault(address_or_none, []).append(index)
        for address, indexes in groups.items():
            left_s = max(deadline - time.monotonic(), _LIMIT_S_MIN)
            group = GroupAttempts(self, [parts[index] for index in indexes], address, left_s)
            for index, reply in zip(indexes, group.replies()):
                replies[index] = reply
        for index, reply in enumerate(replies):
            if isinstance(reply, ReplyError) and self._goes_on(reply):
                replies[index] = self._single(parts[index], deadline)
        return replies

    def _goes_on(self, error: ReplyError) -> bool:
        """Is another attempt worth while, by itself?"""
        return is_for_later(error) or error.code in ("MOVED", "ASK")

    def _single(self, part: Argv, deadline: float) -> Any:
        try:
            left_s = max(deadline - time.monotonic(), _LIMIT_S_MIN)
            return Attempts(self, part, left_s).reply()
        except KvError as error:
            return error

    def lend(self, argv: Argv) -> Connection:
        """Return a connection of the caller's own to the node that a request belongs to.

        `give_back` takes it back. ConnectError when none can be made within the deadline.
        """
        deadline = time.monotonic() + self.options.deadline_s
        attempt = 0
        while True:
            address = check_single(self.router.address_of(argv, leader_only=True), argv)
            try:
                return self._opened(address)
            except ConnectError:
                pause = backoff_s(attempt, self.options.backoff_min_s, self.options.backoff_max_s)
                if time.monotonic() + pause >= deadline:
                    raise
            attempt += 1
            time.sleep(pause)

    def give_back(self, connection: Connection, is_clean: bool) -> None:
        """Take a connection back."""
        connection.close()

    def connection(self, address: Address, now: float) -> Connection:
        """Return this thread's connection to a node, opened if need be."""
        own = self.own.connections
        connection = own.get(address)
        if connection is not None and connection.is_fit(now):
            connection.used_at = now
            return connection
        if connection is not None:
            self.discard(connection)
        connection = self._opened(address)
        if self._caches is not None:
            self._track(self._caches.tracking, connection)
        own[address] = connection
        return connection

    def _track(self, tracking: Tracking, connection: Connection) -> None:
        """Have this thread's cache told what changes."""
        try:
            tracking.opened(connection, self.options.connect_timeout_s)
        except ReplyError as error:
            connection.close()
            raise ConfigurationError(
                f"cache_bytes_max cannot be used: the server does not track keys: {error}"
            ) from error

    def _opened(self, address: Address) -> Connection:
        if self._is_closed:
            raise UsageError(_CLOSED)
        connection = self._new_connection(address)
        with self._lock:
            self._all.add(connection)
        return connection

    def _new_connection(self, address: Address) -> Connection:
        return Connection(self.options, address)

    def discard(self, connection: Connection) -> None:
        """Close a connection of this thread."""
        self.own.connections.pop(connection.address, None)
        if self._caches is not None:
            self._caches.tracking.lost(connection)
        connection.close()

    def learn_map(self, deadline: float) -> None:
        """Ask one node after another for the cluster's map, until one tells it."""
        for address in self.router.sources():
            if time.monotonic() >= deadline:
                return
            try:
                connection = self.connection(address, time.monotonic())
                self.router.learn(connection.ask(_SLOTS, self.options.connect_timeout_s), address)
            except (KvError, OSError):
                continue
            return

    def close(self) -> None:
        """Close the connections of all threads; a call that waits in another thread ends."""
        self._is_closed = True
        with self._lock:
            for connection in list(self._all):
                connection.close()
            self._all = weakref.WeakSet()
