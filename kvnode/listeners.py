"""The sockets that a node listens on, and how they follow CONFIG SET of addresses and ports."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, TypeAlias

from kvnode.config import Config, ConfigError
from kvnode.logs import Log

# What CONFIG SET says when it cannot have an address; the reason is for the log alone.
_BIND_REFUSED: Final = "Failed to bind to specified addresses."
_PORT_REFUSED: Final = "Unable to listen on this port. Check server logs."
_KEEP_IDLE_MAX: Final = 32767  # seconds, the most that Linux takes

Address: TypeAlias = tuple[str, int]


class Service:
    """What is served on a port: the directive that names it, and who takes its connections."""

    def __init__(self, directive: str, make_connection: Any, *, for_clients: bool = True) -> None:
        self.directive = directive
        self.make_connection = make_connection
        self.is_for_clients = for_clients


class Listener:
    """One listening socket, which the loop serves from its next round on."""

    def __init__(self, endpoint: socket.socket, backlog: int, service: Service) -> None:
        self.endpoint = endpoint
        self.service = service
        loop = asyncio.get_event_loop()
        is_unix = endpoint.family == socket.AF_UNIX
        serve = loop.create_unix_server if is_unix else loop.create_server
        self._serving: asyncio.Task[asyncio.AbstractServer] = loop.create_task(
            serve(service.make_connection, sock=endpoint, backlog=backlog)
        )

    def keep_alive(self, seconds: int) -> None:
        """Let the kernel probe peers that are silent for so long, and end them after 3 probes.

        Connections inherit it, which saves each four system calls. The probes are a third of the
        time apart, as in Redis; 0 lets a silent peer stay for ever.
        """
        endpoint = self.endpoint
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
            self.endpoint.close()


class Listeners:
    """The TCP listeners of a node and its UNIX socket, which serves what the first port does.

    Every service listens on the same addresses, each on its own port; port 0 is none.
    """

    def __init__(self, config: Config, log: Log, services: list[Service]) -> None:
        self._config = config
        self._log = log
        self._services = services
        self._open: dict[Address, Listener] = {}
        self._unix: Listener | None = None

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
        self._config.subscribe("bind", partial(self._change, _BIND_REFUSED))
        for service in self._services:
            self._config.subscribe(service.directive, partial(self._change, _PORT_REFUSED))
        self._config.subscribe("tcp-keepalive", self._keep_alive)

    async def _listen_on_path(self, path: str) -> None:
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            backlog = self._config.number("tcp-backlog")
            endpoint = socket.socket(socket.AF_UNIX)
            endpoint.bind(path)
            endpoint.listen(backlog)
            endpoint.setblocking(False)
            permissions = self._config.number("unixsocketperm")
            if permissions:
                os.chmod(path, permissions)
        except OSError as error:
            error.filename = path
            raise
        self._unix = Listener(endpoint, backlog, self._services[0])
        await self._unix.served()

    def addresses(self) -> list[str]:
        """Return where the node listens, as a user writes it."""
        found = [shown(address) for address in self._open]
        if self._unix is not None:
            found.append(self._config.text("unixsocket"))
        return found

    def __iter__(self) -> Iterator[Listener]:
        yield from self._open.values()
        if self._unix is not None:
            yield self._unix

    def close(self) -> None:
        """Stop listening."""
        for listener in self._open.values():
            listener.close()
        self._open = {}
        if self._unix is not None:
            self._unix.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._config.text("unixsocket"))

    def _change(self, refusal: str) -> None:
        before = self.addresses()
        try:
            self._follow()
        except OSError as error:
            reason = listen_reason(error)
            self._log.warning("cannot-listen", address=error.filename, reason=reason)
            raise ConfigError(refusal) from None
        for address in self.addresses():
            if address not in before:
                self._log.notice("listening", address=address)

    def _keep_alive(self) -> None:
        for listener in self._open.values():
            listener.keep_alive(self._config.number("tcp-keepalive"))

    def _follow(self) -> None:
        """Make the open listeners those that the configuration names.

        Those of a port that stays that are not wanted go first: 0.0.0.0 cannot be bound beside
        127.0.0.1. Those of another port go last, so that a port that is taken changes nothing.
        """
        wanted = self._wanted()
        ports = {place[1] for place in wanted}
        for address in [place for place in self._open if place[1] in ports]:
            if address not in wanted:
                self._open.pop(address).close()
        before = list(self._open)
        try:
            for address, (service, may_be_missing) in wanted.items():
                if address not in self._open:
                    self._add(address, service, may_be_missing)
        except OSError:
            for address in [place for place in self._open if place not in before]:
                self._open.pop(address).close()
            raise
        for address in before:
            if address not in wanted:
                self._open.pop(address).close()

    def _wanted(self) -> dict[Address, tuple[Service, bool]]:
        """Return what each address is to serve, and whether the address may be missing here."""
        wanted: dict[Address, tuple[Service, bool]] = {}
        for service in self._services:
            port = self._config.number(service.directive)
            for bind in self._config.bind_addresses() if port else []:
                host = bind.removeprefix("-")
                address = ("0.0.0.0" if host == "*" else host, port)
                if address in wanted and wanted[address][0] is not service:
                    error = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
                    error.filename = shown(address)
                    raise error
                wanted[address] = service, bind.startswith("-")
        return wanted

    def _add(self, address: Address, service: Service, may_be_missing: bool) -> None:
        backlog = self._config.number("tcp-backlog")
        try:
            endpoint = listening_socket(*address, backlog)
        except OSError as error:
            if may_be_missing and error.errno != errno.EADDRINUSE:
                return
            error.filename = shown(address)
            raise
        listener = Listener(endpoint, backlog, service)
        listener.keep_alive(self._config.number("tcp-keepalive"))
        self._open[address] = listener


def listen_reason(error: OSError) -> str:
    """Return why a place cannot be listened on, in lower case.

    An address that cannot be looked up has a number of its own kind, which is no `errno`; a path
    that is too long for a socket has only a text.
    """
    number = error.errno or 0
    text = os.strerror(number) if number > 0 else str(error.args[-1])
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
