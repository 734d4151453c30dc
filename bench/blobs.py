"""Large payloads in and out: SHUFFLE.PUSH and FETCH beside SET and GET on redis-server.

Once as raw frames on a socket, where a client costs as little as it can, and once through the
libraries: `kvclient.shuffle`, which counts and checks, beside redis-py.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final, cast

import xxhash

from kvclient import Client
from kvclient.shuffle import Shuffle

from .contestants import Setup, started

if TYPE_CHECKING:
    import io

try:
    import redis
except ImportError:  # measured where it is installed
    redis = None  # type: ignore[assignment]

SIZES: Final = {"1 MiB": 1 << 20, "64 KiB": 1 << 16}
SAMPLE_BYTES: Final = 256 << 20
PARTITIONS: Final = 16
CREDIT: Final = 16 << 20
DEPTH: Final = 16
"""How many pushes are under way; the last column's SET and GET, too."""


@dataclass
class BlobResult:
    """MiB/s of each way, by round."""

    name: str
    rates: dict[str, list[float]] = field(default_factory=dict)

    def __str__(self) -> str:
        rates = (f"{way} {self.rate(way):,.0f}" for way in self.rates)
        return f"{self.name}, MiB/s: {', '.join(rates)}"

    def rate(self, way: str) -> float:
        """The median of a way."""
        return median(self.rates[way]) if way in self.rates else 0.0


