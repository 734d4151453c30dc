# Generated from client/kvclient/aio/nodes.py by `make client`.
# mypy: disable-error-code=no-any-return
"""One node among several, with the typed methods: for what has to visit each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvclient.arguments import Argv
from kvclient.blocking.commands import Commands
from kvclient.blocking.core import Core
from kvclient.errors import UsageError
from kvclient.results import T
from kvclient.routing.address import Address


class Node(Commands[T]):
    """The node at `address`: requests go there, whatever keys they name."""

    def __init__(self, core: Core, address: Address, deadline_s: float) -> None:
        self.address = address
        self._core = core
        self._deadline_s = deadline_s

    def _send(self, argv: Argv, shape: Callable[[Any], Any] | None = None) -> Any:
        return self._core.submit_to(self.address, argv, shape, self._deadline_s)

    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], Any] | None, timeout_s: int | float
    ) -> Any:
        raise UsageError("a command that waits is called on the client")

    def __repr__(self) -> str:
        return f"Node({self.address})"
