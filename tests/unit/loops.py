"""Connections without an event loop: transports and rounds in the test's hands."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kvnode.connection import Connection, FlushRound

from .engine import Engine


class FakeSocket:
    def fileno(self) -> int:
        return 7


class FakeTransport:
    """Takes writes like an asyncio transport; `stuck` keeps them from the peer."""

    def __init__(self, peer: object = ("127.0.0.1", 5000)) -> None:
        self.extra = {"peername": peer, "sockname": ("127.0.0.1", 6379), "socket": FakeSocket()}
        if isinstance(peer, str):
            self.extra["sockname"] = "/run/node.sock"
        self.writes: list[bytes] = []
        self.unsent = 0
        self.stuck = False
        self.reading = True
        self.closed = False
        self.aborted = False
        self.protocol: Connection | None = None

    def get_extra_info(self, name: str) -> object:
        return self.extra[name]

    def write(self, data: bytes) -> None:
        assert not self.closed, "written to after its end"
        assert data, "an empty write"
        self.writes.append(data)
        if self.stuck:
            self.unsent += len(data)
            if self.unsent > 65536 and self.reading and self.protocol is not None:
                self.protocol.pause_writing()

    def writelines(self, chunks: Iterable[bytes]) -> None:
        self.write(b"".join(chunks))

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True
        self.aborted = True


class Loop:
    """A node with connections, whose rounds the test ends."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine()
        self.node = self.engine.node
        self.calls: list[Callable[[], None]] = []
        self.stops = 0
        self.rounds = FlushRound(self.node, self.calls.append, self.stop)

    def stop(self) -> None:
        self.stops += 1

    def connect(self, peer: object = ("127.0.0.1", 5000)) -> tuple[Connection, FakeTransport]:
        transport = FakeTransport(peer)
        connection = Connection(self.rounds)
        transport.protocol = connection
        connection.connection_made(transport)
        return connection, transport

    def end_round(self) -> None:
        calls, self.calls[:] = list(self.calls), []
        for call in calls:
            call()

    def ask(self, request: bytes) -> FakeTransport:
        """One round with one request of a new client."""
        connection, transport = self.connect()
        connection.data_received(request)
        self.end_round()
        return transport
