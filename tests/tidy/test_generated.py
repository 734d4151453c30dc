"""What is generated from the command cards matches them."""

import subprocess
import sys

import pytest

from .sources import PROJECT


@pytest.mark.parametrize("output", ["facts", "docs"])
def test_the_generated_file_is_what_the_cards_say(output: str) -> None:
    command = [sys.executable, str(PROJECT / "tools/generate.py"), output, "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
