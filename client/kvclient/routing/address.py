"""Where a server listens."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """A TCP endpoint, or the path of a unix socket, with which host and port mean nothing."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Redirect(NamedTuple):
    """Where a node sends a request instead; with `asking`, behind ASKING and this once only."""

    address: Address
    asking: bool
