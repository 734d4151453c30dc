"""The examples, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys

from ..wire.servers import REPOSITORY

TIMEOUT_S = 120


def run_example(name: str, *arguments: str) -> str:
    """Run an example; return what it printed. A status other than 0 is an error."""
    # A script finds its neighbours in its own folder, which has none of our packages.
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "examples" / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr[-4000:]}"
    return done.stdout
