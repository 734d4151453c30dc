"""What a shuffle was opened with, how far it is, and the replies that say so; no socket."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kvclient.errors import ArgumentError, UsageError
from kvclient.shuffle.codecs import CODECS

if TYPE_CHECKING:
    from kvclient.options import Options

_ID: Final = re.compile(r"[!-~]{1,128}")
_ID_REFUSES: Final = "{}/"
ATTEMPT_BITS: Final = 63


@dataclass(frozen=True)
class Terms:
    """What a shuffle was opened with, as far as its writers and readers need to know."""

    id: str
    maps: int
    partitions: int
    codec: str
    is_deterministic: bool
    ttl_s: int

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id) or any(sign in self.id for sign in _ID_REFUSES):
            raise ArgumentError(
                f"the shuffle's id is {self.id!r}, must be 1 to 128 printable characters of ASCII"
                " other than { } and /"
            )
        for name in ("maps", "partitions", "ttl_s"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.codec not in CODECS:
            raise ArgumentError(f"codec is {self.codec!r}, must be one of {', '.join(CODECS)}")

    def key(self, partition: int) -> bytes:
        """Return a partition's key, after which it is routed."""
        return f"{self.id}/{self.check_partition(partition)}".encode()

    def check_partition(self, partition: int) -> int:
        """Return a partition's number; ArgumentError if there is none such."""
        if not 0 <= partition < self.partitions:
            raise ArgumentError(f"partition is {partition}, must be 0..{self.partitions - 1}")
        return partition

    def check_map(self, map: int) -> int:
        """Return a map's number; ArgumentError if there is none such."""
        if not 0 <= map < self.maps:
            raise ArgumentError(f"map is {map}, must be 0..{self.maps - 1}")
        return map


@dataclass(frozen=True)
class MapOutput:
    """What an attempt of a map has pushed and not committed; `summary` is as COMMIT has it."""

    map: int
    attempt: int
    summary: str


@dataclass(frozen=True)
class ShuffleStatus:
    """What the server says of a shuffle; sizes are in bytes, `expires_in` in seconds.

    `losers` is what attempts wrote that did not win, and `details` is the whole reply.
    """

    state: str
    epoch: int
    maps: int
    partitions: int
    committed: int
    codec: str
    is_deterministic: bool
    ttl_s: int
    bytes: int
    blocks: int
    details: dict[str, Any]

    @property
    def is_sealed(self) -> bool:
        """Whether all maps were committed, so that partitions can be read."""
        return self.state == "sealed"


@dataclass(frozen=True)
class PartitionStatus:
    """What a sealed partition has to consist of; `checksum` is the sum of its blocks'."""

    epoch: int
    blocks: int
    bytes: int
    checksum: int


@dataclass(frozen=True)
class ShuffleProgress:
    """How far this handle of a shuffle has come; bytes are as sent, after compression."""

    maps_committed: int = 0
    pushed_blocks: int = 0
    pushed_bytes: int = 0
    fetched_blocks: int = 0
    fetched_bytes: int = 0


class Progress:
    """Counts, and tells `on_progress`; may be used by many threads."""

    def __init__(self, on_progress: Callable[[ShuffleProgress], object] | None) -> None:
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self.now = ShuffleProgress()

    def add(
        self,
        maps_committed: int = 0,
        pushed: tuple[int, int] = (0, 0),
        fetched: tuple[int, int] = (0, 0),
    ) -> None:
        """Count; `pushed` and `fetched` are blocks and bytes."""
        with self._lock:
            was = self.now
            now = self.now = ShuffleProgress(
                was.maps_committed + maps_committed,
                was.pushed_blocks + pushed[0],
                was.pushed_bytes + pushed[1],
                was.fetched_blocks + fetched[0],
                was.fetched_bytes + fetched[1],
            )
        if self._on_progress is not None:
            self._on_progress(now)


def check_options(options: Options, is_embedded: bool) -> None:
    """Raise UsageError for a client that a shuffle cannot use."""
    if options.mode == "ring":
        raise UsageError("a shuffle needs nodes that know each other: a ring's do not")
    if is_embedded:
        raise UsageError("a shuffle needs a server: an embedded client has none")


def text(value: Any) -> str:
    """Return a word of a reply as text, whether the client decodes or not."""
    return value.decode() if isinstance(value, bytes) else str(value)


def as_open(reply: Any) -> tuple[int, int]:
    """Return epoch and credit."""
    epoch, credit = reply
    return int(epoch), int(credit)


def as_winner(reply: Any) -> int | None:
    """Return which attempt has won in place of this one, None if this one has."""
    word, _, winner = text(reply).partition(" ")
    return int(winner) if word == "DUP" else None


def as_sealed(reply: Any) -> int | None:
    """Return the epoch of a sealed shuffle, None while it is not."""
    return None if reply is None else int(reply[1])


def as_missing(reply: Any) -> tuple[int, list[int]]:
    """Return the epoch, and the maps that have to run."""
    return int(reply[0]), [int(map) for map in reply[1:]]


def as_partition_status(reply: Any) -> PartitionStatus:
    """Return what a partition has to consist of."""
    return PartitionStatus(*(int(number) for number in reply))


def as_status(reply: Any) -> ShuffleStatus:
    """Return the reply to STATUS: a map, or in RESP2 a flat array."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2])
    details = {text(name): _plain(value) for name, value in pairs}
    return ShuffleStatus(
        state=details["state"],
        epoch=details["epoch"],
        maps=details["maps"],
        partitions=details["partitions"],
        committed=details["committed"],
        codec=details["codec"],
        is_deterministic=bool(details["deterministic"]),
        ttl_s=details["ttl"],
        bytes=details["bytes"],
        blocks=details["blocks"],
        details=details,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode()
    return int(value) if isinstance(value, str) and value.isdigit() else value
