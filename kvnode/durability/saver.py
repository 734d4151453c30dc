"""SAVE and BGSAVE: the whole dataset as an RDB file, and when that is due by the rules of `save`.

The file gets its name once it is complete and durable. So there is always one whole file, and a
failure leaves the one before it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, final

from kvnode.durability.file_job import FileJob
from kvnode.durability.snapshot_job import SnapshotJob
from kvprotocol import errors
from kvprotocol.errors import ReplyError

if TYPE_CHECKING:
    from kvnode.node import Node

TICK_SECONDS: Final = 0.002  # between two slices
_RETRY_SECONDS: Final = 5.0  # after a save that failed
_NEVER: Final = -1


@final
class Saver:
    """The saves of one node: the one in progress, and what became of the last one."""

    def __init__(self, node: Node) -> None:
        self.is_scheduled = False
        self.saves = 0
        self.last_is_ok = True
        self.last_seconds = _NEVER
        self.last_save = int(node.clock.now())
        self.job: SnapshotJob | None = None
        self.is_transfer = False  # whether the job is a snapshot for followers, and no save
        self._node = node
        self._last_try = 0.0

    def is_saving(self) -> bool:
        """Return whether a background save is in progress."""
        return self.job is not None

    def start(self) -> None:
        """Begin a background save. ReplyError: one is in progress."""
        if self.job is not None:
            raise ReplyError(errors.SAVE_IN_PROGRESS)
        assert self._node.append_log.job is None
        self.is_scheduled = False
        self._last_try = self._node.clock.now()
        self.job = self._new_job()

    def _new_job(self) -> SnapshotJob:
        config = self._node.config
        incremental = config.flag("rdb-save-incremental-fsync")
        name = config.text("dbfilename")
        file = FileJob(self._node.disk, name, f"temp-{os.getpid()}.rdb", incremental)
        return SnapshotJob(self._node, file)

    def start_transfer(self, job: SnapshotJob) -> None:
        """Go on with a snapshot that goes to followers; while it lasts nothing is saved."""
        assert self.job is None
        self.is_transfer = True
        self.job = job

    def save(self) -> None:
        """Save in the foreground. ReplyError: one is in progress, or this one failed."""
        if self.job is not None:
            raise ReplyError(errors.SAVE_IN_PROGRESS)
        rewrite = self._node.append_log.job
        if rewrite is not None:
            rewrite.run()
        job = self._new_job()
        job.run()
        self._note(job)
        if job.error:
            # Whoever asked is told; writes are refused only when nobody was.
            raise ReplyError("ERR")
        self._set_state(True)

    def finish(self) -> None:
        """Bring the save in progress to its end, with the node doing nothing else.

        A snapshot for followers ends here: they would take no more of it meanwhile.
        """
        job = self.job
        if self.is_transfer:
            self._give_up_job()
        elif job is not None:
            job.run()
            self._end(job)

    def give_up(self) -> None:
        """Stop the save in progress; the file of the last one stays."""
        if not self.is_transfer:
            self._give_up_job()

    def _give_up_job(self) -> None:
        job = self.job
        if job is not None:
            job.give_up()
            self._end(job)

    def save_at_end(self, is_demanded: bool, is_forbidden: bool) -> bool:
        """Save before the node ends, where that is wanted; return False if it failed."""
        self._give_up_job()
        is_wanted = is_demanded or (bool(self._node.config.save_points()) and not is_forbidden)
        if not is_wanted or self._node.is_loading():
            return True
        try:
            self.save()
        except ReplyError:
            return False
        return True

    def save_after_flush(self) -> None:
        """Have a save follow soon: a file with what was flushed must not bring it back."""
        if self._node.config.save_points() and not self._node.is_loading():
            self.is_scheduled = True

    def tick(self, now: float) -> bool:
        """Go on saving, or begin when that is due; return whether a save is in progress."""
        job = self.job
        if job is not None:
            job.step()
            if job.is_over:
                self._end(job)
        elif self._node.append_log.job is None and (self.is_scheduled or self._is_due(now)):
            self.start()
        return self.job is not None

    def _is_due(self, now: float) -> bool:
        node = self._node
        dirty = node.dataset.dirty
        if dirty == 0 or node.is_loading():
            return False
        if not self.last_is_ok and now - self._last_try <= _RETRY_SECONDS:
            return False
        for seconds, changes in node.config.save_points():
            if dirty >= changes and now - self.last_save > seconds:
                fields: dict[str, object] = {"changes": int(dirty), "seconds": seconds}
                node.journal.note("notice", "save-due", fields)
                return True
        return False

    def _end(self, job: SnapshotJob) -> None:
        self.job = None
        if self.is_transfer:
            self.is_transfer = False
        else:
            self.last_seconds = int(self._node.clock.now() - job.begin_seconds)
            self._note(job)
            self._set_state(not job.error)
        self._node.replication.followers.note_made(job)

    def _set_state(self, is_ok: bool) -> None:
        self.last_is_ok = is_ok
        self._node.note_disk_state()

    def _note(self, job: SnapshotJob) -> None:
        """Count a save that is over, and say so in the log."""
        node = self._node
        fields: dict[str, object] = {"file": node.config.text("dbfilename")}
        if job.error:
            fields["reason"] = job.error
            node.journal.note("warning", "cannot-save", fields)
            return
        fields["keys"] = job.keys_total
        fields["bytes"] = job.size
        node.journal.note("notice", "saved", fields)
        node.dataset.dirty -= job.dirty
        self.last_save = int(node.clock.now())
        self.saves += 1
