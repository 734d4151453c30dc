"""A disk that a seed cuts off: what was not synced is lost in part, and any operation may fail.

A name is durable once its folder was synced, which `replace` and `make_folder` do; then all names
of the folder are. Of what was written after the last sync of a file any first part may survive.
"""

from __future__ import annotations

import errno
import os
import random
from typing import Final

from kvnode.durability.disk import Disk, File
from tests.unit.disks import names_in

ERRORS: Final = (errno.EIO, errno.ENOSPC)


class PowerCutError(OSError):
    """The power is gone; nothing happens any more."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, os.strerror(errno.EIO))


class Content:
    """What is in a file; the first `synced` bytes are durable."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.synced = len(data)


class SimulatedFile(File):
    """One open file."""

    def __init__(self, disk: SimulatedDisk, content: Content) -> None:
        self.disk = disk
        self.content = content
        self.place = 0

    def read(self, size: int) -> bytes:
        data = bytes(self.content.data[self.place : self.place + size])
        self.place += len(data)
        return data

    def seek(self, place: int) -> None:
        self.place = place

    def write(self, data: bytes) -> None:
        part = self.disk.source.randrange(len(data) + 1)
        try:
            self.disk.step()
        except OSError:
            self.content.data += data[:part]  # a write that fails may have been done in part
            raise
        self.content.data += data

    def sync(self) -> None:
        self.disk.step()
        self.disk.sync(self.content)

    def close(self) -> None:
        pass


class SimulatedDisk(Disk):
    """`cut_at` is the operation at which the power goes; each one before fails with a chance."""

    def __init__(self, source: random.Random, cut_at: int, chance: float) -> None:
        super().__init__(is_threaded=False)
        self.source = source
        self.cut_at = cut_at
        self.chance = chance
        self.steps = 0
        self.is_off = False
        self.syncs = True  # planted faults: a sync that does nothing,
        self.delays = False  # and small files that get what was written before
        self.delayed = b""
        self.contents: dict[str, Content] = {}
        self.durable: dict[str, Content] = {}

    def step(self) -> None:
        """Let one operation happen, or fail."""
        self.steps += 1
        if self.is_off or self.steps >= self.cut_at:
            self.is_off = True
            raise PowerCutError
        if self.source.random() < self.chance:
            number = self.source.choice(ERRORS)
            raise OSError(number, os.strerror(number))

    def sync(self, content: Content) -> None:
        """Make a file's content durable."""
        if self.syncs:
            content.synced = len(content.data)

    def sync_folder(self) -> None:
        """Make the names durable."""
        self.durable = dict(self.contents)

    def survivor(self, cut_at: int) -> SimulatedDisk:
        """What a machine finds that starts again."""
        if self.source.random() < 0.3:
            self.sync_folder()  # the system may have done more than it was asked for
        disk = SimulatedDisk(self.source, cut_at, 0.0)
        for name, content in self.durable.items():
            size = self.source.randint(content.synced, len(content.data))
            disk.contents[name] = Content(bytes(content.data[:size]))
        disk.sync_folder()
        return disk

    def write_file(self, name: str, data: bytes) -> None:
        if self.delays:
            data, self.delayed = self.delayed or data, data
        super().write_file(name, data)

    def create(self, name: str) -> File:
        self.step()
        self.contents[name] = Content()
        return SimulatedFile(self, self.contents[name])

    def open(self, name: str) -> File:
        if name not in self.contents:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return SimulatedFile(self, self.contents[name])

    def append(self, name: str) -> File:
        self.step()
        return SimulatedFile(self, self.contents.setdefault(name, Content()))

    def size(self, name: str) -> int:
        return len(self.contents[name].data) if name in self.contents else -1

    def replace(self, old: str, new: str) -> None:
        happens = self.source.random() < 0.5
        try:
            self.step()
        except OSError:
            if happens:  # it may have been done, and only its sync failed
                self.contents[new] = self.contents.pop(old)
            raise
        self.contents[new] = self.contents.pop(old)
        self.sync_folder()

    def truncate(self, name: str, size: int) -> None:
        self.step()
        content = self.contents[name]
        del content.data[size:]
        self.sync(content)

    def remove(self, name: str) -> None:
        self.step()
        self.contents.pop(name, None)

    def names(self, folder: str) -> list[str]:
        return names_in(folder, self.contents)

    def make_folder(self, name: str) -> None:
        self.step()
        self.sync_folder()
