"""Dask's shuffles beside each other: tasks, p2p, disk and kvnode, equal results checked.

Each sample is a cluster of two worker processes of one thread, made anew (`bench/shuffle_job.py`),
the methods in turns. Memory is the proportional set size (PSS) of all processes, the node's among
them, at its highest.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from tests.wire.servers import Server, node_environment

from . import blobs, words
from .blobs import BlobResult
from .contestants import Setup, cpu_of, started
from .words import WordResult

METHODS: Final = ("tasks", "p2p", "disk", "kvnode")
ROWS: Final = 16_000_000
LARGE_ROWS: Final = 66_000_000
QUICK_ROWS: Final = 2_000_000
LARGE_WORKER_BYTES: Final = 3 << 29
LARGE_STORE_BYTES: Final = 512 << 20
ROUNDS: Final = 3
SAMPLE_S: Final = 0.5
COLUMNS_OF_SPARK: Final = (0, 1, 4, 5)
"""Rows, id, n and the length of the texts, of the numbers that a job gives."""
ROW_BYTES: Final = 45.6
"""In Arrow, with 32-bit offsets of the text, as the figures of the design count them."""


@dataclass(frozen=True)
class Case:
    """One job, by all methods."""

    name: str
    job: str
    partitions: int
    rows: int = ROWS
    methods: Sequence[str] = METHODS
    worker_bytes: int = 0
    store_bytes: int = 0
    is_persisted: bool = True


CASES: Final = (
    Case("shuffle_16", "shuffle", 16, methods=(*METHODS, "spark")),
    Case("shuffle_64", "shuffle", 64),
    Case("shuffle_256", "shuffle", 256),
    Case("join_16", "join", 16, methods=("tasks", "p2p", "kvnode")),
    Case("groupby_16", "groupby", 16, methods=("tasks", "p2p", "kvnode")),
    Case(
        "large_64",
        "shuffle",
        64,
        rows=LARGE_ROWS,
        worker_bytes=LARGE_WORKER_BYTES,
        store_bytes=LARGE_STORE_BYTES,
        is_persisted=False,
    ),
)
TESTS: Final = (*(case.name for case in CASES), "blobs", "words")


@dataclass
class Sample:
    """What one job took."""

    seconds: float
    cpu_s: float
    peak_bytes: int
    node_peak_bytes: int


@dataclass
class ShuffleResult:
    """The samples of a case, by method."""

    case: Case
    rows: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def __str__(self) -> str:
        rates = (f"{method} {self.mb_per_s(method):.0f}" for method in self.samples)
        return f"{self.case.name}, MB/s: {', '.join(rates)}"

    def mb_per_s(self, method: str) -> float:
        """Megabytes of input a second, the median."""
        return median(self.rows * ROW_BYTES / 1e6 / s.seconds for s in self.samples[method])

    def cpu_s(self, method: str) -> float:
        """CPU time of all processes, the median."""
        return median(sample.cpu_s for sample in self.samples[method])

    def peak_mb(self, method: str) -> float:
        """The highest memory of all processes together, the median."""
        return median(sample.peak_bytes for sample in self.samples[method]) / 1e6

    def node_peak_mb(self, method: str) -> float:
        """The node's highest memory, the median."""
        return median(sample.node_peak_bytes for sample in self.samples[method]) / 1e6

    def ratio(self, method: str) -> float:
        """How much faster kvnode was, the median of the rounds."""
        pairs = zip(self.samples[method], self.samples["kvnode"], strict=True)
        return median(other.seconds / ours.seconds for other, ours in pairs)


@dataclass
class ShuffleResults:
    """Everything that this part measures."""

    jobs: list[ShuffleResult] = field(default_factory=list)
    blobs: list[BlobResult] = field(default_factory=list)
    words: list[WordResult] = field(default_factory=list)


