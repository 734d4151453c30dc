"""TLS: who is let in, what a plain peer sees, and certificates that change while the node runs."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Final

import pytest
import trustme

from .processes import (
    END_SECONDS,
    START_SECONDS,
    Start,
    ask,
    free_port,
    receive,
    start,
    wait_for_line,
)

__all__ = ["start"]  # the fixture

HOST: Final = "127.0.0.1"


class Certificates:
    """An authority, a node's certificate and a client's, as files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "ca.pem")
        self.issue("node", HOST)
        self.issue("client", "client.example")

    def issue(self, name: str, identity: str) -> None:
        """Write NAME.pem and NAME.key."""
        made = self.authority.issue_cert(identity)
        made.private_key_pem.write_to_path(self.folder / f"{name}.key")
        chain = b"".join(part.bytes() for part in made.cert_chain_pems)
        (self.folder / f"{name}.pem").write_bytes(chain)

    def directives(self, tls_port: int, **more: str) -> list[str]:
        """The words that make a node serve TLS on a port."""
        values = {
            "port": "0",
            "tls_port": str(tls_port),
            "tls_cert_file": "node.pem",
            "tls_key_file": "node.key",
            "tls_ca_cert_file": "ca.pem",
            **more,
        }
        words: list[str] = []
        for name, value in values.items():
            words += ["--" + name.replace("_", "-"), value]
        return words

    def client(self, *, known: bool = True) -> ssl.SSLContext:
        """A client's context; one that is known shows a certificate."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if known:
            context.load_cert_chain(self.folder / "client.pem", self.folder / "client.key")
        return context


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def connected(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    """A connection whose handshake is over."""
    plain = socket.create_connection((HOST, port), timeout=END_SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname=HOST)
    except BaseException:
        plain.close()
        raise


def talk(context: ssl.SSLContext, port: int, request: bytes, size: int) -> bytes:
    """Send a request over TLS and read this many bytes."""
    with connected(context, port) as client:
        client.sendall(request)
        return receive(client, size)


def serial(context: ssl.SSLContext, port: int) -> object:
    """The serial number of the certificate that the node shows."""
    with connected(context, port) as client:
        shown = client.getpeercert()
        assert shown is not None
        return shown["serialNumber"]


def test_a_client_with_a_certificate_is_served(start: Start, certificates: Certificates) -> None:
    port = free_port()
    node = start(*certificates.directives(port))
    log = wait_for_line(node, b"event=ready")
    assert b"redis-cli --tls -p %d" % port in log
    value = b"x" * 1_000_000  # many records each way
    request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n" + value + b"\r\nGET k\r\n"
    reply = talk(certificates.client(), port, request, 5 + 10 + len(value) + 2)
    assert reply == b"+OK\r\n$1000000\r\n" + value + b"\r\n"


def test_a_quit_is_answered_and_ends_in_a_clean_farewell(
    start: Start, certificates: Certificates
) -> None:
    port = free_port()
    node = start(*certificates.directives(port))
    wait_for_line(node, b"event=ready")
    # An end without farewell would be an SSLEOFError here.
    assert talk(certificates.client(), port, b"PING\r\nQUIT\r\n", 1000) == b"+PONG\r\n+OK\r\n"


@pytest.mark.parametrize(("asked", "is_served"), [("yes", False), ("optional", True), ("no", True)])
def test_a_client_without_a_certificate_is_served_only_where_none_is_asked_for(
    start: Start, certificates: Certificates, asked: str, is_served: bool
) -> None:
    port = free_port()
    node = start(*certificates.directives(port, tls_auth_clients=asked))
    wait_for_line(node, b"event=ready")
    stranger = certificates.client(known=False)
    if is_served:
        assert talk(stranger, port, b"PING\r\n", 7) == b"+PONG\r\n"
        return
    with pytest.raises(OSError, match=r"certificate required|reset"):
        talk(stranger, port, b"PING\r\n", 7)
    wait_for_line(node, b"reason=tls-peer-did-not-return-a-certificate")


def test_a_certificate_of_another_authority_is_refused(
    start: Start, certificates: Certificates, tmp_path: Path
) -> None:
    port = free_port()
    node = start(*certificates.directives(port))
    wait_for_line(node, b"event=ready")
    (tmp_path / "foreign").mkdir()
    foreign = Certificates(tmp_path / "foreign")
    context = certificates.client(known=False)
    context.load_cert_chain(foreign.folder / "client.pem", foreign.folder / "client.key")
    with pytest.raises(OSError, match=r"unknown ca|reset"):
        talk(context, port, b"PING\r\n", 7)


@pytest.mark.parametrize("request_", [b"PING\r\n", b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01"])
def test_a_plain_peer_of_the_tls_port_is_cut_off_and_the_node_serves_on(
    start: Start, certificates: Certificates, request_: bytes
) -> None:
    port = free_port()
    node = start(*certificates.directives(port))
    wait_for_line(node, b"event=ready")
    with socket.create_connection((HOST, port), timeout=END_SECONDS) as client:
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        received = b""
        while data := client.recv(1000):
            received += data
    assert b"PONG" not in received
    assert talk(certificates.client(), port, b"PING\r\n", 7) == b"+PONG\r\n"


def test_a_tls_peer_of_the_plain_port_is_cut_off(start: Start, certificates: Certificates) -> None:
    port = free_port()
    node = start("--port", str(port))
    wait_for_line(node, b"event=ready")
    with pytest.raises(OSError):
        talk(certificates.client(), port, b"PING\r\n", 7)
    assert ask(socket.AF_INET, (HOST, port), b"PING\r\n", 7) == b"+PONG\r\n"


@pytest.mark.parametrize("way", ["config", "signal"])
def test_a_changed_certificate_serves_from_the_next_connection_on(
    start: Start, certificates: Certificates, way: str
) -> None:
    port, plain = free_port(), free_port()
    node = start(*certificates.directives(port, port=str(plain)))
    wait_for_line(node, b"event=ready")
    context = certificates.client()
    before = serial(context, port)
    with connected(context, port) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        certificates.issue("node", HOST)
        if way == "config":
            # Nothing but the files has changed.
            words = b"CONFIG SET tls-cert-file node.pem tls-key-file node.key\r\n"
            assert ask(socket.AF_INET, (HOST, plain), words, 5) == b"+OK\r\n"
        else:
            node.send_signal(1)
            wait_for_line(node, b"event=reloaded-tls")
        assert serial(context, port) != before
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"


def test_a_certificate_that_cannot_be_used_changes_nothing(
    start: Start, certificates: Certificates
) -> None:
    port, plain = free_port(), free_port()
    node = start(*certificates.directives(port, port=str(plain)))
    wait_for_line(node, b"event=ready")
    requests = {
        b"tls-cert-file nothere.pem": b"no such file or directory",
        b"tls-cert-file client.pem": b"key values mismatch",
        b"tls-key-file ca.pem": b"tls-key-file ca.pem",
        b"tls-ca-cert-file node.key": b"tls-ca-cert-file node.key",
        b"tls-protocols SSLv2": b"unknown version sslv2",
        b"tls-ciphers NOTHING": b"no cipher can be selected",
    }
    for words, text in requests.items():
        reply = ask(socket.AF_INET, (HOST, plain), b"CONFIG SET %s\r\nQUIT\r\n" % words, 1000)
        assert reply.startswith(b"-ERR CONFIG SET failed")
        assert text in reply
    assert talk(certificates.client(), port, b"PING\r\n", 7) == b"+PONG\r\n"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("tls_cert_file", "", b"tls-cert-file is not set"),
        ("tls_key_file", "", b"tls-key-file is not set"),
        ("tls_ca_cert_file", "", b"tls-ca-cert-file is not set"),
        ("tls_cert_file", "nothere.pem", b"tls-cert-file nothere.pem: no such file or directory"),
        ("tls_dh_params_file", "node.key", b"tls-dh-params-file node.key"),
        ("tls_cert_file", "node.key", b"tls-cert-file node.key: no certificate or crl found"),
        ("tls_key_file", "node.pem", b"tls-key-file node.pem: no key can be read"),
        ("tls_ca_cert_dir", "nothere/x", b""),  # OpenSSL looks into the folder later
    ],
)
def test_a_node_that_cannot_serve_tls_says_why_and_does_not_start(
    start: Start, certificates: Certificates, name: str, value: str, text: bytes
) -> None:
    node = start(*certificates.directives(free_port(), **{name: value}))
    if not text:
        wait_for_line(node, b"event=ready")
        return
    _, log = node.communicate(timeout=START_SECONDS)
    assert node.returncode == 2
    assert log.startswith(b"kvnode: " + text)
    assert log.count(b"\n") == 1


def test_a_key_with_a_password_is_opened_with_tls_key_file_pass(
    start: Start, certificates: Certificates
) -> None:
    from cryptography.hazmat.primitives import serialization  # comes with trustme

    path = certificates.folder / "node.key"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open sesame"),
    )
    path.write_bytes(encrypted)
    port = free_port()
    node = start(*certificates.directives(port, tls_key_file_pass="open sesame"))
    wait_for_line(node, b"event=ready")
    assert talk(certificates.client(), port, b"PING\r\n", 7) == b"+PONG\r\n"
    node.terminate()
    node.communicate(timeout=END_SECONDS)
    node = start(*certificates.directives(free_port(), tls_key_file_pass="wrong"))
    _, log = node.communicate(timeout=START_SECONDS)
    assert node.returncode == 2
    assert b"which tls-key-file-pass opens" in log


def test_old_versions_are_refused_and_single_ones_can_be_chosen(
    start: Start, certificates: Certificates
) -> None:
    port = free_port()
    node = start(*certificates.directives(port, tls_protocols="TLSv1.2"))
    wait_for_line(node, b"event=ready")
    context = certificates.client()
    assert talk(context, port, b"PING\r\n", 7) == b"+PONG\r\n"
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(OSError):
        talk(context, port, b"PING\r\n", 7)


def test_tls_can_be_turned_on_and_off_while_the_node_runs(
    start: Start, certificates: Certificates
) -> None:
    port, plain = free_port(), free_port()
    node = start("--port", str(plain))
    wait_for_line(node, b"event=ready")
    place = (HOST, plain)
    assert b"tls-cert-file is not set" in ask(
        socket.AF_INET, place, b"CONFIG SET tls-port %d\r\nQUIT\r\n" % port, 1000
    )
    words = b"tls-port %d tls-cert-file node.pem tls-key-file node.key tls-auth-clients no" % port
    assert ask(socket.AF_INET, place, b"CONFIG SET %s\r\n" % words, 5) == b"+OK\r\n"
    assert talk(certificates.client(), port, b"PING\r\n", 7) == b"+PONG\r\n"
    assert ask(socket.AF_INET, place, b"CONFIG SET tls-port 0\r\n", 5) == b"+OK\r\n"
    with pytest.raises(ConnectionRefusedError):
        talk(certificates.client(), port, b"PING\r\n", 7)
