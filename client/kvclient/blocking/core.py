"""What all views of one Client share. Every thread has its own connection to every node."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

from kvclient.batches import EXEC, by_address, shaped
from kvclient.blocking.attempts import Attempts, transaction
from kvclient.blocking.caching import Caches, CachingSender
from kvclient.blocking.connection import Connection
from kvclient.blocking.groups import Group
from kvclient.cache import CacheStats
from kvclient.errors import ConnectError, KvError, ReplyError, Unavailable, UsageError
from kvclient.forks import fork_generation
from kvclient.options import Options
from kvclient.retrying import backoff_s, check_single, is_for_later
from kvclient.routing.address import Address
from kvclient.routing.router import Router, router_of
from kvclient.wire.channel import Argv, Shape
from kvclient.wire.encoding import sizes_of

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
        return self._core.submit(argv, shape, self._deadline_s)


class Core:
    """Routes, and the connections of each thread."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.router: Router = router_of(options)
        self.is_closed = False
        self._map_is_missing = options.mode == "cluster"
        self._no_map_before = 0.0
        self._caches = Caches(options.cache_bytes_max) if options.cache_bytes_max else None
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Have no connections: at first, and in a child process."""
        self._generation = fork_generation()
        self._own = _Own()
        # Of all threads, so that `close` finds them; a thread that ends lets go of its own.
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        # A new one in a child: some thread of the parent may have held it. Whoever holds it may be
        # interrupted by a `__del__` that closes the client.
        self._lock = threading.RLock()

    # --- the ways in ------------------------------------------------------------------------------

    def sender(self, deadline_s: float) -> Sender | CachingSender:
        """Return the way in for calls with such a deadline."""
        if self._caches is None:
            return Sender(self, deadline_s)
        return CachingSender(self._caches, lambda argv: Attempts(self, argv, deadline_s).reply())

    def submit(self, argv: Argv, shape: Shape | None, deadline_s: float) -> Any:
        """Send a request where it belongs; return what `shape` makes of its reply."""
        self.note_sent([argv])
        reply = Attempts(self, argv, deadline_s).reply()
        if shape is None:
            return reply
        value = shaped(argv, shape, reply)
        if isinstance(value, Exception):
            raise value
        return value

    def begun(self, result: Any) -> Any:
        """Return the result of what took several requests."""
        return result

    def send_waiting(
        self, argv: Argv, shape: Shape | None, timeout_s: float, deadline_s: float
    ) -> Any:
        """Send a request that may wait for `timeout_s` seconds, 0 for ever.

        It is never sent twice if it takes something: OutcomeUnknown if its reply is lost.
        """
        self.note_sent([argv])
        value = shaped(argv, shape, Attempts(self, argv, deadline_s, timeout_s).reply())
        if isinstance(value, Exception):
            raise value
        return value

    def submit_to(
        self, address: Address, argv: Argv, shape: Shape | None, deadline_s: float
    ) -> Any:
        """Send a request to the node at `address`, and to no other."""
        self.note_sent([argv])
        value = shaped(argv, shape, Attempts(self, argv, deadline_s, pinned=address).reply())
        if isinstance(value, Exception):
            raise value
        return value

    def send_all(
        self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool, end: Argv = EXEC
    ) -> list[Any]:
        """Send many requests; return their replies, errors among them.

        A transaction goes to one node and is executed as one, at `end`; the others are sent to the
        nodes that their keys name, side by side.
        """
        if not parts:
            return []
        sizes_of(parts)  # what cannot be sent is said before anything is
        self.note_sent(parts)
        until = time.monotonic() + deadline_s
        if is_transaction:
            self.router.address_of_all(parts)  # where they are apart, that is said at once
            self.ensure_map(until)
            return transaction(self, parts, end, until)
        try:
            self.ensure_map(until)
        except KvError as error:
            return [error] * len(parts)
        replies: list[Any] = [None] * len(parts)
        addresses = [self.router.address_of(part) for part in parts]
        for index, address in enumerate(addresses):
            if address is None:
                replies[index] = self.single(parts[index], until)
        places = by_address(addresses)
        groups = [
            Group(self, [parts[index] for index in indexes], address, until)
            for address, indexes in places.items()
        ]
        for group in groups:
            group.begin()
        for group in groups:
            group.collect()
        for group, indexes in zip(groups, places.values()):
            for index, reply in zip(indexes, group.finish()):
                replies[index] = reply
        return replies

    def goes_on(self, error: ReplyError) -> bool:
        """Is another attempt worth while, by itself?"""
        if self.options.mode == "cluster" and error.code in ("MOVED", "ASK"):
            return True
        return is_for_later(error)

    def single(self, part: Argv, until: float, pinned: Address | None = None) -> Any:
        """Return the reply to one part of many, an error as a value."""
        try:
            left_s = max(until - time.monotonic(), _LIMIT_S_MIN)
            return Attempts(self, part, left_s, pinned=pinned).reply()
        except KvError as error:
            return error

    def leaders(self, deadline_s: float) -> list[Address]:
        """Return the nodes that together hold all keys."""
        self.ensure_map(time.monotonic() + deadline_s)
        return self.router.leaders()

    def note_sent(self, parts: Sequence[Argv]) -> None:
        """Drop from this thread's cache what these requests may change that are about to leave."""
        if self._caches is not None:
            for part in parts:
                self._caches.tracking.cache.note_sent(part)

    # --- connections of a caller's own ------------------------------------------------------------

    def lend(self, where: Callable[[], Address], deadline_s: float) -> Connection:
        """Return a connection of the caller's own to `where()`; `give_back` takes it back.

        ConnectError when none can be made within the deadline.
        """
        until = time.monotonic() + deadline_s
        attempt = 0
        while True:
            self.ensure_map(until)
            try:
                return self._opened(where(), until - time.monotonic())
            except (ConnectError, ReplyError) as error:
                if isinstance(error, ReplyError) and not is_for_later(error):
                    raise
                self.map_is_old()
                pause = backoff_s(attempt, self.options.backoff_min_s, self.options.backoff_max_s)
                if time.monotonic() + pause >= until:
                    raise ConnectError(f"no connection within the deadline: {error}") from error
            attempt += 1
            time.sleep(pause)

    def begin(self, argv: Argv, deadline_s: float) -> Connection:
        """Return such a connection on which `argv` was executed, which changes it alone (WATCH)."""
        until = time.monotonic() + deadline_s
        attempt = 0
        while True:
            connection = self.lend(lambda: self.address_of(argv), until - time.monotonic())
            try:
                connection.ask(argv, max(until - time.monotonic(), _LIMIT_S_MIN))
                return connection
            except ReplyError as error:
                redirect = self.router.redirected(error, connection.address)
                if redirect is None and not is_for_later(error):
                    raise
                failure: KvError = error
            except Unavailable as error:
                failure = error
            pause = backoff_s(attempt, self.options.backoff_min_s, self.options.backoff_max_s)
            if time.monotonic() + pause >= until:
                raise failure
            attempt += 1
            time.sleep(pause)

    def give_back(self, connection: Connection, is_clean: bool) -> None:
        """Take a connection back."""
        connection.close()

    def address_of(self, argv: Argv) -> Address:
        """Return the one leader that a request belongs to."""
        return check_single(self.router.address_of(argv, leader_only=True), argv)

    # --- connections of threads -------------------------------------------------------------------

    def connection(self, address: Address, now: float, until: float) -> Connection:
        """Return this thread's connection to a node, opened if need be."""
        own = self._own.connections
        connection = own.get(address)
        if connection is not None:
            if connection.is_fit():
                return connection
            self.discard(connection)
        connection = self._opened(address, until - now)
        if self._caches is not None:
            self._caches.tracking.opened(connection, self._limit_s(until - now))
        # Not `own`: it was another one before a fork.
        self._own.connections[address] = connection
        return connection

    def _opened(self, address: Address, left_s: float) -> Connection:
        if self.is_closed:
            raise UsageError(_CLOSED)
        if self._generation != fork_generation():
            self._begin_anew()
        connection = self.connect(address, self._limit_s(left_s))
        with self._lock:
            self._all.add(connection)
        if self.is_closed:
            connection.close()
            raise UsageError(_CLOSED)
        return connection

    def _limit_s(self, left_s: float) -> float:
        """Return how long connecting may take."""
        return max(_LIMIT_S_MIN, min(left_s, self.options.connect_timeout_s))

    def connect(self, address: Address, limit_s: float) -> Connection:
        """Return a new connection to a node."""
        return Connection(self.options, address, limit_s)

    def discard(self, connection: Connection) -> None:
        """Close a connection of this thread."""
        if self._caches is not None:
            self._caches.tracking.lost(connection)
        own = self._own.connections
        if own.get(connection.address) is connection:
            del own[connection.address]
        connection.close()

    # --- the map of a cluster ---------------------------------------------------------------------

    def map_is_old(self) -> None:
        """The nodes say otherwise than the map, or one is not reached: a new map is due."""
        if self.options.mode == "cluster":
            self.router.map_is_due = True

    def ensure_map(self, until: float) -> None:
        """Learn the map where it is due; ConnectError if there is none at all before `until`."""
        attempt = 0
        while self.router.map_is_due:
            failure = self._learn_map(until)
            if failure is None or not self._map_is_missing:
                return
            if isinstance(failure, ReplyError) and not is_for_later(failure):
                raise failure
            pause = backoff_s(attempt, self.options.backoff_min_s, self.options.backoff_max_s)
            if time.monotonic() + pause >= until:
                raise ConnectError(f"no map of the cluster within the deadline: {failure}")
            attempt += 1
            time.sleep(pause)

    def _learn_map(self, until: float) -> KvError | None:
        """Ask one node after another until one tells the map; return the error if none does."""
        now = time.monotonic()
        if now < self._no_map_before and not self._map_is_missing:
            return None
        self._no_map_before = now + self.options.backoff_min_s
        own = self._own.connections
        failure: KvError = ConnectError("nobody was asked in time")
        # Those first that are connected; the sort keeps the others' order.
        for address in sorted(self.router.sources(), key=lambda address: address not in own):
            now = time.monotonic()
            if now >= until:
                break
            try:
                connection = self.connection(address, now, until)
                reply = connection.ask(_SLOTS, self._limit_s(until - now))
                self.router.learn(reply, address)
            except UsageError:
                raise
            except KvError as error:
                failure = error
                continue
            if not self.router.map_is_due:
                self._map_is_missing = False
                return None
            failure = ConnectError(f"{address} knows of nobody who serves slots")
        return failure

    # --- what clients tell ------------------------------------------------------------------------

    def check_portable(self) -> None:
        """Raise UsageError where a client in another process could not reach the same data."""

    def cache_stats(self) -> CacheStats:
        """Return the counters of this thread's cache."""
        return CacheStats() if self._caches is None else self._caches.stats()

    # --- the end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections of all threads; a call that waits in another thread ends."""
        self.is_closed = True
        if self._generation == fork_generation():
            with self._lock:
                for connection in list(self._all):
                    connection.close()
        self._begin_anew()
