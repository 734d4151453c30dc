"""An RDB file of versions 1 to 11, read into a dataset in slices.

Whatever is wrong with the file, nothing of it is guessed: FileError names the place.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.access import LAST_USE, USE_COUNT, last_use_clock, use_clock
from kvnode.datatypes.kinds import type_name
from kvnode.expiry import NO_DEADLINE
from kvnode.rdb import types
from kvnode.rdb.encoding import RDB_VERSION_MAX, Reader, Source
from kvnode.rdb.loading import read_value
from kvnode.rdb.lzf import DamagedError
from kvnode.request_memory import CLIENT_FIELD
from kvnode.shuffle.records import FIELD as SHUFFLE_FIELD

if TYPE_CHECKING:
    from kvnode.dataset import Dataset
    from kvnode.datatypes.encodings import Encodings
    from kvnode.keyspace import Keyspace

_HEADER_BYTES: Final = 9
_CHECKSUM_FROM_VERSION: Final = 5
_NOT_GIVEN: Final = -1


@mypyc_attr(native_class=False)
class FileError(Exception):
    """A file that cannot be loaded; its text says why, and the offset at which that was seen."""


@final
class RdbReader:
    """Loads a file; call `step` until `is_done`.

    `fields`, `libraries`, `request_clients` and `shuffle_records` are what was in it beside the
    keys.

    Keys whose deadline has passed are left out unless `keeps_expired`.
    """

    def __init__(
        self,
        dataset: Dataset,
        encodings: Encodings,
        source: Source,
        keeps_expired: bool,
        head: bytes = b"",
    ) -> None:
        """`head` is what was read of the source already."""
        self.is_done = False
        self.keys: i64 = 0  # loaded
        self.expired: i64 = 0  # left out
        self.empty: i64 = 0  # collections without elements, which some versions of Redis wrote
        self.fields: dict[bytes, bytes] = {}
        self.libraries: list[bytes] = []
        self.request_clients: list[bytes] = []
        self.shuffle_records: list[bytes] = []
        self.version = 0
        self.merges = False  # keys that are there already are replaced
        # Where a file is only checked: how many values of each type there are. They are not kept.
        self.kinds: Counter[str] | None = None
        self._dataset = dataset
        self._encodings = encodings
        self._reader = Reader(head, source)
        self._keeps_expired = keeps_expired
        self._keyspace: Keyspace = dataset.databases[0]
        self._deadline: i64 = NO_DEADLINE
        self._idle_seconds: i64 = _NOT_GIVEN
        self._frequency: i64 = _NOT_GIVEN
        self._key = b""

    @property
    def position(self) -> int:
        """The number of bytes that were read."""
        return self._reader.position

    def rest(self) -> bytes:
        """Return what was read of the source and stands behind the file's end."""
        return self._reader.rest()

    def step(self, keys: i64) -> None:
        """Load about so many keys more. FileError: the file is damaged, or of another kind."""
        try:
            if self.version == 0:
                self._read_header()
            while keys > 0 and not self.is_done:
                keys -= 1
                self._read_item()
        except DamagedError as error:
            about = f", at key {shown(self._key)}" if self._key else ""
            raise FileError(f"{error} (offset {self.position}{about})") from None

    def _read_header(self) -> None:
        header = self._reader.take(_HEADER_BYTES)
        if not header.startswith(b"REDIS") or not header[5:].isdigit():
            raise DamagedError("not an RDB file: it does not begin with REDIS and a version")
        self.version = int(header[5:])
        if not 1 <= self.version <= RDB_VERSION_MAX:
            raise DamagedError(
                f"RDB version {self.version}, of which kvnode reads 1 to {RDB_VERSION_MAX}"
            )

    def _read_item(self) -> None:
        """Read what comes next: a key with its value, or something about keys or the file."""
        reader = self._reader
        code = reader.byte()
        if code < types.FUNCTION:
            self._read_key(int(code))
        elif code == types.DEADLINE_MS:
            self._deadline = reader.number_le()
        elif code == types.DEADLINE:
            self._deadline = i64(int.from_bytes(reader.take(4), "little", signed=True)) * 1000
        elif code == types.IDLE:
            self._idle_seconds = reader.length()
        elif code == types.FREQUENCY:
            self._frequency = reader.byte()
        elif code == types.DATABASE:
            self._enter(reader.length())
        elif code == types.RESIZE:
            reader.length()
            reader.length()
        elif code == types.AUX:
            name = reader.string()
            text = reader.string()
            if name == CLIENT_FIELD:
                self.request_clients.append(text)
            elif name == SHUFFLE_FIELD:
                self.shuffle_records.append(text)
            else:
                self.fields[name] = text
            if name == b"repl-id":
                # The file is a copy of a history, in which a DEL of what has expired follows.
                self._keeps_expired = True
        elif code == types.FUNCTION:
            self.libraries.append(reader.string())
        elif code == types.END:
            self._read_end()
        else:
            kind = "a module's data" if code == types.MODULE_AUX else "functions of a candidate"
            raise DamagedError(f"{kind} of Redis, which kvnode does not have")

    def _enter(self, index: i64) -> None:
        if self.kinds is not None:
            return
        databases = self._dataset.databases
        if not 0 <= index < len(databases):
            raise DamagedError(f"database {index}, but the directive databases is {len(databases)}")
        self._keyspace = databases[index]

    def _read_key(self, kind: int) -> None:
        reader = self._reader
        key = reader.string()
        self._key = key
        stored = read_value(reader, kind, self._encodings)
        deadline = self._deadline
        self._deadline = NO_DEADLINE
        keyspace = self._keyspace
        if stored is None:
            self.empty += 1
        elif self.kinds is not None:
            self.kinds[type_name(stored).decode()] += 1
            self.keys += 1
        elif (
            deadline != NO_DEADLINE
            and deadline < self._dataset.now_ms
            and not (self._keeps_expired)
        ):
            self.expired += 1
        else:
            if self.merges:
                keyspace.take(key)
            if not keyspace.load(key, stored, deadline):
                raise DamagedError("a key stands twice")
            self.keys += 1
            if self._idle_seconds >= 0 or self._frequency >= 0:
                self._note_use(key)
        self._idle_seconds = _NOT_GIVEN
        self._frequency = _NOT_GIVEN
        self._key = b""

    def _note_use(self, key: bytes) -> None:
        purpose = self._dataset.access_rules.purpose
        now_ms = self._dataset.now_ms
        if purpose == USE_COUNT and self._frequency >= 0:
            self._keyspace.set_clock(key, use_clock(self._frequency, now_ms))
        elif purpose == LAST_USE and self._idle_seconds >= 0:
            idle_ms = min(self._idle_seconds, now_ms // 1000) * 1000
            self._keyspace.set_clock(key, last_use_clock(now_ms - idle_ms))

    def _read_end(self) -> None:
        if self.version >= _CHECKSUM_FROM_VERSION:
            found = self._reader.sum_up()
            expected = int.from_bytes(self._reader.take(8), "little")
            # Zero stands for a file that was written without one.
            if expected not in (0, found):
                raise DamagedError(
                    f"wrong checksum: the data gives {found:016x}, the file says {expected:016x}"
                )
        for database in self._dataset.databases:
            database.settle()
        self.is_done = True


def shown(key: bytes) -> str:
    """Return a key for an error's text: cut, and without what would spoil the line."""
    text = key[:64].decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() and c != " " else f"\\x{ord(c):02x}" for c in text)
