"""A Dask shuffle through a node while a worker is killed half-way: the result is exact.

    python examples/dask_worker_killed.py

Two worker processes shuffle a frame by its key. When the first worker comes to the last part of the
input, it kills itself, with what it has written lying in the node. Dask starts another one, which
runs the lost tasks again as new attempts; those whose first attempt was committed change nothing.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from own_node import node_url

from kvclient.dask import shuffle

KEYS = 1000


def part(number: int, rows: int, dies: str | None) -> pd.DataFrame:
    """Make a part of the input; with `dies` kill this worker, but only the first time."""
    if dies is not None and number == 0:
        # Its neighbours are on their way by now.
        time.sleep(1.0)
        if not Path(dies).exists():
            Path(dies).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    ids = np.arange(number * rows, (number + 1) * rows)
    return pd.DataFrame({"id": ids, "key": ids * 7919 % KEYS, "value": np.sqrt(ids)})


def main() -> None:
    """Shuffle, and compare with what should come out."""
    parser = argparse.ArgumentParser(description="A Dask shuffle with a worker killed half-way.")
    parser.add_argument("--url", help="the node; default: one of the example's own")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=16)
    chosen = parser.parse_args()
    rows = chosen.rows // chosen.parts
    with (
        tempfile.TemporaryDirectory() as folder,
        node_url(chosen.url) as url,
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster),
    ):
        flag = Path(folder, "killed")
        df = dd.from_map(
            part, range(chosen.parts), rows=rows, dies=str(flag), meta=part(0, 0, None)
        )
        result = shuffle(df, "key", npartitions=8, address=url)
        # Sorted inside of each partition, so that the two can be compared bit by bit.
        parts = result.map_partitions(lambda rows: rows.sort_values("id"), meta=result).compute()
        was_killed = flag.exists()
    expected = pd.concat([part(number, rows, None) for number in range(chosen.parts)])
    got = parts.sort_values("id").reset_index(drop=True)
    is_exact = got.equals(expected.reset_index(drop=True))
    print(f"worker killed: {was_killed}; {len(got):,} rows of {len(expected):,}; exact: {is_exact}")
    if not (was_killed and is_exact):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
