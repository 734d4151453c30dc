"""What the EXPIRE family tells the log, and what it does on a follower."""

from __future__ import annotations

import pytest

from .embedded import START_SECONDS, Embedded

NOW_MS = int(START_SECONDS) * 1000


def logged(embedded: Embedded, request: str) -> list[list[bytes]]:
    """Run a request that changes something; return its effects."""
    embedded.log.units.clear()
    assert embedded.send(request.encode().split()) == b":1\r\n"
    assert len(embedded.log.units) == 1
    return [argv for _, argv in embedded.log.units[0]]


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
    embedded = Embedded()
    embedded.send([b"SET", b"k", b"v"])
    assert logged(embedded, request_) == [[b"PEXPIREAT", b"k", b"%d" % deadline_ms]]


@pytest.mark.parametrize(("lazily", "name"), [(False, b"DEL"), (True, b"UNLINK")])
@pytest.mark.parametrize(
    "request_", ["EXPIRE k 0", "PEXPIRE k -5", "PEXPIREAT k %d", "EXPIREAT k 1"]
)
def test_a_deadline_that_has_passed_is_logged_as_a_deletion(
    request_: str, lazily: bool, name: bytes
) -> None:
    embedded = Embedded()
    embedded.node.settings.lazyfree_lazy_expire = lazily
    embedded.send([b"SET", b"k", b"v"])
    assert logged(embedded, request_.replace("%d", str(NOW_MS))) == [[name, b"k"]]
    assert embedded.dump() == {}


def test_a_follower_keeps_a_key_whose_deadline_has_passed_until_its_leader_deletes_it() -> None:
    embedded = Embedded()
    embedded.node.dataset.expires_keys = False
    embedded.send([b"SET", b"k", b"v"])
    embedded.send([b"PEXPIREAT", b"k", b"5"])
    assert embedded.dump() == {(0, b"k"): (b"string", b"v", 5)}
    assert embedded.send([b"GET", b"k"]) == b"$-1\r\n"
    assert embedded.send([b"KEYS", b"*"]) == b"*0\r\n"
    assert embedded.send([b"SCAN", b"0"]) == b"*2\r\n$1\r\n0\r\n*0\r\n"
    embedded.node.check()


def test_keys_leaves_out_what_has_expired_without_dropping_it() -> None:
    embedded = Embedded()
    embedded.send([b"SET", b"k", b"v", b"PX", b"5"])
    embedded.clock.seconds += 1.0
    assert embedded.send([b"KEYS", b"*"]) == b"*0\r\n"
    assert len(embedded.dump()) == 1
    assert embedded.send([b"SCAN", b"0"]) == b"*2\r\n$1\r\n0\r\n*0\r\n"
    assert embedded.dump() == {}


def test_ttl_is_rounded_to_the_nearest_second() -> None:
    embedded = Embedded()
    embedded.send([b"SET", b"k", b"v"])
    for milliseconds, seconds in ((1499, 1), (1500, 2), (499, 0), (2501, 3)):
        embedded.send([b"PEXPIRE", b"k", b"%d" % milliseconds])
        assert embedded.clock.seconds == START_SECONDS
        assert embedded.send([b"TTL", b"k"]) == b":%d\r\n" % seconds
