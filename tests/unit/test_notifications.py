"""Keyspace notifications: classes of events, and what they cost who does not ask for them."""

from __future__ import annotations

import re
from pathlib import Path

from kvnode.config.settings import NOTIFY_CLASSES
from kvnode.notifications import CLASS_OF_EVENT

from .engine import Engine, output

HANDLERS = Path(__file__).resolve().parents[2] / "kvnode"
# The name of an event that stands as a literal, alone or as a choice of two.
EVENT = re.compile(r"changed\(\s*[^()]*?,\s*(b\"[^\"]*\"(?: if [^,]* else b\"[^\"]*\")?)")


def configure(engine: Engine, events: str) -> None:
    """Publish these classes of events."""
    engine.node.config.set_many([("notify-keyspace-events", events)])
    engine.node.apply_settings()


def message(channel: bytes, payload: bytes) -> bytes:
    """A RESP2 message of a pattern that matches everything."""
    words = [b"pmessage", b"*", channel, payload]
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"*4\r\n" + b"".join(parts)


def test_every_event_that_a_handler_names_has_a_class() -> None:
    found: set[bytes] = set()
    for path in HANDLERS.rglob("*.py"):
        for literal in EVENT.findall(path.read_text()):
            found.update(name.encode() for name in re.findall(r"b\"([^\"]*)\"", literal))
    found.discard(b"")  # a change that Redis does not tell of
    assert len(found) > 25
    assert found <= set(CLASS_OF_EVENT)


def test_every_class_of_the_directive_has_events() -> None:
    used = set(CLASS_OF_EVENT.values())
    letters = {letter for letter, bit in NOTIFY_CLASSES.items() if bit not in used}
    assert letters == {"K", "E", "d"}  # modules have no events of ours


def test_a_change_is_published_by_key_and_by_event() -> None:
    engine = Engine()
    configure(engine, "KEA")
    engine.send([b"PSUBSCRIBE", b"*"], "listener")
    engine.send([b"SET", b"k", b"1"])
    by_key = message(b"__keyspace@0__:k", b"set")
    by_event = message(b"__keyevent@0__:set", b"k")
    assert output(engine.session("listener")) == by_key + by_event
    configure(engine, "E$")
    engine.send([b"SET", b"k", b"1"])
    engine.send([b"DEL", b"k"])
    assert output(engine.session("listener")) == by_event
    configure(engine, "KA")
    engine.send([b"SET", b"k", b"1"])
    assert output(engine.session("listener")) == by_key


def test_nothing_is_listened_for_unless_something_would_be_published() -> None:
    engine = Engine()
    dataset = engine.node.dataset
    for events, listens in (("", False), ("KE", False), ("A", False), ("Kg", True), ("Em", True)):
        configure(engine, events)
        assert dataset.listening == listens, events
        assert dataset.tells_misses == (events == "Em")
        assert not dataset.tells_new
    configure(engine, "KAn")
    assert dataset.tells_new
    configure(engine, "")
    assert not (dataset.listening or dataset.tells_new or dataset.tells_misses)


def test_eviction_and_the_expiry_cycle_publish() -> None:
    engine = Engine()
    configure(engine, "Exe")
    engine.send([b"PSUBSCRIBE", b"*"], "listener")
    engine.send([b"SET", b"a", b"1", b"PX", b"100"])
    engine.send([b"SET", b"b", b"1"])
    engine.wait(0.2)
    assert output(engine.session("listener")) == message(b"__keyevent@0__:expired", b"a")
    engine.node.dataset.databases[0].evict(b"b", False)
    assert output(engine.session("listener")) == message(b"__keyevent@0__:evicted", b"b")


def test_messages_to_the_caller_never_stand_inside_a_reply() -> None:
    """Redis puts ZPOPMIN's into the middle of the reply, which no client can read."""
    engine = Engine()
    configure(engine, "Ez")
    session = engine.session()
    session.feed(b"HELLO 3\r\nZADD z 1 a 2 b\r\nPSUBSCRIBE *\r\n")
    output(session)
    event = b">4\r\n" + message(b"__keyevent@0__:zpopmin", b"z").partition(b"\r\n")[2]
    assert engine.send([b"ZPOPMIN", b"z"]) == event + b"*2\r\n$1\r\na\r\n,1\r\n"


def test_the_order_of_messages_stays_when_some_are_held() -> None:
    """LMOVE tells of its push before the reply and of its pop behind it."""
    engine = Engine()
    configure(engine, "Elg")
    session = engine.session()
    session.feed(b"HELLO 3\r\nRPUSH l a\r\nPSUBSCRIBE *\r\n")
    output(session)
    reply = engine.send([b"LMOVE", b"l", b"m", b"LEFT", b"LEFT"])
    order = [reply.find(word) for word in (b":lpush", b"$1\r\na\r\n", b":lpop", b":del")]
    assert order == sorted(order)
    assert min(order) >= 0


def test_a_message_that_is_not_held_takes_those_before_it_along() -> None:
    engine = Engine()
    configure(engine, "EA")
    engine.send([b"PSUBSCRIBE", b"*"], "listener")
    node = engine.node
    node.notifications.begin(node.commands[b"lpop"], [b"LPOP", b"l"])
    node.notifications.on_change(0, b"l", b"lpop")
    assert output(engine.session("listener")) == b""
    node.notifications.on_change(0, b"k", b"expired")
    node.notifications.on_change(0, b"l", b"del")
    held = message(b"__keyevent@0__:lpop", b"l") + message(b"__keyevent@0__:expired", b"k")
    assert output(engine.session("listener")) == held
    node.notifications.end()
    assert output(engine.session("listener")) == message(b"__keyevent@0__:del", b"l")
