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

from kvnode.command import (
    DENYOOM,
    FAST,
    LOADING,
    MAY_REPLICATE,
    NO_AUTH,
    NO_MULTI,
    WRITE,
    Command,
)
from kvnode.context import Blocked, Context
from kvnode.monitor import feed_monitors
from kvnode.session import (
    REPLY_OFF,
    REPLY_SKIP,
    SUBSCRIBER,
    UNAUTHENTICATED,
    Session,
)
from kvnode.stats import record_duration
from kvprotocol import errors
from kvprotocol.errors import ProtocolError, ReplyError
from kvprotocol.replies import NO_REPLY, QUEUED, ErrorReply, Reply

if TYPE_CHECKING:
    from kvnode.node import Node

# The node's gate.
MONITORED: Final = 1 << 0
PAUSED_WRITES: Final = 1 << 1
PAUSED_ALL: Final = 1 << 2
MEMORY_LIMITED: Final = 1 << 3
IS_LOADING: Final = 1 << 4

_ALLOWED_IN_SUBSCRIBER_MODE: Final = frozenset(
    (
        b"ping",
        b"subscribe",
        b"psubscribe",
        b"ssubscribe",
        b"unsubscribe",
        b"punsubscribe",
        b"sunsubscribe",
        b"quit",
        b"reset",
    )
)
_NOT_QUEUED: Final = frozenset((b"exec", b"discard", b"multi", b"watch", b"quit", b"reset"))
_SHOWN_ARGUMENT_BYTES: Final = 128


