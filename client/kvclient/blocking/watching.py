# Generated from client/kvclient/aio/watching.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Transactions that are executed only if what they rest on has not changed (WATCH)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from kvclient.arguments import Argv
from kvclient.batches import EXEC, as_transaction, transaction_replies
from kvclient.blocking.commands import Commands
from kvclient.blocking.connection import Connection
from kvclient.blocking.core import Core
from kvclient.blocking.pipelines import Pipeline
from kvclient.errors import ConnectError, Unavailable, UsageError
from kvclient.results import T
from kvclient.retrying import after_loss
from kvclient.wire.encoding import Argument


class Watch(Commands[T]):
    """Keys under watch, on a connection of its own: `with client.watch(key) as watch`.

    Read what the transaction depends on with the methods of this object; queue the transaction in
    `watch.transaction()`, and execute it: TransactionAborted says that a key has changed since.
    """

    def __init__(self, core: Core, keys: Sequence[Argument], deadline_s: float) -> None:
        if not keys:
            raise UsageError("nothing to watch: name the keys that the transaction depends on")
        self._core = core
        self._deadline_s = deadline_s
        self._argv = (b"WATCH", *keys)
        self._connection: Connection | None = None

    def __enter__(self) -> Watch[T]:
        self._connection = self._core.begin(self._argv, self._deadline_s)
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
        connection = self._own()
        self._core.note_sent([argv])
        try:
            return connection.ask(argv, self._deadline_s, shape)
        except Unavailable as error:
            raise after_loss(argv, True, connection.address, error) or error from error
        finally:
            # What was read meanwhile: its invalidation comes on another connection, perhaps later.
            self._core.note_sent([argv])

    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], Any] | None, timeout_s: int | float
    ) -> Any:
        raise UsageError("a command that waits has no place under a watch")

    def _run(self, parts: Sequence[Argv]) -> list[Any]:
        if not parts:
            return []
        connection = self._own()
        self._core.note_sent(parts)
        try:
            replies = connection.ask_all(as_transaction(parts), self._deadline_s)
        except Unavailable as error:
            raise after_loss(EXEC, True, connection.address, error) or error from error
        finally:
            self._core.note_sent(parts)  # as above
        return transaction_replies(replies)

    def _own(self) -> Connection:
        if self._connection is None:
            raise UsageError("the keys are under watch inside `with` only")
        if self._connection.is_closed or self._connection.has_ended():
            raise ConnectError(f"{self._connection.address}: the connection was lost")
        return self._connection
