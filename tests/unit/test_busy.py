"""A node whose loop a script holds up: who is answered BUSY, and how the script is ended."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

import pytest

from kvnode.busy import DirectTransport

from .processes import END_SECONDS, Start, ask, free_port, start, wait_for_line
from .test_tls import Certificates, connected

__all__ = ["start"]  # the fixture

ENDLESS = b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n"
KILLED = b"-ERR Script killed by user with SCRIPT KILL..."
BUSY = b"-BUSY Redis is busy running a script."


def hold_up(caller: socket.socket, other: socket.socket) -> None:
    """Run an endless script over `caller`; ask over `other` until the answer is BUSY."""
    caller.sendall(ENDLESS)
    deadline = time.monotonic() + END_SECONDS
    answer = b""
    while not answer.startswith(BUSY):
        other.sendall(b"PING\r\n")
        answer = other.recv(1000)
        assert time.monotonic() < deadline, "never busy"


def is_answered(*endpoints: socket.socket) -> None:
    """Assert that the node serves these connections as ever."""
    for endpoint in endpoints:
        endpoint.sendall(b"PING\r\n")
        assert endpoint.recv(1000) == b"+PONG\r\n"


@pytest.fixture
def port(start: Start) -> int:
    """The port of a node that calls a script busy after 10 ms."""
    found = free_port()
    node = start("--port", str(found), "--busy-reply-threshold", "10")
    wait_for_line(node, b"event=ready")
    return found


def client(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=END_SECONDS)


def test_a_direct_transport_keeps_what_the_kernel_does_not_take() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        transport = DirectTransport(ours)
        transport.writelines([b"a", b"b"])
        assert (theirs.recv(10), transport.get_write_buffer_size()) == (b"ab", 0)
        while not transport.unsent:
            transport.write(bytes(1 << 16))
        full = DirectTransport(ours)
        full.write(b"c")
        full.write(b"d")
        assert (full.unsent, full.is_closing) == (b"cd", False)
        theirs.close()
        cut = DirectTransport(ours)
        cut.write(b"e")
        assert (cut.unsent, cut.is_closing) == (b"", True)


def test_an_endless_script_is_ended_over_a_new_connection(port: int) -> None:
    place = ("127.0.0.1", port)
    with client(port) as caller, client(port) as other:
        is_answered(caller, other)
        hold_up(caller, other)
        assert ask(socket.AF_INET, place, b"GET k\r\n", 5).startswith(BUSY)
        assert ask(socket.AF_INET, place, b"SCRIPT KILL\r\n", 5) == b"+OK\r\n"
        assert caller.recv(1000).startswith(KILLED)
        is_answered(caller, other)
    assert ask(socket.AF_INET, place, b"SCRIPT KILL\r\n", 8).startswith(b"-NOTBUSY")


def test_an_endless_script_is_ended_over_a_connection_that_was_open(port: int) -> None:
    with client(port) as caller, client(port) as other:
        is_answered(caller, other)
        hold_up(caller, other)
        other.sendall(b"GET k\r\nSCRIPT KILL\r\nGET k\r\n")
        received = b""
        while received.count(b"\r\n") < 3:
            received += other.recv(1000)
        lines = received.split(b"\r\n")
        assert lines[0].startswith(BUSY)
        assert lines[1] == b"+OK"
        assert caller.recv(1000).startswith(KILLED)
        is_answered(caller, other)


def test_a_connection_accepted_while_busy_is_an_ordinary_one_afterwards(port: int) -> None:
    value = b"x" * 3_000_000
    with client(port) as caller, client(port) as early:
        is_answered(caller, early)
        hold_up(caller, early)
        with client(port) as late:
            late.sendall(b"PING\r\n")
            assert late.recv(1000).startswith(BUSY)
            early.sendall(b"SCRIPT KILL\r\n")
            assert early.recv(1000) == b"+OK\r\n"
            assert caller.recv(1000).startswith(KILLED)
            late.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\n" + value + b"\r\nGET k\r\n")
            expected = b"+OK\r\n$3000000\r\n" + value + b"\r\n"
            received = b""
            while len(received) < len(expected):
                received += late.recv(1 << 20)
            assert received == expected
            late.sendall(b"QUIT\r\n")
            assert late.recv(100) == b"+OK\r\n"
            assert late.recv(100) == b""


def test_what_a_client_does_not_take_while_busy_reaches_it_afterwards(port: int) -> None:
    count = 60_000
    with client(port) as caller, client(port) as other, socket.socket() as late:
        is_answered(caller, other)
        hold_up(caller, other)
        late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        late.settimeout(END_SECONDS)
        late.connect(("127.0.0.1", port))
        late.sendall(b"PING\r\n" * count)
        for _ in range(20):  # each one is a poll, which reads from the late client too
            other.sendall(b"PING\r\n")
            assert other.recv(1000).startswith(BUSY)
        assert late.recv(100).startswith(BUSY)
        other.sendall(b"SCRIPT KILL\r\n")
        assert other.recv(100) == b"+OK\r\n"
        assert caller.recv(1000).startswith(KILLED)
        lines = 0
        while lines < count - 1:
            received = late.recv(1 << 20)
            assert received
            lines += received.count(b"\n")
        is_answered(caller, other)


def test_a_client_too_many_is_refused_while_busy_too(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port), "--busy-reply-threshold", "10", "--maxclients", "2")
    wait_for_line(node, b"event=ready")
    with client(port) as caller, client(port) as other:
        is_answered(caller, other)
        hold_up(caller, other)
        with client(port) as third:
            assert third.recv(1000) == b"-ERR max number of clients reached\r\n"
            assert third.recv(1000) == b""
        other.sendall(b"SCRIPT KILL\r\n")
        assert other.recv(100) == b"+OK\r\n"


def test_a_connection_that_ends_while_busy_is_forgotten(port: int) -> None:
    place = ("127.0.0.1", port)
    with client(port) as caller, client(port) as other:
        is_answered(caller, other)
        hold_up(caller, other)
        assert ask(socket.AF_INET, place, b"QUIT\r\n", 100) == b"+OK\r\n"
        client(port).close()
        with client(port) as reset:
            reset.sendall(b"PING\r\n")
            assert reset.recv(1000).startswith(BUSY)
            # Its end is a reset: nothing lingers.
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.sendall(b"SCRIPT KILL\r\n")
        assert other.recv(100) == b"+OK\r\n"
        assert caller.recv(1000).startswith(KILLED)
        other.close()
        deadline = time.monotonic() + END_SECONDS
        while True:
            caller.sendall(b"INFO clients\r\n")
            if b"connected_clients:1\r\n" in caller.recv(10000):
                break
            assert time.monotonic() < deadline, "connections are left over"


def test_shutdown_ends_a_busy_node(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port), "--busy-reply-threshold", "10")
    wait_for_line(node, b"event=ready")
    with client(port) as caller, client(port) as other:
        is_answered(caller, other)
        hold_up(caller, other)
        ask(socket.AF_INET, ("127.0.0.1", port), b"SHUTDOWN NOSAVE\r\n", 1)
        assert node.wait(END_SECONDS) == 0


def test_an_endless_script_is_ended_over_tls(start: Start, tmp_path: Path) -> None:
    port = free_port()
    certificates = Certificates(tmp_path)
    words = certificates.directives(port, busy_reply_threshold="10")
    wait_for_line(start(*words), b"event=ready")
    context = certificates.client()
    with connected(context, port) as caller, connected(context, port) as other:
        is_answered(caller, other)
        hold_up(caller, other)
        with connected(context, port) as late:
            late.sendall(b"SCRIPT KILL\r\n")
            assert late.recv(100) == b"+OK\r\n"
            assert caller.recv(1000).startswith(KILLED)
            is_answered(caller, other, late)
