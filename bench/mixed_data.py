"""Data of every type with deadlines, and the requests of a log: the same at each run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tests.wire.client import encode_request

DEADLINE_MS: Final = 4_000_000_000_000  # far away: nothing expires while it is measured
LARGE_ELEMENTS: Final = 2_000
LARGE_EVERY: Final = 20_000  # keys, of which one is a large collection
TEXT: Final = b"the quick brown fox jumps over the lazy dog and runs away; " * 8


def string(i: int) -> list[bytes]:
    """A string: of 64 bytes, an integer, or a text that compresses."""
    key = b"string:%d" % i
    if i % 5 == 0:
        return [b"SET", key, b"%d" % (i * 7919)]
    if i % 50 == 1:
        return [b"SET", key, TEXT[i % 59 :]]
    return [b"SET", key, b"%020d" % (i * 6_700_417) + TEXT[i % 97 :][:44]]


def small_hash(i: int) -> list[bytes]:
    """A hash of five fields."""
    words = [b"HSET", b"hash:%d" % i]
    for j in range(5):
        words += [b"field%d" % j, b"value %d" % (i * 5 + j)]
    return words


def small_set(i: int) -> list[bytes]:
    """A set of five strings."""
    return [b"SADD", b"set:%d" % i, *[b"member %d:%d" % (j, i) for j in range(5)]]


def integers(i: int) -> list[bytes]:
    """A set of ten integers."""
    return [b"SADD", b"integers:%d" % i, *[b"%d" % (i * j) for j in range(1, 11)]]


def small_sorted_set(i: int) -> list[bytes]:
    """A sorted set of five members."""
    words = [b"ZADD", b"zset:%d" % i]
    for j in range(5):
        words += [b"%d.5" % (i % 1000 * j), b"member %d:%d" % (j, i)]
    return words


def small_list(i: int) -> list[bytes]:
    """A list of five elements."""
    return [b"RPUSH", b"list:%d" % i, *[b"element %d:%d" % (j, i) for j in range(5)]]


def stream(i: int) -> list[bytes]:
    """One entry of a stream."""
    return [b"XADD", b"stream:%d" % i, b"%d-1" % (i + 1), b"name", b"n%d" % i, b"at", b"%d" % i]


def large(i: int) -> list[bytes]:
    """A large hash, set, sorted set or list."""
    kind = i // LARGE_EVERY % 4
    words = [(b"HSET", b"SADD", b"ZADD", b"RPUSH")[kind], b"large:%d" % i]
    for j in range(LARGE_ELEMENTS):
        element = b"element %d of %d" % (j, i)
        if kind == 0:
            words += [element, b"value %d" % j]
        elif kind == 2:
            words += [b"%d.25" % (j * 7919 % LARGE_ELEMENTS), element]
        else:
            words.append(element)
    return words


# Out of twenty keys.
MIX: Final[list[Callable[[int], list[bytes]]]] = [
    *[string] * 9,
    *[small_hash] * 3,
    *[small_set] * 2,
    integers,
    *[small_sorted_set] * 2,
    *[small_list] * 2,
    stream,
]


def keys(count: int) -> Iterator[bytes]:
    """Requests that make `count` keys, of which a fifth have a deadline."""
    for i in range(count):
        words = large(i) if i % LARGE_EVERY == 0 else MIX[i % len(MIX)](i)
        yield encode_request(words)
        if i // len(MIX) % 5 == 0:
            yield encode_request([b"PEXPIREAT", words[1], b"%d" % (DEADLINE_MS + i * 977)])


def requests(count: int) -> Iterator[bytes]:
    """Requests of a log: each key is written ten times or so."""
    distinct = count // 10
    for i in range(count):
        key = i * 7919 % distinct
        kind = key % 8
        if kind < 3:
            words = string(key)
        elif kind == 3:
            words = [b"INCR", b"counter:%d" % key]
        elif kind == 4:
            words = [b"LPUSH", b"list:%d" % key, b"element %d" % i]
        elif kind == 5:
            words = [b"HSET", b"hash:%d" % key, b"field%d" % (i % 7), b"value %d" % i]
        elif kind == 6:
            words = [b"ZADD", b"zset:%d" % key, b"%d" % (i % 1000), b"member %d" % (i % 9)]
        else:
            words = [b"SADD", b"set:%d" % key, b"member %d" % (i % 11)]
        yield encode_request(words)
