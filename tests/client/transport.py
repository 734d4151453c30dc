"""Which clients the tests of this folder run with: each sees what both servers answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeAlias

from kvclient import AsyncClient, Client

EMBEDDED: Final = "embedded"

AnyClient: TypeAlias = Client[Any]
AnyAsyncClient: TypeAlias = AsyncClient[Any]


def connect(port: int, *, protocol: int, decode: bool) -> AnyClient:
    """Return a blocking client."""
    client: AnyClient = Client(
        f"kv://127.0.0.1:{port}?protocol={protocol}&decode={_switch(decode)}"
    )
    return client


def connect_async(port: int, *, protocol: int, decode: bool) -> AnyAsyncClient:
    """Return an asynchronous client."""
    client: AnyAsyncClient = AsyncClient(
        f"kv://127.0.0.1:{port}?protocol={protocol}&decode={_switch(decode)}"
    )
    return client


def embed(path: Path, *, decode: bool) -> AnyClient:
    """Return a blocking client of an engine in this process."""
    return Client.embedded(path, decode=True) if decode else Client.embedded(path)


def embed_async(path: Path, *, decode: bool) -> AnyAsyncClient:
    """Return an asynchronous client of an engine in this process."""
    return AsyncClient.embedded(path, decode=True) if decode else AsyncClient.embedded(path)


def _switch(is_on: bool) -> str:
    return "yes" if is_on else "no"
