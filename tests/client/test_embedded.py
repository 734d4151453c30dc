"""Embedded clients: what is theirs alone. Their methods are tested with the others."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import resource
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from kvclient import (
    AsyncClient,
    Client,
    ConfigurationError,
    DeadlineExceeded,
    NotDurableError,
    OutcomeUnknown,
    ReplyError,
    TransactionAborted,
    UsageError,
)
from kvclient.embedded import caller

from ..wire.servers import SOURCE_ROOTS


def test_data_in_memory_ends_with_the_client() -> None:
    with Client.embedded() as client:
        client.set("key", "value")
        assert client.get("key") == b"value"
        assert repr(client) == "Client(embedded)"
        with pytest.raises(ReplyError):
            client.save()
    with pytest.raises(UsageError, match="closed"):
        client.get("key")
    with Client.embedded() as another:
        assert another.get("key") is None


def test_data_in_a_folder_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder"
    with Client.embedded(path, decode=True) as client:
        client.hset("h", mapping={"a": 1})
        client.set("t", "v", ex=100)
        client.many([("INCR", "n"), ("INCR", "n")])
    with Client.embedded(path, decode=True) as client:
        assert client.hgetall("h") == {"a": "1"}
        assert 0 < client.ttl("t") <= 100
        assert client.get("n") == "2"
        assert client.bgrewriteaof()
        client.set("later", "x")
        assert repr(client) == f"Client(embedded:{path})"
    with Client.embedded(path, decode=True) as client:
        assert client.get("later") == "x"
        assert client.dbsize() == 4


def test_a_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    with Client.embedded(tmp_path):
        with pytest.raises(ConfigurationError, match=f"which process {os.getpid()} uses"):
            Client.embedded(tmp_path)
        program = f"from kvclient import Client; Client.embedded({str(tmp_path)!r})"
        run = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCE_ROOTS))},
            capture_output=True,
            text=True,
            check=False,
        )
        last = run.stderr.strip().splitlines()[-1]
        assert last == (
            f"kvclient.errors.ConfigurationError: path is {str(tmp_path)!r},"
            f" which process {os.getpid()} uses; one at a time can"
        )
    Client.embedded(tmp_path).close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"path is '.*file': file exists"):
        Client.embedded(tmp_path / "file")
    with Client.embedded(tmp_path / "data") as client:
        client.set("k", "v")
    base = next((tmp_path / "data" / "appendonlydir").glob("*.base.rdb"))
    base.write_bytes(base.read_bytes()[:-9] + b"123456789")
    with pytest.raises(ConfigurationError, match=r"base\.rdb"):
        Client.embedded(tmp_path / "data")


def test_what_was_acknowledged_survives_the_process(tmp_path: Path) -> None:
    program = (
        "import os; from kvclient import Client;"
        f"client = Client.embedded({str(tmp_path)!r}); client.set('k', 'v'); os._exit(0)"
    )
    path = os.pathsep.join(map(str, SOURCE_ROOTS))
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    with Client.embedded(tmp_path) as client:
        assert client.get("k") == b"v"


def test_every_sync_is_waited_for_where_that_is_wanted(tmp_path: Path) -> None:
    with Client.embedded(tmp_path) as client:
        client.config_set({"appendfsync": "always"})
        for number in range(20):
            assert client.incr("n") == number + 1
        for name in ("dir", "appendonly"):
            with pytest.raises(ReplyError, match="CONFIG SET failed"):
                client.config_set({name: str(tmp_path.parent) if name == "dir" else "no"})


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """The log in a folder cannot grow, as on a full disk."""
    (log,) = folder.glob("*/*.incr.aof")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_reads_go_on_while_nothing_can_be_written(tmp_path: Path) -> None:
    """What was executed and not written is said once; from then on writes are refused."""
    with Client.embedded(tmp_path) as client:
        client.incr("n")
        with full(tmp_path):
            with pytest.raises(OutcomeUnknown, match="not written"):
                client.incr("n")
            with pytest.raises(NotDurableError), client.transaction() as queue:
                queue.incr("n")
            assert client.get("n") == b"2"
            with client.watch("n") as watch:
                assert watch.get("n") == b"2"


async def test_reads_of_coroutines_go_on_while_nothing_can_be_written(tmp_path: Path) -> None:
    async with AsyncClient.embedded(tmp_path) as client:
        await client.incr("n")
        async with client.watch("n") as watch:
            queue = watch.transaction()
            queue.incr("n")
            with full(tmp_path):
                with pytest.raises(OutcomeUnknown):
                    await asyncio.wait_for(queue.execute(), 2)
                with pytest.raises(NotDurableError):
                    await client.incr("n")
                assert await client.get("n") == b"2"


def test_the_folder_of_the_process_stays_what_it_is(tmp_path: Path) -> None:
    before = os.getcwd()
    with Client.embedded(tmp_path) as client:
        assert client.config_get("dir") == {"dir": str(tmp_path)}
        client.save()
    assert os.getcwd() == before
    assert (tmp_path / "dump.rdb").exists()


def test_a_client_that_nobody_closed_says_so() -> None:
    client = Client.embedded()
    client.set("k", "v")
    client.blpop("l", 0.001)
    with pytest.warns(ResourceWarning, match="an embedded client was not closed"):
        del client
        gc.collect()
    client = Client.embedded()
    client.close()
    client.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del client
        gc.collect()


def test_its_thread_ends_with_it() -> None:
    before = threading.active_count()
    client = Client.embedded()
    assert threading.active_count() == before + 1
    client.close()
    assert threading.active_count() == before


def test_threads_share_the_engine_and_wait_for_each_other() -> None:
    with Client.embedded() as client:

        def work() -> None:
            for _ in range(200):
                client.incr("n")
                client.transact(lambda watch, queue: queue.incr("m"), "m")

        threads = [threading.Thread(target=work) for _ in range(4)]
        popped: list[object] = []
        waiter = threading.Thread(target=lambda: popped.append(client.blpop("l", 10)))
        for thread in [*threads, waiter]:
            thread.start()
        for thread in threads:
            thread.join()
        client.rpush("l", "x")
        waiter.join()
        assert (client.get("n"), client.get("m"), popped) == (b"800", b"800", [(b"l", b"x")])


def test_keys_expire_and_waits_end_by_themselves() -> None:
    with Client.embedded() as client, client.subscribe("__keyevent@0__:expired") as events:
        client.config_set({"notify-keyspace-events": "Ex"})
        client.set("k", "v", px=20)
        message = events.next(5)
        assert message is not None
        assert message.data == b"k"  # type: ignore[union-attr]
        begin = time.monotonic()
        assert client.blpop("l", 0.05) is None
        assert time.monotonic() - begin < 1


def test_close_ends_the_wait_of_another_thread() -> None:
    client = Client.embedded()
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            client.blpop("l", 0)
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not client.info("clients")["blocked_clients"]:
        time.sleep(0.001)
    client.close()
    thread.join(5)
    assert not thread.is_alive()
    assert len(ended) == 1


def test_a_pause_holds_calls_until_their_deadline() -> None:
    with Client.embedded() as client:
        client.client_pause(50)
        assert client.set("k", "v") is True
        client.client_pause(500)
        with pytest.raises(DeadlineExceeded):
            client.with_deadline(0.05).get("k")
        client.client_unpause()
        assert client.get("k") == b"v"


def test_a_session_that_was_killed_is_replaced() -> None:
    with Client.embedded() as client:
        for line in client.client_list():
            client.client_kill(id=int(line["id"]), skipme=False)
        assert client.set("k", "v") is True


def test_what_only_a_server_does_is_refused() -> None:
    with Client.embedded() as client:
        for request in (("SHUTDOWN",), ("REPLICAOF", "localhost", "1"), ("FAILOVER",)):
            with pytest.raises((ReplyError, UsageError)):
                client.execute(*request)
        with pytest.raises(UsageError, match="its data is here"):
            pickle.dumps(client)
        with pytest.raises(UsageError, match="its data is here"):
            copy.copy(client)


def test_a_child_process_leaves_the_data_alone(tmp_path: Path) -> None:
    with Client.embedded(tmp_path) as client:
        client.set("k", "v")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                client.set("k", "other")
            except UsageError:
                code = 0
            os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert client.get("k") == b"v"


def test_a_child_process_leaves_the_data_of_each_client_alone(tmp_path: Path) -> None:
    with Client.embedded(tmp_path / "a") as one, Client.embedded(tmp_path / "b") as two:
        child = os.fork()
        if child == 0:
            refused = 0
            for client in (one, two):
                try:
                    client.set("k", "v")
                except UsageError:
                    refused += 1
            os._exit(refused != 2)
        assert os.waitpid(child, 0)[1] == 0


class Interruption(BaseException):
    """What a handler of signals raises."""


@contextmanager
def interrupted_at(line: int) -> Iterator[None]:
    """Raise an Interruption before the given one of all lines that run in the caller's module."""
    lines = iter(range(line))

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename != caller.__file__:
            return None
        if event == "line" and next(lines, None) is None:
            sys.settrace(None)
            raise Interruption
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("is_transaction", [False, True])
def test_a_call_that_was_interrupted_leaves_no_reply_behind(is_transaction: bool) -> None:
    with Client.embedded() as client:
        line = 0
        is_over = False
        while not is_over:
            line += 1
            queue = client.transaction() if is_transaction else client.pipeline()
            queue.get("none")
            queue.get("none")
            try:
                with interrupted_at(line):
                    queue.execute()
                is_over = True
            except Interruption:
                pass
            assert client.echo("x") == b"x"
        assert line > 20


