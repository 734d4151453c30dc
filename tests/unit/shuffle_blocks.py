"""An owner on a disk in memory, and blocks to push into it."""

from __future__ import annotations

import pytest

from kvnode.config.settings import Settings
from kvnode.durability.disk import Disk
from kvnode.shuffle.owner import START, Fetched, FetchedBlock, Owner
from kvnode.shuffle.spill_file import checksum_of
from kvprotocol.errors import ReplyError

from .disks import MemoryDisk

NAME = b"job"
BIRTH = 1_700_000_000_000
KILOBYTE = 1 << 10


def payload_of(partition: int, map: int, attempt: int, seq: int, size: int) -> bytes:
    """A payload that no other block has."""
    return f"{partition}/{map}/{attempt}/{seq}:".encode().ljust(size, b".")


class Rig:
    """An owner with a budget of 1 MiB, of which 716 KiB stay in memory."""

    def __init__(self, disk: Disk | None = None, memory: int = 1 << 20) -> None:
        self.memory_disk = MemoryDisk()
        self.disk = disk or self.memory_disk
        self.settings = Settings()
        self.settings.shuffle_memory = memory
        self.settings.shuffle_disk_reserve = 0
        self.wakes = 0
        self.now = 100.0
        self.owner = self.started()

    def started(self) -> Owner:
        return Owner(self.settings, self.disk, self.wake)

    def wake(self) -> None:
        self.wakes += 1

    def push(
        self,
        partition: int,
        map: int,
        seq: int,
        size: int = 64 * KILOBYTE,
        attempt: int = 7,
        name: bytes = NAME,
        quota: int = 0,
    ) -> None:
        payload = payload_of(partition, map, attempt, seq, size)
        checksum = checksum_of(payload)
        self.owner.push(name, BIRTH, partition, map, attempt, seq, checksum, payload, quota)
        self.owner.check()

    def tick(self, seconds: float = 0.01) -> bool:
        self.now += seconds
        has_news = self.owner.tick(self.now)
        self.owner.check()
        return has_news

    def settle(self) -> None:
        """Let everything finish that was begun."""
        for _ in range(20):
            self.tick()

    def fetch(self, partition: int, winners: dict[int, int]) -> Fetched:
        """The first reply from a partition that is not `is_loading`."""
        for _ in range(20):
            fetched = self.owner.fetch(NAME, partition, winners, START, 1 << 40, 1 << 40, 1 << 20)
            if not fetched.is_loading:
                return fetched
            self.tick()
        raise AssertionError("it loads for ever")

    def read(self, partition: int, winners: dict[int, int]) -> list[FetchedBlock]:
        """All blocks of a partition."""
        found: list[FetchedBlock] = []
        cursor = START
        for _ in range(1000):
            fetched = self.owner.fetch(NAME, partition, winners, cursor, 1 << 40, 1 << 18, 1 << 20)
            assert not fetched.lost
            found += fetched.blocks
            if fetched.next is None:
                return found
            cursor = fetched.next
            self.tick()
        raise AssertionError("it never ends")

    def refusal(self, partition: int, map: int, seq: int, size: int, quota: int = 0) -> str:
        """The error of a push."""
        with pytest.raises(ReplyError) as caught:
            self.push(partition, map, seq, size, quota=quota)
        return caught.value.message

    def files(self) -> list[str]:
        return sorted(self.memory_disk.content)
