"""Latencies under load, and the pauses that large deletions and growth cause, on both servers.

One prober asks at a fixed rate, on one connection. Its latencies count from the moment a request
was due if the answer before came late, so that a pause counts for every request that it delayed and
not only for the one that met it ("coordinated omission"). The load runs at a lower priority on the
prober's core; the server has the other core to itself.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import Final

from tests.wire.client import Wire, encode_request

from . import memory
from .contestants import Contestant, Setup, load, pinned, started
from .speed import fill_keys

PROBES_PER_S: Final = 500
PAUSE_PROBES_PER_S: Final = 2_000
PAUSE_LEAD_S: Final = 0.3
PERCENTILES: Final = (50.0, 99.0, 99.9)


@dataclass(frozen=True)
class Latencies:
    """What a prober saw, in milliseconds."""

    probes: int
    percentiles_ms: tuple[float, ...]
    longest_ms: float

    @classmethod
    def of(cls, latencies_s: list[float]) -> Latencies:
        """Sum up a prober's latencies."""
        rows = sorted(latencies_s)
        picked = [rows[min(len(rows) - 1, int(len(rows) * p / 100))] for p in PERCENTILES]
        return cls(len(rows), tuple(value * 1000 for value in picked), rows[-1] * 1000)


@dataclass(frozen=True)
class LatencyResult:
    """One case on both servers."""

    name: str
    seen: dict[str, Latencies]


class Prober:
    """Sends one request at a time at a fixed rate and notes how long each answer took."""

    def __init__(self, port: int, requests: Iterator[bytes], per_s: int) -> None:
        self.wire = Wire(port, timeout_s=120.0)
        self.requests = requests
        self.interval_s = 1.0 / per_s
        self.latencies_s: list[float] = []

    def run(self, going: Callable[[], bool]) -> Latencies:
        """Probe while `going()` holds."""
        due = time.perf_counter()
        late = False
        while going():
            now = time.perf_counter()
            if now < due:
                time.sleep(due - now)
            request = next(self.requests)
            # The sleep's own delay is not the server's: a punctual probe counts from its sending.
            begun = due if late else time.perf_counter()
            self.wire.send_raw(request)
            self.wire.read()
            end = time.perf_counter()
            self.latencies_s.append(end - begun)
            due += self.interval_s
            late = end > due
        self.wire.close()
        return Latencies.of(self.latencies_s)