def test_watched_keys_abort_a_transaction() -> None:
    with Client.embedded() as client, client.watch("k") as watch:
        client.set("k", "other")
        with pytest.raises(TransactionAborted), watch.transaction() as queue:
            queue.set("k", "mine")


async def test_tasks_have_their_turn_beside_one_that_never_waits() -> None:
    async with AsyncClient.embedded() as client:

        async def stop() -> None:
            await client.set("stop", 1)

        task = asyncio.create_task(stop())
        while await client.get("stop") is None:
            pass
        await task


async def test_coroutines_wait_and_listen(tmp_path: Path) -> None:
    async with AsyncClient.embedded(tmp_path, decode=True) as client:
        waiting = asyncio.ensure_future(client.blpop("l", 5))
        async with client.subscribe("c") as messages:
            while not (await client.info("clients"))["blocked_clients"]:
                await asyncio.sleep(0)
            await client.rpush("l", "x")
            assert await waiting == ("l", "x")
            await client.publish("c", "hello")
            message = await messages.next(5)
            assert message is not None
            assert message.data == "hello"  # type: ignore[union-attr]
        async with client.lock("lock") as lock:
            assert lock.is_held
        await client.client_pause(30)
        assert await client.many([("SET", "k", "v"), ("GET", "k")]) == ["OK", "v"]
        async with client.transaction() as queue:
            value = queue.get("k")
        assert value.value == "v"
    with pytest.raises(UsageError, match="closed"):
        await client.get("k")


