"""One client library under one load, in a process of its own: how `bench.clients` takes a sample.

python -m bench.client_worker LIBRARY CASE PORT SECONDS [PID ...]

It prints what SET and GET cost as JSON: calls, seconds, CPU seconds of this process and of the
servers PID, and where the case asks for them the latencies. Every case calls what the library's own
documentation shows; the loop around the call is the same for all.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import uvloop

from .contestants import cpu_of

HOST: Final = "127.0.0.1"
VALUE: Final = b"x" * 64
KEYS: Final = [f"key:{number:012}" for number in range(1000)]
POOL: Final = 1000
BATCH: Final = 100
THREADS: Final = 8
WARM_UP_S: Final = 0.3
COMMANDS: Final = ("SET", "GET")

Calls = Callable[[float], int]
"""Calls for so many seconds; returns how many."""


# --- the libraries --------------------------------------------------------------------------------


@asynccontextmanager
async def kvclient_asyncio(port: int) -> AsyncIterator[Any]:
    """Ours, with its defaults."""
    from kvclient import AsyncClient  # each process loads the one library that it measures

    async with AsyncClient(f"kv://{HOST}:{port}") as client:
        yield client


@asynccontextmanager
async def redis_py_asyncio(port: int) -> AsyncIterator[Any]:
    """redis-py; its pool raises where more tasks call at a time than it has connections."""
    import redis.asyncio as redis  # each process loads the one library that it measures

    async with redis.Redis(host=HOST, port=port, max_connections=POOL) as client:
        yield client


@asynccontextmanager
async def coredis_asyncio(port: int) -> AsyncIterator[Any]:
    """coredis, with its defaults."""
    import coredis  # each process loads the one library that it measures

    async with coredis.Redis(host=HOST, port=port) as client:
        yield client


@asynccontextmanager
async def glide_asyncio(port: int) -> AsyncIterator[Any]:
    """valkey-glide, with its defaults but for the deadline, which is short on a busy machine."""
    import glide  # each process loads the one library that it measures

    addresses = [glide.NodeAddress(HOST, port)]
    client = await glide.GlideClient.create(
        glide.GlideClientConfiguration(addresses, request_timeout=5000)
    )
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def kvclient_cluster(port: int) -> AsyncIterator[Any]:
    """Ours, on a cluster."""
    from kvclient import AsyncClient  # each process loads the one library that it measures

    async with AsyncClient(f"kv://{HOST}:{port}", mode="cluster") as client:
        yield client


@asynccontextmanager
async def redis_py_cluster(port: int) -> AsyncIterator[Any]:
    """redis-py's, on a cluster."""
    from redis.asyncio import RedisCluster  # each process loads the one library that it measures

    async with RedisCluster(host=HOST, port=port) as client:
        yield client


@contextmanager
def kvclient_blocking(port: int) -> Iterator[Any]:
    """Ours, blocking."""
    from kvclient import Client  # each process loads the one library that it measures

    with Client(f"kv://{HOST}:{port}") as client:
        yield client


@contextmanager
def redis_py_blocking(port: int) -> Iterator[Any]:
    """redis-py, blocking."""
    import redis  # each process loads the one library that it measures

    with redis.Redis(host=HOST, port=port) as client:
        yield client


# --- the loads ------------------------------------------------------------------------------------


def method(client: Any, command: str) -> tuple[Callable[..., Any], tuple[bytes, ...]]:
    """A client's method for a command, and what it is given behind the key."""
    return (client.set, (VALUE,)) if command == "SET" else (client.get, ())


async def call_in_tasks(
    client: Any, command: str, tasks: int, seconds: float, latencies: list[float] | None
) -> int:
    """As many tasks, each of which calls again when its reply is there."""
    call, rest = method(client, command)
    keys = cycle(KEYS)
    is_over = False
    clock = time.perf_counter

    async def caller() -> int:
        count = 0
        for key in keys:
            await call(key, *rest)
            count += 1
            if is_over:
                break
        return count

    async def timed_caller() -> int:
        assert latencies is not None
        count = 0
        for key in keys:
            begin = clock()
            await call(key, *rest)
            latencies.append(clock() - begin)
            count += 1
            if is_over:
                break
        return count

    def stop() -> None:
        nonlocal is_over
        is_over = True

    asyncio.get_running_loop().call_later(seconds, stop)
    body = caller if latencies is None else timed_caller
    return sum(await asyncio.gather(*(body() for _ in range(tasks))))


def call_singly(client: Any, command: str, seconds: float) -> int:
    """One call at a time."""
    call, rest = method(client, command)
    end = time.perf_counter() + seconds
    count = 0
    for key in cycle(KEYS):
        call(key, *rest)
        count += 1
        if not count & 31 and time.perf_counter() > end:
            return count
    raise AssertionError("a cycle has no end")


def call_in_threads(client: Any, command: str, seconds: float) -> int:
    """Threads that share the client."""
    counts = [0] * THREADS

    def run(number: int) -> None:
        counts[number] = call_singly(client, command, seconds)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def batches(command: str) -> Iterator[list[tuple[str | bytes, ...]]]:
    """The requests of one batch after another."""
    rest = (VALUE,) if command == "SET" else ()
    for first in cycle(range(0, len(KEYS), BATCH)):
        yield [(command, key, *rest) for key in KEYS[first : first + BATCH]]


