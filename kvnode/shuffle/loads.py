"""Spilled blocks on their way back to readers.

A reader that finds its next block on disk waits until a thread has read a window of what comes
next; while it works on a reply the next window is read. What is loaded counts in the budget and is
bounded: where there is no room, a reader that waits takes that of windows which were read ahead for
others, and reading ahead is left out. A payload is let go of with the reply that it goes into.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, final

from mypy_extensions import i64

from kvnode.durability.disk import Disk
from kvnode.shuffle.budget import Budget
from kvnode.shuffle.partition import Block, payload_size
from kvnode.shuffle.spill_file import ReadJob, Run, SearchJob, Worker
from kvnode.shuffle.store import Store

WINDOW_BLOCKS_MAX: Final = 1024
_WINDOW_BYTES_MAX: Final = 8 << 20
_LOADED_SHARE: Final = 8  # of the budget
_LOADED_BYTES_MIN: Final = 1 << 20
_RETRY_SECONDS: Final = 0.1


@final
class Loads:
    """What is loaded, what is being read, and who waits. `bytes` is the memory of the first two."""

    def __init__(self, disk: Disk, budget: Budget, wake: Callable[[], None]) -> None:
        self.bytes: i64 = 0
        self._budget = budget
        self._reader = Worker(disk, "shuffle-load", wake)
        self._loaded: OrderedDict[Block, None] = OrderedDict()
        self._fresh: dict[Block, None] = {}  # loaded since the last tick: for those who wait
        self._wanted: list[list[Block]] = []
        self._searches: list[SearchJob] = []
        self._reading: i64 = 0  # jobs
        self._now = 0.0
        self._retry = 0.0

    def bytes_max(self) -> i64:
        """Return how much may be loaded or being read."""
        return max(self._budget.max // _LOADED_SHARE, _LOADED_BYTES_MIN)

    def window_bytes(self) -> i64:
        """Return how much is read at once for one reader."""
        return min(self.bytes_max() // 4, _WINDOW_BYTES_MAX)

    def read(self, blocks: list[Block], is_awaited: bool) -> None:
        """Have some of these blocks read, the next of a reader; `is_awaited`: it waits for them."""
        if self._wanted:
            self._start_wanted()  # what was handed out made room
        window = self._window(blocks)
        if not window:
            return
        if is_awaited and not blocks[0].is_awaited:
            for block in window:
                block.is_awaited = True
            self._wanted.append(window)
            self._start_wanted()
        elif not self._wanted and self._now >= self._retry:
            size = _size(window)
            if self._has_room(size):
                self._start(window, size)

    def _window(self, blocks: list[Block]) -> list[Block]:
        """Return those of the first blocks that have to be read."""
        most = self.window_bytes()
        size: i64 = 0
        window: list[Block] = []
        for block in blocks:
            if size > 0 and size + payload_size(block) > most:
                break
            size += payload_size(block)
            if block.payload is None and block.file is not None and not block.is_awaited:
                window.append(block)
        return window

    def _has_room(self, size: i64) -> bool:
        is_within = self._budget.used + size <= self._budget.max
        return self.bytes == 0 or (is_within and self.bytes + size <= self.bytes_max())

    def _start_wanted(self) -> None:
        """Read for those who wait, in their order, as far as there is room."""
        while self._wanted and self._now >= self._retry:
            window = [block for block in self._wanted[0] if block.file is not None]
            size = _size(window)
            while not self._has_room(size) and self._loaded:
                self.hand_out(next(iter(self._loaded)))
            if not self._has_room(size):
                return
            del self._wanted[0]
            if window:
                self._start(window, size)

    def _start(self, window: list[Block], size: i64) -> None:
        runs: list[Run] = []
        for block in window:
            block.is_awaited = True
            file = block.file
            assert file is not None
            file.store.account(payload_size(block))
            if not runs or not runs[-1].takes(block):
                runs.append(Run(file, block))
        self.bytes += size
        self._reading += 1
        self._reader.put(ReadJob(runs, size))

    def tick(self, now: float) -> list[Run]:
        """Take what the thread has read; return the runs of which something is damaged.

        Their blocks are not awaited any more, and what could be read of them is loaded.
        """
        self._now = now
        self._loaded.update(self._fresh)
        self._fresh = {}
        damaged: list[Run] = []
        while (job := self._reader.take()) is not None:
            if isinstance(job, SearchJob):
                job.store.is_searched = False
                self._searches.append(job)
                continue
            assert isinstance(job, ReadJob)
            self._reading -= 1
            if job.error:
                self._read_again(job)
            else:
                for run in job.runs:
                    self._take(run)
                    if run.is_short or None in run.payloads:
                        damaged.append(run)
        self._start_wanted()
        return damaged

    def search(self, store: Store) -> None:
        """Find out which files of a shuffle are gone; `take_searches` will say it."""
        if not store.is_searched:
            store.is_searched = True
            self._reader.put(SearchJob(store, store.files()))

    def take_searches(self) -> list[SearchJob]:
        """Return the searches that have ended since the last call."""
        searches = self._searches
        self._searches = []
        return searches

    def _take(self, run: Run) -> None:
        for block, payload in zip(run.blocks, run.payloads, strict=True):
            block.is_awaited = False
            if block.file is run.file and payload is not None:
                block.payload = payload
                self._fresh[block] = None
            else:
                self._forget(run, block)

    def _read_again(self, job: ReadJob) -> None:
        """Try again soon what failed for a reason that passes."""
        self._retry = self._now + _RETRY_SECONDS
        window: list[Block] = []
        for run in job.runs:
            for block in run.blocks:
                self._forget(run, block)
                window.append(block)
        self._wanted.insert(0, window)

    def _forget(self, run: Run, block: Block) -> None:
        """Give back the room of a block that was not loaded after all."""
        size = payload_size(block)
        self.bytes -= size
        run.file.store.account(-size)

    def has_news(self) -> bool:
        """Return whether something was loaded in this tick."""
        return len(self._fresh) > 0

    def is_busy(self) -> bool:
        """Return whether the next tick has room to make, which no thread will announce."""
        return len(self._wanted) > 0 and self._reading == 0 and self._now >= self._retry

    def give_way(self, size: i64) -> None:
        """Let go of what nobody waits for, as far as a push of this size needs the room."""
        while self._loaded and not self._budget.has_room(size):
            self.hand_out(next(iter(self._loaded)))

    def hand_out(self, block: Block) -> None:
        """Let go of a loaded payload; the block stays in its file."""
        file = block.file
        assert file is not None
        block.payload = None
        self.bytes -= payload_size(block)
        file.store.account(-payload_size(block))
        if block in self._fresh:
            del self._fresh[block]
        else:
            del self._loaded[block]

    def check(self) -> None:
        """Assert the invariants; for tests."""
        size: i64 = 0
        for block in [*self._loaded, *self._fresh]:
            assert block.file is not None and block.payload is not None
            size += payload_size(block)
        assert size == self.bytes if self._reading == 0 else size <= self.bytes

    def close(self) -> None:
        """End the thread."""
        self._reader.close()


def _size(blocks: list[Block]) -> i64:
    size: i64 = 0
    for block in blocks:
        size += payload_size(block)
    return size
