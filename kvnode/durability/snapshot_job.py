"""An RDB file being made of a snapshot, in slices of the node's time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.durability.rdb_writer import RdbWriter
from kvnode.durability.sink import PENDING_MAX, Sink
from kvnode.durability.snapshot import Snapshot
from kvnode.request_memory import WATERMARK_FIELD

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
    """One RDB file on its way to a sink; `is_over` with an `error` if it failed."""

    def __init__(
        self,
        node: Node,
        sink: Sink,
        is_log_base: bool = False,
        has_data: bool = True,
        has_functions: bool = True,
    ) -> None:
        self.is_over = False
        self.error = ""
        self.begin_seconds = node.clock.now()
        self.keys_done: i64 = 0
        self._node = node
        self._snapshot = Snapshot(node.dataset, has_data)
        self.keys_total = self._snapshot.key_count
        self.dirty = self._snapshot.dirty  # what was not saved when the snapshot was made
        self._has_data = has_data
        self._is_made = False  # all bytes were given to the thread
        self._commands: i64 = node.stats.commands  # run before the last step
        self._quiet_steps = 0
        self._sink = sink
        self._writer = self._new_writer(is_log_base, has_functions)

    @property
    def size(self) -> int:
        """The bytes written so far."""
        return self._sink.written

    def _new_writer(self, is_log_base: bool, has_functions: bool) -> RdbWriter:
        node = self._node
        fields = [
            (b"redis-ver", _REDIS_VERSION),
            (b"redis-bits", b"64"),
            (b"ctime", b"%d" % int(node.clock.now())),
            (b"used-mem", b"%d" % node.used_memory()),
        ]
        fields += node.replication.fields()
        fields.append((b"aof-base", b"1" if is_log_base else b"0"))
        fields.append((WATERMARK_FIELD, b"%d" % node.requests.watermark))
        libraries: list[bytes] = []
        if has_functions:
            libraries = [library.code for library in node.scripting.functions.libraries()]
        return RdbWriter(
            self._snapshot,
            fields,
            libraries,
            node.requests.copies() if self._has_data else [],
            node.shuffles.snapshot() if self._has_data else None,
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
        """Go on for some time, or until the sink has enough to do."""
        if self.is_over:
            return
        if not self._is_made:
            self._make(self._node.clock.now() + seconds)
        if self._sink.is_over:
            self._end(self._sink.error)

    def _make(self, until: float) -> None:
        sink = self._sink
        writer = self._writer
        while not sink.is_over and sink.pending < PENDING_MAX:
            data = writer.piece(_ELEMENTS)
            if data:
                sink.put(data)
            self.keys_done = writer.keys
            if writer.is_done:
                sink.finish()
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
        """Stop; nothing of it stays."""
        self._sink.give_up()
        self._end("given up")

    def _end(self, error: str) -> None:
        self._sink.wait()
        self._snapshot.end()
        self.error = error
        self.is_over = True
