"""The tables of shuffles, for the terminal and for bench/RESULTS.md."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

from .blobs import BlobResult
from .report import Table
from .shuffle import ROW_BYTES, ShuffleResult, ShuffleResults
from .words import WordResult

OURS = "kvnode"


def tables(results: ShuffleResults) -> list[Table]:
    """The tables of what was measured."""
    found = []
    if results.jobs:
        found.append(jobs_table(results.jobs))
    if results.blobs:
        found.append(blobs_table(results.blobs))
    if results.words:
        found.append(words_table(results.words))
    return found


def jobs_table(results: Sequence[ShuffleResult]) -> Table:
    """MB/s, CPU and memory of each method, and how much faster kvnode was."""
    table = Table(
        "job", "method", "MB/s", "kvnode is faster by", "CPU s", "peak PSS MB", "node's peak MB"
    )
    for result in results:
        for method in result.samples:
            is_ours = method == OURS
            table.add(
                f"{result.case.name}, {result.rows * ROW_BYTES / 1e9:.1f} GB",
                method,
                f"{result.mb_per_s(method):.0f}",
                "" if is_ours else f"{result.ratio(method):.2f}",
                f"{result.cpu_s(method):.1f}",
                f"{result.peak_mb(method):,.0f}",
                f"{result.node_peak_mb(method):,.0f}" if is_ours else "",
            )
    return table


def blobs_table(results: Sequence[BlobResult]) -> Table:
    """MiB/s of large payloads; ratios to one request at a time, and to redis-py."""
    table = Table(
        "payloads, MiB/s",
        "kvnode raw",
        "redis raw",
        "ratio",
        "redis raw, pipelined",
        "kvclient.shuffle",
        "redis-py",
        "ratio",
    )
    for result in results:
        raw, theirs = result.rate(OURS), result.rate("redis")
        ours, other = result.rate("kvclient"), result.rate("redis-py")
        table.add(
            result.name,
            f"{raw:,.0f}",
            f"{theirs:,.0f}",
            f"{raw / theirs:.2f}",
            f"{result.rate('redis, pipelined'):,.0f}",
            f"{ours:,.0f}",
            f"{other:,.0f}" if other else "",
            f"{ours / other:.2f}" if other else "",
        )
    return table


def words_table(results: Sequence[WordResult]) -> Table:
    """MB/s of word counts."""
    table = Table("word count, MB/s", "kvclient.mapreduce", "pool", "ratio")
    for result in results:
        name = "with combiner" if result.name == "combine" else "without combiner"
        rates = (f"{result.rate(who):.0f}" for who in (OURS, "pool"))
        table.add(name, *rates, f"{result.ratio():.2f}")
    return table


def section(results: ShuffleResults, rounds: int) -> list[str]:
    """The lines of the section in bench/RESULTS.md."""
    names = ("dask", "distributed", "pandas", "pyarrow")
    lines = ["- " + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)]
    for table in tables(results):
        lines += ["", *table.markdown()]
    return [*lines, "", *method(rounds)]


def method(rounds: int) -> list[str]:
    """How the figures were measured."""
    return [
        "A job is a LocalCluster of two processes of one thread, new for each sample; the methods "
        f"in turns, {rounds} rounds, medians, ratios within a round. The frame (int id, two "
        "floats, int, text of 16 values) lies in the workers' memory when the time begins; for "
        "`large` it is made on the way, workers are limited to 1.5 GiB and the node to 512 MiB "
        "for shuffles. "
        "Every output partition is counted and its bits added up, and the methods have to agree on "
        "each. CPU and PSS are those of all processes, the node's among them; Spark's rows come "
        "from Parquet. Raw payloads go through one socket, redis-server's one at a time as well as "
        "16 under way, kvnode's 16 under way in pushes and 16 MiB in a fetch; the libraries do "
        "what they do. Word count: the example beside a pool of two processes.",
        "",
    ]
