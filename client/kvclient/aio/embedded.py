"""The Core of an embedded client: calls go into the engine, connections end in its sessions.

A call is executed at once, and its future is done when the caller gets it.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from asyncio import events
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kvclient.aio.connection import Connection, Plain
from kvclient.aio.core import Core
from kvclient.aio.turns import Turns
from kvclient.batches import EXEC, as_transaction, raise_first, shaped, transaction_replies
from kvclient.embedded.caller import ELSEWHERE, Caller
from kvclient.embedded.engine import Engine, Outlet
from kvclient.embedded.places import options_of
from kvclient.errors import KvError, OutcomeUnknown, Unavailable, UsageError
from kvclient.handshake import handshake
from kvclient.retrying import after_loss, may_repeat
from kvclient.routing.address import Address
from kvclient.wire.channel import Argv, Shape


class EmbeddedSender:
    """The way in for calls with one deadline, which holds only for those that have to wait."""

    def __init__(self, core: EmbeddedCore, deadline_s: float) -> None:
        self._core = core
        self._call = core.caller.call
        self._deadline_s = deadline_s
        self._turns = Turns()

    def send(self, argv: Argv, shape: Shape | None = None) -> asyncio.Future[Any]:
        """Execute a request; return the future of what `shape` makes of its reply."""
        core = self._core
        loop = events._get_running_loop()
        if loop is None or loop is not core.loop:
            loop = core.turn_to_running_loop()
        reply = self._call(argv)
        if reply is ELSEWHERE:
            return core.begun(core.wait_for(argv, shape, self._deadline_s))
        if shape is not None:
            reply = shaped(argv, shape, reply)
        return self._turns.done(loop, reply)


class EmbeddedCore(Core):
    """An engine, and connections to it: for what waits or has state."""

    def __init__(self, path: str | os.PathLike[str] | None, decode: bool) -> None:
        self.engine = Engine(path)
        super().__init__(options_of(self.engine.path, decode))
        self.caller = Caller(self.engine, decode)
        self.loop: asyncio.AbstractEventLoop | None = None

    def check_portable(self) -> None:
        """Raise UsageError: the data is in this process."""
        raise UsageError("an embedded client cannot be copied or pickled: its data is here")

    def sender(self, deadline_s: float) -> Any:
        """Return the way in for calls with such a deadline."""
        return EmbeddedSender(self, deadline_s)

    def turn_to_running_loop(self) -> asyncio.AbstractEventLoop:
        """Belong to the loop that runs; UsageError where that cannot be."""
        self.loop = self.bound_loop()
        return self.loop

    def submit(self, argv: Argv, shape: Shape | None, deadline_s: float) -> asyncio.Future[Any]:
        """Execute a request; return the future of what `shape` makes of its reply."""
        return EmbeddedSender(self, deadline_s).send(argv, shape)

    def submit_to(
        self, address: Address, argv: Argv, shape: Shape | None, deadline_s: float
    ) -> asyncio.Future[Any]:
        """Execute a request: there is one node only."""
        return self.submit(argv, shape, deadline_s)

    async def wait_for(self, argv: Argv, shape: Shape | None, deadline_s: float) -> Any:
        """Send a request through a connection: it may have to wait."""
        replies = await self._wait_for_all([argv], deadline_s)
        value = shaped(argv, shape, replies[0])
        if isinstance(value, Exception):
            raise value
        return value

    async def _wait_for_all(self, argvs: list[Argv], deadline_s: float) -> list[Any]:
        connection = await self.lend(lambda: self.options.addresses[0], deadline_s)
        is_clean = False
        try:
            replies = await connection.ask_all(argvs, deadline_s)
            is_clean = True
            return replies
        except Unavailable as error:
            unsafe = next((argv for argv in argvs if not may_repeat(argv)), argvs[0])
            raise after_loss(unsafe, True, connection.address, error) or error from error
        finally:
            await self.give_back(connection, is_clean)

    def send_all(
        self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool, end: Argv = EXEC
    ) -> asyncio.Future[list[Any]]:
        """Execute many requests with nobody's between them; return the future of their replies."""
        loop = self.bound_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        if not parts:
            future.set_result([])
            return future
        requests = as_transaction(parts, end) if is_transaction else list(parts)
        replies = self.caller.call_all(requests)
        if len(replies) < len(requests):
            return self.begun(self._wait_for_rest(requests, replies, deadline_s, is_transaction))
        try:
            future.set_result(transaction_replies(replies) if is_transaction else replies)
        except KvError as error:
            future.set_exception(error)
        return future

    async def _wait_for_rest(
        self, requests: list[Argv], replies: list[Any], deadline_s: float, is_transaction: bool
    ) -> list[Any]:
        replies += await self._wait_for_all(requests[len(replies) :], deadline_s)
        return transaction_replies(replies) if is_transaction else replies

    async def connect(self, address: Address, limit_s: float) -> Connection:
        """Return a new connection to the engine."""
        self.engine.check_open()
        loop = asyncio.get_running_loop()
        connection = EmbeddedConnection(self.options, address, loop, Plain())
        connection.connection_made(SessionTransport(self.engine, connection, loop))
        raise_first(await connection.ask_all(list(handshake(self.options, 3)), limit_s))
        return connection

    def close(self) -> None:
        """Close the connections and the engine; whoever waits gets Unavailable."""
        super().close()
        self.engine.close()


class EmbeddedConnection(Connection):
    """A connection whose transport is a session."""

    def forsake(self) -> None:
        """Let go of the session: the loop that it belongs to is closed, or a parent process's."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()


class SessionTransport(asyncio.Transport):
    """A session as the protocol above it sees a transport."""

    def __init__(
        self, engine: Engine, protocol: Connection, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__()
        self._engine = engine
        self._protocol = protocol
        self._is_over = False
        self._failures = -1  # of the engine before what was written, -1 when nothing was
        with engine.lock:
            self._session = engine.node.connect(_Way(self, loop))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Have the session run requests."""
        engine = self._engine
        with engine.lock:
            if self._failures < 0:
                self._failures = engine.failures
            self._session.feed(bytes(data))
            if self._session.blocked is not None or self._session.paused:
                engine.wake()

    def deliver(self) -> None:
        """Hand on what the session has written."""
        engine = self._engine
        if self._is_over or engine.closed:
            return
        try:
            with engine.lock:
                if engine.is_logging:
                    engine.settle(engine.failures if self._failures < 0 else self._failures)
                data = b"".join(self._session.take_output())
        except OutcomeUnknown as error:
            self.abort()
            self._protocol.connection_lost(error)
            return
        if data:
            self._failures = -1
            self._protocol.data_received(data)

    def abort(self) -> None:
        """End the session."""
        self._is_over = True
        with self._engine.lock:
            self._engine.node.disconnect(self._session)

    def close(self) -> None:
        """End the session."""
        self.abort()

    def is_closing(self) -> bool:
        """Return whether the session is over."""
        return self._is_over

    def end(self) -> None:
        """The engine ended the session: hand on what it wrote last, and say so."""
        self.deliver()
        if not self._is_over:
            self.abort()
            self._protocol.connection_lost(None)


class _Way(Outlet):
    """What a session tells its transport, in whichever thread; it keeps nothing alive."""

    def __init__(self, transport: SessionTransport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = weakref.ref(transport)
        self._loop = loop

    def ready(self) -> None:
        """Have the output handed on."""
        transport = self._transport()
        if transport is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(transport.deliver)

    def close(self) -> None:
        """End behind the output."""
        self.abort()

    def abort(self) -> None:
        """End at once."""
        transport = self._transport()
        if transport is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(transport.end)
