"""Nodes as processes, for tests of what happens around the engine."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

START_SECONDS = 30.0
END_SECONDS = 10.0

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start nodes; what still runs at the end of the test is ended."""
    processes: list[subprocess.Popen[bytes]] = []

    def launch(*words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "kvnode", "serve", *words],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield launch
    for process in processes:
        process.terminate()  # asked first: a process that is killed leaves no coverage behind
        try:
            process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def wait_for_line(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    """The log up to the line that holds `text`."""
    assert process.stderr is not None
    seen = b""
    deadline = time.monotonic() + START_SECONDS
    while text not in seen:
        ready = select.select([process.stderr], [], [], max(0.0, deadline - time.monotonic()))[0]
        data = os.read(process.stderr.fileno(), 65536) if ready else b""
        assert data, f"no {text!r} in the log: {seen.decode()}"
        seen += data
    return seen


def ask(family: int, place: object, request: bytes, size: int) -> bytes:
    """Send a request to a new connection and read this many bytes."""
    with socket.socket(family) as client:
        client.settimeout(END_SECONDS)
        client.connect(place)  # type: ignore[arg-type]
        client.sendall(request)
        return receive(client, size)


def receive(client: socket.socket, size: int) -> bytes:
    """Read this many bytes, or what there is until the peer ends."""
    reply = b""
    while len(reply) < size:
        data = client.recv(65536)
        if not data:
            break
        reply += data
    return reply
