"""XREAD and XREADGROUP wait, are served and are told of lost groups as redis-server's are."""

from __future__ import annotations

import pytest

from .harness import Pair


def test_xread_waits_for_an_entry(pair: Pair) -> None:
    pair.same_script("""
        XADD s 1-1 a b
        B> XREAD BLOCK 0 STREAMS s $
        B<!
        XADD s 2-1 a c
        B<
        B> XREAD COUNT 1 BLOCK 0 STREAMS other s 0 $
        XADD s 3-1 a c
        B<
        B> XREAD BLOCK 100000 STREAMS s other s $ 0 0-0
        B<
        B> XREAD BLOCK 100000 STREAMS other s 0 $
        XADD other 1-1 x y
        B<
        B> XREAD BLOCK 0 STREAMS s $
        XADD other 2-1 x y
        XDEL s 1-1
        XTRIM s MAXLEN 1
        XGROUP CREATE s g 0
        B<!
        DEL s
        B<!
        XADD s 1-1 a b
        B<!
        XADD s 3-2 a b
        B<
        B> XREAD BLOCK 0 STREAMS new $
        SET new v
        B<!
        DEL new
        LPUSH new a
        B<!
        DEL new
        XADD new 0-1 a b
        B<
        B: PING
    """)


def test_several_sessions_get_the_same_entries(pair: Pair) -> None:
    pair.same_script("""
        A> XREAD BLOCK 0 STREAMS s $
        B> XREAD BLOCK 0 STREAMS t s $ $
        C> XREAD BLOCK 0 STREAMS s 5
        XADD s 1-1 a b
        A<
        B<
        C<!
        XADD s 6-1 a b
        C<
        A> XREAD BLOCK 0 STREAMS s $
        B> XREAD BLOCK 0 COUNT 1 STREAMS s 6
        C> XREAD BLOCK 0 STREAMS s $
        B<
        MULTI
        XADD s 7-1 a b
        XADD s 8-1 a b
        XDEL s 7-1
        EXEC
        A<
        C<
        A> XREAD BLOCK 0 STREAMS s $
        MULTI
        XADD s 9-1 a b
        XDEL s 9-1
        EXEC
        A<
        A> XREAD BLOCK 0 STREAMS s $
        MULTI
        XADD s 10-1 a b
        DEL s
        EXEC
        A<!
        MULTI
        XADD s 11-1 a b
        DEL s
        SET s v
        EXEC
        A<!
        DEL s
        XADD s 20-1 a b
        A<
    """)


def test_consumers_share_what_arrives(pair: Pair) -> None:
    pair.same_script("""
        XGROUP CREATE s g $ MKSTREAM
        A> XREADGROUP GROUP g a BLOCK 0 STREAMS s >
        B> XREADGROUP GROUP g b BLOCK 0 COUNT 5 STREAMS s >
        C> XREADGROUP GROUP g c BLOCK 0 NOACK STREAMS s >
        XPENDING s g
        XADD s 1-1 a 1
        A<
        B<!
        MULTI
        XADD s 2-1 a 2
        XADD s 3-1 a 3
        EXEC
        B<
        C<!
        XADD s 4-1 a 4
        C<
        XPENDING s g
        XINFO GROUPS s
        A> XREADGROUP GROUP g new BLOCK 0 STREAMS s >
        XGROUP DELCONSUMER s g new
        XADD s 5-1 a 5
        A<
        A: XREADGROUP GROUP g new BLOCK 0 STREAMS s 0
        A> XREADGROUP GROUP g new BLOCK 0 STREAMS s >
        XGROUP SETID s g 0
        A<!
        XADD s 6-1 a 6
        A<
        XINFO GROUPS s
        XINFO STREAM s
    """)


