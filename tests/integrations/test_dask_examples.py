"""examples/dask_worker_killed.py: a Dask shuffle gives every row, though a worker is killed."""

from __future__ import annotations

import pytest

from .commands import run_example

pytest.importorskip("distributed")


def test_a_worker_killed_half_way() -> None:
    said = run_example("dask_worker_killed.py", "--rows", "20000")
    assert said == "worker killed: True; 20,000 rows of 20,000; exact: True\n"
