"""Connections that the node itself opens to other servers, and waits for: MIGRATE's.

They block the node on purpose, each operation for a time that the caller names. All of them go
through `Peers`, so that tests can put servers in its place that fail as they like.
"""

from __future__ import annotations

import socket
from typing import Final, final

from mypy_extensions import mypyc_attr

_KEPT_SECONDS: Final = 10.0
_KEPT_MAX: Final = 64
_PORT_MAX: Final = 65535
_READ_BYTES: Final = 16384
_LINE_MAX: Final = 65536
UNKNOWN: Final = -1


@mypyc_attr(allow_interpreted_subclasses=True)
class Peer:
    """A connection to a server. Every operation raises TimeoutError, or OSError if it broke."""

    def send(self, data: bytes, seconds: float) -> None:
        """Send all of the bytes."""
        raise NotImplementedError

    def line(self, seconds: float) -> bytes:
        """Return the next line without its end."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection; it may be closed already."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Peers:
    """Where connections come from."""

    def connect(self, host: bytes, port: int, seconds: float) -> Peer:
        """Return a new connection. ConnectionError: nobody accepts it; OSError: anything else."""
        raise NotImplementedError


@final
class _SocketPeer(Peer):
    def __init__(self, endpoint: socket.socket) -> None:
        self._socket = endpoint
        self._received = b""

    def send(self, data: bytes, seconds: float) -> None:
        self._socket.settimeout(seconds)
        self._socket.sendall(data)

    def line(self, seconds: float) -> bytes:
        self._socket.settimeout(seconds)
        while b"\n" not in self._received:
            data = self._socket.recv(_READ_BYTES)
            if not data or len(self._received) > _LINE_MAX:
                raise ConnectionResetError
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line.removesuffix(b"\r")

    def close(self) -> None:
        self._socket.close()


@final
class SystemPeers(Peers):
    """The system's sockets."""

    def connect(self, host: bytes, port: int, seconds: float) -> Peer:
        if not 0 <= port <= _PORT_MAX:
            raise OSError("no such port")
        try:
            endpoint = socket.create_connection((host.decode(), port), seconds)
        except ValueError:  # bytes that are no text, or no name
            raise OSError("no such host") from None
        endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _SocketPeer(endpoint)


@final
class KeptPeer:
    """A connection that is kept for the next use; `database` is what is selected on it."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.database = UNKNOWN
        self.last_use = 0.0


@final
class KeptPeers:
    """Connections by host and port, closed when they were not used for 10 s."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._kept: dict[tuple[bytes, int], KeptPeer] = {}

    def get(self, host: bytes, port: int, seconds: float, now: float) -> KeptPeer:
        """Return the connection that is kept, or a new one. ConnectionError, OSError."""
        kept = self._kept.get((host, port))
        if kept is None:
            kept = KeptPeer(self._peers.connect(host, port, seconds))
            if len(self._kept) >= _KEPT_MAX:
                oldest_host, oldest_port = next(iter(self._kept))
                self.drop(oldest_host, oldest_port)
            self._kept[host, port] = kept
        kept.last_use = now
        return kept

    def drop(self, host: bytes, port: int) -> None:
        """Close the connection, if there is one."""
        kept = self._kept.pop((host, port), None)
        if kept is not None:
            kept.peer.close()

    def count(self) -> int:
        """Return how many connections are open."""
        return len(self._kept)

    def tick(self, now: float) -> None:
        """Close what was not used for long."""
        for (host, port), kept in list(self._kept.items()):
            if now - kept.last_use > _KEPT_SECONDS:
                self.drop(host, port)
