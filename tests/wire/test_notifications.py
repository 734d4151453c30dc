"""Keyspace notifications: which are published, in which order, and where among the replies."""

from __future__ import annotations

import pytest

from .client import Reply, wait_until
from .harness import Pair, words
from .messages import around, around_all, heard, names
from .random_notifications import Run

# A request of each class of events, and one that misses.
SAMPLES = """
    SET s 1
    RPUSH l a b
    SADD e a
    HSET h f v
    ZADD z 1 m
    PFADD p a
    SETBIT b 1 1
    GEOADD g 13.4 38.1 m
    EXPIRE s 100
    GET none
    DEL s
    SET s 1 PX 5
    DEBUG SLEEP 0.01
    GET s
    RENAME l l2
    COPY e e2
    LPOP l2 2
"""


def listen(pair: Pair, events: str, client: str = "L") -> None:
    """Publish some classes of events and subscribe a client to all channels of them."""
    pair.config("notify-keyspace-events", events)
    pair.same("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    pair.same("PSUBSCRIBE", "__key*__:*", client=client)


@pytest.fixture(autouse=True)
def active_expiry(pair: Pair) -> object:
    """Leave the servers with active expiry on."""
    yield
    pair.same("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_classes_are_parsed_and_shown_as_redis_shows_them(pair: Pair) -> None:
    for value in words(
        "K E KE g $ l s h z x e t m d n A KEA AKE KEAn KEAm KEg$lshzxetdmn Kg$lshzxetd EAmn nmdtex "
        "KK$$ KEA$ Kn Em q KEq a k KE! Ed"
    ):
        pair.same("CONFIG", "SET", "notify-keyspace-events", value)
        pair.same("CONFIG", "GET", "notify-keyspace-events")
    pair.same("CONFIG", "SET", "notify-keyspace-events", "")
    pair.same("CONFIG", "GET", "notify-keyspace-events")


@pytest.mark.parametrize("letters", [*"g$lshzxetmdnA", "", "gx", "lm", "$n"])
def test_only_the_wanted_classes_are_published(pair: Pair, letters: str) -> None:
    listen(pair, "KE" + letters)
    for line in SAMPLES.strip().splitlines():
        pair.same(*line.split())
        heard(pair, "L")


@pytest.mark.parametrize("events", ["KA", "EA", "A", "K", "E"])
def test_only_the_wanted_channels_are_published(pair: Pair, events: str) -> None:
    listen(pair, events)
    for line in SAMPLES.strip().splitlines():
        pair.same(*line.split())
    messages = heard(pair, "L")
    assert bool(messages) == (events in ("KA", "EA"))


def test_channels_carry_the_database(pair: Pair) -> None:
    pair.config("notify-keyspace-events", "KEA")
    for channel in ("__keyspace@0__:k", "__keyspace@5__:k", "__keyevent@5__:set"):
        pair.same("SUBSCRIBE", channel, client="L")
    pair.same_script("""
        SET k 1
        SELECT 5
        SET k 2
        SET j 2
        MOVE j 0
        COPY k k2 DB 1
        SWAPDB 0 5
        SET k 3
        FLUSHDB
        FLUSHALL
    """)
    assert len(heard(pair, "L")) == 6


def test_nothing_is_published_when_it_is_turned_off(pair: Pair) -> None:
    listen(pair, "KEA")
    pair.same("SET", "k", 1)
    assert len(heard(pair, "L")) == 2
    pair.config("notify-keyspace-events", "")
    pair.same("SET", "k", 1)
    assert heard(pair, "L") == []
    pair.config("notify-keyspace-events", "E$")
    pair.same("SET", "k", 1)
    assert len(heard(pair, "L")) == 1


# What a RESP3 client sees that hears of its own changes.
ORDER = """
    SET k 1
    SET k 2 GET
    SET k 2 PX 100000
    SET k 2 EX 1000 GET
    GETSET new 1
    GETEX k EX 100
    GETEX k PERSIST
    GETDEL new
    APPEND k x
    SETRANGE k 0 a
    INCR n
    INCRBYFLOAT n 1.5
    MSET a 1 b 2
    MSETNX c 1
    EXPIRE a 100
    PERSIST a
    PEXPIRE a 0
    EXPIREAT b 1
    COPY c d
    RENAME d d2
    DEL c d2
    RPUSH l a b c d e f g h
    LPUSHX l z
    LINSERT l BEFORE a x
    LSET l 0 y
    LREM l 1 x
    LTRIM l 0 5
    LMOVE l l2 LEFT RIGHT
    RPOPLPUSH l2 l3
    LPOP l
    LPOP l 2
    LMPOP 2 none l RIGHT
    BLPOP none l 0
    LTRIM l 5 1
    SADD e a b c d
    SADD e2 a b
    SMOVE e e3 a
    SREM e b
    SINTERSTORE e4 e e2
    SINTERSTORE e4 e2 e2
    SINTERSTORE e4 none e2
    SUNIONSTORE e4 e e2
    SDIFFSTORE e4 e2 e2
    SADD one x
    SPOP one 5
    SADD one x
    SPOP one
    HSET h a 1 b 2
    HSETNX h c 1
    HINCRBY h a 1
    HINCRBYFLOAT h a 1
    HDEL h a b c
    ZADD z 1 a 2 b 3 c 4 d
    ZADD z INCR 1 a
    ZINCRBY z 1 a
    ZRANGESTORE z2 z 0 -1
    ZUNIONSTORE z3 1 z
    ZINTERSTORE z3 2 z none
    ZREM z a
    ZREMRANGEBYRANK z 0 0
    ZREMRANGEBYSCORE z -inf inf
    SORT l3 STORE l4
    SETBIT b 1 1
    BITFIELD b SET u8 0 1
    BITOP OR b2 b b
    PFADD p a
    PFMERGE p2 p
    GEOADD g 13.4 38.1 m
    GEOSEARCHSTORE g2 g FROMLONLAT 13 38 BYRADIUS 500 km
    GET none
    SET k 1 PX 1
    DEBUG SLEEP 0.005
    GET k
    MULTI
    SET k 1
    RPUSH list 1
    GET none
    LPOP list
    DEL k none
    EXEC
    PING
"""


def test_messages_to_the_caller_stand_where_redis_puts_them(pair: Pair) -> None:
    listen(pair, "EAmn", client="main")
    if pair.protocol == 2:
        pair.same("SET", "k", 1)  # refused: a RESP2 subscriber may not write
        return
    inside = False
    for line in ORDER.strip().splitlines():
        argv = line.split()
        inside = argv[0] == "MULTI" or (inside and argv[0] != "EXEC")
        if inside:
            pair.same(*argv)
        else:
            around(pair, *argv)


def test_a_transaction_publishes_as_it_goes(pair: Pair) -> None:
    listen(pair, "EA")
    pair.same_script("""
        MULTI
        SET k 1
        INCR k
        LPUSH k x
        DEL k
        PUBLISH __key__:x between
        SELECT 2
        RPUSH l a
        EXEC
    """)
    messages = names(heard(pair, "L"))
    assert messages == ["set k", "incrby k", "del k", "x between", "rpush l"]


def test_a_served_client_makes_the_events_of_its_command(pair: Pair) -> None:
    listen(pair, "EA")
    for request, pushed in (
        ("BLPOP l 0", "RPUSH l a b"),
        ("BLPOP l2 0", "RPUSH l2 a"),
        ("BRPOPLPUSH l3 l4 0", "LPUSH l3 a b"),
        ("BLMOVE l5 l6 LEFT RIGHT 0", "LPUSH l5 a"),
        ("BLMPOP 0 2 none l7 LEFT COUNT 5", "LPUSH l7 a b c"),
        ("BZPOPMIN z 0", "ZADD z 1 a 2 b"),
        ("BZPOPMAX z2 0", "ZADD z2 1 a"),
        ("BZMPOP 0 1 z3 MIN COUNT 2", "ZADD z3 1 a 2 b 3 c"),
        ("BLPOP s 0", "SORT l COPY"),
        ("BLPOP r 0", "RENAME l r"),
    ):
        if pushed == "SORT l COPY":
            pair.same("RPUSH", "l", "b", "a")
            pushed = "SORT l ALPHA STORE s"
        pair.send(*request.split(), client="W")
        pair.same(*pushed.split())
        pair.read("W")
        heard(pair, "L")


def test_a_served_subscriber_sees_its_own_events(pair: Pair) -> None:
    listen(pair, "EA", client="W")
    if pair.protocol == 2:
        pair.same("BLPOP", "l", 0, client="W")  # refused: a RESP2 subscriber may not wait for keys
        return
    for request, pushed in (
        ("BLPOP l 0", "RPUSH l a b"),
        ("BLPOP l2 0", "RPUSH l2 a"),
        ("BLMOVE l5 l6 LEFT RIGHT 0", "LPUSH l5 a"),
    ):
        pair.send(*request.split(), client="W")
        pair.same(*pushed.split(), client="B")
        pair.client("W").waiting.clear()
        heard(pair, "W")


EXPIRED = """
    GET k
    SET k 1
    INCR k
    RENAME k j
    EXISTS k
    SETNX k 1
    DEL k
    TYPE k
    EXPIRE k 9
    COPY k j
    SINTERSTORE j k
    APPEND k 1
    KEYS *
    LPUSH k 1
    TTL k
"""


def test_expiry_is_published_by_who_finds_it(pair: Pair) -> None:
    listen(pair, "KEA")
    for line in EXPIRED.strip().splitlines():
        pair.same("SET", "k", 1, "PX", 2)
        pair.same("DEBUG", "SLEEP", 0.005)
        pair.same(*line.split())
        heard(pair, "L")
        pair.same("FLUSHALL")


def test_the_expiry_cycle_publishes(pair: Pair) -> None:
    listen(pair, "Ex")
    pair.same("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    pair.same("SET", "k", 1, "PX", 5)
    channel = pair.client("L")
    for wire in (channel.ours, channel.theirs):
        assert wait_until(wire.readable, 3.0)
    assert names(heard(pair, "L")) == ["expired k"]


def test_a_point_of_time_that_has_passed_is_told(pair: Pair) -> None:
    listen(pair, "EA")
    pair.same_script("""
        SET k 1 PXAT 1
        GET k
        SET k 1
        EXPIREAT k 1
        SET k 1
        GETEX k PXAT 1
    """)
    heard(pair, "L")


@pytest.mark.parametrize("source", ["commands", "words"])
@pytest.mark.parametrize("second", [False, True], ids=["own", "second"])
def test_random_commands_publish_the_same(pair: Pair, source: str, second: bool) -> None:
    run = Run(pair, 70 + pair.protocol, words=source == "words", second=second)
    run.run(1500)
    assert run.messages > 100


def test_misses_and_new_keys_are_published_on_demand(pair: Pair) -> None:
    listen(pair, "KEAmn")
    rows: list[list[Reply]] = around_all(
        pair,
        """
        GET none
        MGET none none2
        SET k 1
        SET k 2
        OBJECT ENCODING none
        EXISTS none
        COPY k k2 REPLACE
        COPY k k2 REPLACE
        """,
    )
    assert len(rows) == 8
    assert len(heard(pair, "L")) > 10


def test_scripts_publish_before_their_reply(pair: Pair) -> None:
    client = "main" if pair.protocol == 3 else "L"
    listen(pair, "EAmn", client=client)
    for script in (
        "redis.call('LPUSH', KEYS[1], 1) return redis.call('GET', 'none')",
        "redis.call('PUBLISH', '__keyx__:a:b', 1) return redis.call('RPOP', KEYS[1])",
        "redis.call('ZADD', 'z', 1, 'a') return redis.call('ZPOPMIN', 'z')",
        "redis.call('SET', 'k', 1, 'GET') redis.pcall('INCR', 'l') return redis.call('INCR', 'k')",
    ):
        around(pair, "EVAL", script, 1, "l")
        heard(pair, client)