class Raw:
    """A socket that sends prepared bytes and reads replies."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = cast("io.BufferedReader", self.socket.makefile("rb", buffering=1 << 16))
        self.room = bytearray(1 << 20)

    def send(self, *pieces: bytes) -> None:
        """Send pieces one behind the other, without joining them."""
        left = sum(map(len, pieces))
        sent = self.socket.sendmsg(pieces)
        if sent < left:
            self.socket.sendall(memoryview(b"".join(pieces))[sent:])

    def reply(self) -> Any:
        """Read a reply; of a bulk its length, whose bytes are put into the same room."""
        line = self.file.readline()
        kind, text = line[:1], line[1:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(text))]
        if kind == b"$":
            size = int(text)
            if size < 64:
                return self.file.read(size + 2)[:-2]
            self.file.readinto(memoryview(self.room)[:size])
            self.file.read(2)
            return size
        if kind == b"-":
            raise RuntimeError(text.decode())
        return int(text) if kind == b":" else text

    def call(self, *words: bytes) -> Any:
        """One request."""
        self.send(frame(*words))
        return self.reply()

    def close(self) -> None:
        """Close the connection."""
        self.file.close()
        self.socket.close()


def frame(*words: bytes) -> bytes:
    """Return a request in RESP."""
    return b"".join([b"*%d\r\n" % len(words), *[b"$%d\r\n%s\r\n" % (len(w), w) for w in words]])


def headed(payload: bytes, *words: bytes) -> bytes:
    """Return a request up to its last word, a payload that is sent as it is."""
    head = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    return b"*%d\r\n%s$%d\r\n" % (len(words) + 1, head, len(payload))


def timed(size: int, count: int, work: Callable[[], object]) -> float:
    """Return MiB/s."""
    begin = time.perf_counter()
    work()
    return size * count / (1 << 20) / (time.perf_counter() - begin)


def raw_redis(port: int, payload: bytes, count: int, depth: int) -> tuple[float, float]:
    """SET and GET as raw frames, so many under way at a time."""
    raw = Raw(port)
    # As many as there are payloads: both servers hold what they were sent.
    keys = [b"blob:%d" % number for number in range(count)]

    def set_all() -> None:
        for number in range(count):
            raw.send(headed(payload, b"SET", keys[number]), payload, b"\r\n")
            if number >= depth - 1:
                raw.reply()
        for _ in range(min(depth - 1, count)):
            raw.reply()

    def get_all() -> None:
        for number in range(count):
            raw.send(frame(b"GET", keys[number]))
            if number >= depth - 1:
                raw.reply()
        for _ in range(min(depth - 1, count)):
            raw.reply()

    rates = timed(len(payload), count, set_all), timed(len(payload), count, get_all)
    raw.call(b"FLUSHALL")
    raw.close()
    return rates


def raw_shuffle(port: int, payload: bytes, count: int) -> tuple[float, float]:
    """PUSH and FETCH as raw frames; the blocks are dropped at the end."""
    raw = Raw(port)
    # An ended shuffle's name is not free at once.
    name = b"blobs-%s" % secrets.token_hex(8).encode()
    checksum = b"%d" % xxhash.xxh3_64_intdigest(payload)
    raw.call(b"SHUFFLE.OPEN", name, b"1", b"%d" % PARTITIONS)
    blocks = [0] * PARTITIONS

    def push_all() -> None:
        for number in range(count):
            partition = number % PARTITIONS
            words = (b"%s/%d" % (name, partition), b"0", b"1", b"%d" % blocks[partition], checksum)
            raw.send(headed(payload, b"SHUFFLE.PUSH", *words), payload, b"\r\n")
            blocks[partition] += 1
            if number >= DEPTH - 1:
                raw.reply()
        for _ in range(min(DEPTH - 1, count)):
            raw.reply()

    def fetch_all() -> None:
        for partition in range(PARTITIONS):
            cursor = b"0"
            while True:
                cursor = raw.call(
                    b"SHUFFLE.FETCH",
                    b"%s/%d" % (name, partition),
                    cursor,
                    b"CREDIT",
                    b"%d" % CREDIT,
                )[0]
                if cursor == b"0":
                    break

    pushed = timed(len(payload), count, push_all)
    rows = [
        f"[{p},{n},{n * len(payload)},{n * int(checksum) % (1 << 64)}]"
        for p, n in enumerate(blocks)
        if n
    ]
    raw.call(b"SHUFFLE.COMMIT", name, b"0", b"1", f"[{','.join(rows)}]".encode())
    fetched = timed(len(payload), count, fetch_all)
    raw.call(b"SHUFFLE.END", name)
    raw.close()
    return pushed, fetched


def by_kvclient(port: int, payload: bytes, count: int) -> tuple[float, float]:
    """The same through `kvclient.shuffle`."""
    with (
        Client(f"kv://127.0.0.1:{port}") as client,
        Shuffle.open(
            client, f"blobs-{secrets.token_hex(8)}", maps=1, partitions=PARTITIONS
        ) as shuffle,
    ):

        def push_all() -> None:
            with shuffle.map_task(0) as task:
                for number in range(count):
                    task.write(number % PARTITIONS, payload)

        def fetch_all() -> int:
            return sum(1 for partition in range(PARTITIONS) for _ in shuffle.read(partition))

        return timed(len(payload), count, push_all), timed(len(payload), count, fetch_all)


def by_redis_py(port: int, payload: bytes, count: int) -> tuple[float, float]:
    """SET and GET through redis-py, one after the other."""
    with redis.Redis(port=port) as client:

        def set_all() -> None:
            for number in range(count):
                client.set(f"blob:{number}", payload)

        def get_all() -> None:
            for number in range(count):
                client.get(f"blob:{number}")

        rates = timed(len(payload), count, set_all), timed(len(payload), count, get_all)
        client.flushall()
        return rates


def run(setup: Setup, rounds: int, report: Callable[[BlobResult], None]) -> list[BlobResult]:
    """Measure all sizes, the ways in turns."""
    results = []
    with started(*setup.servers(everywhere=True)) as (kvnode, redis_server):
        for name, size in SIZES.items():
            count = SAMPLE_BYTES // size
            payload = secrets.token_bytes(size)
            pushed, fetched = BlobResult(f"in, {name}"), BlobResult(f"out, {name}")
            for _ in range(rounds):
                ways = {
                    "kvnode": raw_shuffle(kvnode.port, payload, count),
                    "redis": raw_redis(redis_server.port, payload, count, 1),
                    "redis, pipelined": raw_redis(redis_server.port, payload, count, DEPTH),
                    "kvclient": by_kvclient(kvnode.port, payload, count),
                }
                if redis is not None:
                    ways["redis-py"] = by_redis_py(redis_server.port, payload, count)
                for way, (into, out) in ways.items():
                    pushed.rates.setdefault(way, []).append(into)
                    fetched.rates.setdefault(way, []).append(out)
            for result in (pushed, fetched):
                report(result)
                results.append(result)
    return results
