"""redis-py's own tests, as they stand in its source distribution, pass on the node.

tools/setup.sh unpacks them beside the interpreter. Tests of commands that Redis 7.0.15 does not
have skip themselves, for they ask the server for its version.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
import redis

from .conftest import wanted_server
from .processes import JOBS, Process, environment, wait_until

SUITE: Final = Path(sys.prefix) / f"redis-py-{redis.__version__}"
TIMEOUT_S: Final = 400
FILES: Final = ["commands", "encoding", "hash", "lock", "monitor", "pipeline", "scripting"]
SLEEPERS: Final = ["pubsub", "keyspace_notifications"]
# Part: folder, files, RESP version, and how many tests pass, here and on redis-server 7.0.15.
PARTS: Final = {
    "blocking": ("tests", [*FILES, "function"], "2", 538),
    "blocking pub/sub": ("tests", SLEEPERS, "3", 233),
    "asyncio": ("tests/test_asyncio", FILES, "3", 392),
    "asyncio pub/sub": ("tests/test_asyncio", SLEEPERS, "2", 121),
}
SUMMARY: Final = re.compile(r"^\d+ (?:passed|failed).* in [\d.]+s", re.MULTILINE)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Process]]:
    """All parts at the same time, each on a server of its own: they sleep much."""
    assert (SUITE / "tests").is_dir(), "run tools/setup.sh test, which unpacks redis-py's tests"
    with ExitStack() as stack:
        started = {}
        for part, (folder, names, protocol, _) in PARTS.items():
            # One test asks for idle times, which a node keeps under such a policy only.
            server = wanted_server("--maxmemory-policy", "allkeys-lru")
            port = stack.enter_context(server).port
            variables = environment(port, PYTHONPATH=f"{SUITE}:{JOBS}")
            variables.pop("PYTHONSAFEPATH", None)
            command = [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *("-p", "redis_py_suite", "-c", str(SUITE / "pyproject.toml"), "-W", "ignore"),
                *("--import-mode", "importlib", "--rootdir", str(SUITE)),
                *("--redis-url", f"redis://localhost:{port}/0", "--protocol", protocol),
                *("-m", "not onlycluster and not redismod and not ssl", "-k", "not pool"),
                *(str(SUITE / folder / f"test_{name}.py") for name in names),
            ]
            logs = tmp_path_factory.mktemp("suite")
            started[part] = stack.enter_context(Process(command, variables, logs, ready=""))
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
    assert int(passed[1]) == PARTS[part][3], summary[0]
