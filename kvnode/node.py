"""The engine as a whole, without a socket and without a loop.

A server, a simulator or an embedding process makes a `Node`, gives it connections with `connect`,
bytes through `Session.feed`, and the time through `tick`. Everything the node holds hangs on this
object.
"""

from __future__ import annotations

from typing import Final, final

from librt.random import Random
from mypy_extensions import i64

import kvnode.commands  # noqa: F401  # fills CARDS
from kvnode.blocking import Blocking
from kvnode.command import CARDS, Command, make_table, rename
from kvnode.config import Config, ConfigError
from kvnode.context import Clock, Context
from kvnode.datatypes.encodings import Encodings
from kvnode.dispatch import MEMORY_LIMITED, MONITORED, Dispatcher
from kvnode.identity import random_id
from kvnode.keyspace import Dataset
from kvnode.latency import LatencyMonitor
from kvnode.pause import Pause
from kvnode.pubsub import PubSub
from kvnode.session import UNAUTHENTICATED, Outlet, Session
from kvnode.slowlog import SlowLog
from kvnode.stats import Stats
from kvnode.transactions import Watching
from kvprotocol import errors

_CLIENTS_PER_TICK: Final = 200  # with more of them dynamic-hz makes the timer come more often
_HZ_MAX: Final = 500
_IDLE_CHECK_SECONDS: Final = 1.0
_BUSY_TICK_SECONDS: Final = 0.01  # while something is being freed in slices
_FREE_PER_STEP: Final = 2000
_EXPIRE_PER_STEP: Final = 200
_NEVER_SLOW: Final = 1e18


