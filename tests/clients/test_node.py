"""The clients of Node: node-redis, ioredis, BullMQ, rate-limiter-flexible, connect-redis.

Each scenario is a file of `node/` with tests of its own; here they are started and counted.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest
import redis

from tests.wire.servers import Server

from .processes import HERE, Process, environment, wait_until

FOLDER: Final = HERE / "node"
TIMEOUT_S: Final = 40
SUMMARY: Final = "# duration_ms "
DECLARED: Final = re.compile(r"^\s*test\(", re.MULTILINE)


def program() -> str:
    """Node, or the reason why there is none."""
    found = shutil.which("node")
    assert found is not None, "node is missing: tools/setup.sh test installs it"
    assert (FOLDER / "node_modules").is_dir(), "run tools/setup.sh test, which runs npm ci"
    return found


def run(scenario: str, node: Server, folder: Path) -> None:
    """Run a scenario: each of its tests passes, and none was left out."""
    command = [program(), "--test-reporter=tap", str(FOLDER / scenario)]
    with Process(command, environment(node.port), folder, "TAP version") as process:
        # A failed test may leave a connection open, which keeps node from ending.
        wait_until(lambda: SUMMARY in process.output() or not process.alive(), TIMEOUT_S)
        output = process.output()
    counts = dict(re.findall(r"^# (tests|pass|fail|skipped) (\d+)$", output, re.MULTILINE))
    assert counts.get("fail") == "0", output
    assert int(counts["pass"]) >= len(DECLARED.findall((FOLDER / scenario).read_text()))
    assert counts["skipped"] == "0"


@pytest.mark.parametrize("scenario", ["node_redis", "ioredis", "rate_limiter", "sessions"])
def test_the_scenario_passes(
    scenario: str, node: Server, direct: redis.Redis, tmp_path: Path
) -> None:
    run(f"{scenario}.mjs", node, tmp_path)


def test_bullmq_works_with_a_worker_process(
    node: Server, direct: redis.Redis, tmp_path: Path
) -> None:
    command = [program(), str(FOLDER / "bullmq_worker.mjs")]
    with Process(command, environment(node.port), tmp_path, "ready"):
        run("bullmq.mjs", node, tmp_path)
