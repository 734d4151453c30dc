"""Eviction beside redis-server: hit ratios at equal numbers of keys, and memory under writes.

    python -m bench.eviction                    both parts, about twenty minutes
    python -m bench.eviction --only hits --universe 100000 --requests 400000
    python -m bench.eviction --only memory --limits 200 --seconds 20

The memory part writes values of 10 B to 100 KB, overwrites them and lets collections grow, far
beyond maxmemory, and shows how far used_memory and the resident memory were from the limit.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Sequence
from typing import Final

from tests.wire.client import encode_request
from tests.wire.hit_ratio import hit_ratio, zipf_trace

from .contestants import Contestant, Setup, load, started
from .report import Table, write_eviction

POLICIES: Final = ("allkeys-lru", "allkeys-lfu")
SHARES: Final = (0.1, 0.01)
BLOB: Final = random.Random(1).randbytes(1 << 18)
BATCH: Final = 200
BYTES_PER_KEY: Final = 100  # of the limit: even the small values are far more than it holds
# The last two follow one another on one server, so that values change their size.
LOADS: Final = (("mixed",), ("large",), ("small",), ("small", "large"))
SETTLED: Final = 0.5  # the part of a run after which figures count


def write_request(source: random.Random, name: str, keys: int) -> bytes:
    """One request of a load on so many keys."""
    choice = source.random() if name == "mixed" else 1.0
    key = source.randrange(keys)
    part = BLOB[key % 1000 : key % 1000 + source.randrange(10, 300)]
    if choice < 0.1:
        field = b"f%d" % source.randrange(5000)
        return encode_request([b"HSET", b"hash:%d" % (key % 2000), field, part])
    if choice < 0.15:
        return encode_request([b"RPUSH", b"list:%d" % (key % 2000), part])
    if choice < 0.2:
        member = b"m%d" % source.randrange(5000)
        return encode_request([b"ZADD", b"zset:%d" % (key % 2000), b"%d" % key, member])
    if choice < 0.3:
        return encode_request([b"APPEND", b"text:%d" % (key % 20000), part])
    if name == "small":
        return encode_request([b"SET", b"key:%d" % key, part[:200]])
    size = int(math.exp(source.uniform(math.log(10), math.log(100_000))))
    place = source.randrange(len(BLOB) - size)
    return encode_request([b"SET", b"key:%d" % key, BLOB[place : place + size]])


def memory_run(
    contestant: Contestant, limit: int, name: str, seconds: float
) -> tuple[float, float, float]:
    """Write for some time; return used_memory's least and largest share of the limit, and RSS's."""
    contestant.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    contestant.call("CONFIG", "SET", "maxmemory", limit)
    source = random.Random(1)
    keys = limit // BYTES_PER_KEY
    used: list[float] = []
    resident: list[float] = []
    reached = 0.0
    while reached == 0.0 or time.monotonic() < reached + seconds:
        load(contestant.port, [write_request(source, name, keys) for _ in range(BATCH)])
        if reached == 0.0 and contestant.used_memory() > limit * 0.98:
            reached = time.monotonic()
        elif reached > 0.0:
            used.append(contestant.used_memory() / limit)
            resident.append(contestant.rss() / limit)
    settled = resident[int(len(resident) * SETTLED) :]
    return min(used), max(used), max(settled)


def memory_table(setup: Setup, limits: Sequence[int], seconds: float) -> Table:
    """Run the memory part on fresh servers."""
    table = Table("limit, load", "server", "used min", "used max", "RSS max")
    for limit in limits:
        for names in LOADS:
            for server in setup.servers():
                with started(server) as (contestant,):
                    for name in names:
                        figures = memory_run(contestant, limit, name, seconds)
                    shares = [f"{share:.3f}" for share in figures]
                    label = " after ".join(reversed(names))
                    table.add(f"{limit / 1e6:.0f} MB, {label}", contestant.name, *shares)
                    print(*table.rows[-1], file=sys.stderr, flush=True)
    return table


def hits_table(setup: Setup, universe: int, requests: int) -> Table:
    """Run the hit ratio part."""
    trace = zipf_trace(universe, requests, 1)
    table = Table("policy, keys", "kvnode", "redis-server", "difference", "keys", "keys of Redis")
    with started(*setup.servers()) as contestants:
        for policy in POLICIES:
            for share in SHARES:
                capacity = int(universe * share)
                ours, theirs = (
                    hit_ratio(contestant.port, policy, capacity, trace)
                    for contestant in contestants
                )
                table.add(
                    f"{policy}, {capacity:,}",
                    f"{ours[0]:.2%}",
                    f"{theirs[0]:.2%}",
                    f"{100 * (ours[0] - theirs[0]):+.2f}",
                    f"{ours[1]:,.0f}",
                    f"{theirs[1]:,.0f}",
                )
                print(*table.rows[-1], file=sys.stderr, flush=True)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("hits", "memory"))
    parser.add_argument("--universe", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=4_000_000)
    parser.add_argument("--limits", default="200,1000", help="MB, with commas between")
    parser.add_argument("--seconds", type=float, default=30.0, help="at the limit, of each load")
    parser.add_argument("--write", action="store_true", help="also write bench/RESULTS.md")
    parser.add_argument("--kvnode-python", default=sys.executable, metavar="PATH")
    options = parser.parse_args(arguments)
    setup = Setup(options.kvnode_python)
    print(f"kvnode: {setup.origin()}")
    tables: list[Table] = []
    if options.only != "memory":
        tables.append(hits_table(setup, options.universe, options.requests))
    if options.only != "hits":
        limits = [int(float(limit) * 1e6) for limit in options.limits.split(",")]
        tables.append(memory_table(setup, limits, options.seconds))
    for table in tables:
        print("\n".join(table.lines()))
    if options.write:
        given = sys.argv[1:] if arguments is None else arguments
        shown = [word for word in given if word != "--write"]
        write_eviction(setup, " ".join(["python -m bench.eviction", *shown]), tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
