"""Requests for several nodes in one call: they work at the same time, and fail by themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest

from kvclient.errors import ConnectError, OutcomeUnknown, Unavailable

from .fake_server import DROP, SWALLOW, FakeServer
from .flavour import Flavour

WAIT_S: Final = 5.0
KEYS: Final = [f"k{n}" for n in range(50)]


class Neighbour(FakeServer):
    """Answers no GET before its neighbour has received one."""

    def __init__(self) -> None:
        super().__init__()
        self.was_asked = threading.Event()
        self.neighbour = self

    def _reply(self, argv: list[bytes]) -> bytes:
        if argv[0] == b"GET":
            self.was_asked.set()
            assert self.neighbour.was_asked.wait(WAIT_S), "one node after another"
        return super()._reply(argv)


@pytest.fixture
def pair() -> Iterator[tuple[Neighbour, Neighbour]]:
    with Neighbour() as one, Neighbour() as other:
        one.neighbour, other.neighbour = other, one
        yield one, other


def ring(f: Flavour, *servers: FakeServer, **options: Any) -> Any:
    places = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f.client(f"kv://{places}?mode=ring", **options)


def test_nodes_work_side_by_side(f: Flavour, pair: tuple[Neighbour, Neighbour]) -> None:
    client = ring(f, *pair)
    requests = [("GET", key) for key in KEYS]
    assert f.do(lambda: client.many(requests)) == [None] * len(KEYS)
    assert all(server.sent["GET"] for server in pair)


def test_a_batch_of_many_slices_on_each_node(f: Flavour) -> None:
    with FakeServer() as one, FakeServer() as other:
        client = ring(f, one, other, deadline_s=30.0)
        requests = [("SET", f"k{n}", b"x" * 500) for n in range(5000)]
        assert f.do(lambda: client.many(requests)) == [b"OK"] * 5000
        values = f.do(lambda: client.many([("GET", f"k{n}") for n in range(5000)]))
        assert values == [b"x" * 500] * 5000
        assert one.sent["SET"] + other.sent["SET"] == 5000


def test_one_node_s_loss_is_not_the_other_s(f: Flavour) -> None:
    with FakeServer() as one, FakeServer() as other:
        client = ring(f, one, other)
        one.faults["INCR"] = [DROP]
        requests = [("INCR", key) for key in KEYS] + [("GET", "none")]
        replies = f.do(lambda: client.many(requests, raise_errors=False))
        lost = [reply for reply in replies if isinstance(reply, OutcomeUnknown)]
        assert replies[:-1].count(1) == len(KEYS) - len(lost) == other.sent["INCR"]
        assert one.sent["INCR"] == 1 and replies[-1] is None


def test_a_node_that_is_away_or_silent_fails_alone(f: Flavour) -> None:
    with FakeServer() as one, FakeServer() as other:
        client = ring(f, one, other, deadline_s=0.5)
        requests = [("GET", key) for key in KEYS]
        one.always["GET"] = SWALLOW
        replies = f.do(lambda: client.many(requests, raise_errors=False))
        assert {type(reply) for reply in replies if reply is not None} < {*subclasses(Unavailable)}
        assert replies.count(None) == other.sent["GET"] > 0
        one.always["HELLO"] = DROP
        one.drop_all()
        replies = f.do(lambda: client.many(requests, raise_errors=False))
        assert {type(reply) for reply in replies if reply is not None} == {ConnectError}


def test_a_node_that_always_drops_is_left_at_the_deadline(f: Flavour) -> None:
    with FakeServer() as one, FakeServer() as other:
        client = ring(f, one, other, deadline_s=0.5)
        one.always["GET"] = DROP
        requests = [("GET", key) for key in KEYS]
        replies = f.do(lambda: client.many(requests, raise_errors=False))
        assert replies.count(None) == other.sent["GET"] > 0
        failures = [reply for reply in replies if reply is not None]
        assert all(isinstance(reply, Unavailable) for reply in failures)
        assert one.accepted < 100, "attempts without pauses"


def subclasses(kind: type) -> list[type]:
    return [kind, *kind.__subclasses__()]
