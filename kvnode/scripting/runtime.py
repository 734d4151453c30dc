"""Runs scripts and functions: EVAL and FCALL share everything from here on.

    scripting.run(ctx, target, argv, key_count, read_only) -> Reply

checks what a target's flags demand, makes its commands one unit of effects, lets it be killed when
it runs for too long, and turns its result or its error into the reply. A target's commands run in a
session of their own, with the caller's user and, to begin with, its database.

A library of functions is loaded with

    scripting.load_library(code, registrar)

which runs its code in the functions' Lua state; `registrar` (a subclass of `api.Registrar`) takes
each call of redis.register_function. The registered Lua functions go into `Target`s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from mypy_extensions import i64

from kvnode.command import Command
from kvnode.context import Context
from kvnode.gates import DISK_FAILS, FOLLOWS, IS_BUSY, IS_STALE, LACKS_FOLLOWERS
from kvnode.scripting.api import Registrar
from kvnode.scripting.calls import MONITOR_PEER, ScriptCalls
from kvnode.scripting.engine import (
    OUT_OF_MEMORY,
    LuaEngine,
    is_counted,
    is_failure,
    plain_reply,
    tuple_reply,
)
from kvnode.scripting.flags import (
    ALLOW_OOM,
    COMPATIBLE,
    NO_WRITES,
    command_flags,
    read_shebang,
)
from kvnode.scripting.functions import FunctionLibraries
from kvnode.scripting.scripts import ScriptCache, Target
from kvnode.session import RESTRICTED, Outlet, Session
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, ErrorReply, Reply

if TYPE_CHECKING:
    from kvnode.node import Node

_LOAD_SECONDS: Final = 0.5
_YIELD_SECONDS: Final = 0.01
_WRITES_BUT_RO: Final = "ERR Can not execute a script with write flag using *_ro command."
_OOM_FLAG_MISSING: Final = (
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
)
_NOT_BUSY: Final = "NOTBUSY No scripts in execution right now."
_UNKILLABLE: Final = (
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
    "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
    "NOSAVE command."
)
_FUNCTION_CHUNK: Final = b"@user_function"


@final
class Run:
    """One script while it runs."""

    def __init__(self, target: Target, argv: list[bytes], session: Session, started: float) -> None:
        self.target = target
        self.argv = argv  # the caller's request, for FUNCTION STATS
        self.session = session  # the caller's
        self.started = started
        self.wrote = False  # or is about to: too late to be killed
        self.kill = False
        self.busy = False
        self.yielded = started
        self.logs_effects = True
        self.failed = False  # an error stands in its reply
        self.read_only = False
        self.out_of_memory = False  # when it began
        self.write_error = ""  # why it may not write, when it began
        self.is_stale = False  # whether the data is, when it began
        self.careful = False  # one of the four above: every call is looked at

    def milliseconds(self, now: float) -> int:
        """Return for how long it has been running."""
        return int((now - self.started) * 1000.0)


@final
class Scripting:
    """All of a node's scripting."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.running: Run | None = None
        self.session = Session(
            0, node.dispatcher, node.dataset.databases[0], Outlet(), node.clock.now()
        )
        self.session.peer = MONITOR_PEER
        self.calls = ScriptCalls(node, self.session)
        self.eval_engine = LuaEngine(self, False)
        self.function_engine = LuaEngine(self, True)
        self.scripts = ScriptCache(self.eval_engine)
        self.functions = FunctionLibraries(self)
        self._load_until = 0.0

    # --- calls ------------------------------------------------------------------------------------

    def run(
        self, ctx: Context, target: Target, argv: list[bytes], key_count: i64, read_only: bool
    ) -> Reply:
        """Run a script or function with argv's keys and arguments; return its reply.

        ReplyError: it may not run as things are, or ended with an error.
        """
        session = ctx.session
        run = Run(target, argv, session, float(ctx.now_ms) / 1000.0)
        self._prepare(run, target.flags, read_only)
        own = self.session
        own.keyspace = session.keyspace
        own.writer.protocol = 2
        own.user = session.user
        own.gate = session.gate & RESTRICTED
        engine = self.function_engine if target.is_function else self.eval_engine
        engine.begin()
        dispatcher = self.node.dispatcher
        may_block = ctx.may_block
        ctx.may_block = False
        opened = dispatcher.open_unit()
        self.running = run
        try:
            result = engine.call(target.function, session.writer.protocol, key_count, argv)
        finally:
            self.running = None
            ctx.may_block = may_block
            ctx.enter(session, session.keyspace)
            if run.busy:
                dispatcher.gate &= ~IS_BUSY
            if opened:
                dispatcher.close_unit()
        if not isinstance(result, tuple):
            if isinstance(result, (bytes, list)):
                return result
            return plain_reply(result, engine.api.lua().protocol)
        if run.failed:
            command = self.node.commands.get(argv[0].lower())
            if command is not None:
                command.failed += 1
        if is_failure(result):
            raise self._failure(engine, target, result)
        reply = tuple_reply(result)
        if isinstance(reply, ErrorReply):
            raise ReplyError(reply.message, is_counted(result))
        return reply

    def _prepare(self, run: Run, flags: i64, read_only: bool) -> None:
        """Refuse a target whose flags do not fit the state of the node; note what restricts it."""
        node = self.node
        run.read_only = read_only
        # A leader of an old version sends scripts instead of their effects.
        gate = 0 if run.session.is_leader else node.dispatcher.gate
        run.out_of_memory = node.eviction.out_of_room and not run.session.is_leader
        if not flags & COMPATIBLE:
            if not flags & NO_WRITES and read_only:
                raise ReplyError(_WRITES_BUT_RO)
            if run.out_of_memory:
                if not flags & (ALLOW_OOM | NO_WRITES):
                    raise ReplyError(_OOM_FLAG_MISSING)
                run.out_of_memory = not flags & ALLOW_OOM
            if flags & NO_WRITES:
                run.read_only = True
        elif gate & IS_STALE:
            raise ReplyError(errors.LEADER_DOWN)
        if gate & (DISK_FAILS | FOLLOWS | LACKS_FOLLOWERS):
            run.write_error = node.dispatcher.admission.write_refusal()
        run.is_stale = bool(gate & IS_STALE)
        restricts = run.read_only or run.out_of_memory or run.is_stale
        run.careful = restricts or bool(run.write_error)

    def _failure(self, engine: LuaEngine, target: Target, result: tuple[Any, ...]) -> ReplyError:
        """Return the error of a script that was ended by one."""
        if engine.is_full():
            engine.recover()
        text = result[1]
        if text is None:
            return ReplyError("ERR unknown error")
        message: str = text.decode("utf-8", "surrogateescape")
        if len(result) > 4 and result[3] is not None and result[4] is not None:
            source = result[3].decode("utf-8", "surrogateescape")
            name = target.name.decode("utf-8", "surrogateescape")
            message = f"{message} script: {name}, on {source}:{int(result[4])}."
        return ReplyError(message.rstrip("\r\n"), is_counted(result))

    def admission_flags(self, command: Command, argv: list[bytes]) -> i64:
        """Return the flags by which a call is admitted: those of the script, where it has some."""
        name = command.full_name
        if name == b"eval" or name == b"eval_ro":
            try:
                return command_flags(command.flags, read_shebang(argv[1])[0])
            except ReplyError:
                return command.flags
        if name == b"evalsha" or name == b"evalsha_ro":
            script = self.scripts.find(argv[1])
            return command.flags if script is None else command_flags(command.flags, script.flags)
        if name == b"fcall" or name == b"fcall_ro":
            function = self.functions.find(argv[1])
            if function is not None:
                return command_flags(command.flags, function.flags)
        return command.flags

    # --- libraries --------------------------------------------------------------------------------

    def load_library(self, code: bytes, registrar: Registrar) -> None:
        """Run a library's code, which registers its functions. ReplyError: it cannot be loaded."""
        engine = self.function_engine
        try:
            function = engine.compile(code, _FUNCTION_CHUNK)
        except ReplyError as error:
            raise ReplyError(f"ERR Error compiling function: {error.message}") from error
        engine.api.registrar = registrar
        self._load_until = self.node.clock.now() + _LOAD_SECONDS
        try:
            result = engine.load(function)
        finally:
            engine.api.registrar = None
            self._load_until = 0.0
        if isinstance(result, tuple) and is_failure(result):
            if engine.is_full():
                engine.recover()
            text = result[1] if result[1] is not None else OUT_OF_MEMORY.encode()
            message = text.decode("utf-8", "surrogateescape")
            raise ReplyError(f"ERR Error registering functions: {message}")

    # --- long runs --------------------------------------------------------------------------------

    def tick(self) -> bool:
        """Look after a script that runs for long; return whether it has to stop.

        Called by Lua after every 100,000 instructions.
        """
        now = self.node.clock.now()
        run = self.running
        if run is None:
            if self._load_until == 0.0 or now < self._load_until:
                return False
            self.function_engine.api.fail_from_hook("ERR FUNCTION LOAD timeout")
            return True
        if not run.busy:
            threshold = self.node.settings.busy_reply_threshold
            if threshold == 0 or run.milliseconds(now) < threshold:
                return False
            run.busy = True
            self.node.dispatcher.gate |= IS_BUSY
        if not run.kill and now - run.yielded >= _YIELD_SECONDS:
            self._yield()
            run.yielded = self.node.clock.now()
        if not (run.kill or self.node.stop_requested):
            return False
        engine = self.function_engine if run.target.is_function else self.eval_engine
        engine.api.fail_from_hook("ERR Script killed by user with SCRIPT KILL...")
        return True

    def _yield(self) -> None:
        """Let other sessions be served while the script waits; what is the script's stays."""
        node = self.node
        if node.yield_control is None:
            return
        ctx = node.ctx
        dataset = node.dataset
        dispatcher = node.dispatcher
        session = ctx.session
        keyspace = ctx.keyspace
        now_ms = ctx.now_ms
        unit = dispatcher.unit
        heard = dataset.heard
        effects = ctx.effects
        dispatcher.unit = None
        dataset.heard = []
        ctx.effects = None
        ctx.may_block = True
        try:
            node.yield_control()
        finally:
            ctx.enter(session, keyspace)
            ctx.now_ms = now_ms
            dataset.now_ms = now_ms
            ctx.may_block = False
            ctx.effects = effects
            dataset.heard = heard + dataset.heard
            dispatcher.unit = unit

    def is_busy(self) -> bool:
        """Return whether a script runs for longer than busy-reply-threshold."""
        run = self.running
        return run is not None and run.busy

    def busy_error(self) -> str:
        """Return the error for requests that have to wait for the running script."""
        run = self.running
        is_function = run is not None and run.target.is_function
        return errors.BUSY_FUNCTION if is_function else errors.BUSY_SCRIPT

    def kill(self, is_function: bool) -> Reply:
        """Stop the running script, for SCRIPT KILL or FUNCTION KILL. ReplyError: it may not be."""
        run = self.running
        if run is None:
            raise ReplyError(_NOT_BUSY)
        if run.wrote:
            raise ReplyError(_UNKILLABLE)
        if run.target.is_function != is_function:
            raise ReplyError(self.busy_error())
        run.kill = True
        return OK

    def note_error(self, text: bytes, was_counted: bool) -> None:
        """Count an error that stands inside of the running script's reply."""
        if not was_counted:
            self.node.stats.count_error(text.decode("utf-8", "surrogateescape"))
        if self.running is not None:
            self.running.failed = True

    # --- observation ------------------------------------------------------------------------------

    def apply_settings(self) -> None:
        """Take over a changed memory limit."""
        limit = self.node.settings.lua_memory_limit
        for engine in (self.eval_engine, self.function_engine):
            engine.set_limit(limit)
