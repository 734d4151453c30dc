"""Word count on 200 MB: `examples/word_count.py` beside a plain pool of processes.

PYTHONPATH=examples python -m bench.words combine FILE...    the pool, in a process of its own
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any, Final

from tests.wire.servers import REPOSITORY, Server, node_environment

from .contestants import Setup, started

EXAMPLES: Final = REPOSITORY / "examples"
TEXT_BYTES: Final = 200_000_000
QUICK_TEXT_BYTES: Final = 20_000_000
WORKERS: Final = 2
WAYS: Final = {"combine": [], "every": ["--every"]}
SAID: Final = re.compile(r"(\d+) words, (\d+) different, ([\d.]+) MB/s")


@dataclass
class WordResult:
    """MB/s of the example and of the pool, by round."""

    name: str
    rates: dict[str, list[float]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"word count, {self.name}: {self.ratio():.2f} times the pool's rate"

    def rate(self, who: str) -> float:
        """The median."""
        return median(self.rates[who])

    def ratio(self) -> float:
        """How much faster the example was, the median of the rounds."""
        return median(a / b for a, b in zip(self.rates["kvnode"], self.rates["pool"], strict=True))


def texts() -> ModuleType:
    """The examples' module that finds and cuts texts; their folder is no package."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    return importlib.import_module("texts")


@contextmanager
def text_of_size(size: int) -> Iterator[Path]:
    """A file of text: the sources of Python's library, again and again."""
    source = b"".join(Path(name).read_bytes() for name in texts().files([]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        with path.open("wb") as file:
            for _ in range(-(-size // len(source))):
                file.write(source[: max(0, size - file.tell())])
        yield path


def counted(group: Any) -> Counter[str]:
    """Count the words of some pieces."""
    words: Counter[str] = Counter()
    for piece in group:
        words.update(texts().text_of(piece).split())
    return words


def every_word(group: Any) -> list[str]:
    """Return all words of some pieces."""
    text_of = texts().text_of
    return [word for piece in group for word in text_of(piece).split()]


def pool(way: str, path: str) -> None:
    """Count by a pool, whose results this process puts together; print as the example does."""
    groups = texts().pieces([path])
    begin = time.perf_counter()
    total: Counter[str] = Counter()
    with multiprocessing.Pool(WORKERS) as workers:
        found = workers.imap_unordered(counted if way == "combine" else every_word, groups)
        for part in found:
            total.update(part)
    seconds = time.perf_counter() - begin
    rate = os.path.getsize(path) / 1e6 / seconds
    print(f"{total.total()} words, {len(total)} different, {rate:.1f} MB/s")


def said(command: list[str]) -> tuple[str, str, float]:
    """Run a program; return how many words it found, how many different ones, and MB/s."""
    environment = node_environment(sys.executable)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    match = SAID.search(done.stdout)
    if match is None:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}"[-2000:])
    return match[1], match[2], float(match[3])


def measure(way: str, path: Path, node: Server) -> dict[str, float]:
    """One round; both have to find the same."""
    url = f"kv://127.0.0.1:{node.port}"
    example = [sys.executable, str(EXAMPLES / "word_count.py"), "--url", url, *WAYS[way]]
    ours = said([*example, "--workers", str(WORKERS), str(path)])
    theirs = said([sys.executable, "-m", "bench.words", way, str(path)])
    if ours[:2] != theirs[:2]:
        raise RuntimeError(f"word count, {way}: {ours} and {theirs} differ")
    return {"kvnode": ours[2], "pool": theirs[2]}


def run(
    setup: Setup, rounds: int, is_quick: bool, report: Callable[[WordResult], None]
) -> list[WordResult]:
    """Measure with and without counts added up in the map tasks."""
    results = []
    kvnode, _ = setup.servers(everywhere=True)
    with started(kvnode), text_of_size(QUICK_TEXT_BYTES if is_quick else TEXT_BYTES) as path:
        for way in WAYS:
            result = WordResult(way)
            for _ in range(rounds):
                for who, rate in measure(way, path, kvnode).items():
                    result.rates.setdefault(who, []).append(rate)
            report(result)
            results.append(result)
    return results


if __name__ == "__main__":
    pool(*sys.argv[1:])
