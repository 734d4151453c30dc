"""Joins two tables by hash: which modules are imported how often, and how large they are.

    python examples/join.py

One side has a row for each module of a folder (its name, its lines), the other one a row for each
import statement; both write to one shuffle, each row to the partition of its module's name. A
reduce task has both sides of its names, and joins them. With Arrow tables (pyarrow).
"""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
from own_node import node_url
from texts import arguments, files

from kvclient import Client
from kvclient.shuffle import Shuffle

PARTITIONS = 4
PER_TASK = 200
IMPORT = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)


def write(shuffle: Shuffle, task: tuple[int, list[str]]) -> None:
    """Write both sides' rows of some files; the maps after the first half are of imports."""
    number, paths = task
    with shuffle.map_task(number) as attempt:
        for path in paths:
            text = Path(path).read_text("utf-8", "replace")
            if number * 2 < shuffle.maps:
                rows = pa.table({"module": [Path(path).stem], "lines": [text.count("\n")]})
            else:
                found = IMPORT.findall(text)
                rows = pa.table({"module": pa.array(found, pa.string()), "by": [path] * len(found)})
            attempt.write_table(rows, by="module")


def joined(shuffle: Shuffle, partition: int) -> list[tuple[str, int, int]]:
    """Return name, lines and number of imports of a partition's modules."""
    half = shuffle.maps // 2
    modules = list(shuffle.read_tables(partition, range(half)))
    imports = list(shuffle.read_tables(partition, range(half, shuffle.maps)))
    if not modules or not imports:
        return []
    lines = pa.concat_tables(modules).group_by("module").aggregate([("lines", "max")])
    counts = pa.concat_tables(imports).group_by("module").aggregate([("by", "count")])
    rows = lines.join(counts, "module", join_type="inner").to_pylist()
    return [(row["module"], row["lines_max"], row["by_count"]) for row in rows]


def main() -> None:
    """Join, and print what is imported most."""
    chosen = arguments("Join modules with their imports.").parse_args()
    paths = [path for path in files(chosen.paths) if path.endswith(".py")]
    groups = [paths[start : start + PER_TASK] for start in range(0, len(paths), PER_TASK)]
    tasks = list(enumerate(groups + groups))
    with (
        node_url(chosen.url) as url,
        Client(url) as client,
        # Not forked: pyarrow has threads.
        ProcessPoolExecutor(chosen.workers, get_context("spawn")) as executor,
        Shuffle.open(
            client, f"join-{secrets.token_hex(4)}", maps=len(tasks), partitions=PARTITIONS
        ) as shuffle,
    ):
        list(executor.map(partial(write, shuffle), tasks))
        shuffle.wait()
        parts = executor.map(partial(joined, shuffle), range(PARTITIONS))
        rows = [row for part in parts for row in part]
    for module, lines, count in sorted(rows, key=lambda row: (-row[2], row[0]))[:10]:
        print(f"{count:7} imports of {module}, {lines} lines")
    print(f"{len(rows)} modules, {sum(row[2] for row in rows)} imports")


if __name__ == "__main__":
    main()
