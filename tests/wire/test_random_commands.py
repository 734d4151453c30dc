"""Random commands give equal replies and equal keyspaces; a failure names its seed."""

from __future__ import annotations

import pytest

from .harness import Pair
from .random_commands import RandomCommands, Run
from .random_grammar import GENERATORS

COMMANDS = 3_000


@pytest.mark.parametrize("group", GENERATORS)
def test_random_commands_of_one_group_are_answered_alike(pair: Pair, group: str) -> None:
    Run(pair, seed=pair.protocol, groups=[group]).run(COMMANDS)


def test_random_commands_of_all_groups_are_answered_alike(pair: Pair) -> None:
    Run(pair, seed=10 + pair.protocol).run(COMMANDS)


def test_a_seed_gives_the_same_commands_again() -> None:
    first, second = RandomCommands(5), RandomCommands(5)
    assert [first.next() for _ in range(500)] == [second.next() for _ in range(500)]
