"""Spill files: their format, and what threads do with them.

A file belongs to one shuffle and says so, so that a restarted node knows what it finds:

    "KVSPILL1"  birth  length of the id  the id  checksum of all before
    partition  map  attempt  seq  checksum of the payload  length  checksum of all before  payload
    ...

Numbers are 64 bits, little-endian. Nothing is ever synced: blocks may be lost, and a damaged one is
found by its checksum. A thread and the node share a job without a lock: the node fills it in, puts
it into the thread's queue, and reads what became of it when it comes out of the other one. The one
thing that changes meanwhile is the payload of a block that is dropped: the thread leaves it out.
"""

from __future__ import annotations

import errno
import struct
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, final

import xxhash
from mypy_extensions import i64

from kvnode.durability.disk import Disk, File, reason_of

if TYPE_CHECKING:
    from kvnode.shuffle.partition import Block
    from kvnode.shuffle.store import Store

_MAGIC: Final = b"KVSPILL1"
_NUMBER: Final = struct.Struct("<Q")
_NUMBERS: Final = struct.Struct("<6Q")
_HEADER_BYTES: Final = 56
_ID_BYTES_MAX: Final = 128
_GATHER_BYTES: Final = 1 << 18  # what is less is written at once, and read at once
_ALONE_BYTES: Final = 1 << 16  # payloads from here on are never copied
_PASSING: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


def checksum_of(payload: bytes) -> int:
    """Return a payload's checksum: XXH3 of 64 bits, unsigned."""
    return xxhash.xxh3_64_intdigest(payload)


