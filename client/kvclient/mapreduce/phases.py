"""One phase of a job: every task to one result, by as many attempts as that takes.

A task whose attempt fails gets another one. When nothing waits any more and a task takes much
longer than the others did, it gets a second attempt beside the first (speculation): the first of
them to end counts, and the other is stopped.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from kvclient.errors import KvError
from kvclient.mapreduce.pools import Call, Outcome, Pool

_LOOK_EVERY_S: Final = 0.1


class JobFailed(KvError):
    """A task failed as often as it may; the last failure is the cause."""


@dataclass(frozen=True)
class Policy:
    """How often a task may fail, and when a second attempt is made beside a slow one.

    That is after `slow_factor` times the median of those that have ended, and not before
    `slow_s_min`; `slow_factor` 0 is never. `fatal` are errors that another attempt does not mend.
    """

    attempts_max: int = 4
    slow_factor: float = 2.0
    slow_s_min: float = 2.0
    fatal: tuple[type[BaseException], ...] = ()


@dataclass
class _Attempt:
    task: int
    since: float


class Phase:
    """The tasks of a phase, by number; `call(task)` says what to run."""

    def __init__(self, pool: Pool, policy: Policy, call: Callable[[int], Call]) -> None:
        self._pool = pool
        self._policy = policy
        self._call = call
        self._waiting: deque[int] = deque()
        self._running: dict[int, _Attempt] = {}
        self._failures: dict[int, int] = {}
        self._durations: list[float] = []
        self._next_ticket = 0

    def run(self, tasks: Iterable[int], ended: Callable[[int, Any], None]) -> None:
        """Run tasks until each has a result, which `ended(task, value)` gets.

        JobFailed, or a fatal error, ends the phase at once.
        """
        self._waiting.extend(tasks)
        left = set(self._waiting)
        try:
            while left:
                self._start_more(left)
                for outcome in self._pool.poll(_LOOK_EVERY_S):
                    attempt = self._running.pop(outcome.ticket, None)
                    if attempt is None or attempt.task not in left:
                        continue
                    if outcome.error is not None:
                        self._failed(attempt, outcome, outcome.error)
                        continue
                    self._durations.append(time.monotonic() - attempt.since)
                    left.discard(attempt.task)
                    self._stop_others(attempt.task)
                    ended(attempt.task, outcome.value)
        finally:
            for ticket in self._running:
                self._pool.stop(ticket)
            self._running.clear()
            self._waiting.clear()

    def _start_more(self, left: set[int]) -> None:
        while len(self._running) < self._pool.slots:
            if self._waiting:
                task = self._waiting.popleft()
            else:
                slow = self._slow_task()
                if slow is None:
                    return
                task = slow
            if task in left:
                self._start(task)

    def _start(self, task: int) -> None:
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
        self._pool.start(ticket, self._call(task))
        self._running[ticket] = _Attempt(task, time.monotonic())

    def _slow_task(self) -> int | None:
        """Return the task that is slowest of those that a second attempt is worth, if any."""
        policy = self._policy
        if not policy.slow_factor or not self._durations:
            return None
        slow_s = max(policy.slow_s_min, policy.slow_factor * statistics.median(self._durations))
        running = [attempt.task for attempt in self._running.values()]
        now = time.monotonic()
        slow = [
            attempt
            for attempt in self._running.values()
            if now - attempt.since > slow_s and running.count(attempt.task) == 1
        ]
        return min(slow, key=lambda attempt: attempt.since).task if slow else None

    def _failed(self, attempt: _Attempt, outcome: Outcome, error: BaseException) -> None:
        if isinstance(error, self._policy.fatal):
            raise error
        failures = self._failures[attempt.task] = self._failures.get(attempt.task, 0) + 1
        if failures >= self._policy.attempts_max:
            raise JobFailed(f"task {attempt.task} failed {failures} times: {error!r}") from error
        if all(other.task != attempt.task for other in self._running.values()):
            self._waiting.append(attempt.task)

    def _stop_others(self, task: int) -> None:
        """Stop the attempts of a task that has its result."""
        for ticket in [ticket for ticket, other in self._running.items() if other.task == task]:
            del self._running[ticket]
            self._pool.stop(ticket)
