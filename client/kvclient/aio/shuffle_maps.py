"""The writing side of a shuffle: one attempt of a map task, from its payloads to its commit.

Payloads are gathered per partition into blocks; blocks leave in pushes, several of which are under
way at a time, as far as the server's credit goes. A push that is not acknowledged yet is kept: when
the connection is lost, or the server is full for now, it is sent again, which does no harm.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import secrets
import time
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from kvclient.aio.bulk import Bulk
from kvclient.errors import (
    ArgumentError,
    ConnectError,
    KvError,
    ProtocolError,
    ShuffleDuplicate,
    ShuffleFull,
    UsageError,
)
from kvclient.retrying import backoff_s
from kvclient.shuffle.blocks import (
    CHECKSUM_SPAN,
    PAYLOAD_BYTES_MAX,
    PAYLOADS,
    PICKLES,
    TABLES,
    WHOLE_PREFIX,
    Packer,
    Payloads,
    Pieces,
    checksum_of,
    whole_block,
)
from kvclient.shuffle.codecs import Buffer, codec_of
from kvclient.shuffle.terms import ATTEMPT_BITS, MapOutput
from kvclient.wire.channel import INCOMPLETE

if TYPE_CHECKING:
    from kvclient.aio.shuffles import AsyncShuffle
    from kvclient.shuffle.tables import By

_IN_FLIGHT_BYTES_MAX: Final = 16 << 20
_PUSH_BYTES: Final = 1 << 20
"""Small blocks share a push until they have so many bytes together."""
_BLOCKS_OF_A_TABLE: Final = 16
"""A larger table is cut: a block must fit into the node's memory, and into a request."""
_REPLIES_BYTES: Final = 16384
_CREDIT_WAIT_MS: Final = 500
_PAUSE_S_MIN: Final = 0.01
_PAUSE_S_MAX: Final = 0.5


class Push:
    """Blocks that are sent together; without any, a question for credit."""

    def __init__(self, words: list[Any], size: int = 0, blocks: int = 0) -> None:
        self.words = words
        self.size = size
        self.blocks = blocks


class Pusher:
    """Sends the pushes of one attempt, and keeps each until it is acknowledged."""

    def __init__(self, shuffle: AsyncShuffle) -> None:
        self._shuffle = shuffle
        self._turn = asyncio.Lock()  # replies are for one at a time
        self._bulk: Bulk | None = None
        self._due: deque[Push] = deque()
        self._sent: deque[Push] = deque()
        self._bytes_in_flight = 0
        self._credit = 0
        self._failures = 0
        self._progress_at = 0.0

    async def push(self, push: Push) -> None:
        """Send a push, when there is credit; ShuffleError if one of those before was refused."""
        self._due.append(push)
        async with self._turn:
            self._progress_at = time.monotonic()
            while self._due:
                await self._go_on()

    async def finish(self) -> None:
        """Wait until everything is acknowledged."""
        async with self._turn:
            self._progress_at = time.monotonic()
            while self._due or self._sent:
                await self._go_on()

    async def _go_on(self) -> None:
        """Take one step: connect, take a reply, send a push, or wait for a reply."""
        try:
            bulk = self._bulk
            if bulk is None:
                deadline_s = self._shuffle._core.options.deadline_s
                bulk = self._bulk = await self._shuffle._open_bulk(deadline_s, _REPLIES_BYTES)
                await self._ask_credit(bulk, 0)
            reply = bulk.reader.reply() if self._sent else INCOMPLETE
            if reply is not INCOMPLETE:
                await self._take(reply)
            elif self._due and self._has_room(self._due[0].size):
                push = self._due.popleft()
                self._sent.append(push)
                self._bytes_in_flight += push.size
                await bulk.send(push.words)
                await bulk.take_in()
            elif self._sent:
                await bulk.fill(_CREDIT_WAIT_MS / 1000)
            else:
                await self._ask_credit(bulk, _CREDIT_WAIT_MS)
        except ConnectError as error:
            await self.close()
            await self._pause(error)

    def _has_room(self, size: int) -> bool:
        """May a push of this size leave? One may always, where there is any credit."""
        if self._bytes_in_flight == 0:
            return self._credit > 0
        return self._bytes_in_flight + size <= min(self._credit, _IN_FLIGHT_BYTES_MAX)

    async def _ask_credit(self, bulk: Bulk, wait_ms: int) -> None:
        words = [b"SHUFFLE.PING", self._shuffle.id.encode()]
        self._sent.append(Push(words + [b"%d" % wait_ms] if wait_ms else words))
        await bulk.send(self._sent[-1].words)

    async def _take(self, reply: Any) -> None:
        push = self._sent.popleft()
        self._bytes_in_flight -= push.size
        if isinstance(reply, int):
            self._credit = reply
            if push.blocks:
                self._failures = 0
                self._progress_at = time.monotonic()
                self._shuffle._progress.add(pushed=(push.blocks, push.size))
            elif reply == 0:
                self._check_patience(ShuffleFull("SHUFFLEFULL the server gives no credit"))
        elif isinstance(reply, ShuffleFull):
            self._due.append(push)
            self._credit = 0
            await self._pause(reply)
        elif isinstance(reply, KvError):
            raise reply
        else:
            raise ProtocolError(f"an unexpected reply to a push: {reply!r}"[:200])

    async def _pause(self, cause: KvError) -> None:
        self._check_patience(cause)
        await asyncio.sleep(backoff_s(self._failures, _PAUSE_S_MIN, _PAUSE_S_MAX))
        self._failures += 1

    def _check_patience(self, cause: KvError) -> None:
        """Raise the cause if nothing was acknowledged for as long as the shuffle is patient."""
        if time.monotonic() - self._progress_at >= self._shuffle._deadline_s:
            raise cause

    async def close(self) -> None:
        """Close the connection; what was not acknowledged is due again."""
        bulk, self._bulk = self._bulk, None
        self._due.extendleft(push for push in reversed(self._sent) if push.blocks)
        self._sent.clear()
        self._bytes_in_flight = 0
        self._credit = 0
        if bulk is not None:
            await bulk.close()


