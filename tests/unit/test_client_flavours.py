"""The three flavours have the same methods, and the text of one is made of another's."""

from __future__ import annotations

import inspect
import runpy
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from kvclient.blocking.commands import Commands as Blocking
from kvclient.commands import Commands as Asynchronous
from kvclient.errors import UsageError
from kvclient.queued.commands import Commands as Queued
from kvclient.queued.pending import Pending

from .test_client_argv import CALLS, Ours

TOOL: Final = Path(__file__).resolve().parents[2] / "tools/flavours.py"
WAITING: Final = {
    *("blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "wait"),
    *("hscan_iter", "scan_iter", "sscan_iter", "zscan_iter"),
}


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    """The names of the generator."""
    return runpy.run_path(str(TOOL))


def public(surface: type) -> set[str]:
    return {name for name in dir(surface) if not name.startswith("_")}


def parameters(surface: type, name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(getattr(surface, name)).parameters.values())


def result(surface: type, name: str) -> str:
    return str(inspect.signature(getattr(surface, name)).return_annotation)


def alternatives(annotation: str) -> set[str]:
    return {part.strip() for part in annotation.split("|")}


def test_the_flavours_have_the_same_methods() -> None:
    assert public(Blocking) == public(Asynchronous)
    assert public(Queued) == public(Asynchronous) - WAITING


@pytest.mark.parametrize("name", sorted(public(Asynchronous)))
def test_a_method_has_the_same_parameters_and_the_result_of_its_flavour(name: str) -> None:
    assert parameters(Blocking, name) == parameters(Asynchronous, name)
    inner = result(Asynchronous, name)
    if name.endswith("_iter"):
        assert result(Blocking, name) == inner.removeprefix("Async")
        return
    bare = inner.replace("Awaitable[", "").replace("]", "")
    assert alternatives(result(Blocking, name).replace("]", "")) == alternatives(bare)
    if name not in WAITING:
        assert parameters(Queued, name) == parameters(Asynchronous, name)
        assert result(Queued, name) == inner.replace("Awaitable[", "Pending[")


class AsyncOurs(Asynchronous[Any]):
    """The asynchronous surface, which keeps its requests."""

    def __init__(self) -> None:
        self.keeper = Ours()

    def _send(self, argv: Any, shape: Callable[[Any], Any] | None = None) -> Any:
        return self.keeper._send(argv)

    def _send_blocking(self, argv: Any, shape: Any, timeout_s: int | float) -> Any:
        return self.keeper._send(argv)


class QueuedOurs(Queued[Any]):
    """The surface of pipelines, which keeps its requests and cannot wait."""

    def __init__(self) -> None:
        self.keeper = Ours()

    def _send(self, argv: Any, shape: Callable[[Any], Any] | None = None) -> Pending[Any]:
        self.keeper._send(argv)
        return Pending()

    def _send_blocking(self, argv: Any, shape: Any, timeout_s: int | float) -> Pending[Any]:
        raise UsageError("a pipeline does not wait")


def made(client: object, call: str) -> Any:
    """Make a call; return its result."""
    return eval(f"client.{call}", {"client": client, "datetime": datetime, "timedelta": timedelta})


@pytest.mark.parametrize("call", [call for call, _ in CALLS])
def test_the_flavours_send_the_same(call: str) -> None:
    blocking, asynchronous, queued = Ours(), AsyncOurs(), QueuedOurs()
    made(blocking, call)
    made(asynchronous, call)
    assert asynchronous.keeper.sent == blocking.sent
    if call.partition("(")[0] in WAITING:
        return
    if "block=" in call:
        with pytest.raises(UsageError):
            made(queued, call)
        return
    assert type(made(queued, call)) is Pending
    assert queued.keeper.sent == blocking.sent


ASYNCHRONOUS: Final = '''\
"""Reads with `await client.get("k")` of the AsyncClient."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from kvclient.aio.client import AsyncClient
from kvclient.commands import Commands


class AsyncReader:
    """Waits."""

    async def __aenter__(self) -> AsyncReader:
        return self

    def get(self, key: str) -> Awaitable[dict[str, list[int]] | None]:
        """Return it."""  # those who await it
        return self.client.get(key)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[int]:
        async with self.lock:
            await asyncio.sleep(0.5)
            yield 1

    async def walk(self) -> list[int]:
        return [x async for x in self.values() if await x.ready()]

    async def close(self) -> None:
        """End."""

    aclose = close

    latest = walk
'''

BLOCKING: Final = '''\
# Generated from aio/reader.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Reads with `client.get("k")` of the Client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Reader:
    """Waits."""

    def __enter__(self) -> Reader:
        return self

    def get(self, key: str) -> dict[str, list[int]] | None:
        """Return it."""  # those who await it
        return self.client.get(key)

    @contextmanager
    def held(self) -> Iterator[int]:
        with self.lock:
            time.sleep(0.5)
            yield 1

    def walk(self) -> list[int]:
        return [x for x in self.values() if x.ready()]

    def close(self) -> None:
        """End."""

    latest = walk
'''


def test_a_module_becomes_blocking_and_keeps_its_comments(tool: dict[str, Any]) -> None:
    text = tool["flavoured"](ASYNCHRONOUS, "aio/reader.py", tool["BLOCKING"])
    assert "from kvclient.blocking.client import Client" in text
    assert "from kvclient.blocking.commands import Commands" in text
    assert tool["tidied"]({"reader.py": text})["reader.py"] == BLOCKING


def test_what_has_no_twin_is_named(tool: dict[str, Any]) -> None:
    text = "import asyncio\n\nasyncio.get_running_loop()\n"
    with pytest.raises(
        SystemExit, match=r"a\.py:4: asyncio\.get_running_loop has no blocking twin"
    ):
        tool["flavoured"](text, "a.py", tool["BLOCKING"])
