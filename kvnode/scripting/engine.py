"""One Lua state: built with its sandbox, called, limited in memory, and mended after it ran out.

Memory. `lua-memory-limit` bounds what Lua holds. Inside of Lua a failing allocation is an error
like another. Outside of it, while lupa passes values to Lua, it would end the process. So Lua's
allocator is given more than the limit, and Python passes nothing while more than the limit is in
use. The margin is what a garbage collection may need for itself (a smaller table of strings: an
eighth of what is held at most) and some MiB.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from lupa.lua51 import LuaError, LuaMemoryError, LuaRuntime
from mypy_extensions import i64

from kvnode.scripting.api import HostApi
from kvnode.scripting.parameters import unsafe_parameters
from kvnode.scripting.passage import Passage
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, ErrorReply, Prepared, Reply, Simple

if TYPE_CHECKING:
    from kvnode.scripting.runtime import Scripting

REDIS_VERSION: Final = b"7.0.15"
REDIS_VERSION_NUMBER: Final = 0x0007000F

_SANDBOX: Final = Path(__file__).with_name("sandbox.lua")
_MARGIN_BYTES: Final = 16 << 20
_FEW_ARGUMENTS: Final = 200  # are passed in a row, more of them in tables
_SMALL_BYTES: Final = 1 << 20  # of arguments, for which the margin has room always
_CALLS_PER_STEP: Final = 50  # of the collector, as in Redis
_I64_MIN: Final = -(2**63)
OUT_OF_MEMORY: Final = "ERR not enough memory"

# What a script's result is, where it is no plain value.
_TEXT: Final = 1
_STATUS: Final = 2
_ENCODED: Final = 3
_ROW: Final = 5


def _deny_read(_obj: object, _name: object) -> object:
    raise AttributeError("not accessible")


def _deny_write(_obj: object, _name: object, _value: object) -> None:
    raise AttributeError("not accessible")


@final
class LuaEngine:
    """One Lua state with its sandbox; `generation` grows when it is built anew."""

    def __init__(self, scripting: Scripting, for_functions: bool) -> None:
        self.scripting = scripting
        self.for_functions = for_functions
        self.api = HostApi(scripting, self)
        self.generation = 0
        self.limit: i64 = 0
        self._runtime: Any = None
        self._used: Any = None
        self._compile: Any = None
        self._run: Any = None
        self._run_keyless: Any = None
        self._run_one_key: Any = None
        self._run_tables: Any = None
        self._set_protocol: Any = None
        self._encode_row: Any = None
        self._protocol: i64 = 2
        self._load_library: Any = None
        self._step: Any = None
        self._forget: Any = None
        self._passage: Passage | None = None
        self._calls: i64 = 0

    def start(self) -> None:
        """Build the Lua state, unless it is there."""
        if self._runtime is not None:
            return
        # Imported here: the parsers behind the libraries are 15 ms of a start and 6 MB, and many a
        # node never runs a script.
        from kvnode.scripting import libraries

        limit = int(self.scripting.node.settings.lua_memory_limit)
        runtime = LuaRuntime(
            encoding=None,
            attribute_handlers=(_deny_read, _deny_write),
            register_eval=False,
            register_builtins=False,
            max_memory=0,
        )
        self._runtime = runtime
        self._used = runtime.get_memory_used
        self.generation += 1
        self._passage = Passage(runtime, self.has_room)
        host = self.api.host(runtime)
        host[b"unsafe_parameters"] = unsafe_parameters
        built = runtime.execute(
            _SANDBOX.read_bytes(),
            runtime.table_from(host),
            self.api.failure,
            self.for_functions,
            REDIS_VERSION,
            REDIS_VERSION_NUMBER,
            runtime.table_from(libraries.install(runtime, self._passage)),
            name="=kvnode",
        )
        self._compile = built[b"compile"]
        self._run = built[b"run"]
        self._run_keyless = built[b"run_keyless"]
        self._run_one_key = built[b"run_one_key"]
        self._run_tables = built[b"run_tables"]
        self._set_protocol = built[b"set_protocol"]
        self._encode_row = built[b"encode_row"]
        self._load_library = built[b"load_library"]
        self._step = built[b"step"]
        self._forget = built[b"forget"]
        self._protocol = 2
        built[b"references"]()
        self.api.lua().hold(built[b"hold"], built[b"renew_ok"], built[b"fill_array"])
        self.set_limit(limit)

    def stop(self) -> None:
        """Drop the Lua state with everything in it; `start` makes a new one."""
        self.generation += 1
        self._runtime = None
        self._used = None
        self._compile = None
        self._run = None
        self._run_keyless = None
        self._run_one_key = None
        self._run_tables = None
        self._set_protocol = None
        self._encode_row = None
        self._load_library = None
        self._step = None
        self._forget = None
        if self._passage is not None:
            self._passage.close()
            self._passage = None
        self.api.leave()

    def set_limit(self, limit: i64) -> None:
        """Bound the memory of the state to so many bytes; 0 is no limit."""
        self.limit = limit
        if self._runtime is not None:
            bound = limit + limit // 7 + _MARGIN_BYTES if limit > 0 else 0
            self._runtime.set_max_memory(int(bound))

    def begin(self) -> None:
        """Prepare for a call: replies are converted by RESP2 again."""
        values = self.api.values
        if values is not None:
            values.begin()

    def memory(self) -> int:
        """Return the bytes that the Lua state holds."""
        return int(self._used()) if self._used is not None else 0

    def is_full(self) -> bool:
        """Return whether Python may pass nothing to Lua, for the limit is reached."""
        if self.limit == 0:
            return False
        used: i64 = self._used()
        return used > self.limit

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes fit below the limit."""
        return self.limit == 0 or int(self._used()) + size <= self.limit

    def make_room(self, size: int) -> bool:
        """Return whether so many bytes fit below the limit, after a collection if need be."""
        if self.has_room(size):
            return True
        self.recover()
        return self.has_room(size)

    def recover(self) -> None:
        """Free all that the last script left behind."""
        runtime = self._runtime
        if runtime is None:
            return
        # The collection itself must not fail, nor may anything that is called for it.
        runtime.set_max_memory(0)
        self._forget()
        runtime.gccollect()
        runtime.gccollect()
        self.set_limit(self.limit)

    def compile(self, code: bytes, chunk: bytes) -> Any:
        """Return the function of a source text. ReplyError with Lua's words: it has none."""
        self.start()
        if not self.make_room(4 * len(code)):
            raise ReplyError("not enough memory")
        try:
            compiled = self._compile(code, chunk)
        except LuaError as error:
            self.recover()
            raise ReplyError(str(error) or "not enough memory") from error
        if isinstance(compiled, tuple):
            reason = compiled[1]
            if reason == b"not enough memory":
                self.recover()
            raise ReplyError(reason.decode("utf-8", "surrogateescape"))
        return compiled

    def call(self, function: Any, protocol: i64, key_count: i64, argv: list[bytes]) -> object:
        """Run a function with the keys and arguments from argv[3] on; return what `result` reads.

        The result of Lua's `result` and `finish`: a plain value, a list, or a tuple that begins
        with its kind.
        """
        self._calls += 1
        if self._calls >= _CALLS_PER_STEP:
            self._calls = 0
            self._step()
        size: i64 = 0
        for word in argv:
            size += len(word) + 64
        if self.limit > 0 and (size > _SMALL_BYTES or self.is_full()):
            if not self.make_room(int(size)):
                return (0, b"ERR not enough memory")
        try:
            if protocol != self._protocol:
                self._set_protocol(protocol)
                self._protocol = protocol
            result = self._called(function, key_count, argv)
            if isinstance(result, tuple) and result[0] == _ROW:
                row = row_reply(result, self.api.lua().protocol)
                return self._encode_row() if row is None else row
            return result
        except LuaMemoryError:
            self.recover()
            return (0, b"ERR not enough memory")

    def _called(self, function: Any, key_count: i64, argv: list[bytes]) -> object:
        """Run a function with what is in argv, in the form that costs least."""
        argc: i64 = len(argv)
        if key_count == 1 and argc <= 5:  # spelled out: a list of arguments would be copied twice
            if argc == 4:
                return self._run_one_key(function, argv[3])
            return self._run_one_key(function, argv[3], argv[4])
        if argc == 3:
            return self._run_keyless(function)
        if argc <= _FEW_ARGUMENTS:
            if key_count == 0:
                return self._run_keyless(function, *argv[3:])
            if key_count == 1:
                return self._run_one_key(function, *argv[3:])
            return self._run(function, key_count, *argv[3:])
        make_table = self._runtime.table_from
        keys = make_table(argv[3 : 3 + key_count])
        return self._run_tables(function, keys, make_table(argv[3 + key_count :]))

    def load(self, function: Any) -> object:
        """Run a library's code; return None or a tuple as `finish` gives it."""
        try:
            return self._load_library(function)
        except LuaMemoryError:
            self.recover()
            return (0, b"ERR not enough memory")


