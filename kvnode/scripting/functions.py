"""Libraries of functions: what FUNCTION LOAD makes, FCALL finds and FUNCTION DUMP writes.

A library is a source text whose first line names it (`#!lua name=lib`). Its code runs once, in the
Lua state that all functions share, and registers functions; from then on they are called by name.
Names of functions are unique over all libraries, whatever their case; names of libraries are told
apart by case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from librt.strings import BytesWriter
from lupa.lua51 import lua_type
from mypy_extensions import i64

from kvnode.rdb.encoding import Reader, write_string
from kvnode.rdb.lzf import DamagedError
from kvnode.rdb.payload import seal, sealed_size
from kvnode.scripting.api import Registrar
from kvnode.scripting.flags import flag_of
from kvnode.scripting.scripts import Target
from kvprotocol.errors import ReplyError
from kvprotocol.requests import split_words

if TYPE_CHECKING:
    from kvnode.scripting.runtime import Scripting

ENGINE: Final = b"LUA"
APPEND: Final = 0
FLUSH: Final = 1
REPLACE: Final = 2

_OPCODE_FUNCTION: Final = 245
_OPCODE_FUNCTION_PRE_GA: Final = 246
_LIBRARY_BYTES: Final = 200  # of a library beside its texts, and of a function
_FUNCTION_BYTES: Final = 150
_NAME_BYTES: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_BAD_NAME: Final = (
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least "
    "one character long"
)
_REGISTER: Final = "redis.register_function"


@final
class Function:
    """One registered function."""

    def __init__(self, name: bytes, callback: Any, flags: i64, description: bytes | None) -> None:
        self.name = name
        self.flags: i64 = flags
        self.description = description
        self.target = Target(callback, name, flags, True)


@final
class Library:
    """One library: its name, its whole source, its functions by name."""

    def __init__(self, name: bytes, code: bytes) -> None:
        self.name = name
        self.code = code
        self.functions: dict[bytes, Function] = {}

    def memory(self) -> int:
        """Return what the library takes outside of Lua, in bytes."""
        total = len(self.code) + len(self.name) + _LIBRARY_BYTES
        for function in self.functions.values():
            total += len(function.name) + len(function.description or b"") + _FUNCTION_BYTES
        return total


@final
class FunctionRegistrar(Registrar):
    """Puts what redis.register_function is called with into a library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def register(self, args: tuple[object, ...]) -> None:
        if not 1 <= len(args) <= 2:
            raise ReplyError(f"ERR wrong number of arguments to {_REGISTER}")
        function = _named(args[0]) if len(args) == 1 else _positional(args[0], args[1])
        if not is_name(function.name):
            raise ReplyError(_BAD_NAME)
        if function.name in self._library.functions:
            raise ReplyError("ERR Function already exists in the library")
        self._library.functions[function.name] = function


def is_name(name: bytes) -> bool:
    """Return whether libraries and functions may be called so."""
    return len(name) > 0 and _NAME_BYTES.issuperset(name)


