"""What durability costs: the append-only log, loading, snapshots, all beside redis-server.

    set, incr, lpush    requests with `appendonly yes`, measured as in bench/speed.py
    load_rdb, load_log  from the start of the process to the end of LOADING, on the same files
    snapshot            a BGSAVE while a mixed load runs: latencies, and memory that it takes

The files stand on one real disk, where TMPDIR is; a tmpfs is refused, since a sync of it is free.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.wire.client import Wire, encode_request
from tests.wire.servers import Server, redis_server

from . import memory, mixed_data
from .contestants import TICKS_PER_S, Contestant, Setup, started
from .latency import Latencies, Prober, background
from .speed import TESTS as SPEED_TESTS
from .speed import Result, run_test

LOGGED: Final = ("set", "incr", "lpush")
LOADS: Final = {"load_rdb": "RDB file", "load_log": "log"}
TESTS: Final = (*LOGGED, *LOADS, "snapshot")
POLICIES: Final = ("everysec", "always")
LOG_ON: Final = ("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")
LOAD_TIMEOUT_S: Final = 600.0
KEYS: Final = 1_000_000
SNAPSHOT_KEYS: Final = 2_000_000
SNAPSHOT_ROUNDS: Final = 3
PROBES_PER_S: Final = 1_000
LOAD_CONNECTIONS: Final = 10
LOAD_PER_S: Final = 5_000
SAMPLE_S: Final = 0.1


# --- the log --------------------------------------------------------------------------------------


def run_logged(
    setup: Setup,
    names: list[str],
    pipelines: list[int],
    pairs: int,
    seconds: float,
    report: Callable[[Result], None],
) -> list[Result]:
    """Requests per second with the log on, in each policy, on servers of their own."""
    results = []
    for policy in POLICIES:
        for pipeline in pipelines:
            for test in SPEED_TESTS:
                if test.name not in LOGGED or (names and test.name not in names):
                    continue
                servers = setup.servers(*LOG_ON, "--appendfsync", policy)
                with started(*servers) as contestants:
                    require_disk(servers[0])
                    result = run_test(contestants, test, pipeline, pairs, seconds)
                result.name = f"{test.name}, {policy}"
                results.append(result)
                report(result)
    return results


def file_system(folder: Path) -> str:
    """The type of the file system that holds a folder."""
    command = ["stat", "--file-system", "--format=%T", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def require_disk(server: Server) -> None:
    """RuntimeError: the server's files stand in memory."""
    assert server.folder is not None
    if file_system(server.folder) in ("tmpfs", "ramfs"):
        raise RuntimeError(f"{server.folder} is in memory; set TMPDIR to a folder on a disk")


# --- loading --------------------------------------------------------------------------------------


@dataclass
class LoadResult:
    """Seconds from the start of the process to the end of LOADING, and CPU seconds; per server."""

    name: str
    size: int  # of the files in bytes
    elapsed_s: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: dict[str, list[float]] = field(default_factory=dict)

    def elapsed(self, server: str) -> float:
        """The median of the seconds."""
        return statistics.median(self.elapsed_s[server])

    def cpu(self, server: str) -> float:
        """The median of the CPU seconds."""
        return statistics.median(self.cpu_s[server])

    def ratio(self) -> float:
        """kvnode's time over redis-server's; below 1 is faster."""
        return self.elapsed("kvnode") / self.elapsed("redis-server")

    def cpu_ratio(self) -> float:
        """The same of CPU time."""
        return self.cpu("kvnode") / self.cpu("redis-server")


def make_files(folder: Path, kind: str, count: int) -> None:
    """Have redis-server write files of `count` mixed keys, or a log of as many requests."""
    is_log = kind == "load_log"
    server = redis_server(*(LOG_ON if is_log else ()))
    requests = mixed_data.requests(count) if is_log else mixed_data.keys(count)
    with started(server) as (contestant,):
        contestant.load(requests)
        assert server.folder is not None
        if is_log:
            contestant.call("CONFIG", "SET", "appendfsync", "always")  # all of it is written
            contestant.call("SET", "last", "1")
            shutil.copytree(server.folder / "appendonlydir", folder / "appendonlydir")
        else:
            contestant.call("SAVE")
            shutil.copy(server.folder / "dump.rdb", folder / "dump.rdb")


