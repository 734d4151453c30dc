"""Jobs on a shuffle: right results, whatever dies, races or is restarted meanwhile."""

from __future__ import annotations

import os
import random
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from operator import add
from pathlib import Path
from typing import Any

import pytest

from kvclient import Client
from kvclient.errors import ArgumentError, KvError
from kvclient.mapreduce import JobFailed, MapReduce, ProcessPool, WorkerDied, stable_hash
from kvclient.mapreduce.phases import Phase, Policy
from kvclient.shuffle import Shuffle

from ..wire.proxy import Proxy
from ..wire.servers import Server, kvnode_server

TEXTS = [f"a{n % 7} b{n % 3} c{n} a{n % 7}" for n in range(200)]
EXPECTED = Counter(word for text in TEXTS for word in text.split())
INPUTS = [TEXTS[start : start + 50] for start in range(0, 200, 50)]


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    with kvnode_server() as server:
        yield server


@pytest.fixture
def client(node: Server) -> Iterator[Client[bytes]]:
    with Client(f"kv://127.0.0.1:{node.port}") as client:
        yield client


def ones(texts: list[str]) -> Iterator[tuple[str, int]]:
    return ((word, 1) for text in texts for word in text.split())


def counted(texts: list[str]) -> Counter[str]:
    return Counter(word for text in texts for word in text.split())


def total(word: str, counts: list[int]) -> int:
    return sum(counts)


def joined(outputs: list[dict[Any, Any]]) -> dict[Any, Any]:
    """The results of all partitions, of which no two have a key in common."""
    together = {key: value for output in outputs for key, value in output.items()}
    assert len(together) == sum(map(len, outputs))
    return together


