"""From argv to reply: look the command up, admit it, run it, and see to what its changes entail.

`serve` is the hot loop. A session or a node in an ordinary state passes one test (`gate`); whatever
is out of the ordinary (not authenticated, inside MULTI, subscribed under RESP2, replies off,
monitors, a pause, a memory limit) sets a bit in one of the two gates and takes `_admit`, which may
be slow.

There is one clock read per command: the end of one is the begin of the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.admission import CARRIED_FROM, Admission
from kvnode.command import (
    FAST,
    Command,
)
from kvnode.context import Blocked, Context
from kvnode.gates import (
    MEMORY_LIMITED,
    MONITORED,
    PAUSED_ALL,
    PAUSED_WRITES,
    TRACKS_TOO_MANY,
)
from kvnode.monitor import feed_monitors, show_call
from kvnode.session import (
    HEARS,
    NO_TOUCH,
    REPLY_SKIP,
    REPLY_SKIPPED,
    RESTRICTED,
    TRACKING,
    Session,
)
from kvnode.stats import record_duration
from kvprotocol import errors
from kvprotocol.errors import ProtocolError, ReplyError
from kvprotocol.replies import NO_REPLY, QUEUED, ErrorReply, Reply

if TYPE_CHECKING:
    from kvnode.node import Node

# Of a REQUEST, only one with EXEC comes so far.
_NOT_QUEUED: Final = frozenset(
    (b"exec", b"discard", b"multi", b"watch", b"quit", b"reset", b"request")
)
_SPELLINGS_MAX: Final = 4096


@mypyc_attr(allow_interpreted_subclasses=True)
class EffectLog:
    """Where effects go: the append-only file, the replication stream, or a test's list.

    `offset` says how far it is.
    """

    offset: i64 = 0

    def append(self, database: int, block: list[list[bytes]]) -> None:
        """Take the effects of one command; more than one belong together (MULTI ... EXEC)."""

    def append_transaction(self, entries: list[tuple[int, list[bytes]]]) -> None:
        """Take the effects of one EXEC as one unit; each entry names its database."""


@final
class Dispatcher:
    """Runs the commands of all sessions of one node."""

    def __init__(self, node: Node, ctx: Context) -> None:
        self.node = node
        self.ctx = ctx
        self.clock = node.clock
        self.dataset = node.dataset
        self.stats = node.stats
        self.table = node.commands
        self.known = dict(node.commands)  # every spelling met so far
        self.gate: i64 = 0
        self.admission = Admission(node, self)
        self.request = _request_in(node.commands)
        self.log: EffectLog | None = None
        self.slow_from = 0.01  # seconds; infinite when the slow log is off
        self.latency_from = 0.0  # seconds; 0 when the monitor is off
        self.histograms = True
        self._running_unblocked = False
        # The effects of the EXEC or script that runs; None while neither does.
        self.unit: list[tuple[int, list[bytes]]] | None = None
        self._messages: list[list[bytes]] = []  # for the followers, behind that unit

    def serve(self, session: Session) -> None:
        """Run every request that is complete in the session's parser."""
        parser = session.parser
        parked = session.parked
        session.parked = None
        ctx = self.ctx
        dataset = self.dataset
        known = self.known
        spelling = b""
        same: Command | None = None
        begin = self.clock.now()
        session.last_active = begin
        while True:
            if parked is None:
                argv = parser.next()
            else:
                argv = parked
                parked = None
            if argv is None:
                return
            argc: i64 = len(argv)
            if argc == 0:
                continue
            if argv[0] == spelling:  # requests come in runs: a comparison instead of a look-up
                command = same
            else:
                command = known.get(argv[0])
            if command is None or command.subcommands is not None:
                command = self._look_up(session, argv)
                if command is None:
                    if session.closing:
                        return
                    continue
            else:
                spelling = argv[0]
                same = command
            if argc < command.argc_min or argc > command.argc_max:
                self._reject(session, command, argv, wrong_arity(command))
                continue
            session.last_command = command
            ctx.enter(session, session.keyspace)
            ctx.now_ms = i64(int(begin * 1000.0))
            dataset.now_ms = ctx.now_ms
            if session.gate | self.gate:
                if not self._admit(session, command, argv):
                    if session.paused:
                        return
                    continue
                reply = self._call_gated(session, command, argv)
            else:
                try:
                    reply = command.handler(ctx, argv)
                except ReplyError as error:
                    reply = self._failed(command, error)
            end = self.clock.now()
            if dataset.changes or dataset.own_effects:
                self._after_change(session.keyspace.index, argv)
                if self.log is not None:
                    session.written_until = self.log.offset
            if isinstance(reply, Blocked):
                self.node.blocking.park(session, reply)
                reply = NO_REPLY
            session.writer.write(reply)
            seconds = end - begin
            command.calls += 1
            command.seconds += seconds
            if self.histograms:
                record_duration(command, seconds)
            if seconds >= self.slow_from or self.latency_from > 0.0:
                self.note_slow(session, command, argv, begin, seconds)
            self.stats.commands += 1
            if dataset.heard:
                self.after_heard()
                end = self.clock.now()
            begin = end
            if session.blocked is not None or session.closing:
                return

    def _call_gated(self, session: Session, command: Command, argv: list[bytes]) -> Reply:
        """Run an admitted request that is out of the ordinary and write its reply, if it is due."""
        self._take_skip(session)
        node = self.node
        if session.gate & TRACKING:
            node.tracking.begin(session)
        if session.gate & (HEARS | NO_TOUCH):
            self._prepare(session, command, argv)
        reply = self.call(command, argv)
        if not isinstance(reply, Blocked):
            if not session.is_muted():
                session.writer.write(reply)
            session.gate &= ~REPLY_SKIPPED
            reply = NO_REPLY
        self.dataset.touches = True
        if session.gate & HEARS:
            node.notifications.end()
        if node.tracking.is_calling(session):
            node.tracking.end(session, command, argv)
        if self.gate & MONITORED:
            feed_monitors(self.node.monitors, session, command, argv, self.clock.now())
        return reply

    def _prepare(self, session: Session, command: Command, argv: list[bytes]) -> None:
        """Say how a request's messages stand to its reply, and whether it uses its keys."""
        if session.gate & HEARS:
            self.node.notifications.begin(command, argv)
        self.dataset.touches = not session.gate & NO_TOUCH or command.full_name == b"touch"

    def call(self, command: Command, argv: list[bytes]) -> Reply:
        """Run one handler; an error becomes a value."""
        try:
            return command.handler(self.ctx, argv)
        except ReplyError as error:
            return self._failed(command, error)

    def _failed(self, command: Command, error: ReplyError) -> Reply:
        """Count a handler's error. What it may have recorded as changed stays recorded."""
        command.failed += 1
        if not error.was_counted:
            self.stats.count_error(error.message)
        return ErrorReply(error.message)

    def find(self, name: bytes) -> Command | None:
        """Return the command of this name in any spelling, and remember the spelling."""
        command = self.known.get(name)
        if command is None:
            command = self.table.get(name.lower())
            if command is not None and len(self.known) < _SPELLINGS_MAX:
                self.known[name] = command
        return command

    def _look_up(self, session: Session, argv: list[bytes]) -> Command | None:
        """Find a command in another spelling, or a subcommand; None after an error was written."""
        command = self.find(argv[0])
        if command is None:
            self._unknown(session, argv)
            return None
        subcommands = command.subcommands
        if subcommands is None or len(argv) == 1:
            return command
        child = subcommands.get(argv[1].lower())
        if child is None:
            self._reject(session, None, argv, errors.unknown_subcommand(argv))
        return child

    def _unknown(self, session: Session, argv: list[bytes]) -> None:
        """Refuse an unknown command; cut off what speaks HTTP.

        A browser that a foreign page makes post to this port would run the lines of the body as
        inline commands, so its request line or `Host:` header ends the connection.
        """
        name = _shown(argv[0], errors.SHOWN_BYTES)
        if name.lower() in (b"post", b"host:"):
            self.node.note_dropped(session, "http-request")
            session.closing = True
            session.outlet.abort()
            return
        self._reject(session, None, argv, unknown_command(argv))

    def _reject(
        self, session: Session, command: Command | None, argv: list[bytes], message: str
    ) -> None:
        """Refuse a request before it ran; a transaction is spoilt by it, or ended if it is EXEC."""
        if command is not None:
            command.rejected += 1
        if session.transaction is not None:
            session.transaction.failed = True
        if command is not None and command.full_name == b"exec":
            message = errors.EXEC_ABORTED_BY % message.removeprefix("ERR ")
            self.node.watching.discard(session)
            show_call(self.node.monitors, session, command, argv, self.clock.now())
        self.stats.count_error(message)
        self._answer(session, ErrorReply(message))
        if session.gate & TRACKING:
            self.node.tracking.forget_caching(session, command)

    def _admit(self, session: Session, command: Command, argv: list[bytes]) -> bool:
        """Decide about a request that is out of the ordinary; False when it is dealt with."""
        message = self.admission.refusal(session, command, argv)
        subject = command
        words = argv
        if command is self.request:
            inner = self.admission.carried(argv)
            if inner is not None:
                subject = inner
                words = argv[CARRIED_FROM:]
            if not message:
                message = self.admission.carried_refusal(session, inner, argv)
        if message:
            self._reject(session, subject, argv, message)
            return False
        if self.gate & TRACKS_TOO_MANY:
            self.node.tracking.make_room()
        if self.gate & (PAUSED_WRITES | PAUSED_ALL) and self.admission.pauses(
            session, subject, words
        ):
            self.node.pause.park(session, argv)
            return False
        transaction = session.transaction
        if transaction is not None and command.full_name not in _NOT_QUEUED:
            if not (transaction.failed or session.watch_broken):
                transaction.add(command, argv, self.admission.flags(command, argv))
            self._answer(session, QUEUED)
            return False
        return True

    def _take_skip(self, session: Session) -> None:
        """Make CLIENT REPLY SKIP swallow the reply that is due now; it does so once."""
        if session.gate & REPLY_SKIP:
            session.gate = (session.gate & ~REPLY_SKIP) | REPLY_SKIPPED

    def _answer(self, session: Session, reply: Reply) -> None:
        """Write the reply of a request that did not run, unless CLIENT REPLY swallows it."""
        self._take_skip(session)
        if not session.is_muted():
            session.writer.write(reply)
        session.gate &= ~REPLY_SKIPPED

    def execute_queued(self, session: Session) -> Reply:
        """Run a transaction's commands, write their replies and log their effects as one unit.

        The replies are written as they come: messages to the caller itself stand between them.
        """
        transaction = session.transaction
        assert transaction is not None
        ctx = self.ctx
        opened = self.open_unit()
        recorder = transaction.recorder
        if recorder is not None:
            recorder.array(len(transaction.queued))
        if not session.is_muted():
            session.writer.array(len(transaction.queued))
        ctx.may_block = False
        denies = False
        for command, argv in transaction.queued:
            is_ended = session.closing
            database = session.keyspace.index
            begin = self.clock.now()
            ctx.enter(session, session.keyspace)
            denies = bool(session.gate & RESTRICTED) and self._deny_queued(session, command, argv)
            if denies:
                continue
            if session.gate & (HEARS | NO_TOUCH):
                self._prepare(session, command, argv)
            reply = self.call(command, argv)
            seconds = self.clock.now() - begin
            if recorder is not None:
                recorder.write(reply)
            if not (is_ended or session.is_muted()):
                session.writer.write(reply)
            if session.gate & HEARS:
                self.node.notifications.end()
            if session.gate & TRACKING:
                self.node.tracking.remember(session, command, argv)
            command.calls += 1
            command.seconds += seconds
            self.stats.commands += 1
            if self.histograms:
                record_duration(command, seconds)
            if seconds >= self.slow_from or self.latency_from > 0.0:
                self.note_slow(session, command, argv, begin, seconds)
            if self.gate & MONITORED:
                feed_monitors(self.node.monitors, session, command, argv, begin + seconds)
            self.add_to_unit(database, argv)
        ctx.may_block = True
        if opened:
            self.close_unit()
        if denies and session.last_command is not None:
            session.last_command.failed += 1  # Redis counts the last denial as EXEC's own failure
        return NO_REPLY

    def _deny_queued(self, session: Session, command: Command, argv: list[bytes]) -> bool:
        """Answer a queued command that its user has lost the right to; return whether it has."""
        message = self.node.acl.queued_refusal(session, command, argv)
        if not message:
            return False
        self.stats.count_error(message)
        transaction = session.transaction
        if transaction is not None and transaction.recorder is not None:
            transaction.recorder.write(ErrorReply(message))
        if not (session.closing or session.is_muted()):
            session.writer.write(ErrorReply(message))
        return True

    def open_unit(self) -> bool:
        """Gather effects from now on, to be logged together; return False if somebody does so."""
        if self.unit is not None:
            return False
        self.unit = []
        return True

    def close_unit(self) -> None:
        """Log the gathered effects as one unit."""
        entries = self.unit
        self.unit = None
        if entries and self.log is not None:
            self.log.append_transaction(entries)
            self.ctx.session.written_until = self.log.offset
        if self._messages:
            messages = self._messages
            self._messages = []
            for argv in messages:
                self.node.effects.tell_followers(argv)

    def tell_followers(self, argv: list[bytes]) -> None:
        """Pass on a message, which changes no data, behind all that was changed before it."""
        if self.unit is None:
            self.node.effects.tell_followers(argv)
        else:
            self._messages.append(argv)

    def add_to_unit(self, database: int, argv: list[bytes], is_logged: bool = True) -> None:
        """Move the effects of one command into the open unit.

        Without `is_logged` only those that are the node's own: what has expired or was evicted.
        """
        dataset = self.dataset
        if self.log is not None:
            entries = self.unit
            assert entries is not None
            for index, key in dataset.own_effects:
                entries.append((index, [b"DEL", key]))
            if dataset.changes and is_logged:
                effects = self.ctx.effects
                for effect in [argv] if effects is None else effects:
                    entries.append((database, effect))
        if dataset.own_effects:
            dataset.own_effects = []
        dataset.changes = 0
        self.ctx.effects = None
        if dataset.memory > dataset.memory_limit:
            self.gate |= MEMORY_LIMITED

    def has_unit_effects(self) -> bool:
        """Return whether the open unit has anything to log, or a message for the followers."""
        return self.log is not None and bool(self.unit or self._messages)

    def add_record(self, argv: list[bytes], database: int) -> None:
        """Log what says something about effects, behind those of the open unit."""
        entries = self.unit
        if self.log is None:
            return
        if entries is None:
            self.log.append(database, [argv])
        else:
            entries.append((entries[-1][0] if entries else database, argv))

    def _after_change(self, database: i64, argv: list[bytes]) -> None:
        """Hand the effects of one command to the log and begin a new record."""
        dataset = self.dataset
        ctx = self.ctx
        log = self.log
        if log is not None:
            for index, key in dataset.own_effects:
                log.append(index, [[b"DEL", key]])
            if dataset.changes:
                effects = ctx.effects
                if effects is None:
                    log.append(database, [argv])
                elif effects:
                    log.append(database, effects)
        if dataset.own_effects:
            dataset.own_effects = []
        dataset.changes = 0
        ctx.effects = None
        if dataset.memory > dataset.memory_limit:
            self.gate |= MEMORY_LIMITED

    def note_applied(
        self, session: Session, command: Command, argv: list[bytes], database: int
    ) -> None:
        """See to what a request of the leader entails, as `serve` does for one of a client."""
        if self.unit is not None:
            self.add_to_unit(database, argv)
        elif self.dataset.changes or self.dataset.own_effects:
            self._after_change(database, argv)
        session.last_command = command
        command.calls += 1
        self.stats.commands += 1
        if self.gate & MONITORED:
            feed_monitors(self.node.monitors, session, command, argv, self.clock.now())
        if self.dataset.heard and self.unit is None:
            self.after_heard()

    def settle(self, session: Session) -> None:
        """Log what a blocked session's retry changed; it named its effects itself."""
        if self.dataset.changes or self.dataset.own_effects:
            self._after_change(session.keyspace.index, [])
            if self.log is not None:
                session.written_until = self.log.offset

    def settle_expired(self) -> None:
        """Log the keys that the expiry cycle or eviction dropped and tell who listens."""
        if self.dataset.own_effects:
            self._after_change(0, [])
        if self.dataset.heard:
            self.after_heard()

    def after_heard(self) -> None:
        """Tell watchers and blocked sessions which keys changed, until nothing more follows."""
        dataset = self.dataset
        while dataset.heard:
            heard = dataset.heard
            dataset.heard = []
            self.node.watching.touch(heard)
            self.node.blocking.signal(heard)
            self.node.blocking.serve_ready()
        self.node.tracking.leave()

    def run_unblocked(self) -> None:
        """Let sessions go on that were served while another one's command ran.

        What is told in batches, once for each read, goes out behind it.
        """
        unblocked = self.node.blocking.unblocked
        while unblocked and not self._running_unblocked:
            self._running_unblocked = True
            try:
                session = unblocked.popleft()
                if not session.closed:
                    session.run()
            finally:
                self._running_unblocked = False
        if self.node.tracking.has_broadcasts and not self._running_unblocked:
            self.node.tracking.broadcast()

    def abandon(self) -> None:
        """Forget a command that failed by a bug of ours: its record must not become another's."""
        self.dataset.changes = 0
        self.unit = None
        self._messages = []
        self.node.requests.recorder.take()
        self.ctx.effects = None
        self.ctx.may_block = True
        self.dataset.touches = True
        self.node.tracking.abandon()
        self.node.notifications.end()

    def protocol_error(self, session: Session, error: ProtocolError) -> None:
        """Tell a peer that it broke the protocol and end the connection."""
        if error.message:
            if not session.is_muted():
                session.writer.error("ERR " + error.message)
            self.stats.count_error("ERR")
        session.finish()

    def note_slow(
        self, session: Session, command: Command, argv: list[bytes], begin: float, seconds: float
    ) -> None:
        """Note a command in the slow log and with the latency monitor, if it took long."""
        if seconds >= self.slow_from:
            self.node.slowlog.note(session, command, argv, begin, seconds)
        if self.latency_from > 0.0 and seconds >= self.latency_from:
            name = "fast-command" if command.flags & FAST else "command"
            self.node.latency.note(name, begin, seconds)


def _request_in(table: dict[bytes, Command]) -> Command | None:
    """Return the command REQUEST, whatever its name is here; None where it was taken out."""
    for command in table.values():
        if command.full_name == b"request":
            return command
    return None


def unknown_command(argv: list[bytes]) -> str:
    """Return the error for a command that there is not."""
    name = _shown(argv[0], errors.SHOWN_BYTES)
    words = b""
    for word in argv[1:]:
        if len(words) >= errors.SHOWN_BYTES:
            break
        words += b"'%b' " % _shown(word, errors.SHOWN_BYTES - len(words))
    return _decoded(b"ERR unknown command '%b', with args beginning with: %b" % (name, words))


def wrong_arity(command: Command) -> str:
    """Return the error for a wrong number of arguments."""
    return errors.WRONG_ARITY % command.full_name.decode()


def _shown(word: bytes, limit: int) -> bytes:
    """Return what an error shows of an argument: Redis prints it as C does, up to a NUL."""
    return word.partition(b"\0")[0][:limit]


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
