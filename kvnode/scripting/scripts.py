"""What can be called, and the cache of scripts by SHA1."""

from __future__ import annotations

import hashlib
from typing import Any, Final, final

from mypy_extensions import i64

from kvnode.scripting.engine import LuaEngine
from kvnode.scripting.flags import read_shebang
from kvprotocol.errors import ReplyError

_CHUNK: Final = b"@user_script"
_ITEM_BYTES: Final = 200  # of a cache entry beside the script itself


@final
class Target:
    """Something that can be called: a Lua function and how it is known.

    `name` is the SHA1 or the function's name; it stands in error texts. A function is called with
    KEYS and ARGV as arguments, a script finds them as globals.
    """

    def __init__(self, function: Any, name: bytes, flags: i64, is_function: bool) -> None:
        self.function = function
        self.name = name
        self.flags: i64 = flags
        self.is_function = is_function


@final
class Script:
    """One script: its code, and its compiled function in `target`."""

    def __init__(self, name: bytes, code: bytes, flags: int, start: int) -> None:
        self.name = name
        self.code = code
        self.flags = flags
        self.start = start  # of the Lua code, behind the shebang
        self.target = Target(None, name, flags, False)
        self.generation = 0  # of the Lua state that the function is of


@final
class ScriptCache:
    """All scripts that were loaded or run since SCRIPT FLUSH."""

    def __init__(self, engine: LuaEngine) -> None:
        self._engine = engine
        self._scripts: dict[bytes, Script] = {}
        self._last_code = b""
        self._last: Script | None = None
        self._found: Script | None = None
        self.memory = 0

    def __len__(self) -> int:
        return len(self._scripts)

    def find(self, digest: bytes) -> Script | None:
        """Return the script of a SHA1 in hexadecimal digits of either case."""
        found = self._found
        if found is not None and found.name == digest:  # as `load`: a comparison
            return found
        script = self._scripts.get(digest)
        if script is None:
            script = self._scripts.get(digest.lower())
        self._found = script
        return script

    def load(self, code: bytes) -> Script:
        """Return the script of a source text, compiled. ReplyError: it does not compile."""
        # EVAL comes in runs of the same text: a comparison instead of a digest.
        if code == self._last_code and self._last is not None:
            return self._last
        name = hashlib.sha1(code, usedforsecurity=False).hexdigest().encode()
        script = self._scripts.get(name)
        if script is None:
            flags, start = read_shebang(code)
            script = Script(name, code, flags, start)
            self.compile(script)
            self._scripts[name] = script
            self.memory += len(code) + _ITEM_BYTES
        self._last_code = code
        self._last = script
        return script

    def compile(self, script: Script) -> None:
        """Compile a script for the Lua state that there is now. ReplyError: it does not compile."""
        try:
            script.target.function = self._engine.compile(script.code[script.start :], _CHUNK)
        except ReplyError as error:
            raise ReplyError(
                f"ERR Error compiling script (new function): {error.message}"
            ) from error
        script.generation = self._engine.generation

    def clear(self) -> None:
        """Forget all scripts, and the Lua state with them."""
        self._scripts = {}
        self._last_code = b""
        self._last = None
        self._found = None
        self.memory = 0
        self._engine.stop()
