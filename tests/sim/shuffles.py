"""Shuffles under lost, repeated and reordered messages and crashes at any step, from seeds.

    python -m tests.sim.shuffles --seeds 10000

A history is one job on one node: attempts of maps that race, die and run again, readers that come
too early, go on after losses and acknowledge, and a node that is killed and started again on its
files, some of them damaged. Each message may be lost, repeated, or overtaken by any other, also by
those of before a crash. At last all is delivered, and the job has to come to its end.

What is checked, from messages alone:

- in an epoch a map has one winner: no two attempts of it are told that they won;
- nothing is served before all maps are in, and nothing but blocks of attempts that won;
- what readers got in the end is, of each map, what one attempt of it gave: no row less, more or
  other; with deterministic maps that of each partition, else that of all partitions together;
- after END nothing is left: no memory, no file, and no late message that brings it back.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Final, TypeAlias

from kvnode.config import Config
from kvnode.session import Outlet, Session
from kvnode.shuffle.manifest import Manifest
from kvnode.shuffle.spill_file import checksum_of
from tests.unit.disks import MemoryDisk
from tests.unit.engine import START_SECONDS, Engine, output
from tests.unit.shufflers import parsed, summary_of

NAME: Final = b"job"
FOLDER: Final = "shuffle"
STEPS: Final = 250  # with faults
STEPS_MAX: Final = 6000  # until the end, without any
MEMORIES: Final = ("1gb", "300kb", "200kb")  # two of which make it spill
PADDING: Final = 40_000  # bytes of a large row
Words: TypeAlias = list[bytes]
Client: TypeAlias = Generator[Words, object, None]
Rows: TypeAlias = list[bytes]


class Violation(AssertionError):
    """A promise was broken."""


class Plant:
    """A fault that is planted between the network and the node; this one does nothing."""

    def before(self, manifest: Manifest | None, words: Words) -> None:
        """See a request before the node does."""

    def after(self, manifest: Manifest | None, words: Words, reply: object) -> object:
        """Return the reply that the network carries."""
        return reply


class Call:
    """A client's request under way; `number` tells its reply from those of earlier ones."""

    def __init__(self, client: int, number: int, words: Words) -> None:
        self.client = client
        self.number = number
        self.words = words


class Witness:
    """What can be known of the shuffle from requests and replies, and must never be broken."""

    def __init__(self, maps: int) -> None:
        self.maps = maps
        self.won: dict[tuple[int, int], int] = {}  # (map, epoch) -> the attempt that was told so
        self.tried: dict[int, set[int]] = {}  # map -> attempts whose commit came to the node
        self.left_out = 0

    def note(self, words: Words, reply: object) -> None:
        """Note what the node has done: its log may have that though the reply never goes out."""
        if words[0] == b"SHUFFLE.COMMIT" and reply == b"OK":
            self.tried.setdefault(int(words[2]), set()).add(int(words[3]))
        elif words[0] == b"SHUFFLE.SEAL" and isinstance(reply, int) and len(words) > 2:
            self.left_out = self.maps - int(words[3])

    def see(self, epoch: int, words: Words, reply: object) -> None:
        """Judge a reply that goes out, given in an epoch. Violation."""
        kind = words[0]
        if kind == b"SHUFFLE.COMMIT" and reply == b"OK":
            number, attempt = int(words[2]), int(words[3])
            winner = self.won.setdefault((number, epoch), attempt)
            if winner != attempt:
                raise Violation(f"attempts {winner} and {attempt} of map {number} have both won")
        elif kind == b"SHUFFLE.FETCH" and isinstance(reply, list):
            self._see_blocks(epoch, reply[1:])

    def _see_blocks(self, epoch: int, blocks: list[list[object]]) -> None:
        if len(self.tried) + self.left_out < self.maps:
            raise Violation(f"served while {len(self.tried)} of {self.maps} maps are in")
        for number, attempt, seq, checksum, payload in blocks:
            assert isinstance(number, int) and isinstance(attempt, int)
            assert isinstance(payload, bytes) and isinstance(checksum, bytes)
            if attempt not in self.tried.get(number, ()):
                raise Violation(f"served attempt {attempt} of map {number}, which never won")
            winner = self.won.get((number, epoch), attempt)
            if winner != attempt:
                raise Violation(f"served attempt {attempt} of map {number}, but {winner} has won")
            if checksum_of(payload) != int(checksum):
                raise Violation(f"served damaged bytes: map {number}, block {seq}")


