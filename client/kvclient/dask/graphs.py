"""The shuffle by Dask's public interface alone: collections taken apart and put together.

It is slower than the expression by what the optimizer cannot see through: all columns travel, and
what is selected of the result is read as a whole.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import dask.dataframe as dd
import pandas as pd
from dask import delayed
from dask.dataframe.utils import make_meta

from kvclient.dask.frames import partition_numbers
from kvclient.dask.store import Plan
from kvclient.dask.tasks import open_shuffle, read_partition, seal, write_map

_NUMBERS = "_partitions"


def shuffled(
    df: Any,
    on: list[Any],
    npartitions: int,
    ignore_index: bool,
    options: dict[str, Any],
) -> Any:
    """Return a collection of the same rows in other partitions; by the index if `on` is empty."""
    meta = make_meta(df)
    plan = Plan(
        maps=df.npartitions,
        partitions=npartitions,
        numbers=_NUMBERS,
        meta=numbered(meta, meta, on, npartitions),
        keeps_index=not ignore_index,
        **options,
    )
    token = uuid4().hex
    opened = delayed(open_shuffle)(
        delayed(plan, traverse=False), dask_key_name=f"kvnode-open-{token}"
    )
    writes = [
        delayed(write_unnumbered)(
            part, opened, map, meta, on, dask_key_name=(f"kvnode-write-{token}", map)
        )
        for map, part in enumerate(df.to_delayed())
    ]
    sealed = delayed(seal)(opened, *writes, dask_key_name=f"kvnode-seal-{token}")
    reads = [
        delayed(read_partition)(
            opened, sealed, partition, dask_key_name=(f"kvnode-read-{token}", partition)
        )
        for partition in range(npartitions)
    ]
    meta = meta.reset_index(drop=True) if ignore_index else meta
    return dd.from_delayed(reads, meta=meta, verify_meta=False, prefix="kvnode-shuffle")


def write_unnumbered(
    frame: pd.DataFrame, opened: Any, map: int, meta: pd.DataFrame, on: list[Any]
) -> str:
    """Write a partition of the input whose rows do not say yet which partition is theirs."""
    return write_map(numbered(frame, meta, on, opened.plan.partitions), opened, map)


def numbered(frame: pd.DataFrame, meta: pd.DataFrame, on: list[Any], count: int) -> pd.DataFrame:
    """Return the frame with a column of the rows' partitions."""
    return frame.assign(**{_NUMBERS: partition_numbers(frame, meta, on, count)})
