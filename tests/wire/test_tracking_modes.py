"""The modes of CLIENT TRACKING: its options, OPTIN and OPTOUT, broadcasting, and in scripts."""

from __future__ import annotations

from .connections import ids, same_each
from .harness import Pair, words
from .invalidations import redirected, same_info, told
from .messages import around, heard


def test_options_are_checked_in_order(pair: Pair) -> None:
    pair.same_script("""
        CLIENT TRACKING
        CLIENT TRACKING maybe
        CLIENT TRACKING ON REDIRECT
        CLIENT TRACKING ON REDIRECT x
        CLIENT TRACKING ON REDIRECT 0
        CLIENT TRACKING ON REDIRECT 99999999
        CLIENT TRACKING OFF REDIRECT 99999999
        CLIENT TRACKING ON PREFIX
        CLIENT TRACKING ON PREFIX a
        CLIENT TRACKING ON NONSENSE
        CLIENT TRACKING maybe NONSENSE
        CLIENT TRACKING ON OPTIN OPTOUT
        CLIENT TRACKING ON BCAST OPTIN
        CLIENT TRACKING ON BCAST OPTOUT NOLOOP
        CLIENT TRACKING ON OPTIN PREFIX a
        CLIENT TRACKINGINFO
        CLIENT TRACKINGINFO x
        CLIENT GETREDIR
        CLIENT GETREDIR x
        CLIENT CACHING
        CLIENT CACHING YES
        CLIENT CACHING maybe
        CLIENT TRACKING OFF
        CLIENT TRACKING off NOLOOP
    """)
    own = ids(pair, "main")
    same_each(
        pair,
        lambda place: [*words("CLIENT TRACKING ON REDIRECT"), own[place], "REDIRECT", own[place]],
    )
    same_each(pair, lambda place: [*words("CLIENT TRACKING ON REDIRECT"), own[place]])
    pair.both("CLIENT", "GETREDIR")


def test_modes_cannot_be_switched_while_tracking_is_on(pair: Pair) -> None:
    pair.same_script("""
        CLIENT TRACKING ON
        CLIENT TRACKING ON BCAST
        CLIENT CACHING YES
        CLIENT CACHING NO
        CLIENT CACHING maybe
        CLIENT TRACKING ON OPTIN
        CLIENT TRACKINGINFO
        CLIENT TRACKING ON OPTOUT
        CLIENT CACHING NO
        CLIENT CACHING yes
        CLIENT TRACKINGINFO
        PING
        CLIENT TRACKINGINFO
        CLIENT CACHING yes
        CLIENT TRACKING ON
        CLIENT TRACKINGINFO
        CLIENT TRACKING OFF
        CLIENT TRACKINGINFO
        CLIENT TRACKING ON OPTOUT NOLOOP
        CLIENT TRACKING ON OPTIN
        CLIENT CACHING yes
        CLIENT CACHING no
        CLIENT TRACKINGINFO
        CLIENT TRACKING OFF
        CLIENT TRACKING ON BCAST
        CLIENT TRACKING ON
        CLIENT TRACKING ON OPTIN BCAST
        CLIENT TRACKING ON BCAST NOLOOP
        CLIENT TRACKINGINFO
        CLIENT GETREDIR
        RESET
    """)
    pair.same("HELLO", 2)
    pair.same("CLIENT", "TRACKINGINFO")


def test_prefixes_of_a_client_must_not_overlap(pair: Pair) -> None:
    pair.same_script(r"""
        CLIENT TRACKING ON BCAST PREFIX foo PREFIX foobar
        CLIENT TRACKING ON BCAST PREFIX foobar PREFIX foo PREFIX x
        CLIENT TRACKING ON BCAST PREFIX a PREFIX a
        CLIENT TRACKING ON BCAST PREFIX prefix PREFIX P
        CLIENT TRACKING OFF
        CLIENT TRACKING ON BCAST PREFIX "" PREFIX a
        CLIENT TRACKING ON BCAST PREFIX foo PREFIX bar
        CLIENT TRACKINGINFO
        CLIENT TRACKING ON BCAST PREFIX foo
        CLIENT TRACKING ON BCAST PREFIX fo
        CLIENT TRACKING ON BCAST PREFIX baz PREFIX "bar\x00x"
        CLIENT TRACKING ON BCAST PREFIX ""
        CLIENT TRACKING ON BCAST PREFIX ba PREFIX b
        CLIENT TRACKING ON BCAST PREFIX baz
        CLIENT TRACKING ON BCAST
        CLIENT TRACKINGINFO
        CLIENT TRACKING OFF
        CLIENT TRACKING ON BCAST
        CLIENT TRACKING ON BCAST
        CLIENT TRACKINGINFO
        CLIENT TRACKING OFF
    """)
    same_info(pair)


