"""Seeded random bytes and spoilt requests fed to a node: it answers, and its data stay sound."""

from __future__ import annotations

import pytest

from tests.fuzz.blind import parse
from tests.fuzz.inputs import Feeding

ROUNDS = 60


@pytest.mark.parametrize("seed", range(12))
def test_random_input_is_answered_and_leaves_sound_data(seed: int) -> None:
    feeding = Feeding(seed)
    for _ in range(ROUNDS):
        parse(feeding.round())
    feeding.node.check()
    assert feeding.output_bytes > 0
