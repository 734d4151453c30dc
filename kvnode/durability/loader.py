"""What a node finds in its folder when it starts, read in slices while it answers LOADING."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from kvnode.durability.disk import Disk, File, reason_of
from kvnode.durability.rdb_reader import FileError, RdbReader

if TYPE_CHECKING:
    from kvnode.node import Node

_KEYS: Final = 200  # between two looks at the clock
_PROGRESS_SECONDS: Final = 2.0


@final
class Loader:
    """Reads one RDB file into the node's dataset; call `step` until `is_done`."""

    def __init__(self, node: Node, disk: Disk, name: str) -> None:
        """FileError: the file cannot be opened."""
        self.is_done = False
        self.name = name
        self.begin_seconds = node.clock.now()
        self._node = node
        self._next_progress = self.begin_seconds + _PROGRESS_SECONDS
        try:
            self.size = disk.size(name)
            self._file: File = disk.open(name)
        except OSError as error:
            raise FileError(f"{name}: {reason_of(error)}") from None
        self._reader = RdbReader(node.dataset, node.encodings, self._file, False)

    @property
    def keys(self) -> int:
        """The keys loaded so far."""
        return int(self._reader.keys)

    @property
    def expired(self) -> int:
        """The keys left out so far, because their deadline had passed."""
        return int(self._reader.expired)

    @property
    def used_memory(self) -> int:
        """The memory in use when the file was written; 0 where it does not say."""
        text = self._reader.fields.get(b"used-mem", b"0")
        return int(text) if text.isdigit() else 0

    @property
    def position(self) -> int:
        """The bytes read so far."""
        return self._reader.position

    def step(self, seconds: float) -> None:
        """Load for some time. FileError: the file cannot be used."""
        clock = self._node.clock
        until = clock.now() + seconds
        reader = self._reader
        try:
            while not reader.is_done and clock.now() < until:
                reader.step(_KEYS)
        except OSError as error:
            raise FileError(f"{self.name}: {reason_of(error)}") from None
        except FileError as error:
            raise FileError(f"{self.name}: {error}") from None
        if reader.is_done:
            self._finish()
        elif clock.now() >= self._next_progress:
            self._next_progress = clock.now() + _PROGRESS_SECONDS
            done = f"{100.0 * self.position / max(self.size, 1):.0f}%"
            fields: dict[str, object] = {"file": self.name, "done": done, "keys": self.keys}
            self._node.journal.note("notice", "loading", fields)

    def _finish(self) -> None:
        node = self._node
        reader = self._reader
        self._file.close()
        for code in reader.libraries:
            node.scripting.functions.load(code, False)
        node.end_loading()
        fields: dict[str, object] = {
            "file": self.name,
            "keys": self.keys,
            "expired": self.expired,
            "seconds": f"{node.clock.now() - self.begin_seconds:.3f}",
        }
        node.journal.note("notice", "loaded", fields)
        self.is_done = True
