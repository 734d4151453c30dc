"""`kvnode check-rdb`: is a file sound, and what is in it?"""

from __future__ import annotations

import sys
from collections import Counter

from kvnode.dataset import Dataset
from kvnode.datatypes.encodings import Encodings
from kvnode.durability.disk import SystemDisk, reason_of
from kvnode.durability.rdb_reader import FileError, RdbReader

_DATABASES = 1 << 20
_KEYS = 10_000


def check_rdb(path: str) -> int:
    """Read a whole file without keeping it; print what it holds, or where it is damaged."""
    try:
        file = SystemDisk().open(path)
    except OSError as error:
        print(f"kvnode: {path}: {reason_of(error)}", file=sys.stderr)
        return 1
    reader = RdbReader(Dataset(1), Encodings(), file, True)
    reader.kinds = Counter()
    try:
        while not reader.is_done:
            reader.step(_KEYS)
    except FileError as error:
        print(f"kvnode: {path}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"kvnode: {path}: {reason_of(error)}", file=sys.stderr)
        return 1
    finally:
        file.close()
    version = reader.fields.get(b"redis-ver", b"?").decode("ascii", "replace")
    print(f"{path}: RDB version {reader.version}, written by {version}, sound")
    for name, count in sorted(reader.kinds.items()):
        print(f"  {name}: {count:,}")
    if reader.libraries:
        print(f"  libraries of functions: {len(reader.libraries):,}")
    return 0
