"""The reading side of a shuffle: a partition's blocks in order, each one verified, none missing.

While the blocks of one FETCH are read, the next one is under way: its cursor comes first in the
reply. When the connection is lost, reading goes on behind the last block that was seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from kvclient.aio.bulk import Bulk
from kvclient.errors import ConnectError, Corrupted, KvError, MissingData
from kvclient.retrying import backoff_s
from kvclient.shuffle.blocks import CHECKSUM_SPAN, checksum_of
from kvclient.shuffle.codecs import Buffer
from kvclient.shuffle.terms import PartitionStatus
from kvclient.wire.bulk import ROOM_BYTES
from kvclient.wire.channel import INCOMPLETE

if TYPE_CHECKING:
    from kvclient.aio.shuffles import AsyncShuffle

# With twice that, and as much room to receive it, reading was slower by a tenth.
_CREDIT_BYTES: Final = 2 << 20
_PAUSE_S_MIN: Final = 0.01
_PAUSE_S_MAX: Final = 0.5
_START: Final = b"0"

B = TypeVar("B")


class Reading:
    """One pass over a partition, or over what some maps wrote to it."""

    def __init__(
        self, shuffle: AsyncShuffle, partition: int, maps: range | None, epoch: int
    ) -> None:
        self._shuffle = shuffle
        self._key = shuffle._terms.key(partition)
        self._partition = partition
        self._span = shuffle._span(maps)
        self._epoch = epoch
        self._bulk: Bulk | None = None
        self._last = (-1, -1)
        self._blocks = 0
        self._bytes = 0
        self._checksum = 0
        self._failures = 0
        self._progress_at = 0.0

    async def blocks(self, decode: Callable[[Buffer], B]) -> AsyncIterator[B]:
        """Yield what `decode` makes of each block, of which it must keep nothing.

        MissingData if at the end anything is missing, Corrupted for a block that is not as written.
        """
        expected = await self._shuffle._partition_status(self._partition, self._span)
        self._progress_at = time.monotonic()
        epoch = self._shuffle._epochs[self._partition] = self._epoch or expected.epoch
        cursor = _START
        try:
            while True:
                try:
                    count, following = await self._open(cursor, epoch)
                    for _ in range(count):
                        payload = await self._next()
                        if payload is not None:
                            value = decode(payload)
                            # Nothing may be received over it: what is yielded is a copy.
                            del payload
                            yield value
                            # What the caller took to work on it is no silence of the node's.
                            self._progress_at = time.monotonic()
                except ConnectError as error:
                    await self._pause(error)
                    continue
                cursor = following
                if cursor == _START:
                    break
        finally:
            await self._close()
        self._compare(expected)

    async def _open(self, cursor: bytes, epoch: int) -> tuple[int, bytes]:
        """Return how many blocks come now, and the cursor behind them, which is asked for next."""
        bulk = self._bulk
        if bulk is None:
            bulk = self._bulk = await self._shuffle._open_bulk(
                self._shuffle._deadline_s, ROOM_BYTES
            )
            await bulk.send(self._request(cursor, epoch))
        while (opening := bulk.reader.opening()) is INCOMPLETE:
            await bulk.fill()
        if isinstance(opening, KvError):
            raise opening
        count, following = opening
        if following != _START:
            await bulk.send(self._request(following, epoch))
        return count, following

    def _request(self, cursor: bytes, epoch: int) -> list[bytes]:
        words = [b"SHUFFLE.FETCH", self._key, cursor, b"CREDIT", b"%d" % _CREDIT_BYTES]
        return [*words, *self._span, b"EPOCH", b"%d" % epoch]

    async def _next(self) -> memoryview | None:
        """Return the next block, None for one that was seen before."""
        bulk = self._bulk
        assert bulk is not None, "_open() comes first"
        while (block := bulk.reader.block()) is INCOMPLETE:
            await bulk.fill()
        map, attempt, seq, checksum, payload = block
        if (map, seq) <= self._last:
            return None
        if checksum_of(payload) != checksum:
            raise Corrupted(
                f"{self._key.decode()}: block {seq} of map {map}, attempt {attempt}, does not have"
                f" its checksum {checksum}"
            )
        self._last = (map, seq)
        self._blocks += 1
        self._bytes += len(payload)
        self._checksum = (self._checksum + checksum) % CHECKSUM_SPAN
        self._failures = 0
        self._progress_at = time.monotonic()
        self._shuffle._progress.add(fetched=(1, len(payload)))
        return memoryview(payload)

    async def _pause(self, cause: ConnectError) -> None:
        await self._close()
        if time.monotonic() - self._progress_at >= self._shuffle._deadline_s:
            raise cause
        await asyncio.sleep(backoff_s(self._failures, _PAUSE_S_MIN, _PAUSE_S_MAX))
        self._failures += 1

    async def _close(self) -> None:
        bulk, self._bulk = self._bulk, None
        if bulk is not None:
            await bulk.close()

    def _compare(self, expected: PartitionStatus) -> None:
        seen = (self._blocks, self._bytes, self._checksum)
        due = (expected.blocks, expected.bytes, expected.checksum)
        if seen != due:
            raise MissingData(
                f"{self._key.decode()}: {seen[0]} blocks of {seen[1]} bytes, checksum {seen[2]};"
                f" the shuffle has {due[0]} blocks of {due[1]} bytes, checksum {due[2]}"
            )
