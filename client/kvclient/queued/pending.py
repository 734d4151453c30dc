"""A result that comes when its pipeline or transaction is executed."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar, final

from kvclient.errors import UsageError

V = TypeVar("V")

_NOT_YET: Final[Any] = object()


@final
class Pending(Generic[V]):
    """The result of a queued command: none yet, a value, or the error that it ended with."""

    __slots__ = ("_error", "_value")

    def __init__(self) -> None:
        self._value: V = _NOT_YET
        self._error: BaseException | None = None

    @property
    def value(self) -> V:
        """The result; raises the command's error, and UsageError before the execution."""
        if self._error is not None:
            raise self._error
        if self._value is _NOT_YET:
            raise UsageError("the result is not there before the pipeline was executed")
        return self._value

    def done(self) -> bool:
        """Say whether the command was executed, or failed."""
        return self._value is not _NOT_YET or self._error is not None

    def set_result(self, value: V) -> None:
        """Keep the result."""
        self._value = value

    def set_exception(self, error: BaseException) -> None:
        """Keep the error, for whoever asks for the value."""
        self._error = error

    def __repr__(self) -> str:
        if self._error is not None:
            return f"<Pending: failed, {self._error!r}>"
        return f"<Pending: {self._value!r}>" if self.done() else "<Pending>"
