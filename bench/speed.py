"""Requests per second and CPU time per request, by redis-benchmark.

Each sample runs one kind of command on a prepared keyspace; what prepares it is not measured. The
servers run on one core and redis-benchmark on another, kvnode and redis-server in turn, so that
what the machine does besides meets both. CPU per request is the steadier figure: requests per
second also depend on redis-benchmark, which becomes the limit once a server is fast enough.
"""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.wire.client import encode_request

from .contestants import Contestant, Setup, pinned, started

CLIENTS: Final = 50
COLUMNS: Final = 8  # of redis-benchmark's CSV
VALUE_BYTES: Final = 64
KEY_RANGE: Final = 100_000
VALUE: Final = b"x" * VALUE_BYTES
# Elements that a pop test finds; it pops all of them, and as often as its sample needs.
POP_ELEMENTS: Final = 400_000
LIST_ELEMENTS: Final = 100_000
PER_REQUEST: Final = 100


@dataclass(frozen=True)
class SpeedTest:
    """One kind of request: redis-benchmark's own test, or its arguments for a custom command."""

    name: str
    custom: tuple[str, ...] = ()
    fill: Callable[[Contestant, int], None] | None = None
    pops: bool = False


def fill_keys(contestant: Contestant, _: int) -> None:
    """Every key that GET may ask for."""
    names = (b"key:%012d" % i for i in range(KEY_RANGE))
    contestant.load(encode_request([b"SET", name, VALUE]) for name in names)


