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

# A client waits for a slice at most; between two of them there are one or two milliseconds.
_SLICE_SECONDS: Final = 0.0005
_QUIET_SLICE_SECONDS: Final = 0.003
_QUIET_STEPS: Final = 5  # without a command before slices become long
_ELEMENTS: Final = 50  # between two looks at the clock
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
        self._commands: i64 = node.stats.commands  # run before the last step
        self._quiet_steps = 0
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

    def step(self) -> None:
        """Go on for a slice, which is short while clients ask for anything."""
        commands = self._node.stats.commands
        self._quiet_steps = self._quiet_steps + 1 if commands == self._commands else 0
        self._commands = commands
        is_quiet = self._quiet_steps >= _QUIET_STEPS
        self._go_on(_QUIET_SLICE_SECONDS if is_quiet else _SLICE_SECONDS)

    def _go_on(self, seconds: float) -> None:
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
            self._go_on(1.0)
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
