"""What is generated matches its sources."""

import subprocess
import sys

import pytest

from .sources import PROJECT


@pytest.mark.parametrize("output", ["facts", "docs", "client"])
def test_the_generated_files_are_what_their_sources_say(output: str) -> None:
    command = [sys.executable, str(PROJECT / "tools/generate.py"), output, "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