async def test_a_close_ends_the_waits_of_tasks() -> None:
    client = AsyncClient.embedded()
    waiting = asyncio.ensure_future(client.blpop("l", 0))
    while not (await client.info("clients"))["blocked_clients"]:
        await asyncio.sleep(0)
    await client.close()
    with pytest.raises(Exception):  # noqa: B017  # whichever: it ends
        await asyncio.wait_for(waiting, 5)


def test_the_data_stays_from_loop_to_loop() -> None:
    client = AsyncClient.embedded()

    async def count() -> int:
        assert await client.blpop("l", 0.001) is None
        return await client.incr("n")

    assert [asyncio.run(count()), asyncio.run(count())] == [1, 2]
    asyncio.run(client.close())


async def test_its_only_node_is_the_engine() -> None:
    with Client.embedded() as client:
        (node,) = client.nodes()
        assert node.set("k", "v") is True
        assert client.get("k") == b"v"
    async with AsyncClient.embedded() as other:
        (engine,) = await other.nodes()
        assert await engine.set("k", "v") is True
        assert [key async for key in other.scan_iter()] == [b"k"]


def test_importing_the_client_loads_no_server() -> None:
    program = (
        "import sys, kvclient; kvclient.Client; kvclient.AsyncClient;"
        "sys.exit(any(name.startswith('kvnode') for name in sys.modules))"
    )
    path = os.pathsep.join(map(str, SOURCE_ROOTS))
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
