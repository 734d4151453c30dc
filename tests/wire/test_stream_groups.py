"""Consumer groups answer as redis-server's: XGROUP, XREADGROUP, XACK, XPENDING, XCLAIM, XINFO."""

from __future__ import annotations

import random

import pytest

from .harness import Pair, words

U64_MAX = 2**64 - 1
I64_MAX = 2**63 - 1


def state(pair: Pair, key: str = "s") -> None:
    """All that can be seen of a stream and its groups is equal."""
    pair.same("XINFO", "STREAM", key)
    pair.same("XINFO", "STREAM", key, "FULL", "COUNT", 0)
    for reply in pair.same("XINFO", "GROUPS", key).items():
        name = reply.items()[1].text()
        pair.same("XINFO", "CONSUMERS", key, name)
        pair.same("XPENDING", key, name)
        pair.same("XPENDING", key, name, "-", "+", 1000)


def fill(pair: Pair, count: int = 10) -> None:
    """A stream s of so many entries with a group g that read none."""
    for i in range(1, count + 1):
        pair.same("XADD", "s", f"{i}-1", "field", i)
    pair.same("XGROUP", "CREATE", "s", "g", "0")


def test_wrong_numbers_of_arguments_are_refused(pair: Pair) -> None:
    for name in words("XACK XPENDING XCLAIM XAUTOCLAIM XREAD XREADGROUP XGROUP XINFO"):
        for count in range(10):
            pair.same(name, *["1"] * count)
    for name in ("CREATE", "SETID", "DESTROY", "CREATECONSUMER", "DELCONSUMER", "HELP", "BOGUS"):
        for count in range(8):
            pair.same_shape("XGROUP", name, *["1"] * count)
    for name in ("STREAM", "GROUPS", "CONSUMERS", "HELP", "BOGUS"):
        for count in range(7):
            pair.same_shape("XINFO", name, *["1"] * count)


def test_help_has_as_many_lines(pair: Pair) -> None:
    pair.same_shape("XGROUP", "HELP")
    pair.same_shape("XINFO", "help")


def test_every_command_refuses_another_type_and_missing_keys(pair: Pair) -> None:
    pair.same("SET", "string", "v")
    pair.same("XADD", "s", "1-1", "a", "b")
    for key in ("string", "missing", "s"):
        pair.same_script(f"""
            XGROUP CREATE {key} g x
            XGROUP CREATE {key} g 0 BOGUS
            XGROUP CREATE {key} g 0 ENTRIESREAD x
            XGROUP CREATE {key} g 0 ENTRIESREAD
            XGROUP CREATE {key} g 0 ENTRIESREAD -2
            XGROUP CREATE {key} g 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM
            XGROUP CREATE {key} g 0 MKSTREAM MKSTREAM ENTRIESREAD 5
            XGROUP SETID {key} nogroup 0
            XGROUP SETID {key} nogroup x
            XGROUP SETID {key} nogroup 0 MKSTREAM
            XGROUP SETID {key} nogroup 0 ENTRIESREAD x
            XGROUP DESTROY {key} nogroup
            XGROUP CREATECONSUMER {key} nogroup c
            XGROUP DELCONSUMER {key} nogroup c
            XACK {key} nogroup 1-1
            XACK {key} nogroup x
            XPENDING {key} nogroup
            XPENDING {key} nogroup - + 1
            XPENDING {key} nogroup x + 1
            XCLAIM {key} nogroup c 0 1-1
            XCLAIM {key} nogroup c x 1-1
            XAUTOCLAIM {key} nogroup c 0 0
            XAUTOCLAIM {key} nogroup c x 0
            XAUTOCLAIM {key} nogroup c 0 x
            XAUTOCLAIM {key} nogroup c 0 0 COUNT 0
            XREADGROUP GROUP nogroup c STREAMS {key} >
            XREADGROUP GROUP nogroup c STREAMS {key} x
            XREADGROUP GROUP nogroup c STREAMS {key} $
            XREAD STREAMS {key} 0
            XREAD STREAMS {key} x
            XREAD STREAMS {key} >
            XREAD STREAMS {key} $
            XINFO STREAM {key}
            XINFO STREAM {key} FULL
            XINFO GROUPS {key}
            XINFO CONSUMERS {key} nogroup
            TYPE {key}
        """)