def plain_reply(value: object, protocol: i64) -> Reply:
    """Return the reply of a string, a number, a boolean or nothing; `protocol`: redis.setresp's."""
    if isinstance(value, float):
        if value != value or value >= 9223372036854775808.0 or value < -9223372036854775808.0:
            return _I64_MIN
        return int(value)
    if isinstance(value, bool) and protocol == 2:
        return 1 if value else None
    return value


def row_reply(result: tuple[Any, ...], protocol: i64) -> list[Reply] | None:
    """Return the reply of an array that crossed as it is; None: something else is in it."""
    items: list[Reply] = []
    i: i64 = 1
    size: i64 = len(result)
    while i < size:
        item: object = result[i]
        if isinstance(item, bytes):
            items.append(item)
        elif isinstance(item, (int, float)):
            items.append(plain_reply(item, protocol))
        else:
            return None
        i += 1
    return items


def tuple_reply(result: tuple[Any, ...]) -> Reply:
    """Return the reply of a result that is a tuple and no failure."""
    kind = result[0]
    if kind == _STATUS:
        return OK if result[1] == b"OK" else Simple(result[1])
    if kind == _ENCODED:
        return Prepared(result[1], result[1])
    return ErrorReply(result[1].decode("utf-8", "surrogateescape"))


def is_failure(result: tuple[Any, ...]) -> bool:
    """Return whether a script was ended by an error."""
    return result[0] not in (_TEXT, _STATUS, _ENCODED)


def is_counted(result: tuple[Any, ...]) -> bool:
    """Return whether errorstats has the error of a result already."""
    return len(result) > 2 and bool(result[2])
