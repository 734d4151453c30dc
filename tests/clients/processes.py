"""Processes that a library's user would run: workers, consumers, web servers."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest

from tests.wire.servers import free_port

HERE: Final = Path(__file__).resolve().parent
JOBS: Final = HERE / "jobs"
START_TIMEOUT_S: Final = 30.0
END_TIMEOUT_S: Final = 10.0


def script(name: str) -> str:
    """The path of a console script that a library installed beside the interpreter."""
    return str(Path(sys.executable).parent / name)


def environment(port: int, **more: str) -> dict[str, str]:
    """What a worker is given: where its jobs are and which server to use."""
    return {
        **os.environ,
        "PYTHONPATH": str(JOBS),
        "PYTHONUNBUFFERED": "1",
        "SERVER_URL": server_url(port),
        "SERVER_PORT": str(port),
        **more,
    }


def server_url(port: int, database: int = 0) -> str:
    """The server's address in the form that every library reads."""
    return f"redis://127.0.0.1:{port}/{database}"


class Process:
    """One process of a library with its log; used as a context manager."""

    def __init__(
        self, command: list[str], variables: dict[str, str], folder: Path, ready: str
    ) -> None:
        self.command = command
        self.variables = variables
        self.folder = folder
        self.ready = ready
        self.log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its children end with it
            )
        try:
            self.expect(self.ready)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        if kind is not None:
            print(f"--- {' '.join(self.command)}\n{self.output()[-6000:]}")

    def output(self) -> str:
        """What the process has written."""
        return self.log.read_text(errors="replace")

    def alive(self) -> bool:
        """Is the process running?"""
        return self._process is not None and self._process.poll() is None

    def expect(self, text: str, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the process has written `text`."""
        try:
            wait_until(lambda: text in self.output() or not self.alive(), timeout_s)
        except TimeoutError:
            pass
        assert text in self.output(), f"{self.command} did not say {text!r}:\n{self.output()}"

    def kill(self) -> None:
        """End the process and its children as a crash would."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """Ask the process to end; kill what is left of its group."""
        if self.alive():
            os.kill(self.pid, signal.SIGTERM)
            try:
                assert self._process is not None
                self._process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                pass
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass
        self._process.wait()


@contextmanager
def two_of_a_site(program: str, port: int, folder: Path) -> Iterator[list[str]]:
    """Run a site of `jobs` as two processes that share a server; their addresses."""
    addresses = []
    with ExitStack() as stack:
        for _ in range(2):
            site = free_port()
            command = [sys.executable, str(JOBS / program), str(site)]
            stack.enter_context(Process(command, environment(port), folder, "serving"))
            addresses.append(f"http://127.0.0.1:{site}")
        yield addresses


def wait_until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Ask `condition` again and again until it holds; TimeoutError when it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not hold within {timeout_s} s")
        time.sleep(0.02)


def load_jobs(name: str, port: int) -> Any:
    """Import a module of `jobs` under the name that workers know, bound to the server at `port`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVER_URL", server_url(port))
        patch.syspath_prepend(str(JOBS))
        return importlib.import_module(name)
