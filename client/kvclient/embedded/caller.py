"""Calls into an engine: a request goes in as an argv, its reply comes out as Python values.

The argv is given to a session as it is; the reply passes through RESP3 and hiredis all the same.
That costs some 0.3 µs, and there is one form of every reply: handlers return values that only the
one writer knows how to turn into RESP, some of them encoded already, and a transaction writes its
replies as it goes.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, Final

from kvclient.embedded.engine import Engine
from kvclient.wire.channel import INCOMPLETE, new_reader
from kvclient.wire.encoding import as_wire
from kvnode.session import Outlet, Session
from kvprotocol.replies import ReplyWriter

ELSEWHERE: Final = object()
"""What a call returns that has to go through a connection: it may have to wait."""


class Caller:
    """The way of plain calls, for all threads."""

    def __init__(self, engine: Engine, decode: bool) -> None:
        self.engine = engine
        self._decode = decode
        self._dispatcher = engine.node.dispatcher
        self._session: Session | None = None
        self._way = _Way(self)
        self._begin()

    def _begin(self) -> None:
        """Begin a session: the first, or another after one that was killed."""
        self.engine.check_open()
        reader = new_reader(self._decode)
        self._feed = reader.feed
        self._gets = reader.gets
        session = self.engine.node.connect(self._way)
        session.writer = ReplyWriter(3)
        self._session = session

    def end_session(self) -> None:
        """Use the session no more."""
        session, self._session = self._session, None
        if session is not None:
            self.engine.node.disconnect(session)

    def call(self, argv: Sequence[object]) -> Any:
        """Execute a request; return its reply, an error reply as a value, or ELSEWHERE."""
        words = [word if type(word) is bytes else as_wire(word) for word in argv]
        engine = self.engine
        with engine.lock:
            try:
                session = self._session
                if session is None:
                    self._begin()
                    session = self._session
                    assert session is not None
                if self._dispatcher.gate:
                    # Out of the ordinary: a pause, a limit, a monitor. It may have to wait.
                    return ELSEWHERE
                failures = engine.failures
                session.parked = words
                session.run()
                data = session.take_whole()
                self._feed(b"".join(session.take_output()) if data is None else data)
                try:
                    reply = self._gets()
                except UnicodeDecodeError as error:
                    reply = error
                if engine.is_logging:
                    engine.settle(failures)
            except BaseException:
                # By a handler of signals, say: its reply would be the next one's.
                self.end_session()
                raise
        if reply is INCOMPLETE:
            raise AssertionError(f"{words[0]!r} has no reply at once")
        return reply

    def call_all(self, argvs: Sequence[Sequence[object]]) -> list[Any]:
        """Execute requests with nobody's between them; return their replies.

        They are fewer than the requests where the next one has to go through a connection.
        """
        for argv in argvs:
            for word in argv:
                as_wire(word)
        replies: list[Any] = []
        with self.engine.lock:
            try:
                for argv in argvs:
                    reply = self.call(argv)
                    if reply is ELSEWHERE:
                        break
                    replies.append(reply)
            except BaseException:
                # The rest of a transaction would be waited for.
                self.end_session()
                raise
        return replies


class _Way(Outlet):
    """What a caller's session tells; it must not keep the engine alive."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self._caller = weakref.ref(caller)

    def close(self) -> None:
        """The session ends, by CLIENT KILL or RESET."""
        self.abort()

    def abort(self) -> None:
        """The session ends at once."""
        caller = self._caller()
        if caller is not None:
            caller.end_session()
