"""The tables of the clients, for the terminal and for bench/RESULTS.md."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .client_worker import COMMANDS
from .clients import OURS, ClientResult, ClientResults, versions
from .report import Table


def tables(results: ClientResults) -> list[Table]:
    """The tables of what was measured."""
    found = [calls_table(results.calls)] if results.calls else []
    return [*found, imports_table(results)] if results.imports_ms else found


def calls_table(results: Sequence[ClientResult]) -> Table:
    """Calls per second, latencies, and CPU per call of client and server; ratios in each case."""
    table = Table(
        "server, case",
        "command",
        "library",
        "calls/s",
        "kvclient is faster by",
        "range",
        "client CPU µs",
        "server CPU µs",
        "p50, p99 ms",
    )
    for result in results:
        for library in result.rows:
            low, high = result.ratio_range(library)
            is_other = library != OURS
            p50, p99 = (result.latency_ms(library, name) for name in ("p50_ms", "p99_ms"))
            table.add(
                f"{result.server}, {result.case}",
                result.command,
                library,
                f"{result.rate(library):,.0f}",
                f"{result.ratio(library):.1f}" if is_other else "",
                f"{low:.1f}-{high:.1f}" if is_other else "",
                f"{result.cpu_us(library, 'client'):.2f}",
                f"{result.cpu_us(library, 'server'):.2f}",
                f"{p50:.3f}, {p99:.3f}" if p50 is not None else "",
            )
    return table


def imports_table(results: ClientResults) -> Table:
    """Milliseconds of an import in a fresh process."""
    table = Table("import, ms", "median", "range")
    for name, spent in results.imports_ms.items():
        low, high = min(spent), max(spent)
        table.add(name, f"{statistics.median(spent):.0f}", f"{low:.0f}-{high:.0f}")
    return table


def section(results: ClientResults, rounds: int, seconds: float) -> list[str]:
    """The lines of the section in bench/RESULTS.md."""
    lines = [f"- {versions()}"]
    for table in tables(results):
        lines += ["", *table.markdown()]
    return [*lines, "", *method(rounds, seconds)]


def method(rounds: int, seconds: float) -> list[str]:
    """How the figures were measured."""
    return [
        f"Each sample is a process that loads one library, warms up, and calls {COMMANDS[0]} and "
        f"then {COMMANDS[1]} of 64-byte values for {seconds:g} s each, on 1,000 keys; the "
        f"libraries in turns, {rounds} rounds, medians and the range of the rounds' ratios. Every "
        "loop is uvloop's; client and server share the cores as the kernel has it. redis-py's "
        "pool is raised to 1,000 connections; the others have their defaults, valkey-glide but for "
        "its deadline. The number in a case is that of tasks, threads, or requests in a batch "
        "(redis-py's pipeline, our `many`); `latency_50` times every call of 50 tasks that call "
        "as fast as they can. The times of imports are those of the statement in a fresh process.",
        "",
    ]
