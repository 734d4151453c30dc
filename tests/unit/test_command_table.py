"""One test per row of the command table: the card is whole, and the node keeps to it."""

from __future__ import annotations

import re

import pytest

import kvnode.commands  # noqa: F401  # fills CARDS
from kvnode.categories import CATEGORIES, categories
from kvnode.command import (
    ADMIN,
    BLOCKING,
    CARDS,
    FLAG_NAMES,
    MAY_REPLICATE,
    MOVABLEKEYS,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    WRITE,
    Card,
    key,
    make_table,
)
from kvnode.key_positions import has_keys, key_positions
from kvnode.syntax import minimal, parse

from .engine import Engine

NAMES = sorted(CARDS)
GROUPS = {
    *("bitmap", "cluster", "connection", "generic", "geo", "hash", "hyperloglog", "list", "pubsub"),
    *("scripting", "server", "set", "shuffle", "sorted-set", "stream", "string", "transactions"),
}
ACCESS = {"RO", "RW", "OW", "RM"}
ACCESS_MORE = {"access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags"}
# They change whole databases, or what the caller names is not a key.
WRITES_WITHOUT_KEYS = {"FLUSHALL", "FLUSHDB", "SWAPDB", "FUNCTION DELETE", "FUNCTION FLUSH"}
WRITES_WITHOUT_KEYS |= {"FUNCTION LOAD", "FUNCTION RESTORE"}
# Redis's own syntax allows fewer words than the arity, or says nothing of them, or more.
SHORTER_THAN_ARITY = {"CLIENT KILL", "COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS", "DEBUG"}
LONGER_THAN_ARITY = {"GEOHASH", "GEOPOS", "PFMERGE"}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def is_container(name: str) -> bool:
    """Whether the row only holds subcommands."""
    return any(other.startswith(name + " ") for other in CARDS)


@pytest.mark.parametrize("name", NAMES)
def test_the_card_tells_what_a_reader_wants_to_know(name: str) -> None:
    card = CARDS[name]
    assert card.name == name == name.upper()
    assert re.fullmatch(r"\d\.\d\.\d+", card.since)
    assert card.group in GROUPS
    assert card.summary.endswith(".")
    assert card.summary[0].isupper()
    assert ". " not in card.summary
    assert "\n" not in card.summary
    assert bool(card.replaced_by) <= bool(card.deprecated_since)
    for tip in card.tips:
        assert re.fullmatch(r"nondeterministic_output(_order)?|re(quest|sponse)_policy:\w+", tip)


@pytest.mark.parametrize("name", NAMES)
def test_flags_and_categories_fit_together(name: str) -> None:
    card = CARDS[name]
    flags = card.flags
    assert flags < 1 << 20
    assert not (flags & WRITE and flags & READONLY)
    known = [flag for flag, _ in FLAG_NAMES]
    assert flags & ~sum(known) & ~MAY_REPLICATE == 0
    assert set(card.acl.split()) <= set(CATEGORIES)
    shown = categories(card)
    assert ("fast" in shown) != ("slow" in shown)
    assert "dangerous" in shown if flags & ADMIN else True
    if flags & BLOCKING:
        assert flags & NOSCRIPT or card.group in ("list", "sorted-set", "stream")
    if flags & READONLY:
        assert card.idempotent
    if card.not_idempotent_with:
        assert card.idempotent
        assert flags & WRITE
        assert all(word == word.upper() for word in card.not_idempotent_with)


@pytest.mark.parametrize("name", NAMES)
def test_the_arity_counts_the_words_of_the_name(name: str) -> None:
    card = CARDS[name]
    assert card.arity != 0
    assert abs(card.arity) >= len(name.split())
    if " " in name:
        assert is_container(name.split()[0])
        assert name.split()[0] in CARDS


@pytest.mark.parametrize("name", NAMES)
def test_the_shortest_form_of_the_syntax_fits_the_arity(name: str) -> None:
    card = CARDS[name]
    words = minimal(parse(card.syntax)) + len(name.split())
    if is_container(name) and not card.syntax:
        return
    if name not in SHORTER_THAN_ARITY:
        assert words >= abs(card.arity)
    if name not in LONGER_THAN_ARITY:
        assert words <= abs(card.arity)


