# Generated from client/kvclient/commands/base.py by `make client`.
"""What the methods of a surface are made of: a way to send a request."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from kvclient.arguments import Argv
from kvclient.queued.pending import Pending
from kvclient.results import T

R = TypeVar("R")


class Surface(Generic[T]):
    """The base of all groups of commands; a client or a pipeline says how a request is sent."""

    @overload
    @abstractmethod
    def _send(self, argv: Argv, shape: Callable[[Any], R]) -> Pending[R]: ...

    @overload
    @abstractmethod
    def _send(self, argv: Argv, shape: None = None) -> Pending[Any]: ...

    @abstractmethod
    def _send(self, argv: Argv, shape: Callable[[Any], Any] | None = None) -> Pending[Any]:
        """Send a request; its result is what `shape` makes of the reply, or the reply itself."""

    @overload
    @abstractmethod
    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], R], timeout_s: int | float
    ) -> Pending[R]: ...

    @overload
    @abstractmethod
    def _send_blocking(self, argv: Argv, shape: None, timeout_s: int | float) -> Pending[Any]: ...

    @abstractmethod
    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], Any] | None, timeout_s: int | float
    ) -> Pending[Any]:
        """Send a request whose reply may take `timeout_s` seconds, 0 for ever."""
