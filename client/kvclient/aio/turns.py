"""Futures that are done at once, and still leave the other tasks their turn."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_CALLS_PER_TURN: Final = 64


class Turns:
    """Counts results: of a task that never waits each 64th is settled by the loop."""

    def __init__(self) -> None:
        self._calls = 0

    def done(self, loop: asyncio.AbstractEventLoop, result: Any) -> asyncio.Future[Any]:
        """Return the future of a result, an exception as its error."""
        future: asyncio.Future[Any] = loop.create_future()
        self._calls += 1
        if self._calls == _CALLS_PER_TURN:
            self._calls = 0
            loop.call_soon(_settle, future, result)
        elif isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
        return future


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
