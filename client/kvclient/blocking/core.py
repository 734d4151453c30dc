"""What all views of one Client share. Every thread has its own connection to every node."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any, Final

from kvclient.blocking.connection import Connection, is_time_limit
from kvclient.errors import ConnectError, KvError, ProtocolError, ReplyError, UsageError
from kvclient.options import Options
from kvclient.retrying import after_deadline, after_loss, backoff_s, is_for_later, may_repeat
from kvclient.routing.address import Address
from kvclient.routing.router import Router, router_of
from kvclient.wire.channel import Argv, Shape

_CLOSED: Final = "the client was closed"
_LIMIT_S_MIN: Final = 0.001


class _Own(threading.local):
    """The connections of one thread, by address."""

    def __init__(self) -> None:
        self.connections: dict[Address, Connection] = {}


class Core:
    """Routes, and the connections of each thread."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.router: Router = router_of(options)
        self._own = _Own()
        # Of all threads, so that `close` finds them; a thread that ends lets go of its own.
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._is_closed = False

    def send(self, argv: Argv, shape: Shape | None, deadline_s: float) -> Any:
        """Send a request where it belongs; return what `shape` makes of its reply."""
        reply = Attempts(self, argv, deadline_s).reply()
        if shape is None:
            return reply
        return shaped(argv, shape, reply)

    def connection(self, address: Address, now: float) -> Connection:
        """Return this thread's connection to a node, opened if need be."""
        own = self._own.connections
        connection = own.get(address)
        if connection is not None and connection.is_fit(now):
            connection.used_at = now
            return connection
        if self._is_closed:
            raise UsageError(_CLOSED)
        if connection is not None:
            self.discard(connection)
        connection = Connection(self.options, address)
        own[address] = connection
        with self._lock:
            self._all.add(connection)
        return connection

    def discard(self, connection: Connection) -> None:
        """Close a connection of this thread."""
        self._own.connections.pop(connection.address, None)
        connection.close()

    def close(self) -> None:
        """Close the connections of all threads; a call that waits in another thread ends."""
        self._is_closed = True
        with self._lock:
            for connection in list(self._all):
                connection.close()
            self._all = weakref.WeakSet()


class Attempts:
    """One request's way to a reply: as many attempts as are right before its deadline."""

    def __init__(self, core: Core, argv: Argv, deadline_s: float) -> None:
        self._core = core
        self._argv = argv
        self._options = core.options
        self._address = core.router.address_of(argv)
        self._limit_s = deadline_s
        self._deadline = time.monotonic() + deadline_s
        self._number = 0
        self._was_sent = False
        self._is_asking = False

    def reply(self) -> Any:
        """Return the reply; the error that stands at the end is raised."""
        while True:
            now = time.monotonic()
            if self._number > 0:
                self._limit_s = self._deadline - now
                if self._limit_s <= 0:
                    raise self._too_late(None)
            try:
                connection = self._core.connection(self._address, now)
            except ConnectError as error:
                self._pause(error)
                continue
            try:
                reply = self._exchange(connection)
            except OSError as error:
                self._lost(connection, error)
                continue
            except KvError:
                if not connection.line.is_clean:
                    self._core.discard(connection)
                raise
            if not isinstance(reply, Exception):
                return reply
            self._refused(reply)

    def _exchange(self, connection: Connection) -> Any:
        connection.limit(max(self._limit_s, _LIMIT_S_MIN))
        if self._is_asking:
            self._is_asking = False
            connection.line.exchange((b"ASKING",))
        return connection.line.exchange(self._argv)

    def _lost(self, connection: Connection, error: OSError) -> None:
        """The connection failed: go on where the request may be repeated, else raise."""
        self._core.discard(connection)
        self._was_sent = self._was_sent or connection.line.was_sent
        repeatable = may_repeat(self._argv)
        if is_time_limit(error):
            raise self._too_late(None) from None
        if self._was_sent and not repeatable:
            raise after_loss(self._argv, self._address, error) from error
        # The first repetition is at once: most often the server has only closed an old connection.
        if self._number > 0:
            self._pause(None)
        else:
            self._number = 1

    def _refused(self, error: Exception) -> None:
        """An error reply: go on where another attempt will help, else raise it."""
        if not isinstance(error, ReplyError):
            raise error
        redirect = self._core.router.redirected(error, self._address)
        if redirect is not None:
            self._address = redirect.address
            self._is_asking = redirect.asking
            if redirect.refresh:
                self._core.refresh_routes(redirect.address)
            self._number += 1
            return
        if not is_for_later(error):
            raise error
        pause = self._pause_s()
        if time.monotonic() + pause >= self._deadline:
            raise error
        time.sleep(pause)
        self._number += 1
        self._address = self._core.router.address_of(self._argv)

    def _pause(self, cause: ConnectError | None) -> None:
        """Wait before another attempt; raise if the deadline comes first."""
        pause = self._pause_s()
        if time.monotonic() + pause >= self._deadline:
            raise self._too_late(cause) from cause
        time.sleep(pause)
        self._number += 1

    def _pause_s(self) -> float:
        return backoff_s(self._number, self._options.backoff_min_s, self._options.backoff_max_s)

    def _too_late(self, cause: ConnectError | None) -> KvError:
        return after_deadline(
            self._argv, self._was_sent, may_repeat(self._argv), self._address, cause
        )


def shaped(argv: Argv, shape: Shape, reply: Any) -> Any:
    """Return what a method promises of a reply; ProtocolError if the reply does not fit."""
    try:
        return shape(reply)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ProtocolError(f"an unexpected reply to {argv[0]!r}: {error}") from error
