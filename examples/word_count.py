"""Counts words, as everybody's first job does.

    python examples/word_count.py

Counts are added up in the map tasks already (`combine`), so that little travels. Without it, every
occurrence does: `--every`.
"""

from __future__ import annotations

import operator
import time
from collections import Counter
from collections.abc import Iterator

from own_node import node_url
from texts import Piece, arguments, files, pieces, text_of

from kvclient import Client
from kvclient.mapreduce import MapReduce


def counted(group: list[Piece]) -> Counter[str]:
    """Return how often each word occurs."""
    words: Counter[str] = Counter()
    for piece in group:
        words.update(text_of(piece).split())
    return words


def every_word(group: list[Piece]) -> Iterator[tuple[str, int]]:
    """Yield a one for each occurrence of a word."""
    return ((word, 1) for piece in group for word in text_of(piece).split())


def total(word: str, ones: list[int]) -> int:
    """Return how often a word occurred."""
    return sum(ones)


def main() -> None:
    """Count, and print the most frequent words."""
    parser = arguments("Count words.")
    parser.add_argument("--every", action="store_true", help="send every occurrence")
    parser.add_argument("--top", type=int, default=10)
    chosen = parser.parse_args()
    groups = pieces(files(chosen.paths))
    if chosen.every:
        job = MapReduce(map=every_word, reduce=total)
    else:
        job = MapReduce(map=counted, combine=operator.add)
    began = time.perf_counter()
    with node_url(chosen.url) as url, Client(url) as client:
        began = time.perf_counter()
        outputs = job.run(client, groups, workers=chosen.workers)
    seconds = time.perf_counter() - began
    found: Counter[str] = Counter()
    for output in outputs:
        found.update(output)
    for word, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))[: chosen.top]:
        print(f"{count:9} {word}")
    size = sum(end - start for group in groups for _, start, end in group)
    print(f"{found.total()} words, {len(found)} different, {size / 1e6 / seconds:.0f} MB/s")


if __name__ == "__main__":
    main()
