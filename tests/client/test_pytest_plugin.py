"""The fixtures that the package brings for pytest, in a run of pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from ..wire.servers import REPOSITORY, SOURCE_ROOTS

PLUGIN = "kvclient.pytest_plugin"
TESTS = """
import asyncio

def test_one(kv):
    assert kv.dbsize() == 0
    kv.set("key", "value")
    assert kv.get("key") == b"value"

def test_another_begins_anew(kv, async_kv):
    assert kv.get("key") is None

def test_coroutines(async_kv):
    async def use():
        await async_kv.set("key", "value")
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        return await async_kv.get("key")

    async def wait():
        await async_kv.blpop("list", 0)

    assert asyncio.run(use()) == b"value"
"""


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, SOURCE_ROOTS))
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_test_gets_an_empty_node(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    words = ("-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", PLUGIN)
    done = run("-m", "pytest", "-q", *words, folder=tmp_path)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_loads_nothing_before_it_is_used(tmp_path: Path) -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import kvclient.pytest_plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = run("-c", program, folder=tmp_path).stdout.split()
    assert loaded == ["kvclient", "kvclient.errors", PLUGIN]


def test_pytest_is_told_of_the_plugin() -> None:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    # Under its own name, so that `-p` and the entry point do not register it twice.
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
