"""What the client knows of a command: its keys, whether it may be repeated, what it would leave."""

from __future__ import annotations

import pytest

from kvclient.traits import traits_of
from kvprotocol.facts import known_names


def positions(request_: str) -> list[int]:
    argv = tuple("" if word == '""' else word for word in request_.split())
    return traits_of(argv).key_positions(argv)


@pytest.mark.parametrize("name", known_names())
def test_the_traits_of_every_command_hold_together(name: str) -> None:
    traits = traits_of(tuple(name.split()))
    assert traits.name == name
    assert traits.is_known
    traits.check()


@pytest.mark.parametrize(
    "argv", [("GET", "k"), ("get", "k"), (b"GET", b"k"), (b"gEt", "k"), (bytearray(b"GET"), "k")]
)
def test_a_name_may_be_text_or_bytes_in_any_case(argv: tuple[object, ...]) -> None:
    assert traits_of(argv) is traits_of(("GET",))


@pytest.mark.parametrize(
    "argv",
    [("CLIENT", "TRACKING", "on"), (b"client", "tracking"), ("Client", b"Tracking")],
)
def test_a_subcommand_has_traits_of_its_own(argv: tuple[object, ...]) -> None:
    assert traits_of(argv) is traits_of(("CLIENT", "TRACKING"))
    assert traits_of(argv).name == "CLIENT TRACKING"


def test_a_container_alone_and_with_a_strange_subcommand_has_the_containers_traits() -> None:
    assert traits_of(("CLIENT",)).name == "CLIENT"
    assert traits_of(("CLIENT", "DANCE")).name == "CLIENT"
    assert traits_of(("CLIENT TRACKING",)).is_known is False


def test_an_unknown_command_gets_cautious_traits() -> None:
    argv = ("JSON.SET", "k", "$", "1")
    traits = traits_of(argv)
    traits.check()
    assert not traits.is_known
    assert traits.is_write
    assert not traits.is_read
    assert not traits.is_idempotent(argv)
    assert not traits.blocks(argv)
    assert traits.key_positions(argv) == [1]
    assert traits.key_positions(("JSON.SET",)) == []
    assert traits.state_refusal is None


def test_many_made_up_names_are_not_all_remembered() -> None:
    for i in range(6000):
        assert traits_of((f"MADEUP.{i}",)).name == f"MADEUP.{i}"
    assert traits_of(("MADEUP.1",)) is traits_of(("MADEUP.1",))
    assert traits_of(("MADEUP.5999",)) is not traits_of(("MADEUP.5999",))
    assert traits_of(("STRLEN", "k")) is traits_of((b"strlen", "k"))


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ("GET a", [1]),
        ("GET", []),
        ("MGET a b c", [1, 2, 3]),
        ("MSET a 1 b 2", [1, 3]),
        ("BLPOP a b 0", [1, 2]),
        ("RENAME a b", [1, 2]),
        ("BITOP AND d a b", [2, 3, 4]),
        ("LMPOP 2 a b LEFT", [2, 3]),
        ("LMPOP 9 a LEFT", []),
        ("LMPOP x a LEFT", []),
        ("LMPOP", []),
        ("BLMPOP 0 2 a b LEFT", [3, 4]),
        ("ZUNIONSTORE d 2 a b WEIGHTS 1", [1, 3, 4]),
        ("EVAL x 1 a arg", [3]),
        ("EVAL x 0 arg", []),
        ("EVALSHA_RO x 2 a b c", [3, 4]),
        ("FCALL f 1 a", [3]),
        ("XREAD COUNT 1 STREAMS a b 0 0", [4, 5]),
        ("xread streams a b 0", [2]),
        ("XREADGROUP GROUP g c STREAMS a >", [5]),
        ("XINFO STREAM a", [2]),
        ("OBJECT ENCODING a", [2]),
        ("GEORADIUS k 1 1 1 m STORE a", [1, 7]),
        ("GEORADIUS k 1 1 1 m STORE", [1]),
        ("SORT k BY x GET y STORE d", [1, 7]),
        ("SORT k STORE a STORE b", [1, 5]),
        ("SORT k GET store LIMIT store x STORE", [1]),
        ("SORT_RO k BY x", [1]),
        ("MIGRATE h 1 k 0 9", [3]),
        ('MIGRATE h 1 "" 0 9 KEYS a b', [7, 8]),
        ("MIGRATE h 1 k 0 9 KEYS a b", []),
        ("SPUBLISH c m", []),
        ("PING", []),
        ("DBSIZE", []),
    ],
)
def test_key_positions(request_: str, wanted: list[int]) -> None:
    assert positions(request_) == wanted