def _text(value: object) -> bytes | None:
    """Return a Lua value as a string, where it is one or a number."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return b"%.14g" % value  # as Lua writes it
    return None


def _is_function(value: object) -> bool:
    return lua_type(value) == "function" or (lua_type(value) is None and callable(value))


def _positional(name: object, callback: object) -> Function:
    """Return the function of register_function(name, callback)."""
    text = _text(name)
    if text is None:
        raise ReplyError(f"ERR first argument to {_REGISTER} must be a string")
    if not _is_function(callback):
        raise ReplyError(f"ERR second argument to {_REGISTER} must be a function")
    return Function(text, callback, 0, None)


def _named(argument: Any) -> Function:
    """Return the function of register_function{function_name = ..., callback = ..., ...}."""
    if lua_type(argument) != "table":
        raise ReplyError(
            f"ERR calling {_REGISTER} with a single argument is only applicable to Lua table "
            "(representing named arguments)."
        )
    name: bytes | None = None
    callback: object = None
    description: bytes | None = None
    flags: i64 = 0
    for key, value in argument.items():
        word = key.lower() if isinstance(key, bytes) else b""
        if word == b"function_name":
            name = _text(value)
            if name is None:
                raise ReplyError(
                    f"ERR function_name argument given to {_REGISTER} must be a string"
                )
        elif word == b"description":
            description = _text(value)
            if description is None:
                raise ReplyError(f"ERR description argument given to {_REGISTER} must be a string")
        elif word == b"callback":
            if not _is_function(value):
                raise ReplyError(f"ERR callback argument given to {_REGISTER} must be a function")
            callback = value
        elif word == b"flags":
            if lua_type(value) != "table":
                raise ReplyError(
                    f"ERR flags argument to {_REGISTER} must be a table representing function flags"
                )
            flags = _flags(value)
        else:
            raise ReplyError(f"ERR unknown argument given to {_REGISTER}")
    if name is None:
        raise ReplyError(f"ERR {_REGISTER} must get a function name argument")
    if callback is None:
        raise ReplyError(f"ERR {_REGISTER} must get a callback argument")
    return Function(name, callback, flags, description)


def _flags(table: Any) -> i64:
    """Return the flags that a Lua array names."""
    flags: i64 = 0
    i = 1
    while True:
        name = table[i]
        if name is None:
            return flags
        flag = flag_of(name.lower()) if isinstance(name, bytes) else 0
        if flag == 0:
            raise ReplyError("ERR unknown flag given")
        flags |= flag
        i += 1


def read_metadata(code: bytes) -> tuple[bytes, int]:
    """Return a library's name and the length of its first line, without the line feed."""
    if not code.startswith(b"#!"):
        raise ReplyError("ERR Missing library metadata")
    end = code.find(b"\n")
    words = split_words(code[:end]) if end > 0 and b"\0" not in code[:end] else None
    if not words:
        raise ReplyError("ERR Invalid library metadata")
    name: bytes | None = None
    for word in words[1:]:
        if word[:5].lower() != b"name=":
            raise ReplyError(f"ERR Invalid metadata value given: {_shown(word)}")
        if name is not None:
            raise ReplyError("ERR Invalid metadata value, name argument was given multiple times")
        name = word[5:]
    if name is None:
        raise ReplyError("ERR Library name was not given")
    if not is_name(name):
        raise ReplyError(_BAD_NAME)
    if words[0][2:].upper() != ENGINE:
        raise ReplyError(f"ERR Engine '{_shown(words[0][2:])}' not found")
    return name, end