def test_groups_are_made_changed_and_destroyed(pair: Pair) -> None:
    fill(pair, 5)
    pair.same_script("""
        XGROUP CREATE s g 0
        XGROUP CREATE s g $ MKSTREAM
        XGROUP CREATE s h $
        XGROUP CREATE s i 3-1
        XGROUP CREATE s "" 3
        XGROUP create s j 0 entriesread 2
        XGROUP CREATE s k $ ENTRIESREAD 5 MKSTREAM
        XGROUP CREATE s l $ MKSTREAM ENTRIESREAD -1
        XGROUP CREATE s m -
        XGROUP CREATE s m +
        XGROUP CREATE s m 1-*
        XGROUP CREATE empty g $ MKSTREAM
        XGROUP CREATE empty2 g 5-5 MKSTREAM
        XGROUP CREATE empty3 g x MKSTREAM
        EXISTS empty3
        XINFO GROUPS s
        XINFO STREAM empty
        XGROUP SETID s g $
        XGROUP SETID s g -
        XGROUP SETID s g +
        XGROUP SETID s g 3-1 ENTRIESREAD 3
        XGROUP SETID s g 3-1 ENTRIESREAD
        XGROUP SETID s g 3-1 ENTRIESREAD 1 ENTRIESREAD 2
        XGROUP SETID s g 3-1 ENTRIESREAD -1
        XGROUP SETID s g 3-1 ENTRIESREAD -5
        XGROUP SETID s g x
        XINFO GROUPS s
        XGROUP CREATECONSUMER s g alice
        XGROUP CREATECONSUMER s g alice
        XGROUP CREATECONSUMER s g ""
        XGROUP CREATECONSUMER s g bob
        XGROUP DELCONSUMER s g alice
        XGROUP DELCONSUMER s g alice
        XGROUP CREATECONSUMER s g carol
        XGROUP DESTROY s h
        XGROUP DESTROY s h
        XGROUP SETID s h 0
        XGROUP CREATECONSUMER s h c
        XGROUP DELCONSUMER s h c
    """)
    state(pair)
    state(pair, "empty")


def test_xread_reads_several_streams(pair: Pair) -> None:
    for key in ("a", "b"):
        for i in range(1, 6):
            pair.same("XADD", key, f"{i}-1", "from", key)
    pair.same("SET", "string", "v")
    pair.same_script(f"""
        XREAD STREAMS a 0
        XREAD STREAMS a b 0 0
        XREAD STREAMS a b c 3 5-0 0
        XREAD STREAMS a b 5-1 9
        XREAD COUNT 2 STREAMS a b 1-1 4
        XREAD COUNT 0 STREAMS a 0
        XREAD COUNT -5 STREAMS a 0
        XREAD COUNT x STREAMS a 0
        XREAD COUNT STREAMS a 0
        XREAD STREAMS a a 0 3
        XREAD STREAMS a $
        XREAD STREAMS a +
        XREAD STREAMS a -
        XREAD STREAMS a *
        XREAD STREAMS a 1-*
        XREAD STREAMS a b 0
        XREAD STREAMS a
        XREAD STREAMS
        XREAD COUNT 1
        XREAD BOGUS STREAMS a 0
        XREAD NOACK STREAMS a 0
        XREAD GROUP g c STREAMS a 0
        XREAD GROUP g STREAMS a
        XREAD STREAMS missing 0
        XREAD STREAMS missing a 0 0
        XREAD STREAMS a string 0 0
        XREAD STREAMS string a 0 x
        XREAD STREAMS a a 0 x
        XREAD STREAMS a {U64_MAX}-{U64_MAX}
        XREAD BLOCK x STREAMS a 0
        XREAD BLOCK -1 STREAMS a 0
        XREAD BLOCK 1.5 STREAMS a 0
        XREAD BLOCK {I64_MAX} STREAMS a 0
        XREAD BLOCK 99999999999999999999 STREAMS a 0
        XREAD BLOCK 10 STREAMS a 0
        XREAD BLOCK 5 STREAMS a $
        XREAD block 5 count 2 streams missing 0
        XDEL a 5-1
        XREAD STREAMS a 4-1
        XREAD STREAMS a 4-0
        MULTI
        XREAD BLOCK 0 STREAMS a $
        XREAD BLOCK 0 STREAMS a b 3 3
        EXEC
    """)


