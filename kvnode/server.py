"""The node on sockets: listeners, loop, timer, signals. The only module that knows asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import secrets
import signal
import socket
from typing import TYPE_CHECKING, Any

from kvnode import __version__
from kvnode.config import Config
from kvnode.connection import Connection, FlushRound
from kvnode.context import Clock
from kvnode.logs import Log
from kvnode.memory import resident_bytes
from kvnode.node import Node
from kvprotocol import requests

if TYPE_CHECKING:
    new_event_loop = asyncio.new_event_loop
else:
    try:
        from uvloop import new_event_loop
    except ImportError:  # a platform without it: asyncio's own loop serves
        from asyncio import new_event_loop

FREEZE_SECONDS = 60.0
IDLE_BYTES_MAX = 32 << 20  # of free memory that may stay with the process


def run(config: Config, log: Log) -> int:
    """Serve until SHUTDOWN or a signal; return the exit status. OSError: a port is taken."""
    loop = new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        server = Server(config, log, loop)
        loop.run_until_complete(server.serve())
    finally:
        loop.close()
    return 0


def is_compiled() -> bool:
    """Return whether the hot modules run as compiled code."""
    return not str(requests.__file__).endswith(".py")


class Server:
    """One node's listeners and timer on a loop."""

    def __init__(self, config: Config, log: Log, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self.log = log
        self.loop = loop
        self.clock = Clock()
        self.node = Node(config, self.clock, secrets.randbits(62))
        self.node.base_memory = resident_bytes()
        self.rounds = FlushRound(self.node, loop.call_soon)
        self._stop = asyncio.Event()
        self._listeners: list[asyncio.AbstractServer] = []
        self._next_freeze = 0.0

    async def serve(self) -> None:
        """Listen, serve until told to stop, and close what is open."""
        addresses = await self._listen()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._on_signal, number)
        self._announce(addresses)
        gc.disable()
        self._tick()
        try:
            await self._stop.wait()
        finally:
            self._close()
        self.log.notice("stopped")

    async def _listen(self) -> list[str]:
        """Open the listeners and return their addresses."""
        addresses: list[str] = []
        port = self.config.number("port")
        for bind in self.config.bind_addresses() if port else []:
            host = bind.removeprefix("-")
            if host == "*":
                host = "0.0.0.0"
            try:
                listener = listening_socket(host, port, self.config.number("tcp-backlog"))
            except OSError as error:
                if bind.startswith("-") and error.errno != errno.EADDRINUSE:
                    continue
                error.filename = f"{host}:{port}"
                raise
            self._listeners.append(await self.loop.create_server(self._connection, sock=listener))
            addresses.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        path = self.config.text("unixsocket")
        if path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            self._listeners.append(await self.loop.create_unix_server(self._connection, path))
            permissions = self.config.number("unixsocketperm")
            if permissions:
                os.chmod(path, permissions)
            addresses.append(path)
        return addresses

    def _connection(self) -> Any:
        return Connection(self.rounds)

    def _announce(self, addresses: list[str]) -> None:
        """Say what runs, where, and what to type."""
        build = "compiled" if is_compiled() else "interpreted"
        self.log.notice("started", version=__version__, build=build, pid=os.getpid())
        for name, value in self.config.without_effect():
            self.log.warning("directive-without-effect", name=name, value=value)
        self.log.warning("no-durability", text="a restart loses the data")
        for address in addresses:
            self.log.notice("listening", address=address)
        if addresses:
            self.log.notice("ready", try_it=f"redis-cli -p {self.config.number('port')}")

    def _tick(self) -> None:
        """Let the node do what is due, and come again."""
        now = self.clock.now()
        delay = self.node.tick(now)
        self.rounds.enforce_limits()
        if self.node.stop_requested:
            self._stop.set()
            return
        for number, peer, reason in self.node.take_dropped():
            self.log.warning("client-dropped", id=number, peer=peer.decode(), reason=reason)
        if now >= self._next_freeze:
            self._next_freeze = now + FREEZE_SECONDS
            collect_young()
            return_memory(int(self.node.used_memory()))
        self.loop.call_later(delay, self._tick)

    def _on_signal(self, number: int) -> None:
        self.log.notice("signal", name=signal.Signals(number).name)
        self._stop.set()

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        path = self.config.text("unixsocket")
        if path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


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


def collect_young() -> None:
    """Collect what the rare paths left in cycles; exempt all that lives from later collections.

    The command path makes no cycles, so automatic collections are off: a full one over millions of
    values is a pause of more than 100 ms, and `freeze` keeps this one from ever looking at them.
    """
    gc.collect(1)
    gc.freeze()


def return_memory(used_bytes: int) -> bool:
    """Give freed memory back to the system if much more is resident than used; tell whether.

    The C library keeps a heap about as large as it once was: after clients that left 400 MiB of
    replies unread, a node that needed 36 MiB kept 73. The call took 2.5 ms there.
    """
    if resident_bytes() < used_bytes * 3 // 2 + IDLE_BYTES_MAX:
        return False
    # Imported here: a start need not pay for what is seldom used.
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # not glibc
        return False
    trim(0)
    return True
