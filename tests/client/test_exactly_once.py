"""With `exactly_once` every write counts once, whatever happens to connections and to the node."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kvclient import AsyncClient, Client, ConfigurationError, OutcomeUnknown, Unavailable
from kvclient.request_numbers import IDLE_S_MAX, SPAN_MAX, RequestNumbers

from ..wire.proxy import Proxy
from ..wire.servers import Server, kvnode_server
from .flavour import Flavour

CALLS = 400
DEADLINE_S = 30.0


def logging_node(folder: Path) -> Server:
    """A node with an append-only log, not started yet."""
    return kvnode_server("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "no")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Server]:
    """A node whose writes outlive it."""
    with logging_node(tmp_path) as server:
        yield server


@contextmanager
def cuts(proxy: Proxy, seed: int) -> Iterator[None]:
    """Connections break at random moments during the block, at first before much gets through.

    The moments lie further and further apart, so that the slowest machine comes to an end.
    """
    is_over = threading.Event()

    def cut() -> None:
        choices = random.Random(seed)
        latest_s = 0.03
        while not is_over.wait(choices.uniform(0.001, latest_s)):
            proxy.cut()
            latest_s *= 1.03

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def url(port: int) -> str:
    return f"kv://127.0.0.1:{port}?exactly_once=yes&deadline={DEADLINE_S}&backoff_max=0.05"


@pytest.mark.parametrize("seed", [1, 2])
async def test_increments_count_once_over_broken_connections(node: Server, seed: int) -> None:
    with Proxy(node.port) as proxy:
        async with AsyncClient(url(proxy.port)) as client:
            with cuts(proxy, seed):
                sums = await asyncio.gather(*[client.incr("n") for _ in range(CALLS)])
                for _ in range(20):
                    sums += await client.many([("INCR", "n"), ("SET", "other", "x")] * 5)
                    transaction = client.transaction()
                    added = transaction.incr("n")
                    transaction.rpush("list", "x")
                    await transaction.execute()
                    sums.append(added.value)
            counted = [value for value in sums if isinstance(value, int)]
            assert sorted(counted) == list(range(1, CALLS + 120 + 1))
            assert await client.get("n") == b"%d" % (CALLS + 120)
            assert await client.llen("list") == 20


@pytest.mark.parametrize("seed", [3, 4])
def test_threads_count_once_over_broken_connections(node: Server, seed: int) -> None:
    sums: list[Any] = []
    with Proxy(node.port) as proxy, Client(url(proxy.port)) as client:

        def work() -> None:
            for _ in range(25):
                sums.append(client.incr("n"))
                sums.extend(client.many([("INCR", "n"), ("INCRBY", "n", 1)]))
                transaction = client.transaction()
                added = transaction.incr("n")
                transaction.execute()
                sums.append(added.value)

        threads = [threading.Thread(target=work) for _ in range(4)]
        with cuts(proxy, seed):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(sums) == list(range(1, 401))
        assert client.get("n") == b"400"


def test_a_node_that_is_killed_and_comes_back_knows_what_it_did(tmp_path: Path) -> None:
    sums: list[int] = []
    is_over = threading.Event()

    def live_and_die() -> None:
        while not is_over.is_set():
            with logging_node(tmp_path) as node:
                proxy.target = node.port
                is_over.wait(0.3)
                if not is_over.is_set():
                    os.kill(node.pid, signal.SIGKILL)
        with logging_node(tmp_path) as node:
            proxy.target = node.port
            has_ended.wait()

    has_ended = threading.Event()
    thread = threading.Thread(target=live_and_die)
    with Proxy(0) as proxy, Client(url(proxy.port)) as client:
        thread.start()
        began = time.monotonic()
        while len(sums) < CALLS or time.monotonic() - began < 3.0:
            sums.append(client.incr("n"))
        is_over.set()
        assert sums == list(range(1, len(sums) + 1))
        assert client.get("n") == b"%d" % len(sums)
        has_ended.set()
        thread.join()


def test_a_number_that_is_forgotten_before_it_was_sent_is_replaced(node: Server) -> None:
    with Client(url(node.port)) as client, Client(f"kv://127.0.0.1:{node.port}") as admin:
        assert client.incr("n") == 1
        admin.config_set({"request-max-clients": 1})
        other = admin.execute("REQUEST", "ID")
        admin.execute("REQUEST", other, 1, 0, "INCR", "m")  # takes the one place
        assert client.incr("n") == 2
        assert client.many([("INCR", "n")]) == [3]


async def test_more_calls_than_an_id_has_room_for(node: Server) -> None:
    async with AsyncClient(url(node.port)) as client:
        sums = await asyncio.gather(*[client.incr("n") for _ in range(SPAN_MAX * 3)])
        assert sorted(sums) == list(range(1, SPAN_MAX * 3 + 1))


def test_a_repetition_whose_number_is_forgotten_has_an_unknown_outcome(node: Server) -> None:
    with Proxy(node.port) as proxy, Client(url(proxy.port)) as client:
        assert client.incr("n") == 1
        with Client(f"kv://127.0.0.1:{node.port}") as admin:
            # A node forgets at once what it need not remember.
            admin.config_set({"request-max-memory": 1})
            proxy.cut_after(0)
            with pytest.raises(OutcomeUnknown, match="INCR"):
                client.incr("n")
            assert admin.get("n") == b"2"


def test_parent_and_child_count_for_themselves_after_a_fork(node: Server) -> None:
    with Client(url(node.port)) as client:
        assert client.incr("n") == 1
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = int(client.incr("n") != 2)
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert client.incr("n") == 3


def test_each_waits_for_an_id_until_its_own_deadline(f: Flavour, node: Server) -> None:
    with Proxy(node.port) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}?exactly_once=yes&deadline=0.3")
        f.do(lambda: client.get("n"))  # so that there is a connection
        proxy.swallow()
        began = time.monotonic()
        if f.is_async:

            async def together() -> list[Any]:
                calls = [client.incr("n") for _ in range(8)]
                return await asyncio.gather(*calls, return_exceptions=True)

            errors = f.do(together)
        else:
            with ThreadPoolExecutor(8) as pool:
                calls = [pool.submit(client.incr, "n") for _ in range(8)]
                errors = [call.exception() for call in calls]
        assert time.monotonic() - began < 0.3 * 4
        assert all(isinstance(error, Unavailable) for error in errors)


def test_one_loop_after_another_asks_for_ids(node: Server) -> None:
    client = AsyncClient(url(node.port))

    async def burst() -> int:
        return max(await asyncio.gather(*[client.incr("n") for _ in range(SPAN_MAX + 10)]))

    assert [asyncio.run(burst()), asyncio.run(burst())] == [SPAN_MAX + 10, 2 * SPAN_MAX + 20]
    asyncio.run(client.close())


def test_a_server_that_is_no_kvnode_is_named(redis: Server) -> None:
    with (
        Client(f"kv://127.0.0.1:{redis.port}?exactly_once=yes") as client,
        pytest.raises(ConfigurationError, match="REQUEST"),
    ):
        client.incr("n")


def test_what_is_open_is_not_acknowledged() -> None:
    numbers = RequestNumbers(b"id", 0.0)
    first, second, third = [numbers.take(0.0) or 0 for _ in range(3)]
    assert numbers.carried(third, (b"INCR", "n")) == (b"REQUEST", b"id", 3, 0, b"INCR", "n")
    numbers.settle(second)
    assert numbers.carried(third, ())[3] == 0
    numbers.settle(first)
    assert numbers.carried(third, ())[3] == 2
    numbers.check()


def test_an_id_ends_before_a_node_forgets_it() -> None:
    numbers = RequestNumbers(b"id", 0.0)
    assert numbers.take(IDLE_S_MAX) is None
    assert numbers.take(IDLE_S_MAX - 1) == 1
    for number in range(2, SPAN_MAX + 1):
        assert numbers.take(IDLE_S_MAX) == number
        numbers.settle(number)
    # The first is open still: a node remembers what was executed after it.
    assert numbers.take(IDLE_S_MAX) is None
    numbers.settle(1)
    assert numbers.take(IDLE_S_MAX) == SPAN_MAX + 1
    numbers.check()