def fill_list(contestant: Contestant, count: int) -> None:
    """A list of `count` elements."""
    request = encode_request([b"RPUSH", b"mylist", *[VALUE] * PER_REQUEST])
    contestant.load(request for _ in range(count // PER_REQUEST))


def fill_set(contestant: Contestant, count: int) -> None:
    """A set of `count` members."""

    def request(start: int) -> bytes:
        members = [b"element:%012d" % i for i in range(start, start + PER_REQUEST)]
        return encode_request([b"SADD", b"myset", *members])

    contestant.load(request(start) for start in range(0, count, PER_REQUEST))


def fill_sorted_set(contestant: Contestant, count: int) -> None:
    """A sorted set of `count` members; scores in no order."""

    def request(start: int) -> bytes:
        words = [b"ZADD", b"myzset"]
        for i in range(start, start + PER_REQUEST):
            words += [b"%d" % (i * 7919 % count), b"element:%012d" % i]
        return encode_request(words)

    contestant.load(request(start) for start in range(0, count, PER_REQUEST))


TESTS: Final = [
    SpeedTest("ping_inline"),
    SpeedTest("ping_mbulk"),
    SpeedTest("set"),
    SpeedTest("get", fill=fill_keys),
    SpeedTest("incr"),
    SpeedTest("lpush"),
    SpeedTest("rpush"),
    SpeedTest("lpop", fill=fill_list, pops=True),
    SpeedTest("rpop", fill=fill_list, pops=True),
    SpeedTest("sadd"),
    SpeedTest("hset"),
    SpeedTest("spop", fill=fill_set, pops=True),
    SpeedTest("zadd"),
    SpeedTest("zpopmin", fill=fill_sorted_set, pops=True),
    SpeedTest("lrange_100", ("LRANGE", "mylist", "0", "99"), fill_list),
    SpeedTest("lrange_300", ("LRANGE", "mylist", "0", "299"), fill_list),
    SpeedTest("lrange_500", ("LRANGE", "mylist", "0", "499"), fill_list),
    SpeedTest("lrange_600", ("LRANGE", "mylist", "0", "599"), fill_list),
    SpeedTest("mset"),
]


@dataclass
class Sample:
    """One measurement: requests, their time, and the server's CPU time."""

    requests: int = 0
    elapsed_s: float = 0.0
    user_s: float = 0.0
    system_s: float = 0.0

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.elapsed_s

    @property
    def cpu_us(self) -> float:
        """CPU time per request in microseconds."""
        return (self.user_s + self.system_s) / self.requests * 1e6


@dataclass
class Result:
    """All samples of one test at one pipeline depth, per server."""

    name: str
    pipeline: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def rate(self, server: str) -> float:
        """The median of the requests per second."""
        return statistics.median(sample.rate for sample in self.samples[server])

    def cpu_us(self, server: str) -> float:
        """The median of the CPU time per request."""
        return statistics.median(sample.cpu_us for sample in self.samples[server])

    def user_us(self, server: str) -> float:
        """The median of the user part of the CPU time per request."""
        rows = self.samples[server]
        return statistics.median(sample.user_s / sample.requests * 1e6 for sample in rows)

    def rate_ratio(self) -> float:
        """kvnode's rate over redis-server's; above 1 is faster."""
        return self.rate("kvnode") / self.rate("redis-server")

    def cpu_ratio(self) -> float:
        """redis-server's CPU per request over kvnode's; above 1 is cheaper."""
        return self.cpu_us("redis-server") / self.cpu_us("kvnode")

    def cpu_ratio_range(self) -> tuple[float, float]:
        """The smallest and the largest CPU ratio of one pair of samples."""
        pairs = zip(self.samples["kvnode"], self.samples["redis-server"], strict=True)
        ratios = [theirs.cpu_us / ours.cpu_us for ours, theirs in pairs]
        return min(ratios), max(ratios)


def redis_benchmark(port: int, test: SpeedTest, pipeline: int, requests: int) -> float:
    """Run redis-benchmark once; the seconds it took, from the rate it printed."""
    command = [*pinned("load"), "redis-benchmark", "-h", "127.0.0.1", "-p", str(port)]
    command += ["-c", str(CLIENTS), "-P", str(pipeline), "-n", str(requests)]
    command += ["-d", str(VALUE_BYTES), "-r", str(KEY_RANGE), "--csv"]
    command += list(test.custom) or ["-t", test.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # A custom command stands in the first column as it is, with its quotation marks.
    lines = [line for line in done.stdout.splitlines() if line.startswith('"')]
    rows = [line.strip('"').rsplit('","', COLUMNS - 1) for line in lines]
    if done.returncode != 0 or len(rows) != 2 or rows[0][1] != "rps":
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return requests / float(rows[1][1])


def measure(contestant: Contestant, test: SpeedTest, pipeline: int, requests: int) -> Sample:
    """One sample of some `requests` requests on a freshly prepared keyspace."""
    sample = Sample()
    while sample.requests < requests:
        contestant.empty()
        count = requests
        if test.fill is not None:
            test.fill(contestant, POP_ELEMENTS if test.pops else LIST_ELEMENTS)
        if test.pops:
            count = min(requests - sample.requests, POP_ELEMENTS)
        before = contestant.cpu()
        sample.elapsed_s += redis_benchmark(contestant.port, test, pipeline, count)
        after = contestant.cpu()
        sample.requests += count
        sample.user_s += after.user_s - before.user_s
        sample.system_s += after.system_s - before.system_s
    return sample


def requests_for(contestant: Contestant, test: SpeedTest, pipeline: int, seconds: float) -> int:
    """How many requests take this long; found in two steps, which also warm the server up."""
    rate = measure(contestant, test, pipeline, 3_000 * pipeline).rate
    rate = measure(contestant, test, pipeline, max(3_000, int(rate * 0.3))).rate
    return max(3_000, int(rate * seconds))


def run_test(
    contestants: list[Contestant], test: SpeedTest, pipeline: int, pairs: int, seconds: float
) -> Result:
    """Sample the servers in turn, A B A B, each sample at least `seconds` long."""
    counts = [requests_for(one, test, pipeline, seconds * 1.1) for one in contestants]
    result = Result(test.name, pipeline, {one.name: [] for one in contestants})
    for _ in range(pairs):
        for contestant, count in zip(contestants, counts, strict=True):
            result.samples[contestant.name].append(measure(contestant, test, pipeline, count))
    for contestant in contestants:
        contestant.empty()
    return result


def run(
    tests: Sequence[SpeedTest],
    setup: Setup,
    names: list[str],
    pipelines: list[int],
    pairs: int,
    seconds: float,
    report: Callable[[Result], None],
) -> list[Result]:
    """Run those of `tests` that are named, or all; each result is reported as it comes."""
    results = []
    with started(*setup.servers()) as contestants:
        for pipeline in pipelines:
            for test in tests:
                if names and test.name not in names:
                    continue
                result = run_test(contestants, test, pipeline, pairs, seconds)
                results.append(result)
                report(result)
    return results
