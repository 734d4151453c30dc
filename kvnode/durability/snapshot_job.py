"""An RDB file being made of a snapshot: slices of the node's time, and a thread for the file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.durability.file_job import PENDING_MAX, FileJob
from kvnode.durability.rdb_writer import RdbWriter
from kvnode.durability.snapshot import Snapshot

if TYPE_CHECKING:
    from kvnode.node import Node

_SLICE_SECONDS: Final = 0.002
_ELEMENTS: Final = 200  # between two looks at the clock
_WAIT_SECONDS: Final = 0.001
_REDIS_VERSION: Final = b"7.0.15"


@final
class SnapshotJob:
    """One file; `is_over` with an `error` if it failed, and then nothing of it stays."""

    def __init__(
        self,
        node: Node,
        name: str,
        temporary: str,
        is_log_base: bool,
        incremental: bool,
    ) -> None:
        self.is_over = False
        self.error = ""
        self.begin_seconds = node.clock.now()
        self.keys_done: i64 = 0
        self._node = node
        self._snapshot = Snapshot(node.dataset)
        self.keys_total = self._snapshot.key_count
        self.dirty = self._snapshot.dirty  # what was not saved when the snapshot was made
        self._is_made = False  # all bytes were given to the thread
        self._file = FileJob(node.disk, name, temporary, incremental)
        self._writer = self._new_writer(is_log_base)
        self._file.start()

    @property
    def size(self) -> int:
        """The bytes written so far."""
        return self._file.written

    def _new_writer(self, is_log_base: bool) -> RdbWriter:
        node = self._node
        fields = [
            (b"redis-ver", _REDIS_VERSION),
            (b"redis-bits", b"64"),
            (b"ctime", b"%d" % int(node.clock.now())),
            (b"used-mem", b"%d" % node.used_memory()),
            (b"aof-base", b"1" if is_log_base else b"0"),
        ]
        libraries = [library.code for library in node.scripting.functions.libraries()]
        return RdbWriter(
            self._snapshot,
            fields,
            libraries,
            node.dataset.access_rules.purpose,
            node.settings.rdbcompression,
            node.config.flag("rdbchecksum"),
        )

    def step(self, seconds: float = _SLICE_SECONDS) -> None:
        """Go on for some time, or until the thread has enough to do."""
        if self.is_over:
            return
        if not self._is_made:
            self._make(self._node.clock.now() + seconds)
        if self._file.is_over:
            self._end(self._file.error)

    def _make(self, until: float) -> None:
        file = self._file
        writer = self._writer
        while not file.is_over and file.pending < PENDING_MAX:
            data = writer.piece(_ELEMENTS)
            if data:
                file.put(data)
            self.keys_done = writer.keys
            if writer.is_done:
                file.finish()
                self._is_made = True
                self._snapshot.end()
                return
            if self._node.clock.now() >= until:
                return

    def run(self) -> None:
        """Go on until it is over, with the node doing nothing else."""
        while not self.is_over:
            self.step(1.0)
            if not self.is_over:
                time.sleep(_WAIT_SECONDS)

    def give_up(self) -> None:
        """Stop; nothing of the file stays."""
        self._file.give_up()
        self._end("given up")

    def _end(self, error: str) -> None:
        self._file.wait()
        self._snapshot.end()
        self.error = error
        self.is_over = True
