# Generated from client/kvclient/aio/once.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Exactly-once requests: writes that carry a number, by which a kvnode knows a repetition again.

What may be repeated anyhow is sent as it is, and so is what REQUEST cannot carry: commands that
wait, and those whose keys lie on several nodes. An UnknownRequestError means that the request was
sent once and not executed (`Core` says OutcomeUnknown where it was sent before): the id was
forgotten, and the request goes out again under another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from kvclient.batches import EXEC
from kvclient.blocking.core import Core
from kvclient.errors import ConfigurationError, ReplyError, UnknownRequestError
from kvclient.request_numbers import ASK_ID, RequestNumbers
from kvclient.retrying import may_repeat
from kvclient.wire.channel import Argv, Shape


class Once:
    """Sends the requests of one client, and all its views, exactly once."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._numbers: RequestNumbers | None = None

    def send(
        self, bare: Callable[..., Any], deadline_s: float, argv: Argv, shape: Shape | None = None
    ) -> Any:
        """Send a request; its result is what `shape` makes of its reply.

        `bare` sends those that need no number.
        """
        if self._is_bare(argv):
            unnumbered: Any = bare(argv, shape)
            return unnumbered
        return self._core.begun(self._send(argv, shape, deadline_s))

    def _is_bare(self, argv: Argv) -> bool:
        return may_repeat(argv) or self._core.router.address_of(argv) is None

    def _send(self, argv: Argv, shape: Shape | None, deadline_s: float) -> Any:
        def submit(carried: Argv, left_s: float) -> Any:
            return self._core.submit(carried, shape, left_s)

        return self._carried(argv, submit, deadline_s)

    def _transaction(self, parts: Sequence[Argv], deadline_s: float) -> list[Any]:
        def submit(end: Argv, left_s: float) -> list[Any]:
            return self._core.send_all(parts, left_s, is_transaction=True, end=end)

        replies: list[Any] = self._carried(EXEC, submit, deadline_s)
        return replies

    def _carried(self, argv: Argv, submit: Callable[[Argv, float], Any], deadline_s: float) -> Any:
        """Return what `submit` makes of a request under a number, and of the time that is left."""
        until = time.monotonic() + deadline_s
        while True:
            numbers, number = self._taken(until)
            try:
                return submit(numbers.carried(number, argv), until - time.monotonic())
            except UnknownRequestError:
                self._forget(numbers)
                if time.monotonic() >= until:
                    raise
            finally:
                numbers.settle(number)

    def send_all(self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool) -> list[Any]:
        """Send many requests; return their replies, errors among them."""
        if is_transaction:
            return self._transaction(parts, deadline_s)
        until = time.monotonic() + deadline_s
        replies: list[Any] = [None] * len(parts)
        left = list(range(len(parts)))
        while left:
            taken: list[tuple[RequestNumbers, int]] = []
            carried: list[Argv] = []
            try:
                for index in left:
                    part = parts[index]
                    if not self._is_bare(part):
                        numbers, number = self._taken(until)
                        taken.append((numbers, number))
                        part = numbers.carried(number, part)
                    carried.append(part)
                left_s = until - time.monotonic()
                answers = self._core.send_all(carried, left_s, is_transaction=False)
            finally:
                for numbers, number in taken:
                    numbers.settle(number)
            again = []
            for index, reply in zip(left, answers):
                replies[index] = reply
                if isinstance(reply, UnknownRequestError) and time.monotonic() < until:
                    again.append(index)
            if again:
                self._numbers = None
            left = again
        return replies

    def _taken(self, until: float) -> tuple[RequestNumbers, int]:
        """Return a number, of a new id where the one before is full, old, or forgotten.

        Whoever finds none asks for an id, side by side with others: a node keeps nothing of ids
        that are not used, and so nobody waits for longer than its own deadline. A second look says
        whether another's came first.
        """
        asked: RequestNumbers | None = None
        while True:
            now = time.monotonic()
            numbers = self._numbers
            number = None if numbers is None else numbers.take(now)
            if numbers is not None and number is not None:
                return numbers, number
            if asked is None:
                asked = RequestNumbers(self._new_id(until - now), time.monotonic())
            else:
                self._numbers, asked = asked, None

    def _forget(self, numbers: RequestNumbers) -> None:
        if self._numbers is numbers:
            self._numbers = None

    def _new_id(self, deadline_s: float) -> Any:
        try:
            return self._core.submit(ASK_ID, None, deadline_s)
        except ReplyError as error:
            if error.message.lower().startswith("err unknown command"):
                raise ConfigurationError(
                    "exactly_once is True, must be False with a server that is no kvnode:"
                    " it does not know REQUEST"
                ) from None
            raise
