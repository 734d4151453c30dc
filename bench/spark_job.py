"""The shuffle of `bench/shuffle_job.py` by Spark, where pyspark is installed.

Spark reads the rows from Parquet: writing that is no part of the time, reading it is. Of its output
the rows, the two sums of integers and the length of the texts are compared; bits of floats it does
not add.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from .contestants import cpu_of
from .shuffle import family
from .shuffle_job import ROWS_PER_ID, part

try:
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f
except ImportError:  # measured where it is installed
    SparkSession = None

MEMORY: Final = "3g"


def written(job: dict[str, Any], folder: str) -> None:
    """Write the frame as Parquet."""
    parts, rows = job["partitions"], job["rows"] // job["partitions"]
    for number in range(parts):
        frame = part(number, rows, job["rows"] // ROWS_PER_ID)
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(table, f"{folder}/{number:05}.parquet", compression="none")


def cpu_s() -> float:
    """CPU time of this process and those it has started, the JVM among them, so far."""
    used = [cpu_of(pid) for pid in family(os.getpid())]
    return sum(each.user_s + each.system_s for each in used)


def main() -> None:
    """Run the job, and print what it took and gave."""
    job = json.loads(sys.argv[1])
    count = job["partitions"]
    with tempfile.TemporaryDirectory() as folder:
        written(job, folder)
        spark = (
            SparkSession.builder.master("local[2]")
            .config("spark.driver.memory", MEMORY)
            .config("spark.ui.enabled", "false")
            .config("spark.sql.adaptive.enabled", "false")
            .getOrCreate()
        )
        frame = spark.read.parquet(folder)
        before = cpu_s()
        begin = time.perf_counter()
        rows = (
            frame.repartition(count, "id")
            .groupBy(f.spark_partition_id())
            .agg(
                f.count("*"),
                f.sum("id"),
                f.max("x"),
                f.max("y"),
                f.sum("n"),
                f.sum(f.length("s")),
            )
            .collect()
        )
        seconds = time.perf_counter() - begin
        used = cpu_s() - before
        spark.stop()
    numbers = [[int(value) for value in row[1:]] for row in rows]
    print(json.dumps({"seconds": seconds, "cpu_s": used, "numbers": numbers}))


if __name__ == "__main__":
    main()
