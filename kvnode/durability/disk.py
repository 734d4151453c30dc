"""Files as durability needs them, and a thread that writes one.

All that is written goes through a `Disk`, so that tests can put one in its place that loses what
was not synced, tears writes or is full. Every operation raises OSError as the system does.
"""

from __future__ import annotations

import os
from typing import Final, final

from mypy_extensions import mypyc_attr

from kvnode.rdb.encoding import Source

_MODE: Final = 0o644
_FOLDER_MODE: Final = 0o755
_PIECE_BYTES: Final = 1 << 16
_PLENTY_BYTES: Final = 1 << 60


@mypyc_attr(allow_interpreted_subclasses=True)
class File(Source):
    """An open file."""

    def write(self, data: bytes) -> None:
        """Write all of the bytes at the end."""

    def seek(self, place: int) -> None:
        """Go on reading at this byte."""
        raise NotImplementedError

    def sync(self) -> None:
        """Make durable what was written."""

    def close(self) -> None:
        """Close the file; it may be closed already."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Disk:
    """A folder's files; names are relative to the folder, or absolute.

    `is_threaded` says whether what takes long is done in threads, or at once.
    """

    def __init__(self, is_threaded: bool = True) -> None:
        self.is_threaded = is_threaded

    def create(self, name: str) -> File:
        """Return a new empty file to write; one of this name is replaced by it."""
        raise NotImplementedError

    def open(self, name: str) -> File:
        """Return a file to read."""
        raise NotImplementedError

    def append(self, name: str) -> File:
        """Return a file to write at its end; it need not be there."""
        raise NotImplementedError

    def size(self, name: str) -> int:
        """Return a file's size in bytes, -1 where there is no such file."""
        raise NotImplementedError

    def replace(self, old: str, new: str) -> None:
        """Give a file another name, durably; a file of that name is gone."""
        raise NotImplementedError

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to its first bytes, durably."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        raise NotImplementedError

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, none where there is no such; "" is the working folder."""
        raise NotImplementedError

    def make_folder(self, name: str) -> None:
        """Make a folder for files, durably, if it is not there."""
        raise NotImplementedError

    def absolute(self, name: str) -> str:
        """Return a name that stays right when the working folder changes."""
        return name

    def free_bytes(self, folder: str) -> int:
        """Return how much more may be written into a folder that is there."""
        return _PLENTY_BYTES

    def write_file(self, name: str, data: bytes) -> None:
        """Put a file with this content in the place of one that may be there, durably."""
        folder, slash, last = name.rpartition("/")
        temporary = f"{folder}{slash}temp-{last}"
        file = self.create(temporary)
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()
        self.replace(temporary, name)

    def read_file(self, name: str) -> bytes:
        """Return what is in a small file."""
        file = self.open(name)
        pieces: list[bytes] = []
        try:
            while piece := file.read(_PIECE_BYTES):
                pieces.append(piece)
        finally:
            file.close()
        return b"".join(pieces)


@final
class _SystemFile(File):
    def __init__(self, name: str, flags: int) -> None:
        self._handle = os.open(name, flags | os.O_CLOEXEC, _MODE)

    def read(self, size: int) -> bytes:
        return os.read(self._handle, size)

    def write(self, data: bytes) -> None:
        written = os.write(self._handle, data)
        while written < len(data):
            # Seldom: the system took a part, because the disk is nearly full or a signal came.
            data = data[written:]
            written = os.write(self._handle, data)

    def seek(self, place: int) -> None:
        os.lseek(self._handle, place, os.SEEK_SET)

    def sync(self) -> None:
        os.fdatasync(self._handle)

    def close(self) -> None:
        handle = self._handle
        if handle >= 0:
            self._handle = -1
            os.close(handle)


@final
class SystemDisk(Disk):
    """The files of a folder; "" is the process's working folder, which a server's `dir` says."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self._folder = folder

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def absolute(self, name: str) -> str:
        return os.path.abspath(self._path(name))

    def free_bytes(self, folder: str) -> int:
        found = os.statvfs(self._path(folder))
        return found.f_bavail * found.f_frsize

    def create(self, name: str) -> File:
        # At the end, wherever that is: it may have been cut since the last write.
        return _SystemFile(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def open(self, name: str) -> File:
        return _SystemFile(self._path(name), os.O_RDONLY)

    def append(self, name: str) -> File:
        return _SystemFile(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def size(self, name: str) -> int:
        try:
            return os.stat(self._path(name)).st_size
        except FileNotFoundError:
            return -1

    def replace(self, old: str, new: str) -> None:
        path = self._path(new)
        os.replace(self._path(old), path)
        _sync_folder(os.path.dirname(path) or ".")

    def truncate(self, name: str, size: int) -> None:
        handle = os.open(self._path(name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(handle, size)
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self, name: str) -> None:
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            pass

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(self._path(folder) or "."))
        except FileNotFoundError:
            return []

    def make_folder(self, name: str) -> None:
        path = self._path(name)
        try:
            os.mkdir(path, _FOLDER_MODE)
        except FileExistsError:
            return
        _sync_folder(os.path.dirname(path) or ".")


def _sync_folder(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reason_of(error: OSError) -> str:
    """Return the system's reason, for a message."""
    return (error.strerror or str(error)).lower()
