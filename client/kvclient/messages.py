"""What subscriptions and consumers hand out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from kvclient.results import T
from kvclient.wire.encoding import Argument


@dataclass(frozen=True, slots=True)
class Message(Generic[T]):
    """A published message; `pattern` is the one that matched, None for a channel of its own."""

    channel: T
    data: T
    pattern: T | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """The connection was lost and made again: messages of the time between were missed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """An entry of a stream, for one consumer of a group; `stream` is named as the caller did."""

    stream: Argument
    id: T
    fields: dict[T, T]
