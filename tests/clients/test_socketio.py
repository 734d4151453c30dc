"""python-socketio: two server processes and an outside process share rooms by pub/sub."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest
import redis
import socketio

from tests.wire.servers import Server, free_port

from .processes import JOBS, Process, environment, wait_until

TIMEOUT_S = 20


@pytest.fixture(scope="module")
def sites(node: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two server processes, both subscribed."""
    addresses = []
    with ExitStack() as stack, redis.Redis(port=node.port, decode_responses=True) as client:
        for _ in range(2):
            port = free_port()
            command = [sys.executable, str(JOBS / "socketio_site.py"), str(port)]
            folder = tmp_path_factory.mktemp("socketio")
            process = Process(command, environment(node.port), folder, "Running on")
            stack.enter_context(process)
            addresses.append(f"http://127.0.0.1:{port}")
        yield addresses
        assert dict(client.pubsub_numsub("socketio")) == {"socketio": 2}


@pytest.fixture
async def browsers(sites: list[str], node: Server) -> AsyncIterator[list[Any]]:
    """A connected client at each process."""
    async with AsyncExitStack() as stack:
        clients = []
        for address in sites:
            client = await stack.enter_async_context(socketio.AsyncSimpleClient())
            await client.connect(address, transports=["websocket"])
            clients.append(client)
        with redis.Redis(port=node.port, decode_responses=True) as server:
            wait_until(lambda: dict(server.pubsub_numsub("socketio")) == {"socketio": 2})
        yield clients


async def test_a_message_reaches_a_room_at_another_process(browsers: list[Any]) -> None:
    for browser in browsers:
        assert await browser.call("join", "lobby", timeout=TIMEOUT_S) == "in lobby"
    await browsers[0].emit("say", {"room": "lobby", "text": "grün"})
    assert await browsers[1].receive(timeout=TIMEOUT_S) == ["said", "grün"]
    await browsers[1].emit("say", {"room": "lobby", "text": "back"})
    assert await browsers[0].receive(timeout=TIMEOUT_S) == ["said", "back"]


async def test_an_outside_process_reaches_every_client(browsers: list[Any], url: str) -> None:
    outside = socketio.RedisManager(url, write_only=True)
    outside.emit("news", {"number": 7}, namespace="/")
    for browser in browsers:
        assert await browser.receive(timeout=TIMEOUT_S) == ["news", {"number": 7}]


async def test_bytes_pass_between_processes(browsers: list[Any], url: str) -> None:
    outside = socketio.RedisManager(url, write_only=True)
    outside.emit("blob", b"\x00\x01\xff", namespace="/", room=browsers[1].sid)
    assert await browsers[1].receive(timeout=TIMEOUT_S) == ["blob", b"\x00\x01\xff"]
