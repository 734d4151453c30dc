"""Client-side caching: the table of keys that were read, who is told, and what it costs others."""

from __future__ import annotations

import random

from kvnode.session import TRACKING

from .engine import Engine, output


def invalidation(*keys: bytes) -> bytes:
    """A RESP3 message about some keys."""
    parts = [b"$%d\r\n%b\r\n" % (len(key), key) for key in keys]
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n" % len(keys) + b"".join(parts)


ALL_KEYS = b">2\r\n$10\r\ninvalidate\r\n_\r\n"


def tracking(engine: Engine, name: str = "main", options: bytes = b"") -> None:
    """Make a session of RESP3 track."""
    session = engine.session(name)
    session.feed(b"HELLO 3\r\nCLIENT TRACKING ON %b\r\n" % options)
    assert output(session).endswith(b"+OK\r\n")


def test_a_read_key_is_told_of_once() -> None:
    engine = Engine()
    tracking(engine)
    engine.send([b"GET", b"k"])
    engine.send([b"SET", b"k", b"1"], "other")
    assert output(engine.session()) == invalidation(b"k")
    engine.send([b"SET", b"k", b"2"], "other")
    assert output(engine.session()) == b""
    engine.node.tracking.check()


def test_own_changes_come_behind_the_reply_and_behind_exec() -> None:
    engine = Engine()
    tracking(engine)
    engine.send([b"GET", b"k"])
    assert engine.send([b"SET", b"k", b"1"]) == b"+OK\r\n" + invalidation(b"k")
    session = engine.session()
    session.feed(b"GET k\r\nMULTI\r\nSET k 2\r\nGET k\r\nSET k 3\r\nEXEC\r\n")
    tail = b"*3\r\n+OK\r\n$1\r\n2\r\n+OK\r\n" + invalidation(b"k") * 2
    assert output(session).endswith(tail)


def test_nobody_listens_unless_somebody_tracks() -> None:
    engine = Engine()
    dataset = engine.node.dataset
    engine.send([b"SET", b"k", b"1"])
    assert not dataset.listening
    tracking(engine)
    assert dataset.listening
    assert dataset.listeners == [engine.node.tracking]
    assert engine.session().gate & TRACKING
    engine.send([b"GET", b"k"])
    engine.send([b"CLIENT", b"TRACKING", b"OFF"])
    assert not dataset.listening
    assert not dataset.listeners
    assert engine.session().gate & TRACKING == 0
    assert engine.node.tracking.keys == 0
    engine.node.check()


def test_a_session_that_ends_stops_tracking() -> None:
    engine = Engine()
    tracking(engine, "a", b"BCAST PREFIX x PREFIX y")
    tracking(engine, "b", b"BCAST PREFIX x")
    assert engine.node.tracking.prefix_count() == 2
    engine.node.disconnect(engine.session("a"))
    engine.node.tracking.check()
    assert engine.node.tracking.prefix_count() == 1
    engine.node.disconnect(engine.session("b"))
    assert engine.node.tracking.prefix_count() == 0
    assert not engine.node.dataset.listening


def test_several_readers_of_a_key_are_all_told() -> None:
    engine = Engine()
    names = ["a", "b", "c"]
    for name in names:
        tracking(engine, name)
        engine.send([b"MGET", b"k", b"only-" + name.encode()], name)
        engine.send([b"GET", b"k"], name)
    table = engine.node.tracking
    assert (table.keys, table.items) == (4, 6)
    table.check()
    engine.send([b"DEL", b"k"], "writer")
    engine.send([b"SET", b"k", b"1"], "writer")
    for name in names:
        assert output(engine.session(name)) == invalidation(b"k")
    assert (table.keys, table.items) == (3, 3)
    table.check()


def test_expiry_by_the_timer_and_eviction_are_told() -> None:
    engine = Engine()
    tracking(engine, options=b"NOLOOP")
    engine.session().feed(b"SET k 1 PX 100\r\nGET k\r\n")
    output(engine.session())
    engine.wait(0.2)
    assert output(engine.session()) == invalidation(b"k")
    engine.send([b"SET", b"j", b"1"], "other")
    engine.send([b"GET", b"j"])
    engine.node.dataset.databases[0].evict(b"j", False)
    assert output(engine.session()) == invalidation(b"j")


def test_noloop_spares_only_the_session_that_made_the_change() -> None:
    engine = Engine()
    tracking(engine, "a", b"NOLOOP")
    tracking(engine, "b", b"NOLOOP")
    for name in "ab":
        engine.send([b"GET", b"k"], name)
    assert engine.send([b"SET", b"k", b"1"], "a") == b"+OK\r\n"
    assert output(engine.session("b")) == invalidation(b"k")
    engine.send([b"GET", b"k"], "a")
    engine.send([b"SET", b"k", b"1"], "plain")
    assert output(engine.session("a")) == invalidation(b"k")


