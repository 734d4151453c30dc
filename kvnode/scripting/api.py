"""The functions of the `redis` table, as Lua calls them.

Each is wrapped as a Lua C function, so that errors name the line of the script that called. They
raise one prepared exception whatever the error: Lua gets it as a value made beforehand, and asks
`take_failure` for the text.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, final

from lupa.lua51 import LuaError

from kvnode.scripting.values import UNCHECKED_BYTES, LuaValues, arguments
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import format_double
from kvprotocol.replies import ErrorReply, Reply

if TYPE_CHECKING:
    from kvnode.scripting.engine import LuaEngine
    from kvnode.scripting.runtime import Scripting

_NUMERAL: Final = re.compile(
    rb"\s*[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
)
_NOT_RUNNING: Final = "ERR redis.call/pcall can only be called inside a script invocation"
_REPL_ALL: Final = 3
_LEVELS: Final = ("debug", "verbose", "notice", "warning")


class LuaFailure(Exception):
    """Says to Lua that a call failed; the engine's API holds why."""


@final
class HostApi:
    """What one Lua state may call of Python."""

    def __init__(self, scripting: Scripting, engine: LuaEngine) -> None:
        self._scripting = scripting
        self._engine = engine
        self.failure = LuaFailure()
        self.values: LuaValues | None = None
        self._message = ""
        self._was_counted = False
        self.registrar: Registrar | None = None

    def host(self, runtime: Any) -> dict[bytes, object]:
        """Return the functions by the names under which the sandbox asks for them."""
        self.values = LuaValues(runtime.table_from, self._engine.has_room)
        return {
            b"call": self.call,
            b"pcall": self.pcall,
            b"error_reply": self.error_reply,
            b"status_reply": self.status_reply,
            b"sha1hex": self.sha1hex,
            b"log": self.log,
            b"setresp": self.setresp,
            b"set_repl": self.set_repl,
            b"acl_check_cmd": self.acl_check_cmd,
            b"replicate_commands": self.replicate_commands,
            b"breakpoint": self.breakpoint_,
            b"debug": self.debug,
            b"register_function": self.register_function,
            b"take_failure": self.take_failure,
            b"tick": self._scripting.tick,
            b"note_error": self._scripting.note_error,
            b"double": self.double,
            b"script_protocol": self.script_protocol,
            b"note_coroutine": self.note_coroutine,
        }

    def leave(self) -> None:
        """Forget the Lua state that is being dropped."""
        self.values = None

    def lua(self) -> LuaValues:
        values = self.values
        assert values is not None
        return values

    def _fail(self, message: str, was_counted: bool = False) -> LuaFailure:
        """Prepare the exception that stands for an error."""
        self._message = message
        self._was_counted = was_counted
        self.failure.__traceback__ = None  # or each raise would add to it
        return self.failure

    def take_failure(self) -> object:
        """Return the error that was raised last, as a table; None where Lua has no room for it."""
        if not self._message or self._engine.is_full():
            return None
        return self.lua().error(self._message, self._was_counted)

    def fail_from_hook(self, message: str) -> None:
        """Prepare the error that the hook raises by itself."""
        self._fail(message)

    # redis.call and redis.pcall

    def call(self, *args: object) -> object:
        """redis.call: run a command; its error ends the script."""
        reply = self._perform(args)
        if isinstance(reply, int) and not isinstance(reply, bool):
            return reply  # which needs no memory
        if isinstance(reply, ErrorReply):
            raise self._fail(reply.message, True)
        return self._converted(reply)

    def pcall(self, *args: object) -> object:
        """redis.pcall: run a command; its error is a value."""
        self._check_room()
        try:
            reply = self._perform(args)
        except LuaFailure:
            if not self._message:
                raise
            return self.lua().error(self._message, self._was_counted)
        if isinstance(reply, ErrorReply):
            return self.lua().error(reply.message, True)
        return self._converted(reply)

    def _perform(self, args: tuple[object, ...]) -> Reply:
        scripting = self._scripting
        run = scripting.running
        if run is None:
            raise self._fail(_NOT_RUNNING)
        argv: list[bytes] = []
        for value in args:
            if isinstance(value, bytes):
                argv.append(value)
            else:
                argv = self._argv(args)
                break
        if not argv:
            argv = self._argv(args)
        return scripting.calls.perform(run, argv)

    def _argv(self, args: tuple[object, ...]) -> list[bytes]:
        try:
            return arguments(args)
        except ReplyError as error:
            raise self._fail(error.message) from None

    def _converted(self, reply: Reply) -> object:
        if self._engine.is_full():
            raise self._fail("")
        if isinstance(reply, bytes) and len(reply) < UNCHECKED_BYTES:
            return reply
        try:
            return self.lua().value(reply)
        except MemoryError:
            raise self._fail("") from None
        except LuaError:
            raise self.failure from None  # prepared by the hook, which came at this moment

    def note_coroutine(self) -> None:
        """Note that there are coroutines: while one runs, Python must not call Lua.

        lupa would run the function in the main thread, which waits for the coroutine.
        """
        self.lua().may_call = False

    # --- replies and errors -----------------------------------------------------------------------

    def error_reply(self, *args: object) -> object:
        """redis.error_reply: a table that a script returns as an error."""
        self._check_room()
        if len(args) != 1 or not isinstance(args[0], bytes):
            return self.lua().error("ERR wrong number or type of arguments", False)
        text = args[0].partition(b"\0")[0].decode("utf-8", "surrogateescape")
        return self.lua().error(error_text(text if text.startswith("-") else "-" + text), False)

    def status_reply(self, *args: object) -> object:
        """redis.status_reply: a table that a script returns as a status."""
        self._check_room()
        if len(args) != 1 or not isinstance(args[0], bytes):
            return self.lua().error("ERR wrong number or type of arguments", False)
        return self.lua().status(args[0])

    def double(self, value: float | bytes, protocol: int) -> bytes:
        """Return a double of a script's reply in wire form."""
        text = format_double(float(value))
        if protocol == 2:
            return b"$%d\r\n%s\r\n" % (len(text), text)
        return b",%s\r\n" % text

    def _check_room(self) -> None:
        if self._engine.is_full():
            raise self._fail("")

    # --- everything else --------------------------------------------------------------------------

    def sha1hex(self, *args: object) -> object:
        """redis.sha1hex: the SHA1 digest of a string in hexadecimal digits."""
        self._check_room()
        if len(args) != 1:
            raise self._fail("ERR wrong number of arguments")
        value = args[0]
        data = b""
        if isinstance(value, bytes):
            data = value
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            data = b"%.14g" % value
        return hashlib.sha1(data, usedforsecurity=False).hexdigest().encode()

    def log(self, *args: object) -> object:
        """redis.log: a line of the node's log."""
        self._check_room()
        if len(args) < 2:
            raise self._fail("ERR redis.log() requires two arguments or more.")
        level = as_number(args[0])
        if level is None:
            raise self._fail("ERR First argument must be a number (log level).")
        number = _cut(level)
        if not 0 <= number <= 3:
            raise self._fail("ERR Invalid debug level.")
        words: list[bytes] = []
        for value in args[1:]:
            if isinstance(value, bytes):
                words.append(value)
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                words.append(b"%.14g" % value)
        line: dict[str, object] = {"text": b" ".join(words)}
        self._scripting.node.journal.note(_LEVELS[number], "script", line)
        return None

    def setresp(self, *args: object) -> object:
        """redis.setresp: the protocol by which replies are converted."""
        self._check_room()
        if len(args) != 1:
            raise self._fail("ERR redis.setresp() requires one argument.")
        protocol = _cut(as_number(args[0]) or 0.0)
        if protocol not in (2, 3):
            raise self._fail("ERR RESP version must be 2 or 3.")
        self._scripting.session.writer.protocol = protocol
        self.lua().protocol = protocol
        return None

    def script_protocol(self) -> int:
        """Return what redis.setresp of the running script said."""
        return int(self.lua().protocol)

    def set_repl(self, *args: object) -> object:
        """redis.set_repl: whether the effects of what follows are logged."""
        self._check_room()
        run = self._scripting.running
        if run is None:
            raise self._fail(_NOT_RUNNING)
        if len(args) != 1:
            raise self._fail("ERR redis.set_repl() requires two arguments.")
        flags = _cut(as_number(args[0]) or 0.0)
        if flags & ~_REPL_ALL:
            raise self._fail(
                "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."
            )
        run.logs_effects = flags != 0
        return None

    def replicate_commands(self, *args: object) -> object:
        """redis.replicate_commands: always so, since Redis 7."""
        return True

    def breakpoint_(self, *args: object) -> object:
        """redis.breakpoint: there is no debugger."""
        return False

    def debug(self, *args: object) -> object:
        """redis.debug: there is no debugger."""
        return None

    def acl_check_cmd(self, *args: object) -> object:
        """redis.acl_check_cmd: whether the caller may run a command."""
        self._check_room()
        if self._scripting.running is None:
            raise self._fail(_NOT_RUNNING)
        try:
            argv = arguments(args)
        except ReplyError as error:
            raise self._fail(error.message) from None
        allowed = self._scripting.calls.allows(argv)
        if allowed is None:
            raise self._fail("ERR Invalid command passed to redis.acl_check_cmd()")
        return allowed

    def register_function(self, *args: object) -> object:
        """redis.register_function: see `Registrar`; only while a library is loaded."""
        self._check_room()
        registrar = self.registrar
        if registrar is None:
            raise self._fail(
                "ERR redis.register_function can only be called on FUNCTION LOAD command"
            )
        try:
            registrar.register(args)
        except ReplyError as error:
            raise self._fail(error.message) from None
        return None


class Registrar:
    """Takes what a library registers; FUNCTION LOAD subclasses it."""

    def register(self, args: tuple[object, ...]) -> None:
        """Take the arguments of one call of register_function. ReplyError: they are wrong."""


def error_text(text: str) -> str:
    """Return the text of an error table of `-CODE words` or of `words`, which are given ERR."""
    if text.startswith("-"):
        code, space, words = text[1:].partition(" ")
        if space:
            return f"{code} {words}".rstrip("\r\n")
        text = code
    return f"ERR {text}".rstrip("\r\n")


def as_number(value: object) -> float | None:
    """Return a Lua value as a number, also a string that reads as one; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bytes) and _NUMERAL.fullmatch(value):
        text = value.strip()
        return float(int(text, 16)) if b"x" in text.lower() else float(text)
    return None


def _cut(value: float) -> int:
    """Return a number without its fraction, -1 for what no integer holds."""
    return int(value) if -1e15 < value < 1e15 else -1
