"""The keys of requests are found by the key specifications, and beyond them as in Redis."""

import pytest

from kvnode.command import NO_MANDATORY_KEYS, Card, KeySpec, key
from kvnode.context import Context
from kvnode.key_positions import INVALID_ARGUMENTS, has_keys, key_positions, legacy_range
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply


def handler(ctx: Context, argv: list[bytes]) -> Reply:
    return None


def card(name: str, *keys: KeySpec, flags: int = 0) -> Card:
    made = Card(name, -1, flags, handler)
    made.keys = keys
    return made


def positions(made: Card, request: str) -> list[tuple[int, str]]:
    argv = [b"" if word == '""' else word.encode() for word in request.split()]
    return key_positions(made, argv)


GET = card("GET", key(1, 1, 1, "RO"))
DEL = card("DEL", key(1, -1, 1, "RM"))
MSET = card("MSET", key(1, -1, 2, "OW"))
BLPOP = card("BLPOP", key(1, -2, 1, "RW"))
RENAME = card("RENAME", key(1, 1, 1, "RW"), key(2, 2, 1, "OW"))
LMPOP = card("LMPOP", KeySpec(1, "RW", keynum=0, first=1))
STORE = card("ZUNIONSTORE", key(1, 1, 1, "OW"), KeySpec(2, "RO", keynum=0, first=1))
EVAL = card("EVAL", KeySpec(2, "RW", keynum=0, first=1), flags=NO_MANDATORY_KEYS)
XREAD = card("XREAD", KeySpec(1, "RO", keyword="STREAMS", last=-1, limit=2))
RADIUS = card(
    "GEORADIUS",
    key(1, 1, 1, "RO"),
    KeySpec(6, "OW", keyword="STORE"),
    KeySpec(6, "OW", keyword="STOREDIST"),
)
UNKNOWN = KeySpec(0, "RO", unknown=True)
SORT = card("SORT", key(1, 1, 1, "RO"), UNKNOWN, KeySpec(0, "OW", unknown=True))
SET = card("SET", key(1, 1, 1, "RW access update variable_flags"))
BITFIELD = card("BITFIELD", key(1, 1, 1, "RW access update variable_flags"))
MIGRATE = card("MIGRATE", key(3, 3, 1, "RW"), KeySpec(-2, "RW incomplete", keyword="KEYS", last=-1))
SPUBLISH = card("SPUBLISH", key(1, 1, 1, "not_key"))
PING = card("PING")


@pytest.mark.parametrize(
    ("made", "request_", "wanted"),
    [
        (GET, "GET a", {1: "RO"}),
        (DEL, "DEL a b c", {1: "RM", 2: "RM", 3: "RM"}),
        (MSET, "MSET a 1 b 2", {1: "OW", 3: "OW"}),
        (MSET, "MSET a 1 b", {1: "OW", 3: "OW"}),
        (BLPOP, "BLPOP a b 0", {1: "RW", 2: "RW"}),
        (RENAME, "RENAME a b", {1: "RW", 2: "OW"}),
        (LMPOP, "LMPOP 2 a b LEFT", {2: "RW", 3: "RW"}),
        (STORE, "ZUNIONSTORE d 2 a b WEIGHTS 1", {1: "OW", 3: "RO", 4: "RO"}),
        (STORE, "ZUNIONSTORE d 2x a b", {3: "", 4: "", 1: ""}),
        (LMPOP, "LMPOP +1 a LEFT", {2: ""}),
        (LMPOP, "LMPOP 01 a LEFT", {2: ""}),
        (EVAL, "EVAL x 1 a arg", {3: "RW"}),
        (EVAL, "EVAL x 0 arg", {}),
        (EVAL, "EVAL x 2 a", {}),
        (EVAL, "EVAL x abc a", {}),
        (XREAD, "XREAD COUNT 1 STREAMS a b 0 0", {4: "RO", 5: "RO"}),
        (XREAD, "XREAD streams a b 0", {2: "RO"}),
        (RADIUS, "GEORADIUS k 1 1 1 m STORE a STOREDIST b", {1: "RO", 7: "OW", 9: "OW"}),
        (RADIUS, "GEORADIUS k 1 1 1 m storedist b", {1: "RO", 7: "OW"}),
        (RADIUS, "GEORADIUS k 1 1 1 m STORE", {1: "RO"}),
        (SORT, "SORT k", {1: "RO"}),
        (SORT, "SORT k BY x STORE d", {1: "RO", 5: "OW"}),
        (SORT, "SORT k STORE a STORE b", {1: "RO", 5: "OW"}),
        (SORT, "SORT k GET store LIMIT store x STORE", {1: "RO"}),
        (SET, "SET k v", {1: "OW update"}),
        (SET, "SET k v GET", {1: "RW access update"}),
        (SET, "SET k get", {1: "OW update"}),
        (BITFIELD, "BITFIELD k", {1: "RO access"}),
        (BITFIELD, "BITFIELD k OVERFLOW SAT GET u8 0", {1: "RO access"}),
        (BITFIELD, "BITFIELD k GET u8 0 INCRBY u8 0 1", {1: "RW access update"}),
        (MIGRATE, "MIGRATE h 1 k 0 9", {3: "RW"}),
        (MIGRATE, 'MIGRATE h 1 "" 0 9 KEYS a b', {7: "RW incomplete", 8: "RW incomplete"}),
    ],
)
def test_positions_and_access(made: Card, request_: str, wanted: dict[int, str]) -> None:
    assert positions(made, request_) == list(wanted.items())


@pytest.mark.parametrize(
    ("made", "request_"),
    [
        (LMPOP, "LMPOP 0 a LEFT"),
        (LMPOP, "LMPOP 9 a LEFT"),
        (LMPOP, "LMPOP -1 a LEFT"),
        (LMPOP, "LMPOP x a LEFT"),
        (LMPOP, "LMPOP - a LEFT"),
        (LMPOP, "LMPOP"),
        (STORE, "ZUNIONSTORE d 3 a b"),
        (XREAD, "XREAD a b STREAMS"),
        (XREAD, "XREAD COUNT 1 STREAMS a"),
        (MIGRATE, "MIGRATE h 1 k 0 9 KEYS a b"),
    ],
)
def test_a_request_without_the_keys_that_it_must_have_is_refused(made: Card, request_: str) -> None:
    with pytest.raises(ReplyError) as caught:
        positions(made, request_)
    assert caught.value.message == INVALID_ARGUMENTS


def test_channels_are_no_keys() -> None:
    assert has_keys(GET)
    assert has_keys(SORT)
    assert not has_keys(SPUBLISH)
    assert not has_keys(PING)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (PING, (0, 0, 0)),
        (GET, (1, 1, 1)),
        (DEL, (1, -1, 1)),
        (MSET, (1, -1, 2)),
        (BLPOP, (1, -2, 1)),
        (RENAME, (1, 2, 1)),
        (LMPOP, (0, 0, 0)),
        (STORE, (1, 1, 1)),
        (RADIUS, (1, 1, 1)),
        (SORT, (1, 1, 1)),
        (XREAD, (0, 0, 0)),
        (card("BITOP", key(2, 2, 1, "OW"), key(3, -1, 1, "RO")), (2, -1, 1)),
        (card("PFMERGE", key(1, 1, 1, "RW"), key(2, -1, 1, "RO")), (1, -1, 1)),
        (card("APART", key(1, 1, 1, "RW"), key(3, 3, 1, "RO")), (1, 1, 1)),
    ],
)
def test_first_last_and_step_follow_from_the_specifications(
    made: Card, wanted: tuple[int, int, int]
) -> None:
    assert legacy_range(made) == wanted
