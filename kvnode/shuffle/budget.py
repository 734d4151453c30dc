"""How much memory shuffles may take, and how much a client may push.

Levels of the budget: from 70 % on partitions are spilled, at 85 % clients get no more credit, at
95 % pushes are refused. What clients were allowed and what is on its way fits between the last two.

Payloads in replies count until their peers have taken them, since nothing else bounds them: a
block may be spilled, or dropped, while a reply still holds its payload. All together they get a
quarter of the budget. Beyond that a peer gets one block at a time, so that who reads is not kept
waiting by who does not.
"""

from __future__ import annotations

import os
from typing import Final, final

from mypy_extensions import i64

CREDIT_BYTES_MAX: Final = 8 << 20
CREDIT_BYTES_MIN: Final = 64 << 10  # less would make clients wait for each block
_UNREAD_SHARE: Final = 4
_RECENT_SECONDS: Final = 1.0
_GROUP_FOLDER: Final = "/sys/fs/cgroup"


def _limit_in(path: str) -> int:
    """Return the limit that a file of the control group says, 0 for none."""
    try:
        with open(path, encoding="ascii") as file:
            text = file.read().strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdigit() else 0


def machine_memory(root: str = "/") -> int:
    """Return the machine's memory in bytes, or its control group's limit if that is less.

    Knows both versions of control groups; a group's limits hold for all groups inside it.
    """
    try:
        with open(os.path.join(root, "proc/meminfo"), encoding="ascii") as file:
            least = int(file.readline().split()[1]) << 10
    except OSError:  # not Linux
        least = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder in _group_folders(root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _limit_in(os.path.join(folder, name))
            if limit > 0:
                least = min(least, limit)
    return least


def _group_folders(root: str) -> list[str]:
    """Return the folders of this process's memory groups, from the innermost outwards."""
    mount = os.path.join(root, _GROUP_FOLDER[1:])
    folders: list[str] = []
    try:
        with open(os.path.join(root, "proc/self/cgroup"), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return folders
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        if controllers == "":
            base = mount
        elif "memory" in controllers.split(","):
            base = os.path.join(mount, "memory")
        else:
            continue
        while True:
            # In a container the path may be the host's: then only the mount's own files are there.
            folders.append(os.path.join(base, path.lstrip("/")))
            if path in ("", "/"):
                break
            path = os.path.dirname(path)
    return folders


@final
class Budget:
    """The memory of all shuffles.

    `used` has what they take, with overheads, `resident` the part of it that could be spilled, and
    `unread` the part that is in replies.
    """

    def __init__(self) -> None:
        self.used: i64 = 0
        self.resident: i64 = 0
        self.unread: i64 = 0
        self.max: i64 = 0
        self._setting: i64 = 0
        self._machine: i64 = 0
        self._recent: dict[int, None] = {}
        self._before: dict[int, None] = {}
        self._next_turn = 0.0
        self._is_awaited = False

    def set_max(self, setting: i64) -> None:
        """Follow `shuffle-memory`: bytes, or below 0 percent of the machine's memory."""
        if setting == self._setting:
            return
        self._setting = setting
        if setting < 0 and self._machine == 0:
            self._machine = machine_memory()
        self.max = setting if setting >= 0 else -setting * self._machine // 100

    def above_spill_level(self, leaving: i64) -> i64:
        """Return how many bytes more have to be spilled, if `leaving` are already."""
        return self.used - leaving - self.max * 70 // 100

    def has_room(self, size: i64) -> bool:
        """Return whether a push of this size may be taken."""
        return self.used + size <= self.max * 95 // 100

    def can_ever_hold(self, size: i64) -> bool:
        """Return whether it could be taken if nothing else was here."""
        return size <= self.max * 95 // 100

    def reply_bytes(self, wanted: i64) -> i64:
        """Return how many bytes of payloads a reply may have, besides its first block."""
        return max(min(wanted, self.max // _UNREAD_SHARE - self.unread), 0)

    def note_unread(self, size: i64) -> None:
        """Count payloads that are in a reply, or below 0 those that were taken."""
        self.unread += size
        self.used += size

    def credit(self, client: i64) -> i64:
        """Return a share of what is free for a client, one of those that asked lately."""
        self._recent[client] = None
        free = self._free()
        if free < CREDIT_BYTES_MIN:
            self._is_awaited = True
            return 0
        clients: i64 = max(len(self._recent), len(self._before))
        return min(max(free // clients, CREDIT_BYTES_MIN), CREDIT_BYTES_MAX)

    def has_relief(self) -> bool:
        """Return whether there is credit again for those that were told that there is none."""
        return self._is_awaited and self._free() >= CREDIT_BYTES_MIN

    def note_relieved(self) -> None:
        """Note that those who wait are asked again."""
        self._is_awaited = False

    def _free(self) -> i64:
        return self.max * 85 // 100 - self.used

    def tick(self, now: float) -> None:
        """Forget clients that have not asked for a while."""
        if now >= self._next_turn:
            self._next_turn = now + _RECENT_SECONDS
            self._before = self._recent
            self._recent = {}
