"""A job: maps, a shuffle, reduces; and what becomes of it when something is lost on the way."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

from kvclient.blocking.client import Client
from kvclient.blocking.shuffles import Shuffle
from kvclient.errors import (
    ArgumentError,
    ShuffleGone,
    ShuffleLost,
    ShuffleOpen,
    ShuffleQuota,
    ShuffleStale,
)
from kvclient.mapreduce.phases import JobFailed, Phase, Policy
from kvclient.mapreduce.pools import ExecutorPool, Pool, ProcessPool
from kvclient.mapreduce.tasks import Combine, Functions, Pairs, run_map, run_reduce, stable_hash

_LOST: Final = (ShuffleLost, ShuffleOpen, ShuffleStale)


def collected(partition: int, results: Iterator[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the results of a partition: what a job has for `output` unless told otherwise."""
    return dict(results)


@dataclass(frozen=True)
class JobProgress:
    """How many tasks of a job have ended."""

    maps: int
    maps_ended: int
    reduces: int
    reduces_ended: int


@dataclass(frozen=True)
class MapReduce:
    """What a job does, and how. Functions must be a module's where tasks run in processes.

    `map(data)` yields pairs of a key and a value, or returns a mapping.
    `combine(one, other)` makes one value of two, in any order and in the map task already, so that
    less travels: `operator.add`, say.
    `reduce(key, values)` makes the result of all values of a key, which is a list of one where
    there is a `combine`. None: the result is that list, or that one value.
    `partition(key, partitions)` says where a key belongs; the default is a stable hash.
    `output(partition, results)` runs in the reduce task, gets an iterator of keys and results, and
    what it returns is the partition's result of the job; the default is a dictionary. It may run
    twice for a partition, so what it writes must be able to take an earlier one's place.
    `is_sorted`: keys come in ascending order, within a partition.
    `is_deterministic`: a map that runs again yields the same in the same order, so that after a
    loss reduces that have ended need not run again.
    """

    map: Callable[[Any], Pairs | Mapping[Any, Any]]
    reduce: Callable[[Any, list[Any]], Any] | None = None
    combine: Combine | None = None
    partitions: int = 8
    partition: Callable[[Any, int], int] = stable_hash
    output: Callable[[int, Iterator[tuple[Any, Any]]], Any] = collected
    is_sorted: bool = False
    is_deterministic: bool = False
    codec: str = "none"
    ttl_s: int = 600
    attempts_max: int = 4
    slow_factor: float = 2.0
    slow_s_min: float = 2.0

    def run(
        self,
        client: Client[Any],
        inputs: Sequence[Any],
        *,
        workers: int | Executor | Pool | None = None,
        on_progress: Callable[[JobProgress], object] | None = None,
    ) -> list[Any]:
        """Run a map for each input, and return the outputs of the partitions, in order.

        `workers` is a number of processes (None: the machine's cores), an executor, or a pool. A
        task is attempted `attempts_max` times: JobFailed. One that takes `slow_factor` times as
        long as half of the others do, and `slow_s_min` seconds, gets a second attempt beside it.
        """
        if self.attempts_max < 1:
            raise ArgumentError(f"attempts_max is {self.attempts_max}, must be at least 1")
        if not inputs:
            return []
        pool, is_own = _pool_of(workers)
        try:
            failure: ShuffleGone | None = None
            for _ in range(self.attempts_max):
                try:
                    return _Run(self, client, inputs, pool, on_progress).outputs()
                except ShuffleGone as error:
                    # The node was restarted, and has forgotten it.
                    failure = error
            raise JobFailed(f"the shuffle was lost {self.attempts_max} times") from failure
        finally:
            if is_own:
                pool.close()


def _pool_of(workers: Any) -> tuple[Pool, bool]:
    """Return where tasks run, and whether it was made here."""
    if workers is None or isinstance(workers, int):
        if workers is not None and workers < 1:
            raise ArgumentError(f"workers is {workers}, must be at least 1")
        return ProcessPool(workers), True
    if isinstance(workers, Executor):
        return ExecutorPool(workers), True
    return workers, False


class _Run:
    """One run of a job, on a shuffle of its own."""

    def __init__(
        self,
        job: MapReduce,
        client: Client[Any],
        inputs: Sequence[Any],
        pool: Pool,
        on_progress: Callable[[JobProgress], object] | None,
    ) -> None:
        self._job = job
        self._client = client
        self._inputs = inputs
        self._pool = pool
        self._on_progress = on_progress
        self._functions = Functions(
            job.map, job.combine, job.reduce, job.partition, job.output, job.is_sorted
        )
        fatal = (ShuffleGone, ShuffleQuota, *_LOST)
        self._policy = Policy(job.attempts_max, job.slow_factor, job.slow_s_min, fatal)
        self._maps_ended: set[int] = set()
        self._outputs: dict[int, Any] = {}

    def outputs(self) -> list[Any]:
        """Run it."""
        job = self._job
        with Shuffle.open(
            self._client,
            f"mapreduce-{secrets.token_hex(8)}",
            maps=len(self._inputs),
            partitions=job.partitions,
            codec=job.codec,
            deterministic=job.is_deterministic,
            ttl_s=job.ttl_s,
        ) as shuffle:
            to_run: Sequence[int] = range(len(self._inputs))
            for attempt in range(job.attempts_max):
                try:
                    self._map(shuffle, to_run)
                    self._reduce(shuffle, shuffle.wait())
                    break
                except _LOST:
                    if attempt + 1 == job.attempts_max:
                        raise
                to_run = shuffle.missing()
                self._maps_ended.difference_update(to_run)
                if not job.is_deterministic:
                    # What ran again may have put other pairs into partitions that were read.
                    self._outputs.clear()
        return [self._outputs[partition] for partition in range(job.partitions)]

    def _map(self, shuffle: Shuffle, maps: Sequence[int]) -> None:
        def ended(map: int, is_winner: bool) -> None:
            self._maps_ended.add(map)
            self._tell()

        Phase(
            self._pool,
            self._policy,
            lambda map: (run_map, (shuffle, self._functions, map, self._inputs[map])),
        ).run(maps, ended)

    def _reduce(self, shuffle: Shuffle, epoch: int) -> None:
        def ended(partition: int, output: Any) -> None:
            self._outputs[partition] = output
            self._tell()

        Phase(
            self._pool,
            self._policy,
            lambda partition: (run_reduce, (shuffle, self._functions, partition, epoch)),
        ).run([n for n in range(self._job.partitions) if n not in self._outputs], ended)

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(
                JobProgress(
                    len(self._inputs),
                    len(self._maps_ended),
                    self._job.partitions,
                    len(self._outputs),
                )
            )
