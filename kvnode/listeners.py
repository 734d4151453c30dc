"""The sockets that a node listens on, and how they follow CONFIG SET bind and port."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from functools import partial
from typing import Any, Final, TypeAlias

from kvnode.config import Config, ConfigError
from kvnode.logs import Log

# By the directive that CONFIG SET was to change; the reason is for the log alone.
_REFUSALS: Final = {
    "bind": "Failed to bind to specified addresses.",
    "port": "Unable to listen on this port. Check server logs.",
}
_KEEP_IDLE_MAX: Final = 32767  # seconds, the most that Linux takes

Address: TypeAlias = tuple[str, int]


class Listener:
    """One listening socket, which the loop serves from its next round on."""

    def __init__(self, endpoint: socket.socket, backlog: int, make_connection: Any) -> None:
        self._endpoint = endpoint
        loop = asyncio.get_event_loop()
        self._serving: asyncio.Task[asyncio.AbstractServer] = loop.create_task(
            loop.create_server(make_connection, sock=endpoint, backlog=backlog)
        )

    def keep_alive(self, seconds: int) -> None:
        """Let the kernel probe peers that are silent for so long, and end them after 3 probes.

        Connections inherit it, which saves each four system calls. The probes are a third of the
        time apart, as in Redis; 0 lets a silent peer stay for ever.
        """
        endpoint = self._endpoint
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(seconds > 0))
        if seconds > 0 and hasattr(socket, "TCP_KEEPIDLE"):
            idle = min(seconds, _KEEP_IDLE_MAX)
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle // 3))
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

    async def served(self) -> None:
        """Wait until the loop serves it."""
        await self._serving

    def close(self) -> None:
        """Stop listening; connections stay."""
        if self._serving.done():
            self._serving.result().close()
        else:
            self._serving.cancel()
            self._endpoint.close()


class Listeners:
    """The TCP listeners of a node and its UNIX socket."""

    def __init__(self, config: Config, log: Log, make_connection: Any) -> None:
        self._config = config
        self._log = log
        self._make_connection = make_connection
        self._open: dict[Address, Listener] = {}
        self._unix: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Open what the configuration asks for, and follow it from now on. OSError: it cannot."""
        self._follow()
        for listener in self._open.values():
            await listener.served()
        path = self._config.text("unixsocket")
        if path:
            await self._listen_on_path(path)
        if not self.addresses():
            raise ConfigError("port 0: nowhere to listen (allowed: a port, or a unixsocket)")
        for name in _REFUSALS:
            self._config.subscribe(name, partial(self._change, name))
        self._config.subscribe("tcp-keepalive", self._keep_alive)

    async def _listen_on_path(self, path: str) -> None:
        loop = asyncio.get_event_loop()
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            backlog = self._config.number("tcp-backlog")
            self._unix = await loop.create_unix_server(self._make_connection, path, backlog=backlog)
            permissions = self._config.number("unixsocketperm")
            if permissions:
                os.chmod(path, permissions)
        except OSError as error:
            error.filename = path
            raise

    def addresses(self) -> list[str]:
        """Return where the node listens, as a user writes it."""
        found = [shown(address) for address in self._open]
        if self._unix is not None:
            found.append(self._config.text("unixsocket"))
        return found

    def close(self) -> None:
        """Stop listening."""
        for listener in self._open.values():
            listener.close()
        self._open = {}
        if self._unix is not None:
            self._unix.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._config.text("unixsocket"))

    def _change(self, name: str) -> None:
        before = self.addresses()
        try:
            self._follow()
        except OSError as error:
            reason = listen_reason(error)
            self._log.warning("cannot-listen", address=error.filename, reason=reason)
            raise ConfigError(_REFUSALS[name]) from None
        for address in self.addresses():
            if address not in before:
                self._log.notice("listening", address=address)

    def _keep_alive(self) -> None:
        for listener in self._open.values():
            listener.keep_alive(self._config.number("tcp-keepalive"))

    def _follow(self) -> None:
        """Make the open listeners those that the configuration names.

        Those of the same port that are not wanted go first: 0.0.0.0 cannot be bound beside
        127.0.0.1. Those of another port go last, so that a port that is taken changes nothing.
        """
        config = self._config
        port = config.number("port")
        wanted = {}
        for bind in config.bind_addresses() if port else []:
            host = bind.removeprefix("-")
            wanted["0.0.0.0" if host == "*" else host, port] = bind.startswith("-")
        for address in [place for place in self._open if place[1] == port]:
            if address not in wanted:
                self._open.pop(address).close()
        before = list(self._open)
        try:
            for address, may_be_missing in wanted.items():
                if address not in self._open:
                    self._add(address, may_be_missing)
        except OSError:
            for address in [place for place in self._open if place not in before]:
                self._open.pop(address).close()
            raise
        for address in before:
            if address not in wanted:
                self._open.pop(address).close()

    def _add(self, address: Address, may_be_missing: bool) -> None:
        backlog = self._config.number("tcp-backlog")
        try:
            endpoint = listening_socket(*address, backlog)
        except OSError as error:
            if may_be_missing and error.errno != errno.EADDRINUSE:
                return
            error.filename = shown(address)
            raise
        listener = Listener(endpoint, backlog, self._make_connection)
        listener.keep_alive(self._config.number("tcp-keepalive"))
        self._open[address] = listener


def listen_reason(error: OSError) -> str:
    """Return why a place cannot be listened on, in lower case.

    An address that cannot be looked up has a number of its own kind, which is no `errno`.
    """
    number = error.errno or 0
    text = os.strerror(number) if number > 0 else error.strerror or str(error)
    return text.lower()


def shown(address: Address) -> str:
    """Return host and port as a user writes them."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_socket(host: str, port: int, backlog: int) -> socket.socket:
    """Return a TCP socket that listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)[0][4]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
