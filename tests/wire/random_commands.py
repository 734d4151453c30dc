"""Seeded random commands, valid and invalid, on kvnode and redis-server until they differ.

    python -m tests.wire.random_commands --commands 1000000 --seed 7

A generator draws from small pools of keys, fields and values, so that commands meet each other's
data, keys of other types, both encodings of a container, and numbers at the edges. Whatever would
be random or race with the clock is left out: SPOP only takes everything, a short TTL does not
occur, conditions on expiry use times that are far apart, and lexicographic ranges are asked of
sorted sets whose scores are all equal (of others the skip list's random levels decide).
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from . import counting, normalise
from .client import Reply, Wire, encode_request
from .harness import Difference, Pair, quoted
from .long_run import long_run, long_run_parser, say_progress
from .random_bits import BITS, HLL_KEYS, HLL_SPARSE_BYTES
from .random_databases import BLOCKING, DATABASES
from .random_geo import GEO, GEO_KEYS
from .random_grammar import GENERATORS as GRAMMAR
from .random_grammar import KEYS, LEX_KEYS, Maker, Pools
from .random_scripts import SCRIPTS
from .random_streams import STREAMS, blocking_stream
from .random_words import equal_block

GENERATORS: Final[dict[str, list[tuple[int, Maker]]]] = {
    **GRAMMAR,
    **DATABASES,
    **BITS,
    **GEO,
    **SCRIPTS,
    **STREAMS,
}
NAMED_KEYS: Final = KEYS | LEX_KEYS | HLL_KEYS | GEO_KEYS
BATCH: Final = 64
HISTORY: Final = 20_000
# How many of the last commands on the same keys are shown with a difference.
SHOWN: Final = 25


class RandomCommands:
    """Commands of one seed; the same seed gives the same commands."""

    def __init__(self, seed: int, groups: Sequence[str] = ()) -> None:
        self.random = random.Random(seed)
        self.pools = Pools(self.random)
        chosen = [(name, row) for name, row in GENERATORS.items() if not groups or name in groups]
        self.makers: list[Maker] = []
        self.weights: list[int] = []
        for _, rows in chosen:
            for weight, maker in rows:
                self.makers.append(maker)
                self.weights.append(weight)
        # How many requests of the transaction that is open are still to come, EXEC included.
        self.left = 0

    def next(self) -> list[bytes]:
        """The next request."""
        if self.left == 0 and self.random.random() < 0.01:
            self.left = self.random.randint(1, 6)
            return [b"MULTI"]
        if self.left > 0:
            self.left -= 1
            if self.left == 0:
                return [b"DISCARD" if self.random.random() < 0.1 else b"EXEC"]
            if self.random.random() < 0.2:
                return self._words(self.random.choice([*BLOCKING, blocking_stream]))
        argv = self._words(self.random.choices(self.makers, self.weights)[0])
        # A spoiled ZADD could give a lexicographic sorted set a second score, a spoiled SORT BY
        # would return a set in its own order.
        if b"BY" in argv or (argv[0] == b"ZADD" and argv[1] in LEX_KEYS):
            return argv
        return self._spoil(argv) if self.random.random() < 0.03 else argv

    def _words(self, maker: Maker) -> list[bytes]:
        words = maker(self.pools)
        return [word if isinstance(word, bytes) else str(word).encode() for word in words]

    def _spoil(self, argv: list[bytes]) -> list[bytes]:
        """Break a request: a word missing, repeated, swapped, emptied or foreign."""
        if len(argv) < 2:
            return [*argv, b"extra"]
        place = self.random.randrange(1, len(argv))
        match self.random.randrange(6):
            case 0:
                del argv[place]
            case 1:
                argv.insert(place, argv[place])
            case 2:
                argv[place] = b""
            case 3:
                argv[place] = self.random.choice([b"BOGUS", b"-1", b"nan", b"9" * 20, b"1.5"])
            case 4:
                argv.append(self.random.choice([b"BOGUS", b"1", b"NX", b"WITHSCORES", b"COUNT"]))
            case _:
                argv = argv[: place + 1]
        # The spoiled request must not become random: a bare SPOP pops any member.
        return [b"SMEMBERS", argv[-1]] if argv[0] == b"SPOP" else argv


class Run:
    """Random commands against a pair of servers."""

    def __init__(self, pair: Pair, seed: int, groups: Sequence[str] = ()) -> None:
        self.pair = pair
        self.seed = seed
        self.commands = RandomCommands(seed, groups)
        self.history: deque[tuple[int, list[bytes]]] = deque(maxlen=HISTORY)
        self.done = 0
        self.queued: list[list[bytes]] = []

    def run(self, count: int, progress: Callable[[int], None] | None = None) -> None:
        """Run `count` commands, then compare the whole keyspaces."""
        channel = self.pair.client()
        self.pair.config("hll-sparse-max-bytes", HLL_SPARSE_BYTES)
        while self.done < count:
            batch = [self.commands.next() for _ in range(min(BATCH, count - self.done))]
            data = b"".join(encode_request(argv) for argv in batch)
            channel.ours.send_raw(data)
            channel.theirs.send_raw(data)
            for argv in batch:
                self._compare(argv, channel.ours, channel.theirs)
            if progress is not None:
                progress(self.done)
        for database in (b"1", b"0"):
            self.pair.same_batch([[b"DISCARD"], [b"SELECT", database]])
            self.pair.same_keyspace()

    def _compare(self, argv: list[bytes], ours: Wire, theirs: Wire) -> None:
        self.history.append((self.done, argv))
        mine, others = ours.read(), theirs.read()
        name = counting.name_of(normalise.command_name(argv), mine.kind)
        counting.COMPARED[name] += 1
        if not self._equal(argv, mine, others):
            counting.DIFFERENT[name] += 1
            raise Difference(self._story(argv, mine, others))
        self.done += 1

    def _equal(self, argv: list[bytes], mine: Reply, others: Reply) -> bool:
        if argv[0] == b"EXEC":
            block, self.queued = self.queued, []
            return equal_block(block, mine, others)
        if argv[0] == b"DISCARD":
            self.queued = []
        if mine.value == b"QUEUED":
            self.queued.append(argv)
        return normalise.equal(argv, mine, others)

    def _story(self, argv: list[bytes], ours: Reply, theirs: Reply) -> str:
        keys = set(argv[1:]) & NAMED_KEYS
        same = [row for row in self.history if keys & set(row[1][1:]) or row[1][0] == b"FLUSHDB"]
        lines = [
            f"seed {self.seed}, command {self.done}, RESP{self.pair.protocol}; last commands on "
            f"{b' '.join(sorted(keys)).decode()}:"
        ]
        for index, words in same[-SHOWN:]:
            text = b" ".join(quoted(word) for word in words).decode()
            lines.append(f"{index:>9}  {text[:1500]}")
        lines += ["kvnode:", ours.shown(2), "redis-server:", theirs.shown(2)]
        return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run, print the first difference or the counts."""
    parser = long_run_parser(__doc__, "commands", 100_000)
    parser.add_argument("--groups", default="", help=f"of {','.join(GENERATORS)}; default: all")
    options = parser.parse_args(arguments)
    groups = [name for name in options.groups.split(",") if name]
    if unknown := set(groups) - set(GENERATORS):
        parser.error(f"--groups: {sorted(unknown)} is not one of {sorted(GENERATORS)}")
    progress = say_progress("commands", 50_000)
    return long_run(
        options, lambda pair: Run(pair, options.seed, groups).run(options.commands, progress)
    )


if __name__ == "__main__":
    sys.exit(main())
