"""What runs in a worker: one map task, one reduce task.

A map's pairs are grouped by key before they are written, and leave as one pickle of keys, counts
and values for each partition: a key that occurs a thousand times is sent once, and a worker's time
goes into C loops. Sending pairs as they come took twice the time for words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Final

import mmh3

from kvclient.blocking.shuffle_maps import MapTask
from kvclient.blocking.shuffles import Shuffle
from kvclient.errors import ArgumentError

_GROUPED_FIRST: Final = 1 << 6
_GROUPED_MAX: Final = 1 << 20
"""So many values are grouped before they are written, if they are small."""
_GROUPED_BYTES: Final = 32 << 20
"""More than that is not to be written at once: a map that yields large values groups fewer."""
_GROWTH: Final = 16
_NUMBERS: Final = (int, float, bool)

Pairs = Iterable[tuple[Any, Any]]
Combine = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Functions:
    """What a job does; functions of a module, where tasks run in processes."""

    map: Callable[[Any], Pairs | Mapping[Any, Any]]
    combine: Combine | None
    reduce: Callable[[Any, list[Any]], Any] | None
    partition: Callable[[Any, int], int]
    output: Callable[[int, Iterator[tuple[Any, Any]]], Any]
    is_sorted: bool


def stable_hash(key: Any, partitions: int) -> int:
    """Return a key's partition, the same in every process; keys that are equal have the same.

    Keys are text, bytes, numbers, None, and tuples of these; Python's own hash of text differs from
    process to process.
    """
    return _hash(key) % partitions


def _hash(key: Any) -> int:
    if isinstance(key, str | bytes):
        # mmh3 does not survive text that has no UTF-8 form, such as a name of no known encoding.
        data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
        value: int = mmh3.hash(data)
        return value
    if isinstance(key, _NUMBERS):
        return hash(key)
    if key is None:
        return 0
    if isinstance(key, tuple):
        return hash(tuple(_hash(part) for part in key))
    raise ArgumentError(
        f"a key is of type {type(key).__name__}, must be str, bytes, int, float, None or a tuple"
        " of these; for others give the job a function `partition`"
    )


def run_map(shuffle: Shuffle, functions: Functions, map: int, data: Any) -> bool:
    """Run an attempt of a map; return whether it is the winner."""
    with shuffle.map_task(map) as task:
        pairs = functions.map(data)
        writer = _Writer(task, functions, shuffle.partitions)
        if isinstance(pairs, Mapping):
            _pass_on(pairs, writer)
        elif functions.combine is not None:
            _combine(pairs, writer, functions.combine)
        else:
            _group(pairs, writer)
    return task.is_winner


def _pass_on(pairs: Mapping[Any, Any], writer: _Writer) -> None:
    """Write what has each key once: there is nothing to group or to combine."""
    keys, values = iter(pairs.keys()), iter(pairs.values())
    while some := list(islice(keys, writer.grouped)):
        writer.write(some, list(islice(values, len(some))))


def _combine(pairs: Pairs, writer: _Writer, combine: Combine) -> None:
    combined: dict[Any, Any] = {}
    for key, value in pairs:
        if key in combined:
            combined[key] = combine(combined[key], value)
        else:
            combined[key] = value
            if len(combined) >= writer.grouped:
                writer.write(combined.keys(), combined.values())
                combined.clear()
    writer.write(combined.keys(), combined.values())


def _group(pairs: Pairs, writer: _Writer) -> None:
    iterator = iter(pairs)
    while True:
        groups: dict[Any, list[Any]] = defaultdict(list)
        for key, value in islice(iterator, writer.grouped):
            groups[key].append(value)
        if not groups:
            return
        writer.write_groups(groups)


class _Writer:
    """Writes keys with their values, each to its partition."""

    def __init__(self, task: MapTask, functions: Functions, partitions: int) -> None:
        self._task = task
        self._partition = functions.partition
        self._partitions = partitions
        self.grouped = _GROUPED_FIRST
        """How many values are to be grouped for the next write."""

    def write(self, keys: Collection[Any], values: Iterable[Any]) -> None:
        """Write one value for each key."""
        self._write(
            (some, None, theirs) if some else None for some, theirs in self._parted(keys, values)
        )

    def write_groups(self, groups: Mapping[Any, list[Any]]) -> None:
        """Write any number of values for each key."""
        self._write(
            (keys, list(map(len, lists)), list(chain.from_iterable(lists))) if keys else None
            for keys, lists in self._parted(groups.keys(), groups.values())
        )

    def _write(self, parts: Iterable[tuple[Any, Any, Any] | None]) -> None:
        """Write to each partition its part, and see how large values are."""
        size = 0
        for number, part in enumerate(parts):
            if part is not None:
                size += self._task.write_pickle(number, part)
        if size > _GROUPED_BYTES:
            self.grouped = max(1, self.grouped * _GROUPED_BYTES // (2 * size))
        elif size * _GROWTH <= _GROUPED_BYTES:
            self.grouped = min(self.grouped * _GROWTH, _GROUPED_MAX)

    def _parted(
        self, keys: Collection[Any], values: Iterable[Any]
    ) -> list[tuple[list[Any], list[Any]]]:
        partition, count = self._partition, self._partitions
        if partition is stable_hash:
            try:
                return _parted_texts(keys, values, count)
            except (TypeError, UnicodeEncodeError):
                # Some key is no text, or such that it has no UTF-8 form.
                pass
        parts: list[tuple[list[Any], list[Any]]] = [([], []) for _ in range(count)]
        for key, value in zip(keys, values):
            some, theirs = parts[partition(key, count)]
            some.append(key)
            theirs.append(value)
        return parts


def _parted_texts(
    keys: Collection[Any], values: Iterable[Any], count: int
) -> list[tuple[list[Any], list[Any]]]:
    """Do what `stable_hash` says, without two calls of Python's for each key.

    TypeError or UnicodeEncodeError unless all keys are text that has a UTF-8 form.
    """
    "".join(keys).encode()
    parts: list[tuple[list[Any], list[Any]]] = [([], []) for _ in range(count)]
    adders = [(some.append, theirs.append) for some, theirs in parts]
    hash_text = mmh3.hash
    for key, value in zip(keys, values):
        add_key, add_value = adders[hash_text(key) % count]
        add_key(key)
        add_value(value)
    return parts


def run_reduce(shuffle: Shuffle, functions: Functions, partition: int, epoch: int) -> Any:
    """Run a reduce task; return what the job's `output` makes of its results."""
    combine, reduce = functions.combine, functions.reduce
    found: dict[Any, Any]
    if combine is not None:
        found = {}
        for keys, _, values in shuffle.read_objects(partition, epoch=epoch):
            _merge_combined(found, keys, values, combine)
    else:
        found = defaultdict(list)
        for keys, counts, values in shuffle.read_objects(partition, epoch=epoch):
            _merge(found, keys, counts, values)
    items = sorted(found.items(), key=itemgetter(0)) if functions.is_sorted else found.items()
    results = iter(items)
    if reduce is not None and combine is not None:
        results = ((key, reduce(key, [value])) for key, value in items)
    elif reduce is not None:
        results = ((key, reduce(key, values)) for key, values in items)
    return functions.output(partition, results)


def _merge_combined(
    found: dict[Any, Any], keys: Sequence[Any], values: Sequence[Any], combine: Combine
) -> None:
    for key, value in zip(keys, values):
        if key in found:
            found[key] = combine(found[key], value)
        else:
            found[key] = value


def _merge(
    found: dict[Any, list[Any]],
    keys: Sequence[Any],
    counts: Sequence[int] | None,
    values: list[Any],
) -> None:
    if counts is None:
        for key, value in zip(keys, values):
            found[key].append(value)
        return
    at = 0
    for key, count in zip(keys, counts):
        if count == 1:
            # Most keys, and cheaper than a slice.
            found[key].append(values[at])
        else:
            found[key] += values[at : at + count]
        at += count
