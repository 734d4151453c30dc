# Generated from client/kvclient/aio/pipelines.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Requests that are queued and then sent together: in one write, or as one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from kvclient.arguments import Argv
from kvclient.batches import raise_first
from kvclient.queued.queue import Queue
from kvclient.results import T


class Pipeline(Queue[T]):
    """Queues requests; `execute`, or the end of an `with`, sends them together.

    `run` sends them: as a transaction all of them are executed, or none, with nobody's requests
    between them; without one each stands alone, and they may go to several nodes.
    """

    def __init__(self, run: Callable[[Sequence[Argv]], list[Any]]) -> None:
        super().__init__()
        self._run = run

    def execute(self, raise_errors: bool = True) -> list[Any]:
        """Send what was queued; return the results in order, and empty the queue.

        The first error is raised when all are executed; without `raise_errors` errors stand among
        the results. OutcomeUnknown stands for a request that may or may not have been executed.
        """
        parts, settle = self._take()
        results = settle(self._run(parts))
        if raise_errors:
            raise_first(results)
        return results

    def __enter__(self) -> Pipeline[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.execute()
