"""Tables of results, for the terminal and for bench/RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Final

from .contestants import Setup
from .durability import LOAD_CONNECTIONS, LOAD_PER_S, DurabilityResults, LoadResult, SnapshotResult
from .latency import PERCENTILES, LatencyResult
from .memory import MemoryResult
from .speed import CLIENTS, KEY_RANGE, VALUE_BYTES, Result

RESULTS: Final = Path(__file__).parent / "RESULTS.md"
OURS: Final = "kvnode"
THEIRS: Final = "redis-server"


class Table:
    """Rows of text under a heading; the same rows become aligned text or Markdown."""

    def __init__(self, *headings: str) -> None:
        self.headings = headings
        self.rows: list[tuple[str, ...]] = []

    def add(self, *cells: str) -> None:
        """Add a row."""
        assert len(cells) == len(self.headings), cells
        self.rows.append(cells)

    def widths(self) -> list[int]:
        """The width of each column."""
        columns = zip(self.headings, *self.rows, strict=True)
        return [max(map(len, column)) for column in columns]

    def lines(self) -> list[str]:
        """Aligned text, the first column to the left and the others to the right."""
        widths = self.widths()
        return [self._aligned(row, widths) for row in (self.headings, *self.rows)]

    @staticmethod
    def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        return "  ".join([row[0].ljust(widths[0]), *rest])

    def markdown(self) -> list[str]:
        """A Markdown table."""
        rule = ["---", *["--:"] * (len(self.headings) - 1)]
        return ["| " + " | ".join(row) + " |" for row in (self.headings, rule, *self.rows)]


def speed_table(results: Sequence[Result]) -> Table:
    """Requests per second and CPU per request, with geometric means of the ratios."""
    table = Table(
        "test",
        "P",
        "kvnode rps",
        "redis rps",
        "rps ratio",
        "kvnode CPU µs (user)",
        "redis CPU µs (user)",
        "CPU ratio",
        "range",
    )
    for result in results:
        low, high = result.cpu_ratio_range()
        table.add(
            result.name,
            str(result.pipeline),
            f"{result.rate(OURS):,.0f}",
            f"{result.rate(THEIRS):,.0f}",
            f"{result.rate_ratio():.2f}",
            f"{result.cpu_us(OURS):.2f} ({result.user_us(OURS):.2f})",
            f"{result.cpu_us(THEIRS):.2f} ({result.user_us(THEIRS):.2f})",
            f"{result.cpu_ratio():.2f}",
            f"{low:.2f}-{high:.2f}",
        )
    for pipeline in sorted({result.pipeline for result in results}):
        rows = [result for result in results if result.pipeline == pipeline]
        add_mean(table, f"geometric mean of {len(rows)}", str(pipeline), rows)
    if len({result.pipeline for result in results}) > 1:
        add_mean(table, f"geometric mean of {len(results)}", "all", results)
    return table


def add_mean(table: Table, name: str, pipeline: str, rows: Sequence[Result]) -> None:
    """A row with the geometric means of the ratios."""
    rate = geometric_mean(row.rate_ratio() for row in rows)
    cpu = geometric_mean(row.cpu_ratio() for row in rows)
    table.add(name, pipeline, "", "", f"{rate:.2f}", "", "", f"{cpu:.2f}", "")


def memory_table(results: Sequence[MemoryResult]) -> Table:
    """Bytes per key or element; below 1 kvnode needs less."""
    table = Table(
        "data",
        "count",
        "kvnode RSS",
        "redis RSS",
        "RSS ratio",
        "kvnode used",
        "redis used",
        "used ratio",
    )
    for result in results:
        ours, theirs = result.bytes_each[OURS], result.bytes_each[THEIRS]
        table.add(
            f"{result.name}, bytes per {result.unit}",
            f"{result.count:,}",
            f"{ours[0]:.1f}",
            f"{theirs[0]:.1f}",
            f"{result.ratio():.2f}",
            f"{ours[1]:.1f}",
            f"{theirs[1]:.1f}",
            f"{result.used_ratio():.2f}",
        )
    if results:
        rss = geometric_mean(result.ratio() for result in results)
        table.add(f"geometric mean of {len(results)}", "", "", "", f"{rss:.2f}", "", "", "")
    return table


def latency_table(results: Sequence[LatencyResult]) -> Table:
    """Percentiles and the longest wait in milliseconds."""
    heads = [f"p{percentile:g}" for percentile in PERCENTILES]
    table = Table("case, ms", "server", "probes", *heads, "longest")
    for result in results:
        for name, seen in result.seen.items():
            cells = [f"{value:.3f}" for value in seen.percentiles_ms]
            table.add(result.name, name, f"{seen.probes:,}", *cells, f"{seen.longest_ms:.2f}")
    return table


def load_table(results: Sequence[LoadResult]) -> Table:
    """Seconds until a server has loaded its files; below 1 kvnode is faster."""
    table = Table(
        "files",
        "MB",
        "kvnode s",
        "redis s",
        "ratio",
        "kvnode CPU s",
        "redis CPU s",
        "CPU ratio",
    )
    for result in results:
        table.add(
            result.name,
            f"{result.size / 1e6:,.1f}",
            f"{result.elapsed(OURS):.2f}",
            f"{result.elapsed(THEIRS):.2f}",
            f"{result.ratio():.2f}",
            f"{result.cpu(OURS):.2f}",
            f"{result.cpu(THEIRS):.2f}",
            f"{result.cpu_ratio():.2f}",
        )
    return table


def snapshot_table(results: Sequence[SnapshotResult]) -> Table:
    """What clients waited while a server saved, in milliseconds, and what memory that took."""
    heads = [f"p{percentile:g}" for percentile in PERCENTILES]
    table = Table(
        "case, ms", "server", "probes", *heads, "longest", "extra memory", "seconds", "CPU s"
    )
    for result in results:
        for name, sample in result.seen.items():
            cells = [f"{value:.3f}" for value in sample.latencies.percentiles_ms]
            table.add(
                result.name,
                name,
                f"{sample.latencies.probes:,}",
                *cells,
                f"{sample.latencies.longest_ms:.2f}",
                f"{result.extra_percent[name]:.1f} %",
                f"{sample.elapsed_s:.2f}",
                f"{sample.cpu_s:.2f}",
            )
    return table


def durability_tables(results: DurabilityResults) -> list[Table]:
    """A table for each part that was measured."""
    tables = []
    if results.logged:
        tables.append(speed_table(results.logged))
    if results.loads:
        tables.append(load_table(results.loads))
    if results.snapshots:
        tables.append(snapshot_table(results.snapshots))
    return tables


SECTIONS: Final = (
    "Speed",
    "Scripts",
    "Memory",
    "Latency",
    "Durability",
    "Eviction",
    "Soak",
    "Clients",
    "Shuffle",
    "Method",
)


def cpu_model() -> str:
    """The processor's name."""
    text = Path("/proc/cpuinfo").read_text()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.processor()


