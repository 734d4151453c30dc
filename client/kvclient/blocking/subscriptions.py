# Generated from client/kvclient/aio/subscriptions.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Channels that are listened to, also across lost connections."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Generic

from kvclient.blocking.connection import Connection
from kvclient.blocking.core import Core
from kvclient.errors import (
    ConnectError,
    MisroutedError,
    NotReadyError,
    ProtocolError,
    Unavailable,
    UsageError,
)
from kvclient.messages import Gap, Message
from kvclient.results import T
from kvclient.retrying import backoff_s
from kvclient.routing.address import Address
from kvclient.wire.encoding import Argument, as_wire

_PING_EVERY_S: Final = 15.0
_ATTEMPT_S_MIN: Final = 1.0
_KINDS: Final = (b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE")
_CONFIRMATIONS: Final = (b"subscribe", b"psubscribe", b"ssubscribe")


class Subscription(Generic[T]):
    """A connection that listens; iterate over it, or call `next`.

    A lost connection is made again, everything is subscribed again, and the reader gets a Gap: what
    was published in between is lost, and only the reader knows what to do about it. It gets it when
    the server has confirmed all subscriptions: what it then looks up is not older than what it will
    hear. A connection on which nothing comes is asked for a sign of life every 15 seconds.
    """

    def __init__(
        self,
        core: Core,
        channels: Sequence[Argument],
        patterns: Sequence[Argument],
        shards: Sequence[Argument],
    ) -> None:
        self._core = core
        self._wanted: dict[bytes, dict[bytes, None]] = {
            kind: dict.fromkeys(map(as_wire, names))
            for kind, names in zip(_KINDS, (channels, patterns, shards))
        }
        self._connection: Connection | None = None
        self._is_closed = False
        self._gap: Gap | None = None
        # How many confirmations are due, and what was heard between those that came.
        self._unconfirmed = 0
        self._messages: deque[Message[T]] = deque()
        self._attempt = 0
        self._attempt_at = 0.0
        self._heard_at = 0.0
        self._pinged = False

    def __enter__(self) -> Subscription[T]:
        deadline_s = self._core.options.deadline_s
        until = time.monotonic() + deadline_s
        try:
            self._connection = self._connected(deadline_s)
            while not self._is_closed and (self._connection is None or self._unconfirmed):
                if not self._hear_more(until):
                    raise ConnectError(f"not subscribed within {deadline_s:g} s")
        except BaseException:
            self.close()
            raise
        self._gap = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._is_closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            self._core.give_back(connection, is_clean=False)

    def subscribe(self, *channels: Argument) -> None:
        """Listen to more channels."""
        self._change(b"SUBSCRIBE", channels)

    def psubscribe(self, *patterns: Argument) -> None:
        """Listen to all channels that match more patterns."""
        self._change(b"PSUBSCRIBE", patterns)

    def ssubscribe(self, *shards: Argument) -> None:
        """Listen to more shard channels, of the same hash slot."""
        self._change(b"SSUBSCRIBE", shards)

    def unsubscribe(self, *channels: Argument) -> None:
        """Listen to these channels no more."""
        self._drop(b"SUBSCRIBE", channels)

    def punsubscribe(self, *patterns: Argument) -> None:
        """Listen for these patterns no more."""
        self._drop(b"PSUBSCRIBE", patterns)

    def sunsubscribe(self, *shards: Argument) -> None:
        """Listen to these shard channels no more."""
        self._drop(b"SSUBSCRIBE", shards)

    def _change(self, kind: bytes, names: Iterable[Argument]) -> None:
        words = [as_wire(name) for name in names]
        before = self._wanted[kind]
        self._wanted[kind] = {**before, **dict.fromkeys(words)}
        try:
            self._home()
        except UsageError:
            self._wanted[kind] = before
            raise
        self._tell(kind, words)

    def _drop(self, kind: bytes, names: Iterable[Argument]) -> None:
        words = [as_wire(name) for name in names]
        for word in words:
            self._wanted[kind].pop(word, None)
        self._tell(kind.replace(b"SUB", b"UNSUB"), words)

    def _tell(self, kind: bytes, words: list[bytes]) -> None:
        connection = self._connection
        if words and connection is not None:
            # A lost connection is made again, with all that is wanted by then.
            with suppress(ConnectError):
                connection.tell((kind, *words))

    def __iter__(self) -> Iterator[Message[T] | Gap]:
        return self

    def __next__(self) -> Message[T] | Gap:
        message = self.next()
        if message is None:
            raise StopIteration
        return message

    def next(self, timeout_s: float | None = None) -> Message[T] | Gap | None:
        """Return the next message, a Gap, or None when `timeout_s` is over or this was closed."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._is_closed:
            if self._connection is not None and not self._unconfirmed:
                if self._gap is not None:
                    gap, self._gap = self._gap, None
                    return gap
                if self._messages:
                    return self._messages.popleft()
            if not self._hear_more(until):
                break
        return None

    def _hear_more(self, until: float | None) -> bool:
        """Connect if need be, else take what comes next; False when `until` is over before."""
        connection = self._connection
        if connection is None:
            return self._reconnect(until)
        now = time.monotonic()
        wait = self._heard_at + _PING_EVERY_S - now
        if until is not None:
            wait = min(wait, until - now)
        try:
            reply = connection.next_message(max(wait, 0.0))
            if reply is not None:
                self._take(reply)
            elif until is not None and time.monotonic() >= until:
                return False
            else:
                self._look_alive(connection)
        except (ConnectError, ProtocolError, MisroutedError, NotReadyError) as error:
            self._lose(connection, error)
        return True

    def _lose(self, connection: Connection, error: Exception) -> None:
        """Give the connection up; another one is made for the next message."""
        self._connection = None
        self._messages.clear()
        self._core.give_back(connection, is_clean=False)
        if not self._is_closed:
            self._gap = Gap(str(error))
            if isinstance(error, MisroutedError):
                self._core.map_is_old()

    def _look_alive(self, connection: Connection) -> None:
        """Nothing came: ask for a sign of life; ConnectError if that had no answer either."""
        now = time.monotonic()
        if now - self._heard_at < _PING_EVERY_S:
            return
        if self._pinged:
            raise ConnectError(f"{connection.address}: no sign of life")
        self._pinged = True
        self._heard_at = now
        connection.tell((b"PING",))

    def _take(self, reply: Any) -> None:
        """Keep the message that a reply holds, or note what it confirms."""
        self._heard_at = time.monotonic()
        self._pinged = False
        if isinstance(reply, Exception):
            raise reply
        self._attempt = 0
        if not isinstance(reply, list) or len(reply) < 3:
            return
        kind = as_wire(reply[0])
        if kind in (b"message", b"smessage"):
            self._messages.append(Message(reply[1], reply[2]))
        elif kind == b"pmessage":
            self._messages.append(Message(reply[2], reply[3], reply[1]))
        elif kind in _CONFIRMATIONS:
            self._unconfirmed = max(0, self._unconfirmed - 1)
        elif kind == b"sunsubscribe" and as_wire(reply[1]) in self._wanted[b"SSUBSCRIBE"]:
            raise MisroutedError(f"MOVED {reply[1]!r}: its slot went to another node")

    def _reconnect(self, until: float | None) -> bool:
        """Try to connect anew, when it is time to; False when `until` is over before.

        An attempt has a second, whatever is left: who asks for messages a moment at a time would
        never get a connection.
        """
        now = time.monotonic()
        if now < self._attempt_at:
            due = self._attempt_at if until is None else min(until, self._attempt_at)
            time.sleep(max(0.0, due - now))
            if due < self._attempt_at:
                return False
        options = self._core.options
        left = options.deadline_s if until is None else until - time.monotonic()
        try:
            limit = min(max(left, _ATTEMPT_S_MIN), options.deadline_s)
            connection = self._connected(limit)
        except Unavailable:
            return True
        finally:
            self._attempt += 1
            pause = backoff_s(self._attempt, options.backoff_min_s, options.backoff_max_s)
            self._attempt_at = time.monotonic() + pause
        if self._is_closed:
            self._core.give_back(connection, is_clean=False)
        else:
            self._connection = connection
        return True

    def _connected(self, deadline_s: float) -> Connection:
        """Return a connection that asks for everything that is wanted."""
        connection = self._core.lend(self._home, deadline_s)
        try:
            connection.become_stream()
            for kind, names in self._wanted.items():
                if names:
                    connection.tell((kind, *names))
        except BaseException:
            self._core.give_back(connection, is_clean=False)
            raise
        self._unconfirmed = sum(map(len, self._wanted.values()))
        self._heard_at = time.monotonic()
        self._pinged = False
        return connection

    def _home(self) -> Address:
        """Return the node where all that is wanted can be listened to."""
        return self._core.router.home([*map(list, self._wanted.values())])
