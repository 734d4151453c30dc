"""Where tasks run: processes of our own, or an executor of the caller's.

The standard library's process pools do not do: ProcessPoolExecutor ends with the first worker that
dies, with all that is under way, multiprocessing.Pool never says that one has died, and neither can
stop a task, which speculation wants when another attempt was faster.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import traceback
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future
from concurrent.futures import wait as wait_for_futures
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, Final, Protocol

from kvclient.errors import ArgumentError, KvError

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments."""

_COLLECT_AFTER: Final = 200_000
_STOP_S: Final = 2.0


class WorkerDied(KvError):
    """The process that ran a task ended before the task did."""


@dataclass(frozen=True)
class Outcome:
    """How the task of a ticket ended: with a value, or with an error."""

    ticket: int
    value: Any = None
    error: BaseException | None = None


class Pool(Protocol):
    """Runs up to `slots` tasks at a time; for one thread."""

    slots: int

    def start(self, ticket: int, call: Call) -> None:
        """Begin a task; fewer than `slots` are under way."""

    def poll(self, timeout_s: float | None) -> list[Outcome]:
        """Return what has ended; wait for something to end, `timeout_s` at most."""
        ...

    def stop(self, ticket: int) -> None:
        """End a task whose outcome nobody wants, or forget it where it cannot be ended."""

    def close(self) -> None:
        """End all tasks, and what runs them."""


class _Worker:
    """A process, and the task that it has."""

    def __init__(self, context: Any) -> None:
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        # Else the pipe would not end with the process.
        other.close()
        self.ticket: int | None = None

    def kill(self) -> None:
        self.process.kill()
        self.process.join(_STOP_S)
        self.pipe.close()


class ProcessPool:
    """Processes of our own, each with one task at a time; one that dies costs its task only.

    `context` is how they are started: fork, spawn or forkserver, None for the platform's way.
    """

    def __init__(self, workers: int | None = None, context: str | None = None) -> None:
        self.slots = workers or os.cpu_count() or 1
        self._context = multiprocessing.get_context(context)
        # At once: later the caller may have threads, whose locks a fork would copy as they are.
        self._workers = [_Worker(self._context) for _ in range(self.slots)]

    def start(self, ticket: int, call: Call) -> None:
        """Begin a task; ArgumentError at once if it cannot be pickled."""
        try:
            data = pickle.dumps(call, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # whatever an object's own pickling raises
            raise ArgumentError(
                f"a task cannot be sent to a process, where functions must be a module's: {error}"
            ) from error
        worker = next((worker for worker in self._workers if worker.ticket is None), None)
        if worker is None:
            worker = _Worker(self._context)
            self._workers.append(worker)
        worker.ticket = ticket
        # It died while it had nothing to do: that is its outcome.
        with suppress(OSError):
            worker.pipe.send_bytes(data)

    def poll(self, timeout_s: float | None) -> list[Outcome]:
        """Return what has ended; wait for something to end, `timeout_s` at most."""
        busy = {worker.pipe: worker for worker in self._workers if worker.ticket is not None}
        ready = set(connection.wait(list(busy), timeout_s))
        outcomes = []
        for pipe, worker in busy.items():
            # A process that a task has forked may keep the pipe of a worker that is dead open.
            if pipe not in ready and (worker.process.is_alive() or pipe.poll()):
                continue
            ticket, worker.ticket = worker.ticket, None
            assert ticket is not None
            try:
                if not pipe.poll():
                    raise EOFError
                value, error = pickle.loads(pipe.recv_bytes())
            except (EOFError, OSError):
                worker.process.join(_STOP_S)
                error = WorkerDied(f"a worker ended with exit code {worker.process.exitcode}")
                outcomes.append(Outcome(ticket, None, error))
                self._workers.remove(worker)
                worker.kill()
            else:
                outcomes.append(Outcome(ticket, value, error))
        return outcomes

    def stop(self, ticket: int) -> None:
        """End the process that has a task."""
        for worker in self._workers:
            if worker.ticket == ticket:
                self._workers.remove(worker)
                worker.kill()
                return

    def processes(self) -> list[int]:
        """Return the ids of the processes."""
        return [worker.process.pid for worker in self._workers]

    def close(self) -> None:
        """End all processes."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.kill()


def _serve(pipe: Any) -> None:
    """Run one task after another, until the pipe ends."""
    # Tasks make lists by the million that are no garbage: looking at them all took a tenth.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 100)
    while True:
        try:
            data = pipe.recv_bytes()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        pipe.send_bytes(_result_of(data))


def _result_of(data: bytes) -> bytes:
    try:
        function, arguments = pickle.loads(data)
        return pickle.dumps((function(*arguments), None), protocol=pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        error.add_note("in a worker:\n" + traceback.format_exc())
        try:
            result = pickle.dumps((None, error))
            pickle.loads(result)
        except Exception:  # whatever an exception's own pickling raises
            result = pickle.dumps((None, RuntimeError("\n".join([repr(error), *error.__notes__]))))
        return result


class ExecutorPool:
    """An executor of `concurrent.futures` (threads, processes, another library's), not closed here.

    Its tasks cannot be stopped once they run, and a pool of processes that breaks stays broken.
    """

    def __init__(self, executor: Executor, slots: int | None = None) -> None:
        self.slots = slots or os.cpu_count() or 1
        self._executor = executor
        self._futures: dict[Future[Any], int] = {}

    def start(self, ticket: int, call: Call) -> None:
        """Begin a task."""
        function, arguments = call
        self._futures[self._executor.submit(function, *arguments)] = ticket

    def poll(self, timeout_s: float | None) -> list[Outcome]:
        """Return what has ended; wait for something to end, `timeout_s` at most."""
        ended = wait_for_futures(self._futures, timeout_s, FIRST_COMPLETED).done
        outcomes = []
        for future in ended:
            ticket = self._futures.pop(future)
            try:
                error = future.exception()
            except CancelledError as cancelled:
                error = cancelled
            value = None if error is not None else future.result()
            outcomes.append(Outcome(ticket, value, error))
        return outcomes

    def stop(self, ticket: int) -> None:
        """Forget a task."""
        for future, known in list(self._futures.items()):
            if known == ticket:
                future.cancel()
                del self._futures[future]

    def close(self) -> None:
        """Forget all tasks."""
        for future in self._futures:
            future.cancel()
        self._futures.clear()
