"""The client's table of commands says what the server's cards say."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import kvnode.commands
from kvnode.command import CARDS, FLAG_NAMES, KeySpec
from kvprotocol.facts import KeyFacts, facts_of, known_names

for module in pkgutil.walk_packages(kvnode.commands.__path__, "kvnode.commands."):
    importlib.import_module(module.name)


def test_every_card_has_its_facts_and_nothing_else_has() -> None:
    assert sorted(known_names()) == sorted(CARDS)


@pytest.mark.parametrize("name", sorted(CARDS))
def test_the_facts_of_a_command_are_those_of_its_card(name: str) -> None:
    card = CARDS[name]
    facts = facts_of(name)
    assert facts is not None
    assert facts.arity == card.arity
    assert facts.flags == {text for flag, text in FLAG_NAMES if card.flags & flag}
    assert facts.keys == tuple(map(key_facts, card.keys))
    assert facts.idempotent is card.idempotent
    assert facts.not_idempotent_with == card.not_idempotent_with
    policies = {f"request_policy:{facts.request_policy}"} if facts.request_policy else set()
    if facts.response_policy:
        policies.add(f"response_policy:{facts.response_policy}")
    assert {tip for tip in card.tips if "_policy:" in tip} == policies


def test_facts_are_made_once_and_unknown_commands_have_none() -> None:
    assert facts_of("GET") is facts_of("GET")
    assert facts_of("JSON.SET") is None
    assert facts_of("") is None


def key_facts(key: KeySpec) -> KeyFacts:
    """The facts that a key specification becomes."""
    return KeyFacts(
        key.index,
        key.keyword,
        key.last,
        key.step,
        key.limit,
        key.keynum,
        key.first,
        key.unknown,
        key.flags,
    )
