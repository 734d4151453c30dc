"""Bytes per key or element: the growth of resident memory and of used_memory, on both servers.

Each case runs in fresh processes, because memory that a server has freed is seldom given back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.wire.client import encode_request

from .contestants import Setup, started

VALUE: Final = bytes(range(97, 123)) * 3
PER_REQUEST: Final = 100


@dataclass(frozen=True)
class MemoryCase:
    """What is stored; `count` keys, or elements of one key, and their requests."""

    name: str
    count: int
    unit: str
    requests: Callable[[int], Iterator[bytes]]


@dataclass(frozen=True)
class MemoryResult:
    """Bytes per key or element: (resident, accounted) per server."""

    name: str
    count: int
    unit: str
    bytes_each: dict[str, tuple[float, float]]

    def ratio(self) -> float:
        """kvnode's resident bytes over redis-server's; below 1 is smaller."""
        return self.bytes_each["kvnode"][0] / self.bytes_each["redis-server"][0]

    def used_ratio(self) -> float:
        """The same of used_memory."""
        return self.bytes_each["kvnode"][1] / self.bytes_each["redis-server"][1]


def strings(count: int) -> Iterator[bytes]:
    """Keys of 16 bytes, values of 64."""
    for i in range(count):
        yield encode_request([b"SET", b"key:%012d" % i, b"%012d" % i + VALUE[:52]])


def small_hashes(count: int) -> Iterator[bytes]:
    """Five fields each."""
    for i in range(count):
        words = [b"HSET", b"hash:%011d" % i]
        for j in range(5):
            words += [b"field%d" % j, b"value %d" % (i * 5 + j)]
        yield encode_request(words)


def small_sets(count: int) -> Iterator[bytes]:
    """Five members of text each."""
    for i in range(count):
        yield encode_request([b"SADD", b"set:%012d" % i, *[b"m%d:%d" % (j, i) for j in range(5)]])


def small_integer_sets(count: int) -> Iterator[bytes]:
    """Five integers each."""
    for i in range(count):
        yield encode_request([b"SADD", b"set:%012d" % i, *[b"%d" % (i + j) for j in range(5)]])


def small_sorted_sets(count: int) -> Iterator[bytes]:
    """Five members each."""
    for i in range(count):
        words = [b"ZADD", b"zset:%011d" % i]
        for j in range(5):
            words += [b"%d" % (i % 1000 * j), b"m%d:%d" % (j, i)]
        yield encode_request(words)


def small_lists(count: int) -> Iterator[bytes]:
    """Five elements each."""
    for i in range(count):
        yield encode_request([b"RPUSH", b"list:%011d" % i, *[b"e%d:%d" % (j, i) for j in range(5)]])


def large_hash(count: int) -> Iterator[bytes]:
    """One hash."""
    for start in range(0, count, PER_REQUEST):
        words = [b"HSET", b"large"]
        for i in range(start, start + PER_REQUEST):
            words += [b"field:%010d" % i, b"value %d" % i]
        yield encode_request(words)


def large_set(count: int) -> Iterator[bytes]:
    """One set."""
    for start in range(0, count, PER_REQUEST):
        members = [b"member:%09d" % i for i in range(start, start + PER_REQUEST)]
        yield encode_request([b"SADD", b"large", *members])


def large_sorted_set(count: int) -> Iterator[bytes]:
    """One sorted set."""
    for start in range(0, count, PER_REQUEST):
        words = [b"ZADD", b"large"]
        for i in range(start, start + PER_REQUEST):
            words += [b"%d.5" % (i * 7919 % count), b"member:%09d" % i]
        yield encode_request(words)


def large_list(count: int) -> Iterator[bytes]:
    """One list."""
    for start in range(0, count, PER_REQUEST):
        elements = [b"element:%08d" % i for i in range(start, start + PER_REQUEST)]
        yield encode_request([b"RPUSH", b"large", *elements])


CASES: Final = [
    MemoryCase("strings, 16 B keys, 64 B values", 1_000_000, "key", strings),
    MemoryCase("hashes of 5 fields", 200_000, "key", small_hashes),
    MemoryCase("sets of 5 strings", 200_000, "key", small_sets),
    MemoryCase("sets of 5 integers", 200_000, "key", small_integer_sets),
    MemoryCase("sorted sets of 5 members", 200_000, "key", small_sorted_sets),
    MemoryCase("lists of 5 elements", 200_000, "key", small_lists),
    MemoryCase("one hash", 100_000, "element", large_hash),
    MemoryCase("one hash", 1_000_000, "element", large_hash),
    MemoryCase("one set", 100_000, "element", large_set),
    MemoryCase("one set", 1_000_000, "element", large_set),
    MemoryCase("one sorted set", 100_000, "element", large_sorted_set),
    MemoryCase("one sorted set", 1_000_000, "element", large_sorted_set),
    MemoryCase("one list", 1_000_000, "element", large_list),
]


def run_case(setup: Setup, case: MemoryCase, count: int) -> MemoryResult:
    """Fill fresh servers, one after the other, and see what they grew by."""
    bytes_each = {}
    for server in setup.servers():
        with started(server) as (contestant,):
            # The first connection of a load brings buffers that are not data.
            contestant.load([encode_request([b"PING"])] * 1000)
            rss, used = contestant.settled_rss(), contestant.used_memory()
            contestant.load(case.requests(count))
            grown = contestant.settled_rss() - rss, contestant.used_memory() - used
            bytes_each[contestant.name] = (grown[0] / count, grown[1] / count)
    return MemoryResult(case.name, count, case.unit, bytes_each)


def run(setup: Setup, quick: bool, report: Callable[[MemoryResult], None]) -> list[MemoryResult]:
    """Run every case; quickly with a fifth of the elements."""
    results = []
    for case in CASES:
        result = run_case(setup, case, case.count // 5 if quick else case.count)
        results.append(result)
        report(result)
    return results
