"""`kvnode check-rdb` and `check-aof`: is a file sound, and what is in it?"""

from __future__ import annotations

import os
import sys
from collections import Counter

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
    return 0


def _read_rdb(file: File, head: bytes) -> RdbReader:
    reader = RdbReader(Dataset(1), Encodings(), file, True, head)
    reader.kinds = Counter()
    while not reader.is_done:
        reader.step(_KEYS)
    return reader


def check_aof(path: str, fixes: bool) -> int:
    """Read a log, given by its manifest or as one file; print whether it is sound.

    With `fixes` the last file is cut where it stops being so.
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
        is_last = number == len(paths) - 1
        status = _check_log_file(disk, name, fixes and is_last)
        if status:
            return status
    return 0


def _check_log_file(disk: Disk, path: str, fixes: bool) -> int:
    may_cut = False  # never in an RDB file: what is behind the damage is the most of it
    sound = 0  # the offset behind the last whole request outside of a transaction
    requests = 0
    problem = ""
    is_torn = False
    try:
        file = disk.open(path)
        try:
            begin = file.read(len(_RDB_BEGIN))
            if begin == _RDB_BEGIN or path.endswith(_RDB_NAME):
                rdb = _read_rdb(file, begin)
                sound = rdb.position
                log = LogReader(file, sound, rdb.rest())
            else:
                log = LogReader(file, 0, begin)
            may_cut = True
            is_open = False
            while (argv := log.next()) is not None:
                requests += 1
                name = argv[0].upper()
                is_open = name == b"MULTI" or (is_open and name != b"EXEC")
                if not is_open:
                    sound = log.position
            if is_open:
                problem = "ends inside a transaction"
                is_torn = True
            else:
                sound = log.position
        finally:
            file.close()
    except TornError:
        problem = "ends inside a request"
        is_torn = True
    except FileError as error:
        problem = str(error)
    except OSError as error:
        return _refuse(path, error)
    if problem:
        # A file of which nothing is sound may be another file than was meant.
        may_cut = may_cut and (sound > 0 or is_torn)
        return _mend(disk, path, problem, sound, fixes, may_cut)
    print(f"{path}: {requests:,} requests, {disk.size(path):,} bytes, sound")
    return 0


def _mend(disk: Disk, path: str, problem: str, sound: int, fixes: bool, may_cut: bool) -> int:
    """Cut a damaged file where it stops being sound, if that is wanted, or say where that is."""
    try:
        lost = disk.size(path) - sound
        if fixes and may_cut:
            disk.truncate(path, sound)
            print(f"{path}: {problem}; cut at offset {sound}, {lost:,} bytes are gone")
            return 0
    except OSError as error:
        return _refuse(path, error)
    remedy = "--fix cuts the last file of a log there" if may_cut else "--fix leaves it as it is"
    print(
        f"kvnode: {path}: {problem}; sound up to offset {sound}, {lost:,} bytes are not ({remedy})",
        file=sys.stderr,
    )
    return 1


def _refuse(path: str, error: Exception) -> int:
    reason = reason_of(error) if isinstance(error, OSError) else str(error)
    print(f"kvnode: {path}: {reason}", file=sys.stderr)
    return 1
