"""The node on sockets: listeners, loop, timer, signals. The only module that knows asyncio."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import secrets
import signal
import traceback
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from kvnode import __version__
from kvnode.busy import BusySockets
from kvnode.config import Config, ConfigError
from kvnode.config.directives import DIRECTIVES
from kvnode.connection import Connection, FlushRound
from kvnode.context import Clock
from kvnode.dialing import SocketDialer
from kvnode.durability.disk import reason_of
from kvnode.durability.leftovers import is_alive, remove_leftovers
from kvnode.durability.lock import FolderLock
from kvnode.durability.rdb_reader import FileError
from kvnode.listeners import Listeners, Service
from kvnode.logs import Log
from kvnode.memory import resident_bytes
from kvnode.node import Node
from kvnode.tls import TlsContexts
from kvnode.trimming import Trimming, keep_freed_memory
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
LOAD_SECONDS = 0.02  # between two rounds of the loop
EXIT_LOAD = 1
EXIT_BUG = 70  # sysexits' EX_SOFTWARE


def run(config: Config, log: Log) -> int:
    """Serve until SHUTDOWN or a signal; return the exit status. OSError: a port is taken."""
    loop = new_event_loop()
    asyncio.set_event_loop(loop)
    keep_freed_memory()
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
        self._tls = TlsContexts(config)
        services = [Service("port", self._connection), Service("tls-port", self._tls_connection)]
        services.append(Service("metrics-port", self._metrics_connection, for_clients=False))
        self._listeners = Listeners(config, log, services)
        self.node.append_log.syncer.notify = self._on_synced
        self.node.wake_for_shuffles = self._on_spilled
        self.node.replication.dialer = SocketDialer(config, loop)
        self.node.yield_control = BusySockets(self.node, self.rounds, self._listeners, loop).poll
        self._warned_of: set[str] = set()
        self._next_freeze = 0.0
        self._next_tick = 0.0
        self._trimming = Trimming()
        self._folder = FolderLock()

    async def serve(self) -> None:
        """Listen, serve until told to stop, and close what is open."""
        self._limit_clients()
        self._hold_folder()
        self._tls.start()
        await self._listeners.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._on_signal, number)
        self.loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)
        self.loop.set_exception_handler(self._on_bug)
        self._announce(self._listeners.addresses())
        self._follow_settings()
        gc.disable()
        self._tick()
        try:
            await self._load()
            await self._stop.wait()
        finally:
            self._listeners.close()
        self.node.append_log.turn_off()
        self.node.shuffles.owner.close()
        self._log_events()
        self.log.notice("stopped")

    async def _load(self) -> None:
        """Read the data that is there from before, serving between two slices of it."""
        node = self.node
        try:
            if self._folder.is_held():
                self._remove_leftovers()
            loader = node.find_data()
            while not (loader is None or loader.is_done or self._stop.is_set()):
                loader.step(LOAD_SECONDS)
                await asyncio.sleep(0)
            if not self._stop.is_set():
                if self.config.flag("appendonly"):
                    node.append_log.start()
                node.begin(loader)
        except (FileError, OSError) as error:
            self.log.warning("cannot-load", reason=str(error))
            self.exit_status = EXIT_LOAD
            self._stop.set()
        else:
            self.config.subscribe("appendonly", self._switch_log)

    def _remove_leftovers(self) -> None:
        """Remove the temporary files of a node that was killed here."""
        folders = ["", self.config.text("appenddirname")]
        for name in remove_leftovers(self.node.disk, folders, is_alive):
            self.log.notice("removed-leftover", file=name)

    def _switch_log(self) -> None:
        """Turn the append-only log on or off. ConfigError: it cannot be written."""
        log = self.node.append_log
        if not self.config.flag("appendonly"):
            log.turn_off()
        elif not log.is_logging():
            self._hold_folder()
            try:
                log.turn_on()
            except (OSError, FileError) as error:
                log.turn_off()
                reason = reason_of(error) if isinstance(error, OSError) else str(error)
                raise ConfigError(f"appendonly yes: {reason}") from None

    def _connection(self) -> Any:
        return Connection(self.rounds)

    def _tls_connection(self) -> Any:
        return Connection(self.rounds, self._tls.encryption())

    def _metrics_connection(self) -> Any:
        # Imported here: most nodes have no metrics port, and prometheus-client takes 40 ms.
        from kvnode.metrics_http import MetricsConnection

        return MetricsConnection(self.node, self.loop)

    def _announce(self, addresses: list[str]) -> None:
        """Say what runs, where, and what to type."""
        build = "compiled" if is_compiled() else "interpreted"
        self.log.notice("started", version=__version__, build=build, pid=os.getpid())
        self._warn_without_effect()
        if not (self.config.save_points() or self.config.flag("appendonly")):
            self.log.warning("no-durability", text="a restart loses the data")
        for address in addresses:
            self.log.notice("listening", address=address)
        port, tls_port = self.config.number("port"), self.config.number("tls-port")
        if port:
            self.log.notice("ready", try_it=f"redis-cli -p {port}")
        elif tls_port:
            self.log.notice("ready", try_it=f"redis-cli --tls -p {tls_port}")
        else:
            self.log.notice("ready", try_it=f"redis-cli -s {self.config.text('unixsocket')}")

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
        self.config.subscribe("save", self._hold_folder)
        self.config.subscribe("dir", self._change_folder)
        for row in DIRECTIVES:
            if not row.effective:
                self.config.subscribe(row.name, self._warn_without_effect)

    def _hold_folder(self) -> None:
        """Keep other nodes out of the folder that this one saves to. ConfigError: one is there."""
        if self.config.save_points() or self.config.flag("appendonly"):
            self._folder.hold()

    def _change_folder(self) -> None:
        """Work in another folder. ConfigError: that one is taken, or files are open in this one."""
        node = self.node
        folder = self._folder.folder
        if os.getcwd() != folder and (
            node.append_log.is_logging()
            or node.is_loading()
            or node.saver.is_saving()
            or node.replication.is_receiving()
        ):
            raise ConfigError(
                f"files in {folder or 'the folder before'} are being read or written (allowed: "
                "after CONFIG SET appendonly no, and when loading and saving are over)"
            )
        self._hold_folder()

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
        if self._next_tick:
            self.node.stats.count_tick(now - self._next_tick)
        delay = self.node.tick(now)
        self._next_tick = now + delay
        self.rounds.enforce_limits()
        self._log_events()
        if self.node.stop_requested:
            self._stop.set()
            return
        if now >= self._next_freeze:
            self._next_freeze = now + FREEZE_SECONDS
            collect_young()
        self._give_memory_back()
        self.loop.call_later(delay, self._tick)

    def _on_synced(self) -> None:
        """Called in the thread that syncs."""
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self.rounds.release)

    def _on_spilled(self) -> None:
        """Called in a thread that has done something to a spill file."""
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self._tick_shuffles)

    def _tick_shuffles(self) -> None:
        self.node.tick_shuffles(self.clock.now())

    def _log_events(self) -> None:
        """Write what the engine has for the log."""
        for level, name, fields in self.node.journal.take():
            self.log.note(level, name, **fields)

    def _give_memory_back(self) -> None:
        """Trim the heap, and count what stays too large where eviction can help."""
        node = self.node
        trimming = self._trimming
        used = int(node.used_memory() - node.unreturned)
        beside = int(node.shuffles.owner.memory)
        trimming.tick(monotonic(), used, int(node.settings.maxmemory), beside)
        if not node.eviction.evicts:
            trimming.unreturned = 0
        node.unreturned = trimming.unreturned

    def _on_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        self.log.notice("signal", name=name)
        words = self.config.show(f"shutdown-on-{name.lower()}").split()
        is_forced = "force" in words
        waits = "now" not in words
        if self.node.ending.begin("save" in words, "nosave" in words, is_forced, waits):
            if self.node.stop_requested:
                self._stop.set()
        else:
            self.log.warning("goes-on", why="the dataset cannot be saved; SHUTDOWN NOSAVE ends it")

    def _on_hang_up(self) -> None:
        """Read the TLS certificates again; what is open keeps what it agreed on."""
        try:
            self._tls.start()
        except ConfigError as error:
            self.log.warning("cannot-reload-tls", reason=str(error))
        else:
            self.log.notice("reloaded-tls")

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