def _shown(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


@final
class Catalogue:
    """A set of libraries and the index of their functions by lower-case name."""

    def __init__(self) -> None:
        self.libraries: dict[bytes, Library] = {}
        self.functions: dict[bytes, Function] = {}

    def copy(self) -> Catalogue:
        """Return another catalogue of the same libraries."""
        other = Catalogue()
        other.libraries = dict(self.libraries)
        other.functions = dict(self.functions)
        return other

    def add(self, library: Library) -> None:
        """Take a library in. ReplyError: one of its functions is there already."""
        for name in library.functions:
            if name.lower() in self.functions:
                raise ReplyError(f"ERR Function {_shown(name)} already exists")
        for name, function in library.functions.items():
            self.functions[name.lower()] = function
        self.libraries[library.name] = library

    def remove(self, library: Library) -> None:
        """Drop a library and its functions."""
        del self.libraries[library.name]
        for name in library.functions:
            del self.functions[name.lower()]


def _read_library(reader: Reader) -> bytes:
    """Return the source of the next library of a dump, of today's form or of 7.0's candidates."""
    opcode = reader.byte()
    if opcode == _OPCODE_FUNCTION:
        return _read_string(reader, "payload")
    if opcode != _OPCODE_FUNCTION_PRE_GA:
        raise ReplyError("ERR given type is not a function")
    name = _read_string(reader, "name")
    try:
        engine = reader.string()
    except DamagedError:
        raise ReplyError("ERR Failed loading engine name") from None
    try:
        is_described = reader.byte() & 0x3F
    except DamagedError:
        raise ReplyError("ERR Failed loading library description indicator") from None
    if is_described:
        _read_string(reader, "description")
    return b"#!%b name=%b\n%b" % (engine, name, _read_string(reader, "blob"))


def _read_string(reader: Reader, what: str) -> bytes:
    try:
        return reader.string()
    except DamagedError:
        raise ReplyError(f"ERR Failed loading library {what}") from None


@final
class FunctionLibraries:
    """All of a node's libraries; each change is done wholly or not at all."""

    def __init__(self, scripting: Scripting) -> None:
        self._scripting = scripting
        self._catalogue = Catalogue()

    def find(self, name: bytes) -> Function | None:
        """Return the function of a name in any case."""
        functions = self._catalogue.functions
        function = functions.get(name)
        if function is None:
            function = functions.get(name.lower())
        return function

    def libraries(self) -> list[Library]:
        """Return all libraries, the oldest first."""
        return list(self._catalogue.libraries.values())

    def function_count(self) -> int:
        """Return the number of functions."""
        return len(self._catalogue.functions)

    def memory(self) -> int:
        """Return what the libraries take outside of Lua, in bytes."""
        return sum(library.memory() for library in self._catalogue.libraries.values())

    def load(self, code: bytes, replaces: bool) -> bytes:
        """Load a library and return its name. ReplyError: it is not one, or not a new one."""
        changed = self._catalogue.copy()
        name = self._load_into(changed, code, replaces)
        self._catalogue = changed
        return name

    def _load_into(self, catalogue: Catalogue, code: bytes, replaces: bool) -> bytes:
        name, start = read_metadata(code)
        old = catalogue.libraries.get(name)
        if old is not None:
            if not replaces:
                raise ReplyError(f"ERR Library '{_shown(name)}' already exists")
            catalogue.remove(old)
        library = Library(name, code)
        self._scripting.load_library(code[start:], FunctionRegistrar(library))
        if not library.functions:
            raise ReplyError("ERR No functions registered")
        catalogue.add(library)
        return name

    def delete(self, name: bytes) -> None:
        """Drop a library. ReplyError: there is none of that name."""
        library = self._catalogue.libraries.get(name)
        if library is None:
            raise ReplyError("ERR Library not found")
        self._catalogue.remove(library)

    def flush(self) -> None:
        """Drop all libraries and the Lua state that they share."""
        self._catalogue = Catalogue()
        self._scripting.function_engine.stop()

    def dump(self, compresses: bool) -> bytes:
        """Return all libraries in Redis's serialised form."""
        out = BytesWriter()
        for library in self._catalogue.libraries.values():
            out.append(_OPCODE_FUNCTION)
            write_string(out, library.code, compresses)
        return seal(out.getvalue())

    def restore(self, payload: bytes, policy: int) -> None:
        """Load the libraries of a dump: beside those there are, instead of them, or over them."""
        size = sealed_size(payload)
        if size < 0:
            raise ReplyError("ERR DUMP payload version or checksum are wrong")
        loaded = Catalogue()
        reader = Reader(payload)
        while reader.position < size:
            self._load_into(loaded, _read_library(reader), False)
        if policy != FLUSH:
            loaded = self._joined(loaded, policy == REPLACE)
        self._catalogue = loaded

    def _joined(self, loaded: Catalogue, replaces: bool) -> Catalogue:
        """Return the libraries there are with the loaded ones."""
        joined = self._catalogue.copy()
        for name in loaded.libraries:
            old = joined.libraries.get(name)
            if old is not None:
                if not replaces:
                    raise ReplyError(f"ERR Library {_shown(name)} already exists")
                joined.remove(old)
        for library in loaded.libraries.values():
            joined.add(library)
        return joined
