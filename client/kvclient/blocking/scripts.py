# Generated from client/kvclient/aio/scripts.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Lua scripts that are sent once and then called by their digest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha1
from typing import Any, Final

from kvclient.blocking.commands import Commands
from kvclient.errors import NoScriptError, OutcomeUnknown
from kvclient.results import T
from kvclient.wire.encoding import Argument

_PAUSE_S: Final = 0.01


class Script:
    """A script; calling it runs it. `digest` is its SHA-1, by which the server knows it.

    Where the server does not know it (it restarted, SCRIPT FLUSH, another node) it is sent again.
    With `read_only` it may also run on followers, and a call whose reply was lost is repeated.
    """

    def __init__(self, client: Commands[T], source: str, read_only: bool = False) -> None:
        self._client = client
        self._source = source.encode()
        self.digest: Final = sha1(self._source, usedforsecurity=False).hexdigest()
        self._by_digest = b"EVALSHA_RO" if read_only else b"EVALSHA"
        self._by_source = b"EVAL_RO" if read_only else b"EVAL"

    def __call__(self, keys: Sequence[Argument] = (), args: Sequence[Argument] = ()) -> Any:
        """Run the script with these KEYS and ARGV; return its reply."""
        words = (len(keys), *keys, *args)
        try:
            return self._client._send((self._by_digest, self.digest, *words))
        except NoScriptError:
            return self._client._send((self._by_source, self._source, *words))

    def repeated(self, keys: Sequence[Argument], args: Sequence[Argument], within_s: float) -> Any:
        """Run a script that may run twice: again, for so long, where its reply was lost."""
        give_up_at = time.monotonic() + within_s
        while True:
            try:
                return self(keys, args)
            except OutcomeUnknown:
                if time.monotonic() + _PAUSE_S >= give_up_at:
                    raise
            time.sleep(_PAUSE_S)
