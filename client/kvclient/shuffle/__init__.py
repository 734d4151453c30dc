"""Intermediate data of batch jobs, handed from map tasks to reduce tasks exactly once.

from kvclient import Client
from kvclient.shuffle import Shuffle
with Shuffle.open(Client(), "wordcount-17", maps=8, partitions=16) as shuffle:
    with shuffle.map_task(3) as task:
        task.write(0, b"payload")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvclient.aio.shuffles import AsyncShuffle
    from kvclient.blocking.shuffles import Shuffle
    from kvclient.shuffle.tables import Range
    from kvclient.shuffle.terms import PartitionStatus, ShuffleProgress, ShuffleStatus

# Loaded when first asked for: asyncio, and pyarrow for tables, take long to import.
_HOMES = {
    "AsyncShuffle": "kvclient.aio.shuffles",
    "PartitionStatus": "kvclient.shuffle.terms",
    "Range": "kvclient.shuffle.tables",
    "Shuffle": "kvclient.blocking.shuffles",
    "ShuffleProgress": "kvclient.shuffle.terms",
    "ShuffleStatus": "kvclient.shuffle.terms",
}

__all__ = [
    "AsyncShuffle",
    "PartitionStatus",
    "Range",
    "Shuffle",
    "ShuffleProgress",
    "ShuffleStatus",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
