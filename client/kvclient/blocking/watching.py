# Generated from client/kvclient/aio/watching.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Transactions that are executed only if what they rest on has not changed (WATCH)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from kvclient.arguments import Argv
from kvclient.batches import as_transaction, transaction_replies
from kvclient.blocking.commands import Commands
from kvclient.blocking.connection import Connection
from kvclient.blocking.core import Core
from kvclient.blocking.pipelines import Pipeline
from kvclient.errors import UsageError
from kvclient.results import T
from kvclient.wire.encoding import Argument


class Watch(Commands[T]):
    """Keys under watch, on a connection of its own: `with client.watch(key) as watch`.

    Read what the transaction depends on with the methods of this object; queue the transaction in
    `watch.transaction()`, and execute it: TransactionAborted says that a key has changed since.
    """

    def __init__(self, core: Core, keys: Sequence[Argument]) -> None:
        if not keys:
            raise UsageError("nothing to watch: name the keys that the transaction depends on")
        self._core = core
        self._argv = (b"WATCH", *keys)
        self._connection: Connection | None = None

    def __enter__(self) -> Watch[T]:
        self._connection = self._core.lend(self._argv)
        self._send(self._argv)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._core.give_back(connection, is_clean=False)

    def transaction(self) -> Pipeline[T]:
        """Return a queue whose execution is the transaction."""
        return Pipeline(self._run)

    def _send(self, argv: Argv, shape: Callable[[Any], Any] | None = None) -> Any:
        return self._own().ask(argv, self._core.options.deadline_s, shape)

    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], Any] | None, timeout_s: int | float
    ) -> Any:
        raise UsageError("a command that waits has no place under a watch")

    def _run(self, parts: Sequence[Argv]) -> list[Any]:
        if not parts:
            return []
        deadline_s = self._core.options.deadline_s
        replies = self._own().ask_all(as_transaction(parts), deadline_s)
        return transaction_replies(replies)

    def _own(self) -> Connection:
        if self._connection is None:
            raise UsageError("the keys are under watch inside `with` only")
        return self._connection
