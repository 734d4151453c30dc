"""Connections that the node opens itself, to the leader that it follows."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from kvnode.config import Config, ConfigError
from kvnode.durability.disk import reason_of
from kvnode.replication.leader_link import Dialer, LeaderLink, Line
from kvnode.tls import client_context


class OutgoingLine(Line):
    """A connection to another node, as an asyncio protocol."""

    def __init__(self, link: LeaderLink) -> None:
        super().__init__()
        self._link = link
        self._transport: asyncio.Transport | None = None
        self._is_closed = False
        self.attempt: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Take the transport."""
        self._transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        self.local = f"[{host}]:{port}".encode() if ":" in host else f"{host}:{port}".encode()
        self.descriptor = transport.get_extra_info("socket").fileno()
        if self._is_closed:
            transport.abort()
        else:
            self._link.connected(self)

    def data_received(self, data: bytes) -> None:
        """Hand on what the other node sent."""
        if not self._is_closed:
            self._link.received(data)

    def eof_received(self) -> bool:
        """Let the transport close."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Say that the connection has ended."""
        self.fail(_reason(error) if error is not None else "it closed the connection")

    def pause_writing(self) -> None:
        """What we say is little."""

    def resume_writing(self) -> None:
        """What we say is little."""

    def fail(self, reason: str) -> None:
        """Say that there is no connection, or none any more."""
        if not self._is_closed:
            self._is_closed = True
            self._link.lost(reason)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def hold(self, is_held: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if is_held and transport.is_reading():
            transport.pause_reading()
        elif not is_held and not transport.is_reading():
            transport.resume_reading()

    def close(self) -> None:
        self._is_closed = True
        if self.attempt is not None:
            self.attempt.cancel()
        if self._transport is not None:
            self._transport.abort()


class SocketDialer(Dialer):
    """Connects over TCP, with TLS where `tls-replication` says so."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self._config = config
        self._loop = loop

    def dial(self, host: str, port: int, link: LeaderLink) -> Line:
        line = OutgoingLine(link)
        line.attempt = self._loop.create_task(self._connect(host, port, line))
        return line

    async def _connect(self, host: str, port: int, line: OutgoingLine) -> None:
        source = self._config.text("bind-source-addr")
        protocol: Any = line
        try:
            await self._loop.create_connection(
                lambda: protocol,
                host,
                port,
                ssl=client_context(self._config) if self._config.flag("tls-replication") else None,
                local_addr=(source, 0) if source else None,
            )
        except (OSError, ConfigError, ValueError, OverflowError) as error:
            # The last two: a host that cannot be a name, a port that is none.
            line.fail(_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return str(getattr(error, "reason", None) or error).replace("_", " ").lower()
    return reason_of(error) if isinstance(error, OSError) else str(error)
