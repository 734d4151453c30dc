"""What a node finds in its folder when it starts, read in slices while it answers LOADING.

That is one RDB file, or the files of an append-only log in their order: a base, which is an RDB
file or begins with one, and increments of requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.durability.disk import Disk, File, reason_of
from kvnode.durability.log_reader import LogReader, Replay, TornError
from kvnode.durability.rdb_reader import FileError, RdbReader, shown
from kvnode.request_memory import CLIENT_FIELD, WATERMARK_FIELD, RecordError
from kvnode.shuffle import records as shuffles
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import parse_int

if TYPE_CHECKING:
    from kvnode.node import Node

_KEYS: Final = 200  # or requests, between two looks at the clock
_PROGRESS_SECONDS: Final = 2.0
_RDB_BEGIN: Final = b"REDIS"
_RDB_NAME: Final = ".base.rdb"  # of a base that is an RDB file whatever it begins with


@final
class Loader:
    """Reads files into the node's dataset; call `step` until `is_done`.

    `is_log` says that they are files of a log. Then the last one may end inside a request, if
    `mends_tail`: it is cut there. With `merges` an RDB file's keys and libraries take the place of
    those that are there; else that they are is an error.
    """

    def __init__(
        self,
        node: Node,
        names: list[str],
        is_log: bool,
        mends_tail: bool,
        source: File | None = None,
        size: int = 0,
    ) -> None:
        """`source`, of a size, stands for a file that is on no disk. FileError: none is there."""
        self.is_done = False
        self.merges = False
        self.begin_seconds = node.clock.now()
        self.keys = 0  # of RDB files, loaded so far
        self.expired = 0  # of RDB files, left out because their deadline had passed
        self._node = node
        self._disk: Disk = node.disk
        self._names = names
        self.is_log = is_log
        self._mends_tail = mends_tail
        self._next_progress = self.begin_seconds + _PROGRESS_SECONDS
        self._replay = Replay(node)
        self._number = 0
        self._transaction_begin = 0  # the offset of the MULTI that is open
        self._file: File | None = None
        self._rdb: RdbReader | None = None
        self._log: LogReader | None = None
        self._source = source
        self.size = size
        self.fields: dict[bytes, bytes] = {}  # of the RDB file that was read last
        self._before = 0  # bytes of the files that are done
        self._knows_requests = False  # whether a file says which requests its data has
        try:
            if source is None:
                self.size = sum(node.disk.size(name) for name in names)
            self._open()
        except OSError as error:
            raise FileError(f"{self.name}: {reason_of(error)}") from None

    @property
    def name(self) -> str:
        """The file that is being read."""
        return self._names[min(self._number, len(self._names) - 1)]

    @property
    def requests(self) -> int:
        """The requests of the log that were run so far."""
        return int(self._replay.requests)

    @property
    def position(self) -> int:
        """The bytes read so far, of all files."""
        position = self._before
        if self._rdb is not None:
            position += self._rdb.position
        elif self._log is not None:
            position += self._log.position
        return position

    @property
    def used_memory(self) -> int:
        """The memory in use when the RDB file was written, as it says; 0 of a log."""
        text = self._rdb.fields.get(b"used-mem", b"0") if self._rdb is not None else b"0"
        return int(text) if text.isdigit() else 0

    def step(self, seconds: float) -> None:
        """Load for some time. FileError: a file cannot be used."""
        clock = self._node.clock
        until = clock.now() + seconds
        try:
            while not self.is_done and clock.now() < until:
                self._step()
        except OSError as error:
            self.close()
            raise FileError(f"{self.name}: {reason_of(error)}") from None
        except FileError as error:
            self.close()
            raise FileError(f"{self.name}: {error}") from None
        if not self.is_done and clock.now() >= self._next_progress:
            self._next_progress = clock.now() + _PROGRESS_SECONDS
            done = f"{100.0 * self.position / max(self.size, 1):.0f}%"
            fields: dict[str, object] = {"file": self.name, "done": done, "keys": self.keys}
            self._node.journal.note("notice", "loading", fields)

    def close(self) -> None:
        """Let go of the file that is being read: no more of it is wanted."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        """Open the next file, and see whether it begins as an RDB file."""
        file = self._source or self._disk.open(self.name)
        self._file = file
        self._rdb = None
        self._log = None
        begin = file.read(len(_RDB_BEGIN))
        if self.is_log and begin != _RDB_BEGIN and not self.name.endswith(_RDB_NAME):
            self._log = LogReader(file, 0, begin)
        else:
            node = self._node
            self._rdb = RdbReader(node.dataset, node.encodings, file, self.is_log, begin)

    def _step(self) -> None:
        rdb = self._rdb
        log = self._log
        if rdb is not None:
            rdb.merges = self.merges
            before = rdb.keys
            expired = rdb.expired
            rdb.step(_KEYS)
            self.keys += int(rdb.keys - before)
            self.expired += int(rdb.expired - expired)
            if rdb.is_done:
                self._end_rdb(rdb)
        elif log is not None:
            self._run(log)

    def _end_rdb(self, rdb: RdbReader) -> None:
        self.fields = rdb.fields
        for code in rdb.libraries:
            try:
                self._node.scripting.functions.load(code, self.merges)
            except ReplyError as error:
                name = shown(code.partition(b"\n")[0])
                raise FileError(f"the library of functions {name}: {error}") from None
        self._restore_requests(rdb)
        self._restore_shuffles(rdb)
        if self.is_log and self._file is not None:
            # A log may go on behind the RDB file that it begins with.
            self._rdb = None
            self._log = LogReader(self._file, rdb.position, rdb.rest())
        else:
            self._end_file()

    def _restore_requests(self, rdb: RdbReader) -> None:
        requests = self._node.requests
        watermark = parse_int(rdb.fields.get(WATERMARK_FIELD, b""))
        if watermark is None:
            return
        self._knows_requests = True
        try:
            for field in rdb.request_clients:
                requests.restore_client(field, i64(int(self.begin_seconds * 1000.0)))
        except RecordError:
            raise FileError(f"a field {shown(CLIENT_FIELD)} that is none") from None
        requests.watermark = max(requests.watermark, watermark)

    def _restore_shuffles(self, rdb: RdbReader) -> None:
        for record in rdb.shuffle_records:
            try:
                self._node.shuffles.restore(record)
            except shuffles.RecordError:
                what = f"a field {shown(shuffles.FIELD)} that is none"
                raise FileError(f"{what}: {shown(record)}") from None

    def _run(self, log: LogReader) -> None:
        replay = self._replay
        for _ in range(_KEYS):
            begin = log.position
            try:
                argv = log.next()
            except TornError:
                begin = self._transaction_begin if replay.is_open else log.position
                self._mend(begin, "inside a request")
                return
            if argv is None:
                if replay.is_open:
                    self._mend(self._transaction_begin, "inside a transaction")
                    return
                self._end_file()
                return
            if not replay.is_open:
                self._transaction_begin = begin
            failures = replay.failures
            try:
                replay.run(argv)
            except FileError as error:
                raise FileError(f"{error} (offset {begin})") from None
            if failures == 0 and replay.failures > 0:
                self._note_failed(begin, replay.failed)

    def _note_failed(self, begin: int, what: str) -> None:
        """Say which request failed first. No log of kvnode has one, and some of Redis have."""
        fields: dict[str, object] = {"file": self.name, "offset": begin, "reason": what}
        self._node.journal.note("warning", "request-of-log-failed", fields)

    def _mend(self, position: int, where: str) -> None:
        """Cut the file off where its last whole request ends, if that is allowed."""
        size = self._disk.size(self.name)
        lost = size - position
        is_last = self._number == len(self._names) - 1
        if not (is_last and self._mends_tail):
            hint = "aof-load-truncated yes cuts it there" if is_last else "it is not the last file"
            raise FileError(f"ends {where} (offset {position}, {lost} bytes; {hint})")
        self._replay.drop()
        self._disk.truncate(self.name, position)
        fields: dict[str, object] = {"file": self.name, "offset": position, "bytes": lost}
        self._node.journal.note("warning", "log-cut", fields)
        self._end_file()

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._before = self.position if self._source else self._before + self._disk.size(self.name)
        self._number += 1
        self._rdb = None
        self._log = None
        if self._number < len(self._names):
            self._open()
        else:
            self._finish()

    def _finish(self) -> None:
        node = self._node
        node.end_loading()
        if not self._knows_requests:
            node.requests.distrust(i64(int(node.clock.now() * 1000.0)))
        fields: dict[str, object] = {
            "file": self.name,
            "keys": self.keys,
            "expired": self.expired,
            "seconds": f"{node.clock.now() - self.begin_seconds:.3f}",
        }
        if self.is_log:
            fields["requests"] = self.requests
        node.journal.note("notice", "loaded", fields)
        self.is_done = True
