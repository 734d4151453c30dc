"""Which clients the tests of this folder run with: each sees what both servers answer."""

from __future__ import annotations

from typing import Any, TypeAlias

from kvclient import AsyncClient, Client

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


def _switch(is_on: bool) -> str:
    return "yes" if is_on else "no"