JOBS = {
    "reduce": MapReduce(map=ones, reduce=total, partitions=3),
    "combine": MapReduce(map=ones, combine=add, partitions=3),
    "mapping": MapReduce(map=counted, combine=add, partitions=3),
    "mapping, no combine": MapReduce(map=counted, reduce=total, partitions=3),
    "combine and reduce": MapReduce(map=ones, combine=add, reduce=total, partitions=3),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_counts_right(client: Client[bytes], name: str) -> None:
    assert joined(JOBS[name].run(client, INPUTS, workers=2)) == EXPECTED


def test_without_a_reduce_the_values_are_the_results(client: Client[bytes]) -> None:
    found = joined(MapReduce(map=ones).run(client, INPUTS, workers=2))
    assert found == {word: [1] * count for word, count in EXPECTED.items()}
    assert MapReduce(map=ones).run(client, []) == []


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_a_job_runs_on_executors(client: Client[bytes], kind: Any) -> None:
    with kind(2) as executor:
        assert joined(JOBS["reduce"].run(client, INPUTS, workers=executor)) == EXPECTED


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_processes_may_be_started_in_any_way(client: Client[bytes], context: str) -> None:
    pool = ProcessPool(2, context)
    try:
        for _ in range(2):
            assert joined(JOBS["combine"].run(client, INPUTS, workers=pool)) == EXPECTED
    finally:
        pool.close()


def first_letter(word: str, partitions: int) -> int:
    return "abc".index(word[0])


def listed(partition: int, results: Iterator[tuple[str, int]]) -> tuple[int, list[str]]:
    return partition, [word for word, _ in results]


def test_order_partition_and_output_are_the_jobs(client: Client[bytes]) -> None:
    job = MapReduce(
        map=ones,
        reduce=total,
        partitions=3,
        partition=first_letter,
        output=listed,
        is_sorted=True,
    )
    told: list[Any] = []
    outputs = job.run(client, INPUTS, workers=2, on_progress=told.append)
    assert [number for number, _ in outputs] == [0, 1, 2]
    assert [word for _, words in outputs for word in words] == sorted(EXPECTED)
    assert (told[-1].maps_ended, told[-1].reduces_ended) == (4, 3)


# --- what goes wrong ------------------------------------------------------------------------------


def ones_dying(data: tuple[str, list[str]]) -> Iterator[tuple[Any, int]]:
    """Yield words, and die once in the middle: of what was pushed nothing may count."""
    mark, texts = data
    for number, pair in enumerate(ones(texts)):
        if number == 150 and not os.path.exists(mark):
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield pair


def test_a_worker_that_is_killed_in_a_map_costs_an_attempt(
    client: Client[bytes], tmp_path: Path
) -> None:
    inputs = [(str(tmp_path / str(number)), texts) for number, texts in enumerate(INPUTS)]
    job = MapReduce(map=ones_dying, reduce=total, partitions=3)
    assert joined(job.run(client, inputs, workers=2)) == EXPECTED
    assert len(list(tmp_path.iterdir())) == len(inputs)


def write_and_die_once(shuffle: Shuffle, map: int, mark: str) -> bool:
    """Write a map in small blocks; be killed once, when half of them are with the node."""
    with shuffle.map_task(map, block_bytes=500) as task:
        for number in range(60):
            if number == 30 and not os.path.exists(mark):
                task._push()
                task._pusher.finish()
                Path(mark).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            task.write(number % 3, b"%d/%d" % (map, number) * 100)
    return task.is_winner


def test_what_a_killed_worker_has_pushed_does_not_count(
    client: Client[bytes], tmp_path: Path
) -> None:
    pool = ProcessPool(2)
    with Shuffle.open(client, "killed", maps=4, partitions=3) as shuffle:
        winners: list[bool] = []
        try:
            Phase(
                pool,
                Policy(),
                lambda map: (write_and_die_once, (shuffle, map, str(tmp_path / str(map)))),
            ).run(range(4), lambda map, is_winner: winners.append(is_winner))
        finally:
            pool.close()
        assert winners == [True] * 4 and len(list(tmp_path.iterdir())) == 4
        shuffle.wait(5)
        for partition in range(3):
            whole = [b"%d/%d" % (m, n) * 100 for m in range(4) for n in range(partition, 60, 3)]
            assert list(shuffle.read(partition)) == whole


def dying(data: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def failing(data: Any) -> Any:
    raise ValueError("no such thing")


def test_what_fails_every_time_fails_the_job(client: Client[bytes]) -> None:
    with pytest.raises(JobFailed, match="2 times") as caught:
        MapReduce(map=failing, attempts_max=2).run(client, INPUTS, workers=2)
    assert isinstance(caught.value.__cause__, ValueError)
    assert "in failing" in caught.value.__cause__.__notes__[0]
    with pytest.raises(JobFailed) as caught:
        MapReduce(map=dying, attempts_max=2).run(client, INPUTS, workers=2)
    assert isinstance(caught.value.__cause__, WorkerDied)
    assert client.execute("SHUFFLE.LIST", "mapreduce-") == []


def ones_forking(data: tuple[str, int]) -> list[tuple[str, int]]:
    """Leave a process that holds what this worker had open, and die; but only the first time."""
    mark, _ = data
    if not os.path.exists(mark):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        Path(mark).write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)
    return [("a", 1)]


def test_a_killed_worker_is_noticed_though_a_child_of_it_lives(
    client: Client[bytes], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    job = MapReduce(map=ones_forking, combine=add, partitions=1, slow_factor=0)
    began = time.monotonic()
    try:
        assert job.run(client, [(str(mark), n) for n in range(3)], workers=1) == [{"a": 3}]
    finally:
        os.kill(int(mark.read_text()), signal.SIGKILL)
    assert time.monotonic() - began < 30


def documents(count: int) -> Iterator[tuple[str, bytes]]:
    return ((f"author {number % 3}", bytes([number]) * 1_000_000) for number in range(count))


def lengths(author: str, texts: list[bytes]) -> tuple[int, list[int]]:
    return len(texts), [text[0] for text in texts]


PEAKS_KIB: list[int] = []
"""Of a worker, when its maps began: what it has from its parent may be much."""


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def keyed_by_number(count: int) -> Iterator[tuple[int, bytes]]:
    PEAKS_KIB.append(peak_kib())
    return ((number, bytes(1_000_000)) for number in range(count))


def peak_above_start(partition: int, results: Iterator[tuple[Any, Any]]) -> int:
    return peak_kib() - PEAKS_KIB[0]


@pytest.mark.parametrize("combine", [None, add])
def test_a_map_of_large_values_does_not_gather_them_all(
    client: Client[bytes], combine: Any
) -> None:
    # Its reduce keeps none of them, so what is measured is the map.
    job = MapReduce(
        map=keyed_by_number,
        combine=combine,
        partition=everything_last,
        partitions=2,
        output=peak_above_start,
    )
    assert job.run(client, [600], workers=1)[0] < 350_000


def everything_last(key: int, partitions: int) -> int:
    return partitions - 1


def test_large_values_come_whole_and_in_order(client: Client[bytes]) -> None:
    job = MapReduce(map=documents, reduce=lengths, partitions=2)
    found = joined(job.run(client, [120], workers=1))
    assert found == {f"author {n}": (40, list(range(n, 120, 3))) for n in range(3)}


class Unpicklable(Exception):
    def __init__(self, one: int, other: int) -> None:
        super().__init__("two arguments")


def raising(data: Any) -> Any:
    raise Unpicklable(1, 2)


def test_an_error_that_cannot_be_pickled_is_told_all_the_same(client: Client[bytes]) -> None:
    with pytest.raises(JobFailed, match="two arguments"):
        MapReduce(map=raising, attempts_max=1).run(client, INPUTS, workers=1)


def ones_once_slow(data: tuple[str, list[str]]) -> Iterator[tuple[str, int]]:
    mark, texts = data
    if mark and not os.path.exists(mark):
        Path(mark).touch()
        time.sleep(60)
    return ones(texts)


def test_a_slow_task_gets_a_second_attempt(client: Client[bytes], tmp_path: Path) -> None:
    inputs = [(str(tmp_path / "slow") if n == 0 else "", texts) for n, texts in enumerate(INPUTS)]
    job = MapReduce(map=ones_once_slow, reduce=total, slow_s_min=0.3)
    began = time.monotonic()
    assert joined(job.run(client, inputs, workers=2)) == EXPECTED
    assert time.monotonic() - began < 30


def test_what_cannot_be_is_said(client: Client[bytes]) -> None:
    with pytest.raises(ArgumentError, match="workers"):
        MapReduce(map=ones).run(client, INPUTS, workers=0)
    assert stable_hash(1, 97) == stable_hash(1.0, 97) == stable_hash(True, 97)
    assert stable_hash((1, "a"), 97) == stable_hash((1.0, "a"), 97)
    assert stable_hash(None, 97) == 0
    with pytest.raises(ArgumentError, match="frozenset"):
        stable_hash(frozenset(), 97)
    with pytest.raises(ArgumentError, match="attempts_max is 0"):
        MapReduce(map=ones, attempts_max=0).run(client, INPUTS, workers=1)
    with pytest.raises(ArgumentError, match="a module's"):
        MapReduce(map=lambda data: []).run(client, INPUTS, workers=1)
    assert client.execute("SHUFFLE.LIST", "mapreduce-") == []


def undecodable(names: list[bytes]) -> Iterator[tuple[str, int]]:
    return ((name.decode("utf-8", "surrogateescape"), 1) for name in names)


def test_keys_may_be_names_of_no_known_encoding(client: Client[bytes]) -> None:
    names = [b"\xff.txt", b"plain", b"\xff.txt"]
    found = joined(MapReduce(map=undecodable, combine=add).run(client, [names, names], workers=1))
    assert found == {"\udcff.txt": 4, "plain": 2}


# --- races, and nodes that are restarted ----------------------------------------------------------


def race(proxy: Proxy, shuffle_id: str, map: int, attempt: int, seed: int, won: list[int]) -> None:
    """Run an attempt whose connections are cut at some moment of its commit."""
    chance = random.Random(seed)
    with Client(f"kv://127.0.0.1:{proxy.port}", deadline_s=5) as client:
        shuffle = Shuffle.attach(client, shuffle_id)
        with shuffle.map_task(map, attempt, block_bytes=500) as task:
            for number in range(60):
                task.write(number % 3, b"%d/%d" % (map, number) * chance.randrange(1, 20))
            proxy.cut_after(chance.randrange(0, 200))
        if task.is_winner:
            won.append(attempt)


@pytest.mark.parametrize("seed", range(int(os.environ.get("KVNODE_FAULT_ROUNDS", "10"))))
def test_of_two_racing_attempts_with_lost_replies_one_counts(
    client: Client[bytes], node: Server, seed: int
) -> None:
    id = f"race-{seed}"
    with Shuffle.open(client, id, maps=3, partitions=3) as shuffle:
        with Proxy(node.port) as one, Proxy(node.port) as other:
            won: list[list[int]] = [[], [], []]
            threads = [
                threading.Thread(
                    target=race, args=(proxy, id, map, attempt, seed * 10 + attempt, won[map])
                )
                for map in range(3)
                for attempt, proxy in ((1, one), (2, other))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert [len(winners) for winners in won] == [1, 1, 1]
        shuffle.wait(5)
        for partition in range(3):
            read = [payload for map in range(3) for payload in what_won(map, won, seed, partition)]
            assert list(shuffle.read(partition)) == read


def what_won(map: int, won: list[list[int]], seed: int, partition: int) -> list[bytes]:
    chance = random.Random(seed * 10 + won[map][0])
    all_of_it = [(n % 3, b"%d/%d" % (map, n) * chance.randrange(1, 20)) for n in range(60)]
    return [payload for place, payload in all_of_it if place == partition]


class Restarted:
    """A node behind a proxy, killed and started again when a function says so."""

    def __init__(self, *directives: str) -> None:
        self.server = kvnode_server(*directives)

    def __enter__(self) -> Restarted:
        self.server.__enter__()
        self.proxy = Proxy(self.server.port)
        self.proxy.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self.proxy.__exit__()
        self.server.remove()

    def again(self) -> None:
        self.server.kill()
        self.proxy.cut()
        self.server.start()
        self.proxy.target = self.server.port


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("directives", [("--appendonly", "yes"), ()])
def test_a_node_that_is_restarted_between_reduces_costs_no_row(
    directives: tuple[str, ...], deterministic: bool
) -> None:
    with Restarted(*directives) as node:
        restarts = iter([node.again])

        def told(progress: Any) -> None:
            if progress.reduces_ended == 1:
                next(restarts, lambda: None)()

        job = MapReduce(map=ones, reduce=total, partitions=4, is_deterministic=deterministic)
        with Client(f"kv://127.0.0.1:{node.proxy.port}") as client:
            outputs = job.run(client, INPUTS, workers=1, on_progress=told)
        assert joined(outputs) == EXPECTED
        assert next(restarts, None) is None


# --- phases ---------------------------------------------------------------------------------------


def square(number: int) -> int:
    return number * number


def phase_of(pool: ProcessPool, function: Callable[[int], Any]) -> Phase:
    return Phase(pool, Policy(), lambda task: (function, (task,)))


def test_every_task_ends_once() -> None:
    pool = ProcessPool(2)
    results: list[tuple[int, int]] = []
    try:
        phase_of(pool, square).run(range(30), lambda task, value: results.append((task, value)))
        assert sorted(results) == [(n, n * n) for n in range(30)]
        with pytest.raises(KvError):
            phase_of(pool, failing).run([1], lambda task, value: None)
    finally:
        pool.close()
    assert pool.processes() == []
