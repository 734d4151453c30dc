# Generated from client/kvclient/commands/scripting.py by `make client`.
"""Commands that run scripts and functions on the server.

What a script returns comes as the protocol has it, as bytes where the client does not decode;
RESP2 and RESP3 may differ in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kvclient import shapes
from kvclient.arguments import Argv, flags, option, several
from kvclient.queued.commands.base import Surface
from kvclient.queued.pending import Pending
from kvclient.results import T
from kvclient.wire.encoding import Argument


class ScriptingCommands(Surface[T]):
    """Scripts and functions in Lua."""

    def eval(
        self, script: Argument, keys: Iterable[Argument] = (), args: Iterable[Argument] = ()
    ) -> Pending[Any]:
        """Run a script with KEYS and ARGV."""
        return self._send((b"EVAL", script, *_keys_and_args(keys, args)))

    def eval_ro(
        self, script: Argument, keys: Iterable[Argument] = (), args: Iterable[Argument] = ()
    ) -> Pending[Any]:
        """Run a script that may not write."""
        return self._send((b"EVAL_RO", script, *_keys_and_args(keys, args)))

    def evalsha(
        self, sha: Argument, keys: Iterable[Argument] = (), args: Iterable[Argument] = ()
    ) -> Pending[Any]:
        """Run a script that the server has loaded, by its SHA-1 digest; else NoScriptError."""
        return self._send((b"EVALSHA", sha, *_keys_and_args(keys, args)))

    def evalsha_ro(
        self, sha: Argument, keys: Iterable[Argument] = (), args: Iterable[Argument] = ()
    ) -> Pending[Any]:
        """Run a loaded script that may not write."""
        return self._send((b"EVALSHA_RO", sha, *_keys_and_args(keys, args)))

    def fcall(
        self, function: Argument, keys: Iterable[Argument] = (), args: Iterable[Argument] = ()
    ) -> Pending[Any]:
        """Call a function of a loaded library."""
        return self._send((b"FCALL", function, *_keys_and_args(keys, args)))

    def fcall_ro(
        self, function: Argument, keys: Iterable[Argument] = (), args: Iterable[Argument] = ()
    ) -> Pending[Any]:
        """Call a function that may not write."""
        return self._send((b"FCALL_RO", function, *_keys_and_args(keys, args)))

    def function_delete(self, library: Argument) -> Pending[bool]:
        """Delete a library; return True."""
        return self._send((b"FUNCTION", b"DELETE", library), shapes.done)

    def function_flush(self) -> Pending[bool]:
        """Delete all libraries; return True."""
        return self._send((b"FUNCTION", b"FLUSH"), shapes.done)

    def function_list(
        self, library: Argument | None = None, *, withcode: bool = False
    ) -> Pending[list[dict[str, Any]]]:
        """Describe the libraries whose names match a pattern: each with its functions, as dicts."""
        words = (*option(b"LIBRARYNAME", library), *flags(withcode=withcode))
        return self._send((b"FUNCTION", b"LIST", *words), shapes.libraries)

    def function_load(self, code: Argument, *, replace: bool = False) -> Pending[str]:
        """Load a library; return its name."""
        return self._send((b"FUNCTION", b"LOAD", *flags(replace=replace), code), shapes.text)

    def script_exists(self, *shas: Argument) -> Pending[list[bool]]:
        """Say of each digest whether its script is loaded."""
        return self._send((b"SCRIPT", b"EXISTS", *shas), shapes.flags)

    def script_flush(self) -> Pending[bool]:
        """Forget all loaded scripts; return True."""
        return self._send((b"SCRIPT", b"FLUSH"), shapes.done)

    def script_kill(self) -> Pending[bool]:
        """End the script that is running, if it has not written; return True."""
        return self._send((b"SCRIPT", b"KILL"), shapes.done)

    def script_load(self, script: Argument) -> Pending[str]:
        """Load a script; return its SHA-1 digest."""
        return self._send((b"SCRIPT", b"LOAD", script), shapes.text)


def _keys_and_args(keys: Iterable[Argument], args: Iterable[Argument]) -> Argv:
    names = several(keys, "keys")
    return (len(names), *names, *several(args, "args"))
