"""What the long comparisons share as commands: their common options, and one run to its end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from . import counting
from .harness import Difference, Pair
from .servers import both_servers


def long_run_parser(doc: str | None, unit: str, count: int) -> argparse.ArgumentParser:
    """The options of every long run; `unit` names its option for how many, `count` by default."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument(f"--{unit}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--protocol", type=int, choices=(2, 3), default=2)
    parser.add_argument("--interpreted", action="store_true", help="kvnode from the source tree")
    return parser


def long_run(options: argparse.Namespace, compare: Callable[[Pair], None]) -> int:
    """Compare two fresh servers; print the first difference or the counts. The exit status."""
    try:
        with both_servers(options.interpreted) as servers:
            pair = Pair(*servers, protocol=options.protocol)
            compare(pair)
            pair.close()
    except Difference as difference:
        print(difference)
        return 1
    print("\n".join([*counting.table(), counting.summary()]))
    return 0


def say_progress(unit: str, every: int) -> Callable[[int], None]:
    """A callback for the number done so far: says so on standard error after each `every`."""
    said = 0

    def progress(done: int) -> None:
        nonlocal said
        if done // every > said:
            said = done // every
            print(f"{done:,} {unit}, no difference", file=sys.stderr, flush=True)

    return progress
