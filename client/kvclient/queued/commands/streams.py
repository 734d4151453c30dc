# Generated from client/kvclient/commands/streams.py by `make client`.
"""Commands on streams; those of consumer groups are in stream_groups.py."""

from __future__ import annotations

from typing import Any, Literal, overload

from kvclient import stream_shapes
from kvclient.arguments import (
    Milliseconds,
    Pairs,
    flags,
    flat_pairs,
    milliseconds,
    option,
    trimming,
)
from kvclient.errors import ArgumentError
from kvclient.queued.commands.base import Surface
from kvclient.queued.pending import Pending
from kvclient.results import StreamEntry, StreamInfo, T
from kvclient.wire.encoding import Argument


class StreamCommands(Surface[T]):
    """Streams: entries with ids that grow, each of fields with values."""

    @overload
    def xadd(
        self,
        key: Argument,
        fields: Pairs[Argument, Argument],
        id: Argument = "*",
        *,
        maxlen: int | None = None,
        approximate: bool = True,
        nomkstream: Literal[False] = False,
        minid: Argument | None = None,
        limit: int | None = None,
    ) -> Pending[T]: ...

    @overload
    def xadd(
        self,
        key: Argument,
        fields: Pairs[Argument, Argument],
        id: Argument = "*",
        *,
        maxlen: int | None = None,
        approximate: bool = True,
        nomkstream: Literal[True],
        minid: Argument | None = None,
        limit: int | None = None,
    ) -> Pending[T | None]: ...

    def xadd(
        self,
        key: Argument,
        fields: Pairs[Argument, Argument],
        id: Argument = "*",
        *,
        maxlen: int | None = None,
        approximate: bool = True,
        nomkstream: bool = False,
        minid: Argument | None = None,
        limit: int | None = None,
    ) -> Pending[T] | Pending[T | None]:
        """Add an entry and return its id; None if `nomkstream` is set and the key is missing.

        The stream is trimmed to `maxlen` entries, or to ids from `minid` on; if `approximate` only
        where it is cheap, by at most `limit` entries.
        """
        words = (*flags(nomkstream=nomkstream), *trimming(maxlen, minid, approximate, limit))
        return self._send((b"XADD", key, *words, id, *flat_pairs(fields)))

    def xdel(self, key: Argument, *ids: Argument) -> Pending[int]:
        """Delete entries; return how many there were."""
        return self._send((b"XDEL", key, *ids))

    def xinfo_stream(self, key: Argument) -> Pending[StreamInfo[T]]:
        """Describe a stream."""
        return self._send((b"XINFO", b"STREAM", key), stream_shapes.stream_info)

    def xinfo_stream_full(
        self, key: Argument, *, count: int | None = None
    ) -> Pending[dict[str, Any]]:
        """Describe a stream with its entries, groups, consumers and what is pending.

        The names are the server's; `count` entries of each kind (10), 0 for all.
        """
        argv = (b"XINFO", b"STREAM", key, b"FULL", *option(b"COUNT", count))
        return self._send(argv, stream_shapes.stream_info_full)

    def xlen(self, key: Argument) -> Pending[int]:
        """Return the number of entries."""
        return self._send((b"XLEN", key))

    def xrange(
        self,
        key: Argument,
        min: Argument = "-",
        max: Argument = "+",
        count: int | None = None,
    ) -> Pending[list[StreamEntry[T]]]:
        """Return up to `count` entries between two ids, both included (`"(id"`: not this one)."""
        argv = (b"XRANGE", key, min, max, *option(b"COUNT", count))
        return self._send(argv, stream_shapes.entries)

    def xread(
        self,
        streams: Pairs[Argument, Argument],
        count: int | None = None,
        block: Milliseconds | None = None,
    ) -> Pending[dict[T, list[StreamEntry[T]]]]:
        """Return up to `count` entries of each stream behind the id given for it.

        Streams without new entries are left out. With `block` it waits for the first entry up to
        so many milliseconds, 0 for ever; `"$"` stands for the last id of now.
        """
        words = (b"STREAMS", *_keys_and_ids(streams))
        if block is None:
            argv = (b"XREAD", *option(b"COUNT", count), *words)
            return self._send(argv, stream_shapes.entries_by_stream)
        ms = milliseconds(block)
        argv = (b"XREAD", b"BLOCK", ms, *option(b"COUNT", count), *words)
        return self._send_blocking(argv, stream_shapes.entries_by_stream, ms / 1000)

    def xrevrange(
        self,
        key: Argument,
        max: Argument = "+",
        min: Argument = "-",
        count: int | None = None,
    ) -> Pending[list[StreamEntry[T]]]:
        """Return up to `count` entries between two ids, the last one first."""
        argv = (b"XREVRANGE", key, max, min, *option(b"COUNT", count))
        return self._send(argv, stream_shapes.entries)

    def xtrim(
        self,
        key: Argument,
        *,
        maxlen: int | None = None,
        approximate: bool = True,
        minid: Argument | None = None,
        limit: int | None = None,
    ) -> Pending[int]:
        """Trim a stream as `xadd` does; return how many entries were deleted."""
        words = trimming(maxlen, minid, approximate, limit)
        if not words:
            raise ArgumentError("XTRIM needs maxlen or minid")
        return self._send((b"XTRIM", key, *words))


def _keys_and_ids(streams: Pairs[Argument, Argument]) -> tuple[Argument, ...]:
    words = flat_pairs(streams)
    return (*words[::2], *words[1::2])
