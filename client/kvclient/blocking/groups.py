"""The requests of a batch that go to one node together, beside those that go to others.

Every node gets its first slice before the first reply is read, so that they work at the same time:
`begin` each group, `collect` each, and then `finish` each. Only `finish` repeats anything, since
that may need other nodes' connections, on which no reply may be due then.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final, final

from kvclient.batches import refusals
from kvclient.blocking.connection import Connection, as_protocol_error
from kvclient.blocking.timed import is_time_limit
from kvclient.errors import ConnectError, KvError, Unavailable, UnknownRequestError
from kvclient.retrying import after_deadline, after_forgetting, after_loss, backoff_s, may_repeat
from kvclient.routing.address import Address
from kvclient.wire.channel import Argv
from kvclient.wire.line import SLICE_REQUESTS, encoded

if TYPE_CHECKING:
    from kvclient.blocking.core import Core

_LIMITS_PER_S: Final = 100
"""A time limit is a multiple of 10 ms: setting another one than before takes two system calls."""


@final
class Group:
    """Requests, and their replies in the same order, errors among them."""

    def __init__(self, core: Core, parts: list[Argv], address: Address, until: float) -> None:
        self.replies: list[Any] = [None] * len(parts)
        self._core = core
        self._parts = parts
        self._address = address
        self._until = until
        self._left = list(range(len(parts)))
        self._requests: list[list[bytes]] = []
        self._connection: Connection | None = None
        self._failure: KvError | OSError | None = None
        self._sent = 0

    def begin(self) -> None:
        """Send the first slice of what is left; a failure is kept for later."""
        self._connection = None
        self._failure = None
        self._requests = encoded([self._parts[index] for index in self._left])
        try:
            self._connection = self._core.connection(self._address, time.monotonic(), self._until)
        except KvError as error:
            self._failure = error
            return
        self._send(self._connection, 0)

    def _send(self, connection: Connection, done: int) -> None:
        self._limit(connection)
        # Where it fails, all that a slice can hold may have been sent.
        self._sent = min(len(self._left) - done, SLICE_REQUESTS)
        try:
            self._sent = connection.line.send_slice(self._requests, done)
        except OSError as error:
            self._failure = error
        except BaseException as error:
            self._core.discard(connection)
            raise as_protocol_error(error) from error

    def collect(self) -> None:
        """Take the replies, slice by slice; what is left then may be asked again."""
        connection = self._connection
        if connection is None:
            return
        done = 0
        while done < len(self._left):
            answered: list[Any] = []
            if self._failure is None:
                self._receive(connection, answered)
            for index, reply in zip(self._left[done:], answered):
                self.replies[index] = reply
            if self._failure is not None:
                self._lost(connection, done, len(answered))
                return
            done += self._sent
            if done < len(self._left):
                self._send(connection, done)
        self._left = []

    def _limit(self, connection: Connection) -> None:
        steps = math.ceil((self._until - time.monotonic()) * _LIMITS_PER_S)
        connection.limit(max(steps, 1) / _LIMITS_PER_S)

    def _receive(self, connection: Connection, answered: list[Any]) -> None:
        try:
            # Other nodes' replies may have taken some of the time.
            self._limit(connection)
            connection.line.collect(self._sent, answered)
        except OSError as error:
            self._failure = error
        except BaseException as error:
            self._core.discard(connection)
            raise as_protocol_error(error) from error

    def _lost(self, connection: Connection, done: int, answered: int) -> None:
        """The connection failed: judge those without a reply one by one."""
        error = self._failure
        assert isinstance(error, OSError)
        core = self._core
        core.discard(connection)
        again = []
        for position in range(done + answered, len(self._left)):
            index = self._left[position]
            part = self._parts[index]
            was_sent = position < done + self._sent and connection.line.was_sent
            if is_time_limit(error):
                self.replies[index] = after_deadline(part, was_sent, self._address)
            elif core.is_closed and not (was_sent and not may_repeat(part)):
                self.replies[index] = Unavailable("the client was closed")
            else:
                self.replies[index] = after_loss(part, was_sent, self._address, error)
                if self.replies[index] is None:
                    again.append(index)
        self._left = again

    def finish(self) -> list[Any]:
        """Ask again, where that is right, until the deadline; return the replies."""
        resent: set[int] = set()
        attempt = 0
        while self._left:
            if isinstance(self._failure, OSError):
                resent.update(self._left)
            # At once when a connection was lost: most often the server has only closed it.
            if attempt or not resent:
                if not self._pauses(attempt):
                    break
            attempt += 1
            self.begin()
            self.collect()
        core = self._core
        for index in refusals(self.replies):
            if core.goes_on(self.replies[index]):
                self.replies[index] = core.single(self._parts[index], self._until)
        for index in resent:
            if isinstance(self.replies[index], UnknownRequestError):
                self.replies[index] = after_forgetting(self._parts[index], self._address)
        return self.replies

    def _pauses(self, attempt: int) -> bool:
        """Wait before another attempt; if there is none, the parts have their replies then.

        In a cluster nobody waits for a node that is not reached: each part goes its own way.
        """
        core = self._core
        error = self._failure
        pause = backoff_s(attempt, core.options.backoff_min_s, core.options.backoff_max_s)
        is_late = time.monotonic() + pause >= self._until
        if isinstance(error, KvError):
            core.map_is_old()
            is_final = is_late or not isinstance(error, ConnectError)
            if is_final or core.options.mode == "cluster":
                for index in self._left:
                    reply = error if is_final else core.single(self._parts[index], self._until)
                    self.replies[index] = reply
                return False
        elif is_late:
            for index in self._left:
                part = self._parts[index]
                cause = ConnectError(str(error))
                # What is left was not sent, unless it may be repeated.
                was_sent = may_repeat(part)
                self.replies[index] = after_deadline(part, was_sent, self._address, cause)
            return False
        time.sleep(pause)
        return True