def call_many(client: Any, command: str, seconds: float) -> int:
    """Our `many`."""
    end = time.perf_counter() + seconds
    count = 0
    for batch in batches(command):
        client.many(batch)
        count += BATCH
        if time.perf_counter() > end:
            return count
    raise AssertionError("a cycle has no end")


def call_pipeline(client: Any, command: str, seconds: float) -> int:
    """The same by redis-py."""
    end = time.perf_counter() + seconds
    count = 0
    for batch in batches(command):
        pipeline = client.pipeline(transaction=False)
        for request in batch:
            pipeline.execute_command(*request)
        pipeline.execute()
        count += BATCH
        if time.perf_counter() > end:
            return count
    raise AssertionError("a cycle has no end")


# --- the cases ------------------------------------------------------------------------------------

Asynchronous = Callable[[int], AbstractAsyncContextManager[Any]]
Blocking = Callable[[int], AbstractContextManager[Any]]
BlockingLoad = Callable[[Any, str, float], int]

ON_A_NODE: Final[dict[str, Asynchronous]] = {
    "kvclient": kvclient_asyncio,
    "redis-py": redis_py_asyncio,
    "coredis": coredis_asyncio,
    "valkey-glide": glide_asyncio,
}
ON_A_CLUSTER: Final[dict[str, Asynchronous]] = {
    "kvclient": kvclient_cluster,
    "redis-py": redis_py_cluster,
}
SINGLY: Final[dict[str, tuple[Blocking, BlockingLoad]]] = {
    "kvclient": (kvclient_blocking, call_singly),
    "redis-py": (redis_py_blocking, call_singly),
}
THREADED: Final[dict[str, tuple[Blocking, BlockingLoad]]] = {
    "kvclient": (kvclient_blocking, call_in_threads),
    "redis-py": (redis_py_blocking, call_in_threads),
}
BATCHED: Final[dict[str, tuple[Blocking, BlockingLoad]]] = {
    "kvclient": (kvclient_blocking, call_many),
    "redis-py": (redis_py_blocking, call_pipeline),
}


@dataclass(frozen=True)
class AsyncCase:
    """Tasks of one loop."""

    libraries: dict[str, Asynchronous]
    tasks: int
    times_calls: bool = False


@dataclass(frozen=True)
class BlockingCase:
    """Calls without a loop."""

    libraries: dict[str, tuple[Blocking, BlockingLoad]]


CASES: Final[dict[str, AsyncCase | BlockingCase]] = {
    "asyncio_50": AsyncCase(ON_A_NODE, 50),
    "latency_50": AsyncCase(ON_A_NODE, 50, times_calls=True),
    "asyncio_500": AsyncCase(ON_A_NODE, 500),
    "asyncio_10000": AsyncCase({"kvclient": kvclient_asyncio}, 10_000),
    "blocking": BlockingCase(SINGLY),
    "many_100": BlockingCase(BATCHED),
    "threads_8": BlockingCase(THREADED),
    "cluster_50": AsyncCase(ON_A_CLUSTER, 50),
}


class Meter:
    """What was used between its making and `read`."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._begin = self._now()

    def _now(self) -> tuple[float, float, float]:
        servers = [cpu_of(pid) for pid in self._pids]
        server_s = sum(cpu.user_s + cpu.system_s for cpu in servers)
        return time.perf_counter(), time.process_time(), server_s

    def read(self, calls: int, latencies: list[float] | None) -> dict[str, float]:
        """The row of a sample."""
        elapsed_s, client_s, server_s = (
            now - begin for now, begin in zip(self._now(), self._begin)
        )
        row = {"calls": calls, "elapsed_s": elapsed_s, "client_s": client_s, "server_s": server_s}
        if latencies:
            latencies.sort()
            row["p50_ms"] = latencies[len(latencies) // 2] * 1000
            row["p99_ms"] = latencies[len(latencies) * 99 // 100] * 1000
        return row


async def sample_asyncio(
    case: AsyncCase, library: str, port: int, seconds: float, pids: list[int]
) -> dict[str, dict[str, float]]:
    """SET and then GET in tasks."""
    rows = {}
    async with case.libraries[library](port) as client:
        for command in COMMANDS:
            await call_in_tasks(client, command, case.tasks, WARM_UP_S, None)
            latencies: list[float] | None = [] if case.times_calls else None
            meter = Meter(pids)
            calls = await call_in_tasks(client, command, case.tasks, seconds, latencies)
            rows[command] = meter.read(calls, latencies)
    return rows


def sample_blocking(
    case: BlockingCase, library: str, port: int, seconds: float, pids: list[int]
) -> dict[str, dict[str, float]]:
    """SET and then GET without a loop."""
    rows = {}
    connect, load = case.libraries[library]
    with connect(port) as client:
        for command in COMMANDS:
            load(client, command, WARM_UP_S)
            meter = Meter(pids)
            rows[command] = meter.read(load(client, command, seconds), None)
    return rows


def main(library: str, name: str, port: str, seconds: str, *pids: str) -> None:
    """Take one sample and print it."""
    case = CASES[name]
    rest = (library, int(port), float(seconds), [int(pid) for pid in pids])
    if isinstance(case, AsyncCase):
        rows = uvloop.run(sample_asyncio(case, *rest))
    else:
        rows = sample_blocking(case, *rest)
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
