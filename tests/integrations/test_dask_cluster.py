"""Shuffles of a Dask cluster: their ends, lost workers, repeated tasks, Dask's own operations."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("dask.dataframe")
pytest.importorskip("distributed")

import dask
import dask.dataframe as dd
import pandas as pd
from dask.dataframe.dask_expr._merge import Merge
from dask.dataframe.dask_expr._shuffle import Shuffle
from distributed import wait

from kvclient import Client
from kvclient.dask import install, shuffle, uninstall
from kvclient.dask.store import Plan, store_of
from kvclient.dask.tasks import open_shuffle, read_partition, seal, write_map
from kvclient.errors import AuthenticationError, ShuffleGone, ShuffleStale, UsageError
from tests.wire.servers import REPOSITORY, Server
from tests.wire.shuffle_jobs import Service, until_reachable

# A computation of Dask has no time limit of its own.
pytestmark = pytest.mark.timeout(60)

PARTS: Final = 6
ROWS: Final = 3000
END_S: Final = 15.0
FRAME: Final = pd.DataFrame({"key": [i * 7 % 101 for i in range(ROWS)], "value": range(ROWS)})


@pytest.fixture
def kv(address: str) -> Iterator[Client[bytes]]:
    """A client, to see what shuffles the node has."""
    with Client(address) as client:
        yield client


def frame(npartitions: int = PARTS) -> Any:
    """The collection that is shuffled."""
    return dd.from_pandas(FRAME, npartitions=npartitions, sort=False)


def exact(result: pd.DataFrame) -> None:
    """Every row is there once."""
    pd.testing.assert_frame_equal(result.sort_values("value"), FRAME)


def shuffles(kv: Client[bytes]) -> list[bytes]:
    """The names of the shuffles that the node has."""
    return [row[0] for row in kv.execute("SHUFFLE.LIST")]


def becomes(true: Callable[[], bool]) -> bool:
    """Whether something becomes true in time."""
    until = time.monotonic() + END_S
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


def all_ended(kv: Client[bytes]) -> bool:
    """Whether the node has no shuffle, in time."""
    return becomes(lambda: not shuffles(kv))


def dies_once(part: pd.DataFrame, flag: Path, value: int) -> pd.DataFrame:
    """Kill this worker when a row comes by, the first time."""
    if value in part["value"].to_numpy() and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return part


def fails_once(part: pd.DataFrame, flag: Path, value: int) -> pd.DataFrame:
    """Fail when a row comes by, the first time."""
    if value in part["value"].to_numpy() and not flag.exists():
        flag.touch()
        raise ZeroDivisionError("the first time")
    return part


def waits_for(part: pd.DataFrame, flag: Path) -> pd.DataFrame:
    """Go on when a file is there; a worker of a test that failed is free for the next ones."""
    until = time.monotonic() + 2 * END_S
    while not flag.exists():
        assert time.monotonic() < until, "nobody said that it may go on"
        time.sleep(0.02)
    return part


def fails(part: pd.DataFrame) -> pd.DataFrame:
    """Fail."""
    raise ZeroDivisionError("always")


def test_a_job_is_exact_and_ends_its_shuffle(
    dask_client: Any, address: str, kv: Client[bytes]
) -> None:
    result = shuffle(frame(), "key", npartitions=4, address=address)
    parts = dask.compute(*result.partitions)
    exact(pd.concat(parts))
    keys = [set(part["key"]) for part in parts]
    assert sum(map(len, keys)) == len(set.union(*keys))
    assert all_ended(kv)


def test_every_computation_has_a_shuffle_of_its_own(
    dask_client: Any, address: str, kv: Client[bytes], tmp_path: Path
) -> None:
    seen = set()
    for turn in range(3):
        flag = tmp_path / str(turn)
        result = shuffle(frame(), "key", address=address)
        result = result.map_partitions(waits_for, flag, meta=FRAME)
        future = dask_client.compute(result)
        assert becomes(lambda: len(shuffles(kv)) == 1)
        seen.update(shuffles(kv))
        flag.touch()
        exact(future.result())
        del future
        assert all_ended(kv)
    assert len(seen) == 3


def test_many_shuffles_at_once(dask_client: Any, address: str, kv: Client[bytes]) -> None:
    results = [shuffle(frame(2 + at % 3), "key", at + 1, address=address) for at in range(12)]
    for got in dask.compute(*results):
        exact(got)
    assert all_ended(kv)


def test_one_partition_of_the_result(dask_client: Any, address: str, kv: Client[bytes]) -> None:
    result = shuffle(frame(), "key", address=address)
    parts = [result.partitions[at].compute() for at in range(PARTS)]
    exact(pd.concat(parts))
    assert all_ended(kv)


def test_a_persisted_result_keeps_no_shuffle(
    dask_client: Any, address: str, kv: Client[bytes]
) -> None:
    kept = shuffle(frame(), "key", address=address).persist()
    wait(kept)
    assert all_ended(kv)
    assert kept["value"].sum().compute() == FRAME["value"].sum()
    exact(kept.compute())


def test_a_shuffle_of_a_shuffle(dask_client: Any, address: str, kv: Client[bytes]) -> None:
    once = shuffle(frame(), "key", address=address)
    exact(shuffle(once, "value", npartitions=3, address=address).compute())
    assert all_ended(kv)


def test_a_job_that_fails_ends_its_shuffle(
    dask_client: Any, address: str, kv: Client[bytes]
) -> None:
    for result in (
        shuffle(frame(), "key", address=address).map_partitions(fails, meta=FRAME),
        shuffle(frame().map_partitions(fails, meta=FRAME), "key", address=address),
    ):
        with pytest.raises(ZeroDivisionError):
            result.compute()
        assert all_ended(kv)


def test_a_cancelled_job_ends_its_shuffle(
    dask_client: Any, address: str, kv: Client[bytes], tmp_path: Path
) -> None:
    flag = tmp_path / "go"
    result = shuffle(frame(), "key", address=address)
    result = result.map_partitions(waits_for, flag, meta=FRAME)
    future = dask_client.compute(result)
    assert becomes(lambda: len(shuffles(kv)) == 1)
    future.cancel()
    ended = all_ended(kv)
    flag.touch()
    assert ended


def test_a_task_that_is_retried(dask_client: Any, address: str, tmp_path: Path) -> None:
    before = frame().map_partitions(fails_once, tmp_path / "before", 1234, meta=FRAME)
    after = shuffle(before, "key", address=address).map_partitions(
        fails_once, tmp_path / "after", 2345, meta=FRAME
    )
    exact(after.compute(retries=2))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_is_killed_half_way(
    when: str, dask_client: Any, address: str, kv: Client[bytes], tmp_path: Path
) -> None:
    df = frame(12)
    if when == "before":
        df = df.map_partitions(dies_once, tmp_path / "flag", ROWS - 1, meta=FRAME)
    result = shuffle(df, "key", address=address)
    if when == "after":
        result = result.map_partitions(dies_once, tmp_path / "flag", ROWS - 1, meta=FRAME)
    exact(result.compute())
    assert (tmp_path / "flag").exists()
    assert all_ended(kv)


def test_a_persisted_result_of_which_a_part_is_lost(
    dask_client: Any, address: str, kv: Client[bytes]
) -> None:
    kept = shuffle(frame(), "key", address=address).persist()
    wait(kept)
    first = next(iter(dask_client.scheduler_info()["workers"]))
    with pytest.raises(Exception):  # noqa: B017  the connection breaks, as it may
        dask_client.run(os._exit, 1, workers=[first], on_error="raise")
    exact(kept.compute())
    del kept
    assert all_ended(kv)


def compute_without_a_cluster(address: str, scheduler: str) -> None:
    """Run a job that ends well and one that fails; neither leaves its shuffle."""
    with Client(address) as kv, dask.config.set(scheduler=scheduler):
        exact(shuffle(frame(), "key", address=address).compute())
        assert all_ended(kv)
        with pytest.raises(ZeroDivisionError):
            failing = frame().map_partitions(fails, meta=FRAME)
            shuffle(failing, "key", address=address).compute()
        # The error's traceback holds what the tasks returned, until it is collected.
        assert becomes(lambda: gc.collect() >= 0 and not shuffles(kv))


@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_without_a_cluster_a_shuffle_ends_with_its_job(address: str, scheduler: str) -> None:
    # By a process of its own, where collections are quick; late in a run of tests they are not.
    code = f"import sys; sys.path.append({str(REPOSITORY)!r}); from {__name__} import *;"
    code += f"compute_without_a_cluster({address!r}, {scheduler!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_node_that_forgot_the_shuffle_is_an_error(
    dask_client: Any, address: str, kv: Client[bytes], tmp_path: Path
) -> None:
    df = frame().map_partitions(waits_for, tmp_path / "go", meta=FRAME)
    future = dask_client.compute(shuffle(df, "key", address=address))
    assert becomes(lambda: len(shuffles(kv)) == 1)
    kv.execute("SHUFFLE.END", *shuffles(kv))
    (tmp_path / "go").touch()
    with pytest.raises(ShuffleGone):
        future.result()


def test_rows_of_two_epochs_are_in_no_result() -> None:
    part = pd.DataFrame({"n": range(10), "_where": [0, 1] * 5})
    with Service("--appendonly", "yes") as service, service.client() as client:
        store = store_of(f"kv://127.0.0.1:{service.proxy.port}")
        opened = open_shuffle(Plan(store, maps=1, partitions=2, numbers="_where", meta=part[:0]))
        write_map(part, opened, 0)
        epoch = seal(opened, opened.shuffle.id)
        assert read_partition(opened, epoch, 0).n.tolist() == [0, 2, 4, 6, 8]
        service.kill()
        service.restart()
        until_reachable(client)
        # The workers that have written it were lost, too, so it was written anew.
        write_map(part.assign(n=part.n + 1), opened, 0)
        with pytest.raises(ShuffleStale):
            read_partition(opened, epoch, 1)
        # Or the one where that epoch was known.
        with pytest.raises(ShuffleStale):
            seal(opened, opened.shuffle.id)


class TestInstalled:
    """Dask's own operations."""

    @pytest.fixture(autouse=True)
    def installed(self, address: str, dask_client: Any, kv: Client[bytes]) -> Iterator[None]:
        with install(address):
            yield
        assert all_ended(kv)

    def goes_through_the_node(self, df: Any) -> bool:
        names = [type(part).__name__ for part in df.optimize(fuse=False).expr.walk()]
        return "KvnodeShuffle" in names

    @pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
    def test_joins_of_int32_to_int64(self, how: str) -> None:
        right = pd.DataFrame({"key": range(50, 150), "name": [f"n{i}" for i in range(100)]})
        right = right.astype({"key": "int32"})
        mine = frame().merge(dd.from_pandas(right, npartitions=5), on="key", how=how)
        assert self.goes_through_the_node(mine)
        expected = FRAME.merge(right, on="key", how=how)
        got = mine.compute().sort_values(["key", "value"]).reset_index(drop=True)
        expected = expected.sort_values(["key", "value"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(got, expected, check_dtype=False)

    def test_joins_with_null_keys_as_dask_does(self) -> None:
        left = pd.DataFrame({"key": [1.0, None, 2.0, None] * 5, "a": range(20)})
        right = pd.DataFrame({"key": [2.0, None, 3.0], "b": range(3)})
        pieces = [dd.from_pandas(side, npartitions=2, sort=False) for side in (left, right)]
        mine = pieces[0].merge(pieces[1], on="key", how="outer").compute()
        uninstall()
        with dask.config.set({"dataframe.shuffle.method": "tasks"}):
            theirs = pieces[0].merge(pieces[1], on="key", how="outer").compute()
        order = ["key", "a", "b"]
        pd.testing.assert_frame_equal(
            mine.sort_values(order).reset_index(drop=True),
            theirs.sort_values(order).reset_index(drop=True),
        )

    def test_a_groupby_of_many_groups(self) -> None:
        mine = frame().groupby("key").agg({"value": ["sum", "max"]}, split_out=3)
        assert self.goes_through_the_node(mine)
        expected = FRAME.groupby("key").agg({"value": ["sum", "max"]})
        pd.testing.assert_frame_equal(mine.compute().sort_index(), expected)

    def test_a_groupby_apply(self) -> None:
        mine = frame().groupby("key")["value"].apply(lambda part: part.max(), meta=("value", "i8"))
        expected = FRAME.groupby("key")["value"].max()
        assert self.goes_through_the_node(mine)
        pd.testing.assert_series_equal(mine.compute().sort_index(), expected)

    def test_set_index_and_sort_values(self) -> None:
        mine = frame().set_index("key")
        assert self.goes_through_the_node(mine)
        got = mine.compute()
        assert got.index.is_monotonic_increasing
        assert sorted(got["value"]) == list(range(ROWS))
        assert frame().sort_values("key").compute()["key"].is_monotonic_increasing

    def test_drop_duplicates_and_shuffle(self) -> None:
        assert len(frame().drop_duplicates(subset="key", split_out=3).compute()) == 101
        exact(frame().shuffle("key").compute())

    def test_a_small_side_is_broadcast_as_ever(self) -> None:
        small = dd.from_pandas(pd.DataFrame({"key": range(101), "b": 1}), npartitions=2)
        joined = frame(40).merge(small, on="key")
        assert not self.goes_through_the_node(joined)
        assert len(joined.compute()) == ROWS

    def test_twice_is_refused(self, address: str) -> None:
        with pytest.raises(UsageError, match="installed already"):
            install(address)


def test_uninstalling_leaves_dask_as_it_was(address: str) -> None:
    before = (Shuffle._lower, Merge.__dict__["is_broadcast_join"], dask.config.config)
    configured = dask.config.get("dataframe.shuffle.method", None)
    install(address)
    uninstall()
    uninstall()
    assert before == (Shuffle._lower, Merge.__dict__["is_broadcast_join"], dask.config.config)
    assert dask.config.get("dataframe.shuffle.method", None) == configured


def test_a_password_is_in_no_graph(dask_client: Any, node: Server, kv: Client[bytes]) -> None:
    kv.execute("ACL", "SETUSER", "worker", "on", ">open sesame", "~*", "+@all")
    place = f"127.0.0.1:{node.port}"
    results = [
        shuffle(frame(), "key", address=f"kv://worker:open%20sesame@{place}"),
        shuffle(frame(), "key", address=place, username="worker", password="open sesame"),
    ]
    for result in results:
        lowered = result.optimize()
        graph = lowered.__dask_graph__()
        shown = [repr(result), repr(lowered.expr), lowered.expr.tree_repr(), repr(graph)]
        assert not any("sesame" in text for text in shown)
        exact(result.compute())
    other = shuffle(frame(), "key", address=place, username="worker", password="another")
    assert other.__dask_keys__() != results[1].__dask_keys__()
    with pytest.raises(AuthenticationError):
        other.compute()
    assert b"sesame" in pickle.dumps(results[1].expr)  # as the workers need it