def test_a_flush_tells_all_and_empties_the_table() -> None:
    engine = Engine()
    tracking(engine, "a")
    tracking(engine, "b", b"BCAST PREFIX none")
    engine.send([b"GET", b"k"], "a")
    assert engine.send([b"FLUSHALL"], "a") == b"+OK\r\n" + ALL_KEYS
    assert output(engine.session("b")) == ALL_KEYS
    assert engine.node.tracking.keys == 0
    engine.node.tracking.check()


def test_the_table_keeps_within_its_limit_at_every_step() -> None:
    engine = Engine()
    engine.node.config.set_many([("tracking-table-max-keys", "50")])
    engine.node.apply_settings()
    tracking(engine)
    told = b""
    for number in range(400):
        told += engine.send([b"GET", b"key%d" % number])
        assert engine.node.tracking.keys <= 51
    engine.wait(0.1)
    told += output(engine.session())
    assert engine.node.tracking.keys == 50
    assert told.count(b"invalidate") == 350
    engine.node.tracking.check()


def test_a_shrunk_limit_is_reached_step_by_step() -> None:
    engine = Engine()
    tracking(engine)
    engine.send([b"MGET", *(b"{tag}%d" % number for number in range(1000))])
    engine.node.config.set_many([("tracking-table-max-keys", "10")])
    engine.node.apply_settings()
    sizes = []
    while engine.node.tracking.keys > 10:
        engine.send([b"PING"], "other")
        sizes.append(int(engine.node.tracking.keys))
    assert sizes == [900, 700, 400, 10]
    assert output(engine.session()).count(b"invalidate") == 990
    engine.node.tracking.check()


def test_broadcasts_go_out_once_for_each_read() -> None:
    engine = Engine()
    tracking(engine, options=b"BCAST PREFIX a PREFIX b:")
    writer = engine.session("writer")
    writer.feed(b"SET b:2 1\r\nSET a 1\r\nSET b 1\r\nSET b:1 1\r\nSET a 1\r\n")
    assert output(engine.session()) == invalidation(b"a") + invalidation(b"b:1", b"b:2")
    writer.feed(b"SET c 1\r\nGET a\r\n")
    assert output(engine.session()) == b""
    engine.node.tracking.check()


def test_broadcasting_without_loop_leaves_out_what_the_session_changed_last() -> None:
    engine = Engine()
    tracking(engine, options=b"BCAST NOLOOP")
    assert engine.send([b"SET", b"a", b"1"]) == b"+OK\r\n"
    engine.send([b"SET", b"b", b"1"], "writer")
    assert output(engine.session()) == invalidation(b"b")


def test_random_sessions_keep_the_table_consistent() -> None:
    """Sessions come, read, write and go, and nobody misses a change or hears of another key."""
    engine = Engine()
    draw = random.Random(5)
    cached: dict[str, set[bytes]] = {}
    for step in range(4000):
        name = draw.choice("abcdef")
        key = b"k%d" % draw.randrange(40)
        action = draw.random()
        if name not in cached and action < 0.3:
            tracking(engine, name, draw.choice([b"", b"NOLOOP"]))
            cached[name] = set()
        elif name in cached and action < 0.05:
            if draw.random() < 0.5:
                engine.send([b"CLIENT", b"TRACKING", b"OFF"], name)
            engine.node.disconnect(engine.sessions.pop(name))
            del cached[name]
        elif action < 0.6 and name in cached:
            engine.send([b"GET", key], name)
            cached[name].add(key)
        elif action < 0.9:
            engine.send([b"INCR", key], "writer")
            for other, keys in cached.items():
                told = output(engine.session(other))
                assert (told == invalidation(key)) == (key in keys), (step, other, key)
                keys.discard(key)
        if step % 100 == 0:
            engine.node.tracking.check()


def test_a_session_that_must_not_touch_leaves_the_clocks_alone() -> None:
    engine = Engine()
    engine.node.config.set_many([("maxmemory-policy", "allkeys-lru")])
    engine.node.apply_settings()
    engine.send([b"SET", b"k", b"1"])
    engine.wait(100)
    engine.send([b"CLIENT", b"NO-TOUCH", b"ON"])
    engine.send([b"GET", b"k"])
    engine.session().feed(b"MULTI\r\nGET k\r\nEXEC\r\n")
    output(engine.session())
    assert engine.send([b"OBJECT", b"IDLETIME", b"k"]) == b":100\r\n"
    assert b" flags=T " in engine.send([b"CLIENT", b"INFO"])
    engine.send([b"GET", b"k"], "other")
    assert engine.send([b"OBJECT", b"IDLETIME", b"k"]) == b":0\r\n"
    engine.wait(100)
    engine.send([b"TOUCH", b"k"])
    assert engine.send([b"OBJECT", b"IDLETIME", b"k"]) == b":0\r\n"
    engine.send([b"CLIENT", b"NO-TOUCH", b"OFF"])
    engine.send([b"CLIENT", b"NO-TOUCH", b"ON"])
    engine.send([b"RESET"])
    engine.wait(100)
    engine.send([b"GET", b"k"])
    assert engine.send([b"OBJECT", b"IDLETIME", b"k"]) == b":0\r\n"
