"""The Python client: `Client` for threads, `AsyncClient` for asyncio, one surface of typed methods.

from kvclient import Client
with Client("kv://localhost:6379", decode=True) as client:
    client.set("greeting", "hello", ex=60)
    client.get("greeting")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kvclient import errors
from kvclient.errors import *  # noqa: F403  # the tree of exceptions belongs to the surface

if TYPE_CHECKING:
    from kvclient.aio.client import AsyncClient
    from kvclient.blocking.client import Client
    from kvclient.messages import Entry, Gap, Message
    from kvclient.options import Options

# Loaded when first asked for: asyncio alone takes longer to import than the rest.
_HOMES = {
    "AsyncClient": "kvclient.aio.client",
    "Client": "kvclient.blocking.client",
    "Entry": "kvclient.messages",
    "Gap": "kvclient.messages",
    "Message": "kvclient.messages",
    "Options": "kvclient.options",
}

__all__ = ["AsyncClient", "Client", "Entry", "Gap", "Message", "Options"]
__all__ += errors.__all__  # in this form type checkers understand it


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
