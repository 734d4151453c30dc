"""Which blocks go to disk, and what becomes of their files.

Above the spill level of the budget the oldest blocks of the largest partition are written, some MiB
at a time, by one thread; small partitions of one shuffle share a file. Memory is freed once a file
is complete. A file that cannot be written is removed, its blocks stay in memory, and the disk is
tried again after a second. Nothing is written that would leave the disk, which the log may share,
less free than its reserve. A file is removed with the last block in it that is wanted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final, final

from mypy_extensions import i64

from kvnode.config.settings import Settings
from kvnode.durability.disk import Disk, File, reason_of
from kvnode.durability.leftovers import is_alive
from kvnode.shuffle.budget import Budget
from kvnode.shuffle.partition import Block, Partition, payload_size
from kvnode.shuffle.spill_file import (
    RemoveJob,
    SpillFile,
    Worker,
    WriteJob,
    read_block_header,
    read_file_header,
    remove,
)
from kvnode.shuffle.store import Store

_WRITE_BYTES_MAX: Final = 8 << 20
_WRITE_BYTES_MIN: Final = 1 << 18
_WRITE_BLOCKS_MAX: Final = 1024  # all of them are looked at when the file is complete
_WRITES_MAX: Final = 2  # one is written, one waits
_RETRY_SECONDS: Final = 1.0
_NAME: Final = re.compile(r"spill-([0-9a-f]{12})\.kvs")
# A file's number has the process that wrote it and a count: nodes that save nothing may share a
# folder.
_COUNT_BITS: Final = 24


@final
class Spill:
    """All spill files. `bytes` counts what is on the disk, `failure` why the last write failed."""

    def __init__(
        self, settings: Settings, disk: Disk, budget: Budget, wake: Callable[[], None]
    ) -> None:
        self.bytes: i64 = 0
        self.pending: i64 = 0
        self.failure = ""
        self._settings = settings
        self._disk = disk
        self._budget = budget
        self._writer = Worker(disk, "shuffle-spill", wake)
        self._leaving: i64 = 0
        self._unwanted: list[SpillFile] = []
        self._number = os.getpid() << _COUNT_BITS  # of the last file
        self._folder = ""
        self._now = 0.0
        self._retry = 0.0

    def _folder_name(self) -> str:
        """Return the folder of the files, which stays where it was when it was first needed."""
        if not self._folder:
            self._folder = self._disk.absolute(self._settings.shuffle_dir)
        return self._folder

    # --- writing ----------------------------------------------------------------------------------

    def is_due(self) -> bool:
        """Return whether something should be written now. O(1)."""
        budget = self._budget
        return (
            self.pending < _WRITES_MAX
            and budget.above_spill_level(self._leaving) > 0
            and budget.resident >= self._write_bytes() // 4
            and self._now >= self._retry
        )

    def _write_bytes(self) -> i64:
        return min(max(self._budget.max // 32, _WRITE_BYTES_MIN), _WRITE_BYTES_MAX)

    def start(self, stores: dict[bytes, Store]) -> None:
        """Write what is due. O(number of partitions) for each file."""
        while self.is_due():
            size = self._write_bytes()
            most = self._settings.shuffle_disk_max
            if most > 0 and self.bytes + self._leaving + size > most:
                self._give_up("shuffle-disk-max is reached")
                return
            store = _with_largest_partition(stores)
            if store is None:
                return
            self._write(store, size)

    def _write(self, store: Store, size: i64) -> None:
        """Write the oldest blocks of the largest partitions of a shuffle into a file."""
        blocks: list[Block] = []
        leaving: i64 = 0
        for place in sorted(store.partitions().values(), key=_resident, reverse=True):
            leaving += place.take_oldest(size - leaving, _WRITE_BLOCKS_MAX, blocks)
            if leaving >= size or len(blocks) >= _WRITE_BLOCKS_MAX:
                break
        for block in blocks:
            block.is_awaited = True
        self._budget.resident -= leaving
        self._leaving += leaving
        self.pending += 1
        folder = self._folder_name()
        self._number += 1
        file = SpillFile(f"{folder}/spill-{self._number:012x}.kvs", store)
        reserve = self._settings.shuffle_disk_reserve
        self._writer.put(WriteJob(file, folder, blocks, leaving, reserve))

    def tick(self, now: float) -> bool:
        """Take what the thread has done; return whether there was something."""
        self._now = now
        has_news = False
        while (job := self._writer.take()) is not None:
            has_news = True
            if isinstance(job, WriteJob):
                self._note_written(job)
            elif isinstance(job, RemoveJob):
                for file in job.files:
                    self.bytes -= file.size
        if self._unwanted:
            files = self._unwanted
            self._unwanted = []
            self._writer.put(RemoveJob(files))
        return has_news

    def _note_written(self, job: WriteJob) -> None:
        self.pending -= 1
        self._leaving -= job.leaving
        store = job.file.store
        if job.error:
            self._give_up(job.error)
            for block in job.blocks:
                block.is_awaited = False
            store.take_back(job.blocks)
            return
        self.failure = ""
        file = job.file
        file.size = job.written
        self.bytes += file.size
        for index in range(len(job.ordered)):
            block = job.ordered[index]
            block.is_awaited = False
            if block.payload is not None:
                block.payload = None
                block.place = job.places[index]
                self._add(file, block)
                store.account(-payload_size(block))
        if file.live == 0:
            self._unwanted.append(file)

    def _add(self, file: SpillFile, block: Block) -> None:
        block.file = file
        file.blocks.append(block)
        file.live += 1
        file.store.note_spilled(block, 1)

    def _give_up(self, failure: str) -> None:
        """Try again later."""
        self.failure = failure
        self._retry = self._now + _RETRY_SECONDS

    def release(self, block: Block) -> None:
        """Let go of a block in a file."""
        file = block.file
        assert file is not None
        block.file = None
        file.store.note_spilled(block, -1)
        file.live -= 1
        if file.live == 0:
            file.blocks = []
            self._unwanted.append(file)

    def close(self) -> None:
        """End the thread."""
        self._writer.close()

    # --- starting ---------------------------------------------------------------------------------

    def recover(self, stores: dict[bytes, Store]) -> None:
        """Index the files of these shuffles, remove the others; a file ends where it is damaged.

        Those of other nodes that run are left alone.
        """
        folder = self._folder_name()
        try:
            names = self._disk.names(folder)
        except OSError as error:
            self.failure = reason_of(error)
            return
        for name in names:
            found = _NAME.fullmatch(name)
            if found is None:
                continue
            number = int(found[1], 16)
            process = number >> _COUNT_BITS
            if process == os.getpid():
                self._number = max(self._number, number)
            elif process > 0 and is_alive(process):
                continue
            if not self._recover_file(f"{folder}/{name}", stores):
                remove(self._disk, f"{folder}/{name}")

    def _recover_file(self, name: str, stores: dict[bytes, Store]) -> bool:
        """Index a file's blocks; return whether any is wanted."""
        try:
            opened = self._disk.open(name)
            try:
                header = read_file_header(opened)
                if header is None:
                    return False
                store = stores.get(header[0])
                if store is None or store.birth != header[1]:
                    return False
                file = SpillFile(name, store)
                file.size = self._index(file, opened, header[2])
            finally:
                opened.close()
            if file.live > 0 and file.size < self._disk.size(name):
                self._disk.truncate(name, file.size)
        except OSError:
            return False
        if file.live > 0:
            self.bytes += file.size
        return file.live > 0

    def _index(self, file: SpillFile, opened: File, place: i64) -> i64:
        """Take over the whole blocks of a file; return where they end."""
        size: i64 = self._disk.size(file.name)
        while (header := read_block_header(opened, place)) is not None:
            partition, map, attempt, seq, checksum, length, begin = header
            if begin + length > size:
                break
            place = begin + length
            contribution = file.store.contribution(partition, map, attempt)
            if contribution.find(seq) is None:
                block = Block(partition, map, attempt, seq, checksum, length)
                block.place = begin
                file.store.add(contribution, block)
                self._add(file, block)
        return place


def _resident(place: Partition) -> int:
    return place.resident


def _with_largest_partition(stores: dict[bytes, Store]) -> Store | None:
    """Return the shuffle that has the partition with most to spill, None if none has any."""
    found: Store | None = None
    most: i64 = 0
    for store in stores.values():
        for place in store.partitions().values():
            if place.resident > most:
                most = place.resident
                found = store
    return found
