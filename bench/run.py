"""Measure kvnode beside redis-server: `make bench`.

python -m bench.run                        all parts, above an hour
python -m bench.run --quick --only speed   a few minutes' look
python -m bench.run --tests set,get --pipelines 16
python -m bench.run --only scripts --tests get,incr_100
python -m bench.run --only durability --tests set,load_rdb,snapshot
python -m bench.run --only clients --tests asyncio_50,blocking,import
python -m bench.run --only shuffle --tests shuffle_16,blobs
python -m bench.run --write                also write bench/RESULTS.md
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from . import client_report, clients, durability, latency, memory, report, scripts, speed
from .clients import ClientResult, ClientResults
from .contestants import Setup
from .durability import DurabilityResults, LoadResult, SnapshotResult
from .latency import LatencyResult
from .memory import MemoryResult
from .speed import Result

PARTS: Final = ("speed", "scripts", "memory", "latency", "durability", "clients", "shuffle")
PAIRS: Final = 5
SAMPLE_S: Final = 3.0
QUICK_PAIRS: Final = 3
QUICK_SAMPLE_S: Final = 1.0


def say(text: str) -> None:
    """Progress goes to standard error, tables to standard output."""
    print(text, file=sys.stderr, flush=True)


def report_speed(result: Result) -> None:
    """One line as a test ends."""
    say(
        f"{result.name:<12} P={result.pipeline:<3} rps {result.rate_ratio():.2f}  "
        f"CPU {result.cpu_ratio():.2f}  ({result.cpu_us('kvnode'):.2f} µs against "
        f"{result.cpu_us('redis-server'):.2f})"
    )


def report_memory(result: MemoryResult) -> None:
    """One line as a case ends."""
    say(f"{result.name}, {result.count:,}: RSS ratio {result.ratio():.2f}")


def report_latency(result: LatencyResult) -> None:
    """One line as a case ends."""
    longest = ", ".join(f"{name} {seen.longest_ms:.1f}" for name, seen in result.seen.items())
    say(f"{result.name}: longest, ms: {longest}")


def report_durability(result: Result | LoadResult | SnapshotResult) -> None:
    """One line as a test ends."""
    if isinstance(result, Result):
        report_speed(result)
    elif isinstance(result, LoadResult):
        say(f"{result.name}: time ratio {result.ratio():.2f}, CPU ratio {result.cpu_ratio():.2f}")
    else:
        for name, sample in result.seen.items():
            p99_9 = sample.latencies.percentiles_ms[-1]
            extra = result.extra_percent[name]
            say(f"{result.name}: {name} p99.9 {p99_9:.2f} ms, extra memory {extra:.1f} %")


def report_client(result: ClientResult) -> None:
    """One line as a case ends."""
    rates = ", ".join(f"{name} {result.rate(name):,.0f}" for name in result.rows)
    say(f"{result.server} {result.case} {result.command}: {rates}")


def shuffle_part() -> tuple[ModuleType, ModuleType]:
    """The part that needs Dask, and its tables; loaded where it is wanted."""
    return importlib.import_module("bench.shuffle"), importlib.import_module("bench.shuffle_report")


def run_shuffle(setup: Setup, options: argparse.Namespace) -> None:
    """Measure the shuffles, print their tables, and write them where that is wanted."""
    shuffle, tables = shuffle_part()
    rounds = options.pairs if options.pairs != PAIRS else shuffle.ROUNDS
    results = shuffle.run(
        setup, options.tests, rounds, options.quick, lambda result: say(str(result))
    )
    for table in tables.tables(results):
        print("\n".join(["", *table.lines()]), flush=True)
    if options.write:
        lines = tables.section(results, rounds)
        report.write_section("Shuffle", [*report.machine(setup), *lines])


def test_names(part: str | None) -> list[str]:
    """The tests that --tests can name."""
    if part == "durability":
        return list(durability.TESTS)
    if part == "clients":
        return list(clients.TESTS)
    if part == "shuffle":
        return list(shuffle_part()[0].TESTS)
    return [test.name for test in (scripts.TESTS if part == "scripts" else speed.TESTS)]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="shorter samples, 3 pairs, less data")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--tests", default="", help="tests of the part, with commas between")
    parser.add_argument("--pipelines", default="1,16", help="pipeline depths (default 1,16)")
    parser.add_argument("--pairs", type=int, help=f"pairs of samples (default {PAIRS})")
    parser.add_argument("--seconds", type=float, help=f"of a sample (default {SAMPLE_S:g})")
    parser.add_argument("--kvnode-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--interpreted", action="store_true", help="kvnode from the source tree")
    parser.add_argument("--write", action="store_true", help="write bench/RESULTS.md")
    options = parser.parse_args(arguments)
    options.tests = [name for name in options.tests.split(",") if name]
    names = test_names(options.only)
    if unknown := set(options.tests) - set(names):
        parser.error(f"--tests: {sorted(unknown)} is not one of {names}")
    try:
        options.pipelines = [int(depth) for depth in options.pipelines.split(",")]
    except ValueError:
        parser.error(f"--pipelines: {options.pipelines!r} is not numbers with commas between")
    options.pairs = options.pairs or (QUICK_PAIRS if options.quick else PAIRS)
    options.seconds = options.seconds or (QUICK_SAMPLE_S if options.quick else SAMPLE_S)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for and print their tables."""
    options = options_of(arguments)
    setup = Setup(options.kvnode_python, options.interpreted)
    parts = [options.only] if options.only else ["speed"] if options.tests else PARTS
    say("\n".join(report.machine(setup)))
    speeds: list[Result] = []
    calls: list[Result] = []
    memories: list[MemoryResult] = []
    latencies: list[LatencyResult] = []
    durabilities = DurabilityResults()
    seen = ClientResults()
    timed = (setup, options.tests, options.pipelines, options.pairs, options.seconds)
    if "speed" in parts:
        speeds = speed.run(speed.TESTS, *timed, report_speed)
        print("\n".join(["", *report.speed_table(speeds).lines()]), flush=True)
    if "scripts" in parts:
        calls = speed.run(scripts.TESTS, *timed, report_speed)
        print("\n".join(["", *report.speed_table(calls).lines()]), flush=True)
    if "memory" in parts:
        memories = memory.run(setup, options.quick, report_memory)
        print("\n".join(["", *report.memory_table(memories).lines()]), flush=True)
    if "latency" in parts:
        latencies = latency.run(setup, options.quick, report_latency)
        print("\n".join(["", *report.latency_table(latencies).lines()]), flush=True)
    if "durability" in parts:
        durabilities = durability.run(*timed, options.quick, report_durability)
        for table in report.durability_tables(durabilities):
            print("\n".join(["", *table.lines()]), flush=True)
    if "clients" in parts:
        seen = clients.run(setup, options.tests, options.pairs, options.seconds, report_client)
        say(clients.versions())
        for table in client_report.tables(seen):
            print("\n".join(["", *table.lines()]), flush=True)
    if "shuffle" in parts and (options.only or importlib.util.find_spec("distributed")):
        run_shuffle(setup, options)
    if options.write:
        if parts not in (["clients"], ["shuffle"]):
            measured = (speeds, calls, memories, latencies, durabilities)
            report.write(setup, options.pairs, options.seconds, *measured)
        if "clients" in parts:
            lines = client_report.section(seen, options.pairs, options.seconds)
            report.write_section("Clients", [*report.machine(setup), *lines])
        say(f"written: {report.RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