def test_optin_tracks_the_command_behind_caching_yes(pair: Pair) -> None:
    redirected(pair, "OPTIN")
    pair.same_script("""
        GET a
        CLIENT CACHING YES
        GET b
        GET c
        CLIENT CACHING YES
        CLIENT GETNAME
        GET d
        CLIENT CACHING YES
        NONSENSE
        GET e
        CLIENT CACHING YES
        CLIENT NONSENSE
        GET f
        CLIENT CACHING YES
        CLIENT CACHING
        GET g
        CLIENT CACHING YES
        GET
        GET h
        CLIENT CACHING YES
        MULTI
        GET i
        GET j
        EXEC
        GET k
        MULTI
        GET l
        CLIENT CACHING YES
        GET m
        EXEC
        GET n
        CLIENT CACHING YES
        MULTI
        DISCARD
        GET o
        B: MSET a 1 b 1 c 1 d 1 e 1 f 1 g 1 h 1 i 1 j 1 k 1 l 1 m 1 n 1 o 1
    """)
    messages = told(heard(pair, "R"))
    assert messages == [[name] for name in (b"b", b"d", b"g", b"i", b"j", b"m")]


def test_optout_leaves_out_the_command_behind_caching_no(pair: Pair) -> None:
    redirected(pair, "OPTOUT")
    pair.same_script("""
        GET a
        CLIENT CACHING NO
        GET b
        GET c
        CLIENT CACHING NO
        MULTI
        GET d
        EXEC
        MULTI
        GET e
        CLIENT CACHING NO
        GET f
        EXEC
        GET g
        B: MSET a 1 b 1 c 1 d 1 e 1 f 1 g 1
    """)
    assert told(heard(pair, "R")) == [[b"a"], [b"c"], [b"e"], [b"g"]]


def test_broadcasting_tells_of_prefixes_whoever_read_the_key(pair: Pair) -> None:
    redirected(pair, "BCAST", "PREFIX", "user:", "PREFIX", "x")
    pair.same("GET", "other")
    for line in (
        "SET user:1 a",
        "MSET user:2 a other b x c user:1 d",
        "SET user: 1",
        "SET use 1",
        "DEL user:1 x",
        "LPUSH list 1",
        "RENAME user:2 x1",
    ):
        pair.same(*line.split(), client="B")
        heard(pair, "R")
    same_info(pair)
    pair.same("FLUSHALL", client="B")
    assert told(heard(pair, "R")) == [None]
    pair.same("CLIENT", "TRACKING", "OFF")
    pair.same("SET", "user:1", 1, client="B")
    assert heard(pair, "R") == []
    same_info(pair)


def test_one_read_of_the_socket_makes_one_broadcast(pair: Pair) -> None:
    redirected(pair, "BCAST")
    channel = pair.client("B")
    for wire in (channel.ours, channel.theirs):
        wire.send_raw(b"SET c 1\r\nSET a 1\r\nSET b 1\r\nSET a 1\r\n")
    for wire in (channel.ours, channel.theirs):
        assert [wire.read().value for _ in range(4)] == [b"OK"] * 4
    assert told(heard(pair, "R")) == [[b"a", b"b", b"c"]]


def test_broadcasting_with_noloop_leaves_out_own_changes(pair: Pair) -> None:
    redirected(pair, "BCAST", "NOLOOP")
    pair.same_script("""
        SET a 1
        MULTI
        SET b 1
        EXEC
        B: SET a 2
    """)
    assert told(heard(pair, "R")) == [[b"a"]]
    pair.same("SET", "c", 1)
    pair.same("SET", "a", 1)
    assert heard(pair, "R") == []


