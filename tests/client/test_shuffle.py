"""Shuffles on a running node, in every flavour: what is written is read, once, and whole."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

import kvclient.shuffle
from kvclient import Client
from kvclient.errors import (
    ArgumentError,
    Corrupted,
    DeadlineExceeded,
    ShuffleConsumed,
    ShuffleExists,
    ShuffleGone,
    ShuffleOpen,
    ShuffleQuota,
    UsageError,
)
from kvclient.shuffle import ShuffleProgress

from ..wire.proxy import Proxy
from ..wire.servers import Server, kvnode_server
from .flavour import Flavour
from .shuffling import in_partition, kind_of, opened, payloads_of, within, write_map

NUMBERS = count()


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    with kvnode_server() as server:
        yield server


@pytest.fixture
def id() -> str:
    return f"job-{next(NUMBERS)}"


@pytest.fixture
def c(f: Flavour, node: Server) -> Any:
    return f.client(f"kv://127.0.0.1:{node.port}")


@pytest.mark.parametrize("codec", ["none", "lz4", "zstd"])
@pytest.mark.parametrize("options", ["", "?decode=yes", "?protocol=2"])
def test_what_is_written_is_read(
    f: Flavour, node: Server, id: str, codec: str, options: str
) -> None:
    if codec != "none":
        pytest.importorskip({"lz4": "lz4", "zstd": "zstandard"}[codec])
    client = f.client(f"kv://127.0.0.1:{node.port}{options}")
    shuffle = opened(f, client, id, codec=codec)
    assert all(write_map(f, shuffle, map, payloads_of(map)).is_winner for map in range(2))
    f.do(lambda: shuffle.wait(5))
    for partition in range(3):
        assert f.each(partial(shuffle.read, partition)) == in_partition(partition, 0, 1)
        second = f.each(partial(shuffle.read, partition, range(1, 2)))
        assert second == in_partition(partition, 1)
    status = f.do(shuffle.status)
    assert status.is_sealed and status.committed == 2 and status.codec == codec
    assert f.do(shuffle.missing) == []
    assert f.do(shuffle.end) and not f.do(shuffle.end)


def test_blocks_are_larger_than_the_receive_buffer(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1, partitions=1)
    large = bytes(range(256)) * (40 << 10)
    write_map(f, shuffle, 0, [(0, large), (0, b"small"), (0, large[1:])])
    assert f.each(lambda: shuffle.read(0)) == [large, b"small", large[1:]]


def test_buffers_are_bounded(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1, partitions=64)
    with within(f, shuffle.map_task(0, block_bytes=1 << 20, buffer_bytes=100_000)) as task:
        for n in range(640):
            f.do(partial(task.write, n % 64, b"%05d" % n * 200))
            assert task._buffered <= 101_100
    for partition in range(64):
        read = f.each(partial(shuffle.read, partition))
        assert read == [b"%05d" % n * 200 for n in range(640) if n % 64 == partition]


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_a_ready_payload_is_a_block_of_its_own(f: Flavour, c: Any, id: str, codec: str) -> None:
    if codec != "none":
        pytest.importorskip("lz4")
    shuffle = opened(f, c, id, maps=1, partitions=1, codec=codec)
    large = bytes(range(256)) * (6 << 10)
    payloads = [b"", b"one", b"two" * 40_000, large, memoryview(large)[1:], bytearray(b"last")]
    with within(f, shuffle.map_task(0)) as task:
        for payload in payloads:
            f.do(partial(task.write_block, 0, payload))
    assert f.each(lambda: shuffle.read(0)) == payloads
    assert f.do(lambda: shuffle.partition_status(0)).blocks == len(payloads)
    with pytest.raises(Corrupted, match=r"read with read$"):
        f.each(lambda: shuffle.read_objects(0))
    with pytest.raises(UsageError, match="has ended"):
        f.do(lambda: task.write_block(0, b"late"))
    with within(f, shuffle.map_task(0)) as other, pytest.raises(ArgumentError):
        f.do(lambda: other.write_block(1, b"nowhere"))


def test_blocks_of_their_own_keep_the_order_of_writing(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1, partitions=1)
    written = [b"a", b"b", b"C" * (1 << 20), b"d", b"E", b"f"]
    with within(f, shuffle.map_task(0)) as task:
        for payload in written:
            is_own = payload == b"E"
            f.do(partial(task.write_block if is_own else task.write, 0, payload))
    assert f.each(lambda: shuffle.read(0)) == written
    # a and b, C since it is as large as a block, d, E, f.
    assert f.do(lambda: shuffle.partition_status(0)).blocks == 5


@pytest.mark.parametrize("method", ["write", "write_block"])
def test_a_large_payload_is_not_copied(f: Flavour, c: Any, id: str, method: str) -> None:
    shuffle = opened(f, c, id, maps=1, partitions=1)
    large = bytes(1 << 20)
    pushes: list[Any] = []
    with within(f, shuffle.map_task(0)) as task:
        push = task._pusher.push

        def record(blocks: Any) -> Any:
            pushes.append(blocks)
            return push(blocks)

        task._pusher.push = record
        f.do(lambda: getattr(task, method)(0, large))
    assert [blocks.words[-1][1] is large for blocks in pushes] == [True]
    assert f.each(lambda: shuffle.read(0)) == [large]


def test_what_the_caller_changes_later_was_written_as_it_was(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1)
    changing = bytearray(b"before")
    with within(f, shuffle.map_task(0)) as task:
        f.do(lambda: task.write(1, changing))
        changing[:] = b"after!"
        f.do(lambda: task.write(1, memoryview(b"a view")))
    assert f.each(lambda: shuffle.read(1)) == [b"before", b"a view"]


def test_objects_are_pickled_only_where_that_is_asked_for(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1)
    values = [{"a": (1, None)}, ["text", 2.5], 0]
    with within(f, shuffle.map_task(0)) as task:
        for value in values:
            f.do(partial(task.write_pickle, 2, value))
    assert f.each(lambda: shuffle.read_objects(2)) == values
    with pytest.raises(Corrupted, match="read_objects"):
        f.each(lambda: shuffle.read(2))


def test_rows_that_take_no_bytes_are_rows(f: Flavour, c: Any, id: str) -> None:
    pa = pytest.importorskip("pyarrow")
    shuffle = opened(f, c, id, maps=2)
    with within(f, shuffle.map_task(0)) as task:
        f.do(lambda: task.write_table(pa.table({"nothing": pa.nulls(5)}), "nothing"))
    with within(f, shuffle.map_task(1)) as other:
        f.do(lambda: other.write_part(1, pa.table({"name": pa.array([], pa.string())})))
    tables = [
        table
        for part in range(shuffle.partitions)
        for table in f.each(partial(shuffle.read_tables, part))
    ]
    assert sorted((table.num_rows, table.column_names) for table in tables) == [
        *((0, ["name"]), (5, ["nothing"]))
    ]


def test_a_payload_that_no_server_takes_is_refused_at_once(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1)
    large = bytes(512 << 20)
    with within(f, shuffle.map_task(0)) as task:
        for write in (task.write, task.write_block):
            with pytest.raises(ArgumentError, match="may have"):
                f.do(partial(write, 0, large))


def test_the_first_attempt_that_commits_wins(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1)
    with within(f, shuffle.map_task(0, 7)) as slow:
        f.do(lambda: slow.write(0, b"slow"))
        fast = write_map(f, shuffle, 0, [(0, b"fast")])
    assert fast.is_winner and not slow.is_winner and slow.winner == fast.attempt
    with within(f, shuffle.map_task(0)) as late:
        # Noticed at the first push: nothing more of the body is done.
        f.do(lambda: late.write(0, bytes(3 << 20)))
        f.do(lambda: late.write(0, bytes(3 << 20)))
    assert not late.is_winner
    assert f.each(lambda: shuffle.read(0)) == [b"fast"]


def test_an_exception_aborts(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1)
    with pytest.raises(ZeroDivisionError), within(f, shuffle.map_task(0)) as task:
        f.do(lambda: task.write(0, bytes(2 << 20)))
        _ = 1 / 0
    assert not task.is_winner
    assert f.do(shuffle.missing) == [0]
    write_map(f, shuffle, 0, [(0, b"again")])
    assert f.each(lambda: shuffle.read(0)) == [b"again"]
    with pytest.raises(UsageError, match="has ended"):
        f.do(lambda: task.write(1, b"late"))


@pytest.mark.parametrize("end", ["commit", "prepare", "abort"])
def test_what_is_written_after_the_end_is_an_error(f: Flavour, c: Any, id: str, end: str) -> None:
    shuffle = opened(f, c, id, maps=1)
    task = shuffle.map_task(0)
    f.do(lambda: task.write(0, b"in time"))
    f.do(lambda: task.write_pickle(1, "in time"))
    output = f.do(getattr(task, end))
    for write in (task.write, task.write_block, task.write_pickle):
        for partition in range(3):
            with pytest.raises(UsageError, match="map 0: the attempt has ended"):
                f.do(partial(write, partition, b"late"))
    if end == "prepare":
        assert f.do(lambda: shuffle.commit_map(output)) == task.attempt
    if end != "abort":
        assert f.each(lambda: shuffle.read(0)) == [b"in time"]
        assert f.each(lambda: shuffle.read_objects(1)) == ["in time"]


def test_coroutines_share_a_task(f: Flavour, c: Any, id: str) -> None:
    if not f.is_async:
        pytest.skip("threads do not share a task")
    shuffle = opened(f, c, id, maps=1, partitions=4, deadline_s=1.0)
    payloads = [bytes([number]) * 700_000 for number in range(16)]

    async def write(task: Any, partition: int) -> None:
        for payload in payloads:
            await task.write(partition, payload)

    async def write_all(task: Any) -> None:
        await asyncio.gather(*(write(task, partition) for partition in range(4)))

    with within(f, shuffle.map_task(0)) as task:
        f.do(lambda: write_all(task))
    assert task.is_winner
    for partition in range(4):
        assert f.each(partial(shuffle.read, partition)) == payloads


def test_what_is_not_sealed_is_not_read(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id)
    write_map(f, shuffle, 1, payloads_of(1))
    with pytest.raises(ShuffleOpen):
        f.each(lambda: shuffle.read(0))
    with pytest.raises(DeadlineExceeded, match="not sealed within"):
        f.do(lambda: shuffle.wait(0.05))
    with pytest.raises(ShuffleOpen):
        f.do(shuffle.seal)
    assert f.do(shuffle.missing) == [0]
    assert f.do(lambda: shuffle.seal(1)) == f.do(lambda: shuffle.wait(5))
    assert f.each(lambda: shuffle.read(0)) == in_partition(0, 1)


def test_errors_have_types(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1, quota=1 << 20)
    opened(f, c, id, maps=1, quota=1 << 20)
    with pytest.raises(ShuffleExists):
        opened(f, c, id, maps=2)
    with pytest.raises(ShuffleQuota), within(f, shuffle.map_task(0)) as task:
        f.do(lambda: task.write(0, bytes(4 << 20)))
    write_map(f, shuffle, 0, [(0, b"x")])
    f.do(lambda: shuffle.acknowledge(0))
    with pytest.raises(ShuffleConsumed):
        f.each(lambda: shuffle.read(0))
    f.do(shuffle.end)
    with pytest.raises(ShuffleGone):
        f.each(lambda: shuffle.read(1))
    with pytest.raises(ShuffleGone):
        f.do(lambda: kind_of(f).attach(c, "none such"[:4]))
    for call in (
        lambda: shuffle.map_task(1),
        lambda: shuffle.map_task(0, 1 << 63),
        lambda: opened(f, c, "a b"),
        lambda: opened(f, c, id, codec="gzip"),
        lambda: f.each(lambda: shuffle.read(3)),
        lambda: f.each(lambda: shuffle.read(0, range(0))),
    ):
        with pytest.raises(ArgumentError):
            call()


def test_who_attaches_has_its_terms(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=5, partitions=4, deterministic=True, ttl_s=77)
    other = f.do(lambda: kind_of(f).attach(c, id))
    assert other._terms == shuffle._terms
    assert (other.maps, other.partitions, other.id) == (5, 4, id)


def test_a_handle_may_be_pickled(f: Flavour, c: Any, id: str) -> None:
    shuffle = opened(f, c, id, maps=1)
    other = pickle.loads(pickle.dumps(shuffle))
    f._clients.append(other._client)
    write_map(f, other, 0, [(0, b"elsewhere")])
    assert f.each(lambda: shuffle.read(0)) == [b"elsewhere"]


def test_progress_is_told(f: Flavour, c: Any, id: str) -> None:
    told: list[ShuffleProgress] = []
    shuffle = opened(f, c, id, maps=1, partitions=1, on_progress=told.append)
    write_map(f, shuffle, 0, [(0, bytes(1 << 20))] * 3)
    f.each(lambda: shuffle.read(0))
    assert told[-1] == shuffle.progress
    assert (told[-1].maps_committed, told[-1].pushed_blocks, told[-1].fetched_blocks) == (1, 3, 3)
    assert told[-1].pushed_bytes == told[-1].fetched_bytes == 3 * ((1 << 20) + 16)


def test_who_opened_it_keeps_it_and_ends_it(f: Flavour, c: Any, id: str) -> None:
    with within(f, opened(f, c, id, maps=1, ttl_s=1)) as shuffle:
        f.pause(1.5)
        assert f.do(shuffle.status).state == "open"
        with within(f, f.do(lambda: kind_of(f).attach(c, id))):
            pass
        assert f.do(shuffle.renew)
    assert not f.do(shuffle.renew)


def test_connections_that_are_cut_lose_and_double_nothing(
    f: Flavour, node: Server, id: str
) -> None:
    with Proxy(node.port) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}")
        shuffle = opened(f, client, id, maps=1, partitions=1)
        payloads = [b"%03d" % n * 70_000 for n in range(60)]
        with within(f, shuffle.map_task(0)) as task:
            for n, payload in enumerate(payloads):
                if n % 20 == 10:
                    proxy.cut()
                f.do(partial(task.write, 0, payload))
            proxy.cut_after(2)
        assert task.is_winner
        for cut_at in (1, 3_000_000, 9_000_000):
            proxy.cut_after(cut_at)
            assert f.each(lambda: shuffle.read(0)) == payloads


def test_clients_that_cannot_are_refused(f: Flavour, node: Server) -> None:
    urls = [f"kv://127.0.0.1:{node.port}?mode=ring"]
    with pytest.raises(UsageError, match="ring"):
        opened(f, f.client(urls), "x")
    if not f.is_async:
        with Client.embedded() as embedded, pytest.raises(UsageError, match="embedded"):
            opened(f, embedded, "x")


def test_tables_are_partitioned_by_a_key(f: Flavour, c: Any, id: str) -> None:
    pa = pytest.importorskip("pyarrow")
    shuffle = opened(f, c, id, codec="none")
    table = pa.table({"key": range(1000), "text": [str(n) for n in range(1000)]})
    with within(f, shuffle.map_task(0)) as task:
        for start in range(0, 1000, 100):
            f.do(partial(task.write_table, table.slice(start, 100), by="key"))
    with within(f, shuffle.map_task(1)) as task:
        f.do(lambda: task.write_table(table, by=kvclient.shuffle.Range("key", [10, 500])))
    of_hash: list[Any] = []
    for partition in range(3):
        of_hash += f.each(partial(shuffle.read_tables, partition, range(1)))
    assert len(of_hash) == 3 and pa.concat_tables(of_hash).sort_by("key").equals(table)
    of_range = [f.each(partial(shuffle.read_tables, p, range(1, 2)))[0] for p in range(3)]
    assert pa.concat_tables(of_range).equals(table)
    assert [part.num_rows for part in of_range] == [10, 490, 500]


def test_a_large_table_is_cut(f: Flavour, c: Any, id: str) -> None:
    pa = pytest.importorskip("pyarrow")
    shuffle = opened(f, c, id, maps=1, partitions=1)
    table = pa.table({"key": range(10_000), "text": ["x" * 100] * 10_000})
    with within(f, shuffle.map_task(0, block_bytes=10_000)) as task:
        f.do(lambda: task.write_part(0, table))
        f.do(lambda: task.write_part(0, table[:0]))
        f.do(lambda: task.write_part(0, pa.table({"key": [7], "text": ["y" * 500_000]})))
    read = f.each(lambda: shuffle.read_tables(0))
    assert [part.num_rows for part in read] == [1429] * 6 + [1426, 1]
    assert pa.concat_tables(read[:7]).equals(table)