def test_xreadgroup_options_are_read_in_redis_order(pair: Pair) -> None:
    fill(pair, 3)
    pair.same_script("""
        XREADGROUP STREAMS s > a b c
        XREADGROUP GROUP g c COUNT 1 BLOCK 10
        XREADGROUP COUNT 1 BLOCK 10 STREAMS s >
        XREADGROUP GROUP g STREAMS s > >
        XREADGROUP GROUP g c STREAMS s
        XREADGROUP GROUP g c STREAMS s > >
        XREADGROUP GROUP g c BOGUS STREAMS s >
        XREADGROUP GROUP g c STREAMS s $
        XREADGROUP GROUP g c STREAMS s +
        XREADGROUP GROUP g c STREAMS s *
        XREADGROUP GROUP g c STREAMS s x
        XREADGROUP GROUP g c COUNT x STREAMS s >
        XREADGROUP GROUP g c BLOCK x STREAMS s >
        XREADGROUP GROUP g c BLOCK -1 STREAMS s >
        XREADGROUP GROUP h c STREAMS s >
        XREADGROUP GROUP g c STREAMS missing >
        XREADGROUP GROUP g c STREAMS s missing > >
        XINFO CONSUMERS s g
        XREADGROUP GROUP h d GROUP g c NOACK NOACK COUNT 1 STREAMS s >
        XREADGROUP group g c noack count 1 streams s >
        XREADGROUP GROUP g c COUNT -1 STREAMS s >
        XREADGROUP GROUP g c STREAMS s >
        XREADGROUP GROUP g d STREAMS s >
        XREADGROUP GROUP g d BLOCK 5 STREAMS s >
    """)
    state(pair)


def test_deliveries_history_and_acknowledgements(pair: Pair) -> None:
    pair.config("stream-node-max-entries", "4")
    fill(pair, 12)
    pair.same_script(f"""
        XREADGROUP GROUP g a COUNT 3 STREAMS s >
        XREADGROUP GROUP g b COUNT 2 STREAMS s >
        XREADGROUP GROUP g a COUNT 2 STREAMS s >
        XREADGROUP GROUP g a STREAMS s 0
        XREADGROUP GROUP g a COUNT 2 STREAMS s 1-1
        XREADGROUP GROUP g a STREAMS s 3
        XREADGROUP GROUP g a STREAMS s 99
        XREADGROUP GROUP g a STREAMS s {U64_MAX}-{U64_MAX}
        XREADGROUP GROUP g a NOACK STREAMS s 0
        XREADGROUP GROUP g b STREAMS s s 0 4-1
        XREADGROUP GROUP g new STREAMS s 0
        XDEL s 2-1 4-1
        XREADGROUP GROUP g a STREAMS s 0
        XREADGROUP GROUP g b COUNT 1 STREAMS s 0
        XACK s g 1-1
        XACK s g 1-1
        XACK s g 2-1 3-1 3-1 12-1 x
        XACK s g 2-1 3-1 3-1 12-1
        XACK s g 6
        XACK s g -
        XACK s g +
        XREADGROUP GROUP g c NOACK COUNT 2 STREAMS s >
        XREADGROUP GROUP g a COUNT 1 STREAMS s >
        XACK s nogroup 1-1
        XACK missing g 1-1
    """)
    state(pair)
    pair.same_script("""
        XGROUP SETID s g 0
        XREADGROUP GROUP g b STREAMS s >
        XREADGROUP GROUP g c COUNT 1 STREAMS s >
        XGROUP DELCONSUMER s g b
        XGROUP CREATECONSUMER s g d
    """)
    state(pair)
    pair.same_script("""
        XGROUP SETID s g 5
        XREADGROUP GROUP g d COUNT 2 STREAMS s >
        XTRIM s MAXLEN 1
        XREADGROUP GROUP g d STREAMS s 0
        XREADGROUP GROUP g d STREAMS s >
    """)
    state(pair)


