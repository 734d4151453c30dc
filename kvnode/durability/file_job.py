"""A file that is written in the background, made durable, and then given its name.

A thread does the system calls, which let go of the interpreter; the data is made by the node in
slices. Nobody waits for the thread: the node looks at `is_over` now and then, and holds back while
too much is `pending`.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Final, final

from kvnode.durability.disk import Disk, File, reason_of

PENDING_MAX: Final = 8 << 20  # bytes; a node that makes more waits
_SYNC_EVERY: Final = 4 << 20  # so that the last sync has not all to do: rdb-save-incremental-fsync


@final
class FileJob:
    """One file being written under a temporary name.

    `error` says why it failed, empty while it has not; nothing of a failed file stays.
    """

    def __init__(self, disk: Disk, name: str, temporary: str, incremental: bool) -> None:
        self.is_over = False
        self.error = ""
        self.written = 0
        self._accepted = 0
        self._disk = disk
        self._name = name
        self._temporary = temporary
        self._incremental = incremental
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._is_given_up = False
        self._worker: threading.Thread | None = None

    @property
    def pending(self) -> int:
        """Bytes that were put and are not written yet."""
        return self._accepted - self.written

    def start(self) -> None:
        """Begin to write what is put, in a thread."""
        self._worker = threading.Thread(target=self._run, name=self._temporary, daemon=True)
        self._worker.start()

    def put(self, data: bytes) -> None:
        """Have some bytes more written."""
        self._accepted += len(data)
        self._queue.put(data)

    def finish(self) -> None:
        """Say that no more comes: the file is synced and takes its name."""
        self._queue.put(None)

    def give_up(self) -> None:
        """Stop writing; nothing of the file stays."""
        self._is_given_up = True
        self._queue.put(None)

    def wait(self) -> None:
        """Wait until the thread is through."""
        if self._worker is not None:
            self._worker.join()

    def _run(self) -> None:
        try:
            self._write_all()
        except OSError as error:
            self.error = reason_of(error)
        if self.error or self._is_given_up:
            try:
                self._disk.remove(self._temporary)
            except OSError as error:
                self.error = self.error or reason_of(error)
        self.is_over = True

    def _write_all(self) -> None:
        file = self._disk.create(self._temporary)
        try:
            self._write_queue(file)
        finally:
            file.close()
        if not self._is_given_up:
            self._disk.replace(self._temporary, self._name)

    def _write_queue(self, file: File) -> None:
        unsynced = 0
        while True:
            data = self._queue.get()
            if data is None or self._is_given_up:
                break
            file.write(data)
            self.written += len(data)
            unsynced += len(data)
            if self._incremental and unsynced >= _SYNC_EVERY:
                file.sync()
                unsynced = 0
        if not self._is_given_up:
            file.sync()
