"""Hand-written ends of a replication link: a leader and a follower that say just what a test says.

They are not clients: between them and the node under test flow raw replication bytes, of which a
test sees each one and may send wrong ones.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Final, Self

from .client import Argument, Wire, WireError, encode_request

LIMIT_S: Final = 30.0
ACK_S: Final = 0.2
HISTORY: Final = b"1234567890abcdef" * 2 + b"12345678"
EMPTY_RDB: Final = bytes.fromhex("524544495330303130ff0000000000000000")  # checksum 0: not checked


class FakeLeader:
    """Listens as a leader; `accept` takes the follower's next link."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._link: socket.socket | None = None
        self._buffer = b""
        self.heard: list[list[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.hang_up()
        self._listener.close()

    def accept(self) -> None:
        """Wait for the follower; an earlier link is given up."""
        self.hang_up()
        self._listener.settimeout(LIMIT_S)
        self._link, _ = self._listener.accept()
        self._link.settimeout(LIMIT_S)

    def hang_up(self) -> None:
        """End the link."""
        if self._link is not None:
            self._link.close()
            self._link = None
        self._buffer = b""
        self.heard = []

    def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self._link is not None
        self._link.sendall(data)

    def hear(self) -> list[bytes]:
        """The follower's next request."""
        while (parsed := self._parsed()) is None:
            assert self._link is not None
            data = self._link.recv(1 << 16)
            if not data:
                raise WireError(f"the follower left after {self.heard}")
            self._buffer += data
        self.heard.append(parsed)
        return parsed

    def _parsed(self) -> list[bytes] | None:
        """One request off the buffer, if it is whole."""
        # A follower that loads says so by empty lines.
        self._buffer = self._buffer.lstrip(b"\n")
        lines = self._buffer.split(b"\r\n")
        if not lines[0].startswith(b"*"):
            assert not lines[0] or len(lines) == 1, f"not a request: {self._buffer[:100]!r}"
            return None
        count = int(lines[0][1:])
        if len(lines) < 2 * count + 2:
            return None
        words = lines[2 : 2 * count + 1 : 2]
        self._buffer = self._buffer[len(encode_request(words)) :]
        return words

    def has_left(self) -> bool:
        """Has the follower ended the link? What else it says is read and forgotten."""
        assert self._link is not None
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if not select.select([self._link], [], [], LIMIT_S)[0]:
                return False
            try:
                if not self._link.recv(1 << 16):
                    return True
            except ConnectionResetError:
                return True
        return False

    def greet(self) -> list[bytes]:
        """Accept and answer all questions up to PSYNC, which is returned unanswered."""
        self.accept()
        while True:
            words = self.hear()
            name = words[0].upper()
            if name == b"PSYNC":
                return words
            self.say(b"+PONG\r\n" if name == b"PING" else b"+OK\r\n")

    def give(self, snapshot: bytes, offset: int = 0) -> None:
        """Answer PSYNC by a full resync."""
        self.say(b"+FULLRESYNC %b %d\r\n" % (HISTORY, offset))
        self.say(b"$%d\r\n%b" % (len(snapshot), snapshot))

    def stream(self, *argv: Argument) -> int:
        """Send an effect; returns its length."""
        data = encode_request(argv)
        self.say(data)
        return len(data)

    def acknowledged(self) -> int:
        """Ask for the follower's offset."""
        self.stream("REPLCONF", "GETACK", "*")
        while True:
            words = self.hear()
            if [word.upper() for word in words[:2]] == [b"REPLCONF", b"ACK"]:
                return int(words[2])


class FakeFollower:
    """A follower of a node: `snapshot` and `next` read what the leader sends."""

    def __init__(self, port: int) -> None:
        self.wire = Wire(port, LIMIT_S)
        self.history = b""
        self.offset = 0

    def close(self) -> None:
        """End the link."""
        self.wire.close()

    def psync(self, history: bytes | str = "?", offset: int = -1) -> list[bytes]:
        """Ask for the stream; returns the words of the answer."""
        self.wire.send("PSYNC", history, offset)
        words = self.line().split()
        if words[0] == b"+FULLRESYNC":
            self.history, self.offset = words[1], int(words[2])
        return words

    def acknowledge(self) -> None:
        """Say what was received."""
        self.wire.send("REPLCONF", "ACK", self.offset)

    def line(self) -> bytes:
        """One line, of however many empty ones."""
        while not (line := self._until(b"\n").strip()):
            pass
        return line

    def snapshot(self) -> bytes:
        """The RDB file of a full resync, of either form."""
        head = self.line()
        assert head[:1] == b"$", head
        if head.startswith(b"$EOF:"):
            return self._until(head[5:])[: -len(head[5:])]
        return self._exactly(int(head[1:]))

    def next(self) -> list[bytes]:
        """The next effect other than PING; acknowledges while there is none, as followers do."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            while not self.wire.readable(ACK_S) and time.monotonic() < deadline:
                self.acknowledge()
            words = [item.text() for item in self.wire.read().items()]
            self.offset += len(encode_request(words))
            if words != [b"PING"]:
                return words

    def _until(self, mark: bytes) -> bytes:
        wire = self.wire
        while (place := wire.buffer.find(mark, wire.position)) < 0:
            self._receive()
        return self._exactly(place + len(mark) - wire.position)

    def _exactly(self, size: int) -> bytes:
        wire = self.wire
        while len(wire.buffer) - wire.position < size:
            self._receive()
        data = bytes(wire.buffer[wire.position : wire.position + size])
        wire.position += size
        return data

    def _receive(self) -> None:
        data = self.wire.socket.recv(1 << 16)
        if not data:
            raise WireError("the leader ended the link")
        self.wire.buffer += data