def test_xpending_options(pair: Pair) -> None:
    fill(pair, 9)
    pair.same("XPENDING", "s", "g")
    pair.same("XREADGROUP", "GROUP", "g", "b", "COUNT", 3, "STREAMS", "s", ">")
    pair.same("XREADGROUP", "GROUP", "g", "a", "COUNT", 4, "STREAMS", "s", ">")
    pair.same("XREADGROUP", "GROUP", "g", "b", "COUNT", 1, "STREAMS", "s", ">")
    pair.same("XPENDING", "s", "g")
    for options in (
        *("- + 10", "- + 2", "- + 0", "- + -1", "- + x", "- +", "-", "3 5 10", "(3-1 (6-1 10"),
        *("- + 10 a", "- + 10 b", "- + 10 nobody", "- + 2 b", "4 + 9 b", "4 8-0 9 b", "- + 10 a x"),
        *("IDLE 0 - + 10", "IDLE 100000 - + 10", "IDLE -5 - + 10", "IDLE x - + 10", "IDLE 0 - +"),
        *("IDLE 0 - + 10 b", "idle 0 - + 10 a", "IDLE 0 - + 10 a x", "IDLE 0", "BOGUS 0 - + 10"),
        *("IDLE 100000 - + 10 a", "x + 10", "- x 10", "(- + 10", "- (+ 10", "+ - 10", "5 3 10"),
        *(
            f"({U64_MAX}-{U64_MAX} + 1",
            "- (0-0 1",
            "- (0 1",
            "x y z",
            "IDLE x y z w",
            f"- + {I64_MAX}",
        ),
    ):
        pair.same("XPENDING", "s", "g", *options.split())
    pair.same("XPENDING", "s", "nogroup", "-", "+", 10)
    pair.same("XACK", "s", "g", "1-1", "2-1", "3-1", "8-1")
    pair.same("XPENDING", "s", "g")
    pair.same("DEBUG", "SLEEP", "0.03")
    pair.same("XPENDING", "s", "g", "IDLE", 15, "-", "+", 10)
    pair.same("XCLAIM", "s", "g", "b", 0, "5-1")
    pair.same("XPENDING", "s", "g", "IDLE", 15, "-", "+", 10)
    pair.same("XPENDING", "s", "g", "IDLE", 15, "-", "+", 1, "a")


CLAIMS = (
    *("0 1-1", "0 1-1 2-1", "0 1-1 1-1", "0 9-1", "0 99-1", "0 x", "x 1-1", "-5 1-1", "100000 1-1"),
    *(
        "0 1-1 FORCE",
        "0 9-1 FORCE",
        "0 99-1 FORCE",
        "100000 9-1 FORCE",
        "100000 1-1 FORCE",
        "0 FORCE",
    ),
    *(
        "0 1-1 JUSTID",
        "0 1-1 2-1 5-1 JUSTID",
        "0 9-1 JUSTID FORCE",
        "0 1-1 RETRYCOUNT 7",
        "0 JUSTID",
    ),
    *("0 1-1 RETRYCOUNT -1", "0 1-1 RETRYCOUNT x", "0 1-1 RETRYCOUNT", "0 1-1 RETRYCOUNT 0"),
    *(
        "0 1-1 IDLE 5000",
        "0 1-1 IDLE -1",
        "0 1-1 IDLE x",
        "0 1-1 IDLE",
        "0 1-1 TIME 5",
        "0 1-1 TIME x",
    ),
    *(
        "0 1-1 TIME -1",
        f"0 1-1 TIME {I64_MAX}",
        "0 1-1 LASTID 50-1",
        "0 1-1 LASTID 0-1",
        "0 1-1 LASTID",
    ),
    *(
        "0 1-1 LASTID x",
        "0 99-1 LASTID 50-1",
        "0 9-1 LASTID 50-1",
        "0 1-1 BOGUS",
        "0 1-1 FORCE 2-1",
    ),
    "0 1-1 2-1 3-1 4-1 5-1 6-1 7-1 8-1 9-1 10-1 FORCE JUSTID RETRYCOUNT 3 TIME 1000 LASTID 9-1",
    *("0 3-1", "0 3-1 4-1 FORCE", "0 1-1 - 2-1", "0 1-1 justid force idle 1 retrycount 2 lastid 3"),
)