@final
class SpillFile:
    """One file; `live` counts the blocks in it that are still wanted."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self.store = store
        self.size: i64 = 0
        self.live: i64 = 0
        self.blocks: list[Block] = []


class Job:
    """Something for a thread to do. `error` is empty once it was done."""

    def __init__(self) -> None:
        self.error = "its thread has ended"

    def run(self, disk: Disk) -> None:
        """Do it, in the thread."""
        raise NotImplementedError


@final
class WriteJob(Job):
    """A new file with these blocks, those of one attempt side by side as readers want them.

    `reserve` is how many bytes must stay free on the disk. When it is written `places` says where
    the payloads of `ordered` are, -1 for dropped ones.
    """

    def __init__(
        self, file: SpillFile, folder: str, blocks: list[Block], leaving: i64, reserve: i64
    ) -> None:
        super().__init__()
        self.file = file
        self.blocks = blocks
        self.leaving: i64 = leaving  # memory that it will free
        self.ordered: list[Block] = []
        self.places: list[int] = []
        self.written = 0
        self._folder = folder
        self._reserve: i64 = reserve
        self._pieces: list[bytes] = []
        self._gathered = 0

    def run(self, disk: Disk) -> None:
        name = self.file.name
        try:
            disk.make_folder(self._folder)
            if self._reserve > 0 and disk.free_bytes(self._folder) - self.leaving < self._reserve:
                self.error = "shuffle-disk-reserve is reached"
                return
            out = disk.create(name)
            try:
                self._write_all(out)
            finally:
                out.close()
            self.error = ""
        except OSError as error:
            self.error = reason_of(error)
            remove(disk, name)  # nothing of a failed one stays

    def _write_all(self, out: File) -> None:
        store = self.file.store
        self._write(out, file_header(store.name, store.birth))
        self.ordered = sorted(self.blocks, key=_reading_order)
        for block in self.ordered:
            payload = block.payload
            if payload is None:
                self.places.append(-1)
                continue
            self._write(out, block_header(block))
            self.places.append(self.written)
            self._write(out, payload)
        self._flush(out)

    def _write(self, out: File, data: bytes) -> None:
        self.written += len(data)
        if len(data) >= _ALONE_BYTES:
            self._flush(out)
            out.write(data)
            return
        self._pieces.append(data)
        self._gathered += len(data)
        if self._gathered >= _GATHER_BYTES:
            self._flush(out)

    def _flush(self, out: File) -> None:
        if self._pieces:
            out.write(b"".join(self._pieces))
            self._pieces = []
            self._gathered = 0


@final
class Run:
    """Blocks that lie side by side in a file, and their payloads once they were read.

    None stands for a damaged one. Of a file that is shorter than it was `size` is what is left.
    """

    def __init__(self, file: SpillFile, block: Block) -> None:
        self.file = file
        self.blocks: list[Block] = [block]
        self.begin: i64 = block.place
        self.end: i64 = block.place + block.length
        self.payloads: list[bytes | None] = []
        self.size: i64 = -1
        self.is_short = False

    def takes(self, block: Block) -> bool:
        """Take a block if it lies behind the last and all are small; return whether it does."""
        end = block.place + block.length
        if block.file is not self.file or end - self.begin > _GATHER_BYTES:
            return False
        if max(block.length, self.blocks[0].length) >= _ALONE_BYTES:
            return False
        if block.place != self.end + _HEADER_BYTES:
            return False
        self.blocks.append(block)
        self.end = end
        return True

    def read(self, disk: Disk, file: File) -> None:
        """Read and verify; where the whole cannot be read, block by block."""
        try:
            data = _read_range(file, self.begin, self.end)
            is_readable = len(data) == self.end - self.begin
        except OSError as error:
            if error.errno in _PASSING:
                raise
            is_readable = False
        if not is_readable:
            self.note_size(disk)
            self.payloads = [_read_one(file, block) for block in self.blocks]
        elif len(self.blocks) == 1:
            self.payloads = [data if checksum_of(data) == self.blocks[0].checksum else None]
        else:
            for block in self.blocks:
                first = block.place - self.begin
                payload = data[first : first + block.length]
                is_right = checksum_of(payload) == block.checksum
                self.payloads.append(payload if is_right else None)

    def note_size(self, disk: Disk) -> None:
        """Find out how much of the file is there."""
        self.size = disk.size(self.file.name)
        self.is_short = self.size < self.file.size


@final
class ReadJob(Job):
    """Payloads to be read back. `error` says that it may work later; nothing was lost then."""

    def __init__(self, runs: list[Run], arriving: i64) -> None:
        super().__init__()
        self.runs = runs
        self.arriving: i64 = arriving  # memory that it takes

    def run(self, disk: Disk) -> None:
        opened: File | None = None
        name = ""
        try:
            for run in self.runs:
                if opened is None or run.file.name != name:
                    if opened is not None:
                        opened.close()
                    name = run.file.name
                    opened = _open(disk, name)
                if opened is not None:
                    run.read(disk, opened)
                else:
                    run.note_size(disk)
                    run.payloads = [None] * len(run.blocks)
            self.error = ""
        except MemoryError:
            self.error = "out of memory"
        except OSError as error:
            self.error = reason_of(error)
        finally:
            if opened is not None:
                opened.close()


@final
class SearchJob(Job):
    """Files, of which one was not there any more: `gone` are all that are not."""

    def __init__(self, store: Store, files: list[SpillFile]) -> None:
        super().__init__()
        self.store = store
        self.files = files
        self.gone: list[SpillFile] = []

    def run(self, disk: Disk) -> None:
        try:
            self.gone = [file for file in self.files if disk.size(file.name) < 0]
            self.error = ""
        except OSError as error:
            self.error = reason_of(error)


@final
class RemoveJob(Job):
    """Files that nobody wants any more."""

    def __init__(self, files: list[SpillFile]) -> None:
        super().__init__()
        self.files = files

    def run(self, disk: Disk) -> None:
        for file in self.files:
            remove(disk, file.name)
        self.error = ""


@final
class Worker:
    """A thread that does jobs in their order; without threads they are done at once."""

    def __init__(self, disk: Disk, name: str, wake: Callable[[], None]) -> None:
        self._disk = disk
        self._name = name
        self._wake = wake
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._finished: SimpleQueue[Job] = SimpleQueue()
        self._running: threading.Thread | None = None

    def put(self, job: Job) -> None:
        """Have a job done."""
        if not self._disk.is_threaded:
            self._do(job)
            return
        self._jobs.put(job)
        if self._running is None or not self._running.is_alive():
            self._running = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._running.start()

    def take(self) -> Job | None:
        """Return a job that is over, None if there is none."""
        return None if self._finished.empty() else self._finished.get()

    def close(self) -> None:
        """End the thread when it has done what it was given, and wait for that."""
        if self._running is not None:
            self._jobs.put(None)
            self._running.join()
            self._running = None

    def _run(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Do a job; return False at the end. While it waits the thread holds no payloads."""
        job = self._jobs.get()
        if job is None:
            return False
        self._do(job)
        return True

    def _do(self, job: Job) -> None:
        try:
            job.run(self._disk)
        finally:
            # Also after a mistake of ours, which ends the thread: nobody may wait for ever.
            self._finished.put(job)
            self._wake()