@pytest.mark.parametrize("noack", ["", "NOACK"])
@pytest.mark.parametrize(
    "end",
    [
        "XGROUP DESTROY s g",
        "DEL s",
        "UNLINK s",
        "SET s v",
        "RENAME s t",
        "RENAME string s",
        "MOVE s 3",
        "FLUSHDB",
        "FLUSHALL",
        "SWAPDB 0 3",
        "PEXPIRE s 1",
        "PEXPIRE s -1",
        "GETDEL string",
        "SUNIONSTORE s set",
        "COPY string s REPLACE",
        "XTRIM s MAXLEN 0",
        "XGROUP SETID s g 5",
        "XGROUP DESTROY s h",
        "XGROUP CREATE s k 0",
        "XDEL s 1-1",
        "XADD s 9-1 a b",
    ],
)
def test_what_ends_the_wait_of_a_consumer(pair: Pair, end: str, noack: str) -> None:
    pair.same_script("""
        SET string v
        SADD set a
        XADD s 1-1 a b
        XGROUP CREATE s g $
        XGROUP CREATE s h $
    """)
    pair.send(*f"XREADGROUP GROUP g c BLOCK 0 {noack} STREAMS s >".split(), client="A")
    pair.same_script("""
        B> XREADGROUP GROUP h c BLOCK 0 STREAMS s >
        C> XREAD BLOCK 0 STREAMS s $
    """)
    pair.same(*end.split())
    gone = not end.startswith(("XTRIM", "XGROUP", "XDEL", "XADD", "GETDEL"))
    if end == "XGROUP DESTROY s g" or gone or end.startswith("XADD"):
        pair.read("A")
    else:
        pair.silent("A")
    if end == "XGROUP DESTROY s h" or gone or end.startswith("XADD"):
        pair.read("B")
    else:
        pair.silent("B")
    if end.startswith("XADD"):
        pair.read("C")
    else:
        pair.silent("C")
    pair.same("INFO", "stats")
    pair.same("EXISTS", "s")
    pair.same("TYPE", "s")


def test_a_transaction_may_end_and_begin_a_group_again(pair: Pair) -> None:
    pair.same_script("""
        XGROUP CREATE s g $ MKSTREAM
        A> XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        MULTI
        XGROUP DESTROY s g
        XGROUP CREATE s g $
        EXEC
        A<!
        MULTI
        DEL s
        XGROUP CREATE s g $ MKSTREAM
        EXEC
        A<!
        MULTI
        DEL s
        XADD s 1-1 a b
        EXEC
        A<
        DEL s
        XGROUP CREATE s g $ MKSTREAM
        A> XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        MULTI
        XADD s 1-1 a b
        XDEL s 1-1
        EXEC
        A<
        XINFO GROUPS s
    """)


def test_waits_end_by_time_and_by_others(pair: Pair) -> None:
    pair.same_script("""
        XGROUP CREATE s g $ MKSTREAM
        XREAD BLOCK 10 STREAMS s $
        XREAD BLOCK 1 STREAMS s missing $ $
        XREADGROUP GROUP g c BLOCK 10 STREAMS s >
        XINFO CONSUMERS s g
        MULTI
        XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        XREAD BLOCK 0 STREAMS s $
        EXEC
    """)
    for request in ("XREAD BLOCK 0 STREAMS s $", "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"):
        for reason in ("TIMEOUT", "ERROR"):
            pair.client("A")
            ours, theirs = pair.both("CLIENT", "ID", client="A")
            pair.send(*request.split(), client="A")
            control = pair.control
            for wire, number in ((control.ours, ours), (control.theirs, theirs)):
                reply = wire.call("CLIENT", "UNBLOCK", str(number.value), reason)
                assert reply.value == 1
            pair.read("A")


def test_lists_and_streams_wait_for_the_same_key(pair: Pair) -> None:
    pair.same_script("""
        A> BLPOP k 0
        B> XREAD BLOCK 0 STREAMS k 0
        XADD k 1-1 a b
        B<
        A<!
        DEL k
        RPUSH k x
        A<
        A> BZPOPMIN k 0
        B> XREAD BLOCK 0 STREAMS k 0
        ZADD k 1 a
        A<
        B<!
        XADD k 1-1 a b
        B<
    """)