@pytest.mark.parametrize("words_", CLAIMS)
def test_xclaim_options(pair: Pair, words_: str) -> None:
    fill(pair, 10)
    pair.same("XREADGROUP", "GROUP", "g", "a", "COUNT", 5, "STREAMS", "s", ">")
    pair.same("XREADGROUP", "GROUP", "g", "b", "COUNT", 1, "STREAMS", "s", ">")
    pair.same("XDEL", "s", "3-1")
    for consumer in ("a", "c", "b"):
        pair.same("XCLAIM", "s", "g", consumer, *words_.split())
        state(pair)
    pair.same("XCLAIM", "s", "nogroup", "a", *words_.split())
    pair.same("XCLAIM", "missing", "g", "a", *words_.split())


@pytest.mark.parametrize(
    "options",
    [
        *("0 0", "0 -", "0 +", "0 3", "0 (3-1", "0 x", "x 0", "-1 0", "100000 0", "0 0 COUNT 1"),
        *("0 0 COUNT 3", "0 0 COUNT 0", "0 0 COUNT -1", "0 0 COUNT x", "0 0 COUNT", "0 0 JUSTID"),
        *("0 2 COUNT 2 JUSTID", "0 0 BOGUS", "0 0 justid count 2", "0 99", "100000 0 COUNT 1"),
        *(f"0 0 COUNT {I64_MAX}", f"0 0 COUNT {I64_MAX // 16}", f"0 ({U64_MAX}-{U64_MAX}", "0 0 0"),
        *(f"0 0 COUNT {I64_MAX // 16 + 1}", "0 0 COUNT 1 COUNT 2", "0 0 JUSTID JUSTID"),
    ],
)
def test_xautoclaim_options(pair: Pair, options: str) -> None:
    fill(pair, 30)
    pair.same("XREADGROUP", "GROUP", "g", "a", "COUNT", 20, "STREAMS", "s", ">")
    pair.same("XREADGROUP", "GROUP", "g", "b", "COUNT", 2, "STREAMS", "s", ">")
    pair.same("XDEL", "s", "2-1", "3-1", "7-1", "22-1")
    for consumer in ("a", "c", "b"):
        pair.same("XAUTOCLAIM", "s", "g", consumer, *options.split())
        state(pair)
    pair.same("XAUTOCLAIM", "s", "nogroup", "a", *options.split())
    pair.same("XAUTOCLAIM", "missing", "g", "a", *options.split())


