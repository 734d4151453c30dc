"""Seeded random bytes and spoilt requests fed to a node: it answers, and its data stay sound."""

from __future__ import annotations

import random
import re
from typing import Final

import pytest

from kvnode.command import CARDS
from kvnode.config import Config
from kvnode.node import Node
from kvnode.session import Session
from tests.unit.engine import RecordingOutlet, StandingClock

START_SECONDS: Final = 1_700_000_000.0
ROUNDS: Final = 60
SESSIONS: Final = 4
OUTPUT_BYTES_MAX: Final = 64 << 20
# Random members with a negative count make replies as large as the count.
LEFT_OUT: Final = frozenset(
    {"SHUTDOWN", "HRANDFIELD", "SRANDMEMBER", "ZRANDMEMBER", "CONFIG SET", "CONFIG REWRITE"}
)
ARGUMENTS: Final = [
    *b"k1 k2 k3 k4 k5 k6 a b c 0 1 2 3 -1 10 100 1.5 nan inf -inf 9223372036854775807".split(),
    *(b"", b"*", b"\xf8", b"\xfc\x00", b"x" * 45, b"y" * 65, b"\r\n", b"$5", b"(1", b"[a"),
]
FRAMING: Final = [b"\r\n", b"*", b"$", b"-1", b"\x00", b"\xff", b"9" * 20, b'"', b"'", b"*2\r\n"]


class Requests:
    """Streams of requests of one seed, in good form or spoilt."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = sorted(name for name in CARDS if name not in LEFT_OUT)

    def request(self) -> bytes:
        """One request about a random command, well framed."""
        name = self.random.choice(self.names)
        options = [word.encode() for word in re.findall(r"[A-Z]{2,}", CARDS[name].syntax)]
        pool = ARGUMENTS + options * 4
        words = [*name.encode().split(), *self.random.choices(pool, k=self.random.randint(0, 7))]
        if self.random.random() < 0.1:
            return b" ".join(words) + b"\r\n"
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)

    def stream(self) -> bytes:
        """Some requests; in every second stream some bytes are wrong, and some are noise."""
        draw = self.random.random()
        if draw < 0.1:
            return self.random.randbytes(self.random.randint(1, 300))
        data = bytearray(b"".join(self.request() for _ in range(self.random.randint(1, 30))))
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
        self.node = Node(config, self.clock, seed)
        self.sessions = [self.node.connect(RecordingOutlet()) for _ in range(SESSIONS)]
        self.output_bytes = 0

    def round(self) -> None:
        """Feed one stream to one session; then see to the time, the output, and the data."""
        place = self.random.randrange(SESSIONS)
        session = self.sessions[place]
        data = self.requests.stream()
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

    def take(self, session: Session) -> None:
        """Take a session's output, which stays small."""
        size = sum(map(len, session.take_output()))
        assert size < OUTPUT_BYTES_MAX
        self.output_bytes += size


@pytest.mark.parametrize("seed", range(12))
def test_random_input_is_answered_and_leaves_sound_data(seed: int) -> None:
    feeding = Feeding(seed)
    for _ in range(ROUNDS):
        feeding.round()
    feeding.node.check()
    assert feeding.output_bytes > 0