def load_once(server: Server, files: Path) -> tuple[float, float, int]:
    """Start a server on copies of files; the seconds, the CPU seconds, and the keys it has."""
    server.folder = Path(tempfile.mkdtemp(prefix=f"bench-{server.name}-"))
    try:
        shutil.copytree(files, server.folder, dirs_exist_ok=True)
        begin = time.perf_counter()
        server.start_timeout_s = LOAD_TIMEOUT_S
        server.start()
        elapsed = time.perf_counter() - begin
        contestant = Contestant(server)
        cpu = contestant.cpu()
        keys = contestant.call("DBSIZE")
        assert isinstance(keys, int)
        return elapsed, cpu.user_s + cpu.system_s, keys
    finally:
        server.remove()


def run_load(setup: Setup, kind: str, count: int, pairs: int) -> LoadResult:
    """Load the same files in turns; both servers must come to the same number of keys."""
    with tempfile.TemporaryDirectory(prefix="bench-files-") as name:
        files = Path(name)
        make_files(files, kind, count)
        size = sum(path.stat().st_size for path in files.rglob("*") if path.is_file())
        unit = "requests" if kind == "load_log" else "keys"
        result = LoadResult(f"{LOADS[kind]} of {count:,} {unit}", size)
        found: set[int] = set()
        for _ in range(pairs):
            for server in setup.servers(*(LOG_ON if kind == "load_log" else ())):
                elapsed, cpu, keys = load_once(server, files)
                result.elapsed_s.setdefault(server.name, []).append(elapsed)
                result.cpu_s.setdefault(server.name, []).append(cpu)
                found.add(keys)
        assert len(found) == 1, f"the servers disagree: {found} keys"
    return result


# --- snapshots ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SnapshotSample:
    """One save under load."""

    latencies: Latencies
    before_bytes: int
    peak_bytes: int  # of the process and what a forked one has of its own
    elapsed_s: float
    cpu_s: float  # of the process and its children

    @property
    def extra_percent(self) -> float:
        """The memory that the save took, in percent of what there was before."""
        return (self.peak_bytes - self.before_bytes) / self.before_bytes * 100


@dataclass(frozen=True)
class SnapshotResult:
    """The saves of each server: the one with the median p99.9, and the greatest memory of all."""

    name: str
    seen: dict[str, SnapshotSample]
    extra_percent: dict[str, float]


