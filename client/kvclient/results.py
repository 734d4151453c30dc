"""Results that have parts with names; each is a tuple as well."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T", bound=bytes | str)
"""What the server's bulk strings are: bytes, or str in a client that decodes."""

StreamEntry: TypeAlias = tuple[T, dict[T, T]]
"""An entry of a stream: its id and its fields. Of one that was deleted, and is still pending, the
fields are an empty dict; no entry can have none otherwise."""

Info: TypeAlias = dict[str, "int | float | str | dict[str, int | float | str]"]
"""INFO's fields; one of several parts (`db0:keys=1,expires=0`) is a dict."""


class Place(NamedTuple, Generic[T]):
    """A member of a geo index that was found: `distance` in the unit of the search, `hash` the
    52-bit geohash, `position` (longitude, latitude) in degrees; None where not asked for."""

    member: T
    distance: float | None
    hash: int | None
    position: tuple[float, float] | None


class CommonRun(NamedTuple):
    """A run of bytes that two strings share: first and last position in each, and its length."""

    first: tuple[int, int]
    second: tuple[int, int]
    length: int | None


class CommonSubsequence(NamedTuple):
    """The longest common subsequence of two strings: its runs, the last one first, its length."""

    matches: list[CommonRun]
    length: int


class StreamInfo(NamedTuple, Generic[T]):
    """A stream, as XINFO STREAM describes it; None is what an older server does not say."""

    length: int
    radix_tree_keys: int
    radix_tree_nodes: int
    groups: int
    last_generated_id: T
    max_deleted_entry_id: T | None
    entries_added: int | None
    recorded_first_entry_id: T | None
    first_entry: tuple[T, dict[T, T]] | None
    last_entry: tuple[T, dict[T, T]] | None


class GroupInfo(NamedTuple, Generic[T]):
    """A consumer group; `lag` counts the entries that are yet to be delivered, if known."""

    name: T
    consumers: int
    pending: int
    last_delivered_id: T
    entries_read: int | None
    lag: int | None


class ConsumerInfo(NamedTuple, Generic[T]):
    """A consumer of a group; `idle` and `inactive` (Redis 7.2) are in milliseconds."""

    name: T
    pending: int
    idle: int
    inactive: int | None


class PendingSummary(NamedTuple, Generic[T]):
    """How many entries of a group are pending, the first and the last of them, and whose."""

    pending: int
    first_id: T | None
    last_id: T | None
    consumers: dict[T, int]


class PendingEntry(NamedTuple, Generic[T]):
    """A pending entry: its consumer, how long ago it was delivered, and how many times."""

    id: T
    consumer: T
    idle_ms: int
    deliveries: int


class Claimed(NamedTuple, Generic[T]):
    """What XAUTOCLAIM took: where to go on (`0-0`: at the end), the entries, and the ids of those
    that were deleted meanwhile and are no longer pending."""

    next_start: T
    entries: list[tuple[T, dict[T, T]]]
    deleted: list[T]


class ClaimedIds(NamedTuple, Generic[T]):
    """What XAUTOCLAIM JUSTID took: as `Claimed`, with the ids alone."""

    next_start: T
    ids: list[T]
    deleted: list[T]


class SlowCommand(NamedTuple, Generic[T]):
    """An entry of the slow log: a Unix time in seconds, a duration in microseconds, the request
    (long ones shortened by the server), and who sent it."""

    id: int
    time: int
    duration_us: int
    argv: list[T]
    address: str
    client_name: str
