"""Calls that cannot be meant: each is refused in words, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import pytest

from kvclient.errors import ArgumentError, UsageError

from .fake_server import FakeServer
from .flavour import Flavour


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake
        assert not fake.sent


@pytest.fixture
def c(f: Flavour, server: FakeServer) -> Any:
    return f.client(f"kv://127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    "requests", ["PING", ["PING"], [b"PING"], [("PING",), None], [{"PING"}], [("GET", None)], [1]]
)
def test_many_takes_words_and_no_texts(f: Flavour, c: Any, requests: Any) -> None:
    with pytest.raises(ArgumentError):
        f.do(lambda: c.many(requests))


@pytest.mark.parametrize("seconds", [0, -1, nan, inf, "5", None, True])
def test_a_deadline_is_a_time(c: Any, seconds: Any) -> None:
    with pytest.raises(ArgumentError, match="deadline"):
        c.with_deadline(seconds)


@pytest.mark.parametrize("argv", [(), (None,), (("GET", "k"),), ("GET", None), ("GET", True)])
def test_execute_takes_words(f: Flavour, c: Any, argv: Any) -> None:
    with pytest.raises((ArgumentError, UsageError)):
        f.do(lambda: c.execute(*argv))


@pytest.mark.parametrize("command", ["SUBSCRIBE", "psubscribe", b"SSUBSCRIBE"])
def test_what_needs_a_connection_of_its_own_names_a_method(c: Any, command: Any) -> None:
    with pytest.raises(UsageError) as failure:
        c.execute(command, "channel")
    assert "subscribe()" in str(failure.value)
    assert callable(c.subscribe)
