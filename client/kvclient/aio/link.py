"""The shared connection to one node: opened when first needed, and again when it was lost.

All tasks write to it. What cannot be written at once waits in `held`, in order: while there is no
connection, and while too many bytes are in flight. A reply that was lost with the connection is
asked for again, or reported as unknown, as `kvclient.retrying` says.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from kvclient.aio.batch import Rest
from kvclient.aio.connection import Connection, open_connection
from kvclient.batches import MULTI
from kvclient.errors import ConnectError, KvError, ProtocolError, ReplyError
from kvclient.options import Options
from kvclient.retrying import after_deadline, after_loss, backoff_s, may_repeat, may_repeat_all
from kvclient.routing.address import Address
from kvclient.wire.channel import Channel, Request


class Referee(Protocol):
    """Who decides about a request that its node refused."""

    def refused(self, link: Link, request: Request, error: ReplyError) -> None:
        """Settle the request, or send it again."""


class _Nobody:
    """The future of a request whose reply nobody waits for."""

    def done(self) -> bool:
        return False

    def set_result(self, reply: Any) -> None:
        pass

    def set_exception(self, error: BaseException) -> None:
        pass


NOBODY: Final = _Nobody()


class Link:
    """A node's shared connection, and the requests that wait for it."""

    def __init__(
        self,
        options: Options,
        address: Address,
        referee: Referee,
        on_open: Callable[[Link], None],
        pushed: Callable[[Link, list[Any]], None],
    ) -> None:
        self.options = options
        self.address = address
        self.channel: Channel | None = None
        self.connection: Connection | None = None
        self.on_flush: Callable[[], None] | None = None
        self._referee = referee
        self._on_open = on_open
        self._on_push = pushed
        self._held: deque[Request] = deque()
        self._opening: asyncio.Task[None] | None = None
        self._silent_since = 0.0
        self._failure: BaseException | None = None
        self._is_closed = False

    def submit(self, request: Request) -> None:
        """Send a request now, or when the connection takes it."""
        channel = self.channel
        if channel is not None and channel.is_open and not self._held:
            channel.submit(request)
            return
        self._held.append(request)
        if channel is None:
            self.ensure_open()

    def submit_asking(self, request: Request) -> None:
        """Send a request for a slot that is on its way to this node (ASK)."""
        self.submit(Request((b"ASKING",), None, NOBODY, request.deadline))
        self.submit(request)

    def ensure_open(self) -> None:
        """Begin to connect, unless that is under way."""
        if self._opening is None and self.connection is None and not self._is_closed:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        """Connect, with growing pauses, as long as anybody waits."""
        attempt = 0
        try:
            while self.is_wanted():
                try:
                    connection = await open_connection(self.options, self.address)
                except ConnectError as error:
                    self._failure = error
                    await asyncio.sleep(
                        backoff_s(attempt, self.options.backoff_min_s, self.options.backoff_max_s)
                    )
                    attempt += 1
                except KvError as error:
                    # A wrong password, say: no attempt will be better.
                    self._fail_held(error)
                    return
                else:
                    self._opened(connection)
                    return
        finally:
            self._opening = None

    def _opened(self, connection: Connection) -> None:
        if self._is_closed:
            connection.abort()
            return
        connection.owner = self
        connection.on_flush = self.on_flush
        self.connection = connection
        self.channel = connection.channel
        self._failure = None
        self._silent_since = asyncio.get_running_loop().time()
        self._on_open(self)
        self.has_room()

    def is_wanted(self) -> bool:
        """Does anybody wait for the connection?"""
        while self._held and self._held[0].future.done():
            self._held.popleft()
        return bool(self._held)

    def has_room(self) -> None:
        """Submit what was held back, as far as there is room."""
        while self._held and self.channel is not None and self.channel.is_open:
            request = self._held.popleft()
            if request.future.done():
                continue
            try:
                self.channel.submit(request)
            except KvError as error:
                request.fail(error)

    def refused(self, request: Request, error: ReplyError) -> None:
        """Ask the referee."""
        self._referee.refused(self, request, error)

    def pushed(self, message: list[Any]) -> None:
        """Hand a push message on."""
        self._on_push(self, message)

    def lost(self, unanswered: list[Request], cause: BaseException | None) -> None:
        """The connection is gone: repeat what may be repeated; the rest has an unknown outcome."""
        self.connection = None
        self.channel = None
        self._on_open(self)
        again: list[Request] = []
        for request in unanswered:
            if request.future.done():
                continue
            if isinstance(cause, ProtocolError):
                request.fail(cause)
            elif not request.was_sent or may_repeat_all(request.argv, request.parts):
                again.append(request)
            elif request.parts is None or request.argv == MULTI:
                request.fail(after_loss(request.argv, self.address, cause))
            else:
                again.extend(self._rest(request, cause))
        self._held.extendleft(reversed(again))
        if self.is_wanted() and not self._is_closed:
            self.ensure_open()

    def _rest(self, request: Request, cause: BaseException | None) -> list[Request]:
        """Return what is to be asked again of a request whose parts have replies in part."""
        assert request.parts is not None
        answered = list(request.replies or ())
        rest = request.parts[len(answered) :]
        if all(may_repeat(part) for part in rest):
            return [Request(rest[0], None, Rest(request), request.deadline, rest)]
        request.settle(answered + [after_loss(part, self.address, cause) for part in rest])
        return []

    def tick(self, now: float) -> bool:
        """End what is past its deadline; return whether anything is still under way.

        A connection on which nothing comes while a deadline passes is given up: its other requests
        get a new one.
        """
        self._expire_held(now)
        channel = self.channel
        if channel is None:
            return bool(self._held)
        if channel.waiting() == 0:
            self._silent_since = now
            return False
        for request in channel.expire(now):
            repeatable = may_repeat_all(request.argv, request.parts)
            request.fail(after_deadline(request.argv, True, repeatable, self.address, None))
        if channel.has_received:
            channel.has_received = False
            self._silent_since = now
        elif now - self._silent_since >= self.options.deadline_s and self.connection is not None:
            self.connection.abort(ConnectError(f"nothing came for {self.options.deadline_s:g} s"))
        return True

    def _expire_held(self, now: float) -> None:
        if not self._held:
            return
        kept: deque[Request] = deque()
        for request in self._held:
            if request.future.done():
                continue
            if request.deadline <= now:
                repeatable = may_repeat_all(request.argv, request.parts)
                request.fail(
                    after_deadline(
                        request.argv, request.was_sent, repeatable, self.address, self._failure
                    )
                )
            else:
                kept.append(request)
        self._held = kept

    def _fail_held(self, error: KvError) -> None:
        held, self._held = self._held, deque()
        for request in held:
            request.fail(error)

    def close(self, error: KvError) -> None:
        """Close for good; everyone who waits gets `error`."""
        self._is_closed = True
        if self._opening is not None:
            self._opening.cancel()
        self._fail_held(error)
        if self.connection is not None:
            for request in self.connection.channel.close():
                request.fail(error)
            self.connection.abort()
