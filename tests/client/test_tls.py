"""TLS with a real redis-server, by certificates made here: who is trusted, and who is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from kvclient.errors import ConfigurationError, ConnectError, KvError

from ..wire.servers import free_port, redis_server
from .certificates import make_authority, make_certificate
from .flavour import Flavour

LARGE: Final = b"x" * 3_000_000


@dataclass
class Place:
    """Where the certificates are, and the ports: of a server for all, and of one for the known."""

    folder: Path
    open_port: int
    closed_port: int

    def options(self, ca: str = "ca", own: str | None = None) -> dict[str, Any]:
        """Options by the names of certificates."""
        options: dict[str, Any] = {"tls_ca_file": str(self.folder / f"{ca}.pem")}
        if own is not None:
            options["tls_cert_file"] = str(self.folder / f"{own}.pem")
            options["tls_key_file"] = str(self.folder / f"{own}.key")
        return options


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("certificates")
    known, stranger = make_authority(folder, "ca"), make_authority(folder, "stranger")
    make_certificate(folder, "server", known, "127.0.0.1", "kv.example")
    make_certificate(folder, "me", known, "me")
    make_certificate(folder, "intruder", stranger, "me")
    files = ("cert", "server.pem"), ("key", "server.key"), ("ca-cert", "ca.pem")
    words = [word for kind, name in files for word in (f"--tls-{kind}-file", str(folder / name))]
    ports = free_port(), free_port()
    with (
        redis_server(*words, "--tls-port", str(ports[0]), "--tls-auth-clients", "no"),
        redis_server(*words, "--tls-port", str(ports[1]), "--tls-auth-clients", "yes"),
    ):
        yield Place(folder, *ports)


def client_of(f: Flavour, port: int, **options: Any) -> Any:
    return f.client(f"kvs://127.0.0.1:{port}", deadline_s=10.0, **options)


def fails(f: Flavour, port: int, **options: Any) -> str:
    client = f.client(f"kvs://127.0.0.1:{port}", deadline_s=0.5, **options)
    with pytest.raises(KvError) as failure:
        f.do(lambda: client.get("k"))
    assert isinstance(failure.value, ConnectError), repr(failure.value)
    return str(failure.value)


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_trusted_server_is_used_like_any_other(f: Flavour, place: Place, protocol: int) -> None:
    c = client_of(f, place.open_port, protocol=protocol, **place.options())
    assert f.do(lambda: c.set("k", LARGE)) is True
    assert f.do(lambda: c.get("k")) == LARGE
    assert f.do(lambda: c.many([("ECHO", LARGE)] * 3)) == [LARGE] * 3
    f.do(lambda: c.delete("n", "l"))
    assert f.do(lambda: c.many([("INCR", "n")] * 5000)) == [*range(1, 5001)]
    assert f.do(lambda: c.blpop("l", 0.01)) is None
    # The connection is noticed to be closed before something is sent into it.
    killed = f.do(lambda: c.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
    assert killed >= 0
    assert f.do(lambda: c.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")) >= 1
    f.pause(0.02)
    assert f.do(lambda: c.incr("n")) == 5001


def test_a_server_of_an_unknown_authority_is_refused(f: Flavour, place: Place) -> None:
    for options in (place.options("stranger"), {}):
        assert "certificate" in fails(f, place.open_port, **options).lower()


def test_the_name_in_the_certificate_must_fit(f: Flavour, place: Place) -> None:
    named = {**place.options(), "tls_server_name": "kv.example"}
    assert f.do(client_of(f, place.open_port, **named).ping)
    named["tls_server_name"] = "other.example"
    assert "certificate" in fails(f, place.open_port, **named).lower()
    assert f.do(client_of(f, place.open_port, tls_verify=False).ping)


def test_a_server_may_ask_who_the_client_is(f: Flavour, place: Place) -> None:
    assert f.do(client_of(f, place.closed_port, **place.options(own="me")).ping)
    fails(f, place.closed_port, **place.options())
    fails(f, place.closed_port, **place.options(own="intruder"))


def test_files_that_do_not_fit_are_named(f: Flavour, place: Place) -> None:
    wrong = {**place.options(own="me"), "tls_key_file": str(place.folder / "server.key")}
    client = client_of(f, place.open_port, **wrong)
    with pytest.raises(ConfigurationError, match="tls_cert_file"):
        f.do(lambda: client.get("k"))


def test_without_tls_a_tls_port_answers_nothing(f: Flavour, place: Place) -> None:
    client = f.client(f"kv://127.0.0.1:{place.open_port}", deadline_s=0.5)
    with pytest.raises(KvError):
        f.do(lambda: client.get("k"))
