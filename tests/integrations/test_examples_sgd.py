"""examples/sgd.py: its workers get what one process gets."""

from __future__ import annotations

import pytest

from .commands import run_example


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_get_the_parameters_of_one_process(url: str, workers: int) -> None:
    said = run_example("sgd.py", "--url", url, "--workers", str(workers), "--steps", "20")
    assert said.startswith(f"{workers} workers, 20 steps:")
    assert said.endswith("equal to those of one process: yes\n")


def test_it_brings_its_own_node() -> None:
    assert run_example("sgd.py", "--steps", "2").endswith("yes\n")