class Job:
    """What its maps give, in attempts that cut it into blocks each in its own way."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.maps = source.randint(1, 5)
        self.partitions = source.randint(1, 3)
        self.is_deterministic = source.random() < 0.5
        self.used = sorted(source.sample(range(self.maps), source.randint(1, self.maps)))
        if source.random() < 0.7:
            self.used = list(range(self.maps))
        self.next_attempt = 1
        self.given: dict[tuple[int, int], list[Rows]] = {}  # (map, attempt) -> rows by partition

    def attempt(self, number: int) -> tuple[int, dict[int, Rows]]:
        """Return a new attempt of a map and its blocks."""
        attempt = self.next_attempt
        self.next_attempt += 1
        maker = random.Random(number if self.is_deterministic else attempt * 1000 + number)
        blocks: dict[int, Rows] = {}
        given: list[Rows] = []
        for partition in range(self.partitions):
            mark = b"" if self.is_deterministic else b" attempt %d" % attempt
            count = maker.choice((0, 1, 2, 4))
            rows = [b"map %d row %d" % (number, row) + mark for row in range(count)]
            padding = maker.choice((0, 10, PADDING))
            rows = [row + b"." * padding for row in rows]
            given.append(rows)
            while rows:
                # A block above a quarter of the budget might never find room.
                cut = 1 if padding == PADDING else self.source.randint(1, len(rows))
                blocks.setdefault(partition, []).append(b"\n".join(rows[:cut]))
                rows = rows[cut:]
        self.given[number, attempt] = given
        return attempt, blocks

    def judge(self, results: list[Rows]) -> None:
        """Compare what was read with what one attempt of each map gave. Violation."""
        for number in range(self.maps):
            prefix = b"map %d row " % number
            found = [Counter(row for row in rows if row.startswith(prefix)) for rows in results]
            made = [rows for (n, _), rows in self.given.items() if n == number]
            choices = [[Counter(rows) for rows in attempt] for attempt in made]
            if number not in self.used:
                choices = [[Counter() for _ in range(self.partitions)]]
            if found not in choices:
                raise Violation(f"the rows of map {number} are those of no attempt")


class History:
    """One seed."""

    def __init__(self, seed: int, plant: Plant | None = None) -> None:
        self.seed = seed
        self.plant = plant or Plant()
        self.source = random.Random(seed)
        self.job = Job(self.source)
        self.witness = Witness(self.job.maps)
        self.memory = self.source.choice(MEMORIES)
        self.disk = MemoryDisk()
        self.seconds = START_SECONDS
        self.engine = self._started()
        self.chance = self.source.choice((0.0, 0.05, 0.3))  # of a message's loss
        self.is_calm = False
        self.results: dict[int, tuple[int, Rows]] = {}  # partition -> epoch, rows
        self.is_over = False
        self.clients: dict[int, Client] = {}
        self.calls: dict[int, Call] = {}  # what each client waits for
        self.tasks: dict[int, int] = {}  # client -> its map, of those that run maps
        self.requests: list[Call] = []
        self.replies: list[tuple[Call, object]] = []
        # Until the log is written; with the epoch in which they were given.
        self.unsent: list[tuple[Call, object, int]] = []
        self.waiting: list[tuple[Call, Session]] = []
        self._numbers = 0

    def _started(self) -> Engine:
        config = Config()
        config.set_many(
            [
                *[("save", ""), ("appendonly", "yes"), ("appendfsync", "no")],
                ("shuffle-memory", self.memory),
            ]
        )
        engine = Engine(self.seconds, self.seed, config, self.disk)
        loader = engine.node.find_data()
        while loader is not None and not loader.is_done:
            loader.step(1.0)
        engine.node.append_log.start()
        engine.node.begin(loader)
        return engine

    def _manifest(self) -> Manifest | None:
        return self.engine.node.shuffles.manifests.get(NAME)

    # --- clients ----------------------------------------------------------------------------------

    def _add(self, client: Client, task: int = -1) -> None:
        self._numbers += 1
        number = self._numbers
        self.clients[number] = client
        if task >= 0:
            self.tasks[number] = task
        self._go_on(number, None)

    def _go_on(self, number: int, reply: object) -> None:
        """Give a client its reply and send what it asks for next."""
        try:
            words = self.clients[number].send(reply)
        except StopIteration:
            self._forget(number)
            return
        self._numbers += 1
        call = Call(number, self._numbers, words)
        self.calls[number] = call
        self.requests.append(call)

    def _forget(self, number: int) -> None:
        self.clients.pop(number, None)
        self.calls.pop(number, None)
        self.tasks.pop(number, None)

    def _map_task(self, number: int) -> Client:
        attempt, blocks = self.job.attempt(number)
        words = [(p, seq, data) for p, pieces in blocks.items() for seq, data in enumerate(pieces)]
        self.source.shuffle(words)
        for partition, seq, data in words:
            place = b"%b/%d" % (NAME, partition)
            tail = [b"%d" % seq, b"%d" % checksum_of(data), data]
            push = [b"SHUFFLE.PUSH", place, b"%d" % number, b"%d" % attempt, *tail]
            while isinstance(reply := (yield push), str) and reply.startswith("SHUFFLEFULL"):
                pass
            if isinstance(reply, str):
                return
        names = [NAME, b"%d" % number, b"%d" % attempt]
        if self.source.random() < 0.1:
            yield [b"SHUFFLE.ABORT", *names]
            return
        reply = yield [b"SHUFFLE.COMMIT", *names, summary_of(blocks)]
        if isinstance(reply, str) or reply != b"OK":
            yield [b"SHUFFLE.ABORT", *names]

    def _driver(self) -> Client:
        """Run what is missing until everything is read, then end the shuffle."""
        job = self.job
        options = [b"DETERMINISTIC"] if job.is_deterministic else []
        yield [b"SHUFFLE.OPEN", NAME, b"%d" % job.maps, b"%d" % job.partitions, *options]
        for partition in range(job.partitions):
            self._add(self._reader(partition))
        while len(self.results) < job.partitions:
            reply = yield [b"SHUFFLE.MISSING", NAME]
            assert isinstance(reply, list), reply
            missing = [number for number in reply[1:] if number in job.used]
            running = list(self.tasks.values())
            for number in missing:
                if running.count(number) < self.source.choice((1, 1, 2)):
                    self._add(self._map_task(number), number)
            if not missing and len(reply) > 1:
                yield [b"SHUFFLE.SEAL", NAME, b"MAPS", b"%d" % len(job.used)]
        self._judge()
        yield [b"SHUFFLE.END", NAME]
        self.is_over = True

    def _judge(self) -> None:
        if not self.job.is_deterministic and len({epoch for epoch, _ in self.results.values()}) > 1:
            raise Violation("results of different epochs, though maps are not deterministic")
        self.job.judge([self.results[place][1] for place in range(self.job.partitions)])

    def _reader(self, partition: int) -> Client:
        place = b"%b/%d" % (NAME, partition)
        head = [b"SHUFFLE.FETCH", place]
        while not self.is_over:
            reply = yield [b"SHUFFLE.WAIT", NAME, b"1"]
            if not isinstance(reply, list):
                if self.source.random() < 0.5:
                    yield [*head, b"0", b"CREDIT", b"1"]  # too early, or not any more
                continue
            epoch: int = reply[1]
            if self._has(partition, epoch):
                continue
            options = [b"EPOCH", b"%d" % epoch]
            rows = yield from self._read([*head], options)
            if rows is None:
                continue
            total = yield [b"SHUFFLE.STATUS", NAME, b"PARTITION", b"%d" % partition]
            if not isinstance(total, list) or total[0] != epoch:
                continue
            if total[1:] != rows[0]:
                raise Violation(f"partition {partition}: read {rows[0]}, of {total[1:]}")
            if not self.job.is_deterministic:
                for other, (before, _) in list(self.results.items()):
                    if before != epoch:  # a loss since: all readers begin anew
                        del self.results[other]
            self.results[partition] = (epoch, rows[1])
            if self.source.random() < 0.3:
                yield [b"SHUFFLE.ACK", place]

    def _has(self, partition: int, epoch: int) -> bool:
        result = self.results.get(partition)
        return result is not None and (self.job.is_deterministic or result[0] == epoch)

    def _read(
        self, head: Words, options: Words
    ) -> Generator[Words, object, tuple[list[object], Rows] | None]:
        """Read a partition; return its sums and rows, None where that failed."""
        rows: Rows = []
        count = size = total = 0
        cursor = b"0"
        while True:
            credit = b"%d" % self.source.choice((1, 100_000, 1 << 20))
            reply = yield [*head, cursor, b"CREDIT", credit, *options]
            if not isinstance(reply, list):
                return None
            for _, _, _, checksum, payload in reply[1:]:
                count += 1
                size += len(payload)
                total += int(checksum)
                rows += payload.split(b"\n")
            cursor = reply[0]
            if cursor == b"0":
                return [count, size, b"%d" % (total % (1 << 64))], rows

    # --- the network and the node -----------------------------------------------------------------

    def _deliver_request(self) -> None:
        """Let the node have one of the requests under way."""
        place = self.source.randrange(len(self.requests))
        call = self.requests[place]
        if self.is_calm or self.source.random() > 0.15:
            self.requests.pop(place)  # else it comes once more
        if not self.is_calm and self.source.random() < self.chance:
            return
        engine = self.engine
        session = engine.node.connect(Outlet())
        self._hang_up(call)
        self.plant.before(self._manifest(), call.words)
        data = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in call.words)
        session.feed(b"*%d\r\n%b" % (len(call.words), data))
        self.waiting.append((call, session))
        self._collect()

    def _hang_up(self, repeated: Call) -> None:
        """End the connections whose clients have gone on, or ask again over another one."""
        left: list[tuple[Call, Session]] = []
        for call, session in self.waiting:
            if call is repeated or self.calls.get(call.client) is not call:
                self.engine.node.disconnect(session)
            else:
                left.append((call, session))
        self.waiting = left

    def _collect(self) -> None:
        """Take the replies of sessions that have one."""
        left: list[tuple[Call, Session]] = []
        for call, session in self.waiting:
            data = output(session)
            if not data:
                left.append((call, session))
                continue
            self.engine.node.disconnect(session)
            reply = self.plant.after(self._manifest(), call.words, parsed(data))
            self.witness.note(call.words, reply)
            manifest = self._manifest()
            self.unsent.append((call, reply, manifest.epoch if manifest is not None else 0))
        self.waiting = left

    def _write_out(self) -> None:
        """The end of a round: the log is written, then replies go out."""
        engine = self.engine
        engine.node.append_log.file.write_out(engine.clock.now())
        for call, reply, epoch in self.unsent:
            self.witness.see(epoch, call.words, reply)
            self.replies.append((call, reply))
        self.unsent = []

    def _deliver_reply(self) -> None:
        call, reply = self.replies.pop(self.source.randrange(len(self.replies)))
        if not self.is_calm and self.source.random() < self.chance:
            return
        if self.calls.get(call.client) is call:
            self._go_on(call.client, reply)

    def _repeat(self) -> None:
        """Let a client that has heard nothing ask again."""
        if self.calls:
            self.requests.append(self.source.choice(list(self.calls.values())))

    def _pass_time(self) -> None:
        self.engine.wait(self.source.choice((0.01, 0.1, 1.1)))
        self.seconds = self.engine.clock.seconds
        self._collect()

    def _crash(self) -> None:
        """Kill the node; what it had not written is lost, and files may be damaged since."""
        self.unsent = []
        self.waiting = []
        names = [name for name in self.disk.content if name.startswith(FOLDER)]
        if names and self.source.random() < 0.5:
            content = self.disk.content[self.source.choice(names)]
            if self.source.random() < 0.5:
                del content[self.source.randrange(len(content) + 1) :]
            elif content:
                content[self.source.randrange(len(content))] ^= 1 << self.source.randrange(8)
        self.engine = self._started()

    def _damage(self) -> None:
        """Flip a bit of a spill file while the node runs, or remove it, or all of them."""
        names = [name for name in self.disk.content if name.startswith(FOLDER)]
        draw = self.source.random()
        if draw < 0.2:
            for name in names if draw < 0.1 else names[:1]:
                del self.disk.content[name]
        elif names:
            content = self.disk.content[self.source.choice(names)]
            if content:
                content[self.source.randrange(len(content))] ^= 1 << self.source.randrange(8)

    # --- a history --------------------------------------------------------------------------------

    def run(self) -> None:
        """Live through faults, then come to the end. Violation: a promise was broken."""
        try:
            self._run()
        except Violation as violation:
            raise Violation(f"seed {self.seed}: {violation}") from None

    def _run(self) -> None:
        self._add(self._driver())
        for _ in range(STEPS):
            self._step()
            self._fail()
        self.is_calm = True
        for _ in range(STEPS_MAX):
            if self.is_over and not (self.requests or self.replies or self.unsent):
                break
            self._step()
        else:
            raise Violation("the job does not come to its end")
        self._judge_end()

    def _step(self) -> None:
        draw = self.source.random()
        if draw < 0.45 and self.requests:
            self._deliver_request()
        elif draw < 0.85 and self.replies:
            self._deliver_reply()
        elif draw < 0.9 and not self.is_over:
            self._repeat()
        elif draw < 0.93:
            self._pass_time()
        else:
            self._write_out()

    def _fail(self) -> None:
        """What may happen beside messages that are lost."""
        draw = self.source.random()
        if draw < 0.01:
            self._crash()
        elif draw < 0.02 and self.tasks:
            self._forget(self.source.choice(list(self.tasks)))  # a map task dies
        elif draw < 0.03:
            self._damage()

    def _judge_end(self) -> None:
        """Nothing is left of a shuffle that has ended."""
        self.engine.wait(0.1)
        self.engine.wait(0.1)
        shuffles = self.engine.node.shuffles
        left = [name for name in self.disk.content if name.startswith(FOLDER)]
        if shuffles.manifests or shuffles.owner.memory or left:
            raise Violation(f"left after its end: {shuffles.owner.memory} bytes, files {left}")
        self.engine.node.check()


def shuffles(first: int, count: int, plant: Plant | None = None) -> None:
    """Run so many seeds. Violation: the first one."""
    for seed in range(first, first + count):
        History(seed, plant).run()
        if seed % 1000 == 999:
            print(f"{seed + 1} seeds", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run, print the first violation with its seed, or the count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        shuffles(options.first, options.seeds)
    except Violation as violation:
        print(f"{violation}\nreplay: python -m tests.sim.shuffles --seeds 1 --first SEED")
        return 1
    print(f"{options.seeds:,} seeds, 0 violations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
