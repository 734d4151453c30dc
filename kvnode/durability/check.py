"""`kvnode check-rdb` and `check-aof`: is a file sound, and what is in it?"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import final

from kvnode.dataset import Dataset
from kvnode.datatypes.encodings import Encodings
from kvnode.durability.disk import Disk, File, SystemDisk, reason_of
from kvnode.durability.log_reader import LogReader, TornError
from kvnode.durability.manifest import Manifest, ManifestError
from kvnode.durability.rdb_reader import FileError, RdbReader

_KEYS = 10_000
_RDB_BEGIN = b"REDIS"
_RDB_NAME = ".base.rdb"


def check_rdb(path: str) -> int:
    """Read a whole file without keeping it; print what it holds, or where it is damaged."""
    disk = SystemDisk()
    try:
        file = disk.open(path)
        try:
            reader = _read_rdb(file, b"")
        finally:
            file.close()
    except (FileError, OSError) as error:
        return _refuse(path, error)
    version = reader.fields.get(b"redis-ver", b"?").decode("ascii", "replace")
    print(f"{path}: RDB version {reader.version}, written by {version}, sound")
    for name, count in sorted((reader.kinds or {}).items()):
        print(f"  {name}: {count:,}")
    if reader.libraries:
        print(f"  libraries of functions: {len(reader.libraries):,}")
    if reader.request_clients:
        print(f"  clients with exactly-once requests: {len(reader.request_clients):,}")
    return 0


def _read_rdb(file: File, head: bytes) -> RdbReader:
    reader = RdbReader(Dataset(1), Encodings(), file, True, head)
    reader.kinds = Counter()
    while not reader.is_done:
        reader.step(_KEYS)
    return reader


def check_aof(path: str, fixes: bool, last_second: int | None = None) -> int:
    """Read a log, given by its manifest or as one file; print whether it is sound.

    With `fixes` the last file is cut where it stops being so; with `last_second` where a line says
    that what follows was written later.
    """
    disk = SystemDisk()
    paths = [path]
    try:
        if path.endswith(".manifest"):
            manifest = Manifest.parse(disk.read_file(path).decode("utf-8", "surrogateescape"))
            folder = os.path.dirname(path)
            paths = [os.path.join(folder, part.name) for part in manifest.parts()]
    except (ManifestError, OSError) as error:
        return _refuse(path, error)
    for number, name in enumerate(paths):
        check = _LogCheck(disk, name, last_second)
        try:
            check.read()
            status = check.report(fixes, number == len(paths) - 1)
        except OSError as error:
            return _refuse(name, error)
        if status:
            return status
    return 0


@final
class _LogCheck:
    """What one file of a log holds, up to where it stops being sound or goes on too late."""

    def __init__(self, disk: Disk, path: str, last_second: int | None) -> None:
        self.sound = 0  # the offset behind the last whole request outside of a transaction
        self.requests = 0
        self.problem = ""
        self.is_late = False  # something follows that was written after `last_second`
        self._is_torn = False  # all that is wrong is that the end is missing
        self._may_cut = False  # never in an RDB file: what is behind the damage is the most of it
        self._disk = disk
        self._path = path
        self._last_second = last_second

    def read(self) -> None:
        """Read the file. OSError: that fails."""
        file = self._disk.open(self._path)
        try:
            begin = file.read(len(_RDB_BEGIN))
            if begin == _RDB_BEGIN or self._path.endswith(_RDB_NAME):
                rdb = _read_rdb(file, begin)
                self.sound = rdb.position
                log = LogReader(file, self.sound, rdb.rest())
            else:
                log = LogReader(file, 0, begin)
            self._may_cut = True
            self._read_log(log)
        except TornError:
            self.problem = "ends inside a request"
            self._is_torn = True
        except FileError as error:
            self.problem = str(error)
        finally:
            file.close()

    def _read_log(self, log: LogReader) -> None:
        log.last_second = self._last_second
        is_open = False
        while (argv := log.next()) is not None:
            self.requests += 1
            name = argv[0].upper()
            is_open = name == b"MULTI" or (is_open and name != b"EXEC")
            if not is_open:
                self.sound = log.position
        self.is_late = log.is_cut
        if not is_open:
            self.sound = log.position
        elif not self.is_late:
            self.problem = "ends inside a transaction"
            self._is_torn = True

    def report(self, fixes: bool, is_last: bool) -> int:
        """Print what was found, cut the file if that is wanted; return the exit status."""
        size = self._disk.size(self._path)
        lost = size - self.sound
        if self.is_late:
            return self._cut_late(lost, is_last)
        if not self.problem:
            print(f"{self._path}: {self.requests:,} requests, {size:,} bytes, sound")
            return 0
        # A file of which nothing is sound may be another file than was meant.
        may_cut = self._may_cut and (self.sound > 0 or self._is_torn)
        if fixes and is_last and may_cut:
            self._disk.truncate(self._path, self.sound)
            print(
                f"{self._path}: {self.problem}; cut at offset {self.sound}, {lost:,} bytes are gone"
            )
            return 0
        remedy = "cuts the last file of a log there" if may_cut else "leaves it as it is"
        return _complain(
            f"{self._path}: {self.problem}; sound up to offset {self.sound}, {lost:,} bytes are "
            f"not (--fix {remedy})"
        )

    def _cut_late(self, lost: int, is_last: bool) -> int:
        when = f"second {self._last_second}"
        if self.sound == 0:
            return _complain(f"{self._path}: nothing in it is from before {when}'s end")
        if not is_last:
            return _complain(
                f"{self._path}: goes on after {when} from offset {self.sound}, but it is not the "
                "last file of the log (first take those behind it, and the line of the checksum, "
                "out of the manifest)"
            )
        self._disk.truncate(self._path, self.sound)
        print(
            f"{self._path}: cut at offset {self.sound}, where it goes on after {when}; "
            f"{lost:,} bytes are gone"
        )
        return 0


def _complain(text: str) -> int:
    print(f"kvnode: {text}", file=sys.stderr)
    return 1


def _refuse(path: str, error: Exception) -> int:
    return _complain(f"{path}: {reason_of(error) if isinstance(error, OSError) else error}")
