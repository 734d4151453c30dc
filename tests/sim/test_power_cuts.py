"""The promises of the append-only log hold through power cuts; planted faults are caught."""

from __future__ import annotations

import pytest

from tests.unit.engine import Engine

from .disk import SimulatedDisk
from .power_cuts import Violation, power_cuts

SEEDS = 60


@pytest.mark.parametrize("first", [0, 100_000])
def test_nothing_durable_is_lost(first: int) -> None:
    assert power_cuts(first, SEEDS) > 0


def without_sync(engine: Engine) -> None:
    """A sync that does nothing."""
    disk = engine.node.disk
    assert isinstance(disk, SimulatedDisk)
    disk.syncs = False


def test_a_sync_that_does_nothing_is_caught() -> None:
    with pytest.raises(Violation):
        power_cuts(0, 300, without_sync)


def with_late_manifest(engine: Engine) -> None:
    """A manifest that is written only when the next one is."""
    disk = engine.node.disk
    assert isinstance(disk, SimulatedDisk)
    disk.delays = True


def test_a_manifest_that_comes_too_late_is_caught() -> None:
    with pytest.raises(Violation):
        power_cuts(0, 300, with_late_manifest)
