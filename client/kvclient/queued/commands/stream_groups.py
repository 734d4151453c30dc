# Generated from client/kvclient/commands/stream_groups.py by `make client`.
"""Commands on the consumer groups of streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, overload

from kvclient import shapes, stream_shapes
from kvclient.arguments import (
    Milliseconds,
    MomentMs,
    Pairs,
    at_most_one,
    flags,
    flat_pairs,
    milliseconds,
    moment_ms,
    option,
    several,
)
from kvclient.queued.commands.base import Surface
from kvclient.queued.pending import Pending
from kvclient.results import (
    Claimed,
    ClaimedIds,
    ConsumerInfo,
    GroupInfo,
    PendingEntry,
    PendingSummary,
    StreamEntry,
    T,
)
from kvclient.wire.encoding import Argument


class StreamGroupCommands(Surface[T]):
    """Consumer groups: each entry goes to one consumer and is pending until acknowledged."""

    def xack(self, key: Argument, group: Argument, *ids: Argument) -> Pending[int]:
        """Say that entries are done; return how many were pending."""
        return self._send((b"XACK", key, group, *ids))

    @overload
    def xautoclaim(
        self,
        key: Argument,
        group: Argument,
        consumer: Argument,
        min_idle_time: Milliseconds,
        start_id: Argument = "0-0",
        *,
        count: int | None = None,
        justid: Literal[False] = False,
    ) -> Pending[Claimed[T]]: ...

    @overload
    def xautoclaim(
        self,
        key: Argument,
        group: Argument,
        consumer: Argument,
        min_idle_time: Milliseconds,
        start_id: Argument = "0-0",
        *,
        count: int | None = None,
        justid: Literal[True],
    ) -> Pending[ClaimedIds[T]]: ...

    def xautoclaim(
        self,
        key: Argument,
        group: Argument,
        consumer: Argument,
        min_idle_time: Milliseconds,
        start_id: Argument = "0-0",
        *,
        count: int | None = None,
        justid: bool = False,
    ) -> Pending[Claimed[T]] | Pending[ClaimedIds[T]]:
        """Take over entries that are pending for at least `min_idle_time` milliseconds.

        Return up to `count` (100) from `start_id` on, and where to go on; with `justid` their ids
        alone, and the deliveries are not counted.
        """
        idle = milliseconds(min_idle_time)
        words = (*option(b"COUNT", count), *flags(justid=justid))
        argv = (b"XAUTOCLAIM", key, group, consumer, idle, start_id, *words)
        if justid:
            return self._send(argv, stream_shapes.claimed_ids)
        return self._send(argv, stream_shapes.claimed)

    @overload
    def xclaim(
        self,
        key: Argument,
        group: Argument,
        consumer: Argument,
        min_idle_time: Milliseconds,
        message_ids: Iterable[Argument],
        *,
        idle: Milliseconds | None = None,
        time: MomentMs | None = None,
        retrycount: int | None = None,
        force: bool = False,
        justid: Literal[False] = False,
    ) -> Pending[list[StreamEntry[T]]]: ...

    @overload
    def xclaim(
        self,
        key: Argument,
        group: Argument,
        consumer: Argument,
        min_idle_time: Milliseconds,
        message_ids: Iterable[Argument],
        *,
        idle: Milliseconds | None = None,
        time: MomentMs | None = None,
        retrycount: int | None = None,
        force: bool = False,
        justid: Literal[True],
    ) -> Pending[list[T]]: ...

    def xclaim(
        self,
        key: Argument,
        group: Argument,
        consumer: Argument,
        min_idle_time: Milliseconds,
        message_ids: Iterable[Argument],
        *,
        idle: Milliseconds | None = None,
        time: MomentMs | None = None,
        retrycount: int | None = None,
        force: bool = False,
        justid: bool = False,
    ) -> Pending[list[StreamEntry[T]]] | Pending[list[T]]:
        """Take over those of the entries that are pending for at least `min_idle_time` ms.

        They count as delivered now, `idle` milliseconds ago or at the Unix time `time`, and
        `retrycount` times. `force` takes entries that are not pending too.
        """
        at_most_one(idle=idle, time=time)
        argv = (
            *(b"XCLAIM", key, group, consumer, milliseconds(min_idle_time)),
            *several(message_ids, "message_ids"),
            *option(b"IDLE", None if idle is None else milliseconds(idle)),
            *option(b"TIME", None if time is None else moment_ms(time)),
            *option(b"RETRYCOUNT", retrycount),
            *flags(force=force, justid=justid),
        )
        return self._send(argv) if justid else self._send(argv, stream_shapes.entries)

    def xgroup_create(
        self,
        key: Argument,
        group: Argument,
        id: Argument = "$",
        *,
        mkstream: bool = False,
        entries_read: int | None = None,
    ) -> Pending[bool]:
        """Make a group that gets the entries behind `id`; return True, BusyKeyError if it exists.

        `"$"` is the last id of now, `"0"` the begin. With `mkstream` a missing stream is made.
        """
        words = (*flags(mkstream=mkstream), *option(b"ENTRIESREAD", entries_read))
        return self._send((b"XGROUP", b"CREATE", key, group, id, *words), shapes.done)

    def xgroup_createconsumer(
        self, key: Argument, group: Argument, consumer: Argument
    ) -> Pending[bool]:
        """Make a consumer; say whether it is new."""
        return self._send((b"XGROUP", b"CREATECONSUMER", key, group, consumer), shapes.flag)

    def xgroup_delconsumer(
        self, key: Argument, group: Argument, consumer: Argument
    ) -> Pending[int]:
        """Delete a consumer; return how many entries were pending, which nobody will see."""
        return self._send((b"XGROUP", b"DELCONSUMER", key, group, consumer))

    def xgroup_destroy(self, key: Argument, group: Argument) -> Pending[bool]:
        """Delete a group; say whether it existed."""
        return self._send((b"XGROUP", b"DESTROY", key, group), shapes.flag)

    def xgroup_setid(
        self, key: Argument, group: Argument, id: Argument, *, entries_read: int | None = None
    ) -> Pending[bool]:
        """Let a group go on behind `id`; return True."""
        words = option(b"ENTRIESREAD", entries_read)
        return self._send((b"XGROUP", b"SETID", key, group, id, *words), shapes.done)

    def xinfo_consumers(self, key: Argument, group: Argument) -> Pending[list[ConsumerInfo[T]]]:
        """Describe the consumers of a group."""
        return self._send((b"XINFO", b"CONSUMERS", key, group), stream_shapes.consumer_infos)

    def xinfo_groups(self, key: Argument) -> Pending[list[GroupInfo[T]]]:
        """Describe the groups of a stream."""
        return self._send((b"XINFO", b"GROUPS", key), stream_shapes.group_infos)

    def xpending(self, key: Argument, group: Argument) -> Pending[PendingSummary[T]]:
        """Say how many entries of a group are pending, and whose."""
        return self._send((b"XPENDING", key, group), stream_shapes.pending_summary)

    def xpending_range(
        self,
        key: Argument,
        group: Argument,
        *,
        min: Argument = "-",
        max: Argument = "+",
        count: int,
        consumer: Argument | None = None,
        idle: Milliseconds | None = None,
    ) -> Pending[list[PendingEntry[T]]]:
        """Return up to `count` pending entries between two ids.

        Of one consumer, if given; only those that were delivered `idle` milliseconds ago or more.
        """
        argv = (
            *(b"XPENDING", key, group),
            *option(b"IDLE", None if idle is None else milliseconds(idle)),
            *(min, max, count),
            *(() if consumer is None else (consumer,)),
        )
        return self._send(argv, stream_shapes.pending_entries)

    def xreadgroup(
        self,
        group: Argument,
        consumer: Argument,
        streams: Pairs[Argument, Argument],
        count: int | None = None,
        block: Milliseconds | None = None,
        noack: bool = False,
    ) -> Pending[dict[T, list[StreamEntry[T]]]]:
        """Return up to `count` entries of each stream for a consumer of a group.

        `">"` asks for entries that nobody got yet, which become pending unless `noack` is set; an
        id for those of this consumer that are pending behind it (the fields of one that was
        deleted are an empty dict). With `block` it waits for new ones up to so many milliseconds,
        0 for ever.
        """
        words = flat_pairs(streams)
        tail = (*flags(noack=noack), b"STREAMS", *words[::2], *words[1::2])
        head = (b"XREADGROUP", b"GROUP", group, consumer, *option(b"COUNT", count))
        if block is None:
            return self._send((*head, *tail), stream_shapes.entries_by_stream)
        ms = milliseconds(block)
        argv = (*head, b"BLOCK", ms, *tail)
        return self._send_blocking(argv, stream_shapes.entries_by_stream, ms / 1000)
