"""A cache under a Zipf trace: GET, and on a miss SET; how often a server of so many keys hits.

The two servers need different memory for a key, so what is held equal is the number of keys:
between parts of the trace `maxmemory` is corrected until DBSIZE is what was asked for.
"""

from __future__ import annotations

import random
import socket
from itertools import accumulate
from typing import Final

import hiredis

from .client import Argument, encode_request

BATCH: Final = 100
PARTS: Final = 20
WARM_PARTS: Final = 10
VALUE: Final = b"v" * 64
BYTES_PER_KEY: Final = 200  # a first guess


def zipf_trace(universe: int, length: int, seed: int) -> list[int]:
    """Key numbers, number n as often as 1/(n + 1), in an order that has no meaning."""
    source = random.Random(seed)
    weights = list(accumulate(1.0 / n for n in range(1, universe + 1)))
    return source.choices(range(universe), cum_weights=weights, k=length)


class Cache:
    """One server used as a cache through one connection."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=60.0)
        self._reader = hiredis.Reader()
        self.hits = 0
        self.requests = 0
        self._limit = 0  # maxmemory
        self._evicted = 0

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def call(self, *argv: Argument) -> object:
        """One request; an error reply fails."""
        return self._ask([encode_request(argv)])[0]

    def replay(self, trace: list[int]) -> None:
        """Get each key, and set those that are not there, in batches."""
        for start in range(0, len(trace), BATCH):
            keys = [b"key:%d" % number for number in trace[start : start + BATCH]]
            found = self._ask([encode_request([b"GET", key]) for key in keys])
            missed = [key for key, value in zip(keys, found, strict=True) if value is None]
            self.requests += len(keys)
            self.hits += len(keys) - len(missed)
            if missed:
                self._ask([encode_request([b"SET", key, VALUE]) for key in missed])

    def info(self, section: str, name: str) -> int:
        """A number of INFO."""
        text = self.call("INFO", section)
        assert isinstance(text, bytes)
        rows = dict(line.split(b":", 1) for line in text.split(b"\r\n") if b":" in line)
        return int(rows[name.encode()])

    def resize(self, capacity: int) -> int:
        """Correct maxmemory so that so many keys fit; return how many there are now."""
        keys = self.call("DBSIZE")
        assert isinstance(keys, int)
        evicted = self.info("stats", "evicted_keys")
        if self._limit == 0:
            self._limit = self.info("memory", "used_memory") + capacity * BYTES_PER_KEY
        elif evicted > self._evicted or keys > capacity:
            self._limit += (capacity - keys) * BYTES_PER_KEY
        self._evicted = evicted
        self.call("CONFIG", "SET", "maxmemory", self._limit)
        return keys

    def _ask(self, requests: list[bytes]) -> list[object]:
        self._connection.sendall(b"".join(requests))
        replies: list[object] = []
        while len(replies) < len(requests):
            reply = self._reader.gets()
            if reply is False:
                self._reader.feed(self._connection.recv(1 << 18))
                continue
            if isinstance(reply, hiredis.HiredisError):
                raise AssertionError(str(reply))
            replies.append(reply)
        return replies


def hit_ratio(port: int, policy: str, capacity: int, trace: list[int]) -> tuple[float, float]:
    """Replay a trace on a server under a policy; return its hit ratio and its mean DBSIZE.

    The first half warms the cache up and is not counted.
    """
    cache = Cache(port)
    try:
        cache.call("CONFIG", "SET", "maxmemory", 0)
        cache.call("FLUSHALL")
        cache.call("CONFIG", "SET", "maxmemory-policy", policy)
        cache.resize(capacity)
        size = len(trace) // PARTS
        keys = 0
        for part in range(PARTS):
            if part == WARM_PARTS:
                cache.hits = cache.requests = 0
            cache.replay(trace[part * size : (part + 1) * size])
            present = cache.resize(capacity)
            if part >= WARM_PARTS:
                keys += present
        return cache.hits / cache.requests, keys / (PARTS - WARM_PARTS)
    finally:
        cache.call("CONFIG", "SET", "maxmemory", 0)
        cache.call("FLUSHALL")
        cache.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        cache.close()
