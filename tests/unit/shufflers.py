"""A batch job's side of shuffles, for tests: words out, plain values back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import hiredis

from kvnode.shuffle.manifest import CHECKSUM_MASK
from kvnode.shuffle.spill_file import checksum_of

from .engine import Engine, output

# partition -> payloads, by seq
Blocks = Mapping[int, list[bytes]]


def parsed(data: bytes) -> object:
    """The value of a reply, None of none; an error as its text."""
    reader = hiredis.Reader()
    reader.feed(data)
    reply = reader.gets()
    if isinstance(reply, hiredis.ReplyError):
        return str(reply)
    return None if reply is False else reply


def summary_of(blocks: Blocks) -> bytes:
    """What COMMIT says of these blocks."""
    rows = []
    for partition, payloads in sorted(blocks.items()):
        total = sum(checksum_of(payload) for payload in payloads) & CHECKSUM_MASK
        rows.append([partition, len(payloads), sum(map(len, payloads)), total])
    return json.dumps(rows).encode()


class Job:
    """One shuffle of a node."""

    def __init__(self, engine: Engine, name: bytes = b"job") -> None:
        self.engine = engine
        self.name = name

    def ask(self, *words: bytes | int, client: str = "main") -> object:
        """Send a request; None where the session waits."""
        argv = [word if isinstance(word, bytes) else b"%d" % word for word in words]
        argv[0] = b"SHUFFLE." + argv[0]
        return parsed(self.engine.send(argv, client))

    def heard(self, client: str) -> object:
        """What a session that waited was told since."""
        return parsed(output(self.engine.session(client)))

    def open(self, maps: int, partitions: int, *options: bytes | int) -> object:
        return self.ask(b"OPEN", self.name, maps, partitions, *options)

    def push(self, number: int, attempt: int, blocks: Blocks) -> None:
        """Push all blocks of an attempt."""
        for partition, payloads in blocks.items():
            for seq, payload in enumerate(payloads):
                reply = self.push_one(number, attempt, partition, seq, payload)
                assert isinstance(reply, int), reply

    def push_one(
        self, number: int, attempt: int, partition: int, seq: int, payload: bytes
    ) -> object:
        place = b"%b/%d" % (self.name, partition)
        return self.ask(b"PUSH", place, number, attempt, seq, checksum_of(payload), payload)

    def commit(self, number: int, attempt: int, blocks: Blocks) -> object:
        return self.ask(b"COMMIT", self.name, number, attempt, summary_of(blocks))

    def run(self, number: int, attempt: int, blocks: Blocks) -> object:
        """Push and commit."""
        self.push(number, attempt, blocks)
        return self.commit(number, attempt, blocks)

    def fetch(self, partition: int, *options: bytes | int, cursor: bytes = b"0") -> object:
        place = b"%b/%d" % (self.name, partition)
        return self.ask(b"FETCH", place, cursor, b"CREDIT", 1 << 20, *options)

    def payloads(self, partition: int) -> list[bytes]:
        """All of a partition's payloads, which can be read."""
        found: list[bytes] = []
        cursor = b"0"
        while True:
            reply = self.fetch(partition, b"COUNT", 2, cursor=cursor)
            assert isinstance(reply, list), reply
            found += [block[4] for block in reply[1:]]
            cursor = reply[0]
            if cursor == b"0":
                return found

    def status(self) -> dict[str, object]:
        reply = self.ask(b"STATUS", self.name)
        assert isinstance(reply, list), reply
        return {key.decode(): value for key, value in zip(reply[::2], reply[1::2], strict=True)}

    def missing(self) -> object:
        return self.ask(b"MISSING", self.name)


def finished(engine: Engine, maps: Iterable[int] = (0, 1), name: bytes = b"job") -> Job:
    """A sealed shuffle of two partitions: map n gives `n-0` and `n-1` in attempt n + 1."""
    job = Job(engine, name)
    numbers = list(maps)
    job.open(len(numbers), 2, b"DETERMINISTIC")
    for number in numbers:
        assert job.run(number, number + 1, blocks_of(number)) == b"OK"
    return job


def blocks_of(number: int) -> dict[int, list[bytes]]:
    """What map n of `finished` gives."""
    return {partition: [b"%d-%d" % (number, partition)] for partition in (0, 1)}
