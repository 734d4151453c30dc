"""The append-only file: the log of effects on disk, as a base and increments.

Effects are written at the end of each round of the loop, before the replies go out, so what was
acknowledged survives the end of the process under every policy. What survives the end of the
machine is a matter of `appendfsync`:

    always    the replies of a round wait until what the round wrote is synced (group commit): at
              once on a disk that takes less than half a millisecond for it, since a thread would
              cost more than it saves (a third of the CPU of a SET); else by a thread, while the
              next round forms
    everysec  the thread syncs once a second
    no        the system syncs when it likes

A write that fails leaves the file as it was before and is tried again each second; until then
writes are refused. A sync that fails may have lost what was written, whatever a second one says: so
writes are refused until a rewrite has made a new file.

With `aof-timestamp-enabled` the file also says when its requests were written: a line `#TS:<unix
seconds>` stands before the first one of each second, never inside a MULTI ... EXEC. It belongs to
the file alone, so it does not count in the log's offsets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import perf_counter
from typing import Final, final

from mypy_extensions import i64

from kvnode.durability.disk import Disk, File, reason_of
from kvnode.durability.effect_stream import EffectStream
from kvnode.durability.log_reader import TIME_MARK

ALWAYS: Final = "always"
EVERY_SECOND: Final = "everysec"
_SYNC_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
_SHORT_SYNC_SECONDS: Final = 0.0005
_LATEST_SHARE: Final = 0.1  # of a sync in the moving average of their durations


@final
class Syncer:
    """A thread that syncs files, one after the other; on a disk without threads, at once."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.notify: Callable[[], None] | None = None  # called in the thread after each sync
        self.done = 0  # the offset of the log that is durable
        self.error = ""
        self._asked = 0
        self._answered = 0
        self.seconds = 0.0  # what a sync has taken of late
        self._queue: SimpleQueue[tuple[File, int, bool] | None] = SimpleQueue()
        self._worker: threading.Thread | None = None

    def is_busy(self) -> bool:
        """Return whether a sync is not over yet."""
        return self._asked != self._answered

    def sync(self, file: File, offset: int, closes: bool = False) -> None:
        """Sync a file that is written up to an offset of the log, and close it if wanted."""
        self._asked += 1
        if not self._disk.is_threaded:
            self._do(file, offset, closes)
            return
        if self._worker is None:
            self._worker = threading.Thread(target=self._run, name="sync", daemon=True)
            self._worker.start()
        self._queue.put((file, offset, closes))

    def sync_soonest(self, file: File, offset: int) -> bool:
        """Sync a file now if that is short, else have it synced; return whether it was done.

        For when nothing is under way. `notify` is not called for what was done.
        """
        if self.seconds >= _SHORT_SYNC_SECONDS:
            self.sync(file, offset)
            return False
        self._asked += 1
        self._do(file, offset, False)
        return True

    def wait(self) -> None:
        """End the thread, after what it has to do."""
        if self._worker is not None:
            self._queue.put(None)
            self._worker.join()
            self._worker = None

    def _run(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            self._do(job[0], job[1], job[2])
            if self.notify is not None:
                self.notify()

    def _do(self, file: File, offset: int, closes: bool) -> None:
        started = perf_counter()
        try:
            file.sync()
            self.done = offset
        except OSError as error:
            self.error = reason_of(error)
        self.seconds += (perf_counter() - started - self.seconds) * _LATEST_SHARE
        if closes:
            file.close()
        self._answered += 1


@final
class AppendFile:
    """The increment that is being written, and how far it is durable."""

    def __init__(self, disk: Disk, stream: EffectStream, syncer: Syncer) -> None:
        self.policy = EVERY_SECOND
        self.notes_time = False
        self.write_error = ""
        self.name = ""
        self.size: i64 = 0  # of the increment
        self._disk = disk
        self._stream = stream
        self._syncer = syncer
        self._file: File | None = None
        self._waiting = b""  # what could not be written
        self._is_broken = False  # it holds half a write, which could not be cut off
        self._counts = True  # the manifest names it, so that what is in it is found again
        self._written: i64 = 0  # offsets of the log
        self._asked: i64 = 0
        self._next_sync = 0.0
        self._next_try = 0.0
        self._noted_second = 0

    def turn_to(self, file: File, name: str, size: int, counts: bool) -> None:
        """Write to this file from now on; it `counts` once the manifest names it.

        What could not be written to the one before is forgotten: the snapshot has it that is the
        reason for another file.
        """
        self._retire()
        self._stream.take()
        self._waiting = b""
        self._is_broken = False
        self._counts = counts
        self.write_error = ""
        self._written = self._stream.offset
        self._file = file
        self.name = name
        self.size = size
        self._stream.forget_database()

    def close(self) -> None:
        """Stop writing; what was written is durable then, or `Syncer.error` says why it is not."""
        self._retire()
        self._syncer.wait()

    def _retire(self) -> None:
        """Have the file synced and closed that was written until now."""
        file = self._file
        if file is not None:
            self._file = None
            self._asked = self._written
            done = int(self._written) if self._counts else self._syncer.done
            self._syncer.sync(file, done, True)

    def is_durable(self) -> bool:
        """Return whether replies may go out."""
        if self.policy != ALWAYS or self._file is None:
            return True
        return self._syncer.done >= self._stream.offset

    def write_out(self, now: float) -> None:
        """Write what has come since the last call, and have it synced as the policy says."""
        file = self._file
        if file is None or (self._stream.is_empty() and not self._waiting):
            return
        if self._is_broken or (self._waiting and now < self._next_try):
            return
        data = self._waiting + self._time_line(now) + self._stream.take()
        self._waiting = b""
        try:
            file.write(data)
        except OSError as error:
            self._undo(data, reason_of(error), now)
            return
        self.write_error = ""
        self.size += len(data)
        self._written = self._stream.offset
        self.sync_soonest()

    def write_last(self, now: float) -> str:
        """Write what has come before the file is closed; return why that failed, or nothing."""
        self._next_try = 0.0
        self.write_out(now)
        return self.write_error

    def _time_line(self, now: float) -> bytes:
        """Return the line that stands before what has come, if it is the first of its second."""
        second = int(now)
        if not self.notes_time or self._stream.is_empty() or second <= self._noted_second:
            return b""
        self._noted_second = second
        return TIME_MARK + b"%d\r\n" % second

    def _undo(self, data: bytes, reason: str, now: float) -> None:
        """Cut off what a failed write left, and keep the data for the next try."""
        self.write_error = reason
        self._waiting = data
        self._next_try = now + _RETRY_SECONDS
        try:
            if self._disk.size(self.name) > self.size:
                self._disk.truncate(self.name, int(self.size))
        except OSError as error:
            self.abandon(reason_of(error))

    def sync_now(self) -> None:
        """Have what is written synced, unless the thread is at it; it is asked again then."""
        file = self._file
        if file is not None and self._is_due():
            self._asked = self._written
            self._syncer.sync(file, self._offset())

    def sync_soonest(self) -> bool:
        """Where replies wait for it: as `sync_now`, at once if short; return whether that was."""
        file = self._file
        if self.policy != ALWAYS or file is None or not self._is_due():
            return False
        self._asked = self._written
        return self._syncer.sync_soonest(file, self._offset())

    def _is_due(self) -> bool:
        return self._asked < self._written and not self._syncer.is_busy()

    def _offset(self) -> int:
        """Return up to which offset the log is durable when the file is synced."""
        return int(self._written) if self._counts else self._syncer.done

    def make_durable(self) -> None:
        """Sync what is written, here and now. OSError: that failed, and only a rewrite helps."""
        file = self._file
        if file is None:
            return
        try:
            file.sync()
        except OSError as error:
            self._syncer.error = reason_of(error)
            raise

    def begin_to_count(self) -> None:
        """The manifest names the file now; what was synced before is synced once more."""
        self._counts = True
        self._asked = -1
        self.sync_now()

    def abandon(self, reason: str) -> None:
        """Write no more to this file, which may not be the last one of the log any more."""
        self._is_broken = True
        self.write_error = reason

    def needs_another(self) -> bool:
        """Return whether this file cannot be relied on any more: only a rewrite helps."""
        return self._is_broken or bool(self._syncer.error)

    def tick(self, now: float) -> None:
        """Sync once a second, and try again what failed."""
        if self._file is None:
            return
        self.write_out(now)
        if self.policy == EVERY_SECOND and now >= self._next_sync:
            self._next_sync = now + _SYNC_SECONDS
            self.sync_now()
