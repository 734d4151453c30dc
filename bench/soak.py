"""A mixed load of many clients for minutes: no errors, and memory that stops growing.

    python -m bench.soak --minutes 10

The keys are of every type, bounded in number, and expire; after a warm-up the resident memory has
to stay level. Values that are read are checked: a key only ever holds values that carry its name.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import hiredis

from tests.wire.client import encode_request

from .contestants import Contestant, Setup, started

SAMPLE_S: Final = 5.0
WARM_UP: Final = 0.3
KEYS: Final = 20_000
MEMBERS: Final = 60
REPLIES_SHOWN: Final = 5


@dataclass
class Outcome:
    """What the clients saw."""

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    # (seconds since the start, resident bytes)
    rss: list[tuple[float, int]] = field(default_factory=list)

    def growth(self) -> tuple[float, float]:
        """Resident MiB after the warm-up and at the end: medians of a fifth of the samples each."""
        rows = [size for _, size in self.rss]
        rows = rows[int(len(rows) * WARM_UP) :]
        part = max(1, len(rows) // 5)
        first, last = statistics.median(rows[:part]), statistics.median(rows[-part:])
        return first / 2**20, last / 2**20


def mixed_request(source: random.Random) -> list[bytes]:
    """One request of the mix; every key gets an expiry sooner or later."""
    i = source.randrange(KEYS)
    member = b"m%d" % source.randrange(MEMBERS)
    key = b"%d" % i
    # Mostly short values, now and then one that lands on another path.
    tail = b"v" * (source.randrange(100) if source.random() < 0.98 else 20_000)
    ttl_ms = b"%d" % source.randrange(100, 20_000)
    requests = [
        [b"SET", b"s" + key, b"s" + key + b":" + tail, b"PX", ttl_ms],
        [b"GET", b"s" + key],
        [b"GET", b"s" + key],
        [b"SET", b"s" + key, b"s" + key + b":" + tail],
        [b"INCR", b"n" + key],
        [b"HSET", b"h" + key, member, tail[:50]],
        [b"HGETALL", b"h" + key],
        [b"LPUSH", b"l" + key, tail[:80]],
        [b"LTRIM", b"l" + key, b"0", b"50"],
        [b"RPOP", b"l" + key],
        [b"SADD", b"e" + key, member],
        [b"SPOP", b"e" + key],
        [b"ZADD", b"z" + key, b"%d" % source.randrange(1000), member],
        [b"ZPOPMIN", b"z" + key],
        [b"ZRANGE", b"z" + key, b"0", b"10", b"WITHSCORES"],
        [b"PEXPIRE", source.choice([b"h", b"l", b"e", b"z", b"n"]) + key, ttl_ms],
        [b"DEL", source.choice([b"h", b"l", b"e", b"z", b"n", b"s"]) + key],
        [b"UNLINK", source.choice([b"h", b"l", b"e", b"z"]) + key],
        [b"MGET", b"s" + key, b"n" + key],
        [b"APPEND", b"s" + key, b"."],
    ]
    return source.choice(requests)


def complaint(argv: list[bytes], reply: object) -> str:
    """What is wrong with this reply, or nothing."""
    if isinstance(reply, hiredis.ReplyError):
        return str(reply)
    if argv[0] == b"GET" and isinstance(reply, bytes) and not reply.startswith((argv[1], b".")):
        return "GET returned another key's value"
    return ""


async def client(port: int, seed: int, deadline: float, outcome: Outcome) -> None:
    """One client: small pipelines of random requests until the deadline, reconnecting at times."""
    source = random.Random(seed)
    while time.monotonic() < deadline:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        parser = hiredis.Reader()
        for _ in range(source.randrange(200, 2000)):
            batch = [mixed_request(source) for _ in range(source.randrange(1, 9))]
            writer.write(b"".join(map(encode_request, batch)))
            for argv in batch:
                while (reply := parser.gets()) is False:
                    data = await asyncio.wait_for(reader.read(1 << 16), 30)
                    if not data:
                        raise ConnectionError("the server closed the connection")
                    parser.feed(data)
                outcome.requests += 1
                if trouble := complaint(argv, reply):
                    outcome.errors[f"{argv[0].decode()}: {trouble[:80]}"] += 1
            if time.monotonic() >= deadline:
                break
        writer.close()
        await writer.wait_closed()


async def guarded(port: int, seed: int, deadline: float, outcome: Outcome) -> None:
    """A client whose connection errors are counted, not raised."""
    while time.monotonic() < deadline:
        try:
            await client(port, seed, deadline, outcome)
        except (OSError, TimeoutError) as error:
            outcome.errors[f"connection: {error!r}"] += 1
            await asyncio.sleep(0.1)


async def sample_memory(contestant: Contestant, deadline: float, outcome: Outcome) -> None:
    """Note the resident memory every few seconds."""
    begin = time.monotonic()
    while time.monotonic() < deadline:
        await asyncio.sleep(min(SAMPLE_S, max(0.01, deadline - time.monotonic())))
        if not contestant.server.alive():
            outcome.errors["the server ended"] += 1
            return
        elapsed, size = time.monotonic() - begin, contestant.rss()
        outcome.rss.append((elapsed, size))
        print(
            f"{elapsed:7.0f} s  {size / 2**20:8.1f} MiB  {outcome.requests:>12,} requests  "
            f"{outcome.errors.total()} errors",
            file=sys.stderr,
            flush=True,
        )


async def soak(contestant: Contestant, minutes: float, clients: int, seed: int) -> Outcome:
    """Run the load."""
    outcome = Outcome()
    deadline = time.monotonic() + minutes * 60
    await asyncio.gather(
        sample_memory(contestant, deadline, outcome),
        *(guarded(contestant.port, seed + i, deadline, outcome) for i in range(clients)),
    )
    return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: exit status 1 if there was an error or the memory grew by a fifth."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server", choices=("kvnode", "redis-server"), default="kvnode")
    parser.add_argument("--kvnode-python", default=sys.executable)
    parser.add_argument("--interpreted", action="store_true")
    options = parser.parse_args(arguments)
    setup = Setup(options.kvnode_python, options.interpreted)
    server = next(one for one in setup.servers() if one.name == options.server)
    with started(server) as (contestant,):
        outcome = asyncio.run(soak(contestant, options.minutes, options.clients, options.seed))
        tail = server.log_tail()
    first, last = outcome.growth() if outcome.rss else (0.0, 0.0)
    print(
        f"soak of {server.name}: {options.minutes:g} minutes, {options.clients} clients, "
        f"{outcome.requests:,} requests, {outcome.errors.total()} errors; resident memory after "
        f"warm-up {first:.1f} MiB, at the end {last:.1f} MiB ({last / first - 1:+.1%})"
        if first
        else f"soak of {server.name}: no samples"
    )
    for text, count in outcome.errors.most_common(REPLIES_SHOWN):
        print(f"{count:>9} {text}")
    if outcome.errors:
        print(tail)
    return int(bool(outcome.errors) or not first or last > first * 1.2)


if __name__ == "__main__":
    sys.exit(main())
