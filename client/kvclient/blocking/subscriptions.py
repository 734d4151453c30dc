# Generated from client/kvclient/aio/subscriptions.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Channels that are listened to, also across lost connections."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Generic

from kvclient.blocking.connection import Connection
from kvclient.blocking.core import Core
from kvclient.errors import ConnectError, ProtocolError, ReplyError, UsageError
from kvclient.messages import Gap, Message
from kvclient.results import T
from kvclient.retrying import backoff_s
from kvclient.wire.encoding import Argument, as_wire

_PING_EVERY_S: Final = 15.0
_KINDS: Final = (b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE")


class Subscription(Generic[T]):
    """A connection that listens; iterate over it, or call `next`.

    A lost connection is made again, everything is subscribed again, and the reader gets a Gap: what
    was published in between is lost, and only the reader knows what to do about it. A connection
    on which nothing comes is asked for a sign of life every 15 seconds.
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
        self._heard_at = 0.0
        self._pinged = False

    def __enter__(self) -> Subscription[T]:
        self._connection = self._connect()
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
        if self._connection is not None:
            self._connection.close()

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
        self._wanted[kind].update(dict.fromkeys(words))
        if words and self._connection is not None:
            self._connection.tell((kind, *words))

    def _drop(self, kind: bytes, names: Iterable[Argument]) -> None:
        words = [as_wire(name) for name in names]
        for word in words:
            self._wanted[kind].pop(word, None)
        if words and self._connection is not None:
            self._connection.tell((kind.replace(b"SUB", b"UNSUB"), *words))

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
            if self._connection is None:
                self._connection = self._connect()
            now = time.monotonic()
            if until is not None and now >= until:
                return None
            wait = self._heard_at + _PING_EVERY_S - now
            if until is not None:
                wait = min(wait, until - now)
            try:
                reply = self._connection.next_message(max(wait, 0.0))
                if reply is None:
                    self._look_alive()
                    continue
            except (ConnectError, ProtocolError) as error:
                if self._is_closed:
                    return None
                self._connection.close()
                self._connection = None
                self._connection = self._connect()
                return Gap(str(error))
            self._heard_at = time.monotonic()
            self._pinged = False
            message = self._message(reply)
            if message is not None:
                return message
        return None

    def _look_alive(self) -> None:
        """Nothing came: ask for a sign of life; ConnectError if that had no answer either."""
        now = time.monotonic()
        if now - self._heard_at < _PING_EVERY_S or self._connection is None:
            return
        if self._pinged:
            raise ConnectError(f"{self._connection.address}: no sign of life")
        self._pinged = True
        self._heard_at = now
        self._connection.tell((b"PING",))

    def _message(self, reply: Any) -> Message[T] | None:
        """Return the message that a reply holds, None for a confirmation."""
        if isinstance(reply, ReplyError):
            raise reply
        if not isinstance(reply, list) or len(reply) < 3:
            return None
        kind = as_wire(reply[0])
        if kind in (b"message", b"smessage"):
            return Message(reply[1], reply[2])
        if kind == b"pmessage":
            return Message(reply[2], reply[3], reply[1])
        return None

    def _connect(self) -> Connection:
        """Connect, as long as it takes, and subscribe to all that is wanted."""
        attempt = 0
        options = self._core.options
        while True:
            try:
                connection = self._core.lend(self._home())
                break
            except ConnectError:
                if self._connection is None and attempt == 0 and not self._heard_at:
                    raise
                pause = backoff_s(attempt, options.backoff_min_s, options.backoff_max_s)
                time.sleep(pause)
                attempt += 1
                if self._is_closed:
                    raise UsageError("the subscription was closed") from None
        connection.become_stream()
        for kind, names in self._wanted.items():
            if names:
                connection.tell((kind, *names))
        self._heard_at = time.monotonic()
        self._pinged = False
        return connection

    def _home(self) -> tuple[bytes, ...]:
        """Return the request that belongs where this subscription does."""
        shards = self._wanted[b"SSUBSCRIBE"]
        return (b"SSUBSCRIBE", *shards) if shards else (b"PING",)
