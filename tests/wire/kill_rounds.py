"""kill -9 under load, again and again: nothing acknowledged is missing, nothing is half there.

    python -m tests.wire.kill_rounds --rounds 100 --policy always

Some clients write keys of their own, one request at a time, and note what was acknowledged. After
the kill each key must hold that, or the one request more that was on its way. kill -9 keeps what
the process has written, so this holds for every `appendfsync`; what a machine that stops may lose
is a matter for the simulated disk.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

from .client import Wire, WireError
from .servers import Server, kvnode_server

WRITERS: Final = 4
PAUSE_S: Final = (0.05, 0.6)  # of load, before a kill
DIRECTIVES: Final = ("--appendonly", "yes", "--auto-aof-rewrite-min-size", "64kb")


class LostError(AssertionError):
    """What was acknowledged is not there, or what was never sent is."""


class Writer(threading.Thread):
    """One client. `done` counts the acknowledged steps; a step writes each of its keys once."""

    def __init__(self, number: int) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.done = 0
        self.sent = 0
        self.port = 0

    def restarted(self, port: int) -> Writer:
        """The same client on the node's new process."""
        twin = Writer(self.number)
        twin.done = twin.sent = self.done
        twin.port = port
        return twin

    def run(self) -> None:
        """Write until the node is gone."""
        try:
            wire = Wire(self.port)
            while True:
                self.step(wire)
        except (WireError, OSError):
            pass

    def step(self, wire: Wire) -> None:
        """One more of everything."""
        number = self.done + 1
        self.sent = number
        name = f"writer{self.number}"
        requests: list[tuple[str | int, ...]] = [
            ("SET", f"{name}:string", number),
            ("INCR", f"{name}:counter"),
            ("RPUSH", f"{name}:list", number),
            ("MULTI",),
            ("SET", f"{name}:left", number),
            ("SET", f"{name}:right", number),
            ("EXEC",),
        ]
        for argv in requests:
            reply = wire.call(*argv)
            if reply.kind == "error":
                raise LostError(f"{argv}: {reply}")
        self.done = number

    def check(self, wire: Wire) -> None:
        """The keys hold what was acknowledged, or one step more; then go on from there."""
        name = f"writer{self.number}"
        allowed = (self.done, self.sent)
        counts = []
        for key in ("string", "counter", "left", "right"):
            reply = wire.call("GET", f"{name}:{key}")
            counts.append(0 if reply.value is None else int(reply.text()))
        elements = [int(item.text()) for item in wire.call("LRANGE", f"{name}:list", 0, -1).items()]
        if any(count not in allowed for count in (*counts, len(elements))):
            raise LostError(f"{name}: {self.done} steps acknowledged, found {counts}")
        if elements != list(range(1, len(elements) + 1)):
            raise LostError(f"{name}: the list has gaps or repetitions")
        if counts[2] != counts[3]:
            raise LostError(f"{name}: half a transaction: {counts[2]} and {counts[3]}")
        # What had begun is completed, so that all keys stand at the same step.
        self.done = self.sent
        for key in ("string", "counter", "left", "right"):
            wire.call("SET", f"{name}:{key}", self.done)
        if len(elements) < self.done:
            wire.call("RPUSH", f"{name}:list", self.done)


def kill_round(server: Server, writers: list[Writer], draw: random.Random) -> list[Writer]:
    """Load, kill, restart, check; return the writers for the next round."""
    writers = [writer.restarted(server.port) for writer in writers]
    for writer in writers:
        writer.start()
    time.sleep(draw.uniform(*PAUSE_S))
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    for writer in writers:
        writer.join()
    server.start()
    wire = Wire(server.port)
    for writer in writers:
        writer.check(wire)
    wire.close()
    return writers


def kill_rounds(rounds: int, seed: int, policy: str, interpreted: bool = False) -> int:
    """Run so many rounds on one data folder; return how many steps were acknowledged."""
    draw = random.Random(seed)
    writers = [Writer(number) for number in range(WRITERS)]
    server = kvnode_server(*DIRECTIVES, "--appendfsync", policy, interpreted=interpreted)
    with server:
        for number in range(rounds):
            try:
                writers = kill_round(server, writers, draw)
            except LostError as error:
                raise LostError(f"round {number}, seed {seed}: {error}") from None
            if sys.stderr.isatty() or number % 10 == 9:
                print(f"{number + 1} rounds", file=sys.stderr, flush=True)
    return sum(writer.done for writer in writers)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run, print what was lost or how much was acknowledged."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", choices=("always", "everysec", "no"), default="always")
    parser.add_argument("--interpreted", action="store_true", help="kvnode from the source tree")
    options = parser.parse_args(arguments)
    try:
        steps = kill_rounds(options.rounds, options.seed, options.policy, options.interpreted)
    except LostError as error:
        print(error)
        return 1
    print(f"{options.rounds} kills, {steps:,} steps acknowledged, none lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
