"""A node for the time of an example: where no URL is given, it brings its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvclient import Client, Unavailable

START_LIMIT_S = 30.0


@contextmanager
def node_url(given: str | None) -> Iterator[str]:
    """Yield the URL that was given, or that of a node that runs inside of the block."""
    if given is not None:
        yield given
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"kv://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "kvnode", "serve", "--port", str(port)]
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        try:
            if not _answers(url, process):
                raise RuntimeError(f"the node did not start:\n{log.read_text()}")
            yield url
        finally:
            process.terminate()
            process.wait()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    give_up_at = time.monotonic() + START_LIMIT_S
    with Client(url, deadline_s=0.5) as client:
        while process.poll() is None and time.monotonic() < give_up_at:
            try:
                client.ping()
                return True
            except Unavailable:
                time.sleep(0.02)
    return False