@mypyc_attr(allow_interpreted_subclasses=True)
class EffectLog:
    """Where effects go: the append-only file, the replication stream, or a test's list."""

    def append(self, database: int, block: list[list[bytes]]) -> None:
        """Take the effects of one command; more than one belong together (MULTI ... EXEC)."""


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
        self.log: EffectLog | None = None
        self.slow_from = 0.01  # seconds; infinite when the slow log is off
        self.latency_from = 0.0  # seconds; 0 when the monitor is off
        self.histograms = True
        self._running_unblocked = False

    def serve(self, session: Session) -> None:
        """Run every request that is complete in the session's parser."""
        parser = session.parser
        parked = session.parked
        session.parked = None
        ctx = self.ctx
        dataset = self.dataset
        known = self.known
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
            command = known.get(argv[0])
            if command is None or command.subcommands is not None:
                command = self._look_up(session, argv)
                if command is None:
                    continue
            if argc < command.argc_min or argc > command.argc_max:
                self._reject(session, command, wrong_arity(command))
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
                muted = self._take_skip(session)
                reply = self.call(command, argv)
                if muted or session.gate & REPLY_OFF:
                    reply = NO_REPLY
            else:
                try:
                    reply = command.handler(ctx, argv)
                except ReplyError as error:
                    reply = self._failed(command, error)
            end = self.clock.now()
            if dataset.changes or dataset.own_effects:
                self._after_change(session.keyspace.index, argv)
            if isinstance(reply, Blocked):
                self.node.blocking.park(session, command, argv, reply)
                reply = NO_REPLY
            session.writer.write(reply)
            seconds = end - begin
            command.calls += 1
            command.seconds += seconds
            if self.histograms:
                record_duration(command, seconds)
            if seconds >= self.slow_from or self.latency_from > 0.0:
                self._note_slow(session, command, argv, begin, seconds)
            self.stats.commands += 1
            if dataset.heard:
                self.after_heard()
                end = self.clock.now()
            begin = end
            if session.blocked is not None or session.closing:
                return

    def call(self, command: Command, argv: list[bytes]) -> Reply:
        """Run one handler; an error becomes a value."""
        try:
            return command.handler(self.ctx, argv)
        except ReplyError as error:
            return self._failed(command, error)

    def _failed(self, command: Command, error: ReplyError) -> Reply:
        """Count a handler's error. What it may have recorded as changed stays recorded."""
        command.failed += 1
        self.stats.count_error(error.message)
        return ErrorReply(error.message)

    def _look_up(self, session: Session, argv: list[bytes]) -> Command | None:
        """Find a command in another spelling, or a subcommand; None after an error was written."""
        name = argv[0]
        command = self.known.get(name)
        if command is None:
            command = self.table.get(name.lower())
            if command is None:
                self._unknown(session, argv)
                return None
            if len(self.known) < 4096:
                self.known[name] = command
        subcommands = command.subcommands
        if subcommands is None or len(argv) == 1:
            return command
        child = subcommands.get(argv[1].lower())
        if child is None:
            self._reject(session, command, unknown_subcommand(argv))
        return child

    def _unknown(self, session: Session, argv: list[bytes]) -> None:
        shown = ""
        for word in argv[1:]:
            if len(shown) >= _SHOWN_ARGUMENT_BYTES:
                break
            shown += f"'{_printable(word, _SHOWN_ARGUMENT_BYTES - len(shown))}' "
        name = _printable(argv[0], _SHOWN_ARGUMENT_BYTES)
        self._reject(
            session, None, f"ERR unknown command '{name}', with args beginning with: {shown}"
        )

    def _reject(self, session: Session, command: Command | None, message: str) -> None:
        """Refuse a request before it ran; a transaction being queued is spoilt by it."""
        if command is not None:
            command.rejected += 1
        self.stats.count_error(message)
        if session.transaction is not None:
            session.transaction.failed = True
        self._answer(session, ErrorReply(message))

    def _admit(self, session: Session, command: Command, argv: list[bytes]) -> bool:
        """Decide about a request that is out of the ordinary; False when it is dealt with."""
        gate = session.gate
        flags = command.flags
        if gate & UNAUTHENTICATED and not flags & NO_AUTH:
            self._reject(session, command, errors.NO_AUTH)
            return False
        if gate & SUBSCRIBER and command.name not in _ALLOWED_IN_SUBSCRIBER_MODE:
            name = command.full_name.decode()
            self._reject(
                session,
                command,
                f"ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT"
                " / RESET are allowed in this context",
            )
            return False
        if self.gate & MEMORY_LIMITED and flags & DENYOOM and self.node.is_out_of_memory():
            self._reject(session, command, errors.OUT_OF_MEMORY)
            return False
        if self.gate & IS_LOADING and not flags & LOADING:
            self._reject(session, command, errors.LOADING)
            return False
        transaction = session.transaction
        if transaction is not None and command.name not in _NOT_QUEUED:
            if flags & NO_MULTI:
                self._reject(session, command, errors.NOT_IN_MULTI)
                return False
            transaction.add(command, argv)
            self._answer(session, QUEUED)
            return False
        if self.gate & (PAUSED_WRITES | PAUSED_ALL) and self._pauses(session, command):
            self.node.pause.park(session, argv)
            return False
        if self.gate & MONITORED:
            feed_monitors(self.node.monitors, session, command, argv, self.clock.now())
        return True

    def _pauses(self, session: Session, command: Command) -> bool:
        """Return whether CLIENT PAUSE stops this command."""
        flags = command.flags
        if command.name == b"exec" and session.transaction is not None:
            flags |= session.transaction.flags
        return bool(self.gate & PAUSED_ALL or flags & (WRITE | MAY_REPLICATE))

    def _take_skip(self, session: Session) -> bool:
        """Return whether CLIENT REPLY SKIP swallows the reply that is due now; it does so once."""
        if session.gate & REPLY_SKIP:
            session.gate &= ~REPLY_SKIP
            return True
        return False

    def _answer(self, session: Session, reply: Reply) -> None:
        """Write a reply unless CLIENT REPLY swallows it."""
        if not self._take_skip(session) and not session.gate & REPLY_OFF:
            session.writer.write(reply)

    def execute_queued(self, session: Session) -> list[Reply]:
        """Run a transaction's commands as one block; the effects are recorded with EXEC's."""
        transaction = session.transaction
        assert transaction is not None
        ctx = self.ctx
        dataset = self.dataset
        replies: list[Reply] = []
        block: list[list[bytes]] = []
        ctx.may_block = False
        for command, argv in transaction.queued:
            if self.gate & MEMORY_LIMITED and command.flags & DENYOOM:
                if self.node.is_out_of_memory():
                    command.rejected += 1
                    self.stats.count_error(errors.OUT_OF_MEMORY)
                    replies.append(ErrorReply(errors.OUT_OF_MEMORY))
                    continue
            if self.gate & MONITORED:
                feed_monitors(self.node.monitors, session, command, argv, self.clock.now())
            begin = self.clock.now()
            ctx.enter(session, session.keyspace)
            before = dataset.changes
            ctx.effects = None
            index = session.keyspace.index
            replies.append(self.call(command, argv))
            seconds = self.clock.now() - begin
            command.calls += 1
            command.seconds += seconds
            record_duration(command, seconds)
            if self.log is not None and dataset.changes != before:
                block.append([b"SELECT", b"%d" % index])
                block.extend([argv] if ctx.effects is None else ctx.effects)
        ctx.may_block = True
        ctx.effects = block
        return replies

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

    def settle(self, session: Session) -> None:
        """Log what a blocked session's retry changed; it named its effects itself."""
        if self.dataset.changes or self.dataset.own_effects:
            self._after_change(session.keyspace.index, [])

    def settle_expired(self) -> None:
        """Log the keys that the expiry cycle dropped and tell who listens."""
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

    def run_unblocked(self) -> None:
        """Let sessions go on that were served while another one's command ran."""
        unblocked = self.node.blocking.unblocked
        while unblocked and not self._running_unblocked:
            self._running_unblocked = True
            session = unblocked.pop(0)
            if not session.closed:
                session.run()
            self._running_unblocked = False

    def protocol_error(self, session: Session, error: ProtocolError) -> None:
        """Tell a peer that it broke the protocol and end the connection."""
        if error.message:
            session.writer.error("ERR " + error.message)
            self.stats.count_error("ERR")
        session.finish()

    def _note_slow(
        self, session: Session, command: Command, argv: list[bytes], begin: float, seconds: float
    ) -> None:
        if seconds >= self.slow_from:
            self.node.slowlog.note(session, command, argv, begin, seconds)
        if self.latency_from > 0.0 and seconds >= self.latency_from:
            name = "fast-command" if command.flags & FAST else "command"
            self.node.latency.note(name, begin, seconds)


def wrong_arity(command: Command) -> str:
    """Return the error for a wrong number of arguments."""
    return errors.WRONG_ARITY % command.full_name.decode()


def unknown_subcommand(argv: list[bytes]) -> str:
    """Return the error for an unknown subcommand."""
    name = _printable(argv[1], _SHOWN_ARGUMENT_BYTES)
    return errors.UNKNOWN_SUBCOMMAND % (name, argv[0].decode("utf-8", "replace").upper())


def _printable(word: bytes, limit: int) -> str:
    return word[:limit].decode("utf-8", "surrogateescape")
