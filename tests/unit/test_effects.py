"""One test per writing command: its effects, replayed on an empty node, make the same data.

The second node has another clock and other randomness, so an effect that says less than what
happened shows as a difference.
"""

from __future__ import annotations

import pytest

from kvnode.command import BLOCKING, CARDS, WRITE

from .effect_examples import ALWAYS_CHANGE, EXAMPLES, MIXED, UNCHANGED
from .engine import START_SECONDS, Engine

# Those of shuffles change no key: what they log is in test_shuffle_records.
WRITES = sorted(
    name for name, card in CARDS.items() if card.flags & WRITE and card.group != "shuffle"
)
SCRIPTS = [(name, script) for name in WRITES for script in EXAMPLES.get(name, ())]
LATER_SECONDS = 3.0


def words_of(request: str, engine: Engine) -> list[bytes]:
    """The words of a request, for what their abbreviations in `effect_examples` stand for."""
    words = []
    for word in request.split():
        if word.startswith("dump:"):
            reply = engine.send([b"DUMP", word[5:].encode()])
            words.append(reply.partition(b"\r\n")[2][:-2])
        elif word.startswith("library:"):
            name = word[8:].encode()
            register = b"redis.register_function('%b', function() end)" % name
            words.append(b"#!lua name=%b\n%b" % (name, register))
        elif word == "libraries":
            words.append(engine.send([b"FUNCTION", b"DUMP"]).partition(b"\r\n")[2][:-2])
        else:
            words.append(b"" if word == '""' else word.encode())
    return words


def run(engine: Engine, script: str) -> bytes:
    """Run a script (see `effect_examples`); return the last reply.

    No command may leave effects or changes over for the next one.
    """
    reply = b""
    for request in script.split(";"):
        text = request.strip()
        if text.startswith("@"):
            engine.wait(float(text[1:]))
            continue
        name, colon, rest = text.partition(": ")
        if not colon:
            name, rest = "main", text
        reply = engine.send(words_of(rest, engine), name)
        assert engine.node.ctx.effects is None
        assert engine.node.dataset.changes == 0
    return reply


def replay(source: Engine) -> Engine:
    """Return a second node that ran what the first one logged."""
    copy = Engine(source.clock.seconds + LATER_SECONDS, seed=2)
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
    source = Engine()
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
    source = Engine()
    run(source, script)
    assert source.log.units
    copy = replay(source)
    assert copy.dump() == source.dump()
    source.node.check()
    copy.node.check()


@pytest.mark.parametrize("name", [name for name in WRITES if name in UNCHANGED])
def test_a_write_that_changed_nothing_records_nothing(name: str) -> None:
    engine = Engine()
    *before, last = UNCHANGED[name].split(";")
    for request in before:
        run(engine, request)
    engine.log.units.clear()
    data = engine.dump()
    dirty = engine.node.dataset.dirty
    reply = run(engine, last)
    assert not reply.startswith(b"-"), reply
    assert last.strip().startswith(name)
    assert engine.log.units == []
    assert engine.dump() == data
    assert engine.node.dataset.dirty == dirty
    engine.node.check()


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
    engine = Engine()
    run(engine, script)
    data = engine.dump()
    reply = run(engine, script.split(";")[-1])
    assert not reply.startswith(b"-"), reply
    assert engine.dump() == data


def test_the_effects_of_a_transaction_are_one_unit() -> None:
    engine = Engine()
    run(engine, "MULTI; SET a 1; GET a; SELECT 4; SET a 2 EX 10; EXEC")
    assert engine.log.units == [
        [
            (0, [b"SET", b"a", b"1"]),
            (4, [b"SET", b"a", b"2", b"PXAT", b"%d" % (int(START_SECONDS) * 1000 + 10000)]),
        ]
    ]


def test_examples_begin_where_the_clock_stands() -> None:
    engine = Engine()
    run(engine, "SET k v PX 1")
    assert engine.dump()[0, b"k"] == (b"string", b"v", int(START_SECONDS) * 1000 + 1)
    run(engine, "@1")
    assert engine.dump() == {}
    assert engine.log.units[-1] == [(0, [b"DEL", b"k"])]


def test_a_lost_effect_shows_as_a_difference() -> None:
    source = Engine()
    run(source, "SET a 1; SET b 2")
    source.log.units.pop()
    assert replay(source).dump() != source.dump()