def _reading_order(block: Block) -> tuple[int, int, int, int]:
    return block.partition, block.map, block.attempt, block.seq


def remove(disk: Disk, name: str) -> None:
    """Remove a file; one that cannot be removed is swept by the next start."""
    try:
        disk.remove(name)
    except OSError:
        return


def file_header(shuffle: bytes, birth: i64) -> bytes:
    """Return the header of a file."""
    begin = _MAGIC + _NUMBER.pack(birth) + _NUMBER.pack(len(shuffle)) + shuffle
    return begin + _NUMBER.pack(checksum_of(begin))


def read_file_header(file: File) -> tuple[bytes, int, int] | None:
    """Return the id, the birth and the header's size; None if it is not a whole header."""
    begin = _read_range(file, 0, 24)
    if len(begin) < 24 or begin[:8] != _MAGIC:
        return None
    birth: int = _NUMBER.unpack_from(begin, 8)[0]
    length: int = _NUMBER.unpack_from(begin, 16)[0]
    if length > _ID_BYTES_MAX:
        return None
    rest = _read_range(file, 24, 24 + length + 8)
    shuffle = rest[:length]
    if len(rest) < length + 8 or _NUMBER.unpack_from(rest, length)[0] != checksum_of(
        begin + shuffle
    ):
        return None
    return shuffle, birth, 24 + length + 8


def block_header(block: Block) -> bytes:
    """Return what is before a payload in a file."""
    numbers = _NUMBERS.pack(
        block.partition, block.map, block.attempt, block.seq, block.checksum, block.length
    )
    return numbers + _NUMBER.pack(checksum_of(numbers))


def read_block_header(file: File, place: i64) -> tuple[int, int, int, int, int, int, int] | None:
    """Return a header's numbers and the place of its payload; None if it is not a whole one."""
    header = _read_range(file, place, place + _HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return None
    if _NUMBER.unpack_from(header, _HEADER_BYTES - 8)[0] != checksum_of(header[:-8]):
        return None
    partition, map, attempt, seq, checksum, length = _NUMBERS.unpack_from(header)
    return partition, map, attempt, seq, checksum, length, place + _HEADER_BYTES


def _open(disk: Disk, name: str) -> File | None:
    """Open a file; None if it is not there or cannot be read."""
    try:
        return disk.open(name)
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return None


def _read_range(file: File, begin: i64, end: i64) -> bytes:
    """Return the bytes of a range, fewer where the file ends."""
    file.seek(begin)
    data = file.read(end - begin)
    if len(data) == end - begin or not data:
        return data
    pieces = [data]
    left = end - begin - len(data)
    while left > 0:
        data = file.read(left)
        if not data:
            break
        pieces.append(data)
        left -= len(data)
    return b"".join(pieces)


def _read_one(file: File, block: Block) -> bytes | None:
    """Return a block's payload, None if it is damaged."""
    try:
        payload = _read_range(file, block.place, block.place + block.length)
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return None
    return payload if checksum_of(payload) == block.checksum else None
