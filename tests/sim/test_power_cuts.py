"""The promises of the append-only log hold through power cuts; planted faults are caught."""

from __future__ import annotations

import pytest

from kvnode.dispatch import EffectLog
from kvnode.durability.effect_stream import EffectStream
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


def with_lost_memory(engine: Engine) -> None:
    """A node that knows at its start of no request that was run."""
    engine.node.requests.clear()


def test_a_node_that_forgets_what_was_run_is_caught() -> None:
    with pytest.raises(Violation, match="increments were sent"):
        power_cuts(0, 300, with_lost_memory)


class ParticularLog(EffectLog):
    """A log in which the record of a request stands behind its effects, not among them."""

    def __init__(self, stream: EffectStream) -> None:
        self.stream = stream

    def append(self, database: int, block: list[list[bytes]]) -> None:
        """Take the effects of one command."""
        self.stream.append(database, block)
        self.offset = self.stream.offset

    def append_transaction(self, entries: list[tuple[int, list[bytes]]]) -> None:
        """Take a unit apart where it ends with a record."""
        database, last = entries[-1]
        if last[0] != b"ECHO":
            self.stream.append_transaction(entries)
        else:
            self.stream.append_transaction(entries[:-1])
            self.stream.append(database, [last])
        self.offset = self.stream.offset


def with_separate_records(engine: Engine) -> None:
    """Effects and records that may be torn apart."""
    engine.node.dispatcher.log = ParticularLog(engine.node.effects)


def test_a_record_beside_its_unit_is_caught() -> None:
    with pytest.raises(Violation, match="increments were sent"):
        power_cuts(0, 300, None, with_separate_records)
