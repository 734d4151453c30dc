"""The shared connection to one node: opened when first needed, and again when it was lost.

All tasks write to it. What cannot be written at once waits in `held`, in order: while there is no
connection, and while too many bytes are in flight. A reply that was lost with the connection is
asked for again, or reported as unknown, as `kvclient.retrying` says.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from kvclient.aio.batch import Judge, unfinished
from kvclient.aio.connection import Connection
from kvclient.errors import ConnectError, KvError, ProtocolError, ReplyError, Unavailable
from kvclient.options import Options
from kvclient.retrying import after_deadline, after_loss, backoff_s, is_for_later
from kvclient.routing.address import Address
from kvclient.wire.channel import Argv, Channel, Request


class Referee(Protocol):
    """Who knows more than one link does."""

    async def connect_shared(self, address: Address) -> Connection:
        """Return a new connection to a node."""
        ...

    def refused(self, link: Link, request: Request, error: ReplyError) -> None:
        """Settle a request that its node refused, or send it again."""

    def changed(self, link: Link) -> None:
        """The connection was opened or lost."""

    def unreachable(self, address: Address) -> None:
        """No connection could be made."""

    def pushed(self, link: Link, message: list[Any]) -> None:
        """A push message came."""


class Link:
    """A node's shared connection, and the requests that wait for it."""

    def __init__(
        self, options: Options, address: Address, referee: Referee, on_flush: Callable[[], None]
    ) -> None:
        self.options = options
        self.address = address
        self.channel: Channel | None = None
        self.connection: Connection | None = None
        self._referee = referee
        self._on_flush = on_flush
        self._held: deque[Request] = deque()
        self._opening: asyncio.Task[None] | None = None
        self._silent_since = 0.0
        self._losses = 0  # of connections on which nothing was answered, one after another
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

    def ensure_open(self) -> None:
        """Begin to connect, unless that is under way."""
        if self._opening is None and self.connection is None and not self._is_closed:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        """Connect, with growing pauses, as long as anybody waits."""
        attempt = 0
        options = self.options
        try:
            # At once after the first: most often a server has only closed what was not used.
            if self._losses > 1:
                await asyncio.sleep(
                    backoff_s(self._losses - 2, options.backoff_min_s, options.backoff_max_s)
                )
            while self._is_wanted():
                try:
                    connection = await self._referee.connect_shared(self.address)
                except KvError as error:
                    if not (isinstance(error, ConnectError) or is_refused_for_now(error)):
                        # A wrong password, say: no attempt will be better.
                        self._end_held(partial(_always, error))
                        return
                    self._failure = error
                    self._referee.unreachable(self.address)
                    await asyncio.sleep(
                        backoff_s(attempt, options.backoff_min_s, options.backoff_max_s)
                    )
                    attempt += 1
                else:
                    self._opened(connection)
                    return
        finally:
            self._opening = None

    def _opened(self, connection: Connection) -> None:
        if self._is_closed or connection.is_closed:
            connection.abort()
            if not self._is_closed:
                asyncio.get_running_loop().call_soon(self.ensure_open)
            return
        connection.owner = self
        connection.on_flush = self._on_flush
        self.connection = connection
        self.channel = connection.channel
        self.channel.has_received = False
        self._failure = None
        self._silent_since = asyncio.get_running_loop().time()
        self._referee.changed(self)
        self.has_room()

    def _is_wanted(self) -> bool:
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
        self._referee.pushed(self, message)

    def lost(self, unanswered: list[Request], cause: BaseException | None) -> None:
        """The connection is gone: repeat what may be repeated; the rest has an unknown outcome."""
        if self.channel is not None and not self.channel.has_received:
            self._losses += 1
        else:
            self._losses = 0
        self._failure = cause
        self.connection = None
        self.channel = None
        self._referee.changed(self)
        again: list[Request] = []
        for request in unanswered:
            if not request.future.done():
                again.extend(unfinished(request, self._judge_of_loss(request, cause)))
        self._held.extendleft(reversed(again))
        if self._is_wanted():
            self.ensure_open()

    def _judge_of_loss(self, request: Request, cause: BaseException | None) -> Judge:
        was_sent = request.was_sent

        def judge(argv: Argv) -> Exception | None:
            if isinstance(cause, ProtocolError):
                return cause if was_sent else None
            return after_loss(argv, was_sent, self.address, cause)

        return judge

    def tick(self, now: float) -> bool:
        """End what is past its deadline; return whether anything is still under way.

        A connection on which nothing came for half the client's deadline, while the first of those
        who wait is past its own, is given up: the others get a new one. (While the first is not,
        the server may well be busy with it.)
        """
        self._expire_held(now)
        channel = self.channel
        if channel is None:
            if self._is_wanted():
                self.ensure_open()
            return bool(self._held)
        if channel.waiting() == 0:
            self._silent_since = now
            return False
        for request in channel.expire(now):
            unfinished(request, partial(self._late, True, None))
        silent_s = self.options.deadline_s / 2
        if channel.has_received:
            channel.has_received = False
            self._losses = 0
            self._silent_since = now
        elif now - self._silent_since >= silent_s and self.connection is not None:
            if channel.awaiting[channel.head].deadline <= now:
                self.connection.abort(ConnectError(f"nothing came for {silent_s:g} s"))
        return True

    def _late(self, was_sent: bool, failure: BaseException | None, argv: Argv) -> Exception:
        return after_deadline(argv, was_sent, self.address, failure)

    def _expire_held(self, now: float) -> None:
        if not self._held:
            return
        kept: deque[Request] = deque()
        failure: BaseException | None = None
        if self.channel is None:
            failure = self._failure or ConnectError("the server has not answered yet")
        for request in self._held:
            if request.future.done():
                continue
            if request.deadline > now:
                kept.append(request)
                continue
            unfinished(request, partial(self._late, request.was_sent, failure))
        self._held = kept

    def _end_held(self, judge: Judge) -> None:
        held, self._held = self._held, deque()
        for request in held:
            if not request.future.done():
                unfinished(request, judge)

    def take_held(self) -> list[Request]:
        """Give up what waits for a connection, for other nodes; requests with parts in parts."""
        held, self._held = self._held, deque()
        taken: list[Request] = []
        for request in held:
            if not request.future.done():
                taken.extend(unfinished(request, lambda argv: None))
        return taken

    def close(self, error: Unavailable) -> None:
        """Close for good; everyone who waits gets `error`, or OutcomeUnknown."""
        self._is_closed = True
        if self._opening is not None:
            self._opening.cancel()
        self._end_held(partial(_always, error))
        if self.connection is not None:
            left = self.connection.channel.close()
            self.connection.abort()
            for request in left:
                unfinished(request, partial(self._closed, request.was_sent, error))

    def _closed(self, was_sent: bool, error: Unavailable, argv: Argv) -> Exception:
        return after_loss(argv, was_sent, self.address, error) or error

    def forsake(self) -> None:
        """Let go of a connection whose loop is closed, or which is a parent process's."""
        if self.connection is not None:
            self.connection.forsake()


def _always(error: Exception, argv: Argv) -> Exception:
    return error


def is_refused_for_now(error: KvError) -> bool:
    """Did a server refuse a connection that it may take a little later?"""
    return isinstance(error, ReplyError) and is_for_later(error)