def test_a_broadcast_comes_behind_the_replies(pair: Pair) -> None:
    pair.same("CLIENT", "TRACKING", "ON", "BCAST")
    channel = pair.client()
    for wire in (channel.ours, channel.theirs):
        wire.send_raw(b"SET b 1\r\nSET a 1\r\nPING\r\n")
        assert [wire.read().value for _ in range(3)] == [b"OK", b"OK", b"PONG"]
    heard(pair)


def test_info_counts_keys_items_and_prefixes(pair: Pair) -> None:
    pair.same("CLIENT", "TRACKING", "ON")
    pair.same("CLIENT", "TRACKING", "ON", client="B")
    pair.same_script("""
        MGET a b c
        B: MGET b c d
        B: MGET b c d
    """)
    assert same_info(pair) == [2, 4, 6, 0]
    pair.same("CLIENT", "TRACKING", "OFF", client="B")
    assert same_info(pair) == [1, 4, 6, 0]
    pair.same("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b", client="B")
    pair.same("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", client="C")
    pair.same("SET", "c", 1, client="D")
    assert same_info(pair) == [3, 3, 4, 2]
    pair.drop("B")
    assert same_info(pair) == [2, 3, 4, 1]


def test_scripts_track_the_keys_of_their_call(pair: Pair) -> None:
    redirected(pair)
    for argv in (
        ("EVAL", "return redis.call('GET', 'inner')", 2, "one", "two"),
        ("EVAL", "return redis.call('SET', 'inner', 1)", 1, "writes"),
        ("EVAL", "return 1", 1, "reads-nothing"),
        ("EVAL", "return redis.pcall('LLEN', KEYS[1])", 1, "inner"),
        ("EVAL_RO", "return redis.call('EXISTS', 'x')", 1, "three"),
        ("EVAL", "redis.call('GET', 'x') redis.call('SET', KEYS[1], 1) return 1", 1, "four"),
        ("EVAL", "redis.call('GET', 'x') redis.call('GET', 'y') return 1", 0),
    ):
        pair.same(*argv)
        same_info(pair)
    for key in words("one two inner writes reads-nothing three four x y"):
        pair.same("SET", key, 2, client="B")
    heard(pair, "R")


def test_what_a_script_changes_is_told_after_its_reply(pair: Pair) -> None:
    pair.same("CLIENT", "TRACKING", "ON")
    pair.same("GET", "k")
    around(pair, "EVAL", "redis.call('SET', 'k', 1) return redis.call('GET', 'k')", 0)
    pair.same("GET", "k")
    pair.same_script("""
        MULTI
        EVAL "redis.call('SET', 'k', 1) return redis.call('GET', 'k')" 1 k
        EVAL "redis.call('SET', 'k', 1) return redis.call('GET', 'k')" 0
    """)
    around(pair, "EXEC")


def test_scripts_are_not_spared_by_noloop_when_broadcasting(pair: Pair) -> None:
    redirected(pair, "BCAST", "NOLOOP")
    pair.same("SET", "a", 1)
    pair.same("EVAL", "return redis.call('SET', 'b', 1)", 0)
    assert told(heard(pair, "R")) == [[b"b"]]


def test_functions_track_the_keys_of_their_call(pair: Pair) -> None:
    redirected(pair)
    code = (
        "#!lua name=lib\nredis.register_function{function_name='f', callback=function(keys) "
        "return redis.call('GET', 'inner') end, flags={'no-writes'}}"
    )
    pair.same("FUNCTION", "LOAD", "REPLACE", code)
    pair.same("FCALL", "f", 1, "one")
    pair.same("FCALL_RO", "f", 1, "two")
    same_info(pair)
    for key in words("one two inner"):
        pair.same("SET", key, 1, client="B")
    assert told(heard(pair, "R")) == [[b"one"], [b"two"]]
    pair.same("FUNCTION", "FLUSH")
