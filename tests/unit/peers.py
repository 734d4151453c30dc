"""Other servers as a test makes them: nodes without sockets, and connections that break."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kvnode.peers import Peer, Peers

if TYPE_CHECKING:
    from .engine import Engine

SEND: Final = "send"
LINE: Final = "line"


class NodePeer(Peer):
    """A connection to another node; it answers at once."""

    def __init__(self, peers: NodePeers) -> None:
        self.peers = peers
        self.session = peers.target.client()[0]
        self.received = b""
        self.closed = False

    def send(self, data: bytes, seconds: float) -> None:
        self.peers.step(SEND)
        self.session.feed(data)

    def line(self, seconds: float) -> bytes:
        self.peers.step(LINE)
        self.received += b"".join(self.session.take_output())
        line, end, self.received = self.received.partition(b"\r\n")
        if not end:
            raise TimeoutError
        return line

    def close(self) -> None:
        self.closed = True


class NodePeers(Peers):
    """One node under every name. `fails_at[operation]` is which one of its kind fails, and how."""

    def __init__(self, make_target: Callable[[], Engine]) -> None:
        self.make_target = make_target
        self.made: Engine | None = None
        self.opened: list[NodePeer] = []
        self.counts: dict[str, int] = {}
        self.fails_at: dict[str, tuple[int, OSError]] = {}

    @property
    def target(self) -> Engine:
        """The other node."""
        if self.made is None:
            self.made = self.make_target()
        return self.made

    def step(self, operation: str) -> None:
        """Count an operation, and let it fail if it is its turn."""
        count = self.counts.get(operation, 0) + 1
        self.counts[operation] = count
        number, error = self.fails_at.get(operation, (0, OSError()))
        if count == number:
            raise error

    def connect(self, host: bytes, port: int, seconds: float) -> Peer:
        self.step("connect")
        self.opened.append(NodePeer(self))
        return self.opened[-1]
