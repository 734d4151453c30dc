"""Power cuts at any disk operation, from seeds: what was acknowledged as durable is there again.

    python -m tests.sim.power_cuts --seeds 10000

A history is random commands on a node whose log is on, with rewrites and failing disks in between.
When the power goes the node of the next start must hold the dataset as it was after some command:
not before the last one whose effects were durable, and never half a transaction.

A client sends increments with REQUEST among them. After each start it repeats all whose effects it
does not know to be durable: then each has counted exactly once.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from typing import Final

from kvnode.config import Config
from kvnode.durability.rdb_reader import FileError
from tests.unit.engine import Dump, Engine
from tests.unit.test_snapshot import request

from .disk import SimulatedDisk

COMMANDS: Final = 60
CUTS: Final = 3  # in one history
STEPS_MAX: Final = 120  # disk operations until a cut
POLICIES: Final = ("always", "everysec", "no")
DATABASE: Final = 9  # of the client's counter: nobody else writes there
Plant = Callable[[Engine], None]


class Violation(AssertionError):
    """What was durable is lost, or what never was is there."""


def started(disk: SimulatedDisk, policy: str, seed: int, seconds: float) -> Engine:
    """A node on what the disk holds."""
    config = Config()
    settings = {"save": "", "appendonly": "yes", "appendfsync": policy}
    settings["request-max-idle"] = "1000000"
    config.set_many([*settings.items(), ("auto-aof-rewrite-min-size", "2000")])
    engine = Engine(seconds, seed, config, disk)
    loader = engine.node.find_data()
    while loader is not None and not loader.is_done:
        loader.step(1.0)
    return engine


class Counter:
    """A client that counts with REQUEST; `replies` are those that it has not acknowledged."""

    def __init__(self) -> None:
        self.id = b""
        self.acknowledged = 0
        self.next = 1
        self.replies: dict[int, bytes] = {}
        self.offsets: dict[int, int] = {}  # of the log, behind their effects

    def count(self, engine: Engine) -> None:
        """Send the next increment."""
        if not self.id:
            self.id = engine.send([b"REQUEST", b"ID"]).split(b"\r\n")[1]
        self._send(engine, self.next)
        self.next += 1

    def _send(self, engine: Engine, seq: int) -> None:
        engine.send([b"SELECT", b"%d" % DATABASE], "counter")
        words = [b"INCR", b"count"]
        if seq % 3 == 1:
            engine.send([b"MULTI"], "counter")
            engine.send(words, "counter")
            words = [b"EXEC"]
        elif seq % 3 == 2:
            words = [b"EVAL", b"return redis.call('INCR', KEYS[1])", b"1", b"count"]
        acknowledged = b"%d" % min(self.acknowledged, seq - 1)
        reply = engine.send([b"REQUEST", self.id, b"%d" % seq, acknowledged, *words], "counter")
        self.replies[seq] = reply
        self.offsets[seq] = int(engine.node.append_log.stream.offset)

    def acknowledge(self, durable: int) -> None:
        """Acknowledge the oldest replies, whose effects are durable."""
        while (seq := self.acknowledged + 1) in self.replies:
            if self.replies[seq].startswith(b"-") or self.offsets[seq] > durable:
                break
            del self.replies[seq]
            self.acknowledged = seq

    def repeat(self, engine: Engine, seq: int) -> None:
        """Send an increment again, on a new connection."""
        engine.sessions.pop("counter", None)
        self._send(engine, seq)

    def fault(self, engine: Engine) -> str:
        """Return what is wrong with the count once all were repeated, or an empty text."""
        keys = engine.node.dataset.databases[DATABASE]
        found = keys.peek(b"count")
        count = 0 if found is None else int(str(found))
        ran = [reply for reply in self.replies.values() if not reply.startswith(b"-")]
        if count != self.acknowledged + len(ran):
            return f"{self.acknowledged + len(ran)} increments were sent, and {count} counted"
        if len({reply.rpartition(b":")[2] for reply in ran}) < len(ran):
            return "two increments have the same reply"
        if any(reply.startswith(b"-UNKNOWNREQUEST") for reply in self.replies.values()):
            return "an increment is not remembered"
        return ""


class History:
    """One seed: commands, cuts, and what must be true after each cut.

    `plant` is a fault from the start of a node on, `plant_running` one from when its log is on.
    """

    def __init__(
        self, seed: int, plant: Plant | None = None, plant_running: Plant | None = None
    ) -> None:
        self.seed = seed
        self.plant = plant
        self.plant_running = plant_running
        self.counter = Counter()
        self.source = random.Random(seed)
        self.policy = self.source.choice(POLICIES)
        self.chance = self.source.choice((0.0, 0.0, 0.03))
        self.disk = SimulatedDisk(self.source, self._next_cut(), 0.0)
        self.dumps: list[Dump] = [{}]
        self.offsets: list[int] = [0]

    def _next_cut(self) -> int:
        return self.source.randrange(1, STEPS_MAX)

    def run(self) -> None:
        """Live through some cuts. Violation: a promise was broken."""
        seconds = 1_700_000_000.0
        durable = 0
        for _ in range(CUTS):
            try:
                engine = started(self.disk, self.policy, self.seed, seconds)
            except FileError as error:
                if not self.disk.is_off:
                    raise Violation(f"seed {self.seed}: {error}") from None
                self.disk = self.disk.survivor(self._next_cut())
                continue
            self._judge(engine, durable)
            self.disk.chance = self.chance
            if self.plant is not None:
                self.plant(engine)
            durable = self._live(engine)
            seconds = engine.clock.seconds
            self.disk = self.disk.survivor(self._next_cut())
        self.disk.cut_at = 1 << 60
        try:
            engine = started(self.disk, self.policy, self.seed, seconds)
            self._judge(engine, durable)
            self._repeat(engine)
        except FileError as error:
            raise Violation(f"seed {self.seed}: {error}") from None

    def _judge(self, engine: Engine, durable: int) -> None:
        """The dataset is one of those since the last durable one."""
        found = engine.dump()
        engine.node.check()
        if found not in self.dumps[durable:]:
            raise Violation(
                f"seed {self.seed}, appendfsync {self.policy}: {len(found)} keys found, which are "
                f"none of the {len(self.dumps) - durable} states since the last durable one"
            )

    def _live(self, engine: Engine) -> int:
        """Run commands until the power goes; return the last state that was durable."""
        log = engine.node.append_log
        self.dumps = [engine.dump()]
        self.offsets = [0]
        try:
            log.start()
        except FileError:
            return 0
        if self.plant_running is not None:
            self.plant_running(engine)
        self._repeat(engine)
        source = self.source
        for _ in range(COMMANDS):
            if self.disk.is_off:
                break
            self._command(engine)
            self.dumps.append(engine.dump())
            self.offsets.append(int(log.stream.offset))
            log.file.write_out(engine.clock.now())
            self.counter.acknowledge(int(log.syncer.done))
            if source.random() < 0.4:
                engine.clock.seconds += source.choice((0.0, 0.4, 1.2, 70.0))
                engine.node.tick(engine.clock.now())
                self.dumps.append(engine.dump())
                self.offsets.append(int(log.stream.offset))
        self.disk.is_off = True
        done = log.syncer.done
        return max(place for place, offset in enumerate(self.offsets) if offset <= done)

    def _repeat(self, engine: Engine) -> None:
        """Repeat the increments that may be lost. Violation: they do not count once."""
        counter = self.counter
        for seq in list(counter.replies):
            counter.repeat(engine, seq)
            self.dumps.append(engine.dump())
            self.offsets.append(int(engine.node.append_log.stream.offset))
        fault = counter.fault(engine)
        if fault:
            raise Violation(f"seed {self.seed}, appendfsync {self.policy}: {fault}")

    def _command(self, engine: Engine) -> None:
        source = self.source
        if source.random() < 0.25:
            self.counter.count(engine)
        elif source.random() < 0.1:
            engine.send([b"BGREWRITEAOF"])
        elif source.random() < 0.2:
            for words in ([b"MULTI"], request(source), request(source), [b"EXEC"]):
                engine.send(words)
        else:
            engine.send(request(source))


def power_cuts(
    first: int, count: int, plant: Plant | None = None, plant_running: Plant | None = None
) -> int:
    """Run so many seeds; return how many cuts were survived. Violation: the first one."""
    for seed in range(first, first + count):
        History(seed, plant, plant_running).run()
        if seed % 1000 == 999:
            print(f"{seed + 1} seeds", file=sys.stderr, flush=True)
    return count * CUTS


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run, print the first violation with its seed, or the count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        cuts = power_cuts(options.first, options.seeds)
    except Violation as violation:
        print(f"{violation}\nreplay: python -m tests.sim.power_cuts --seeds 1 --first SEED")
        return 1
    print(f"{options.seeds:,} seeds, {cuts:,} power cuts, 0 violations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
