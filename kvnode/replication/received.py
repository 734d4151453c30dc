"""A snapshot that comes from the leader: received, then loaded in place of the data.

It is announced as `$<bytes>`, or as `$EOF:<mark>` when its end is a mark of 40 bytes. While it
comes in the node serves the data it has; where that is not wanted on disk it is kept in memory.
With `repl-diskless-load swapdb` it is read through before the old data goes, so that a damaged one
changes nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.durability.disk import File, reason_of
from kvnode.durability.file_job import FileJob
from kvnode.durability.loader import Loader
from kvnode.durability.rdb_reader import FileError, RdbReader
from kvnode.durability.sink import PENDING_MAX
from kvprotocol.numbers import parse_int

if TYPE_CHECKING:
    from kvnode.node import Node

_MARK_BYTES: Final = 40
_HEADER_MAX: Final = 128
_LOAD_SECONDS: Final = 0.01  # of each slice
_UNKNOWN: Final = -1
_KEYS: Final = 100  # between two looks at the clock


@final
class Snapshot:
    """One snapshot: `take` its bytes until `is_received`, then `step` until `is_done`."""

    def __init__(self, node: Node, name: bytes, offset: int) -> None:
        """`name` and `offset` say of which history it is a copy."""
        self.name = name
        self.offset = offset
        self.is_received = False
        self.is_loading = False
        self.is_done = False
        self.error = ""
        self.total: i64 = _UNKNOWN  # bytes, where that was announced
        self.size: i64 = 0  # bytes so far
        self.keys = 0
        self.database = 0  # that the stream behind it has selected
        self.rest = b""  # what came behind it
        self._node = node
        self._header = b""
        self._mark = b""
        self._tail = b""  # the last bytes, which may be the mark
        self._is_checked = True  # False where it is read as a whole before the old data goes
        self._check: RdbReader | None = None
        self._name = f"temp-sync-{os.getpid()}.rdb"  # until it is loaded
        self._memory: _Memory | None = None
        self._file: FileJob | None = None
        self._loader: Loader | None = None

    def take(self, data: bytes) -> None:
        """Take bytes that came from the leader."""
        if self.is_received:
            self.rest += data
            return
        if self.total == _UNKNOWN and not self._mark:
            data = self._read_header(self._header + data)
            if self.error or (self.total == _UNKNOWN and not self._mark):
                return
            self._open()
        if self._mark:
            self._take_to_mark(data)
        else:
            size = min(len(data), self.total - self.size)
            self._put(data[:size])
            if self.size == self.total:
                self._receive(data[size:])

    def _read_header(self, data: bytes) -> bytes:
        """Read how it ends; return what stands behind that line."""
        line, end, rest = data.lstrip(b"\r\n").partition(b"\r\n")
        if not end:
            self._header = data if len(data) < _HEADER_MAX else b""
            if not self._header and line:
                self.error = "no snapshot follows"
            return b""
        if line.startswith(b"$EOF:") and len(line) == _MARK_BYTES + 5:
            self._mark = line[5:]
        else:
            total = parse_int(line[1:])
            if not line.startswith(b"$") or total is None or total < 0:
                text = line[1:100].decode("utf-8", "replace")
                self.error = f"no snapshot follows: {text}"
            else:
                self.total = total
        return rest

    def _open(self) -> None:
        config = self._node.config
        way = config.text("repl-diskless-load")
        is_empty = self._node.dataset.key_count() == 0
        if way == "swapdb" or (way == "on-empty-db" and is_empty):
            self._memory = _Memory([])
            self._is_checked = way != "swapdb"
            return
        temporary = f"temp-sync-{os.getpid()}.{int(self._node.clock.now())}.rdb"
        incremental = config.flag("rdb-save-incremental-fsync")
        self._file = FileJob(self._node.disk, self._name, temporary, incremental)

    def _take_to_mark(self, data: bytes) -> None:
        data = self._tail + data
        if data.endswith(self._mark):
            self._put(data[:-_MARK_BYTES])
            self._tail = b""
            self._receive(b"")
        else:
            cut = max(len(data) - _MARK_BYTES, 0)
            self._put(data[:cut])
            self._tail = data[cut:]

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        if not data:
            return
        if self._memory is not None:
            self._memory.pieces.append(data)
        elif self._file is not None:
            self._file.put(data)

    def _receive(self, rest: bytes) -> None:
        if self.size == 0:
            self.error = "the snapshot is empty"
            return
        self.is_received = True
        self.rest = rest
        if self._file is not None:
            self._file.finish()

    def is_full(self) -> bool:
        """Return whether more would be too much for the moment."""
        return self._file is not None and self._file.pending >= PENDING_MAX

    def step(self) -> None:
        """Do a slice of the work on a snapshot that is received."""
        file = self._file
        loader = self._loader
        try:
            if loader is not None:
                self._load(loader)
            elif not self._is_checked:
                self._go_on_checking()
            elif file is None or file.is_over:
                if file is not None and file.error:
                    self.error = f"{self._name}: {file.error}"
                else:
                    self._begin_to_load()
        except FileError as error:
            self.error = f"the snapshot cannot be loaded: {error}"

    def _go_on_checking(self) -> None:
        """Read the snapshot without keeping it, for a while. FileError: it is damaged."""
        check = self._check
        node = self._node
        if check is None:
            assert self._memory is not None
            source = _Memory(list(self._memory.pieces))
            check = RdbReader(node.dataset, node.encodings, source, False)
            check.kinds = Counter()
            self._check = check
        until = node.clock.now() + _LOAD_SECONDS
        while not check.is_done and node.clock.now() < until:
            check.step(_KEYS)
        if check.is_done:
            self._check = None
            self._is_checked = True

    def _begin_to_load(self) -> None:
        node = self._node
        node.replication.history.is_known = False
        node.empty()
        self.is_loading = True
        memory = self._memory
        if memory is not None:
            self._loader = node.start_loading([self._name], False, memory, int(self.size))
        else:
            self._loader = node.start_loading([self._name], False)

    def _load(self, loader: Loader) -> None:
        loader.step(_LOAD_SECONDS)
        if loader.is_done:
            self.keys = loader.keys
            text = loader.fields.get(b"repl-stream-db", b"0")
            self.database = int(text) if text.isdigit() else 0
            if self.database >= len(self._node.dataset.databases):
                raise FileError(f"the stream is in database {self.database}, which is not here")
            self.is_done = True
            self._node.note_replaced()
            self._keep_file()

    def _keep_file(self) -> None:
        """Make it the file of the last save, unless it was made for this alone."""
        if self._file is None:
            return
        node = self._node
        saves = bool(node.config.save_points()) or node.config.flag("appendonly")
        try:
            if saves or not node.config.flag("rdb-del-sync-files"):
                node.disk.replace(self._name, node.config.text("dbfilename"))
            else:
                node.disk.remove(self._name)
        except OSError as error:
            self._note_trouble("cannot-keep-snapshot", error)

    def _remove_file(self) -> None:
        if self._file is not None:
            try:
                self._node.disk.remove(self._name)
            except OSError as error:
                self._note_trouble("cannot-remove-file", error)

    def _note_trouble(self, event: str, error: OSError) -> None:
        fields: dict[str, object] = {"file": self._name, "reason": reason_of(error)}
        self._node.journal.note("warning", event, fields)

    def give_up(self) -> None:
        """Leave nothing behind of a snapshot that is not loaded whole."""
        if self.is_done:
            return
        if self._file is not None:
            if self._file.is_over:
                self._remove_file()
            else:
                self._file.give_up()
        if self._loader is not None:
            self._loader.close()
        if self.is_loading:
            node = self._node
            node.loader = None
            node.empty()
            node.end_loading()
            node.note_replaced()


@final
class _Memory(File):
    """What came, read from the front and let go of on the way."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        self._next = 0

    def read(self, size: int) -> bytes:
        if self._next >= len(self.pieces):
            return b""
        piece = self.pieces[self._next]
        if len(piece) > size:
            self.pieces[self._next] = piece[size:]
            return piece[:size]
        self.pieces[self._next] = b""
        self._next += 1
        return piece