class Memory:
    """Looks at the memory of a process, its children and a node, until it is stopped."""

    def __init__(self, pid: int, node: int | None) -> None:
        self._pid = pid
        self._node = node
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak = 0
        self.node_peak = 0
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(SAMPLE_S):
            node = pss(self._node) if self._node is not None else 0
            total = node + sum(map(pss, family(self._pid)))
            self.peak = max(self.peak, total)
            self.node_peak = max(self.node_peak, node)


def pss(pid: int) -> int:
    """Return a process's proportional set size in bytes, 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except OSError:
        return 0


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found = [pid]
    for known in found:
        found += children.get(known, [])
    return found


def sample_of(case: Case, method: str, rows: int, node: Server) -> tuple[Sample, list[list[int]]]:
    """Run a job in processes of its own; return what it took and the numbers of its output."""
    module = "bench.spark_job" if method == "spark" else "bench.shuffle_job"
    job = {
        "job": case.job,
        "method": method,
        "rows": rows,
        "partitions": case.partitions,
        "worker_memory": case.worker_bytes,
        "is_persisted": case.is_persisted,
        "address": f"kv://127.0.0.1:{node.port}",
    }
    before = cpu_of(node.pid)
    process = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(job)],
        env=node_environment(sys.executable),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    memory = Memory(process.pid, node.pid if method == "kvnode" else None)
    output, errors = process.communicate()
    memory.stop()
    if process.returncode != 0:
        raise RuntimeError(f"{case.name}, {method}: {errors.decode()[-2000:]}")
    after = cpu_of(node.pid)
    given: dict[str, Any] = json.loads(output.splitlines()[-1])
    cpu_s = given["cpu_s"]
    if method == "kvnode":
        cpu_s += after.user_s + after.system_s - before.user_s - before.system_s
    return Sample(given["seconds"], cpu_s, memory.peak, memory.node_peak), given["numbers"]


def is_equal_to_spark(ours: list[list[int]], sparks: list[list[int]]) -> bool:
    """Whether the sums over all partitions are equal; Spark's hash is another one."""
    columns = [list(zip(*numbers, strict=True)) for numbers in (ours, sparks)]
    return all(sum(columns[0][at]) == sum(columns[1][at]) for at in COLUMNS_OF_SPARK)


def methods_of(case: Case) -> list[str]:
    """Return the methods that can be measured here."""
    has_spark = importlib.util.find_spec("pyspark") is not None
    return [method for method in case.methods if method != "spark" or has_spark]


def run_case(
    case: Case, setup: Setup, rows: int, rounds: int, report: Callable[[ShuffleResult], None]
) -> ShuffleResult:
    """Measure a case, the methods in turns; their results have to be equal, by partition."""
    directives = ["--shuffle-memory", str(case.store_bytes)] if case.store_bytes else []
    result = ShuffleResult(case, rows)
    kvnode, _ = setup.servers(*directives, everywhere=True)
    with started(kvnode):
        for _ in range(rounds):
            expected: list[list[int]] | None = None
            for method in methods_of(case):
                sample, numbers = sample_of(case, method, rows, kvnode)
                result.samples.setdefault(method, []).append(sample)
                if expected is None:
                    expected = numbers
                if not (is_equal_to_spark if method == "spark" else list.__eq__)(expected, numbers):
                    raise RuntimeError(f"{case.name}: {method} and {case.methods[0]} differ")
    report(result)
    return result


def run(
    setup: Setup,
    names: Sequence[str],
    rounds: int,
    is_quick: bool,
    report: Callable[[ShuffleResult | BlobResult | WordResult], None],
) -> ShuffleResults:
    """Measure what was asked for."""
    results = ShuffleResults()
    wanted = names or TESTS
    for case in CASES:
        if case.name in wanted:
            rows = QUICK_ROWS if is_quick else case.rows
            results.jobs.append(run_case(case, setup, rows, rounds, report))
    if "blobs" in wanted:
        results.blobs = blobs.run(setup, rounds, report)
    if "words" in wanted:
        results.words = words.run(setup, rounds, is_quick, report)
    return results
