"""COMMAND describes our commands as redis-server describes them.

Summaries, complexities and the help's sentences are our own words; the history of options and the
notes in key specifications are left out; everything else is equal, in both protocols.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from .client import Reply
from .harness import Pair

OWN_WORDS: Final = frozenset((b"summary", b"complexity", b"history"))
# Of later versions, because clients ask for them when they connect.
LATER: Final = frozenset((b"client|no-touch", b"client|setinfo"))
OURS: Final = frozenset(
    (
        b"request",
        *(b"shuffle.abort", b"shuffle.ack", b"shuffle.commit", b"shuffle.end", b"shuffle.fetch"),
        *(b"shuffle.list", b"shuffle.locate", b"shuffle.missing", b"shuffle.mpush"),
        *(b"shuffle.open", b"shuffle.ping", b"shuffle.push", b"shuffle.seal", b"shuffle.status"),
        b"shuffle.wait",
    )
)
SUBCOMMANDS: Final = 9  # the place in a row of COMMAND INFO
KEY_SPECIFICATIONS: Final = 8


def names_of(pair: Pair) -> list[bytes]:
    """The names of our commands and subcommands, of those that Redis 7.0 has."""
    ours, _ = pair.both("COMMAND", "LIST")
    return sorted(item.text() for item in ours.items() if item.value not in LATER | OURS)


def without(reply: Reply, dropped: frozenset[bytes]) -> Reply:
    """A map (or RESP2's flat array) without some of its keys."""
    kept: list[Reply] = []
    for key, value in reply.pairs():
        if key.value not in dropped:
            kept += (key, value)
    return Reply(reply.kind, tuple(kept))


def documentation(reply: Reply, known: frozenset[bytes]) -> Reply:
    """One entry of COMMAND DOCS as it must be equal, with the known subcommands in order."""
    fields: list[Reply] = []
    for key, value in without(reply, OWN_WORDS).pairs():
        kept = value
        if key.value == b"subcommands":
            rows = sorted(value.pairs())
            inner = [
                part
                for name, entry in rows
                if name.value in known
                for part in (name, documentation(entry, known))
            ]
            kept = Reply(value.kind, tuple(inner))
        fields += (key, kept)
    return Reply(reply.kind, tuple(fields))


def details(reply: Reply, known: frozenset[bytes]) -> Reply:
    """One row of COMMAND INFO as it must be equal, with the known subcommands in order."""
    if reply.value is None:
        return reply
    row = list(reply.items())
    specifications = row[KEY_SPECIFICATIONS]
    notes = frozenset((b"notes",))
    row[KEY_SPECIFICATIONS] = Reply(
        specifications.kind, tuple(without(item, notes) for item in specifications.items())
    )
    children = row[SUBCOMMANDS]
    kept = [details(child, known) for child in children.items()]
    kept = [child for child in kept if child.items()[0].value in known]
    kept.sort(key=lambda child: child.items()[0].text())
    row[SUBCOMMANDS] = Reply(children.kind, tuple(kept))
    return Reply(reply.kind, tuple(row))


def rows_of(replies: tuple[Reply, Reply], known: frozenset[bytes]) -> Iterator[list[Reply]]:
    """The rows of COMMAND or COMMAND INFO of both servers, the known ones, by name."""
    for reply in replies:
        rows = [details(row, known) for row in reply.items() if row.value is not None]
        assert reply.kind == "array"
        rows = [row for row in rows if row.items()[0].value in known]
        yield sorted(rows, key=lambda row: row.items()[0].text())


def test_every_command_of_ours_is_one_of_redis(pair: Pair) -> None:
    ours, theirs = pair.both("COMMAND", "LIST")
    assert {item.kind for item in ours.items()} == {item.kind for item in theirs.items()}
    names = {item.text() for item in ours.items()} - LATER - OURS
    assert names <= {item.text() for item in theirs.items()}
    assert len(set(ours.items())) == len(ours.items())


def test_info_is_equal_for_each_command(pair: Pair) -> None:
    names = names_of(pair)
    known = frozenset(names)
    for name in names:
        ours, theirs = rows_of(pair.both("COMMAND", "INFO", name), known)
        assert ours == theirs, name


def test_the_bare_command_and_info_list_every_command(pair: Pair) -> None:
    known = frozenset(names_of(pair))
    for request in (("COMMAND",), ("COMMAND", "INFO")):
        ours, theirs = rows_of(pair.both(*request), known)
        assert ours == theirs
        assert {row.items()[0].text() for row in ours} == {n for n in known if b"|" not in n}


def test_docs_are_equal_for_each_command(pair: Pair) -> None:
    names = names_of(pair)
    known = frozenset(names)
    for name in names:
        ours, theirs = pair.both("COMMAND", "DOCS", name)
        assert ours.kind == theirs.kind
        for (key, entry), (their_key, their_entry) in zip(
            ours.pairs(), theirs.pairs(), strict=True
        ):
            assert key == their_key
            assert documentation(entry, known) == documentation(their_entry, known), name
            assert has_summary(entry)


def has_summary(entry: Reply) -> bool:
    """Whether an entry of COMMAND DOCS begins with a sentence."""
    key, value = entry.pairs()[0]
    return key.value == b"summary" and value.text().endswith(b".")


def test_docs_of_all_commands_are_a_map_of_their_names(pair: Pair) -> None:
    known = {name for name in names_of(pair) if b"|" not in name}
    ours, theirs = pair.both("COMMAND", "DOCS")
    assert ours.kind == theirs.kind
    assert {key.text() for key, _ in ours.pairs()} == known | OURS
    both = known & {b"get", b"command"}
    shown = dict(ours.pairs())
    others = dict(theirs.pairs())
    for name in both:
        key = Reply("bulk", name)
        names = frozenset(names_of(pair))
        assert documentation(shown[key], names) == documentation(others[key], names)


def test_names_are_found_in_any_case_and_unknown_ones_are_nil(pair: Pair) -> None:
    known = frozenset(names_of(pair))
    for names in (
        ["GeT", "nope", "SET"],
        ["COMMAND|DOCS", "command|Nope", "nope|x", "get|x", "command|docs|x", "", "|", "get|"],
    ):
        ours, theirs = pair.both("COMMAND", "INFO", *names)
        assert [details(row, known) for row in ours.items()] == [
            details(row, known) for row in theirs.items()
        ]
        ours, theirs = pair.both("COMMAND", "DOCS", *names)
        assert [key for key, _ in ours.pairs()] == [key for key, _ in theirs.pairs()]
        assert ours.kind == theirs.kind


def test_count_counts_the_commands_without_subcommands(pair: Pair) -> None:
    ours, theirs = pair.both("COMMAND", "COUNT")
    assert ours.kind == theirs.kind == "integer"
    names = [name for name in names_of(pair) if b"|" not in name]
    assert ours.number() == len(names) + len(OURS)


@pytest.mark.parametrize(
    "words",
    [
        "PATTERN *get*",
        "pattern *GET*",
        "PATTERN get",
        "PATTERN command|*",
        "PATTERN nothing",
        "PATTERN [sg]et",
        "ACLCAT string",
        "ACLCAT STRING",
        "ACLCAT @string",
        "aclcat fast",
        "ACLCAT slow",
        "ACLCAT read",
        "ACLCAT write",
        "ACLCAT dangerous",
        "ACLCAT connection",
        "ACLCAT blocking",
        "ACLCAT keyspace",
        "ACLCAT nothing",
        "MODULE nothing",
        "module string",
    ],
)
def test_list_filters_by_pattern_category_and_module(pair: Pair, words: str) -> None:
    known = frozenset(names_of(pair))
    ours, theirs = pair.both("COMMAND", "LIST", "FILTERBY", *words.split())
    assert ours.kind == theirs.kind
    wanted = sorted(item.text() for item in theirs.items() if item.value in known)
    names = sorted(item.text() for item in ours.items() if item.value not in LATER | OURS)
    assert names == wanted


def test_list_refuses_what_redis_refuses(pair: Pair) -> None:
    pair.same_script("""
        COMMAND LIST x
        COMMAND LIST FILTERBY
        COMMAND LIST FILTERBY PATTERN
        COMMAND LIST FILTERBY PATTERN a b
        COMMAND LIST FILTERBY NOPE x
        COMMAND LIST NOPE PATTERN x
        COMMAND NOPE
        COMMAND COUNT x
        COMMAND HELP x
        COMMAND GETKEYS
        COMMAND GETKEYS GET
        COMMAND GETKEYSANDFLAGS GET
        COMMAND GETKEYSANDFLAGS
    """)


def test_help_has_the_forms_that_redis_has(pair: Pair) -> None:
    ours, theirs = pair.both("COMMAND", "HELP")
    forms = [
        [line for line in reply.items() if not line.text().startswith(b"    ")]
        for reply in (ours, theirs)
    ]
    assert forms[0] == forms[1]
    assert ours.kind == theirs.kind


# Requests whose keys are asked for; those of commands that we do not have are left out.
REQUESTS = """
    GET k
    GET
    get k k
    MGET a b c
    SET k v
    SET k
    SET k v GET
    SET k v get NX
    SET k v EX get
    SET k v XX
    SETNX k v
    MSET a 1 b 2
    MSET a 1 b
    MSETNX a 1 b 2
    GETRANGE k 0 1
    LCS a b
    STRLEN k
    PING x
    PING
    ECHO x
    COMMAND GETKEYS x
    COMMAND COUNT x
    COMMAND nope x
    OBJECT ENCODING k
    OBJECT ENCODING
    OBJECT x
    CONFIG GET x
    CONFIG|GET x
    OBJECT|ENCODING k
    nope x
    DEL a b c
    UNLINK a
    EXISTS a a
    TOUCH a b
    TYPE k
    RENAME a b
    RENAMENX a b
    COPY a b REPLACE
    EXPIRE k 1
    PERSIST k
    MOVE k 1
    SCAN 0
    KEYS *
    SORT k
    SORT k STORE d
    SORT k by x store d
    SORT k store a store b
    SORT k get store limit store x store
    SORT k by store store c
    SORT k store a by store b
    SORT k limit 0 store 1
    SORT_RO k
    SORT_RO k get x
    DUMP k
    RESTORE k 0 x
    MIGRATE h 1 k 0 100
    MIGRATE h 1 "" 0 100 KEYS a b
    MIGRATE h 1 "" 0 100 COPY REPLACE AUTH x KEYS a b
    MIGRATE h 1 k 0 100 KEYS a b
    HSET h f v
    HGETALL h
    HSCAN h 0
    LPUSH l a
    BLPOP a b 0
    BLPOP a 0
    BLPOP a
    LMOVE a b LEFT RIGHT
    BLMOVE a b LEFT RIGHT 0
    LMPOP 2 a b LEFT
    LMPOP 0 a LEFT
    LMPOP 3 a b LEFT
    BLMPOP 0 2 a b LEFT
    BLMPOP 0 1x a LEFT
    BLMPOP 0 x a LEFT
    SMOVE a b m
    SINTER a b
    SINTERSTORE d a b
    SINTERCARD 2 a b
    SINTERCARD 1 a LIMIT 1
    SINTERCARD 2 a
    ZADD z 1 a
    ZUNIONSTORE d 2 a b
    ZUNIONSTORE d 9 a b
    ZUNIONSTORE d -1 a b
    ZUNIONSTORE d 2abc a b
    ZUNIONSTORE d 1 a b WEIGHTS 1
    ZUNION 2 a
    ZUNION abc a
    ZUNION +1 a
    ZUNION 01 a
    ZUNION - a
    ZUNION 2 a b
    ZINTERSTORE d 2 a b
    ZDIFF 2 a b
    ZDIFFSTORE d 2 a b
    ZINTERCARD 2 a b
    ZRANGESTORE d s 0 1
    ZMPOP 1 a MIN
    BZMPOP 0 2 a b MIN
    BZPOPMIN a b 0
    SETBIT k 0 1
    BITOP AND d a b
    BITFIELD k
    BITFIELD k GET u8 0
    BITFIELD k SET u8 0 1
    BITFIELD k OVERFLOW SAT GET u8 0
    BITFIELD k GET u8
    BITFIELD k get set 0 get u8 0
    PFADD k a
    PFMERGE d a b
    EVAL x 0
    EVAL x 0 a
    EVAL x 2 a
    EVAL x 1 k a
    EVAL x 1abc k
    EVAL x abc
    EVALSHA x 1 k
    FCALL f 1 k
    GEORADIUS k 1 1 1 m
    GEORADIUS k 1 1 1 m store a storedist b
    GEORADIUS k 1 1 1 m storedist a
    GEORADIUS k 1 1 1 m store
    XADD s * f v
    XREAD STREAMS a b 1 2
    XREAD COUNT 2 STREAMS a b c d
    XREAD COUNT STREAMS 2 3
    XREAD foo bar a STREAMS
    XREADGROUP GROUP g c STREAMS a b c d
    MEMORY USAGE k
    MEMORY USAGE
    SUBSCRIBE c
    SPUBLISH c m
    WATCH a b
    FLUSHALL ASYNC
    SWAPDB 0 1
"""


def test_keys_of_requests_and_their_access(pair: Pair) -> None:
    known = {name.partition(b"|")[0] for name in names_of(pair)} | {b"nope", b"config"}
    requests = [line.split() for line in REQUESTS.splitlines()]
    for words in requests:
        if words and words[0].lower().partition("|")[0].encode() in known:
            argv = ["" if word == '""' else word for word in words]
            pair.same("COMMAND", "GETKEYS", *argv)
            pair.same("COMMAND", "GETKEYSANDFLAGS", *argv)
