"""One client in several threads, processes and loops; and clients that travel as pickles."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from kvclient import AsyncClient, Client
from kvclient.errors import KvError, OutcomeUnknown, Unavailable, UsageError

THREADS = 8
ROUNDS = 150


@pytest.fixture
def client(url: str) -> Iterator[Client[str]]:
    with Client(url, decode=True) as made:
        yield made


def in_threads(work: Any) -> None:
    """Run `work(number)` in threads; raise what the first of them raised."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_eight_threads_get_their_own_replies(client: Client[str]) -> None:
    def work(number: int) -> None:
        for n in range(ROUNDS):
            text = f"{number}:{n}"
            assert client.execute("ECHO", text) == text
            assert client.set(f"k{number}", text)
            assert client.many([("GET", f"k{number}"), ("ECHO", text)]) == [text, text]
            with client.transaction() as transaction:
                value = transaction.get(f"k{number}")
                transaction.incr("sum")
            assert value.value == text
            assert client.blpop(f"empty{number}", 0.001) is None
            if n % 30 == 0:
                with client.lock("shared", ttl_s=20.0):
                    held = int(client.get("in") or 0)
                    client.set("in", held + 1)

    in_threads(work)
    assert client.get("sum") == str(THREADS * ROUNDS)
    assert client.get("in") == str(THREADS * ROUNDS // 30)


def test_threads_that_have_ended_keep_no_connection(client: Client[str]) -> None:
    in_threads(lambda number: client.set(f"k{number}", "v"))
    give_up_at = time.monotonic() + 10.0
    while client.info("clients")["connected_clients"] != 1:
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def test_another_thread_may_close(url: str) -> None:
    client = Client(url)
    started = threading.Barrier(THREADS + 1)
    outcomes: list[BaseException] = []

    def work(number: int) -> None:
        client.set("k", "v")
        started.wait()
        try:
            if number % 2:
                client.blpop("nothing", 0)
            while True:
                client.get("k")
        except KvError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    started.wait()
    time.sleep(0.05)
    client.close()
    for thread in threads:
        thread.join()
    assert len(outcomes) == THREADS
    assert {type(error) for error in outcomes} <= {OutcomeUnknown, Unavailable, UsageError}
    with pytest.raises(UsageError):
        client.get("k")
    assert not client._core._own.connections


def test_a_client_travels_by_its_options(url: str) -> None:
    client = Client(url, decode=True).with_deadline(3.0)
    client.set("k", "v")
    copy = pickle.loads(pickle.dumps(client))
    assert copy.get("k") == "v" and copy.options == client.options
    assert copy._deadline_s == 3.0 and copy._core is not client._core
    copy.close()
    client.close()
    assert isinstance(pickle.loads(pickle.dumps(AsyncClient(url))), AsyncClient)


def in_child(work: Any) -> None:
    """Run `work()` in a fork; raise if it failed there."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=work)
    process.start()
    process.join(60)
    assert process.exitcode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_parent_and_child_go_on_after_a_fork(client: Client[str]) -> None:
    client.set("k", "v")
    mine = client.execute("CLIENT", "ID")

    def work() -> None:
        for _ in range(50):
            assert client.get("k") == "v"
            client.incr("n")
        assert client.execute("CLIENT", "ID") != mine
        client.close()

    lock = client._core._lock
    with lock:  # as if another thread of the parent held it
        in_child(work)
    # The child has closed its client: the parent's connection is the one that it was.
    assert client.execute("CLIENT", "ID") == mine
    assert client.get("n") == "50"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_an_async_client_goes_on_after_a_fork(url: str) -> None:
    client = AsyncClient(url, decode=True)

    async def use() -> object:
        return await client.execute("CLIENT", "ID")

    async def parent() -> None:
        mine = await use()
        await client.set("k", "v")
        # The fork happens while the parent's loop runs, in which the child has no part.
        thread = threading.Thread(target=in_child, args=(lambda: asyncio.run(child(mine)),))
        thread.start()
        while thread.is_alive():
            assert await client.get("k") == "v"
            await asyncio.sleep(0.001)
        assert await use() == mine
        await client.close()

    async def child(theirs: object) -> None:
        assert await client.get("k") == "v"
        assert await use() != theirs
        await client.close()

    asyncio.run(parent())


@pytest.mark.filterwarnings("ignore:unclosed", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_one_loop_after_another_is_served(run: Any, url: str) -> None:
    client = AsyncClient(url, decode=True)

    async def use(n: int) -> None:
        assert await client.set("k", f"v{n}")
        assert await asyncio.gather(*(client.get("k") for _ in range(20))) == [f"v{n}"] * 20
        assert await client.blpop("none", 0.01) is None
        async with client.lock("l"):
            pass

    for n in range(3):
        run(use(n))
    run(client.close())


def test_two_loops_at_once_are_refused_clearly(url: str) -> None:
    client = AsyncClient(url)
    seen: list[str] = []

    async def other() -> None:
        with pytest.raises(UsageError) as failure:
            await client.get("k")
        seen.append(str(failure.value))

    async def first() -> None:
        await client.get("k")
        await asyncio.to_thread(lambda: asyncio.run(other()))
        await client.get("k")
        await client.close()

    asyncio.run(first())
    assert "another event loop" in seen[0]
    with pytest.raises(UsageError):
        client.get("k")


async def test_close_ends_what_waits(url: str) -> None:
    client = AsyncClient(url)
    await client.set("k", "v")
    waiting: list[asyncio.Future[Any]] = []
    waiting += [asyncio.ensure_future(client.blpop("none", 0)) for _ in range(5)]
    waiting.append(asyncio.ensure_future(client.xread({"s": "$"}, block=0)))
    await asyncio.sleep(0.05)
    sent = asyncio.ensure_future(client.incr("n"))
    unsent = asyncio.ensure_future(AsyncClient("kv://127.0.0.1:1").get("k"))
    await asyncio.sleep(0)
    await client.close()
    outcomes = await asyncio.gather(*waiting, sent, return_exceptions=True)
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds[:5] == [OutcomeUnknown] * 5 and kinds[5] is Unavailable
    assert kinds[6] in (OutcomeUnknown, Unavailable)
    unsent.cancel()
    with pytest.raises(UsageError, match="closed"):
        await client.get("k")
    await client.close()
