"""Random commands give equal replies and equal keyspaces; a failure names its seed."""

from __future__ import annotations

import pytest

from .harness import Pair
from .random_commands import GENERATORS, RandomCommands, Run
from .random_words import ROUND, Round, Words, draw_settings, make_round, option_words

COMMANDS = 3_000


@pytest.mark.parametrize("group", GENERATORS)
def test_random_commands_of_one_group_are_answered_alike(pair: Pair, group: str) -> None:
    Run(pair, seed=pair.protocol, groups=[group]).run(COMMANDS)


def test_random_commands_of_all_groups_are_answered_alike(pair: Pair) -> None:
    Run(pair, seed=10 + pair.protocol).run(COMMANDS)


def test_a_seed_gives_the_same_commands_again() -> None:
    first, second = RandomCommands(5), RandomCommands(5)
    assert [first.next() for _ in range(500)] == [second.next() for _ in range(500)]


def test_random_words_behind_any_command_are_answered_alike(pair: Pair) -> None:
    words = Words(pair.protocol, option_words(pair.control.ours))
    rounds = Round(pair)
    try:
        for _ in range(COMMANDS // ROUND):
            rounds.run(draw_settings(words), make_round(words))
    finally:
        rounds.restore()


def test_a_seed_gives_the_same_words_again() -> None:
    options = {b"SET": [b"NX", b"GET"], b"GETEX": [b"PERSIST"]}
    first, second = Words(5, options), Words(5, options)
    assert [make_round(first) for _ in range(20)] == [make_round(second) for _ in range(20)]
