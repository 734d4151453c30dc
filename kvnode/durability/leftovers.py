"""Temporary files that a node left behind when it was killed.

Their names hold the process that wrote them, as in Redis. They never count: what is in them was to
take another name once it was whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from kvnode.durability.disk import Disk

_RECEIVED: Final = "temp-sync-"  # snapshots that came from a leader
# What stands before and behind the number of the process.
_TEMPORARY: Final = (
    ("temp-rewriteaof-bg-", ".aof"),
    ("temp-rewriteaof-", ".aof"),
    (_RECEIVED, ".rdb"),
    ("temp-", ".rdb"),
)


def remove_leftovers(disk: Disk, folders: list[str], is_alive: Callable[[int], bool]) -> list[str]:
    """Remove the temporary files of processes that are gone; return their names. OSError."""
    removed: list[str] = []
    for folder in folders:
        for name in disk.names(folder):
            process = _process_of(name)
            if process is not None and not is_alive(process):
                path = f"{folder}/{name}" if folder else name
                disk.remove(path)
                removed.append(path)
    return removed


def _process_of(name: str) -> int | None:
    for begin, end in _TEMPORARY:
        middle = name.removeprefix(begin).removesuffix(end)
        is_named_so = len(middle) == len(name) - len(begin) - len(end)
        if begin == _RECEIVED:
            middle = middle.partition(".")[0]  # what stands behind is the time
        if is_named_so and middle.isdecimal():
            return int(middle)
    return None


def is_alive(process: int) -> bool:
    """Return whether another process has this number; ours has made no file yet."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
