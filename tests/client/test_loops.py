"""An AsyncClient and the loop that it belongs to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop

from kvclient import AsyncClient, UsageError

from ..wire.servers import Server

Runner = Callable[[Coroutine[Any, Any, Any]], Any]
RUNNERS: dict[str, Runner] = {"asyncio": asyncio.run, "uvloop": uvloop.run}


def client_of(server: Server) -> AsyncClient[bytes]:
    """A client of the server; it belongs to the loop of its first call."""
    return AsyncClient(f"kv://127.0.0.1:{server.port}")


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> Runner:
    """Runs a coroutine on a loop of its own."""
    return RUNNERS[request.param]


def test_it_works_on_each_kind_of_loop(runner: Runner, redis: Server) -> None:
    async def body() -> list[bytes | None]:
        async with client_of(redis) as client:
            await asyncio.gather(*(client.set(f"loop:{i}", str(i)) for i in range(100)))
            return await asyncio.gather(*(client.get(f"loop:{i}") for i in range(100)))

    assert runner(body()) == [b"%d" % i for i in range(100)]


def test_it_serves_another_loop_when_its_own_is_closed(runner: Runner, redis: Server) -> None:
    client = client_of(redis)

    async def body() -> bytes:
        return await client.echo("again")

    assert [runner(body()), runner(body())] == [b"again"] * 2


def test_a_second_loop_beside_the_first_is_refused(runner: Runner, redis: Server) -> None:
    client = client_of(redis)

    async def call() -> bytes:
        return await client.echo("here")

    async def body() -> None:
        assert await call() == b"here"
        with ThreadPoolExecutor(1) as threads:
            other = asyncio.get_running_loop().run_in_executor(threads, runner, call())
            with pytest.raises(UsageError, match="another event loop"):
                await other
        assert await call() == b"here"
        await client.close()

    runner(body())


def test_a_call_outside_of_any_loop_is_refused(redis: Server) -> None:
    client = client_of(redis)
    with pytest.raises(UsageError, match="from a coroutine"):
        client.get("key")


def test_a_forked_child_does_not_write_to_its_parents_connection(
    runner: Runner, redis: Server
) -> None:
    async def body() -> int:
        async with client_of(redis) as client:
            await client.set("loop:fork", "parent")
            child = os.fork()
            if child == 0:
                # The parent's loop looks as if it ran here too.
                try:
                    client.set("loop:fork", "child")
                except UsageError:
                    os._exit(0)
                os._exit(1)
            _, status = os.waitpid(child, 0)
            assert await client.get("loop:fork") == b"parent"
            return os.waitstatus_to_exitcode(status)

    assert runner(body()) == 0
