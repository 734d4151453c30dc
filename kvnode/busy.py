"""The sockets of the clients, read by hand while a script holds the loop up.

A script that runs for longer than `busy-reply-threshold` calls `poll` now and then, so that
somebody can be told BUSY, and can end it with SCRIPT KILL: over a connection that is open, or over
a new one. The loop itself cannot be entered again, hence the reads, the writes and the accepting
here. Everything that was accepted is handed to the loop once the script is over. A connection that
the loop accepted in the very round in which the script began is in nobody's hands, and waits.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
from collections.abc import Iterable
from typing import Any

from kvnode.connection import Connection, FlushRound
from kvnode.listeners import Listener
from kvnode.node import Node

READ_BYTES = 65536
ACCEPTS_MAX = 100  # at one poll


class DirectTransport:
    """A client's socket that the loop does not know yet; only what `Connection` calls."""

    def __init__(self, endpoint: socket.socket) -> None:
        self.endpoint = endpoint
        self.unsent = b""
        self.is_closing = False

    def get_extra_info(self, name: str) -> Any:
        """Return the addresses, or the socket, as an asyncio transport does."""
        if name == "peername":
            return self.endpoint.getpeername()
        return self.endpoint if name == "socket" else self.endpoint.getsockname()

    def write(self, data: bytes) -> None:
        """Write what the kernel takes; the rest waits for the loop."""
        if not self.unsent:
            try:
                data = data[self.endpoint.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                data = b""
                self.is_closing = True
        self.unsent += data

    def writelines(self, chunks: list[bytes]) -> None:
        """Write several pieces."""
        self.write(b"".join(chunks))

    def get_write_buffer_size(self) -> int:
        """Return how much waits."""
        return len(self.unsent)

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        """There are no limits: the loop takes over soon."""

    def pause_reading(self) -> None:
        """Nothing is read without a poll."""

    def close(self) -> None:
        """Close at the next look."""
        self.is_closing = True

    abort = close


class BusySockets:
    """All client sockets of a node, as long as a script is busy."""

    def __init__(
        self,
        node: Node,
        rounds: FlushRound,
        listeners: Iterable[Listener],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._node = node
        self._rounds = rounds
        self._listeners = listeners
        self._loop = loop
        self._selector: selectors.BaseSelector | None = None
        self._accepted: dict[Connection, DirectTransport] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def poll(self) -> None:
        """Serve what the clients have sent, without waiting."""
        selector = self._selector
        if selector is None:
            selector = self._begin()
        for key, _ in selector.select(0):
            if isinstance(key.data, Listener):
                self._accept(selector, key.data)
            else:
                self._read(selector, key.fd, key.data)

    def _begin(self) -> selectors.BaseSelector:
        selector = selectors.DefaultSelector()
        self._selector = selector
        self._rounds.flush_now()
        for listener in self._listeners:
            if listener.service.is_for_clients:
                selector.register(listener.endpoint, selectors.EVENT_READ, listener)
        for session in self._node.sessions.values():
            outlet = session.outlet
            if isinstance(outlet, Connection) and not session.running:
                selector.register(session.descriptor, selectors.EVENT_READ, outlet)
        self._loop.call_soon(self._end)
        return selector

    def _accept(self, selector: selectors.BaseSelector, listener: Listener) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                endpoint, _ = listener.endpoint.accept()
            except OSError:
                return
            endpoint.setblocking(False)
            transport = DirectTransport(endpoint)
            connection = listener.service.make_connection()
            connection.connection_made(transport)
            if transport.is_closing:
                endpoint.close()
                continue
            self._accepted[connection] = transport
            selector.register(endpoint, selectors.EVENT_READ, connection)

    def _read(self, selector: selectors.BaseSelector, number: int, connection: Connection) -> None:
        """Run what a client has sent, and answer; its end is left to the loop."""
        if connection.is_choked():
            return
        try:
            data = os.read(number, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            connection.data_received(data)
            connection.flush_now()
        transport = self._accepted.get(connection)
        if not data or connection.session.closing:
            selector.unregister(number)
            if transport is not None and transport.is_closing:
                self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._accepted.pop(connection).endpoint.close()
        connection.connection_lost(None)

    def _end(self) -> None:
        """Give the loop what is its own."""
        assert self._selector is not None
        self._selector.close()
        self._selector = None
        accepted = self._accepted
        self._accepted = {}
        for connection, transport in accepted.items():
            task = self._loop.create_task(self._hand_over(connection, transport.endpoint))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hand_over(self, connection: Connection, endpoint: socket.socket) -> None:
        protocol: Any = connection
        await self._loop.connect_accepted_socket(lambda: protocol, endpoint)