def test_a_shard_channel_decides_the_place_but_is_no_key() -> None:
    argv = ("SPUBLISH", "news", "m")
    assert traits_of(argv).placed_positions(argv) == [1]
    assert traits_of(argv).key_positions(argv) == []


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ("GET k", True),
        ("SET k v", True),
        ("SET k v EX 10", True),
        ("SET k v NX", False),
        ("SET k v get", False),
        ("INCR k", False),
        ("EXPIRE k 10", True),
        ("EXPIRE k 10 gt", False),
        ("ZADD k 1 m", True),
        ("ZADD k INCR 1 m", False),
        ("SORT k", True),
        ("SORT k STORE d", False),
        ("EVAL x 0", False),
        ("EVALSHA x 0", False),
        ("FCALL f 0", False),
        ("EVAL_RO x 0", True),
        ("EVALSHA_RO x 0", True),
        ("FCALL_RO f 0", True),
        ("LPUSH k v", False),
        ("PUBLISH c m", False),
        ("DEL k", True),
    ],
)
def test_what_may_be_repeated(request_: str, wanted: bool) -> None:
    argv = tuple(request_.split())
    assert traits_of(argv).is_idempotent(argv) is wanted


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ("BLPOP k 0", True),
        ("BZMPOP 0 1 k MIN", True),
        ("WAIT 1 0", True),
        ("XREAD STREAMS k 0", False),
        ("XREAD BLOCK 0 STREAMS k $", True),
        ("XREAD COUNT 1 block 0 STREAMS k $", True),
        ("XREAD STREAMS BLOCK 0", False),
        ("XREADGROUP GROUP BLOCK c STREAMS k >", False),
        ("XREADGROUP GROUP g c NOACK BLOCK 5 STREAMS k >", True),
        ("GET k", False),
        ("LPOP k", False),
    ],
)
def test_what_may_wait(request_: str, wanted: bool) -> None:
    argv = tuple(request_.split())
    assert traits_of(argv).blocks(argv) is wanted


@pytest.mark.parametrize("name", ["SET", "EVAL", "FCALL", "SORT", "FLUSHALL", "XGROUP", "JSON.SET"])
def test_what_may_write(name: str) -> None:
    assert traits_of((name,)).is_write
    assert not traits_of((name,)).is_read


@pytest.mark.parametrize("name", ["GET", "EVAL_RO", "SORT_RO", "XREAD", "SCAN"])
def test_what_only_reads(name: str) -> None:
    assert traits_of((name,)).is_read
    assert not traits_of((name,)).is_write


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        ("MULTI", "pipeline()"),
        ("exec", "transaction()"),
        ("DISCARD", "transaction()"),
        ("WATCH k", "transaction()"),
        ("UNWATCH", "transaction()"),
        ("SELECT 1", "option db"),
        ("MONITOR", "redis-cli"),
        ("SUBSCRIBE c", "subscribe()"),
        ("PUNSUBSCRIBE", "subscribe()"),
        ("SSUBSCRIBE c", "subscribe()"),
        ("HELLO 3", "option protocol"),
        ("AUTH p", "options username and password"),
        ("RESET", "close()"),
        ("QUIT", "close()"),
        ("client tracking ON", "option cache_bytes_max"),
        ("CLIENT REPLY OFF", "other callers"),
        ("CLIENT NO-EVICT on", "every caller"),
        ("CLIENT SETNAME n", "option client_name"),
        ("PSYNC ? -1", "follower"),
        ("ASKING", "read_from"),
        ("READONLY", "read_from"),
        ("SCRIPT DEBUG YES", "every caller"),
    ],
)
def test_what_would_leave_state_is_refused_with_the_right_call(request_: str, pointer: str) -> None:
    traits = traits_of(tuple(request_.split()))
    assert traits.state_refusal is not None
    assert traits.state_refusal.startswith(f"{traits.name} ")
    assert pointer in traits.state_refusal
    assert "\n" not in traits.state_refusal


@pytest.mark.parametrize(
    "request_", ["GET k", "CLIENT ID", "CLIENT LIST", "CONFIG GET x", "WAIT 1 0"]
)
def test_other_commands_are_not_refused(request_: str) -> None:
    assert traits_of(tuple(request_.split())).state_refusal is None
