"""How long a shuffle of a Dask job lives: no longer than its job, whatever becomes of that.

All tasks of a shuffle depend on the one that opened it, so Dask keeps that one's result exactly as
long as the shuffle is wanted: the end of the job, its failure, its cancelling and Ctrl-C all
release it. On a cluster the scheduler sees that. So a plugin there keeps the lease, ends the
shuffle once the result is released, and remembers the shuffle's name meanwhile: when the worker
that holds the result dies, the task runs again, and the tasks that have not run yet go on in the
same shuffle. A name given by the worker would then split the job in two.

Without a cluster the result is an object of this process, whose end is seen by `weakref`. Should
all of that be killed, the lease expires.
"""

from __future__ import annotations

import multiprocessing
import threading
import weakref
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from distributed import Scheduler, SchedulerPlugin, get_client, get_worker

from kvclient.dask.store import Plan, Store
from kvclient.errors import KvError

_RENEWALS: Final = 3
"""How often a lease is renewed in its lifetime: two may fail."""
_END_S: Final = 5.0
"""How long a process that exits waits for what it has to end."""


class Keeper:
    """Keeps the lease of a shuffle in a thread, and ends the shuffle when it is stopped."""

    def __init__(self, store: Store, id: str, lease_s: int) -> None:
        self._client = store.client
        self._id = id
        self._every_s = lease_s / _RENEWALS
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kvnode-{id}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the shuffle soon; it may be called by a finalizer, so it does not wait."""
        self._is_over.set()

    def stop_at_exit(self) -> None:
        """End the shuffle, and wait for it if this process is about to exit."""
        self.stop()
        if not threading.main_thread().is_alive():
            self._thread.join(_END_S)

    def _run(self) -> None:
        while not self._is_over.wait(self._every_s):
            with suppress(KvError):
                self._client.execute("SHUFFLE.PING", self._id)
        with suppress(KvError):
            self._client.execute("SHUFFLE.END", self._id)


class ShuffleKeeper(SchedulerPlugin):
    """The scheduler's part of a shuffle, which ends when the result of task `key` is released."""

    def __init__(self, scheduler: Scheduler, plan: Plan, key: Any) -> None:
        self.id = new_id()
        self.name = plugin_name(key)
        self._scheduler = scheduler
        self._key = key
        self._keeper = Keeper(plan.store, self.id, plan.lease_s)
        self._keeper.start()

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Look at what becomes of the result."""
        if key != self._key or finish not in ("released", "erred", "forgotten"):
            return
        task = self._scheduler.tasks.get(key)
        if task is not None and finish == "released" and (task.waiters or task.who_wants):
            # Its worker was lost: it runs again, for those that wait.
            return
        self._end()

    async def close(self) -> None:
        """Say the end of a shuffle that the scheduler leaves behind."""
        self._keeper.stop()

    def _end(self) -> None:
        self._keeper.stop()
        with suppress(ValueError):
            self._scheduler.remove_plugin(self.name)


def new_id() -> str:
    """Return a name that no other shuffle has."""
    return f"dask-{uuid4().hex}"


def plugin_name(key: Any) -> str:
    """Return the name of the plugin that keeps the shuffle which the task `key` opens."""
    return f"kvnode-{key}"


def id_on_scheduler(plan: Plan, key: Any, dask_scheduler: Scheduler) -> str:
    """Return the name of the shuffle that a task opens, the same when it runs again."""
    kept = dask_scheduler.plugins.get(plugin_name(key))
    if kept is None:
        kept = ShuffleKeeper(dask_scheduler, plan, key)
        dask_scheduler.add_plugin(kept, name=kept.name)
    found: str = kept.id
    return found


def name_for(plan: Plan) -> tuple[str, Keeper | None]:
    """Return the name for the shuffle that this task is to open, and who keeps it here."""
    try:
        worker = get_worker()
    except ValueError:
        id = new_id()
        # A pool's process hands its results to another one, and lets go of them.
        if multiprocessing.parent_process() is not None:
            return id, None
        return id, Keeper(plan.store, id, plan.lease_s)
    key = worker.get_current_task()
    return get_client().run_on_scheduler(id_on_scheduler, plan, key), None


def keep_for(owner: object, keeper: Keeper) -> None:
    """Keep a shuffle as long as `owner` lives."""
    keeper.start()
    weakref.finalize(owner, keeper.stop_at_exit)