@pytest.mark.parametrize("name", NAMES)
def test_the_keys_in_syntax_and_specifications_agree(name: str) -> None:
    card = CARDS[name]
    for spec in card.keys:
        words = spec.flags.split()
        access = [word for word in words if word in ACCESS]
        assert len(access) == (0 if "not_key" in words else 1)
        assert set(words) <= ACCESS | ACCESS_MORE
        assert spec.step >= 1
        if card.flags & READONLY:
            assert access == ["RO"] or name == "PFCOUNT"
    for text in re.findall(r"#(\d+)", card.syntax):
        assert int(text) < len(card.keys)
    if card.flags & WRITE:
        assert has_keys(card) or name in WRITES_WITHOUT_KEYS
    if card.flags & MOVABLEKEYS:
        assert has_keys(card)


@pytest.mark.parametrize("name", [name for name in NAMES if has_keys(CARDS[name])])
def test_the_keys_of_the_shortest_request_are_found(name: str) -> None:
    card = CARDS[name]
    argv = name.encode().split()
    argv += [b"1"] * (abs(card.arity) - len(argv))
    if any(spec.keyword == "STREAMS" for spec in card.keys):
        argv[-3] = b"STREAMS"
    if card.keys[0].keynum >= 0 or (len(card.keys) > 1 and card.keys[1].keynum >= 0):
        argv.append(b"1")
    if name == "PFMERGE":
        argv.append(b"1")  # COMMAND GETKEYS asks for a source, the command does not
    found = key_positions(card, argv)
    assert found or card.flags & NO_MANDATORY_KEYS
    assert all(0 < place < len(argv) for place, _ in found)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_number_of_arguments_is_refused(name: str, engine: Engine) -> None:
    card = CARDS[name]
    words = name.encode().split()
    wrong = []
    least = abs(card.arity)
    if least > len(words):
        wrong.append(words + [b"1"] * (least - 1 - len(words)))
    if card.arity > 0:
        wrong.append(words + [b"1"] * (least + 1 - len(words)))
    full_name = name.lower().replace(" ", "|").encode()
    error = b"wrong number of arguments for '%s' command\r\n" % full_name
    code = b"-EXECABORT Transaction discarded because of: " if name == "EXEC" else b"-ERR "
    before = engine.dump()
    for argv in wrong:
        if is_container(name) and len(argv) > 1:
            continue
        assert engine.send(argv) == code + error
    assert engine.dump() == before


@pytest.mark.parametrize("name", [name for name in NAMES if is_container(name)])
def test_an_unknown_subcommand_is_refused(name: str, engine: Engine) -> None:
    reply = engine.send([name.lower().encode(), b"nope"])
    assert reply == b"-ERR unknown subcommand 'nope'. Try %s HELP.\r\n" % name.encode()


def handler(ctx: object, argv: list[bytes]) -> object:
    return None


def test_a_table_nests_subcommands_whatever_the_order_of_the_cards() -> None:
    cards = {name: Card(name, -2, 0, handler) for name in ("BOX OPEN", "BOX", "BOX SHUT", "ITEM")}
    table = make_table(cards)
    assert set(table) == {b"box", b"item"}
    children = table[b"box"].subcommands
    assert children is not None
    assert {child.full_name for child in children.values()} == {b"box|open", b"box|shut"}
    assert table[b"item"].subcommands is None


def test_a_key_range_is_kept_relative_to_its_first_key() -> None:
    assert (key(2, 3, 1, "RO").index, key(2, 3, 1, "RO").last) == (2, 1)
    assert (key(2, -1, 1, "RO").index, key(2, -1, 1, "RO").last) == (2, -1)


def test_the_node_has_every_card() -> None:
    node = Engine().node
    names = set()
    for name, command in node.commands.items():
        names.add(name.decode().upper())
        for child in command.subcommands or {}:
            names.add(f"{name.decode()} {child.decode()}".upper())
    assert names == set(CARDS)
