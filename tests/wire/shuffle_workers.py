"""Processes that work on a shuffle, to be killed."""

from __future__ import annotations

import multiprocessing
from typing import Any, Self

from kvclient import Client
from kvclient.shuffle import Shuffle

from .shuffle_jobs import LIMIT_S, Job

_SPAWN = multiprocessing.get_context("spawn")
_PAUSE_S = 0.01


def run_map(port: int, job: Job, map: int, started: Any) -> None:
    """Run an attempt of a map, slowly."""
    shuffle = Shuffle.attach(Client(f"kv://127.0.0.1:{port}"), job.id)
    with shuffle.map_task(map, block_bytes=1 << 14) as task:
        started.set()
        job.write(task, map, _PAUSE_S)


def push(port: int, job: Job, ttl_s: int, started: Any) -> None:
    """Open a shuffle, and write all maps but the last, then one for ever."""
    with job.open(Client(f"kv://127.0.0.1:{port}"), ttl_s=ttl_s) as shuffle:
        job.run_map(shuffle, 0)
        started.set()
        for map in range(1, job.maps - 1):
            job.run_map(shuffle, map)
        with shuffle.map_task(job.maps - 1) as task:
            while True:
                job.write(task, job.maps - 1, _PAUSE_S)


def read(port: int, job: Job, ttl_s: int, started: Any) -> None:
    """Open a shuffle, write all of it, and read it again and again."""
    with job.open(Client(f"kv://127.0.0.1:{port}"), ttl_s=ttl_s) as shuffle:
        for map in range(job.maps):
            job.run_map(shuffle, map)
        started.set()
        while True:
            job.check_all(shuffle)


def whole(port: int, job: Job, reads: bool, started: Any) -> None:
    """Write all maps of a shuffle, or read and compare all of it."""
    started.set()
    shuffle = Shuffle.attach(Client(f"kv://127.0.0.1:{port}"), job.id)
    if reads:
        job.check_all(shuffle)
        return
    for map in range(job.maps):
        job.run_map(shuffle, map, block_bytes=1 << 20)


class Worker:
    """A process; it is killed at the end at the latest."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        self._started = _SPAWN.Event()
        self.process = _SPAWN.Process(target=target, args=(*arguments, self._started), daemon=True)
        self.process.start()

    @classmethod
    def mapping(cls, port: int, job: Job, map: int) -> Self:
        """One that runs an attempt of a map."""
        return cls(run_map, port, job, map)

    @classmethod
    def writing(cls, port: int, job: Job, ttl_s: int) -> Self:
        """One that opens a shuffle and goes on pushing."""
        return cls(push, port, job, ttl_s)

    @classmethod
    def reading(cls, port: int, job: Job, ttl_s: int) -> Self:
        """One that opens a shuffle, and goes on reading it."""
        return cls(read, port, job, ttl_s)

    @classmethod
    def whole(cls, port: int, job: Job, reads: bool) -> Self:
        """One that writes a shuffle, or reads it, and ends."""
        return cls(whole, port, job, reads)

    def until_started(self) -> None:
        """Wait until it is where it may be killed."""
        assert self._started.wait(LIMIT_S), "the worker has not begun"

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.join()
