"""The engine as a whole, without a socket and without a loop.

A server, a simulator or an embedding process makes a `Node`, gives it connections with `connect`,
bytes through `Session.feed`, and the time through `tick`. Everything the node holds hangs on this
object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from librt.random import Random
from mypy_extensions import i64

import kvnode.commands  # noqa: F401  # fills CARDS
from kvnode.acl.control import AccessControl
from kvnode.blocking import Blocking
from kvnode.client_memory import LIMITED_TICK_SECONDS, ClientMemory
from kvnode.command import CARDS, Command, make_table, rename
from kvnode.commands.client_lines import line_of
from kvnode.config import Config, ConfigError
from kvnode.config.settings import NOTIFY_KEY_MISS, NOTIFY_NEW
from kvnode.context import Clock, Context
from kvnode.dataset import Dataset
from kvnode.datatypes.encodings import Encodings
from kvnode.dispatch import Dispatcher
from kvnode.durability.append_log import AppendLog
from kvnode.durability.disk import Disk, File, SystemDisk, reason_of
from kvnode.durability.effect_stream import EffectStream
from kvnode.durability.loader import Loader
from kvnode.durability.rdb_reader import FileError
from kvnode.durability.saver import TICK_SECONDS as SAVING_TICK_SECONDS
from kvnode.durability.saver import Saver
from kvnode.ending import Ending
from kvnode.eviction import BUSY_TICK_SECONDS, Eviction
from kvnode.gates import DISK_FAILS, IS_LOADING, MONITORED, TRACKS_TOO_MANY
from kvnode.identity import random_id
from kvnode.journal import Journal
from kvnode.keyspace import GROUP_COUNT, Keyspace
from kvnode.latency import LatencyMonitor
from kvnode.memory import ACCESS_BYTES, DEADLINE_BYTES
from kvnode.notifications import Notifications
from kvnode.pause import Pause
from kvnode.peers import KeptPeers, Peers, SystemPeers
from kvnode.pubsub import PubSub
from kvnode.replication.replication import Replication
from kvnode.request_memory import RequestMemory
from kvnode.scripting.runtime import Scripting
from kvnode.session import Outlet, Session
from kvnode.shuffle.records import RECORD as SHUFFLE_RECORD
from kvnode.shuffle.shuffles import Shuffles
from kvnode.shuffle.waiting import ShuffleWaits
from kvnode.slowlog import SlowLog
from kvnode.stats import Stats
from kvnode.tracking import Tracking
from kvnode.transactions import Watching
from kvprotocol import errors

_CLIENTS_PER_TICK: Final = 200  # with more of them dynamic-hz makes the timer come more often
_HZ_MAX: Final = 500
_IDLE_CHECK_SECONDS: Final = 1.0
_BUSY_TICK_SECONDS: Final = 0.01  # while something is being freed in slices
_FREE_PER_STEP: Final = 2000
_EXPIRE_PER_STEP: Final = 200
_NEVER_SLOW: Final = 1e18
_CHANGES_PER_GROUP_SHIFT: Final = 3


@final
class Node:
    """One node: its data, its sessions, its statistics.

    `stop_requested` is set by SHUTDOWN; whoever owns the loop looks at it after each batch.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        seed: int,
        disk: Disk | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.config = config
        self.settings = config.settings
        self.encodings = Encodings()
        config.mirror(self.encodings)
        self.clock = clock
        self.commands: dict[bytes, Command] = make_table(CARDS)
        self.acl = AccessControl(self, self.commands)
        self._rename_commands()
        self.dataset = Dataset(int(config.settings.databases))
        self.stats = Stats()
        self.pubsub = PubSub()
        self.watching = Watching(self)
        self.blocking = Blocking(self)
        self.tracking = Tracking(self)
        self.notifications = Notifications(self)
        self.slowlog = SlowLog(int(config.settings.slowlog_max_len))
        self.latency = LatencyMonitor()
        self.ctx = Context(self, Random(seed))
        self.dispatcher = Dispatcher(self, self.ctx)
        self.scripting = Scripting(self)
        # Serves other sessions while a script runs for long; whoever owns the sockets sets it.
        self.yield_control: Callable[[], None] | None = None
        self.pause = Pause(self)
        self.client_memory = ClientMemory(self)
        self.eviction = Eviction(self, Random(seed))
        self.sessions: dict[int, Session] = {}
        self.monitors: dict[Session, None] = {}
        self.requests = RequestMemory(self.settings)
        self.journal = Journal()
        self.started = clock.now()
        identities = Random(seed)
        self.run_id = random_id(identities)
        self.stop_requested = False
        self.active_expiry = True
        self.peak_memory: i64 = 0
        self.base_memory: i64 = 0
        self.unreturned: i64 = 0  # memory that the process keeps though nothing is in it
        self.disk: Disk = disk or SystemDisk()
        # Has `tick_shuffles` called soon, from any thread; whoever owns the loop sets it.
        self.wake_for_shuffles: Callable[[], None] | None = None
        self.shuffles = Shuffles(self.settings, self.disk, self._wake)
        self.shuffles.log = self._log_shuffle
        self.shuffle_waits = ShuffleWaits(self)
        self.replication = Replication(self, identities)
        self.effects = EffectStream(self.replication.history)
        self.peers = KeptPeers(peers or SystemPeers())
        self.ending = Ending(self)
        self.saver = Saver(self)
        self.append_log = AppendLog(self)
        self.loader: Loader | None = None
        self._next_session = 1
        self._next_timer = 0.0
        self._next_idle_check = 0.0
        self._next_measured: i64 = 0
        self._dirty_measured: i64 = 0
        self.acl.start()
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
        self.acl.log.limit = int(settings.acllog_max_len)
        self.latency.threshold_ms = int(settings.latency_monitor_threshold)
        dispatcher.latency_from = float(settings.latency_monitor_threshold) / 1000.0
        dispatcher.histograms = settings.latency_tracking
        self.dataset.lazyfree_lazy_expire = settings.lazyfree_lazy_expire
        self.dataset.lazyfree_lazy_server_del = settings.lazyfree_lazy_server_del
        self.notifications.flags = settings.notify_keyspace_events
        self.update_listeners()
        self.tracking.note_limit()
        self.eviction.apply_settings()
        self.scripting.apply_settings()
        self.append_log.note_policy()
        self.replication.update_gate()
        self.note_disk_state()
        for session in self.sessions.values():
            session.parser.bulk_bytes_max = settings.proto_max_bulk_len

    def refusal(self, is_local: bool) -> str:
        """Return why a new connection is refused, an empty text where it is not."""
        settings = self.settings
        if len(self.sessions) >= settings.maxclients:
            self.stats.rejected_connections += 1
            return errors.MAX_CLIENTS
        if settings.protected_mode and not is_local and self.acl.default.no_password:
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
        self.acl.welcome(session)
        self.sessions[session.number] = session
        self.stats.connections += 1
        return session

    def client_line(self, session: Session) -> bytes:
        """Return a session's line of CLIENT LIST, for the log of denials."""
        return line_of(self.ctx, session, [])

    def disconnect(self, session: Session) -> None:
        """Forget a session whose connection ended."""
        if session.closed:
            return
        session.closed = True
        session.closing = True
        self.replication.forget(session)
        self.blocking.forget(session)
        self.pause.forget(session)
        self.watching.unwatch(session)
        self.pubsub.leave(session)
        self.tracking.disable(session)
        self.stop_monitoring(session)
        self.client_memory.forget(session)
        self.sessions.pop(session.number, None)

    def tick(self, now: float) -> float:
        """Do what is due by time; return the seconds until the next call is wanted."""
        now_ms = i64(int(now * 1000.0))
        self.dataset.now_ms = now_ms
        self.ctx.now_ms = now_ms
        self.blocking.time_out(now_ms)
        self.pause.time_out(now_ms)
        if self.dispatcher.gate & TRACKS_TOO_MANY:
            self.tracking.make_room()
        self.dispatcher.run_unblocked()
        freeing = self.dataset.freeing
        if not freeing.is_idle():
            limit = self.clock.now() + 0.002
            while not freeing.is_idle() and self.clock.now() < limit:
                freeing.step(_FREE_PER_STEP)
        if now >= self._next_timer:
            # A little less than the timer's period: it may come early by a hair.
            self._next_timer = now + 0.9 * self.tick_seconds()
            self._on_timer(now)
        is_saving = self.saver.tick(now)
        is_saving = self.append_log.tick(now) or is_saving
        is_saving = self.replication.tick(now) or is_saving
        self.ending.tick(now)
        self.tick_shuffles(now)
        if self.eviction.tick():
            return BUSY_TICK_SECONDS
        if is_saving:
            return SAVING_TICK_SECONDS
        if not freeing.is_idle():
            return _BUSY_TICK_SECONDS
        return self.seconds_to_next_tick(now)

    def tick_shuffles(self, now: float) -> None:
        """Do what is due of shuffles, and answer those who waited for it."""
        if self.is_loading():
            return
        self.shuffle_waits.note_taken()
        if self.shuffles.tick(now):
            self.shuffle_waits.ask(i64(int(now * 1000.0)))
            self.dispatcher.run_unblocked()

    def _wake(self) -> None:
        """Called in a thread that has read, written or removed a spill file."""
        wake = self.wake_for_shuffles
        if wake is not None:
            wake()

    def _log_shuffle(self, record: bytes) -> None:
        self.dispatcher.add_record([b"ECHO", SHUFFLE_RECORD + record], 0)

    def _on_timer(self, now: float) -> None:
        """Do what is due `hz` times a second, however often `tick` is called."""
        if now >= self._next_idle_check:
            self._next_idle_check = now + _IDLE_CHECK_SECONDS
            self._close_idle(now)
            self.peers.tick(now)
            if self.replication.is_leading():  # a follower does not see who repeats and reads
                self.requests.forget_idle(self.dataset.now_ms)
        if self.active_expiry:
            self._expire()
        self._measure_tables()
        self.client_memory.tick()
        self._sample(now)

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
        seconds = 1.0 / float(self.hz())
        if self.settings.maxmemory_clients != 0:
            return min(seconds, LIMITED_TICK_SECONDS)
        return seconds

    def _close_idle(self, now: float) -> None:
        """End the connections that asked for nothing for `timeout` seconds.

        As in Redis those that wait by their nature stay: blocked, subscribed, monitoring.
        """
        timeout = float(self.settings.timeout)
        if timeout == 0.0:
            return
        for session in list(self.sessions.values()):
            waits = session.blocked is not None or session.paused or session.monitor
            waits = waits or session.is_leader or session.follower is not None
            if not (waits or session.is_subscribed()) and now - session.last_active > timeout:
                session.closing = True
                session.outlet.abort()

    def _expire(self) -> None:
        """Drop keys that are due, for a quarter to 43 % of the time, by active-expire-effort."""
        share = 0.25 + 0.02 * float(self.settings.active_expire_effort - 1)
        budget = share * self.tick_seconds()
        begin = self.clock.now()
        self.dataset.expire_own()
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
        stats.replication_input_rate.sample(stats.replication_input_bytes, now)
        stats.replication_output_rate.sample(self.replication.followers.sent_bytes, now)
        self.peak_memory = max(self.peak_memory, self.used_memory())

    def used_memory(self) -> i64:
        """Return the memory of the process before any data, plus what data and clients take."""
        return self.memory_beside_data() + self.dataset.memory

    def memory_beside_data(self) -> i64:
        """Return what is in use beside the accounted size of the data, as last measured."""
        beside = self.base_memory + self.dataset.excess() + self.client_memory.total
        return beside + self.unreturned + self.requests.bytes

    def _measure_tables(self) -> None:
        """Measure the tables of some slot dicts.

        All have their turn in a second, and with a limit on memory in 8,192 changes: dicts that are
        filled evenly all grow within some ten thousand. Measuring one takes 60 to 200 ns.
        """
        groups: i64 = GROUP_COUNT // self.hz() + 1
        if self.settings.maxmemory > 0:
            groups += (self.dataset.dirty - self._dirty_measured) >> _CHANGES_PER_GROUP_SHIFT
            self._dirty_measured = self.dataset.dirty
        first = self._next_measured
        end: i64 = min(first + max(groups, 1), GROUP_COUNT)
        self._next_measured = end if end < GROUP_COUNT else 0
        for database in self.dataset.databases:
            if database.count > 0:
                _measure(database, first, end)

    def find_data(self) -> Loader | None:
        """Begin to load what is there from before: the log if it is on, else the RDB file."""
        names = self.append_log.find() if self.config.flag("appendonly") else []
        if names:
            return self.start_loading(names, True)
        name = self.config.text("dbfilename")
        return self.start_loading([name], False) if name and self.disk.size(name) >= 0 else None

    def start_loading(
        self, names: list[str], is_log: bool, source: File | None = None, size: int = 0
    ) -> Loader:
        """Begin to load a file, or those of a log; commands on data wait for it. FileError.

        `source`, of a size, stands for a file that is on no disk.
        """
        mends_tail = self.config.flag("aof-load-truncated")
        self.loader = Loader(self, names, is_log, mends_tail, source, size)
        self.dispatcher.gate |= IS_LOADING
        return self.loader

    def end_loading(self) -> None:
        """Serve all commands again."""
        self.dispatcher.gate &= ~IS_LOADING

    def begin(self, loader: Loader | None) -> None:
        """Take up the part in replication that the configuration names; all data is loaded."""
        fields: dict[bytes, bytes] = {}
        if loader is not None and not loader.is_log:
            fields = loader.fields
        leads = not self.config.show("replicaof")
        if loader is not None and not loader.is_log and leads:
            self.shuffles.forget(i64(int(self.clock.now() * 1000.0)))
        self.shuffles.begin(leads)
        self.replication.begin(fields)

    def empty(self) -> None:
        """Drop all data and what belongs to it; others take its place, and nothing is logged."""
        self.append_log.turn_off()
        self.saver.give_up()
        for database in self.dataset.databases:
            database.clear(self.config.flag("replica-lazy-flush"))
        self.scripting.functions.flush()
        self.requests.clear()
        self.shuffles.clear()
        for session in self.sessions.values():
            session.watch_broken = bool(session.watched)
        self.tracking.flush()
        self.dispatcher.settle_expired()

    def note_replaced(self) -> None:
        """Go on with other data in place of what there was: it is logged from now on."""
        self.dataset.dirty = 0
        if self.config.flag("appendonly") and not self.append_log.is_logging():
            try:
                self.append_log.turn_on()
            except (OSError, FileError) as error:  # tried again with the ticks
                reason = reason_of(error) if isinstance(error, OSError) else str(error)
                self.journal.note("warning", "cannot-write-log", {"reason": reason})

    def update_log(self) -> None:
        """Have effects encoded while a file or followers take them."""
        is_wanted = self.effects.is_filed or self.effects.is_followed
        self.dispatcher.log = self.effects if is_wanted else None

    def update_expiry(self) -> None:
        """Let keys expire where this node decides about it, and clients do not pause."""
        self.dataset.expires_keys = self.replication.is_leading() and not self.pause.is_on()

    def note_disk_state(self) -> None:
        """Refuse writes while what is written cannot be made to last, if that is wanted."""
        if self.disk_error():
            self.dispatcher.gate |= DISK_FAILS
        else:
            self.dispatcher.gate &= ~DISK_FAILS

    def disk_error(self) -> str:
        """Return why writes are refused, an empty text where they are not."""
        error = self.append_log.error()
        if error:
            return errors.LOG_FAILED % error
        config = self.config
        is_wanted = config.flag("stop-writes-on-bgsave-error") and bool(config.save_points())
        return "" if self.saver.last_is_ok or not is_wanted else errors.SAVE_FAILED

    def is_loading(self) -> bool:
        """Return whether the node is still reading its data and serves no commands on it."""
        return bool(self.dispatcher.gate & IS_LOADING)

    def update_listening(self) -> None:
        """Make the keyspace list its changes while anybody needs the list."""
        self.dataset.listening = (
            bool(self.dataset.listeners)
            or self.watching.is_watched()
            or self.blocking.is_waited_for()
        )

    def update_listeners(self) -> None:
        """Make the keyspace tell of its changes while anybody tracks keys or wants their events."""
        dataset = self.dataset
        dataset.listeners = []
        if self.tracking.is_used():
            dataset.listeners.append(self.tracking)
        is_publishing = self.notifications.is_wanted()
        if is_publishing:
            dataset.listeners.append(self.notifications)
        dataset.tells_new = is_publishing and bool(self.notifications.flags & NOTIFY_NEW)
        dataset.tells_misses = is_publishing and bool(self.notifications.flags & NOTIFY_KEY_MISS)
        self.update_listening()

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
        """Note a connection that was cut, for the log."""
        fields: dict[str, object] = {"id": session.number, "peer": session.peer, "reason": reason}
        self.journal.note("warning", "client-dropped", fields)

    def check(self) -> None:
        """Assert the invariants of the data; for tests and the simulator."""
        self.dataset.check()
        self.requests.check()
        self.shuffles.check()
        assert all(session.number == number for number, session in self.sessions.items())

    def reset_stats(self) -> None:
        """Begin all statistics anew, for CONFIG RESETSTAT."""
        self.stats = Stats()
        self.dispatcher.stats = self.stats
        self.dataset.hits = 0
        self.dataset.misses = 0
        self.dataset.expired = 0
        self.dataset.freeing.freed = 0
        self.saver.saves = 0
        self.append_log.rewrites = 0
        self.eviction.reset_statistics()
        self.replication.followers.reset_statistics()
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


def _measure(database: Keyspace, first: i64, end: i64) -> None:
    """See what the tables take beyond what is booked; of the slot dicts only a range."""
    rest = database.expiry.table_bytes() - database.expiry.count() * DEADLINE_BYTES
    if database.access is not None:
        rest += database.access.table_bytes() - database.access.count() * ACCESS_BYTES
    database.excess.measure(database.groups, first, end, rest)
