"""Lithops: functions in worker processes that exchange everything through its Redis storage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import redis

from tests.wire.servers import Server

from .processes import JOBS, environment

TIMEOUT_S = 120


def test_a_map_a_reduction_and_the_storage_itself(
    node: Server, direct: redis.Redis, tmp_path: Path
) -> None:
    # It writes logs and a configuration of its own into these folders.
    folders = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(JOBS / "lithops_jobs.py")],
        env=environment(node.port, **folders),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["words"]["to"], found["words"]["question"]) == (4, 1)
    assert "none" in found["error"]
    assert found["listed"] == ["a/1", "a/b/2", "c"]
    assert found["below"] == ["a/1", "a/b/2"]
    assert (found["size"], found["part"], found["deleted"]) == ("5000", "cccccccccc", True)
    assert direct.get("bucket/a/1") == "a/1" * 1000