def machine(setup: Setup) -> list[str]:
    """When and on what the figures were measured."""
    version = subprocess.run(
        [setup.kvnode_python, "--version"], capture_output=True, text=True, check=True
    )
    redis = subprocess.run(
        ["redis-server", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()
    redis_version = next(word for word in redis if word.startswith("v=")).removeprefix("v=")
    return [
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}",
        f"- {cpu_model()}, {len(os.sched_getaffinity(0))} cores, "
        f"Linux {platform.release()}, {platform.machine()}",
        f"- kvnode {setup.origin()}, {version.stdout.strip()}; redis-server {redis_version}",
        f"- load average at the end {os.getloadavg()[0]:.2f}",
    ]


def method(pairs: int, seconds: float) -> list[str]:
    """How the figures were measured."""
    return [
        f"Speed: redis-benchmark with {CLIENTS} clients, {VALUE_BYTES}-byte values and "
        f"{KEY_RANGE:,} keys, one kind of command per sample, at least {seconds:g} s each, "
        f"{pairs} pairs of samples, the servers in turn (A B A B) on one core and redis-benchmark "
        "on another. Each sample begins with an emptied and prepared server; preparation is not "
        "counted. Figures are medians. CPU is the server process's user and system time per "
        "request. Ratios: requests per second of kvnode over redis-server's; CPU of redis-server "
        "over kvnode's; in both, above 1 is better for kvnode. The range is that of the pairs.",
        "Scripts: measured as speed is; each request is a call of one script of the cache, or of "
        "a loaded function (`fcall_*`). bench/scripts.py holds their code.",
        "Memory: growth of the resident set (RSS) and of used_memory in fresh processes, after it "
        "has settled. A ratio below 1 is better for kvnode.",
        "Latency: one prober at a fixed rate; a probe that an earlier answer made late counts from "
        "the moment it was due. Of three rounds, the one with the median longest wait; the case "
        "without load shows what the machine itself contributes.",
        "Durability: requests with a log as in Speed, each kind on servers of its own; files of "
        "both on the same disk. Loading: from the start of the process to the end of LOADING, "
        "medians of pairs; redis-server wrote the files. Snapshots: a BGSAVE in a server that may "
        f"use every core, while {LOAD_CONNECTIONS} connections GET and SET {LOAD_PER_S:,} times a "
        "second at random and a prober does so too; of three rounds the one with the median "
        "p99.9. Extra memory is the greatest of the rounds: the resident set and what a forked "
        "process shares with nobody, over the resident set before.",
    ]


def write(
    setup: Setup,
    pairs: int,
    seconds: float,
    speed: Sequence[Result],
    scripts: Sequence[Result],
    memory: Sequence[MemoryResult],
    latency: Sequence[LatencyResult],
    durability: DurabilityResults,
) -> None:
    """Write the sections that were run into bench/RESULTS.md, and keep its other ones."""
    sections = sections_of(RESULTS.read_text()) if RESULTS.exists() else {}
    stamp = machine(setup)
    for heading, table in (
        ("Speed", speed_table(speed) if speed else None),
        ("Scripts", speed_table(scripts) if scripts else None),
        ("Memory", memory_table(memory) if memory else None),
        ("Latency", latency_table(latency) if latency else None),
    ):
        if table is not None:
            sections[heading] = [*stamp, "", *table.markdown(), ""]
    if tables := durability_tables(durability):
        lines = list(stamp)
        for table in tables:
            lines += ["", *table.markdown()]
        sections["Durability"] = [*lines, ""]
    paragraphs: list[str] = []
    for paragraph in method(pairs, seconds):
        paragraphs += [paragraph, ""]
    sections["Method"] = paragraphs
    _save(sections)


def write_eviction(setup: Setup, command: str, tables: Sequence[Table]) -> None:
    """Write the section on eviction into bench/RESULTS.md, and keep its other ones."""
    lines = [f"`{command}`", "", *machine(setup), ""]
    for table in tables:
        lines += [*table.markdown(), ""]
    write_section("Eviction", lines)


def write_section(heading: str, lines: list[str]) -> None:
    """Write one section into bench/RESULTS.md, and keep its other ones."""
    sections = sections_of(RESULTS.read_text()) if RESULTS.exists() else {}
    sections[heading] = lines
    _save(sections)


def _save(sections: dict[str, list[str]]) -> None:
    lines = ["# Beside redis-server", "", "`make bench ARGS=--write` writes this file.", ""]
    for heading in SECTIONS:
        if heading in sections:
            lines += [f"## {heading}", "", *sections[heading]]
    RESULTS.write_text("\n".join(lines))


def sections_of(text: str) -> dict[str, list[str]]:
    """The lines below each second-level heading."""
    sections: dict[str, list[str]] = {}
    for part in text.split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        sections[heading] = [*body.strip().split("\n"), ""]
    return sections
