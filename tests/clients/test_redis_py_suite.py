"""redis-py's own tests, as they stand in its source distribution, pass on the node.

They pass also with `kvclient.compat` in place of redis-py's classes. tools/setup.sh unpacks them
beside the interpreter. Tests of commands that Redis 7.0.15 does not have skip themselves, for they
ask the server for its version.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import redis

import kvclient
import kvcluster
import kvprotocol

from .conftest import wanted_server
from .processes import JOBS, Process, environment, wait_until

SUITE: Final = Path(sys.prefix) / f"redis-py-{redis.__version__}"
TIMEOUT_S: Final = 400
FILES: Final = ["commands", "encoding", "hash", "lock", "monitor", "pipeline", "scripting"]
SLEEPERS: Final = ["pubsub", "keyspace_notifications"]


class Part(NamedTuple):
    """Tests that run in one process; `passing` pass, here and on redis-server 7.0.15.

    With `compat` they are tests of our class: those with shared connections ("pool") alone, and
    without them those of redis-py's with a connection of their own ("single").
    """

    folder: str
    files: list[str]
    protocol: str
    passing: int
    compat: bool = False


ASYNCIO: Final = "tests/test_asyncio"
PARTS: Final = {
    "blocking": Part("tests", [*FILES, "function"], "2", 538),
    "blocking pub/sub": Part("tests", SLEEPERS, "3", 233),
    "asyncio": Part(ASYNCIO, FILES, "3", 392),
    "asyncio pub/sub": Part(ASYNCIO, SLEEPERS, "2", 121),
    "compat": Part("tests", [*FILES, "function"], "2", 527, compat=True),
    "compat, RESP3": Part("tests", [*FILES, *SLEEPERS], "3", 748, compat=True),
    "compat, asyncio": Part(ASYNCIO, FILES, "3", 387, compat=True),
    "compat, asyncio, RESP2": Part(ASYNCIO, [*FILES, *SLEEPERS], "2", 508, compat=True),
}
CLIENT_ROOTS: Final = [
    str(Path(package.__file__ or "").parents[1]) for package in (kvclient, kvcluster, kvprotocol)
]
SUMMARY: Final = re.compile(r"^\d+ (?:passed|failed).* in [\d.]+s", re.MULTILINE)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Process]]:
    """All parts at the same time, each on a server of its own: they sleep much."""
    assert (SUITE / "tests").is_dir(), "run tools/setup.sh test, which unpacks redis-py's tests"
    with ExitStack() as stack:
        started = {}
        for name, part in PARTS.items():
            # One test asks for idle times, which a node keeps under such a policy only.
            server = wanted_server("--maxmemory-policy", "allkeys-lru")
            port = stack.enter_context(server).port
            roots = ":".join(dict.fromkeys([str(SUITE), str(JOBS), *CLIENT_ROOTS]))
            variables = environment(port, PYTHONPATH=roots)
            variables.pop("PYTHONSAFEPATH", None)
            plugins = ["redis_py_suite", *(["redis_py_compat"] if part.compat else [])]
            command = [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *(word for plugin in plugins for word in ("-p", plugin)),
                *("-c", str(SUITE / "pyproject.toml"), "-W", "ignore"),
                *("--import-mode", "importlib", "--rootdir", str(SUITE)),
                *("--redis-url", f"redis://localhost:{port}/0", "--protocol", part.protocol),
                *("-m", "not onlycluster and not redismod and not ssl"),
                *("-k", "not single" if part.compat else "not pool"),
                *(str(SUITE / part.folder / f"test_{name}.py") for name in part.files),
            ]
            logs = tmp_path_factory.mktemp("suite")
            started[name] = stack.enter_context(Process(command, variables, logs, ready=""))
        yield started


@pytest.mark.long
@pytest.mark.parametrize("part", list(PARTS))
def test_the_published_tests_pass(part: str, runs: dict[str, Process]) -> None:
    run = runs[part]
    wait_until(lambda: SUMMARY.search(run.output()) or not run.alive(), TIMEOUT_S)
    output = run.output()
    summary = SUMMARY.search(output)
    assert summary is not None, output[-3000:]
    failed = re.findall(r"^(?:FAILED|ERROR) .*", output, re.MULTILINE)
    assert not failed, "\n".join(failed)
    passed = re.search(r"(\d+) passed", summary[0])
    assert passed is not None
    assert int(passed[1]) == PARTS[part].passing, summary[0]
