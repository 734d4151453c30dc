"""The Python client beside redis-py, coredis and valkey-glide, on redis-server and on kvnode.

Every sample is a process of its own (bench/client_worker.py) that loads one library, warms up, and
calls SET and then GET of 64-byte values. The libraries are sampled in turns, round by round, so
that what the machine does besides meets all of them. All loops are uvloop's, redis-py parses with
hiredis, and every library has its defaults but for redis-py's pool, which would raise at 500 tasks.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from tests.client.clusters import RedisCluster

from .client_worker import CASES, COMMANDS
from .contestants import Setup, started

OURS: Final = "kvclient"
ON_CLUSTER: Final = "cluster_50"
IMPORTS: Final = "import"
TESTS: Final = (*CASES, IMPORTS)
PACKAGES: Final = {"redis-py": "redis", "coredis": "coredis", "valkey-glide": "glide"}
"""What each library is imported as."""
DISTRIBUTIONS: Final = {"redis-py": "redis", "coredis": "coredis", "valkey-glide": "valkey-glide"}
STATEMENTS: Final = {
    "kvclient": "import kvclient",
    "kvclient, Client": "from kvclient import Client",
    "kvclient, AsyncClient": "from kvclient import AsyncClient",
    "asyncio": "import asyncio",
    "redis-py": "import redis",
    "redis-py, asyncio": "import redis.asyncio",
    "coredis": "import coredis",
    "valkey-glide": "import glide",
}
TIMED: Final = """
import time
begin = time.perf_counter()
{statement}
print((time.perf_counter() - begin) * 1000)
"""
SAMPLE_TIMEOUT_S: Final = 60.0

Row = dict[str, float]


@dataclass
class ClientResult:
    """The samples of one command in one case on one server, by library, round by round."""

    server: str
    case: str
    command: str
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def rates(self, library: str) -> list[float]:
        """Calls per second."""
        return [row["calls"] / row["elapsed_s"] for row in self.rows[library]]

    def rate(self, library: str) -> float:
        """The median of the calls per second."""
        return statistics.median(self.rates(library))

    def cpu_us(self, library: str, who: str) -> float:
        """The median of CPU time per call of the client or the server."""
        return statistics.median(row[f"{who}_s"] / row["calls"] * 1e6 for row in self.rows[library])

    def latency_ms(self, library: str, percentile: str) -> float | None:
        """The median of a percentile, None where calls were not timed."""
        if percentile not in self.rows[library][0]:
            return None
        return statistics.median(row[percentile] for row in self.rows[library])

    def ratio(self, library: str) -> float:
        """Our rate over another library's."""
        return self.rate(OURS) / self.rate(library)

    def ratio_range(self, library: str) -> tuple[float, float]:
        """The smallest and the largest ratio of one round."""
        pairs = zip(self.rates(OURS), self.rates(library), strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        return min(ratios), max(ratios)


@dataclass
class ClientResults:
    """Everything that was measured; times of imports in milliseconds."""

    calls: list[ClientResult] = field(default_factory=list)
    imports_ms: dict[str, list[float]] = field(default_factory=dict)


def missing() -> list[str]:
    """The libraries that are not installed here."""
    return [name for name, package in PACKAGES.items() if importlib.util.find_spec(package) is None]


def versions() -> str:
    """The libraries that are measured, with their versions."""
    absent = missing()
    found = [
        f"{name} {version(package)}"
        for name, package in DISTRIBUTIONS.items()
        if name not in absent
    ]
    origin = importlib.util.find_spec("kvclient.wire.channel")
    is_compiled = origin is not None and not str(origin.origin).endswith(".py")
    ours = f"kvclient {'compiled' if is_compiled else 'interpreted'}"
    text = ", ".join([ours, *found, f"uvloop {version('uvloop')}", f"hiredis {version('hiredis')}"])
    if absent:
        text += f"; not installed: {', '.join(absent)} (pip install kvnode[bench])"
    return text


def environment() -> dict[str, str]:
    """The environment of the processes: as an installed program has it, with .pyc files."""
    return {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def output_of(command: list[str]) -> str:
    """What a process prints; RuntimeError with its errors if it fails."""
    done = subprocess.run(
        command,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=SAMPLE_TIMEOUT_S,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])}\n{done.stderr[-2000:]}")
    return done.stdout


def sample(library: str, case: str, port: int, pids: list[int], seconds: float) -> dict[str, Row]:
    """One sample, by command."""
    command = [sys.executable, "-m", "bench.client_worker", library, case, str(port), str(seconds)]
    rows: dict[str, Row] = json.loads(output_of([*command, *map(str, pids)]))
    return rows


def run_case(
    server: str, case: str, port: int, pids: list[int], rounds: int, seconds: float
) -> list[ClientResult]:
    """All libraries in turns; a result for each command."""
    absent = missing()
    libraries = [name for name in CASES[case].libraries if name not in absent]
    results = {command: ClientResult(server, case, command) for command in COMMANDS}
    for _ in range(rounds):
        for library in libraries:
            for command, row in sample(library, case, port, pids, seconds).items():
                results[command].rows.setdefault(library, []).append(row)
    return list(results.values())


@contextmanager
def nodes(setup: Setup, case: str, server: str) -> Iterator[tuple[int, list[int]]]:
    """A port to call, and the processes behind it, during a block."""
    if case == ON_CLUSTER:
        with RedisCluster(leaders=3) as cluster:
            servers = [node.server for node in cluster.nodes]
            yield servers[0].port, [node.pid for node in servers]
        return
    chosen = [each for each in setup.servers(everywhere=True) if each.name == server]
    with started(*chosen) as (contestant,):
        yield contestant.port, [contestant.server.pid]


def run_imports(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of imports in fresh processes; the first of each, which may compile, is left."""
    absent = missing()
    statements = {
        name: statement
        for name, statement in STATEMENTS.items()
        if name.partition(",")[0] not in absent
    }
    times: dict[str, list[float]] = {name: [] for name in statements}
    for number in range(rounds + 1):
        for name, statement in statements.items():
            code = TIMED.format(statement=statement)
            spent = float(output_of([sys.executable, "-c", code]))
            if number:
                times[name].append(spent)
    return times


def run(
    setup: Setup,
    names: list[str],
    rounds: int,
    seconds: float,
    report: Callable[[ClientResult], None],
) -> ClientResults:
    """Run the cases that are named, or all, on redis-server and then on kvnode."""
    results = ClientResults()
    for server in ("redis-server", "kvnode"):
        for case in CASES:
            if (names and case not in names) or (case == ON_CLUSTER and server == "kvnode"):
                continue
            with nodes(setup, case, server) as (port, pids):
                for result in run_case(server, case, port, pids, rounds, seconds):
                    results.calls.append(result)
                    report(result)
    if not names or IMPORTS in names:
        results.imports_ms = run_imports(rounds * 3)
    return results
