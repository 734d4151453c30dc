"""Requests that wait for their execution, with the typed methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kvclient.arguments import Argv
from kvclient.batches import check_queued, shaped
from kvclient.errors import UsageError
from kvclient.queued.commands import Commands
from kvclient.queued.pending import Pending
from kvclient.results import T
from kvclient.wire.encoding import Argument, as_wire


class Queue(Commands[T]):
    """Queues what is called on it; each call returns a `Pending` result."""

    def __init__(self) -> None:
        self._parts: list[Argv] = []
        self._shapes: list[Callable[[Any], Any] | None] = []
        self._results: list[Pending[Any]] = []

    def __len__(self) -> int:
        return len(self._parts)

    def _send(self, argv: Argv, shape: Callable[[Any], Any] | None = None) -> Pending[Any]:
        # Refused here, at the call that is wrong, and not when all are sent.
        for argument in argv:
            as_wire(argument)
        result: Pending[Any] = Pending()
        self._parts.append(argv)
        self._shapes.append(shape)
        self._results.append(result)
        return result

    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], Any] | None, timeout_s: int | float
    ) -> Pending[Any]:
        raise UsageError("a command that waits has no place in a pipeline")

    def execute_command(self, *argv: Argument) -> Pending[Any]:
        """Queue any command; its result is the reply as it comes."""
        check_queued(argv)
        return self._send(argv)

    def _take(self) -> tuple[list[Argv], Callable[[Sequence[Any]], list[Any]]]:
        """Return what was queued, and what gives each its reply; the queue is empty then."""
        parts, shapes, results = self._parts, self._shapes, self._results
        self._parts, self._shapes, self._results = [], [], []

        def settle(replies: Sequence[Any]) -> list[Any]:
            values = []
            for argv, shape, result, reply in zip(parts, shapes, results, replies):
                value = shaped(argv, shape, reply)
                if isinstance(value, Exception):
                    result.set_exception(value)
                else:
                    result.set_result(value)
                values.append(value)
            return values

        return parts, settle
