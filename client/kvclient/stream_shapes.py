"""Results made of the replies of stream commands; see shapes.py."""

from __future__ import annotations

from typing import Any

from kvclient.results import (
    Claimed,
    ClaimedIds,
    ConsumerInfo,
    GroupInfo,
    PendingEntry,
    PendingSummary,
    StreamEntry,
    StreamInfo,
)
from kvclient.shapes import described, items, mapping, misfit


def entry(reply: Any) -> StreamEntry[Any]:
    """An id and its fields; of a deleted entry, whose fields are nil, an empty dict."""
    try:
        id, fields = reply
    except TypeError:
        raise misfit("an entry", reply) from None
    if id is None:
        raise misfit("an id", reply)
    return id, {} if fields is None else mapping(fields)


def entries(reply: Any) -> list[StreamEntry[Any]]:
    """Entries in order; nil is none."""
    return [entry(item) for item in items(reply) if item is not None]


def entries_by_stream(reply: Any) -> dict[Any, list[StreamEntry[Any]]]:
    """New entries by stream: a map in RESP3, pairs in RESP2; nil is none."""
    if not reply:
        return {}
    rows = reply.items() if type(reply) is dict else items(reply)
    return {stream: entries(found) for stream, found in rows}


def optional_entry(reply: Any) -> StreamEntry[Any] | None:
    """An entry, or None."""
    return None if reply is None else entry(reply)


def claimed(reply: Any) -> Claimed[Any]:
    """XAUTOCLAIM; before Redis 7 it does not say which entries were deleted."""
    start, found, *deleted = items(reply)
    return Claimed(start, entries(found), items(deleted[0]) if deleted else [])


def claimed_ids(reply: Any) -> ClaimedIds[Any]:
    """XAUTOCLAIM JUSTID."""
    start, found, *deleted = items(reply)
    return ClaimedIds(start, items(found), items(deleted[0]) if deleted else [])


def pending_summary(reply: Any) -> PendingSummary[Any]:
    """XPENDING without a range."""
    pending, first, last, consumers = items(reply)
    return PendingSummary(pending, first, last, {name: int(n) for name, n in items(consumers)})


def pending_entries(reply: Any) -> list[PendingEntry[Any]]:
    """XPENDING with a range."""
    return [PendingEntry(*row) for row in items(reply)]


def stream_info(reply: Any) -> StreamInfo[Any]:
    """XINFO STREAM."""
    named = described(reply)
    return StreamInfo(
        named["length"],
        named["radix-tree-keys"],
        named["radix-tree-nodes"],
        named["groups"],
        named["last-generated-id"],
        named.get("max-deleted-entry-id"),
        named.get("entries-added"),
        named.get("recorded-first-entry-id"),
        optional_entry(named["first-entry"]),
        optional_entry(named["last-entry"]),
    )


def group_infos(reply: Any) -> list[GroupInfo[Any]]:
    """XINFO GROUPS."""
    return [
        GroupInfo(
            row["name"],
            row["consumers"],
            row["pending"],
            row["last-delivered-id"],
            row.get("entries-read"),
            row.get("lag"),
        )
        for row in map(described, items(reply))
    ]


def consumer_infos(reply: Any) -> list[ConsumerInfo[Any]]:
    """XINFO CONSUMERS."""
    return [
        ConsumerInfo(row["name"], row["pending"], row["idle"], row.get("inactive"))
        for row in map(described, items(reply))
    ]


def stream_info_full(reply: Any) -> dict[str, Any]:
    """XINFO STREAM FULL: dicts down to the lists of what is pending."""
    named = described(reply)
    named["entries"] = entries(named["entries"])
    named["groups"] = [described(group) for group in items(named["groups"])]
    for group in named["groups"]:
        group["consumers"] = [described(consumer) for consumer in items(group["consumers"])]
    return named
