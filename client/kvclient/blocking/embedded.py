"""The Core of an embedded client: calls go into the engine, connections end in its sessions."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Sequence
from typing import Any

from kvclient.batches import as_transaction, shaped, transaction_replies
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

    def send_all(self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool) -> list[Any]:
        """Execute many requests with nobody's between them; return their replies."""
        if not parts:
            return []
        requests = as_transaction(parts) if is_transaction else parts
        replies = self.caller.call_all(requests)
        if not replies:
            return super().send_all(parts, deadline_s, is_transaction)
        if is_transaction:
            return transaction_replies(replies)
        return replies + super().send_all(parts[len(replies) :], deadline_s, False)

    def _new_connection(self, address: Address) -> Connection:
        self.engine.check_open()
        return EmbeddedConnection(self.options, address, self.engine)

    def close(self) -> None:
        """Close the connections of all threads, and the engine."""
        super().close()
        self.engine.close()


class EmbeddedConnection(Connection):
    """A connection whose socket is a session."""

    def __init__(self, options: Options, address: Address, engine: Engine) -> None:
        self._session_socket = SessionSocket(engine)
        super().__init__(options, address)

    def _dial(self, options: Options) -> Any:
        return self._session_socket

    def limit(self, seconds: float) -> None:
        """Let every read end after `seconds`, with BlockingIOError."""
        self._session_socket.limit_s = seconds

    def unlimit(self) -> None:
        """Let reads wait for as long as it takes."""
        self._session_socket.limit_s = None

    def has_ended(self) -> bool:
        """Look whether the engine has ended the session."""
        return self._session_socket.is_over

    def close(self) -> None:
        """End the session; a thread that waits for it wakes up."""
        self._session_socket.close()


class SessionSocket:
    """A session as the Line above it sees a socket."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.limit_s: float | None = None
        self.is_over = False
        with engine.lock:
            self._session = engine.node.connect(_Way(self, engine))

    def sendall(self, data: bytes) -> None:
        """Have the session run requests."""
        engine = self._engine
        with engine.lock:
            self._session.feed(data)
            if self._session.blocked is not None or self._session.paused:
                engine.wake()

    def recv(self, size: int) -> bytes:
        """Return what the session has written, nothing when it is over; wait for it if need be."""
        engine = self._engine
        limit = self.limit_s
        until = None if limit is None else time.monotonic() + limit
        with engine.changed:
            while True:
                if engine.is_logging and not engine.closed:
                    engine.settle()
                data = b"".join(self._session.take_output())
                if data or self.is_over:
                    return data
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise BlockingIOError("nothing came in time")
                engine.changed.wait(left)

    def close(self) -> None:
        """End the session."""
        with self._engine.lock:
            self.is_over = True
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
            socket.close()
