"""One request's way to its reply: as many attempts as are right before its deadline.

What is right is said in `kvclient.retrying`; here it meets blocking sockets.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from kvclient.batches import ASKING, as_transaction, transaction_replies
from kvclient.blocking.connection import Connection, as_protocol_error
from kvclient.blocking.timed import is_time_limit
from kvclient.errors import (
    ArgumentError,
    ConnectError,
    KvError,
    ReplyError,
    Unavailable,
    UnknownRequestError,
)
from kvclient.retrying import (
    after_deadline,
    after_forgetting,
    after_loss,
    backoff_s,
    follows_at_once,
    is_for_later,
)
from kvclient.routing.address import Address
from kvclient.wire.channel import Argv

if TYPE_CHECKING:
    from kvclient.blocking.core import Core

_LIMIT_S_MIN: Final = 0.001


class Attempts:
    """The attempts of one request.

    `wait_s` is for how long the server may let it wait, 0 for ever, None not at all. `pinned` is
    the node that it goes to whatever the router says.
    """

    def __init__(
        self,
        core: Core,
        argv: Argv,
        deadline_s: float,
        wait_s: float | None = None,
        pinned: Address | None = None,
    ) -> None:
        self._core = core
        self._argv = argv
        self._deadline_s = deadline_s
        self._wait_s = wait_s
        self._pinned = pinned
        self._begin = time.monotonic()
        # One below zero is the server's to refuse.
        self._until = self._begin + deadline_s + max(wait_s or 0.0, 0.0)
        self._number = 0
        self._was_sent = False
        self._is_asking = False

    def reply(self) -> Any:
        """Return the reply; the error that stands at the end is raised."""
        core = self._core
        address = self._pinned
        if address is None:
            if core.router.map_is_due:
                core.ensure_map(self._until)
            address = core.router.address_of(self._argv)
            if address is None:
                return self._replies_of_parts()
        self._address = address
        now = self._begin
        while True:
            try:
                connection = core.connection(self._address, now, self._until)
            except (ConnectError, ReplyError) as error:
                now = self._unreachable(error)
                continue
            try:
                reply = self._exchange(connection, now)
            except OSError as error:
                now = self._lost(connection, error)
                continue
            except BaseException as error:
                if not (isinstance(error, ArgumentError) and connection.line.is_clean):
                    # Interrupted, or not understood: what comes next on the line would be this
                    # request's reply.
                    core.discard(connection)
                raise as_protocol_error(error) from error
            if not isinstance(reply, Exception):
                return reply
            now = self._refused(reply)

    def _exchange(self, connection: Connection, now: float) -> Any:
        if self._wait_s == 0:
            connection.unlimit()
        else:
            # The first attempt's limit is always the same, which spares two system calls.
            limit_s = self._until - now if self._number else self._until - self._begin
            connection.limit(max(limit_s, _LIMIT_S_MIN))
        if not self._is_asking:
            return connection.line.exchange(self._argv)
        self._is_asking = False
        replies: list[Any] = []
        connection.line.exchange_all([ASKING, self._argv], replies)
        return replies[1]

    def _replies_of_parts(self) -> Any:
        """Ask each node for its part; make one reply of theirs."""
        plan = self._core.router.split(self._argv)
        replies = []
        for part in plan.parts:
            # Without keys the router would send it everywhere again.
            pinned = None if part.indexes else part.address
            replies.append(self._core.single(part.argv, self._until, pinned))
        return plan.merge(replies)

    def _lost(self, connection: Connection, error: OSError) -> float:
        """The connection failed: go on where the request may be repeated, else raise."""
        self._core.discard(connection)
        sent = self._was_sent = self._was_sent or connection.line.was_sent
        if is_time_limit(error):
            raise after_deadline(self._argv, sent, self._address) from None
        unknown = after_loss(self._argv, sent, self._address, error)
        if unknown is not None:
            raise unknown from error
        if self._core.is_closed:
            raise Unavailable("the client was closed")
        if self._wait_s == 0:
            # It may have waited for long: the time to connect begins anew.
            self._until = time.monotonic() + self._deadline_s
        if self._number == 0:
            # At once: most often the server has only closed a connection that was not used.
            self._number = 1
            return time.monotonic()
        return self._pause(ConnectError(str(error)))

    def _unreachable(self, error: KvError) -> float:
        """No connection: go on where another attempt, or another node, may help."""
        if isinstance(error, ReplyError) and not is_for_later(error):
            raise error
        self._core.map_is_old()
        now = self._pause(error)
        return self._route_again(now)

    def _refused(self, error: Exception) -> float:
        """An error reply: go on where another attempt will help, else raise it."""
        if not isinstance(error, ReplyError):
            raise error
        if isinstance(error, UnknownRequestError) and self._was_sent:
            raise after_forgetting(self._argv, self._address) from error
        redirect = None
        if self._pinned is None:
            redirect = self._core.router.redirected(error, self._address)
        if redirect is not None and follows_at_once(self._number):
            self._number += 1
            self._address = redirect.address
            self._is_asking = redirect.asking
            now = time.monotonic()
            if now < self._until:
                return now
            raise after_deadline(self._argv, self._was_sent, self._address) from error
        if redirect is None and not is_for_later(error):
            raise error
        pause = self._pause_s()
        if time.monotonic() + pause >= self._until:
            raise error
        time.sleep(pause)
        self._number += 1
        self._core.map_is_old()
        return self._route_again(time.monotonic())

    def _route_again(self, now: float) -> float:
        """Ask the router anew: in a cluster the key may have another leader by now."""
        router = self._core.router
        if self._pinned is None and router.map_is_due:
            self._core.ensure_map(self._until)
            self._address = router.address_of(self._argv, leader_only=True) or self._address
            return time.monotonic()
        return now

    def _pause(self, cause: KvError) -> float:
        """Wait before another attempt; raise if the deadline comes first."""
        pause = self._pause_s()
        if time.monotonic() + pause >= self._until:
            raise after_deadline(self._argv, self._was_sent, self._address, cause) from cause
        time.sleep(pause)
        self._number += 1
        return time.monotonic()

    def _pause_s(self) -> float:
        options = self._core.options
        return backoff_s(self._number, options.backoff_min_s, options.backoff_max_s)


def transaction(core: Core, parts: Sequence[Argv], end: Argv, until: float) -> list[Any]:
    """Return the replies of requests that are executed as one, at `end`: EXEC, maybe numbered.

    It is sent again where the node says that nothing of it was executed; when its reply was lost,
    only under a number.
    """
    requests = as_transaction(parts, end)
    was_sent = False
    address = core.router.address_of_all(parts)
    attempt = 0
    while True:
        failure: KvError
        try:
            connection = core.connection(address, time.monotonic(), until)
            try:
                replies = _exchanged(core, connection, requests, end, until)
                return transaction_replies(replies[-len(parts) - 2 :])  # without ASKING's
            except ReplyError as error:
                if isinstance(error, UnknownRequestError) and was_sent:
                    raise after_forgetting(end, address) from error
                redirect = core.router.redirected(error, address)
                if redirect is None and not is_for_later(error):
                    raise
                if redirect is not None and follows_at_once(attempt) and time.monotonic() < until:
                    attempt += 1
                    address = redirect.address
                    asking = [ASKING] if redirect.asking else []
                    requests = asking + as_transaction(parts, end)
                    continue
                failure = error
            except ConnectError:
                was_sent = was_sent or connection.line.was_sent
                raise
        except ConnectError as error:
            failure = after_deadline(end, was_sent, address, error)
        pause = backoff_s(attempt, core.options.backoff_min_s, core.options.backoff_max_s)
        if time.monotonic() + pause >= until:
            raise failure
        attempt += 1
        time.sleep(pause)
        core.map_is_old()
        core.ensure_map(until)
        address = core.router.address_of_all(parts)
        requests = as_transaction(parts, end)


def _exchanged(
    core: Core, connection: Connection, requests: list[Argv], end: Argv, until: float
) -> list[Any]:
    replies: list[Any] = []
    try:
        connection.limit(max(until - time.monotonic(), _LIMIT_S_MIN))
        connection.line.exchange_all(requests, replies)
    except OSError as error:
        core.discard(connection)
        was_sent = connection.line.was_sent
        if is_time_limit(error):
            raise after_deadline(end, was_sent, connection.address) from None
        unknown = after_loss(end, was_sent, connection.address, error)
        raise unknown or ConnectError(str(error)) from error
    except ArgumentError:
        raise  # before anything was sent
    except BaseException as error:
        core.discard(connection)
        raise as_protocol_error(error) from error
    return replies
