"""Start and end server processes on free ports of 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from .client import Wire, WireError

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SOURCE_ROOTS: Final = [REPOSITORY / part for part in ("", "protocol", "cluster", "client")]
START_TRIES: Final = 5
START_TIMEOUT_S: Final = 20.0
REVIVE_TIMEOUT_S: Final = 3.0
LOG: Final = "log"
# Both servers are given exactly these directives.
DIRECTIVES: Final = [
    *("--bind", "127.0.0.1"),
    *("--save", ""),
    *("--appendonly", "no"),
    *("--enable-debug-command", "yes"),
]
# Where an installed package or PYTHONPATH has kvnode, that one is tested; else the source tree.
FIND_KVNODE: Final = "import importlib.util as u, sys; sys.exit(u.find_spec('kvnode') is None)"
SHOW_KVNODE: Final = (
    "import kvnode.dispatch as d, kvprotocol.requests as r;print(d.__file__); print(r.__file__)"
)


class Server:
    """A server process, its port and its log; as a context manager it runs inside of the block."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.folder: Path | None = None
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        # More for one that is given much to load.
        self.start_timeout_s = START_TIMEOUT_S

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self.process is not None, f"{self.name} is not running"
        return self.process.pid

    def __enter__(self) -> Self:
        try:
            if not self.alive():
                self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.remove()

    def start(self) -> None:
        """Start the process and wait for PONG; another port if ours was taken meanwhile."""
        folder = self.made_folder()
        for _ in range(START_TRIES):
            self.port = free_port()
            with (folder / LOG).open("ab") as log:
                self.process = subprocess.Popen(
                    [*self.command, "--port", str(self.port)],
                    cwd=folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            if self._answers():
                return
            self.stop()
        raise RuntimeError(f"{self.name} did not start: {self.command}\n{self.log_tail()}")

    def made_folder(self) -> Path:
        """The folder of its data; made at the first use, which may be before the start."""
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix=f"wire-{self.name}-"))
        return self.folder

    def _answers(self) -> bool:
        deadline = time.monotonic() + self.start_timeout_s
        while self.alive() and time.monotonic() < deadline:
            try:
                wire = Wire(self.port, timeout_s=2.0)
            except OSError:
                time.sleep(0.005)
                continue
            try:
                # A stranger on this port would answer as well: our own child must be alive.
                if wire.call("PING").text() == b"PONG" and self.alive():
                    return True
            except WireError:
                pass
            finally:
                wire.close()
            time.sleep(0.005)  # it is loading, or not ours
        return False

    def alive(self) -> bool:
        """Is the process running?"""
        return self.process is not None and self.process.poll() is None

    def revive(self) -> None:
        """Start the process again if an earlier test ended it or left it hanging."""
        if self.alive():
            wire = Wire(self.port, timeout_s=REVIVE_TIMEOUT_S)
            try:
                wire.call("PING")
                return
            except WireError:
                self.stop()
            finally:
                wire.close()
        self.start()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        assert self.process is not None, f"{self.name} is not running"
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """End the process: ask, wait, kill."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def remove(self) -> None:
        """End the process and remove its folder."""
        self.stop()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def log_tail(self, offset: int = 0, size_max: int = 4000) -> str:
        """The end of the log, from `offset` on at most."""
        return self._log()[offset:][-size_max:].decode(errors="replace")

    def log_size(self) -> int:
        """The log's size in bytes."""
        return len(self._log())

    def _log(self) -> bytes:
        return (self.folder / LOG).read_bytes() if self.folder is not None else b""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def node_environment(python: str, interpreted: bool = False) -> dict[str, str]:
    """The environment in which `python -m kvnode` finds the package (see FIND_KVNODE)."""
    environment = dict(os.environ)
    source = os.pathsep.join(str(root) for root in SOURCE_ROOTS)
    if interpreted:
        environment["PYTHONPATH"] = source
        return environment
    command = [python, "-c", FIND_KVNODE]
    found = subprocess.run(command, env=environment, cwd=tempfile.gettempdir(), check=False)
    if found.returncode != 0:
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = source + (os.pathsep + inherited if inherited else "")
    return environment


def node_origin(python: str = sys.executable, interpreted: bool = False) -> str:
    """The files that hold kvnode's dispatcher and parser, to see whether they are compiled."""
    environment = node_environment(python, interpreted)
    command = [python, "-c", SHOW_KVNODE]
    done = subprocess.run(
        command, env=environment, cwd=tempfile.gettempdir(), capture_output=True, check=False
    )
    if done.returncode != 0:
        return "not importable"
    return "compiled" if b".so" in done.stdout else "interpreted"


def kvnode_server(
    *directives: str,
    python: str = sys.executable,
    interpreted: bool = False,
    prefix: tuple[str, ...] = (),
) -> Server:
    """A kvnode, not started yet; `prefix` stands before the command (taskset ...)."""
    command = [*prefix, python, "-m", "kvnode", "serve", *DIRECTIVES, *directives]
    return Server("kvnode", command, node_environment(python, interpreted))


@contextmanager
def both_servers(interpreted: bool = False) -> Iterator[tuple[Server, Server]]:
    """kvnode and redis-server, running; at the end the log of one that ended is printed."""
    servers = (kvnode_server(interpreted=interpreted), redis_server())
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            if not server.alive():
                print(f"{server.name} ended; its log:\n{server.log_tail()}")
            server.remove()


def redis_server(*directives: str, prefix: tuple[str, ...] = ()) -> Server:
    """A redis-server, not started yet."""
    command = [*prefix, "redis-server", *DIRECTIVES, "--daemonize", "no", *directives]
    # SORT ALPHA follows the locale.
    return Server("redis-server", command, {**os.environ, "LC_ALL": "C"})


def server_of(kind: str, *directives: str, interpreted: bool = False) -> Server:
    """A server by the name of its kind, "kvnode" or "redis", not started yet."""
    if kind == "redis":
        return redis_server(*directives)
    assert kind == "kvnode", kind
    return kvnode_server(*directives, interpreted=interpreted)
