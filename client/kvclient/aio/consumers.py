"""One consumer of a consumer group: what was left over, what others left lying, what is new.

An entry is pending from when the server hands it out until it is acknowledged. So nothing is lost
when a consumer ends: under the same name it begins with what it had not acknowledged. Where a reply
may have been lost, what came with it is pending as well, and is found by looking there again; what
this object has handed out already is remembered, so that it is not handed out twice.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Final, Generic

from kvclient.commands import Commands
from kvclient.errors import ArgumentError, BusyKeyError, OutcomeUnknown, ReplyError, Unavailable
from kvclient.messages import Entry
from kvclient.results import StreamEntry, T
from kvclient.retrying import backoff_s
from kvclient.wire.encoding import Argument, as_wire

_BEGIN: Final = "0"
_CLAIM_END: Final = b"0-0"
_BACKOFF_S_MIN: Final = 0.01
_BACKOFF_S_MAX: Final = 1.0


class Consumer(Generic[T]):
    """A consumer of a group; iterate over its entries, and acknowledge each when it is done.

    The group is made if it is missing. Entries that were pending for this name come first, then
    those that others have left pending for `claim_idle_s` seconds (None: theirs alone), then new
    ones. A lost connection is no end; an entry may come twice then only if it was handed out by
    another object before.
    """

    def __init__(
        self,
        client: Commands[T],
        streams: Sequence[Argument],
        group: Argument,
        name: Argument,
        count: int = 100,
        block_s: float = 5.0,
        claim_idle_s: float | None = None,
        start: Argument = _BEGIN,
    ) -> None:
        if not streams:
            raise ArgumentError("a consumer reads at least one stream")
        if count < 1 or block_s < 0.001:
            raise ArgumentError(f"count is {count}, must be 1; block_s is {block_s}, must be 0.001")
        self._client = client
        self._streams = {as_wire(stream): stream for stream in streams}
        self._group = group
        self._name = name
        self._count = count
        self._block_s = block_s
        self._claim_idle_s = claim_idle_s
        self._start = start
        self._entries: deque[Entry[T]] = deque()
        # Handed out and not acknowledged, by stream and id.
        self._open: set[tuple[bytes, bytes]] = set()
        # Acknowledged while replies are on their way that may still hold them.
        self._done: set[tuple[bytes, bytes]] = set()
        self._has_group = False
        # Streams whose pending entries are still to be read, with the id behind which to go on.
        self._left: dict[bytes, Argument] = dict.fromkeys(self._streams, _BEGIN)
        self._claims_at = 0.0
        # When pending entries are to be read once more, after a reply may have been lost.
        self._again_at = math.inf
        self._failures = 0
        self._is_closed = False

    async def __aenter__(self) -> Consumer[T]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hand out nothing more; what was not acknowledged stays pending.

        One that waits in `next` notices it when `block_s` is over.
        """
        self._is_closed = True

    async def ack(self, *entries: Entry[T]) -> int:
        """Say that entries are done; return how many of them were pending."""
        by_stream: dict[bytes, list[T]] = {}
        for entry in entries:
            by_stream.setdefault(as_wire(entry.stream), []).append(entry.id)
        acknowledged = 0
        for stream, ids in by_stream.items():
            acknowledged += await self._client.xack(stream, self._group, *ids)
            places = {(stream, as_wire(id)) for id in ids}
            self._open -= places
            self._done |= places
        return acknowledged

    def __aiter__(self) -> AsyncIterator[Entry[T]]:
        return self

    async def __anext__(self) -> Entry[T]:
        entry = await self.next()
        if entry is None:
            raise StopAsyncIteration
        return entry

    async def next(self, timeout_s: float | None = None) -> Entry[T] | None:
        """Return the next entry, None when `timeout_s` is over or this was closed."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        has_looked = False
        while not self._is_closed:
            if self._entries:
                return self._entries.popleft()
            left_s = None if until is None else until - time.monotonic()
            if left_s is not None and left_s <= 0 and has_looked and not self._left:
                return None
            has_looked = True
            try:
                await self._fill(left_s)
                self._failures = 0
            except (Unavailable, OutcomeUnknown):
                self._look_again()
                if left_s is not None and left_s <= 0:
                    return None
                pause = backoff_s(self._failures, _BACKOFF_S_MIN, _BACKOFF_S_MAX)
                self._failures += 1
                await asyncio.sleep(pause if left_s is None else min(pause, left_s))
            except ReplyError as error:
                if error.code != "NOGROUP":
                    raise
                # The stream was deleted, and the group with it: it is made again.
                self._has_group = False
            except BaseException:
                # Cancelled, say.
                self._look_again()
                raise
        return None

    def _look_again(self) -> None:
        """Read what is pending: a reply that was lost may have held some of it.

        Now, and once more when the server waits no longer for the sake of a lost connection.
        """
        self._left = self._left or dict.fromkeys(self._streams, _BEGIN)
        self._again_at = time.monotonic() + self._block_s

    async def _fill(self, left_s: float | None) -> None:
        """Look for entries where they are to be found next, once."""
        self._done.clear()
        if not self._has_group:
            await self._make_groups()
        if not self._left and time.monotonic() >= self._again_at:
            self._again_at = math.inf
            self._left = dict.fromkeys(self._streams, _BEGIN)
        if self._left:
            await self._read_pending()
        elif self._claim_idle_s is not None and time.monotonic() >= self._claims_at:
            await self._claim(self._claim_idle_s)
        else:
            await self._read_new(left_s)

    async def _make_groups(self) -> None:
        for stream in self._streams:
            try:
                await self._client.xgroup_create(stream, self._group, self._start, mkstream=True)
            except BusyKeyError:
                continue
            # A new group: what was handed out was of another, and ids may come again.
            self._open = {place for place in self._open if place[0] != stream}
        self._has_group = True

    async def _read_pending(self) -> None:
        """Read on in the pending entries of this consumer, in one of the streams."""
        stream, behind = next(iter(self._left.items()))
        found = await self._client.xreadgroup(
            self._group, self._name, {stream: behind}, count=self._count
        )
        entries = [entry for part in found.values() for entry in part]
        if entries:
            self._left[stream] = entries[-1][0]
            await self._take(stream, entries)
        else:
            del self._left[stream]

    async def _claim(self, idle_s: float) -> None:
        """Take over what others have left pending for too long, in all streams."""
        for stream in self._streams:
            start: Argument = _BEGIN
            while True:
                claimed = await self._client.xautoclaim(
                    stream,
                    self._group,
                    self._name,
                    round(idle_s * 1000),
                    start,
                    count=self._count,
                )
                await self._take(stream, claimed.entries)
                start = claimed.next_start
                if as_wire(start) == _CLAIM_END:
                    break
        self._claims_at = time.monotonic() + idle_s / 2

    async def _read_new(self, left_s: float | None) -> None:
        """Wait for new entries, no longer than until something else is due."""
        wait_s = self._block_s if left_s is None else min(self._block_s, left_s)
        due_at = self._again_at
        if self._claim_idle_s is not None:
            due_at = min(due_at, self._claims_at)
        wait_s = min(wait_s, due_at - time.monotonic())
        found = await self._client.xreadgroup(
            self._group,
            self._name,
            dict.fromkeys(self._streams, ">"),
            count=self._count,
            block=max(1, round(wait_s * 1000)),
        )
        for name, entries in found.items():
            await self._take(as_wire(name), entries)

    async def _take(self, stream: bytes, entries: Iterable[StreamEntry[T]]) -> None:
        """Keep entries to hand out; those that were deleted meanwhile are done."""
        deleted: list[T] = []
        for id, fields in entries:
            place = (stream, as_wire(id))
            if not fields:
                deleted.append(id)
            elif place not in self._open and place not in self._done:
                self._open.add(place)
                self._entries.append(Entry(self._streams[stream], id, fields))
        if deleted:
            await self._client.xack(stream, self._group, *deleted)
