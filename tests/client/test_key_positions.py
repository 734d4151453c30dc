"""Where the client finds keys is where COMMAND GETKEYS of a real server finds them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kvclient.errors import ReplyError
from kvclient.routing.address import Address
from kvclient.traits import traits_of
from kvprotocol.facts import facts_of, known_names

from ..wire.servers import Server
from .link import Link

REQUESTS = """
GET a|SET a b|SET a b GET|MGET a b c|DEL a b|MSET a 1 b 2|MSETNX a 1 b 2|APPEND a b|RENAME a b
COPY a b DB 1|BITOP AND d a b|BITFIELD a GET u8 0|BITFIELD a SET u8 0 1|PFMERGE d a b|PFCOUNT a b
BLPOP a b 0|BRPOPLPUSH a b 0|BLMOVE a b LEFT RIGHT 0|LMPOP 2 a b LEFT|BLMPOP 0 2 a b LEFT COUNT 1
LMPOP 2x a b LEFT|LMPOP +1 a LEFT|LMPOP 01 a LEFT|BZMPOP 0 1 a MIN|ZMPOP 1 a MAX|BZPOPMIN a b 0
SUNION a b|SUNIONSTORE d a b|SINTERCARD 2 a b LIMIT 1|SINTERCARD 2 a b|SMOVE a b m|SDIFF a b
ZUNION 2 a b WEIGHTS 1 2|ZUNIONSTORE d 2 a b AGGREGATE MAX|ZINTERCARD 1 a|ZDIFFSTORE d 2 a b
ZINTERSTORE d 1 a|ZUNIONSTORE d 2x a b|ZRANGESTORE d a 0 -1|ZADD a 1 m|ZRANGE a 0 -1
EVAL x 2 a b c|EVALSHA x 1 a b|EVAL_RO x 1 a|FCALL f 2 a b c|FCALL_RO f 1 a|EVALSHA_RO x 1 a
XREAD STREAMS a b 0 0|XREAD COUNT 1 BLOCK 0 STREAMS a 0|xread streams a b c 0 0 0
XREADGROUP GROUP g c STREAMS a >|XREADGROUP GROUP g c COUNT 1 NOACK STREAMS a b > >
XADD a * f v|XGROUP CREATE a g 0|XINFO STREAM a|XINFO GROUPS a|XINFO CONSUMERS a g|XACK a g 1-1
XAUTOCLAIM a g c 0 0|XCLAIM a g c 0 1-1|XPENDING a g|XRANGE a - +|XTRIM a MAXLEN 1|XLEN a
GEOADD a 1 1 m|GEORADIUS a 1 1 1 m|GEORADIUS a 1 1 1 m STORE b|GEORADIUS a 1 1 1 m STOREDIST b
GEORADIUS a 1 1 1 m STORE b STOREDIST c|GEORADIUSBYMEMBER a m 1 m STORE b|GEORADIUS_RO a 1 1 1 m
GEORADIUS a 1 1 1 m COUNT 1 ANY store b|GEOSEARCHSTORE d a FROMMEMBER m BYRADIUS 1 m
SORT a|SORT a BY x GET y GET z ALPHA|SORT a STORE d|SORT a LIMIT 0 1 STORE d|SORT a BY STORE STORE d
SORT a STORE d STORE e|SORT a GET STORE LIMIT STORE x STORE d|SORT a STORE|SORT_RO a BY x GET y
MIGRATE h 1 a 0 9|MIGRATE h 1 "" 0 9 KEYS a b|MIGRATE h 1 "" 0 9 COPY AUTH p KEYS a
MIGRATE h 1 a 0 9 REPLACE|OBJECT ENCODING a|OBJECT FREQ a|MEMORY USAGE a|MEMORY USAGE a SAMPLES 1
DUMP a|RESTORE a 0 x|RESTORE-ASKING a 0 x|EXPIRE a 1 NX|TOUCH a b|UNLINK a b|EXISTS a a|WATCH a b
HSET a f v|HRANDFIELD a 1|LMOVE a b LEFT LEFT|RPOPLPUSH a b|LPOS a b|LCS a b|SETRANGE a 0 b
PFDEBUG x a
"""
LINES = [part.strip() for line in REQUESTS.split("\n") for part in line.split("|") if part.strip()]


@pytest.fixture(scope="module")
def link(redis: Server) -> Iterator[Link]:
    """A connection to the server."""
    with Link(Address("127.0.0.1", redis.port)) as made:
        yield made


def same_keys(link: Link, argv: tuple[str, ...]) -> bool:
    """Compare the keys of a request; False where the server refuses to name them."""
    theirs = link.call("COMMAND", "GETKEYS", *argv)
    ours = [argv[i].encode() for i in traits_of(argv).key_positions(argv)]
    if isinstance(theirs, ReplyError):
        return False
    # The server names some destinations last.
    assert sorted(ours) == sorted(theirs), argv
    return True


@pytest.mark.parametrize("line", LINES)
def test_keys_stand_where_the_server_finds_them(link: Link, line: str) -> None:
    argv = tuple("" if word == '""' else word for word in line.split())
    assert same_keys(link, argv), f"the server finds no keys in {argv}"


def test_every_command_with_keys_agrees_at_its_least_length(link: Link) -> None:
    agreed = 0
    for name in known_names():
        facts = facts_of(name)
        assert facts is not None
        words = name.split()
        # Numbers are counts of keys for some and names of keys for the others.
        argv = (*words, *["1"] * max(abs(facts.arity) - len(words), 0))
        agreed += same_keys(link, argv)
    assert agreed > 150
