"""mypy in strict mode and pyright find the types that surface.py expects."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PROJECT: Final = Path(__file__).resolve().parents[2]
EXAMPLES: Final = "tests/typed/surface.py"
# The checkers read the source tree, whatever is installed.
ENVIRONMENT: Final = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}


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


@pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright is not installed")
def test_pyright_finds_the_exact_types() -> None:
    done = checked("pyright", "--pythonpath", sys.executable, "--project", "tests/typed")
    assert done.returncode == 0, done.stdout + done.stderr
