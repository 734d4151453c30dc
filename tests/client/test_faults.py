"""Connections that fail before, within and after a request: what is sent again, and what is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from kvclient.aio.batch import Asked, unfinished
from kvclient.errors import (
    ConnectError,
    DeadlineExceeded,
    NotReadyError,
    OutcomeUnknown,
    ProtocolError,
    ReplyError,
    TransactionAborted,
    Unavailable,
)
from kvclient.wire.channel import Request

from .fake_server import DROP, PARTIAL, SWALLOW, FakeServer
from .flavour import Flavour

LOADING = b"-LOADING data is being read\r\n"
FORGOTTEN = b"-UNKNOWNREQUEST it is not remembered\r\n"
SHORT_S = 0.4


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


@pytest.fixture
def c(f: Flavour, server: FakeServer) -> Any:
    return f.client(f"kv://127.0.0.1:{server.port}")


def call(client: Any, name: str) -> Any:
    calls: dict[str, Any] = {
        "GET": lambda: client.get("k"),
        "SET": lambda: client.set("k", "v"),
        "DEL": lambda: client.delete("k"),
        "XREAD": lambda: client.xread({"s": "$"}, block=10),
        "EVALSHA_RO": lambda: client.script("return 1", read_only=True)(),
        "INCR": lambda: client.incr("n"),
        "LPUSH": lambda: client.lpush("l", "v"),
        "BLPOP": lambda: client.blpop("l", 0.01),
        "EVALSHA": lambda: client.script("return 1")(),
    }
    return calls[name]()


REPEATABLE = ["GET", "SET", "DEL", "XREAD", "EVALSHA_RO"]
ONCE = ["INCR", "LPUSH", "BLPOP", "EVALSHA"]


@pytest.mark.parametrize("fault", [DROP, PARTIAL])
@pytest.mark.parametrize("name", REPEATABLE)
def test_what_is_repeatable_is_sent_again(
    f: Flavour, c: Any, server: FakeServer, name: str, fault: str
) -> None:
    server.faults[name] = [fault, fault]
    f.do(lambda: call(c, name))
    assert server.sent[name] == 3


@pytest.mark.parametrize("fault", [DROP, PARTIAL])
@pytest.mark.parametrize("name", ONCE)
def test_what_is_not_is_sent_once(
    f: Flavour, c: Any, server: FakeServer, name: str, fault: str
) -> None:
    server.faults[name] = [fault]
    with pytest.raises(OutcomeUnknown, match=name):
        f.do(lambda: call(c, name))
    assert server.sent[name] == 1
    f.do(lambda: call(c, name))
    assert server.sent[name] == 2


@pytest.mark.parametrize("name", REPEATABLE + ONCE)
def test_a_connection_that_was_closed_before_costs_nothing(
    f: Flavour, c: Any, server: FakeServer, name: str
) -> None:
    f.do(lambda: call(c, name))
    server.drop_all()
    f.until(lambda: not server.connections)
    f.pause(0.02)
    f.do(lambda: call(c, name))
    assert server.sent[name] == 2


@pytest.mark.parametrize("name", ["GET", "INCR", "BLPOP"])
@pytest.mark.parametrize(
    "refusal",
    [LOADING, b"-TRYAGAIN not now\r\n", b"-CLUSTERDOWN nobody\r\n", b"-MASTERDOWN gone\r\n"],
)
def test_a_server_that_is_not_ready_is_asked_again(
    f: Flavour, c: Any, server: FakeServer, name: str, refusal: bytes
) -> None:
    server.faults[name] = [refusal, refusal]
    f.do(lambda: call(c, name))
    assert server.sent[name] == 3


@pytest.mark.parametrize("name", ["GET", "INCR", "BLPOP"])
def test_a_server_that_stays_so_is_asked_until_the_deadline(
    f: Flavour, server: FakeServer, name: str
) -> None:
    c = f.client(f"kv://127.0.0.1:{server.port}?deadline={SHORT_S}&backoff_max=0.02")
    server.always[name] = LOADING
    # The deadline may come between the last request and its reply.
    with pytest.raises((NotReadyError, DeadlineExceeded, OutcomeUnknown)):
        f.do(lambda: call(c, name))
    assert server.sent[name] > 2


def test_many_are_judged_one_by_one(f: Flavour, c: Any, server: FakeServer) -> None:
    requests = [("SET", "a", 1), ("INCR", "n"), ("GET", "a"), ("INCR", "n"), ("DEL", "a")]
    server.faults["INCR"] = [b":1\r\n", DROP]
    replies = f.do(lambda: c.many(requests, raise_errors=False))
    assert replies[:3] == ["OK", 1, b"1"] or replies[:3] == [b"OK", 1, b"1"]
    assert isinstance(replies[3], OutcomeUnknown)
    assert replies[4] == 1
    assert server.sent == {"SET": 1, "INCR": 2, "GET": 1, "DEL": 1}


def test_a_pipeline_is_judged_one_by_one(f: Flavour, c: Any, server: FakeServer) -> None:
    pipeline: Any = c.pipeline()
    results = [pipeline.set("a", "1"), pipeline.get("a"), pipeline.incr("n"), pipeline.get("a")]
    server.faults["GET"] = [PARTIAL]
    replies = f.do(lambda: pipeline.execute(raise_errors=False))
    assert replies[:2] == [True, b"1"] and replies[3] == b"1"
    with pytest.raises(OutcomeUnknown):
        assert results[2].value
    assert server.sent["SET"] == 1 and server.sent["INCR"] <= 1 and server.sent["GET"] >= 3


def test_many_errors_stand_in_their_places(f: Flavour, server: FakeServer) -> None:
    c = f.client(f"kv://127.0.0.1:{server.port}?deadline={SHORT_S}")
    server.faults["GET"] = [b"-ERR no\r\n"]
    server.always["INCR"] = SWALLOW
    replies = f.do(
        lambda: c.many(
            [("GET", "a"), ("SET", "a", 1), ("INCR", "n"), ("GET", "a")], raise_errors=False
        )
    )
    assert isinstance(replies[0], ReplyError) and replies[1] in ("OK", b"OK")
    assert isinstance(replies[2], OutcomeUnknown) and isinstance(
        replies[3], Unavailable | type(None) | bytes
    )


def test_a_request_that_is_not_ready_among_many_is_sent_again(
    f: Flavour, c: Any, server: FakeServer
) -> None:
    server.faults["INCR"] = [b":7\r\n", LOADING, LOADING]
    assert f.do(lambda: c.many([("INCR", "a"), ("INCR", "b"), ("INCR", "c")])) == [7, 1, 1]
    assert server.sent["INCR"] == 5


@pytest.mark.parametrize("name", ["MULTI", "INCR", "EXEC"])
@pytest.mark.parametrize("fault", [DROP, PARTIAL])
def test_a_transaction_is_sent_once(
    f: Flavour, c: Any, server: FakeServer, name: str, fault: str
) -> None:
    transaction: Any = c.transaction()
    transaction.incr("n")
    server.faults[name] = [fault]
    with pytest.raises(OutcomeUnknown):
        f.do(transaction.execute)
    assert server.sent["MULTI"] == 1


def test_a_transaction_of_which_nothing_was_executed_is_sent_again(
    f: Flavour, c: Any, server: FakeServer
) -> None:
    transaction: Any = c.transaction()
    transaction.incr("n")
    server.faults["INCR"] = [LOADING]
    server.faults["EXEC"] = [b"-EXECABORT for previous errors\r\n"]
    assert f.do(transaction.execute) == [1]
    assert server.sent["EXEC"] == 2


def test_a_watched_transaction_that_is_lost_has_an_unknown_outcome(
    f: Flavour, c: Any, server: FakeServer
) -> None:
    if f.is_async:

        async def lose_async() -> None:
            client: Any = c
            async with client.watch("k") as watch:
                await watch.get("k")
                transaction = watch.transaction()
                transaction.incr("n")
                await transaction.execute()

        lose: Any = lose_async
    else:

        def lose_blocking() -> None:
            with c.watch("k") as watch:
                watch.get("k")
                transaction = watch.transaction()
                transaction.incr("n")
                transaction.execute()

        lose = lose_blocking

    server.faults["EXEC"] = [DROP]
    with pytest.raises(OutcomeUnknown, match="EXEC"):
        f.do(lose)
    server.faults["GET"] = [DROP]
    with pytest.raises(Unavailable):
        f.do(lose)
    server.faults["WATCH"] = [DROP, LOADING]
    f.do(lose)
    server.faults["EXEC"] = [b"*-1\r\n"]
    with pytest.raises(TransactionAborted):
        f.do(lose)
    assert server.sent["EXEC"] == 3


def test_a_watch_whose_connection_was_closed_sends_no_transaction(
    f: Flavour, c: Any, server: FakeServer
) -> None:
    watch = c.watch("k")
    f.do(watch.__aenter__ if f.is_async else watch.__enter__)
    server.drop_all()
    f.until(lambda: not server.connections)
    f.pause(0.02)
    transaction = watch.transaction()
    transaction.incr("n")
    with pytest.raises(ConnectError):
        f.do(transaction.execute)
    assert not server.sent["EXEC"]


@pytest.mark.parametrize("count", [0, 2])
def test_a_transaction_with_another_count_of_replies_is_none(
    f: Flavour, c: Any, server: FakeServer, count: int
) -> None:
    server.faults["EXEC"] = [b"*%d\r\n" % count + b":1\r\n" * count]
    transaction = c.transaction()
    transaction.incr("n")
    with pytest.raises(ProtocolError, match="EXEC"):
        f.do(transaction.execute)


def test_an_unknown_script_is_sent_by_its_source(f: Flavour, c: Any, server: FakeServer) -> None:
    server.faults["EVALSHA"] = [b"-NOSCRIPT none\r\n"]
    f.do(lambda: call(c, "EVALSHA"))
    assert server.sent == {"EVALSHA": 1, "EVAL": 1}


@pytest.mark.parametrize("name", ["GET", "INCR", "BLPOP", "XREAD"])
def test_a_server_that_stops_to_answer_does_not_hold_up_what_comes_after(
    f: Flavour, server: FakeServer, name: str
) -> None:
    c = f.client(f"kv://127.0.0.1:{server.port}?deadline={SHORT_S}")
    f.do(lambda: call(c, name))
    server.faults[name] = [SWALLOW]
    with pytest.raises(Unavailable if name in REPEATABLE else OutcomeUnknown):
        f.do(lambda: call(c, name))
    assert server.sent[name] == 2
    f.do(lambda: call(c, name))
    f.do(lambda: c.set("k", "v"))


@pytest.mark.parametrize(
    "reply", [b"?nonsense\r\n", b"$x\r\n", b":1x\r\n", b"*2\r\n:x\r\n", b"HTTP/1.1 400 Bad\r\n"]
)
def test_a_reply_that_is_none_ends_the_connection(
    f: Flavour, c: Any, server: FakeServer, reply: bytes
) -> None:
    server.faults["INCR"] = [reply]
    with pytest.raises(ProtocolError):
        f.do(lambda: c.incr("n"))
    assert server.sent["INCR"] == 1
    assert f.do(lambda: c.get("none")) is None


@pytest.mark.parametrize("surplus", [b":2\r\n", b"*1\r\n:1\r\n", b"nonsense"])
def test_a_reply_that_nobody_asked_for_is_given_to_nobody(
    f: Flavour, c: Any, server: FakeServer, surplus: bytes
) -> None:
    server.faults["INCR"] = [b":1\r\n" + surplus]
    with contextlib.suppress(ProtocolError):
        assert f.do(lambda: c.incr("n")) == 1
    f.pause(0.02)
    with contextlib.suppress(ProtocolError):
        assert f.do(lambda: c.get("k")) is None
    assert f.do(lambda: c.get("k")) is None


@pytest.mark.parametrize("way", ["call", "many", "transaction"])
def test_a_number_that_was_sent_and_is_forgotten_has_an_unknown_outcome(
    f: Flavour, way: str
) -> None:
    """It was executed perhaps, whatever was said to its repetitions on the way."""
    with FakeServer() as server:
        # The first one is for an id.
        server.faults["REQUEST"] = [b"$2\r\nid\r\n", DROP, LOADING, FORGOTTEN]
        client = f.client(f"kv://127.0.0.1:{server.port}?exactly_once=yes&backoff_min=0.01")

        def in_transaction() -> Any:
            queue = client.transaction()
            queue.incr("n")
            return queue.execute()

        calls = {
            "call": lambda: client.incr("n"),
            "many": lambda: client.many([("INCR", "n")]),
            "transaction": in_transaction,
        }
        with pytest.raises(OutcomeUnknown, match="remembers no reply"):
            f.do(calls[way])
        assert server.sent["REQUEST"] == 4


def test_a_redirected_request_that_was_lost_was_sent() -> None:
    request = Request((b"INCR", b"n"), None, None, 0.0)
    asked = Asked(request, lambda request, error: False).request
    asked.was_sent = True
    assert unfinished(asked, lambda argv: None) == [request]
    assert request.was_sent


def test_a_reply_that_comes_while_nobody_waits_is_given_to_nobody(
    f: Flavour, c: Any, server: FakeServer
) -> None:
    f.do(lambda: c.set("k", "v"))
    for connection in server.connections:
        connection.sendall(b":2\r\n")
    f.pause(0.02)
    assert f.do(lambda: c.incr("n")) == 1
    assert server.accepted == 2


def test_a_negative_timeout_is_refused_by_the_server(
    f: Flavour, c: Any, server: FakeServer
) -> None:
    server.faults["BLPOP"] = [b"-ERR timeout is negative\r\n"]
    with pytest.raises(ReplyError, match="negative"):
        f.do(lambda: c.blpop("l", -10))
