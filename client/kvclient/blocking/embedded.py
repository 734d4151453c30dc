"""The Core of an embedded client: calls go into the engine, connections end in its sessions."""

from __future__ import annotations

import math
import os
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from kvclient.batches import EXEC, as_transaction, shaped, transaction_replies
from kvclient.blocking.attempts import Attempts
from kvclient.blocking.connection import Connection
from kvclient.blocking.core import Core
from kvclient.embedded.caller import ELSEWHERE, Caller
from kvclient.embedded.engine import Engine, Outlet
from kvclient.embedded.places import options_of
from kvclient.errors import UsageError
from kvclient.options import Options
from kvclient.routing.address import Address
from kvclient.wire.channel import Argv, Shape


class EmbeddedSender:
    """The way in for calls with one deadline, which holds only for those that have to wait."""

    def __init__(self, core: EmbeddedCore, deadline_s: float) -> None:
        self._core = core
        self._call = core.caller.call
        self._deadline_s = deadline_s

    def send(self, argv: Argv, shape: Shape | None = None) -> Any:
        """Execute a request; return what `shape` makes of its reply."""
        reply = self._call(argv)
        if reply is ELSEWHERE:
            reply = Attempts(self._core, argv, self._deadline_s).reply()
        if shape is not None:
            reply = shaped(argv, shape, reply)
        if isinstance(reply, Exception):
            raise reply
        return reply


class EmbeddedCore(Core):
    """An engine, and the connections of each thread to it: for what waits or has state."""

    def __init__(self, path: str | os.PathLike[str] | None, decode: bool) -> None:
        self.engine = Engine(path)
        super().__init__(options_of(self.engine.path, decode))
        self.caller = Caller(self.engine, decode)

    def check_portable(self) -> None:
        """Raise UsageError: the data is in this process."""
        raise UsageError("an embedded client cannot be copied or pickled: its data is here")

    def sender(self, deadline_s: float) -> Any:
        """Return the way in for calls with such a deadline."""
        return EmbeddedSender(self, deadline_s)

    def submit(self, argv: Argv, shape: Shape | None, deadline_s: float) -> Any:
        """Execute a request; return what `shape` makes of its reply."""
        return EmbeddedSender(self, deadline_s).send(argv, shape)

    def submit_to(
        self, address: Address, argv: Argv, shape: Shape | None, deadline_s: float
    ) -> Any:
        """Execute a request: there is one node only."""
        return self.submit(argv, shape, deadline_s)

    def send_all(
        self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool, end: Argv = EXEC
    ) -> list[Any]:
        """Execute many requests with nobody's between them; return their replies."""
        if not parts:
            return []
        requests = as_transaction(parts, end) if is_transaction else parts
        replies = self.caller.call_all(requests)
        if not replies:
            return super().send_all(parts, deadline_s, is_transaction, end)
        if is_transaction:
            return transaction_replies(replies)
        return replies + super().send_all(parts[len(replies) :], deadline_s, False)

    def connect(self, address: Address, limit_s: float) -> Connection:
        """Return a new connection to the engine."""
        self.engine.check_open()
        return EmbeddedConnection(self.options, address, limit_s, self.engine)

    def close(self) -> None:
        """Close the connections of all threads, and the engine."""
        super().close()
        self.engine.close()


class EmbeddedConnection(Connection):
    """A connection whose socket is a session."""

    def __init__(self, options: Options, address: Address, limit_s: float, engine: Engine) -> None:
        self._engine = engine
        super().__init__(options, address, limit_s)

    def _dial(self, options: Options, limit_s: float) -> Any:
        return SessionSocket(self._engine)


class SessionSocket:
    """A session as a connection sees its TimedSocket."""

    def __init__(self, engine: Engine) -> None:
        self.feed: Callable[[bytes], Any] | None = None  # a session takes all it is given at once
        self._engine = engine
        self._until = math.inf
        self._is_over = False
        self._failures = -1  # of the engine before what was sent, -1 when nothing was
        with engine.lock:
            self._session = engine.node.connect(_Way(self, engine))

    def limit(self, seconds: float) -> None:
        """Let the exchange that begins now end after `seconds`, with TimeoutError."""
        self._until = time.monotonic() + seconds

    def unlimit(self) -> None:
        """Let reads wait for as long as it takes."""
        self._until = math.inf

    def send(self, data: bytes) -> None:
        """Have the session run requests."""
        engine = self._engine
        with engine.lock:
            if self._failures < 0:
                self._failures = engine.failures
            self._session.feed(data)
            if self._session.blocked is not None or self._session.paused:
                engine.wake()

    def receive(self, count: int) -> bytes:
        """Return what the session has written, nothing when it is over; wait for it if need be."""
        engine = self._engine
        with engine.changed:
            while (data := self.glance()) is None:
                left_s = None if self._until == math.inf else self._until - time.monotonic()
                if left_s is not None and left_s <= 0:
                    raise TimeoutError
                engine.changed.wait(left_s)
            return data

    def glance(self) -> bytes | None:
        """Return what has come, without waiting: None for nothing, b"" at the end."""
        engine = self._engine
        with engine.lock:
            if engine.is_logging and not engine.closed:
                engine.settle(engine.failures if self._failures < 0 else self._failures)
            data = b"".join(self._session.take_output())
            if data:
                self._failures = -1
            return data if data or self._is_over else None

    def shut(self) -> None:
        """End the session; a thread that waits for it wakes up."""
        with self._engine.lock:
            self._is_over = True
            self._engine.node.disconnect(self._session)
            self._engine.changed.notify_all()


class _Way(Outlet):
    """What a session tells its socket; it must not keep the engine alive."""

    def __init__(self, socket: SessionSocket, engine: Engine) -> None:
        super().__init__()
        self._socket = weakref.ref(socket)
        self._engine = weakref.ref(engine)

    def ready(self) -> None:
        """Wake who waits for output."""
        engine = self._engine()
        if engine is not None:
            engine.changed.notify_all()

    def close(self) -> None:
        """End behind the output."""
        self.abort()

    def abort(self) -> None:
        """End at once."""
        socket = self._socket()
        if socket is not None:
            socket.shut()
