"""Where an embedded client's requests go, as its errors and its repr show it."""

from __future__ import annotations

from kvclient.options import Options
from kvclient.routing.address import Address


class InProcess(Address):
    """The engine in this process; `path` is the folder of its data."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"embedded:{self.path}" if self.path else "embedded"


def options_of(path: str | None, decode: bool) -> Options:
    """Return the options of an embedded client."""
    return Options(addresses=(InProcess("embedded", 1, path or ""),), decode=decode)
