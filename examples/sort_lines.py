"""Sorts the lines of texts, whatever their size, into parts that follow each other.

    python examples/sort_lines.py --into /tmp/sorted

A sample of the lines says where the parts end (range partitioning), so that each reduce task sorts
about as many lines, and what it writes comes behind what the one before it has written.
"""

from __future__ import annotations

import os
import random
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from own_node import node_url
from texts import Piece, arguments, files, pieces, text_of

from kvclient import Client
from kvclient.mapreduce import MapReduce

PARTITIONS = 4
SAMPLED_BYTES = 1 << 16


def lines_of(group: list[Piece]) -> Iterator[tuple[str, int]]:
    """Yield each line that is not empty, with a one: equal lines are counted."""
    return ((line, 1) for piece in group for line in text_of(piece).splitlines() if line)


def boundaries(groups: list[list[Piece]]) -> list[str]:
    """Return lines between which there are about equally many."""
    chance = random.Random(1)
    sample: list[str] = []
    for path, start, end in chance.choices([piece for group in groups for piece in group], k=50):
        sample += text_of((path, start, min(end, start + SAMPLED_BYTES))).splitlines()
    sample = sorted(filter(None, sample))
    return [sample[len(sample) * part // PARTITIONS] for part in range(1, PARTITIONS)]


def part_of(bounds: list[str], line: str, partitions: int) -> int:
    """Return the part that a line belongs to."""
    return bisect_right(bounds, line)


def saved(folder: str, partition: int, results: Iterator[tuple[str, list[int]]]) -> int:
    """Write a part; a second attempt takes the place of the first."""
    count = 0
    unfinished = Path(folder, f"{partition}.{os.getpid()}")
    with unfinished.open("w", encoding="utf-8") as file:
        for line, ones in results:
            file.write((line + "\n") * len(ones))
            count += len(ones)
    unfinished.rename(Path(folder, f"part-{partition}"))
    return count


def main() -> None:
    """Sort, and look whether it is sorted."""
    parser = arguments("Sort the lines of texts.")
    parser.add_argument("--into", help="the folder of the parts; default: one that is removed")
    chosen = parser.parse_args()
    groups = pieces(files(chosen.paths))
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.into or temporary
        os.makedirs(folder, exist_ok=True)
        job = MapReduce(
            map=lines_of,
            partitions=PARTITIONS,
            partition=partial(part_of, boundaries(groups)),
            output=partial(saved, folder),
            is_sorted=True,
        )
        with node_url(chosen.url) as url, Client(url) as client:
            counts = job.run(client, groups, workers=chosen.workers)
        print(f"{sum(counts)} lines in parts of {counts}")
        last = ""
        for part in range(PARTITIONS):
            with Path(folder, f"part-{part}").open(encoding="utf-8", newline="\n") as file:
                for line in file:
                    assert last <= line.rstrip("\n"), (last, line)
                    last = line.rstrip("\n")
        print("they are in order")


if __name__ == "__main__":
    main()
