"""mypy in strict mode and pyright find the types that surface.py and the documentation expect."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from ..client.examples import as_module

PROJECT: Final = Path(__file__).resolve().parents[2]
EXAMPLES: Final = "tests/typed/surface.py"
# The checkers read the source tree, whatever is installed.
ENVIRONMENT: Final = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}

needs_pyright = pytest.mark.skipif(
    importlib.util.find_spec("pyright") is None, reason="pyright is not installed"
)


def checked(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_mypy_finds_the_exact_types(tmp_path: Path) -> None:
    done = checked("mypy", "--cache-dir", str(tmp_path), EXAMPLES)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_pyright
def test_pyright_finds_the_exact_types() -> None:
    done = checked("pyright", "--pythonpath", sys.executable, "--project", "tests/typed")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_pyright
def test_pyright_finds_nothing_in_the_client() -> None:
    done = checked("pyright", "--pythonpath", sys.executable, "--warnings", "client/kvclient")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """The examples of docs/client.md as a module."""
    path = tmp_path / "documented.py"
    path.write_text(as_module(), encoding="utf-8")
    return path


def test_mypy_accepts_the_documented_examples(documented: Path) -> None:
    done = checked("mypy", "--cache-dir", str(documented.parent), str(documented))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_pyright
def test_pyright_accepts_the_documented_examples(documented: Path) -> None:
    settings = {
        "include": [documented.name],
        "extraPaths": [str(PROJECT / part) for part in ("", "protocol", "cluster", "client")],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
        # At a prompt an expression stands for the value that is shown.
        "reportUnusedExpression": "none",
    }
    (documented.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    done = checked("pyright", "--pythonpath", sys.executable, "--project", str(documented.parent))
    assert done.returncode == 0, done.stdout + done.stderr
