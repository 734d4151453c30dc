"""One Dask job in a cluster of its own, for `bench/shuffle.py`: a JSON object in, another one out.

    python -m bench.shuffle_job '{"job": "shuffle", "method": "tasks", "rows": 16000000, ...}'

The frame has an int id, two floats, an int and a text of 16 values: 51 bytes a row in Arrow. It
lies in the workers' memory (`persist`) when the time begins, unless the job says that it is made on
the way. The time ends when the numbers of all output partitions are there.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import AbstractContextManager
from typing import Any, Final

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
from distributed import Client, LocalCluster, wait

from kvclient.dask import install

TEXTS: Final = [f"category-{number:02}" for number in range(16)]
ROWS_PER_ID: Final = 4
"""So many rows have an id in the mean."""


def part(number: int, rows: int, ids: int) -> pd.DataFrame:
    """Rows that depend on the partition's number alone."""
    random = np.random.default_rng(number)
    texts = pa.array(TEXTS, pa.large_string())
    chosen = texts.take(pa.array(random.integers(0, len(TEXTS), rows)))
    return pd.DataFrame(
        {
            "id": random.integers(0, ids, rows),
            "x": random.random(rows),
            "y": random.random(rows),
            "n": random.integers(0, 1000, rows),
            "s": chosen.to_pandas().astype("str" if pd.__version__ >= "3" else "string[pyarrow]"),
        }
    )


def table_of_ids(number: int, rows: int) -> pd.DataFrame:
    """A part of the join's right side: each id once."""
    ids = np.arange(number * rows, (number + 1) * rows)
    return pd.DataFrame({"id": ids, "z": ids * 0.5, "group": ids % 1000})


def checks(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers that do not depend on the order of the rows: sums of bits, modulo 2^64."""
    row: dict[str, Any] = {"rows": len(frame)}
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_string_dtype(values.dtype):
            row[name] = int(values.str.len().sum())
        else:
            row[name] = int(values.to_numpy().view("i8").sum())
    return pd.DataFrame([row], dtype="object")


def made(job: dict[str, Any]) -> Any:
    """The frame, as a collection."""
    parts, rows = job["partitions"], job["rows"] // job["partitions"]
    ids = job["rows"] // ROWS_PER_ID
    return dd.from_map(part, range(parts), rows=rows, ids=ids, meta=part(0, 0, 1))


def output_of(job: dict[str, Any], df: Any) -> Any:
    """Return what is counted, not computed yet."""
    count = job["partitions"]
    if job["job"] == "shuffle":
        out = df.shuffle("id", npartitions=count)
    elif job["job"] == "join":
        rows = job["rows"] // ROWS_PER_ID // count
        right = dd.from_map(table_of_ids, range(count), rows=rows, meta=table_of_ids(0, 0))
        out = df.merge(right, on="id", broadcast=False)
    else:
        out = df.groupby("id").agg({"n": "sum", "x": "max"}, split_out=count)
    return out.map_partitions(checks, meta=checks(out._meta_nonempty))


def method_of(job: dict[str, Any]) -> AbstractContextManager[object]:
    """What makes Dask shuffle as the job wants."""
    if job["method"] == "kvnode":
        return install(job["address"], codec=job["codec"])
    chosen: AbstractContextManager[object] = dask.config.set(
        {"dataframe.shuffle.method": job["method"]}
    )
    return chosen


def cpu_s(client: Client) -> float:
    """CPU time of the workers and of this process, which schedules, so far."""
    return float(sum(client.run(time.process_time).values())) + time.process_time()


def main() -> None:
    """Run the job, and print what it took and gave."""
    job = {"worker_memory": 0, "is_persisted": True, "codec": "none", **json.loads(sys.argv[1])}
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=job["worker_memory"],
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
        method_of(job),
    ):
        # Imports are no part of a job.
        client.run(lambda: __import__("distributed.shuffle") and __import__("kvclient.dask"))
        df = made(job)
        if job["is_persisted"]:
            df = df.persist()
            wait(df)
        cpu = cpu_s(client)
        begin = time.perf_counter()
        counted = output_of(job, df).compute()
        seconds = time.perf_counter() - begin
        cpu = cpu_s(client) - cpu
    numbers = [[int(value) for value in row] for row in counted.to_numpy().tolist()]
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "numbers": sorted(numbers)}))


if __name__ == "__main__":
    main()