class SaveWatch:
    """A thread that begins a save and watches the memory that it takes until it is over."""

    def __init__(self, contestant: Contestant) -> None:
        self.is_over = False
        self.peak_bytes = 0
        self._contestant = contestant
        self._wire = Wire(contestant.port, timeout_s=120.0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the save is over."""
        self._thread.join()
        self._wire.close()
        assert self.is_over, "nobody saw the end of the save"

    def _run(self) -> None:
        assert self._wire.call("BGSAVE").kind == "simple"
        pid = self._contestant.server.pid
        while not self.is_over:
            time.sleep(SAMPLE_S)
            taken = self._contestant.rss() + sum(map(private_bytes, children(pid)))
            self.peak_bytes = max(self.peak_bytes, taken)
            text = self._wire.call("INFO", "persistence").text()
            self.is_over = b"rdb_bgsave_in_progress:0" in text


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def private_bytes(pid: int) -> int:
    """The memory that a forked process shares with nobody; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    rows = re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", text, re.MULTILINE)
    return sum(map(int, rows)) * 1024


def all_cpu_s(pid: int) -> float:
    """The CPU seconds of a process and of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_PER_S


def mixed_requests(count: int) -> Iterator[bytes]:
    """GET and SET of keys all over the dataset, in turns, without end."""
    place = 0
    while True:
        place = (place + 1_299_709) % count  # a prime: every key has its turn
        key = b"key:%012d" % place
        yield encode_request([b"GET", key])
        place = (place + 1_299_709) % count
        key = b"key:%012d" % place
        yield encode_request([b"SET", key, b"%012d" % place + memory.VALUE[:52]])


def keep_loading(port: int, count: int) -> None:
    """Send `LOAD_PER_S` mixed requests a second on some connections until the process is ended."""
    wires = [Wire(port, timeout_s=120.0) for _ in range(LOAD_CONNECTIONS)]
    requests = mixed_requests(count)
    interval_s = LOAD_CONNECTIONS / LOAD_PER_S
    due = time.perf_counter()
    while True:
        now = time.perf_counter()
        if now < due:
            time.sleep(due - now)
        due = max(due + interval_s, now)
        for wire in wires:
            wire.send_raw(next(requests))
        for wire in wires:
            wire.read()


def save_under_load(contestant: Contestant, count: int) -> SnapshotSample:
    """A BGSAVE while the load and a prober are at work."""
    contestant.load(memory.strings(count))
    before_bytes = contestant.settled_rss()
    command = [sys.executable, "-m", "bench.durability", str(contestant.port), str(count)]
    with background(*command) as process:
        time.sleep(1.0)
        pid = contestant.server.pid
        cpu_s, begin = all_cpu_s(pid), time.perf_counter()
        watch = SaveWatch(contestant)
        prober = Prober(contestant.port, mixed_requests(count), PROBES_PER_S)
        latencies = prober.run(lambda: not watch.is_over)
        elapsed_s = time.perf_counter() - begin
        cpu_s = all_cpu_s(pid) - cpu_s
        watch.wait()
        assert process.poll() is None, "the load ended before the save"
    text = contestant.wire.call("INFO", "persistence").text()
    assert b"rdb_last_bgsave_status:ok" in text, "the save failed"
    return SnapshotSample(latencies, before_bytes, watch.peak_bytes, elapsed_s, cpu_s)


def run_snapshot(setup: Setup, count: int, rounds: int) -> SnapshotResult:
    """Save in turns on fresh servers, which may use every core, as a forked process would."""
    samples: dict[str, list[SnapshotSample]] = {}
    for _ in range(rounds):
        for server in setup.servers("--rdbcompression", "yes", everywhere=True):
            with started(server) as (contestant,):
                require_disk(server)
                rows = samples.setdefault(contestant.name, [])
                rows.append(save_under_load(contestant, count))
    seen, extra = {}, {}
    for name, rows in samples.items():
        rows.sort(key=lambda row: row.latencies.percentiles_ms[-1])
        seen[name] = rows[len(rows) // 2]
        extra[name] = max(row.extra_percent for row in rows)
    return SnapshotResult(f"BGSAVE of {count:,} keys", seen, extra)


@dataclass
class DurabilityResults:
    """All that was measured."""

    logged: list[Result] = field(default_factory=list)
    loads: list[LoadResult] = field(default_factory=list)
    snapshots: list[SnapshotResult] = field(default_factory=list)


def run(
    setup: Setup,
    names: list[str],
    pipelines: list[int],
    pairs: int,
    seconds: float,
    quick: bool,
    report: Callable[[Result | LoadResult | SnapshotResult], None],
) -> DurabilityResults:
    """Run the tests that are named, or all; quickly with a tenth of the keys."""
    results = DurabilityResults()
    if not names or set(names) & set(LOGGED):
        results.logged = run_logged(setup, names, pipelines, pairs, seconds, report)
    for kind in LOADS:
        if not names or kind in names:
            load = run_load(setup, kind, KEYS // 10 if quick else KEYS, pairs)
            results.loads.append(load)
            report(load)
    if not names or "snapshot" in names:
        count, rounds = (SNAPSHOT_KEYS // 10, 1) if quick else (SNAPSHOT_KEYS, SNAPSHOT_ROUNDS)
        snapshot = run_snapshot(setup, count, rounds)
        results.snapshots.append(snapshot)
        report(snapshot)
    return results


if __name__ == "__main__":
    # The load during a save: bench.durability PORT KEYS.
    keep_loading(int(sys.argv[1]), int(sys.argv[2]))
