"""Connections that cannot be made, or not as they were wished: each call ends, and says why."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

from kvclient.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    ProtocolError,
    ReplyError,
    Unavailable,
)

from ..wire.proxy import Proxy
from .fake_server import DROP, PARTIAL, SWALLOW, FakeServer
from .flavour import Flavour

DEADLINE_S: Final = 0.4
AMPLE_S: Final = 10.0  # much more than any deadline here: for a machine that is busy


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


def fails(f: Flavour, url: str, error: type[Exception], **options: object) -> str:
    """Say how single calls, many() and waiting ones fail: all of them alike, and in time."""
    client = f.client(url, deadline_s=DEADLINE_S, **options)
    texts = []
    for call in (
        lambda: client.get("k"),
        lambda: client.incr("n"),
        lambda: client.many([("INCR", "n"), ("GET", "k")]),
        lambda: client.blpop("l", 0.01),
    ):
        begin = time.monotonic()
        with pytest.raises(error) as failure:
            f.do(call)
        assert time.monotonic() - begin < AMPLE_S
        texts.append(str(failure.value))
    return texts[0]


def test_a_port_that_refuses(f: Flavour) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert str(port) in fails(f, f"kv://127.0.0.1:{port}", ConnectError)


def test_a_name_that_nobody_has(f: Flavour) -> None:
    fails(f, "kv://no-such-host.invalid", ConnectError)
    fails(f, f"kv://{'x' * 70}.invalid", ConnectError)


def test_a_socket_that_is_not_there(f: Flavour, tmp_path: Path) -> None:
    fails(f, f"unix://{tmp_path}/none", ConnectError)


def test_a_listener_that_nobody_serves(f: Flavour) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fails(f, f"kv://127.0.0.1:{silent.getsockname()[1]}", ConnectError)


@pytest.mark.parametrize("fault", [DROP, PARTIAL, SWALLOW])
def test_a_server_that_dies_in_hello(f: Flavour, server: FakeServer, fault: str) -> None:
    server.always["HELLO"] = fault
    fails(f, f"kv://127.0.0.1:{server.port}", ConnectError)
    assert not server.sent
    del server.always["HELLO"]
    server.faults["HELLO"] = [fault] if fault != SWALLOW else []
    f.do(lambda: f.client(f"kv://127.0.0.1:{server.port}").incr("n"))
    assert server.sent == {"INCR": 1}


def test_a_server_that_is_full_or_loading_is_asked_again(f: Flavour, server: FakeServer) -> None:
    server.faults["HELLO"] = [b"-ERR max number of clients reached\r\n", b"-LOADING soon\r\n"]
    f.do(lambda: f.client(f"kv://127.0.0.1:{server.port}").incr("n"))
    assert server.greetings["HELLO"] == 3


def test_a_wrong_password_is_said_at_once(f: Flavour, server: FakeServer) -> None:
    server.always["HELLO"] = b"-WRONGPASS invalid username-password pair\r\n"
    client = f.client(f"kv://:wrong@127.0.0.1:{server.port}", deadline_s=60.0)
    with pytest.raises(AuthenticationError):
        f.do(lambda: client.get("k"))
    assert server.greetings["HELLO"] == 1
    replies = f.do(lambda: client.many([("GET", "k"), ("INCR", "n")], raise_errors=False))
    assert [type(reply) for reply in replies] == [AuthenticationError] * 2
    with pytest.raises(AuthenticationError):
        f.do(lambda: client.blpop("l", 0.01))
    assert server.greetings["HELLO"] == 3 and not server.sent


def test_another_refusal_of_the_greeting_is_said_at_once(f: Flavour, server: FakeServer) -> None:
    server.always["SELECT"] = b"-ERR DB index is out of range\r\n"
    client = f.client(f"kv://127.0.0.1:{server.port}/99", deadline_s=60.0)
    with pytest.raises(ReplyError, match="out of range"):
        f.do(lambda: client.get("k"))


@pytest.mark.parametrize(
    "reply", [b"-ERR unknown command 'HELLO'\r\n", b"-NOPROTO unsupported protocol version\r\n"]
)
def test_a_server_without_hello_is_spoken_to_in_its_protocol(
    f: Flavour, server: FakeServer, reply: bytes
) -> None:
    server.always["HELLO"] = reply
    client = f.client(f"kv://user:secret@127.0.0.1:{server.port}/3?name=me")
    f.do(lambda: client.set("k", "v"))
    assert f.do(lambda: client.get("k")) == b"v"
    assert server.greetings == {"HELLO": 1, "AUTH": 1, "CLIENT": 1, "SELECT": 2}


def test_a_server_of_another_protocol(f: Flavour, server: FakeServer) -> None:
    server.always["HELLO"] = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    fails(f, f"kv://127.0.0.1:{server.port}", ProtocolError)


def test_a_black_hole_is_left_when_it_is_noticed(f: Flavour, server: FakeServer) -> None:
    with Proxy(server.port) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}", deadline_s=DEADLINE_S)
        f.do(lambda: client.get("k"))
        proxy.swallow()
        with pytest.raises(Unavailable):
            f.do(lambda: client.get("k"))
        proxy.heal()
        # The same client goes on, on a connection of its own making: the old one is a hole still.
        f.until(lambda: recovers(f, client))
        assert proxy.accepted >= 2


def recovers(f: Flavour, client: Any) -> bool:
    try:
        f.do(lambda: client.get("k"))
    except Unavailable:
        return False
    return True


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def serving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_tls(f: Flavour, authority: trustme.CA, tmp_path: Path) -> None:
    with FakeServer(serving(authority, "127.0.0.1")) as server:
        client = f.client(f"kvs://127.0.0.1:{server.port}?tls_ca_file={tmp_path}/ca.pem")
        value = "v" * 1_000_000
        f.do(lambda: client.set("k", value))
        assert f.do(lambda: client.get("k")) == value.encode()
        server.faults["GET"] = [DROP]
        assert f.do(lambda: client.get("k")) == value.encode()


def test_tls_that_fails(f: Flavour, authority: trustme.CA, tmp_path: Path) -> None:
    with FakeServer(serving(authority, "other.example")) as server:
        place = f"127.0.0.1:{server.port}"
        assert "certificate" in fails(f, f"kvs://{place}", ConnectError).lower()
        ca_file = f"{tmp_path}/ca.pem"
        assert "other" not in fails(f, f"kvs://{place}", ConnectError, tls_ca_file=ca_file)
        fails(f, f"kv://{place}", Unavailable)
        assert not server.sent
    with FakeServer() as plain:
        fails(f, f"kvs://127.0.0.1:{plain.port}", ConnectError)
        missing = f"kvs://127.0.0.1:{plain.port}?tls_ca_file={tmp_path}/none.pem"
        fails(f, missing, ConfigurationError)
