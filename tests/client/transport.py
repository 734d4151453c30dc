"""A connection with the typed methods and nothing else: one request, one reply.

`connect` and `connect_async` say which clients the tests of this folder run with.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kvclient.arguments import Argv
from kvclient.blocking.commands import Commands
from kvclient.commands import Commands as AsyncCommands
from kvclient.wire.channel import INCOMPLETE, new_reader
from kvclient.wire.encoding import as_wire

TIMEOUT_S: Final = 20.0
CHUNK_BYTES: Final = 65536


class Wire(Commands[Any]):
    """The blocking surface on a plain socket, in RESP2 or RESP3."""

    def __init__(self, port: int, *, protocol: int, decode: bool) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._reader = new_reader(decode)
        self._send((b"HELLO", protocol))

    def _send(self, argv: Argv, shape: Callable[[Any], Any] | None = None) -> Any:
        words = [as_wire(argument) for argument in argv]
        parts = [b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)]
        self._socket.sendall(b"".join(parts))
        while (reply := self._reader.gets()) is INCOMPLETE:
            data = self._socket.recv(CHUNK_BYTES)
            assert data, "the server closed the connection"
            self._reader.feed(data)
        if isinstance(reply, Exception):
            raise reply
        return reply if shape is None else shape(reply)

    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], Any] | None, timeout_s: int | float
    ) -> Any:
        return self._send(argv, shape)

    def execute(self, *argv: Any) -> Any:
        """Send any command; return the reply as it came."""
        return self._send(argv)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class AsyncWire(AsyncCommands[Any]):
    """The asynchronous surface on the same connection: each result is there at once."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def _send(self, argv: Argv, shape: Callable[[Any], Any] | None = None) -> Awaitable[Any]:
        future = asyncio.get_running_loop().create_future()
        future.set_result(self._wire._send(argv, shape))
        return future

    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], Any] | None, timeout_s: int | float
    ) -> Awaitable[Any]:
        return self._send(argv, shape)

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()


def connect(port: int, *, protocol: int, decode: bool) -> Wire:
    """Return a blocking client."""
    return Wire(port, protocol=protocol, decode=decode)


def connect_async(port: int, *, protocol: int, decode: bool) -> AsyncWire:
    """Return an asynchronous client."""
    return AsyncWire(Wire(port, protocol=protocol, decode=decode))
