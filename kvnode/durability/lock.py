"""One process for one folder: two nodes that save to the same files would destroy each other's."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Final

from kvnode.config import ConfigError
from kvnode.durability.disk import reason_of

LOCK_FILE: Final = "kvnode.lock"


class FolderTaken(ConfigError):
    """Another process, or another node of this one, saves to the folder; `holder` is its id."""

    def __init__(self, folder: str, holder: str) -> None:
        super().__init__(
            f"dir {folder}: process {holder} saves its data there (allowed: a folder of "
            'its own for each node, or save "" to save nothing)'
        )
        self.holder = holder


class FolderLock:
    """A lock on a folder, which ends with the process however that ends."""

    def __init__(self) -> None:
        self._handle = -1
        self.folder = ""  # empty while it holds none

    def hold(self, folder: str = "") -> None:
        """Take a folder's lock, and let go of another one's; "" is the working folder.

        ConfigError: it cannot be taken; FolderTaken where somebody has it.
        """
        folder = folder or os.getcwd()
        if folder == self.folder:
            return
        path = os.path.join(folder, LOCK_FILE)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ConfigError(
                f"dir {folder}: {LOCK_FILE}: {reason_of(error)} (allowed: a folder that can be "
                'written, or save "" to save nothing)'
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 20).decode("ascii", "replace").strip()
            os.close(handle)
            raise FolderTaken(folder, holder or "?") from None
        with suppress(OSError):  # only for the message above, and the disk may be full
            os.ftruncate(handle, 0)
            os.write(handle, b"%d\n" % os.getpid())
        self.let_go()
        self._handle = handle
        self.folder = folder

    def is_held(self) -> bool:
        """Return whether the working folder is ours."""
        return self._handle >= 0

    def let_go(self) -> None:
        """Release the lock."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1
        self.folder = ""
