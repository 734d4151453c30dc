"""Many random inputs for the parser and the dispatcher: no crash, no hang, bounded memory.

    KVNODE_BUILD=compiled python -m tests.fuzz.blind --inputs 10000000 --workers 2 --seed 1

An input is a stream of up to 30 requests, well framed, spoilt in some bytes, or noise, fed in
chunks to one of four sessions of a node; the same bytes go through a bare parser too. A failure
prints the seed of its lot and the one command that replays it. Run it on the compiled build, which
is the one that could crash.
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from types import FrameType
from typing import Final

from kvnode import dispatch
from kvprotocol.errors import ProtocolError
from kvprotocol.requests import RequestParser

from .inputs import Feeding

LOT: Final = 2000  # inputs of one node
HANG_SECONDS: Final = 20
RESIDENT_BYTES_MAX: Final = 1 << 30
CHECK_EVERY: Final = 500


class Hang(Exception):
    """An input took too long."""


def parse(data: bytes) -> None:
    """Take an input apart with a bare parser, whole and then in two parts."""
    for split in (len(data), len(data) // 2):
        parser = RequestParser()
        parser.bulk_bytes_max = 1 << 20
        try:
            for part in (data[:split], data[split:]):
                parser.feed(part)
                while parser.next() is not None:
                    pass
        except ProtocolError:
            pass


def run_lot(seed: int, inputs: int = LOT) -> int:
    """Run the inputs of one seed; return the bytes that were answered."""
    feeding = Feeding(seed)
    for number in range(inputs):
        signal.alarm(HANG_SECONDS)
        parse(feeding.round())
        if number % CHECK_EVERY == CHECK_EVERY - 1:
            feeding.node.check()
    feeding.node.check()
    signal.alarm(0)
    assert feeding.output_bytes > 0
    return feeding.output_bytes


def _attempt(job: tuple[int, int]) -> tuple[int, str, int]:
    """Run one lot in a worker; return its seed, what failed, and the peak of resident memory."""
    seed, inputs = job
    try:
        run_lot(seed, inputs)
    except Exception as error:
        return seed, f"{type(error).__name__}: {error}", 0
    return seed, "", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _on_alarm(_number: int, _frame: FrameType | None) -> None:
    raise Hang(f"an input took more than {HANG_SECONDS} s")


def _prepare() -> None:
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _on_alarm)


def main() -> int:
    """Run lots in worker processes until the inputs are done; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.blind")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lots = -(-options.inputs // LOT)
    jobs = [(seed, LOT) for seed in range(options.seed, options.seed + lots)]
    build = "interpreted" if dispatch.__file__.endswith(".py") else "compiled"
    print(f"{lots * LOT} inputs, {build}, {options.workers} workers", flush=True)
    begin = time.monotonic()
    failures = peak = done = 0
    # A worker that dies breaks its pool, so that a crash cannot pass unseen.
    with ProcessPoolExecutor(options.workers, initializer=_prepare) as pool:
        for seed, failure, resident in pool.map(_attempt, jobs):
            done += 1
            peak = max(peak, resident)
            if failure:
                failures += 1
                print(f"seed {seed}: {failure}", flush=True)
                print(f"  replay: python -m tests.fuzz.blind --seed {seed} --inputs {LOT}")
            if done % 100 == 0:
                seconds = time.monotonic() - begin
                print(f"{done * LOT} inputs, {seconds:.0f} s, {peak >> 20} MiB", flush=True)
    seconds = time.monotonic() - begin
    print(f"{done * LOT} inputs, {failures} failures, peak {peak >> 20} MiB, {seconds:.0f} s")
    return int(failures > 0 or peak > RESIDENT_BYTES_MAX)


if __name__ == "__main__":
    sys.exit(main())