@final
class Node:
    """One node: its data, its sessions, its statistics.

    `stop_requested` is set by SHUTDOWN; whoever owns the loop looks at it after each batch.
    """

    def __init__(self, config: Config, clock: Clock, seed: int) -> None:
        self.config = config
        self.settings = config.settings
        self.encodings = Encodings()
        config.mirror(self.encodings)
        self.clock = clock
        self.commands: dict[bytes, Command] = make_table(CARDS)
        self._rename_commands()
        self.dataset = Dataset(int(config.settings.databases))
        self.stats = Stats()
        self.pubsub = PubSub()
        self.watching = Watching(self)
        self.blocking = Blocking(self)
        self.slowlog = SlowLog(int(config.settings.slowlog_max_len))
        self.latency = LatencyMonitor()
        self.ctx = Context(self, Random(seed))
        self.dispatcher = Dispatcher(self, self.ctx)
        self.pause = Pause(self)
        self.sessions: dict[int, Session] = {}
        self.monitors: dict[Session, None] = {}
        self.dropped: list[tuple[int, bytes, str]] = []
        self.started = clock.now()
        identities = Random(seed)
        self.run_id = random_id(identities)
        self.replication_id = random_id(identities)
        self.stop_requested = False
        self.active_expiry = True
        self.peak_memory: i64 = 0
        self.base_memory: i64 = 0
        self.last_save = int(self.started)
        self._next_session = 1
        self._next_idle_check = 0.0
        self.apply_settings()

    def _rename_commands(self) -> None:
        for old, new in self.config.renamed_commands:
            reason = rename(self.commands, old, new)
            if reason:
                shown = new or '""'
                raise ConfigError(f"rename-command {old} {shown}: {reason}")

    def apply_settings(self) -> None:
        """Take over what the hot path keeps of the settings; called after each CONFIG SET."""
        settings = self.settings
        dispatcher = self.dispatcher
        slow = settings.slowlog_log_slower_than
        dispatcher.slow_from = _NEVER_SLOW if slow < 0 else float(slow) / 1e6
        self.slowlog.limit = int(settings.slowlog_max_len)
        self.latency.threshold_ms = int(settings.latency_monitor_threshold)
        dispatcher.latency_from = float(settings.latency_monitor_threshold) / 1000.0
        dispatcher.histograms = settings.latency_tracking
        self.dataset.lazyfree_lazy_expire = settings.lazyfree_lazy_expire
        self.dataset.lazyfree_lazy_server_del = settings.lazyfree_lazy_server_del
        if settings.maxmemory > 0:
            dispatcher.gate |= MEMORY_LIMITED
        else:
            dispatcher.gate &= ~MEMORY_LIMITED
        for session in self.sessions.values():
            session.parser.bulk_bytes_max = settings.proto_max_bulk_len
            if not settings.requirepass and session.gate & UNAUTHENTICATED:
                # Without a password everybody is the default user, also who is already connected.
                session.gate &= ~UNAUTHENTICATED
                session.parser.trusted = True

    def refusal(self, is_local: bool) -> str:
        """Return why a new connection is refused, an empty text where it is not."""
        settings = self.settings
        if len(self.sessions) >= settings.maxclients:
            self.stats.rejected_connections += 1
            return errors.MAX_CLIENTS
        if settings.protected_mode and not is_local and not settings.requirepass:
            self.stats.rejected_connections += 1
            return errors.PROTECTED_MODE
        return ""

    def connect(self, outlet: Outlet) -> Session:
        """Return a new session that writes to `outlet`."""
        session = Session(
            self._next_session, self.dispatcher, self.dataset.databases[0], outlet, self.clock.now()
        )
        self._next_session += 1
        session.parser.bulk_bytes_max = self.settings.proto_max_bulk_len
        if self.settings.requirepass:
            session.gate |= UNAUTHENTICATED
            session.parser.trusted = False
        self.sessions[session.number] = session
        self.stats.connections += 1
        return session

    def disconnect(self, session: Session) -> None:
        """Forget a session whose connection ended."""
        if session.closed:
            return
        session.closed = True
        session.closing = True
        self.blocking.forget(session)
        self.pause.forget(session)
        self.watching.unwatch(session)
        self.pubsub.leave(session)
        self.stop_monitoring(session)
        self.sessions.pop(session.number, None)

    def tick(self, now: float) -> float:
        """Do what is due by time; return the seconds until the next call is wanted."""
        now_ms = i64(int(now * 1000.0))
        self.dataset.now_ms = now_ms
        self.ctx.now_ms = now_ms
        self.blocking.time_out(now_ms)
        self.pause.time_out(now_ms)
        self.dispatcher.run_unblocked()
        if now >= self._next_idle_check:
            self._next_idle_check = now + _IDLE_CHECK_SECONDS
            self._close_idle(now)
        if self.active_expiry:
            self._expire(now)
        freeing = self.dataset.freeing
        if not freeing.is_idle():
            limit = self.clock.now() + 0.002
            while not freeing.is_idle() and self.clock.now() < limit:
                freeing.step(_FREE_PER_STEP)
        self._sample(now)
        if not freeing.is_idle():
            return _BUSY_TICK_SECONDS
        return self.seconds_to_next_tick(now)

    def seconds_to_next_tick(self, now: float) -> float:
        """Return how long nothing is due: until the next timer tick or the end of a wait."""
        deadline = self.blocking.next_deadline()
        if deadline == 0:
            return self.tick_seconds()
        return min(self.tick_seconds(), max(0.001, float(deadline) / 1000.0 - now))

    def hz(self) -> i64:
        """Return how often a second the timer comes."""
        hz = self.settings.hz
        if self.settings.dynamic_hz:
            while hz < _HZ_MAX and len(self.sessions) > hz * _CLIENTS_PER_TICK:
                hz *= 2
        return min(hz, _HZ_MAX)

    def tick_seconds(self) -> float:
        """Return the time between two ticks of the timer."""
        return 1.0 / float(self.hz())

    def _close_idle(self, now: float) -> None:
        """End the connections that asked for nothing for `timeout` seconds.

        As in Redis those that wait by their nature stay: blocked, subscribed, monitoring.
        """
        timeout = float(self.settings.timeout)
        if timeout == 0.0:
            return
        for session in list(self.sessions.values()):
            waits = session.blocked is not None or session.paused or session.monitor
            if not (waits or session.is_subscribed()) and now - session.last_active > timeout:
                session.closing = True
                session.outlet.abort()

    def _expire(self, now: float) -> None:
        """Drop keys that are due, for a quarter to 43 % of the time, by active-expire-effort."""
        share = 0.25 + 0.02 * float(self.settings.active_expire_effort - 1)
        budget = share * self.tick_seconds()
        begin = self.clock.now()
        if not self._expire_until(begin + budget):
            self.stats.expire_cycles_cut += 1
        seconds = self.clock.now() - begin
        self.stats.expire_seconds += seconds
        self.latency.note("expire-cycle", begin, seconds)
        self.dispatcher.settle_expired()

    def _expire_until(self, end: float) -> bool:
        """Drop keys that are due; return whether none is left before `end`."""
        if not self.dataset.expires_keys:
            return True
        now_ms = self.dataset.now_ms
        for database in self.dataset.databases:
            while database.expiring and database.expiry.is_due(now_ms):
                database.expire_cycle(_EXPIRE_PER_STEP)
                if self.clock.now() > end:
                    return False
        return True

    def _sample(self, now: float) -> None:
        stats = self.stats
        stats.operations.sample(stats.commands, now)
        stats.input_rate.sample(stats.input_bytes, now)
        stats.output_rate.sample(stats.output_bytes, now)
        self.peak_memory = max(self.peak_memory, self.used_memory())

    def used_memory(self) -> i64:
        """Return the memory of the process before any data, plus the accounted size of the data."""
        return self.base_memory + self.dataset.memory

    def is_out_of_memory(self) -> bool:
        """Return whether `maxmemory` is reached."""
        limit = self.settings.maxmemory
        return limit > 0 and self.used_memory() > limit

    def update_listening(self) -> None:
        """Make the keyspace list its changes while anybody needs the list."""
        self.dataset.listening = self.watching.is_watched() or self.blocking.is_waited_for()

    def start_monitoring(self, session: Session) -> None:
        """Show a session every command from now on."""
        session.monitor = True
        self.monitors[session] = None
        self.dispatcher.gate |= MONITORED

    def stop_monitoring(self, session: Session) -> None:
        """Undo `start_monitoring`."""
        session.monitor = False
        self.monitors.pop(session, None)
        if not self.monitors:
            self.dispatcher.gate &= ~MONITORED

    def note_dropped(self, session: Session, reason: str) -> None:
        """Note a connection that was cut for its buffers, for the log."""
        self.dropped.append((session.number, session.peer, reason))

    def take_dropped(self) -> list[tuple[int, bytes, str]]:
        """Return the connections that were cut since the last call: id, peer, reason."""
        dropped = self.dropped
        self.dropped = []
        return dropped

    def check(self) -> None:
        """Assert the invariants of the data; for tests and the simulator."""
        self.dataset.check()
        assert all(session.number == number for number, session in self.sessions.items())

    def reset_stats(self) -> None:
        """Begin all statistics anew, for CONFIG RESETSTAT."""
        self.stats = Stats()
        self.dispatcher.stats = self.stats
        self.dataset.hits = 0
        self.dataset.misses = 0
        self.dataset.expired = 0
        self.dataset.freeing.freed = 0
        for command in self.all_commands():
            command.reset_statistics()

    def all_commands(self) -> list[Command]:
        """Return all commands, each container before its subcommands."""
        found: list[Command] = []
        for command in self.commands.values():
            found.append(command)
            if command.subcommands is not None:
                found.extend(command.subcommands.values())
        return found
