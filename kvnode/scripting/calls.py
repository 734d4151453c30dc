"""What a script may do to the node: every check of a redis.call, in Redis's order, and the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.command import DENYOOM, MAY_REPLICATE, NOSCRIPT, READONLY, STALE, WRITE, Command
from kvnode.context import Blocked
from kvnode.gates import MONITORED
from kvnode.monitor import feed_monitors
from kvnode.session import RESTRICTED, TRACKING, Session
from kvnode.stats import record_duration
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import ErrorReply, Reply

if TYPE_CHECKING:
    from kvnode.node import Node
    from kvnode.scripting.runtime import Run

_UNKNOWN: Final = "ERR Unknown Redis command called from script"
_WRONG_ARITY: Final = "ERR Wrong number of args calling Redis command from script"
_NOSCRIPT: Final = "ERR This Redis command is not allowed from script"
_READ_ONLY: Final = "ERR Write commands are not allowed from read-only scripts."
MONITOR_PEER: Final = b"lua"  # what MONITOR shows for an address
_SLOWLOG_PEER: Final = b"?:0"


@final
class ScriptCalls:
    """Runs the commands of scripts, on behalf of one node."""

    def __init__(self, node: Node, session: Session) -> None:
        self._node = node
        self._session = session
        self._spelling = b""  # of the last call's command
        self._same: Command | None = None

    def perform(self, run: Run, argv: list[bytes]) -> Reply:
        """Run one command of a script; whatever speaks against it is an ErrorReply."""
        node = self._node
        dispatcher = node.dispatcher
        if argv[0] == self._spelling:  # a comparison instead of a look-up
            command = self._same
        else:
            command = dispatcher.known.get(argv[0])
        if command is None or command.subcommands is not None:
            command = self._look_up(argv)
            if command is None:
                return self._refused(None, _UNKNOWN)
        else:
            self._spelling = argv[0]
            self._same = command
        argc: i64 = len(argv)
        if argc < command.argc_min or argc > command.argc_max:
            return self._refused(command, _WRONG_ARITY)
        flags = command.flags
        session = self._session
        if flags & NOSCRIPT or session.gate & RESTRICTED or run.careful:
            message = self._refusal(run, command, argv)
            if message:
                return self._refused(command, message)
        if flags & WRITE:
            run.wrote = True
        return self._call(run, session, command, argv)

    def allows(self, argv: list[bytes]) -> bool | None:
        """Return whether the script's caller may run a command, None for an unknown one."""
        command = self._look_up(argv)
        if command is None:
            return None
        if not self._session.gate & RESTRICTED:
            return True
        return self._node.acl.allows(self._session.user, command, argv)

    def _look_up(self, argv: list[bytes]) -> Command | None:
        command = self._node.dispatcher.find(argv[0])
        if command is None or command.subcommands is None or len(argv) == 1:
            return command
        return command.subcommands.get(argv[1].lower())

    def _refusal(self, run: Run, command: Command, argv: list[bytes]) -> str:
        """Return why a call is refused for reasons that are out of the ordinary, or ""."""
        flags = command.flags
        if flags & NOSCRIPT:
            return _NOSCRIPT
        if run.is_stale and not flags & STALE:
            return errors.STALE_SCRIPT
        session = self._session
        if session.gate & RESTRICTED:
            # The denial is noted with the caller's name, not with the script's.
            self._node.ctx.enter(run.session, session.keyspace)
            denial = self._node.acl.call_refusal(session.user, command, argv)
            if denial:
                return denial
        if flags & (WRITE | MAY_REPLICATE) and run.read_only:
            return _READ_ONLY
        if flags & WRITE and run.write_error:
            return run.write_error
        if flags & DENYOOM and run.out_of_memory and not run.wrote:
            return errors.OUT_OF_MEMORY
        return ""

    def _refused(self, command: Command | None, message: str) -> Reply:
        if command is not None:
            command.rejected += 1
        self._node.stats.count_error(message)
        return ErrorReply(message)

    def _call(self, run: Run, session: Session, command: Command, argv: list[bytes]) -> Reply:
        """Run an admitted command, and count, show and record it."""
        node = self._node
        dispatcher = node.dispatcher
        dataset = dispatcher.dataset
        ctx = dispatcher.ctx
        keyspace = session.keyspace
        ctx.enter(session, keyspace)
        begin = dispatcher.clock.now()
        reply: Reply
        try:
            reply = command.handler(ctx, argv)
        except ReplyError as error:
            command.failed += 1
            dispatcher.stats.count_error(error.message)
            reply = ErrorReply(error.message)
        else:
            if isinstance(reply, Blocked):
                reply = reply.on_timeout
        seconds = dispatcher.clock.now() - begin
        command.calls += 1
        command.seconds += seconds
        dispatcher.stats.commands += 1
        if dispatcher.histograms:
            record_duration(command, seconds)
        if seconds >= dispatcher.slow_from or dispatcher.latency_from > 0.0:
            session.peer = _SLOWLOG_PEER
            dispatcher.note_slow(session, command, argv, begin, seconds)
            session.peer = MONITOR_PEER
        if run.session.gate & TRACKING and command.flags & READONLY:
            node.tracking.remember_script(run.session, run.argv)
        if dispatcher.gate & MONITORED:
            feed_monitors(node.monitors, session, command, argv, begin + seconds)
        if dataset.changes or dataset.own_effects:
            dispatcher.add_to_unit(keyspace.index, argv, run.logs_effects)
        return reply