def test_xautoclaim_looks_at_ten_times_the_count(pair: Pair) -> None:
    fill(pair, 60)
    pair.same("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    pair.same("XCLAIM", "s", "g", "a", 0, "55-1", "IDLE", 500000)
    for count in (1, 2, 5, 6):
        pair.same("XAUTOCLAIM", "s", "g", "b", 100000, 0, "COUNT", count)
    state(pair)


def test_xinfo_forms(pair: Pair) -> None:
    fill(pair, 25)
    pair.same("XREADGROUP", "GROUP", "g", "a", "COUNT", 15, "STREAMS", "s", ">")
    for options in (
        *(
            "",
            "FULL",
            "full count 3",
            "FULL COUNT 0",
            "FULL COUNT -1",
            "FULL COUNT x",
            "FULL COUNT",
        ),
        *("FULL BOGUS 1", "BOGUS", "FULL COUNT 1 2", "BOGUS COUNT 1"),
    ):
        pair.same("XINFO", "STREAM", "s", *options.split())
        pair.same("xinfo", "stream", "missing", *options.split())
    pair.same("XINFO", "CONSUMERS", "s", "nogroup")
    pair.same("XINFO", "GROUPS", "missing")
    pair.same("XINFO", "GROUPS", "s", "x")
    pair.same("XINFO", "CONSUMERS", "s")
    pair.same("XINFO", "BOGUS", "s")
    pair.same("XGROUP", "BOGUS", "s", "g")


def test_lag_and_entries_read(pair: Pair) -> None:
    pair.same_script("""
        XGROUP CREATE s g $ MKSTREAM
        XINFO GROUPS s
        XADD s 1-0 a b
        XADD s 2-0 a b
        XADD s 3-0 a b
        XADD s 4-0 a b
        XADD s 5-0 a b
        XGROUP CREATE s h 0
        XGROUP CREATE s first 1-0
        XGROUP CREATE s middle 3-0
        XGROUP CREATE s last 5-0
        XGROUP CREATE s later 9-0
        XINFO GROUPS s
        XREADGROUP GROUP h a COUNT 1 STREAMS s >
        XREADGROUP GROUP middle a COUNT 1 STREAMS s >
        XINFO GROUPS s
        XDEL s 1-0
        XINFO GROUPS s
        XREADGROUP GROUP h a COUNT 1 STREAMS s >
        XINFO GROUPS s
        XDEL s 4-0
        XINFO GROUPS s
        XREADGROUP GROUP h a COUNT 1 STREAMS s >
        XINFO GROUPS s
        XREADGROUP GROUP h a STREAMS s >
        XREADGROUP GROUP g a STREAMS s >
        XINFO GROUPS s
        XTRIM s MINID 5
        XINFO GROUPS s
        XADD s 6-0 a b
        XADD s 7-0 a b
        XDEL s 7-0
        XADD s 8-0 a b
        XINFO GROUPS s
        XREADGROUP GROUP h a STREAMS s >
        XINFO GROUPS s
        XTRIM s MAXLEN 0
        XINFO GROUPS s
        XSETID s 8-0 ENTRIESADDED 0
        XINFO GROUPS s
        XADD s 9-0 a b
        XGROUP SETID s h 0 ENTRIESREAD 3
        XINFO GROUPS s
        XREADGROUP GROUP h a STREAMS s >
        XINFO GROUPS s
    """)


@pytest.mark.parametrize("seed", range(6))
def test_random_histories_of_groups_agree(pair: Pair, seed: int) -> None:
    """Lag, entries read, pending entries and deliveries after anything that may happen."""
    draw = random.Random(seed)
    pair.config("stream-node-max-entries", str(draw.choice([2, 5, 100])))
    top = 0

    def an_id() -> str:
        return f"{draw.randint(0, top + 1)}-{draw.choice([0, 0, 1])}"

    pair.same("XGROUP", "CREATE", "s", "g0", "$", "MKSTREAM")
    for step in range(400):
        group, consumer = f"g{draw.randint(0, 2)}", f"c{draw.randint(0, 3)}"
        form = draw.randrange(16)
        if form < 4:
            top += draw.randint(1, 2)
            pair.same("XADD", "s", f"{top}-{draw.choice(['0', '*'])}", "a", step)
        elif form < 7:
            count = draw.choice([1, 1, 2, 5])
            more = draw.choice([[], [], ["NOACK"]])
            start = draw.choice([">", ">", ">", an_id()])
            pair.same(
                "XREADGROUP", "GROUP", group, consumer, "COUNT", count, *more, "STREAMS", "s", start
            )
        elif form == 7:
            pair.same("XDEL", "s", an_id(), an_id())
        elif form == 8:
            pair.same("XACK", "s", group, an_id(), an_id(), an_id())
        elif form == 9:
            trims = [f"MAXLEN ~ {draw.randint(0, 30)}", f"MINID {an_id()}"]
            pair.same("XTRIM", "s", *draw.choice(trims).split())
        elif form == 10:
            read = draw.choice([[], ["ENTRIESREAD", str(draw.randint(0, 20))]])
            name = draw.choice(["CREATE", "SETID"])
            pair.same("XGROUP", name, "s", group, draw.choice(["$", an_id()]), *read)
        elif form == 11:
            name = draw.choice(["DELCONSUMER", "CREATECONSUMER"])
            pair.same("XGROUP", name, "s", group, consumer)
        elif form == 12:
            ids = [an_id() for _ in range(draw.randint(1, 4))]
            options = draw.choice([[], ["FORCE"], ["JUSTID"], ["FORCE", "LASTID", an_id()]])
            pair.same("XCLAIM", "s", group, consumer, 0, *ids, *options)
        elif form == 13:
            options = draw.choice([[], ["JUSTID"], ["COUNT", str(draw.randint(1, 5))]])
            pair.same("XAUTOCLAIM", "s", group, consumer, 0, an_id(), *options)
        elif form == 14 and draw.random() < 0.3:
            pair.same("XGROUP", "DESTROY", "s", group)
        elif form == 15 and draw.random() < 0.3:
            options = draw.choice(
                [[], ["ENTRIESADDED", str(draw.randint(0, 300))], ["MAXDELETEDID", an_id()]]
            )
            pair.same("XSETID", "s", f"{top}-5", *options)
        if step % 20 == 0:
            state(pair)
        else:
            pair.same("XINFO", "GROUPS", "s")
    state(pair)
