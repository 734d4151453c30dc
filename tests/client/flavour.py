"""One test for all flavours: a blocking client, or an asynchronous one on a loop of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Self

import uvloop

from kvclient import AsyncClient, Client

KINDS: Final = ("blocking", "asyncio", "uvloop")


class Flavour:
    """Makes clients, and does with them what a test says; closes them in the end."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.is_async = kind != "blocking"
        self._clients: list[Any] = []
        self._runner: asyncio.Runner | None = None

    def __enter__(self) -> Self:
        if self.is_async:
            factory = uvloop.new_event_loop if self.kind == "uvloop" else None
            self._runner = asyncio.Runner(loop_factory=factory)
        return self

    def __exit__(self, *failure: object) -> None:
        for client in self._clients:
            self.do(client.close)
        if self._runner is not None:
            self._runner.close()

    def client(self, url: str | list[str], **options: Any) -> Any:
        """Return a client, of whose methods the type checker knows nothing."""
        client: Any = AsyncClient(url, **options) if self.is_async else Client(url, **options)
        self._clients.append(client)
        return client

    def do(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns, or what it returns when it is awaited."""
        if self._runner is None:
            return call()

        async def awaited() -> Any:
            return await call()

        return self._runner.run(awaited())

    def each(self, call: Callable[[], Any]) -> list[Any]:
        """Return all that an iterator yields."""
        if self._runner is None:
            return list(call())

        async def collected() -> list[Any]:
            return [item async for item in call()]

        return self._runner.run(collected())

    def pause(self, seconds: float) -> None:
        """Let time pass, and the loop see what happens meanwhile."""
        if self._runner is None:
            time.sleep(seconds)
        else:
            self._runner.run(asyncio.sleep(seconds))

    def until(self, condition: Callable[[], bool], limit_s: float = 10.0) -> None:
        """Wait until something is so."""
        give_up_at = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < give_up_at, "it did not come to be"
            self.pause(0.005)
