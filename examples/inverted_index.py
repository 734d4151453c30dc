"""Makes an index of a folder of texts, and looks words up in it.

    python examples/inverted_index.py --find yield,lambda

Each word's files are found in one partition; the index stays in the reduce tasks' files, one for
each partition, so that it may be larger than any process.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from own_node import node_url
from texts import Piece, arguments, files, pieces, text_of

from kvclient import Client
from kvclient.mapreduce import MapReduce, stable_hash

PARTITIONS = 8
WORD = re.compile(r"[^\W\d]\w+")


def words_of(group: list[Piece]) -> Iterator[tuple[str, str]]:
    """Yield each word of a piece, with its file."""
    for piece in group:
        for word in set(WORD.findall(text_of(piece))):
            yield word, piece[0]


def distinct(word: str, names: list[str]) -> list[str]:
    """Return the files of a word; one that was cut may be there twice."""
    return sorted(set(names))


def saved(folder: str, partition: int, results: Iterator[tuple[str, list[str]]]) -> int:
    """Write a partition of the index; a second attempt takes the place of the first."""
    count = 0
    unfinished = Path(folder, f"{partition}.{os.getpid()}")
    with unfinished.open("w") as file:
        for word, names in results:
            file.write(json.dumps([word, names]) + "\n")
            count += 1
    unfinished.rename(Path(folder, str(partition)))
    return count


def looked_up(folder: str, word: str) -> list[str]:
    """Return the files that a word is in: one partition is read, and no other."""
    with Path(folder, str(stable_hash(word, PARTITIONS))).open() as file:
        for line in file:
            found, names = json.loads(line)
            if found == word:
                return list(names)
    return []


def main() -> None:
    """Make the index, and look words up."""
    parser = arguments("Make an index of texts.")
    parser.add_argument("--find", default="yield,lambda", help="words, with commas between them")
    chosen = parser.parse_args()
    groups = pieces(files(chosen.paths), 1 << 20)
    with tempfile.TemporaryDirectory() as folder:
        job = MapReduce(
            map=words_of,
            reduce=distinct,
            partitions=PARTITIONS,
            output=partial(saved, folder),
            is_sorted=True,
        )
        with node_url(chosen.url) as url, Client(url) as client:
            counts = job.run(client, groups, workers=chosen.workers)
        print(f"{sum(counts)} words in {PARTITIONS} partitions")
        for word in chosen.find.split(","):
            names = looked_up(folder, word)
            print(f"{word}: {len(names)} files, {', '.join(names[:3])}")


if __name__ == "__main__":
    main()
