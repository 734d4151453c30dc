"""What a subscription hands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from kvclient.results import T


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
