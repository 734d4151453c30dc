"""A shuffle: intermediate data of a batch job, from its map tasks to its reduce tasks, once each.

Every call here may be repeated when its reply was lost, and is, for as long as the shuffle is
patient (`deadline_s`); blocks travel on connections of their own.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

from kvclient.aio.bulk import Bulk, open_bulk
from kvclient.aio.client import AsyncClient
from kvclient.aio.renewal import Renewal
from kvclient.aio.shuffle_maps import AsyncMapTask
from kvclient.aio.shuffle_reads import Reading
from kvclient.errors import (
    ArgumentError,
    DeadlineExceeded,
    KvError,
    OutcomeUnknown,
    ShuffleGone,
    Unavailable,
)
from kvclient.retrying import backoff_s
from kvclient.shuffle.blocks import PICKLES, payloads_of
from kvclient.shuffle.codecs import Buffer, codec_of
from kvclient.shuffle.terms import (
    MapOutput,
    PartitionStatus,
    Progress,
    ShuffleProgress,
    ShuffleStatus,
    Terms,
    as_missing,
    as_open,
    as_partition_status,
    as_sealed,
    as_status,
    as_winner,
    check_options,
)

_TTL_S: Final = 600
_DEADLINE_S: Final = 60.0
_BLOCK_BYTES: Final = 1 << 20
_BUFFER_BYTES: Final = 64 << 20
_RENEWALS: Final = 3
"""How often a lease is renewed in its lifetime: two may fail."""
_WAIT_S: Final = 10.0
"""A wait asks again after so long, so that a server that is gone is noticed."""


class AsyncShuffle:
    """A handle of a shuffle; `open` or `attach` makes one. It may be pickled, with its client.

    `async with` it where it was opened: it is kept alive meanwhile, and ended at the end. Tasks
    elsewhere attach to it by its id.
    """

    def __init__(
        self,
        client: AsyncClient[Any],
        terms: Terms,
        deadline_s: float = _DEADLINE_S,
        on_progress: Callable[[ShuffleProgress], object] | None = None,
        is_owner: bool = False,
    ) -> None:
        self._client = client
        self._core = client._core
        self._terms = terms
        self._deadline_s = deadline_s
        self._is_owner = is_owner
        self._progress = Progress(on_progress)
        self._renewal: Renewal | None = None
        self._epochs: dict[int, int] = {}  # in which partitions were read

    @staticmethod
    async def open(
        client: AsyncClient[Any],
        id: str,
        *,
        maps: int,
        partitions: int,
        codec: str = "none",
        deterministic: bool = False,
        ttl_s: int = _TTL_S,
        quota: int | None = None,
        replicas: int = 1,
        deadline_s: float = _DEADLINE_S,
        on_progress: Callable[[ShuffleProgress], object] | None = None,
    ) -> AsyncShuffle:
        """Open a shuffle for `maps` map tasks and so many partitions, which is kept for `ttl_s`.

        `codec` is none, lz4 or zstd. `deterministic` says that a map which runs again writes the
        same, so that readers need not begin anew after a loss. `quota` is in bytes. `deadline_s` is
        for how long writes, reads and calls may make no progress. Opening it again with the same
        parameters is no error.
        """
        terms = Terms(id, maps, partitions, codec, deterministic, ttl_s)
        codec_of(codec)  # whether its library is there
        check_options(client.options, hasattr(client._core, "engine"))
        argv: list[Any] = [b"SHUFFLE.OPEN", id, maps, partitions, b"TTL", ttl_s, b"CODEC", codec]
        if replicas != 1:
            argv += [b"REPLICAS", replicas]
        if quota is not None:
            argv += [b"QUOTA", quota]
        if deterministic:
            argv.append(b"DETERMINISTIC")
        shuffle = AsyncShuffle(client, terms, deadline_s, on_progress, is_owner=True)
        await shuffle._ask(tuple(argv), as_open)
        return shuffle

    @staticmethod
    async def attach(
        client: AsyncClient[Any],
        id: str,
        *,
        deadline_s: float = _DEADLINE_S,
        on_progress: Callable[[ShuffleProgress], object] | None = None,
    ) -> AsyncShuffle:
        """Return a handle of a shuffle that is open; ShuffleGone if there is none."""
        check_options(client.options, hasattr(client._core, "engine"))
        shuffle = AsyncShuffle(client, Terms(id, 1, 1, "none", False, 1), deadline_s, on_progress)
        status = await shuffle.status()
        shuffle._terms = Terms(
            id,
            status.maps,
            status.partitions,
            status.codec,
            status.is_deterministic,
            status.ttl_s,
        )
        return shuffle

    @property
    def id(self) -> str:
        """Its name."""
        return self._terms.id

    @property
    def maps(self) -> int:
        """How many map tasks it has."""
        return self._terms.maps

    @property
    def partitions(self) -> int:
        """How many partitions it has."""
        return self._terms.partitions

    @property
    def progress(self) -> ShuffleProgress:
        """How far this handle has come."""
        return self._progress.now

    # --- writing ----------------------------------------------------------------------------------

    def map_task(
        self,
        map: int,
        attempt: int | None = None,
        *,
        block_bytes: int = _BLOCK_BYTES,
        buffer_bytes: int = _BUFFER_BYTES,
    ) -> AsyncMapTask:
        """Return an attempt of a map, to be used in `async with`; see `AsyncMapTask`.

        Up to `buffer_bytes` are gathered, so that blocks have about `block_bytes`.
        """
        return AsyncMapTask(self, map, attempt, block_bytes, buffer_bytes)

    async def commit_map(self, output: MapOutput) -> int:
        """Commit what an attempt has prepared; return the attempt that has won, this or another."""
        argv = (b"SHUFFLE.COMMIT", self.id, output.map, output.attempt, output.summary)
        winner: int | None = await self._ask(argv, as_winner)
        if winner is not None:
            return winner
        self._progress.add(maps_committed=1)
        return output.attempt

    async def abort_map(self, map: int, attempt: int) -> None:
        """Drop what an attempt has pushed; ShuffleCommitted if it has won."""
        await self._ask((b"SHUFFLE.ABORT", self.id, map, attempt), None)

    async def seal(self, maps: int | None = None) -> int:
        """Say that no more maps will be committed; return the epoch.

        It happens by itself when all are. `maps` is how many are committed, where not all will be.
        """
        count = () if maps is None else (b"MAPS", maps)
        epoch: int = await self._ask((b"SHUFFLE.SEAL", self.id, *count), int)
        return epoch

    # --- reading ----------------------------------------------------------------------------------

    async def wait(self, timeout_s: float | None = None, epoch: int = 0) -> int:
        """Wait until it is sealed, in `epoch` or a later one; return the epoch.

        DeadlineExceeded after `timeout_s`, None for ever; ShuffleGone if it ends meanwhile.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        since = time.monotonic()
        # Who waits does not renew the lease, but who asks does.
        wait_s = min(_WAIT_S, self._terms.ttl_s / _RENEWALS)
        attempt = 0
        while True:
            left_s = wait_s if until is None else min(wait_s, until - time.monotonic())
            ms = max(1, round(left_s * 1000))
            argv = (b"SHUFFLE.WAIT", self.id, ms, b"EPOCH", epoch)
            sealed: int | None = None
            try:
                sealed = await self._core.send_waiting(
                    argv, as_sealed, ms / 1000, self._core.options.deadline_s
                )
                since = time.monotonic()
            except (OutcomeUnknown, Unavailable):
                if time.monotonic() - since >= self._deadline_s:
                    raise
                await asyncio.sleep(self._pause_s(attempt))
                attempt += 1
            if sealed is not None:
                return sealed
            if until is not None and time.monotonic() >= until:
                raise DeadlineExceeded(f"{self.id}: not sealed within {timeout_s:g} s")

    async def read(
        self, partition: int, maps: range | None = None, epoch: int = 0
    ) -> AsyncIterator[bytes]:
        """Yield the payloads of a partition, or of what some maps wrote to it, in order.

        It has to be sealed. At the end the counts are compared with the shuffle's: MissingData.
        `epoch` is the one, from `wait`, to which all that is read together belongs: ShuffleStale.
        """
        unpack = self._unpack_in_place()
        reading = Reading(self, partition, maps, epoch)
        async for payloads in reading.blocks(lambda block: list(payloads_of(unpack(block)))):
            for payload in payloads:
                yield payload

    async def read_objects(
        self, partition: int, maps: range | None = None, epoch: int = 0
    ) -> AsyncIterator[Any]:
        """Yield what was written by `write_pickle`, which must come from who is trusted."""
        unpack = self._unpack_in_place()
        reading = Reading(self, partition, maps, epoch)

        def decode(block: Buffer) -> list[Any]:
            return [pickle.loads(data) for data in payloads_of(unpack(block), PICKLES)]

        async for values in reading.blocks(decode):
            for value in values:
                yield value

    async def read_tables(
        self, partition: int, maps: range | None = None, epoch: int = 0
    ) -> AsyncIterator[Any]:
        """Yield the Arrow tables of a partition, one for each block."""
        # pyarrow is wanted only by whoever has tables.
        from kvclient.shuffle.tables import table_of

        unpack = codec_of(self._terms.codec).unpack
        reading = Reading(self, partition, maps, epoch)
        async for table in reading.blocks(lambda block: table_of(unpack(block))):
            yield table

    def _unpack_in_place(self) -> Callable[[Buffer], Buffer]:
        """Return what decompresses; what is not compressed stays where it lies."""
        if self._terms.codec == "none":
            return _as_it_is
        return codec_of(self._terms.codec).unpack

    async def acknowledge(self, partition: int) -> None:
        """Say that a partition was consumed: its memory is freed, and it cannot be read again.

        ShuffleStale if what this handle has read of it belongs to an earlier epoch.
        """
        argv: tuple[Any, ...] = (b"SHUFFLE.ACK", self._terms.key(partition))
        if partition in self._epochs:
            argv += (b"EPOCH", self._epochs[partition])
        await self._ask(argv, None)

    # --- what it is -------------------------------------------------------------------------------

    async def missing(self) -> list[int]:
        """Return the maps that have to run: not committed yet, or with blocks that are lost."""
        return (await self._missing())[1]

    async def _missing(self) -> tuple[int, list[int]]:
        found: tuple[int, list[int]] = await self._ask((b"SHUFFLE.MISSING", self.id), as_missing)
        return found

    async def status(self) -> ShuffleStatus:
        """Return what the server says of it."""
        status: ShuffleStatus = await self._ask((b"SHUFFLE.STATUS", self.id), as_status)
        return status

    async def partition_status(self, partition: int, maps: range | None = None) -> PartitionStatus:
        """Return what a sealed partition consists of."""
        self._terms.check_partition(partition)
        return await self._partition_status(partition, self._span(maps))

    async def _partition_status(self, partition: int, span: list[bytes]) -> PartitionStatus:
        argv = (b"SHUFFLE.STATUS", self.id, b"PARTITION", partition, *span)
        status: PartitionStatus = await self._ask(argv, as_partition_status)
        return status

    def _span(self, maps: range | None) -> list[bytes]:
        """Return the words that name some maps."""
        if maps is None:
            return []
        if maps.step != 1 or not maps or maps.start < 0:
            raise ArgumentError(f"maps is {maps}, must be a range that is not empty, of step 1")
        return [b"MAPS", b"%d" % maps.start, b"%d" % (maps.stop - 1)]

    # --- its life ---------------------------------------------------------------------------------

    async def renew(self) -> bool:
        """Begin its lease anew; return whether it was still there."""
        try:
            await self._ask((b"SHUFFLE.PING", self.id), int)
        except ShuffleGone:
            return False
        return True

    async def end(self) -> bool:
        """End it, and free what it has; return whether it was still there."""
        return bool(await self._ask((b"SHUFFLE.END", self.id), int))

    async def __aenter__(self) -> AsyncShuffle:
        self._renewal = Renewal(self.renew, self._terms.ttl_s / _RENEWALS)
        self._renewal.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            await renewal.stop()
        if not self._is_owner:
            return
        if error is None:
            await self.end()
            return
        # What happened inside matters more; the lease ends it, too.
        with suppress(KvError):
            await self.end()

    async def _ask(self, argv: tuple[Any, ...], shape: Callable[[Any], Any] | None) -> Any:
        """Return a reply; the request is sent again when it was lost."""
        sender = self._core.sender(self._core.options.deadline_s)
        until = time.monotonic() + self._deadline_s
        attempt = 0
        while True:
            try:
                return await sender.send(argv, shape)
            except (OutcomeUnknown, Unavailable):
                pause = self._pause_s(attempt)
                if self._core.is_closed or time.monotonic() + pause >= until:
                    raise
            await asyncio.sleep(pause)
            attempt += 1

    def _pause_s(self, attempt: int) -> float:
        options = self._core.options
        return backoff_s(attempt, options.backoff_min_s, options.backoff_max_s)

    async def _open_bulk(self, limit_s: float, room_bytes: int) -> Bulk:
        """Return a connection for blocks; `limit_s` is for how long it may be silent."""
        argv = (b"SHUFFLE.STATUS", self.id)
        deadline_s = self._core.options.deadline_s
        return await open_bulk(self._core, argv, limit_s, deadline_s, room_bytes)

    def __getstate__(self) -> dict[str, Any]:
        return {"client": self._client, "terms": self._terms, "deadline_s": self._deadline_s}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


def _as_it_is(block: Buffer) -> Buffer:
    return block
