"""What Dask's tasks do in a shuffle: one opens it, some write, one waits for all, some read.

Each of them may run again, on another worker: what was written twice counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from kvclient.dask.frames import frame_of, pieces
from kvclient.dask.lifetime import keep_for, name_for
from kvclient.dask.store import Plan
from kvclient.errors import ShuffleStale
from kvclient.shuffle import Shuffle

_FIRST_EPOCH: Final = 1


@dataclass(eq=False)
class Opened:
    """An open shuffle, for the tasks that use it; it travels to their workers."""

    shuffle: Shuffle
    plan: Plan


def open_shuffle(plan: Plan) -> Opened:
    """Open a shuffle; it ends when the result of this task is released."""
    id, keeper = name_for(plan)
    shuffle = Shuffle.open(
        plan.store.client,
        id,
        maps=plan.maps,
        partitions=plan.partitions,
        codec=plan.codec,
        ttl_s=plan.lease_s,
    )
    opened = Opened(shuffle, plan)
    if keeper is not None:
        keep_for(opened, keeper)
    return opened


def write_map(frame: pd.DataFrame, opened: Opened, map: int) -> str:
    """Write a partition of the input; return which shuffle has it."""
    plan = opened.plan
    with opened.shuffle.map_task(map) as task:
        for partition, payload in pieces(frame, plan.numbers, plan.partitions, plan.layout):
            task.write_block(partition, payload)
    return opened.shuffle.id


def seal(opened: Opened, *written: str) -> int:
    """Wait until the shuffle is whole; return its epoch, the one in which all of it is read.

    ShuffleStale if the node has lost blocks, even if they were written again: this task may be a
    second run, and Dask may keep partitions that were read before, whose rows need not fit.
    """
    strangers = set(written) - {opened.shuffle.id}
    if strangers:
        raise RuntimeError(f"{opened.shuffle.id}: some maps were written to {sorted(strangers)}")
    epoch = opened.shuffle.wait(opened.plan.lease_s)
    if epoch != _FIRST_EPOCH:
        raise ShuffleStale(
            f"SHUFFLESTALE {opened.shuffle.id} is in epoch {epoch}: blocks were lost"
        )
    return epoch


def read_partition(opened: Opened, epoch: int, partition: int) -> pd.DataFrame:
    """Return a partition of the output; ShuffleStale if it is not of this epoch any more."""
    return frame_of(opened.shuffle.read(partition, epoch=epoch), opened.plan.layout)