class AsyncMapTask:
    """One attempt of a map: `async with` it and write. Its clean end commits, an exception aborts.

    `is_winner` says afterwards whether this attempt is the one that readers get. Another one of the
    same map may have won, which is no error: this one's data is dropped, and where it is noticed in
    the middle, the rest of the `with` is skipped.
    """

    def __init__(
        self,
        shuffle: AsyncShuffle,
        map: int,
        attempt: int | None,
        block_bytes: int,
        buffer_bytes: int,
    ) -> None:
        self.map = shuffle._terms.check_map(map)
        self.attempt = attempt or secrets.randbelow((1 << ATTEMPT_BITS) - 1) + 1
        if not 0 < self.attempt < 1 << ATTEMPT_BITS:
            raise ArgumentError(f"attempt is {attempt}, must be 1..2^{ATTEMPT_BITS}-1")
        self.winner: int | None = None
        self._is_over = False  # nothing more may be written
        self._shuffle = shuffle
        self._codec = codec_of(shuffle._terms.codec)
        self._block_bytes = block_bytes
        self._buffer_bytes = buffer_bytes
        self._packers: dict[tuple[bytes, int], Packer] = {}
        self._buffered = 0
        self._words: list[Any] = []
        self._words_size = 0
        # Of each partition: blocks, bytes, sum of the checksums.
        self._summary: dict[int, list[int]] = {}
        self._pusher = Pusher(shuffle)

    @property
    def is_winner(self) -> bool:
        """Whether this attempt was committed, and before any other of its map."""
        return self.winner == self.attempt

    async def write(self, partition: int, payload: bytes | bytearray | memoryview) -> None:
        """Write a payload, which a reader gets as it is; it returns when there is room for it."""
        # What its owner may change is copied: it leaves later.
        data = payload if type(payload) is bytes else bytes(payload)
        if len(data) >= self._block_bytes:
            await self._write_whole(partition, data)
        else:
            await self._add(PAYLOADS, partition, data)

    async def write_block(self, partition: int, payload: bytes | bytearray | memoryview) -> None:
        """Write a payload like `write`, but as a block of its own, which no other one shares.

        That spares gathering what is ready: it leaves as soon as 1 MiB is together.
        """
        data = payload if type(payload) is bytes else bytes(payload)
        await self._write_whole(partition, data)

    async def _write_whole(self, partition: int, data: bytes) -> None:
        self._check_size(data)
        self._check_open()
        self._shuffle._terms.check_partition(partition)
        place = (PAYLOADS, partition)
        packer = self._packers.get(place)
        if packer is not None and packer.size:
            # What was written before it comes before it.
            await self._close_block(place)
        if self._shuffle._terms.codec == "none":
            await self._add_block(partition, whole_block(data))
        else:
            await self._add_block(partition, self._codec.pack(WHOLE_PREFIX + data))

    async def write_pickle(self, partition: int, value: object) -> int:
        """Write any object by pickle; `read_objects` yields it. Return how many bytes that took.

        Only for readers that trust the writers.
        """
        data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        await self._add(PICKLES, partition, data)
        return len(data)

    async def _add(self, kind: bytes, partition: int, data: bytes) -> None:
        self._check_size(data)
        packer = self._packers.get((kind, partition))
        if packer is None:
            packer = self._pack((kind, partition), Payloads(kind))
        await self._gather((kind, partition), packer, data)

    async def write_table(self, table: Any, by: By) -> None:
        """Write an Arrow table or batch, or a pandas frame, each row to its key's partition.

        `by` names a column or several, whose hashes decide, or is a `Range`. `read_tables` yields
        Arrow tables; `to_pandas()` makes a frame of one, its index but a RangeIndex included.
        """
        # pyarrow and numpy are wanted only by whoever has tables.
        from kvclient.shuffle import tables

        partitions = self._shuffle.partitions
        for partition, part in tables.partitioned(tables.as_table(table), by, partitions):
            await self.write_part(partition, part)

    async def write_part(self, partition: int, table: Any) -> None:
        """Write a table whose rows all belong to one partition; a large one becomes several."""
        # See `write_table`.
        from kvclient.shuffle import tables

        packer = self._packers.get((TABLES, partition))
        if packer is None:
            packer = self._pack((TABLES, partition), tables.Tables())
        for piece in tables.sliced(tables.as_table(table), _BLOCKS_OF_A_TABLE * self._block_bytes):
            await self._gather((TABLES, partition), packer, piece)

    def _pack(self, place: tuple[bytes, int], packer: Packer) -> Packer:
        """Gather from now on what is of one kind, for one partition."""
        self._shuffle._terms.check_partition(place[1])
        self._packers[place] = packer
        return packer

    def _check_size(self, data: bytes) -> None:
        if len(data) > PAYLOAD_BYTES_MAX:
            raise ArgumentError(f"a payload has {len(data)} bytes, may have {PAYLOAD_BYTES_MAX}")

    def _check_open(self) -> None:
        if self._is_over:
            raise UsageError(f"map {self.map}: the attempt has ended, nothing more can be written")

    async def _gather(self, place: tuple[bytes, int], packer: Packer, data: Any) -> None:
        self._check_open()
        was = packer.size
        packer.add(data)
        self._buffered += packer.size - was
        if packer.size >= self._block_bytes or self._buffered > self._buffer_bytes:
            await self._make_room(place)

    async def _make_room(self, full: tuple[bytes, int]) -> None:
        """Close a block that is large enough; where all together are too large, the largest."""
        packers = self._packers
        if packers[full].size >= self._block_bytes:
            await self._close_block(full)
        if self._buffered > self._buffer_bytes:
            for place in sorted(packers, key=lambda place: packers[place].size, reverse=True):
                if self._buffered * 2 <= self._buffer_bytes:
                    break
                await self._close_block(place)

    async def _close_block(self, place: tuple[bytes, int]) -> None:
        packer = self._packers[place]
        self._buffered -= packer.size
        await self._add_block(place[1], self._codec.pack(packer.block()))

    async def _add_block(self, partition: int, payload: Buffer | Pieces) -> None:
        """Send a block, or keep it until a push is full."""
        size = sum(map(len, payload)) if isinstance(payload, tuple) else len(payload)
        checksum = checksum_of(payload)
        totals = self._summary.setdefault(partition, [0, 0, 0])
        if not self._words:
            self._words = [b"SHUFFLE.MPUSH", b"%d" % self.map, b"%d" % self.attempt]
        key = self._shuffle._terms.key(partition)
        self._words += [key, b"%d" % totals[0], b"%d" % checksum, payload]
        self._words_size += size
        totals[0] += 1
        totals[1] += size
        totals[2] = (totals[2] + checksum) % CHECKSUM_SPAN
        if self._words_size >= _PUSH_BYTES:
            await self._push()

    async def _push(self) -> None:
        words, self._words = self._words, []
        size, self._words_size = self._words_size, 0
        if words:
            await self._pusher.push(Push(words, size, (len(words) - 3) // 4))

    async def prepare(self) -> MapOutput:
        """Push what is buffered, after which nothing more can be written.

        Return what `Shuffle.commit_map` commits, in any process.
        """
        self._is_over = True
        for place, packer in self._packers.items():
            if packer.size:
                await self._close_block(place)
        await self._push()
        await self._pusher.finish()
        summary = [[partition, *totals] for partition, totals in self._summary.items()]
        text = json.dumps(sorted(summary), separators=(",", ":"))
        return MapOutput(self.map, self.attempt, text)

    async def commit(self) -> bool:
        """Push what is buffered, and commit; return whether this attempt is the winner."""
        if self.winner is None:
            try:
                self.winner = await self._shuffle.commit_map(await self.prepare())
            except ShuffleDuplicate as error:
                self._lose(error)
            finally:
                await self._pusher.close()
        return self.is_winner

    def _lose(self, error: ShuffleDuplicate) -> None:
        """Another attempt has won, which the error names."""
        self._is_over = True
        winner = error.message.split()[1:2]
        self.winner = int(winner[0]) if winner and winner[0].isdigit() else 0

    async def abort(self) -> None:
        """Drop what this attempt has pushed."""
        self._is_over = True
        await self._pusher.close()
        if self.winner is None:
            self.winner = 0
            await self._shuffle.abort_map(self.map, self.attempt)

    async def __aenter__(self) -> AsyncMapTask:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, ShuffleDuplicate):
            self._lose(error)
            await self._pusher.close()
            return True
        is_done = False
        try:
            if error is None:
                await self.commit()
                is_done = True
        finally:
            if not is_done:
                # The lease, or the end of the shuffle, frees what cannot be told now.
                with suppress(KvError):
                    await self.abort()
        return False