def for_seconds(seconds: float) -> Callable[[], bool]:
    """A condition that holds for so long."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


@contextmanager
def background(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a load of lower priority during a block."""
    with subprocess.Popen(
        [*pinned("load"), "nice", "-n", "10", *command], stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def benchmark_command(port: int, pipeline: int) -> list[str]:
    """redis-benchmark with GET and SET of 100,000 keys, until it is ended."""
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", "50", "-l", "-q"]
    return [
        *command,
        "-P",
        str(pipeline),
        "-n",
        "500000",
        "-d",
        "64",
        "-r",
        "100000",
        "-t",
        "set,get",
    ]


GET_ONE: Final = encode_request([b"GET", b"key:000000000042"])
PING: Final = encode_request([b"PING"])


def idle(contestant: Contestant, seconds: float, size: int) -> Latencies:
    """No other load: what a round trip costs on this machine."""
    fill_keys(contestant, 0)
    return Prober(contestant.port, repeat(GET_ONE), PROBES_PER_S).run(for_seconds(seconds))


def under_load(pipeline: int) -> Callable[[Contestant, float, int], Latencies]:
    """50 clients GET and SET as fast as they can."""

    def case(contestant: Contestant, seconds: float, size: int) -> Latencies:
        fill_keys(contestant, 0)
        with background(*benchmark_command(contestant.port, pipeline)) as process:
            time.sleep(0.5)
            seen = Prober(contestant.port, repeat(GET_ONE), PROBES_PER_S).run(for_seconds(seconds))
            assert process.poll() is None, "the load ended before the probes"
        return seen

    return case


def growing(contestant: Contestant, seconds: float, size: int) -> Latencies:
    """A writer adds `size` new keys while the prober asks for one of them."""
    contestant.load([encode_request([b"SET", b"key:000000000042", b"v"])])
    command = [sys.executable, "-m", "bench.latency", str(contestant.port), str(size)]
    with background(*command) as process:
        seen = Prober(contestant.port, repeat(GET_ONE), PROBES_PER_S).run(
            lambda: process.poll() is None
        )
    keys = contestant.call("DBSIZE")
    assert keys == size, f"{keys} keys of {size}"
    return seen


def pause_of(contestant: Contestant, *argv: str) -> Latencies:
    """The longest wait of a PING around one command of another client."""
    other = Wire(contestant.port, timeout_s=120.0)
    prober = Prober(contestant.port, repeat(PING), PAUSE_PROBES_PER_S)
    begin = time.perf_counter()
    sent = False

    def going() -> bool:
        nonlocal sent
        elapsed = time.perf_counter() - begin
        if elapsed > PAUSE_LEAD_S and not sent:
            other.send(*argv)
            sent = True
        return elapsed < PAUSE_LEAD_S + 3.0

    seen = prober.run(going)
    assert other.read().kind != "error"
    other.close()
    return seen


def unlink_large_set(contestant: Contestant, seconds: float, size: int) -> Latencies:
    """UNLINK of a set of `size` members."""
    contestant.load(memory.large_set(size))
    return pause_of(contestant, "UNLINK", "large")


def unlink_large_sorted_set(contestant: Contestant, seconds: float, size: int) -> Latencies:
    """UNLINK of a sorted set of a fifth of `size` members."""
    contestant.load(memory.large_sorted_set(size // 5))
    return pause_of(contestant, "UNLINK", "large")


def flush_all(contestant: Contestant, seconds: float, size: int) -> Latencies:
    """FLUSHALL ASYNC of `size` keys."""
    contestant.load(memory.strings(size))
    return pause_of(contestant, "FLUSHALL", "ASYNC")


CASES: Final[list[tuple[str, Callable[[Contestant, float, int], Latencies]]]] = [
    ("GET, no other load", idle),
    ("GET, 50 clients GET and SET, P=1", under_load(1)),
    ("GET, 50 clients GET and SET, P=16", under_load(16)),
    ("GET, while {size:,} keys are added", growing),
    ("PING, during UNLINK of a set of {size:,}", unlink_large_set),
    ("PING, during UNLINK of a sorted set of {fifth:,}", unlink_large_sorted_set),
    ("PING, during FLUSHALL ASYNC of {size:,} keys", flush_all),
]


def median_round(rounds: list[Latencies]) -> Latencies:
    """The round whose longest wait is the median: one hiccup of the machine does not decide."""
    return sorted(rounds, key=lambda seen: seen.longest_ms)[len(rounds) // 2]


def run(setup: Setup, quick: bool, report: Callable[[LatencyResult], None]) -> list[LatencyResult]:
    """Run every case on fresh servers, in three rounds; quickly with a tenth of the data, once."""
    size, seconds, rounds = (500_000, 3.0, 1) if quick else (5_000_000, 10.0, 3)
    results = []
    for title, case in CASES:
        seen: dict[str, list[Latencies]] = {}
        for _ in range(rounds):
            for server in setup.servers():
                with started(server) as (contestant,):
                    rows = seen.setdefault(contestant.name, [])
                    rows.append(case(contestant, seconds, size))
        medians = {name: median_round(rows) for name, rows in seen.items()}
        result = LatencyResult(title.format(size=size, fifth=size // 5), medians)
        results.append(result)
        report(result)
    return results


if __name__ == "__main__":
    # The writer of `growing`: bench.latency PORT KEYS.
    load(int(sys.argv[1]), memory.strings(int(sys.argv[2])))
