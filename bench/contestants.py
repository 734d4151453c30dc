"""The servers that are measured: how they start, what they cost, how they are loaded."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.wire.client import Wire, encode_request
from tests.wire.servers import Server, kvnode_server, node_origin, redis_server

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PAGE_SIZE: Final = os.sysconf("SC_PAGE_SIZE")
LOAD_BATCH_BYTES: Final = 1 << 16
SETTLE_TRIES: Final = 40


@dataclass(frozen=True)
class Setup:
    """Which kvnode is measured."""

    kvnode_python: str = sys.executable
    interpreted: bool = False

    def origin(self) -> str:
        """Is the measured kvnode compiled or interpreted?"""
        return node_origin(self.kvnode_python, self.interpreted)

    def servers(self, *directives: str, everywhere: bool = False) -> tuple[Server, Server]:
        """kvnode and redis-server, not started; on one core, unless they may be `everywhere`."""
        prefix = () if everywhere else tuple(pinned("server"))
        kvnode = kvnode_server(
            *directives, python=self.kvnode_python, interpreted=self.interpreted, prefix=prefix
        )
        return kvnode, redis_server(*directives, prefix=prefix)


def pinned(role: str) -> list[str]:
    """taskset's prefix: servers on the first core, the load on the second, if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or shutil.which("taskset") is None:
        return []
    return ["taskset", "-c", str(cores[0] if role == "server" else cores[1])]


@dataclass
class Cpu:
    """CPU time of a process in seconds."""

    user_s: float = 0.0
    system_s: float = 0.0


def cpu_of(pid: int) -> Cpu:
    """CPU time that a process has used so far, all threads."""
    with open(f"/proc/{pid}/stat") as file:
        # The name in parentheses may hold spaces: fields are counted behind it.
        fields = file.read().rpartition(")")[2].split()
    return Cpu(int(fields[11]) / TICKS_PER_S, int(fields[12]) / TICKS_PER_S)


class Contestant:
    """A running server and a connection to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.name = server.name
        self.wire = Wire(server.port, timeout_s=120.0)

    @property
    def port(self) -> int:
        """The server's port."""
        return self.server.port

    def cpu(self) -> Cpu:
        """CPU time the process has used so far, all threads."""
        return cpu_of(self.server.pid)

    def rss(self) -> int:
        """Resident memory in bytes."""
        with open(f"/proc/{self.server.pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE_SIZE

    def used_memory(self) -> int:
        """Memory as the server accounts it, in bytes."""
        text = self.wire.call("INFO", "memory").text().decode()
        rows = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
        return int(rows["used_memory"])

    def settled_rss(self) -> int:
        """Resident memory once it has stopped changing."""
        before, quiet = self.rss(), 0
        for _ in range(SETTLE_TRIES):
            time.sleep(0.25)
            now = self.rss()
            quiet = quiet + 1 if abs(now - before) < 1 << 18 else 0
            before = now
            if quiet == 3:
                break
        return before

    def call(self, *argv: str | int) -> object:
        """One request; an error reply stops the benchmark."""
        reply = self.wire.call(*argv)
        if reply.kind == "error":
            raise RuntimeError(f"{self.name}: {argv}: {reply.text().decode()}")
        return reply.plain()

    def empty(self) -> None:
        """Remove all data, and wait until that is done."""
        self.call("FLUSHALL", "SYNC")

    def load(self, requests: Iterable[bytes]) -> None:
        """Send encoded requests in large batches; an error reply stops the benchmark."""
        load(self.port, requests)


@contextmanager
def started(*servers: Server) -> Iterator[list[Contestant]]:
    """Run the servers for the duration of a block."""
    try:
        contestants = []
        for server in servers:
            server.start()
            contestants.append(Contestant(server))
        yield contestants
    finally:
        for server in servers:
            server.remove()


def batches(requests: Iterable[bytes]) -> Iterator[bytes]:
    """The requests joined to batches of some 64 KiB."""
    batch: list[bytes] = []
    size = 0
    for request in requests:
        batch.append(request)
        size += len(request)
        if size >= LOAD_BATCH_BYTES:
            yield b"".join(batch)
            batch, size = [], 0
    if batch:
        yield b"".join(batch)


def load(port: int, requests: Iterable[bytes]) -> None:
    """Pipeline requests as `redis-cli --pipe` does: after each batch an ECHO tells its end.

    The replies must be small; a line that begins with `-` is an error.
    """
    token = b"end of the batch"
    echo = encode_request([b"ECHO", token])
    with socket.create_connection(("127.0.0.1", port), timeout=120.0) as connection:
        for batch in batches(requests):
            connection.sendall(batch + echo)
            received = b""
            while token + b"\r\n" not in received[-40:]:
                data = connection.recv(1 << 18)
                if not data:
                    raise RuntimeError(f"port {port} closed the connection during a load")
                received += data
            if received.startswith(b"-") or b"\r\n-" in received:
                place = 0 if received.startswith(b"-") else received.index(b"\r\n-") + 2
                raise RuntimeError(f"port {port}: {received[place : place + 200]!r}")
