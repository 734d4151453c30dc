"""What tests of shuffles share: handles in every flavour, and their context managers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from kvclient.shuffle import AsyncShuffle, Shuffle

from .flavour import Flavour


def kind_of(f: Flavour) -> Any:
    """The class of a flavour's shuffles."""
    return AsyncShuffle if f.is_async else Shuffle


def opened(f: Flavour, client: Any, id: str, **terms: Any) -> Any:
    """A shuffle, opened."""
    terms = {"maps": 2, "partitions": 3, **terms}
    return f.do(lambda: kind_of(f).open(client, id, **terms))


@contextmanager
def within(f: Flavour, manager: Any) -> Iterator[Any]:
    """Do what `with manager`, or `async with manager`, does."""
    enter = manager.__aenter__ if f.is_async else manager.__enter__
    leave = manager.__aexit__ if f.is_async else manager.__exit__
    value = f.do(enter)
    try:
        yield value
    except BaseException as error:
        if not f.do(partial(leave, type(error), error, error.__traceback__)):
            raise
    else:
        f.do(lambda: leave(None, None, None))


def write_map(f: Flavour, shuffle: Any, map: int, payloads: list[tuple[int, bytes]]) -> Any:
    """Write a whole map, and commit it; return its task."""
    with within(f, shuffle.map_task(map)) as task:
        for partition, payload in payloads:
            f.do(partial(task.write, partition, payload))
    return task


def payloads_of(map: int, count: int = 40) -> list[tuple[int, bytes]]:
    """What a map writes: some of it empty, some of it large."""
    return [(n % 3, b"%d/%d " % (map, n) * (n * n * 5)) for n in range(count)]


def in_partition(partition: int, *maps: int) -> list[bytes]:
    """What a reader of a partition must get."""
    return [payload for map in maps for place, payload in payloads_of(map) if place == partition]
