"""One request's way to its reply: as many attempts as are right before its deadline.

What is right is said in `kvclient.retrying`; here it meets blocking sockets.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from kvclient.blocking.connection import Connection, is_time_limit
from kvclient.errors import ConnectError, KvError, OutcomeUnknown, ReplyError
from kvclient.retrying import (
    after_deadline,
    after_loss,
    backoff_s,
    is_for_later,
    may_repeat,
    printed,
)
from kvclient.routing.address import Address
from kvclient.wire.channel import Argv

if TYPE_CHECKING:
    from kvclient.blocking.core import Core

_LIMIT_S_MIN: Final = 0.001


class Attempts:
    """The attempts of one request.

    `wait_s` is for how long the server may let it wait, 0 for ever, None not at all.
    """

    def __init__(
        self, core: Core, argv: Argv, deadline_s: float, wait_s: float | None = None
    ) -> None:
        self._core = core
        self._argv = argv
        self._deadline_s = deadline_s
        self._wait_s = wait_s
        self._begin = time.monotonic()
        self._number = 0
        self._was_sent = False
        self._is_asking = False

    def reply(self) -> Any:
        """Return the reply; the error that stands at the end is raised."""
        core = self._core
        address = core.router.address_of(self._argv)
        if core.router.map_is_due:
            core.learn_map(self._begin + self._deadline_s)
            address = core.router.address_of(self._argv)
        if address is None:
            return self._replies_of_parts()
        self._address = address
        now = self._begin
        while True:
            try:
                connection = core.connection(self._address, now)
            except ConnectError as error:
                now = self._pause(error)
                continue
            try:
                reply = self._exchange(connection, now)
            except OSError as error:
                now = self._lost(connection, error)
                continue
            except KvError:
                if not connection.line.is_clean:
                    core.discard(connection)
                raise
            except BaseException:
                # Interrupted: what comes next on the line would be this request's reply.
                core.discard(connection)
                raise
            if not isinstance(reply, Exception):
                return reply
            now = self._refused(reply)

    def _exchange(self, connection: Connection, now: float) -> Any:
        limit_s = self._deadline_s
        if self._number:
            limit_s -= now - self._begin
        if self._wait_s is None:
            connection.limit(max(limit_s, _LIMIT_S_MIN))
        elif self._wait_s:
            connection.limit(self._wait_s + max(limit_s, _LIMIT_S_MIN))
        else:
            connection.unlimit()
        if self._is_asking:
            self._is_asking = False
            connection.line.exchange((b"ASKING",))
        return connection.line.exchange(self._argv)

    def _replies_of_parts(self) -> Any:
        """Ask each node for its part; make one reply of theirs."""
        plan = self._core.router.split(self._argv)
        replies: list[Any] = []
        for part in plan.parts:
            left_s = self._begin + self._deadline_s - time.monotonic()
            try:
                replies.append(Attempts(self._core, part.argv, max(left_s, _LIMIT_S_MIN)).reply())
            except KvError as error:
                replies.append(error)
        return plan.merge(replies)

    def _lost(self, connection: Connection, error: OSError) -> float:
        """The connection failed: go on where the request may be repeated, else raise."""
        self._core.discard(connection)
        self._was_sent = self._was_sent or connection.line.was_sent
        if is_time_limit(error):
            raise self._too_late(None) from None
        if self._was_sent and not may_repeat(self._argv):
            raise after_loss(self._argv, self._address, error) from error
        if self._number == 0:
            # At once: most often the server has only closed a connection that was not used.
            self._number = 1
            return time.monotonic()
        return self._pause(None)

    def _refused(self, error: Exception) -> float:
        """An error reply: go on where another attempt will help, else raise it."""
        if not isinstance(error, ReplyError):
            raise error
        router = self._core.router
        redirect = router.redirected(error, self._address)
        if redirect is not None:
            self._number += 1
            self._address = redirect.address
            self._is_asking = redirect.asking
            now = time.monotonic()
            if now >= self._begin + self._deadline_s:
                raise self._too_late(None) from error
            return now
        if not is_for_later(error):
            raise error
        pause = self._pause_s()
        if time.monotonic() + pause >= self._begin + self._deadline_s:
            raise error
        time.sleep(pause)
        self._number += 1
        if router.map_is_due:
            self._core.learn_map(self._begin + self._deadline_s)
        self._address = router.address_of(self._argv) or self._address
        return time.monotonic()

    def _pause(self, cause: ConnectError | None) -> float:
        """Wait before another attempt; raise if the deadline comes first."""
        pause = self._pause_s()
        if time.monotonic() + pause >= self._begin + self._deadline_s:
            raise self._too_late(cause) from cause
        time.sleep(pause)
        self._number += 1
        return time.monotonic()

    def _pause_s(self) -> float:
        options = self._core.options
        return backoff_s(self._number, options.backoff_min_s, options.backoff_max_s)

    def _too_late(self, cause: ConnectError | None) -> KvError:
        repeatable = may_repeat(self._argv)
        return after_deadline(self._argv, self._was_sent, repeatable, self._address, cause)


class GroupAttempts:
    """The attempts of several requests that go to one node together."""

    def __init__(self, core: Core, parts: list[Argv], address: Address, deadline_s: float) -> None:
        self._core = core
        self._parts = parts
        self._address = address
        self._deadline_s = deadline_s
        self._deadline = time.monotonic() + deadline_s

    def transaction(self) -> list[Any]:
        """Return the replies of MULTI ... EXEC; OutcomeUnknown if they were sent and lost."""
        replies: list[Any] = []
        connection = self._connection(0)
        try:
            connection.limit(self._deadline_s)
            connection.line.exchange_all(self._parts, replies)
        except OSError as error:
            self._core.discard(connection)
            name = printed(self._parts[-1])
            raise OutcomeUnknown(
                f"{name}: the connection to {self._address} was lost ({error}) before the reply;"
                " the transaction may have been executed"
            ) from error
        except BaseException:
            self._core.discard(connection)
            raise
        return replies

    def replies(self) -> list[Any]:
        """Return the replies, errors among them."""
        answered: list[Any] = []
        attempt = 0
        while True:
            rest = self._parts[len(answered) :]
            connection = self._connection(attempt)
            try:
                connection.limit(max(self._deadline - time.monotonic(), _LIMIT_S_MIN))
                connection.line.exchange_all(rest, answered)
                return answered
            except OSError as error:
                self._core.discard(connection)
                rest = self._parts[len(answered) :]
                if is_time_limit(error) or not all(may_repeat(part) for part in rest):
                    return answered + [after_loss(part, self._address, error) for part in rest]
            except BaseException:
                self._core.discard(connection)
                raise
            attempt += 1

    def _connection(self, attempt: int) -> Connection:
        """Return this thread's connection, opened before the deadline."""
        options = self._core.options
        while True:
            try:
                return self._core.connection(self._address, time.monotonic())
            except ConnectError as error:
                pause = backoff_s(attempt, options.backoff_min_s, options.backoff_max_s)
                if time.monotonic() + pause >= self._deadline:
                    raise after_deadline(
                        self._parts[0], False, True, self._address, error
                    ) from error
            time.sleep(pause)
            attempt += 1
