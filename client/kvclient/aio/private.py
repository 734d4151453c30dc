"""Connections of one user each: for commands that wait, for WATCH, for subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kvclient.aio.connection import Connection
from kvclient.errors import (
    ConnectError,
    DeadlineExceeded,
    ReplyError,
    Unavailable,
)
from kvclient.retrying import after_deadline, after_loss, backoff_s, is_for_later
from kvclient.routing.address import Address, Redirect
from kvclient.wire.channel import Argv, Shape
from kvclient.wire.encoding import as_wire

if TYPE_CHECKING:
    from kvclient.aio.core import Core

_IDLE_MAX: Final = 32
"""So many unused connections to a node are kept."""


class Private:
    """The connections that are lent, and those that wait for the next who needs one."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._idle: dict[Address, list[Connection]] = {}
        self._lent: set[Connection] = set()

    async def lend(
        self, where: Callable[[], Address], deadline: float, address: Address | None = None
    ) -> Connection:
        """Return a connection to `address`, or, where there is none or it fails, to `where()`.

        `give_back` takes it back. ConnectError when none can be made before the deadline.
        """
        core = self._core
        options = core.options
        await core.mapping.known(deadline)
        attempt = 0
        while True:
            at = address or where()
            connection = self._take_idle(at)
            if connection is not None:
                return connection
            left_s = deadline - core.bound_loop().time()
            limit_s = max(0.0, min(options.connect_timeout_s, left_s))
            try:
                connection = await core.connect(at, limit_s)
            except ConnectError as error:
                failure: Exception = error
            except ReplyError as error:
                if not is_for_later(error):
                    raise
                failure = error
            else:
                if core.is_closed:
                    connection.abort()
                    raise Unavailable("the client was closed")
                self._lent.add(connection)
                return connection
            core.unreachable(at)
            address = None
            pause = backoff_s(attempt, options.backoff_min_s, options.backoff_max_s)
            if core.bound_loop().time() + pause >= deadline:
                raise ConnectError(f"no connection within the deadline: {failure}") from failure
            attempt += 1
            await asyncio.sleep(pause)

    def _take_idle(self, address: Address) -> Connection | None:
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if not connection.is_closed:
                self._lent.add(connection)
                return connection
        return None

    def give_back(self, connection: Connection, is_clean: bool) -> None:
        """Take a connection back; it is closed unless it is clean: no reply due, no state."""
        self._lent.discard(connection)
        if is_clean and not self._core.is_closed and not connection.is_closed:
            idle = self._idle.setdefault(connection.address, [])
            idle[:] = [kept for kept in idle if not kept.is_closed]
            if len(idle) < _IDLE_MAX:
                idle.append(connection)
                return
        connection.abort()

    async def send_waiting(
        self, argv: Argv, shape: Shape | None, timeout_s: float, deadline_s: float
    ) -> Any:
        """Send a request that may wait for `timeout_s` seconds, 0 for ever.

        It is never sent twice if it takes something: OutcomeUnknown if its reply is lost.
        `deadline_s` is for everything but the server's waiting.
        """
        core = self._core
        loop = core.bound_loop()
        for argument in argv:
            as_wire(argument)
        core.note_sent([argv])
        # One below zero is the server's to refuse.
        until = loop.time() + max(timeout_s, 0.0) + deadline_s
        redirect: Redirect | None = None
        attempt = 0
        while True:
            at = None if redirect is None else redirect.address
            is_asking = redirect is not None and redirect.asking
            connection = await self.lend(lambda: core.address_of(argv), until, at)
            redirect = None
            is_clean = False
            try:
                limit_s = until - loop.time() if timeout_s else None
                reply = await connection.ask(argv, limit_s, shape, is_asking)
                is_clean = True
                return reply
            except ReplyError as error:
                is_clean = True
                redirect = core.router.redirected(error, connection.address)
                if redirect is None and not is_for_later(error):
                    raise
                failure: Exception = error
            except DeadlineExceeded as error:
                raise after_deadline(argv, True, connection.address) from error
            except ConnectError as error:
                if core.is_closed:
                    raise after_loss(argv, True, connection.address, error) or Unavailable(
                        "the client was closed"
                    ) from None
                unknown = after_loss(argv, True, connection.address, error)
                if unknown is not None:
                    raise unknown from error
                failure = error
                if not timeout_s:
                    # It may have waited for long: the time to connect begins anew.
                    until = loop.time() + deadline_s
            finally:
                # What was read meanwhile: its invalidation comes on another connection, perhaps
                # later.
                core.note_sent([argv])
                self.give_back(connection, is_clean)
            await self._pause(attempt, until, failure)
            attempt += 1

    async def begin(self, argv: Argv, deadline_s: float) -> Connection:
        """Return a connection on which `argv` was executed, which changes the connection alone."""
        core = self._core
        until = core.bound_loop().time() + deadline_s
        attempt = 0
        while True:
            connection = await self.lend(lambda: core.address_of(argv), until)
            is_done = False
            try:
                await connection.ask(argv, until - core.bound_loop().time())
                is_done = True
                return connection
            except ReplyError as error:
                redirect = core.router.redirected(error, connection.address)
                if redirect is None and not is_for_later(error):
                    raise
                failure: Exception = error
            except Unavailable as error:
                failure = error
            finally:
                if not is_done:
                    self.give_back(connection, is_clean=False)
            await self._pause(attempt, until, failure)
            attempt += 1

    async def _pause(self, attempt: int, until: float, failure: Exception) -> None:
        """Wait before another attempt, the first one but for a moment; raise if it is too late."""
        core = self._core
        options = core.options
        if core.router.map_is_due:
            core.mapping.refresh()
        pause = backoff_s(attempt, options.backoff_min_s, options.backoff_max_s) if attempt else 0.0
        if core.bound_loop().time() + pause >= until:
            raise failure
        await asyncio.sleep(pause)

    def forsake(self) -> None:
        """Let go of connections whose loop is closed, or which are a parent process's."""
        for connection in self._all():
            connection.forsake()

    def close(self, error: Unavailable) -> None:
        """Close them all; whoever waits gets the error that is right for what it sent."""
        for connection in self._all():
            connection.abort(error)
        self._idle.clear()
        self._lent.clear()

    def _all(self) -> list[Connection]:
        return [*self._lent, *(kept for idle in self._idle.values() for kept in idle)]
