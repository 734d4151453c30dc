"""What the EXPIRE family tells the log, and what it does on a follower."""

from __future__ import annotations

import pytest

from .engine import START_SECONDS, Engine

NOW_MS = int(START_SECONDS) * 1000


def logged(engine: Engine, request: str) -> list[list[bytes]]:
    """Run a request that changes something; return its effects."""
    engine.log.units.clear()
    assert engine.send(request.encode().split()) == b":1\r\n"
    assert len(engine.log.units) == 1
    return [argv for _, argv in engine.log.units[0]]


@pytest.mark.parametrize(
    ("request_", "deadline_ms"),
    [
        ("EXPIRE k 100", NOW_MS + 100_000),
        ("PEXPIRE k 7", NOW_MS + 7),
        ("EXPIREAT k 4102444800", 4102444800_000),
        ("PEXPIREAT k 4102444800001 LT", 4102444800_001),
    ],
)
def test_the_log_gets_the_absolute_deadline(request_: str, deadline_ms: int) -> None:
    engine = Engine()
    engine.send([b"SET", b"k", b"v"])
    assert logged(engine, request_) == [[b"PEXPIREAT", b"k", b"%d" % deadline_ms]]


@pytest.mark.parametrize(("lazily", "name"), [(False, b"DEL"), (True, b"UNLINK")])
@pytest.mark.parametrize(
    "request_", ["EXPIRE k 0", "PEXPIRE k -5", "PEXPIREAT k %d", "EXPIREAT k 1"]
)
def test_a_deadline_that_has_passed_is_logged_as_a_deletion(
    request_: str, lazily: bool, name: bytes
) -> None:
    engine = Engine()
    engine.node.settings.lazyfree_lazy_expire = lazily
    engine.send([b"SET", b"k", b"v"])
    assert logged(engine, request_.replace("%d", str(NOW_MS))) == [[name, b"k"]]
    assert engine.dump() == {}


def test_a_follower_keeps_a_key_whose_deadline_has_passed_until_its_leader_deletes_it() -> None:
    engine = Engine()
    engine.node.dataset.expires_keys = False
    engine.send([b"SET", b"k", b"v"])
    engine.send([b"PEXPIREAT", b"k", b"5"])
    assert engine.dump() == {(0, b"k"): (b"string", b"v", 5)}
    assert engine.send([b"GET", b"k"]) == b"$-1\r\n"
    assert engine.send([b"KEYS", b"*"]) == b"*0\r\n"
    assert engine.send([b"SCAN", b"0"]) == b"*2\r\n$1\r\n0\r\n*0\r\n"
    engine.node.check()


def test_keys_leaves_out_what_has_expired_without_dropping_it() -> None:
    engine = Engine()
    engine.send([b"SET", b"k", b"v", b"PX", b"5"])
    engine.clock.seconds += 1.0
    assert engine.send([b"KEYS", b"*"]) == b"*0\r\n"
    assert len(engine.dump()) == 1
    assert engine.send([b"SCAN", b"0"]) == b"*2\r\n$1\r\n0\r\n*0\r\n"
    assert engine.dump() == {}


def test_ttl_is_rounded_to_the_nearest_second() -> None:
    engine = Engine()
    engine.send([b"SET", b"k", b"v"])
    for milliseconds, seconds in ((1499, 1), (1500, 2), (499, 0), (2501, 3)):
        engine.send([b"PEXPIRE", b"k", b"%d" % milliseconds])
        assert engine.clock.seconds == START_SECONDS
        assert engine.send([b"TTL", b"k"]) == b":%d\r\n" % seconds
