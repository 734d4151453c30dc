"""What importing kvclient loads: a program that uses the client needs no server code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOADED = """
import sys
{statement}
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


def loaded(statement: str) -> set[str]:
    """The packages that a fresh process has loaded after a statement."""
    code = LOADED.format(statement=statement)
    # Measuring coverage of the child would import much of it.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import kvclient", "from kvclient import Client", "from kvclient import AsyncClient"],
)
def test_no_code_of_the_server_is_loaded(statement: str) -> None:
    found = {name for name in loaded(statement) if name.startswith("kv")}
    libraries = {name for name in found if name.endswith("__mypyc")}
    assert found - libraries <= {"kvclient", "kvprotocol"}
    assert libraries <= {"kvnode_client__mypyc", "kvnode_protocol__mypyc"}


@pytest.mark.parametrize(
    ("statement", "slow"),
    [
        ("import kvclient", {"asyncio", "dataclasses", "hiredis", "inspect", "socket", "ssl"}),
        ("import kvclient", {"fsspec", "joblib", "pyspark", "numpy", "pyarrow"}),
        ("from kvclient import Client", {"asyncio", "mmh3", "secrets", "ssl"}),
        ("from kvclient import AsyncClient", {"mmh3", "secrets", "uvloop"}),
    ],
)
def test_what_takes_long_to_import_is_left_until_it_is_needed(
    statement: str, slow: set[str]
) -> None:
    assert not loaded(statement) & slow
