"""SAVE and BGSAVE: the whole dataset as an RDB file, and when that is due by the rules of `save`.

A background save is a snapshot whose groups are written in slices of `tick`, while a thread puts
the bytes into a file that gets its name once it is complete and durable. So there is always one
whole file, and a failure leaves the one before it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.durability.disk import Disk, SystemDisk
from kvnode.durability.file_job import PENDING_MAX, FileJob
from kvnode.durability.rdb_writer import RdbWriter
from kvnode.durability.snapshot import Snapshot
from kvprotocol import errors
from kvprotocol.errors import ReplyError

if TYPE_CHECKING:
    from kvnode.node import Node

TICK_SECONDS: Final = 0.001  # between two slices
_SLICE_SECONDS: Final = 0.002
_ELEMENTS: Final = 200  # between two looks at the clock
_RETRY_SECONDS: Final = 5.0  # after a save that failed
_WAIT_SECONDS: Final = 0.001

_REDIS_VERSION: Final = b"7.0.15"
_NEVER: Final = -1


@final
class Saver:
    """The saves of one node: the one in progress, and what became of the last one."""

    def __init__(self, node: Node) -> None:
        self.disk: Disk = SystemDisk()
        self.is_scheduled = False
        self.saves = 0
        self.last_is_ok = True
        self.last_seconds = _NEVER
        self.last_save = int(node.clock.now())
        self.begin_seconds = 0.0
        self.keys_done: i64 = 0
        self.keys_total: i64 = 0
        self._node = node
        self._snapshot: Snapshot | None = None
        self._writer: RdbWriter | None = None
        self._job: FileJob | None = None
        self._last_try = 0.0

    def is_saving(self) -> bool:
        """Return whether a background save is in progress."""
        return self._job is not None

    def start(self) -> None:
        """Begin a background save. ReplyError: one is in progress."""
        if self._job is not None:
            raise ReplyError(errors.SAVE_IN_PROGRESS)
        node = self._node
        self.is_scheduled = False
        self._last_try = node.clock.now()
        self.begin_seconds = self._last_try
        name = node.config.text("dbfilename")
        snapshot = Snapshot(node.dataset)
        self._snapshot = snapshot
        self._writer = self._new_writer(snapshot)
        self.keys_done = 0
        self.keys_total = snapshot.key_count
        incremental = node.config.flag("rdb-save-incremental-fsync")
        self._job = FileJob(self.disk, name, f"temp-{os.getpid()}.rdb", incremental)
        self._job.start()

    def _new_writer(self, snapshot: Snapshot) -> RdbWriter:
        node = self._node
        fields = [
            (b"redis-ver", _REDIS_VERSION),
            (b"redis-bits", b"64"),
            (b"ctime", b"%d" % int(node.clock.now())),
            (b"used-mem", b"%d" % node.used_memory()),
            (b"aof-base", b"0"),
        ]
        libraries = [library.code for library in node.scripting.functions.libraries()]
        return RdbWriter(
            snapshot,
            fields,
            libraries,
            node.dataset.access_rules.purpose,
            node.settings.rdbcompression,
            node.config.flag("rdbchecksum"),
        )

    def save(self) -> None:
        """Save in the foreground. ReplyError: one is in progress, or this one failed."""
        self.start()
        job = self._job
        was_ok = self.last_is_ok
        while self._job is not None:
            self._work(self._node.clock.now() + 1.0)
            if self._job is not None:
                time.sleep(_WAIT_SECONDS)
                self._look()
        if job is not None and job.error:
            # Whoever asked is told; writes are refused only when nobody was.
            self.last_is_ok = was_ok
            self._node.note_disk_state()
            raise ReplyError("ERR")

    def give_up(self) -> None:
        """Stop the save in progress; the file of the last one stays."""
        job = self._job
        if job is not None:
            job.give_up()
            job.wait()
            self._end("given up")

    def save_at_end(self, is_demanded: bool, is_forbidden: bool) -> bool:
        """Save before the node ends, where that is wanted; return False if it failed."""
        self.give_up()
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
        if self._job is not None:
            self._work(self._node.clock.now() + _SLICE_SECONDS)
            self._look()
        elif self.is_scheduled or self._is_due(now):
            self.start()
        return self._job is not None

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

    def _work(self, until: float) -> None:
        """Write pieces until a time, or until the thread has enough to do."""
        writer = self._writer
        job = self._job
        if writer is None or job is None:
            return
        while not job.is_over and job.pending < PENDING_MAX:
            data = writer.piece(_ELEMENTS)
            if data:
                job.put(data)
            self.keys_done = writer.keys
            if writer.is_done:
                job.finish()
                self._writer = None
                self._release()
                return
            if self._node.clock.now() >= until:
                return

    def _release(self) -> None:
        if self._snapshot is not None:
            self._snapshot.end()

    def _look(self) -> None:
        """Note the end of the save, if the thread is through."""
        job = self._job
        if job is not None and job.is_over:
            job.wait()
            self._end(job.error)

    def _end(self, error: str) -> None:
        node = self._node
        snapshot = self._snapshot
        job = self._job
        assert snapshot is not None and job is not None
        self._release()
        now = node.clock.now()
        self.last_seconds = int(now - self.begin_seconds)
        fields: dict[str, object] = {"file": node.config.text("dbfilename")}
        if error:
            fields["reason"] = error
            node.journal.note("warning", "cannot-save", fields)
        else:
            fields["keys"] = snapshot.key_count
            fields["bytes"] = job.written
            node.journal.note("notice", "saved", fields)
            node.dataset.dirty -= snapshot.dirty
            self.last_save = int(now)
            self.saves += 1
        self.last_is_ok = not error
        self._job = None
        self._writer = None
        self._snapshot = None
        node.note_disk_state()
