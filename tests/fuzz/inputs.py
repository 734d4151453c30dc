"""Inputs for a node, from seeds: requests in good form, requests spoilt, and noise."""

from __future__ import annotations

import random
import re
from typing import Final

from kvnode.command import CARDS
from kvnode.config import Config
from kvnode.node import Node
from kvnode.session import Session
from tests.unit.disks import MemoryDisk
from tests.unit.engine import Engine, RecordingOutlet, StandingClock
from tests.unit.peers import NodePeers

START_SECONDS: Final = 1_700_000_000.0
SESSIONS: Final = 4
OUTPUT_BYTES_MAX: Final = 64 << 20  # of one input
KEYS_MAX: Final = 5000
# PFSELFTEST takes a second. Random members with a negative count make replies of that size;
# the others end the process, write files, or turn off what the inputs are to meet.
LEFT_OUT: Final = frozenset(
    {
        *("PFSELFTEST", "SHUTDOWN", "HRANDFIELD", "SRANDMEMBER", "ZRANDMEMBER", "CONFIG SET"),
        *("CONFIG REWRITE", "ACL SAVE", "ACL LOAD", "ACL SETUSER", "ACL DELUSER", "DEBUG"),
    }
)
ARGUMENTS: Final = [
    *b"k1 k2 k3 k4 k5 k6 a b c 0 1 2 3 -1 10 100 1.5 nan inf -inf 9223372036854775807".split(),
    *b"* $ > 1-1 5-0 0-0 g1 g2 c1 u8 i64 u63 #1 100 0 13.361389 38.115556 km m".split(),
    *(b"", b"*", b"\xf8", b"\xfc\x00", b"x" * 45, b"y" * 65, b"\r\n", b"$5", b"(1", b"[a"),
    b"return redis.call('GET', KEYS[1])",
    b"return {1, 'a', {redis.pcall('INCR', KEYS[1])}, false}",
    b"return cjson.encode(cmsgpack.unpack(ARGV[1]))",
    b"#!lua name=l\nredis.register_function('f', function(k) return redis.call('GET', k[1]) end)",
]
FRAMING: Final = [b"\r\n", b"*", b"$", b"-1", b"\x00", b"\xff", b"9" * 20, b'"', b"'", b"*2\r\n"]
_OPTION: Final = re.compile(r"[A-Z]{2,}")


class Requests:
    """Streams of requests of one seed, in good form or spoilt."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.commands: list[tuple[list[bytes], list[bytes]]] = []
        for name in sorted(CARDS):
            if name not in LEFT_OUT and name.split()[0] not in LEFT_OUT:
                options = [word.encode() for word in _OPTION.findall(CARDS[name].syntax)]
                self.commands.append((name.encode().split(), ARGUMENTS + options * 4))

    def request(self) -> bytes:
        """One request about a random command, well framed."""
        draw = self.random.random
        name, pool = self.commands[int(draw() * len(self.commands))]
        size = len(pool)
        words = [*name, *[pool[int(draw() * size)] for _ in range(int(draw() * 8))]]
        if draw() < 0.1:
            return b" ".join(words) + b"\r\n"
        return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(w), w) for w in words])

    def stream(self) -> bytes:
        """Some requests; in every second stream some bytes are wrong, and some are noise."""
        draw = self.random.random()
        if draw < 0.1:
            return self.random.randbytes(self.random.randint(1, 300))
        count = int(self.random.random() ** 2 * 30) + 1
        data = bytearray(b"".join([self.request() for _ in range(count)]))
        if draw < 0.5:
            for _ in range(self.random.randint(1, 4)):
                self._spoil(data)
        return bytes(data)

    def _spoil(self, data: bytearray) -> None:
        place = self.random.randrange(len(data) + 1)
        match self.random.randrange(4):
            case 0:
                del data[place : place + self.random.randint(1, 9)]
            case 1:
                data[place:place] = self.random.choice(FRAMING)
            case 2:
                data[place:place] = data[place // 2 : place]
            case _:
                data[place : place + 1] = self.random.randbytes(1)


class Feeding:
    """A node whose sessions are fed chunk by chunk, and replaced when they are closed."""

    def __init__(self, seed: int) -> None:
        self.requests = Requests(seed)
        self.random = self.requests.random
        self.clock = StandingClock(START_SECONDS)
        config = Config()
        config.settings.proto_max_bulk_len = 1 << 20
        self.node = Node(config, self.clock, seed, MemoryDisk(), NodePeers(Engine))
        self.sessions = [self.node.connect(RecordingOutlet()) for _ in range(SESSIONS)]
        self.output_bytes = 0

    def round(self) -> bytes:
        """Feed one input of the seed; return it."""
        data = self.requests.stream()
        self.feed(data)
        return data

    def feed(self, data: bytes) -> None:
        """Feed one input to one session; then see to the time, the output, and the data."""
        place = self.random.randrange(SESSIONS)
        session = self.sessions[place]
        while data:
            size = self.random.choice([1, 7, 100, 10_000])
            session.feed(data[:size])
            data = data[size:]
        self.clock.seconds += self.random.choice([0.0, 0.001, 0.2, 3.0])
        self.node.tick(self.clock.seconds)
        for session in self.sessions:
            self.take(session)
        for index, session in enumerate(self.sessions):
            if session.closing or self.random.random() < 0.05:
                self.node.disconnect(session)
                self.sessions[index] = self.node.connect(RecordingOutlet())
        if self.node.dataset.key_count() > KEYS_MAX:
            for database in self.node.dataset.databases:
                database.clear(False)

    def take(self, session: Session) -> None:
        """Take a session's output, which stays small."""
        size = sum(map(len, session.take_output()))
        assert size < OUTPUT_BYTES_MAX
        self.output_bytes += size
