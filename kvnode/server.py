"""The node on sockets: listeners, loop, timer, signals. The only module that knows asyncio."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import secrets
import signal
import traceback
from typing import TYPE_CHECKING, Any

from kvnode import __version__
from kvnode.config import Config, ConfigError
from kvnode.config.directives import DIRECTIVES
from kvnode.connection import Connection, FlushRound
from kvnode.context import Clock
from kvnode.listeners import Listeners
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
DESCRIPTORS_RESERVED = 32  # for listeners, log and the loop itself
COLLECT_OBJECTS_MAX = 50_000  # about 5 ms
EXIT_BUG = 70  # sysexits' EX_SOFTWARE
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
    return server.exit_status


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
        self._stop = asyncio.Event()
        self.rounds = FlushRound(self.node, loop.call_soon, self._stop.set)
        self.exit_status = 0
        self._listeners = Listeners(config, log, self._connection)
        self._warned_of: set[str] = set()
        self._next_freeze = 0.0

    async def serve(self) -> None:
        """Listen, serve until told to stop, and close what is open."""
        self._limit_clients()
        await self._listeners.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._on_signal, number)
        self.loop.set_exception_handler(self._on_bug)
        self._announce(self._listeners.addresses())
        self._follow_settings()
        gc.disable()
        self._tick()
        try:
            await self._stop.wait()
        finally:
            self._listeners.close()
        self.log.notice("stopped")

    def _connection(self) -> Any:
        return Connection(self.rounds)

    def _announce(self, addresses: list[str]) -> None:
        """Say what runs, where, and what to type."""
        build = "compiled" if is_compiled() else "interpreted"
        self.log.notice("started", version=__version__, build=build, pid=os.getpid())
        self._warn_without_effect()
        self.log.warning("no-durability", text="a restart loses the data")
        for address in addresses:
            self.log.notice("listening", address=address)
        if addresses:
            self.log.notice("ready", try_it=f"redis-cli -p {self.config.number('port')}")

    def _warn_without_effect(self) -> None:
        """Log each directive that is set and does nothing here, once."""
        for name, value in self.config.without_effect():
            if name not in self._warned_of:
                self._warned_of.add(name)
                self.log.warning("directive-without-effect", name=name, value=value)

    def _limit_clients(self) -> None:
        """Lower maxclients to what the system allows, as Redis does, and say so."""
        wanted = self.config.number("maxclients")
        allowed = allow_descriptors(wanted)
        if allowed < wanted:
            self.config.set_many([("maxclients", str(allowed))])
            self.log.warning("maxclients-lowered", wanted=wanted, allowed=allowed, why="ulimit -n")

    def _follow_settings(self) -> None:
        """See to what CONFIG SET asks of the process from now on."""
        self.config.subscribe("maxclients", self._refuse_clients)
        for row in DIRECTIVES:
            if not row.effective:
                self.config.subscribe(row.name, self._warn_without_effect)

    def _refuse_clients(self) -> None:
        """Refuse more clients than the system lets the process have descriptors."""
        wanted = self.config.number("maxclients")
        allowed = allow_descriptors(wanted)
        if allowed < wanted:
            raise ConfigError(
                "The operating system is not able to handle the specified number of clients, "
                f"try with {allowed}"
            )

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

    def _on_bug(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what nobody caught; a broken invariant stops the node rather than serve wrong data.

        Anything else (no memory for one huge request) ends only the connection it came from.
        """
        error = context.get("exception")
        lines = traceback.format_exception(error) if error else []
        self.log.warning("bug", message=context.get("message", ""), trace="".join(lines))
        if isinstance(error, AssertionError):
            self.exit_status = EXIT_BUG
            self._stop.set()


def allow_descriptors(clients: int) -> int:
    """Raise the limit of open files for so many clients; return how many it allows now."""
    wanted = clients + DESCRIPTORS_RESERVED
    limit, ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY in (limit, ceiling):
        ceiling = max(wanted, limit)
    if limit < wanted:
        limit = min(wanted, ceiling)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, ceiling))
    return max(limit - DESCRIPTORS_RESERVED, 1)


def collect_young() -> None:
    """Collect what the rare paths left in cycles; exempt all that lives from later collections.

    The command path makes no cycles, so automatic collections are off: a full one over millions of
    values is a pause of more than 100 ms, and `freeze` keeps this one from ever looking at them.
    After a rush of new values there are too many young objects to look at: they are only exempted.
    """
    if gc.get_count()[0] <= COLLECT_OBJECTS_MAX:
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
