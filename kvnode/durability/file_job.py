"""A file that is written in the background, made durable, and then given its name.

A thread does the system calls, which let go of the interpreter; the data is made by the node in
slices. Nobody waits for the thread: the node looks at `is_over` now and then, and holds back while
too much is `pending`. On a disk without threads everything is done at once.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Final, final

from kvnode.durability.disk import Disk, File, reason_of
from kvnode.durability.sink import Sink

_WRITE_BYTES: Final = 1 << 18  # what is less is gathered: each write takes the interpreter twice
_SYNC_EVERY: Final = 4 << 20  # so that the last sync has not all to do: rdb-save-incremental-fsync


@final
class FileJob(Sink):
    """One file being written under a temporary name; nothing of a failed one stays."""

    def __init__(self, disk: Disk, name: str, temporary: str, incremental: bool) -> None:
        super().__init__()
        self._accepted = 0
        self._disk = disk
        self._name = name
        self._temporary = temporary
        self._incremental = incremental
        self._unsynced = 0
        self._file: File | None = None
        self._is_given_up = False
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._worker: threading.Thread | None = None
        if disk.is_threaded:
            self._worker = threading.Thread(target=self._run, name=temporary, daemon=True)
            self._worker.start()

    @property
    def pending(self) -> int:
        return self._accepted - self.written

    def put(self, data: bytes) -> None:
        self._accepted += len(data)
        if self._worker is None:
            self._do(data)
            return
        self._gathered.append(data)
        self._gathered_size += len(data)
        if self._gathered_size >= _WRITE_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        """Have the thread write what was gathered."""
        self._queue.put(b"".join(self._gathered))
        self._gathered = []
        self._gathered_size = 0

    def finish(self) -> None:
        """Say that no more comes: the file is synced and takes its name."""
        if self._gathered:
            self._hand_over()
        if self._worker is not None:
            self._queue.put(None)
        else:
            self._do(None)

    def give_up(self) -> None:
        self._is_given_up = True
        self.finish()

    def wait(self) -> None:
        if self._worker is not None:
            self._worker.join()

    def _run(self) -> None:
        try:
            while not self.is_over:
                self._do(self._queue.get())
        finally:
            if not self.is_over:
                # A mistake of ours ended the thread; nobody may wait for the file for ever.
                self.error = "its thread has ended"
                self.is_over = True

    def _do(self, data: bytes | None) -> None:
        """Write some bytes, or bring the file to its end."""
        if self.is_over:
            return
        try:
            if self._is_given_up:
                self._drop()
            elif data is not None:
                self._write(data)
            else:
                self._complete()
        except OSError as error:
            self.error = reason_of(error)
            self._drop()

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._disk.create(self._temporary)
        self._file.write(data)
        self.written += len(data)
        self._unsynced += len(data)
        if self._incremental and self._unsynced >= _SYNC_EVERY:
            self._file.sync()
            self._unsynced = 0

    def _complete(self) -> None:
        file = self._file
        assert file is not None  # every file has a header
        file.sync()
        file.close()
        self._file = None
        self._disk.replace(self._temporary, self._name)
        self.is_over = True

    def _drop(self) -> None:
        """Leave nothing of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            self._disk.remove(self._temporary)
        except OSError as error:
            self.error = self.error or reason_of(error)
        self.is_over = True
