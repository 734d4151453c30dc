"""One test per writing command: its effects, replayed on an empty node, make the same data.

The second node has another clock and other randomness, so an effect that says less than what
happened shows as a difference.
"""

from __future__ import annotations

import pytest

from kvnode.command import BLOCKING, CARDS, WRITE

from .effect_examples import ALWAYS_CHANGE, EXAMPLES, MIXED, UNCHANGED
from .embedded import START_SECONDS, Embedded

WRITES = sorted(name for name, card in CARDS.items() if card.flags & WRITE)
SCRIPTS = [(name, script) for name in WRITES for script in EXAMPLES.get(name, ())]
LATER_SECONDS = 3.0


def words_of(request: str, embedded: Embedded) -> list[bytes]:
    """The words of a request; `dump:k` stands for what DUMP k answers."""
    words = []
    for word in request.split():
        if word.startswith("dump:"):
            reply = embedded.send([b"DUMP", word[5:].encode()])
            words.append(reply.partition(b"\r\n")[2][:-2])
        else:
            words.append(b"" if word == '""' else word.encode())
    return words


def run(embedded: Embedded, script: str) -> bytes:
    """Run a script (see `effect_examples`); return the last reply.

    No command may leave effects or changes over for the next one.
    """
    reply = b""
    for request in script.split(";"):
        text = request.strip()
        if text.startswith("@"):
            embedded.pass_time(float(text[1:]))
            continue
        name, colon, rest = text.partition(": ")
        if not colon:
            name, rest = "main", text
        reply = embedded.send(words_of(rest, embedded), name)
        assert embedded.node.ctx.effects is None
        assert embedded.node.dataset.changes == 0
    return reply


def replay(source: Embedded) -> Embedded:
    """Return a second node that ran what the first one logged."""
    copy = Embedded(source.clock.seconds + LATER_SECONDS, seed=2)
    for unit in source.log.units:
        for database, argv in unit:
            copy.session().keyspace = copy.node.dataset.databases[database]
            card = CARDS.get(argv[0].decode().upper())
            assert card is not None, argv
            assert not card.flags & BLOCKING, argv
            reply = copy.send(argv)
            assert not reply.startswith(b"-"), (argv, reply)
    return copy


@pytest.mark.parametrize("name", WRITES)
def test_every_write_has_examples(name: str) -> None:
    assert EXAMPLES.get(name)
    assert (name in UNCHANGED) != (name in ALWAYS_CHANGE)


@pytest.mark.parametrize(("name", "script"), SCRIPTS)
def test_replayed_effects_make_the_same_data(name: str, script: str) -> None:
    source = Embedded()
    reply = run(source, script)
    assert not reply.startswith(b"-"), reply
    assert source.log.units
    assert name in script
    copy = replay(source)
    assert copy.dump() == source.dump()
    source.node.check()
    copy.node.check()


@pytest.mark.parametrize("script", MIXED, ids=[script[:60] for script in MIXED])
def test_replayed_effects_of_several_commands_make_the_same_data(script: str) -> None:
    source = Embedded()
    run(source, script)
    assert source.log.units
    copy = replay(source)
    assert copy.dump() == source.dump()
    source.node.check()
    copy.node.check()


@pytest.mark.parametrize("name", [name for name in WRITES if name in UNCHANGED])
def test_a_write_that_changed_nothing_records_nothing(name: str) -> None:
    embedded = Embedded()
    *before, last = UNCHANGED[name].split(";")
    for request in before:
        run(embedded, request)
    embedded.log.units.clear()
    data = embedded.dump()
    dirty = embedded.node.dataset.dirty
    reply = run(embedded, last)
    assert not reply.startswith(b"-"), reply
    assert last.split()[0] == name
    assert embedded.log.units == []
    assert embedded.dump() == data
    assert embedded.node.dataset.dirty == dirty
    embedded.node.check()


@pytest.mark.parametrize(
    ("name", "script"),
    [
        (name, script)
        for name, script in SCRIPTS
        if CARDS[name].idempotent
        and not set(script.split(";")[-1].upper().split()) & set(CARDS[name].not_idempotent_with)
    ],
)
def test_a_command_said_to_be_idempotent_changes_nothing_when_repeated(
    name: str, script: str
) -> None:
    embedded = Embedded()
    run(embedded, script)
    data = embedded.dump()
    reply = run(embedded, script.split(";")[-1])
    assert not reply.startswith(b"-"), reply
    assert embedded.dump() == data


def test_the_effects_of_a_transaction_are_one_unit() -> None:
    embedded = Embedded()
    run(embedded, "MULTI; SET a 1; GET a; SELECT 4; SET a 2 EX 10; EXEC")
    assert embedded.log.units == [
        [
            (0, [b"SET", b"a", b"1"]),
            (4, [b"SET", b"a", b"2", b"PXAT", b"%d" % (int(START_SECONDS) * 1000 + 10000)]),
        ]
    ]


def test_examples_begin_where_the_clock_stands() -> None:
    embedded = Embedded()
    run(embedded, "SET k v PX 1")
    assert embedded.dump()[0, b"k"] == (b"string", b"v", int(START_SECONDS) * 1000 + 1)
    run(embedded, "@1")
    assert embedded.dump() == {}
    assert embedded.log.units[-1] == [(0, [b"DEL", b"k"])]


def test_a_lost_effect_shows_as_a_difference() -> None:
    source = Embedded()
    run(source, "SET a 1; SET b 2")
    source.log.units.pop()
    assert replay(source).dump() != source.dump()
