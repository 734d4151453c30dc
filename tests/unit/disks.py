"""A disk in memory that can be full, fail, and lose what was not synced."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable

from kvnode.durability.disk import Disk, File


def failure(number: int) -> OSError:
    """The error that the system would raise."""
    return OSError(number, os.strerror(number))


def names_in(folder: str, paths: Iterable[str]) -> list[str]:
    """The names in one folder; "" is the one that all paths begin in."""
    begin = f"{folder}/" if folder else ""
    names = [path.removeprefix(begin) for path in paths if path.startswith(begin)]
    return sorted(name for name in names if "/" not in name)


class MemoryFile(File):
    """One open file; `content` is what is in it, `synced` how much of that would survive."""

    def __init__(self, disk: MemoryDisk, name: str) -> None:
        self.disk = disk
        self.name = name
        self.place = 0

    def read(self, size: int) -> bytes:
        self.disk.step("read")
        self.disk.on_read(size)
        data = bytes(self.disk.content[self.name][self.place : self.place + size])
        self.place += len(data)
        return data

    def seek(self, place: int) -> None:
        self.place = place

    def write(self, data: bytes) -> None:
        self.disk.step("write")
        content = self.disk.content[self.name]
        room = self.disk.room - sum(len(other) for other in self.disk.content.values())
        content += data[:room]
        if room < len(data):
            raise failure(errno.ENOSPC)

    def sync(self) -> None:
        self.disk.step("sync")
        self.disk.synced[self.name] = len(self.disk.content[self.name])

    def close(self) -> None:
        pass


class MemoryDisk(Disk):
    """Files by name. `fails_at[operation]` is which one of its kind fails, and how."""

    def __init__(self) -> None:
        super().__init__(is_threaded=False)
        self.content: dict[str, bytearray] = {}
        self.synced: dict[str, int] = {}
        self.room = 1 << 30
        self.counts: dict[str, int] = {}
        self.fails_at: dict[str, tuple[int, int]] = {}
        self.on_read: Callable[[int], None] = lambda size: None

    def step(self, operation: str) -> None:
        """Count an operation, and let it fail if it is its turn."""
        count = self.counts.get(operation, 0) + 1
        self.counts[operation] = count
        number, error = self.fails_at.get(operation, (0, 0))
        if count == number:
            raise failure(error)

    def free_bytes(self, folder: str) -> int:
        return max(self.room - sum(len(content) for content in self.content.values()), 0)

    def create(self, name: str) -> File:
        self.step("create")
        self.content[name] = bytearray()
        self.synced[name] = 0
        return MemoryFile(self, name)

    def open(self, name: str) -> File:
        self.step("open")
        if name not in self.content:
            raise failure(errno.ENOENT)
        return MemoryFile(self, name)

    def append(self, name: str) -> File:
        self.step("append")
        self.content.setdefault(name, bytearray())
        self.synced.setdefault(name, 0)
        return MemoryFile(self, name)

    def size(self, name: str) -> int:
        return len(self.content[name]) if name in self.content else -1

    def replace(self, old: str, new: str) -> None:
        self.step("replace")
        self.content[new] = self.content.pop(old)
        self.synced[new] = self.synced.pop(old)

    def truncate(self, name: str, size: int) -> None:
        self.step("truncate")
        del self.content[name][size:]

    def remove(self, name: str) -> None:
        self.step("remove")
        self.content.pop(name, None)
        self.synced.pop(name, None)

    def names(self, folder: str) -> list[str]:
        return names_in(folder, self.content)

    def make_folder(self, name: str) -> None:
        self.step("make_folder")
