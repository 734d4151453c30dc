"""A connection for very many requests: sent in batches, replies read by hiredis.

`client.Wire` keeps the exact type of each reply; this one is for millions of replies of which only
the values matter.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final

import hiredis

from .client import Argument, WireError, encode_request

BATCH: Final = 500
TIMEOUT_S: Final = 120.0


class BulkClient:
    """One RESP2 connection; an error reply is raised unless it is asked for."""

    def __init__(self, port: int, timeout_s: float = TIMEOUT_S) -> None:
        self.port = port
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def ask(self, requests: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send the requests in one write and return their replies."""
        if not requests:
            return []
        try:
            self._socket.sendall(b"".join([encode_request(tuple(argv)) for argv in requests]))
            return [self._read(argv) for argv in requests]
        except OSError as error:
            raise WireError(f"port {self.port}: {error}") from error

    def call(self, *argv: Argument) -> Any:
        """Send one request and return its reply."""
        return self.ask([argv])[0]

    def feed(self, requests: Iterable[Sequence[Argument]]) -> int:
        """Send all of them, batch by batch; return how many."""
        count = 0
        batch: list[Sequence[Argument]] = []
        for argv in requests:
            batch.append(argv)
            if len(batch) == BATCH:
                count += len(self.ask(batch))
                batch.clear()
        return count + len(self.ask(batch))

    def _read(self, argv: Sequence[Argument]) -> Any:
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(1 << 18)
            if not data:
                raise WireError(f"port {self.port} closed the connection")
            self._reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise WireError(f"port {self.port}: {list(argv)[:4]}: {reply}")
        return reply
