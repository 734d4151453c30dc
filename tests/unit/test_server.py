"""The server as a process: how it starts, where it listens, how it ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_node_with_status_0(start: Start, number: signal.Signals) -> None:
    port = free_port()
    node = start("--port", str(port))
    wait_for_line(node, b"event=ready")
    with socket.create_connection(("127.0.0.1", port), timeout=END_SECONDS) as client:
        client.sendall(b"PING\r\nBLPOP nothing 0\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        node.send_signal(number)
        assert node.wait(END_SECONDS) == 0
    assert node.stderr is not None
    log = node.stderr.read()
    assert b"event=signal name=" + number.name.encode() in log
    assert b"Traceback" not in log


def test_a_node_whose_log_nobody_reads_serves_on_and_ends_at_a_signal(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port))
    wait_for_line(node, b"event=ready")
    assert node.stderr is not None
    node.stderr.close()
    with socket.create_connection(("127.0.0.1", port), timeout=END_SECONDS) as client:
        # What a script logs is written by the timer, which ends the wait behind it.
        client.sendall(b"EVAL \"redis.log(redis.LOG_WARNING, 'x')\" 0\r\n")
        assert receive(client, 5) == b"$-1\r\n"
        time.sleep(0.3)
        client.sendall(b"BLPOP nothing 0.1\r\n")
        assert receive(client, 5) == b"*-1\r\n"
    node.send_signal(signal.SIGTERM)
    assert node.wait(END_SECONDS) == 0


def test_a_node_starts_without_standard_streams(tmp_path: Path) -> None:
    port = free_port()
    path = tmp_path / "socket"
    words = f"-m kvnode --port {port} --unixsocket {path} 0<&- 1>&- 2>&-"
    with subprocess.Popen(f"exec {sys.executable} {words}", shell=True, cwd=tmp_path) as node:
        deadline = time.monotonic() + START_SECONDS
        while not path.exists() and node.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ask(socket.AF_UNIX, str(path), b"PING\r\n", 7) == b"+PONG\r\n"
        node.terminate()
        assert node.wait(END_SECONDS) == 0


def test_a_port_that_is_taken_is_one_line_and_status_1(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        node = start("--port", str(port), "--bind", "127.0.0.1")
        output, log = node.communicate(timeout=START_SECONDS)
    assert node.returncode == 1
    assert output == b""
    assert log.startswith(b"kvnode: cannot listen on 127.0.0.1:%d: address already in use" % port)
    assert log.count(b"\n") == 1


@pytest.mark.parametrize(
    "words",
    [("--port", "x"), ("--nosuch", "1"), ("--maxclients", "-1"), ("--appendonly", "maybe")],
)
def test_a_bad_configuration_is_one_line_and_status_2(start: Start, words: tuple[str, ...]) -> None:
    node = start(*words)
    output, log = node.communicate(timeout=START_SECONDS)
    assert node.returncode == 2
    assert output == b""
    assert log.startswith(b"kvnode: ")
    assert words[0].removeprefix("--").encode() in log
    assert log.count(b"\n") == 1


def test_an_address_that_does_not_exist_is_status_1_unless_it_may_be_missing(start: Start) -> None:
    port = str(free_port())
    node = start("--port", port, "--bind", "203.0.113.7")
    _, log = node.communicate(timeout=START_SECONDS)
    assert node.returncode == 1
    assert log.startswith(b"kvnode: cannot listen on 203.0.113.7:")
    node = start("--port", port, "--bind", "127.0.0.1 -203.0.113.7")
    wait_for_line(node, b"event=ready")
    assert ask(socket.AF_INET, ("127.0.0.1", int(port)), b"PING\r\n", 7) == b"+PONG\r\n"


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("--bind", "999.1.1.1"), 1, b"cannot listen on 999.1.1.1:7999: name or service not known"),
        (("--unixsocket", "gone/s"), 1, b"cannot listen on gone/s: no such file or directory"),
        (
            ("--unixsocket", "x" * 200),
            1,
            b"cannot listen on " + b"x" * 200 + b": af_unix path too long",
        ),
        (("--port", "0"), 2, b"port 0: nowhere to listen (allowed: a port, or a unixsocket)"),
    ],
)
def test_a_node_that_can_listen_nowhere_says_why(
    start: Start, words: tuple[str, ...], status: int, text: bytes
) -> None:
    port = str(free_port())
    node = start("--port", port, *words)
    _, log = node.communicate(timeout=START_SECONDS)
    assert (node.returncode, log) == (
        status,
        b"kvnode: " + text.replace(b"7999", port.encode()) + b"\n",
    )


def test_a_unix_socket_serves_and_is_removed_at_the_end(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    path.write_bytes(b"left by an earlier run")
    node = start("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700")
    wait_for_line(node, b"event=listening")
    assert path.stat().st_mode & 0o777 == 0o700
    request = b"SET k v\r\nGET k\r\n"
    assert ask(socket.AF_UNIX, str(path), request, 12) == b"+OK\r\n$1\r\nv\r\n"
    node.terminate()
    assert node.wait(END_SECONDS) == 0
    assert not path.exists()


@pytest.mark.skipif(not socket.has_ipv6, reason="the machine has no IPv6")
def test_ipv6_and_ipv4_are_served_on_the_same_port(start: Start) -> None:
    try:
        port = free_port("::1")
    except OSError:
        pytest.skip("the machine has no IPv6 loopback")
    node = start("--port", str(port), "--bind", "127.0.0.1 ::1")
    wait_for_line(node, b"event=ready")
    assert ask(socket.AF_INET, ("127.0.0.1", port), b"PING\r\n", 7) == b"+PONG\r\n"
    assert ask(socket.AF_INET6, ("::1", port), b"PING\r\n", 7) == b"+PONG\r\n"


def test_a_request_before_the_end_of_the_input_is_answered(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port))
    wait_for_line(node, b"event=ready")
    with socket.create_connection(("127.0.0.1", port), timeout=END_SECONDS) as client:
        client.sendall(b"SET k v\r\nGET k\r\n")
        client.shutdown(socket.SHUT_WR)
        reply = b""
        while data := client.recv(100):
            reply += data
    assert reply == b"+OK\r\n$1\r\nv\r\n"


def test_peers_beyond_maxclients_are_told_and_closed(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port), "--maxclients", "2")
    wait_for_line(node, b"event=ready")
    place = ("127.0.0.1", port)
    first = socket.create_connection(place, timeout=END_SECONDS)
    second = socket.create_connection(place, timeout=END_SECONDS)
    with first, second:
        for client in (first, second):
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
        assert ask(socket.AF_INET, place, b"", 100) == b"-ERR max number of clients reached\r\n"
    deadline = time.monotonic() + END_SECONDS
    while ask(socket.AF_INET, place, b"PING\r\n", 7) != b"+PONG\r\n":
        assert time.monotonic() < deadline, "closed connections still count"


def test_shutdown_ends_the_node_with_status_0(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port), "--save", "")
    wait_for_line(node, b"event=ready")
    assert ask(socket.AF_INET, ("127.0.0.1", port), b"SHUTDOWN NOSAVE\r\n", 1) == b""
    assert node.wait(END_SECONDS) == 0


def test_config_set_port_and_bind_move_the_listeners_and_keep_connections(start: Start) -> None:
    port, other = free_port(), free_port()
    node = start("--port", str(port), "--bind", "127.0.0.1")
    wait_for_line(node, b"event=ready")
    with socket.create_connection(("127.0.0.1", port), timeout=END_SECONDS) as client:
        client.sendall(b"CONFIG SET port %d\r\n" % other)
        assert client.recv(100) == b"+OK\r\n"
        wait_for_line(node, b"event=listening address=127.0.0.1:%d" % other)
        assert ask(socket.AF_INET, ("127.0.0.1", other), b"PING\r\n", 7) == b"+PONG\r\n"
        with pytest.raises(ConnectionRefusedError):
            ask(socket.AF_INET, ("127.0.0.1", port), b"PING\r\n", 7)
        client.sendall(b"CONFIG SET bind 0.0.0.0\r\n")
        assert client.recv(100) == b"+OK\r\n"
        assert ask(socket.AF_INET, ("127.0.0.2", other), b"PING\r\n", 7) == b"+PONG\r\n"
        client.sendall(b"CONFIG SET port 0\r\n")
        assert client.recv(100) == b"+OK\r\n"
        with pytest.raises(ConnectionRefusedError):
            ask(socket.AF_INET, ("127.0.0.1", other), b"PING\r\n", 7)


def test_config_set_to_a_place_that_cannot_be_had_changes_nothing(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port), "--bind", "127.0.0.1")
    wait_for_line(node, b"event=ready")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        requests = {
            b"port %d" % holder.getsockname()[1]: b"Unable to listen on this port. Check server",
            b"bind 203.0.113.7": b"Failed to bind to specified addresses.",
            b"maxclients 4294967295": b"not able to handle the specified number of clients, try",
        }
        for words, text in requests.items():
            place = ("127.0.0.1", port)
            reply = ask(socket.AF_INET, place, b"CONFIG SET " + words + b"\r\nQUIT\r\n", 1000)
            assert text in reply
    reply = ask(socket.AF_INET, ("127.0.0.1", port), b"CONFIG GET bind\r\nQUIT\r\n", 1000)
    assert reply.startswith(b"*2\r\n$4\r\nbind\r\n$9\r\n127.0.0.1\r\n")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="shows timers on Linux alone")
def test_connections_are_probed_as_tcp_keepalive_says(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port), "--bind", "127.0.0.1", "--tcp-keepalive", "1000000")
    wait_for_line(node, b"event=ready")
    for seconds in (1_000_000, 500, 0):
        place = ("127.0.0.1", port)
        reply = ask(socket.AF_INET, place, b"CONFIG SET tcp-keepalive %d\r\n" % seconds, 5)
        assert reply == b"+OK\r\n"
        with socket.create_connection(place, timeout=END_SECONDS) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(10) == b"+PONG\r\n"
            left = keepalive_seconds(port, client.getsockname()[1])
        assert left == pytest.approx(min(seconds, 32767), abs=5)


@pytest.mark.skipif(shutil.which("ss") is None, reason="ss shows the queue of a listener")
def test_as_many_connections_wait_to_be_accepted_as_tcp_backlog_says(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port), "--bind", "127.0.0.1", "--tcp-backlog", "37")
    wait_for_line(node, b"event=ready")
    assert ask(socket.AF_INET, ("127.0.0.1", port), b"PING\r\n", 7) == b"+PONG\r\n"
    rows = subprocess.run(
        ["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True
    ).stdout
    assert rows.split()[2] == "37"


def keepalive_seconds(port: int, peer_port: int) -> float:
    """When the kernel will probe the peer of a served connection, 0 for never."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    for row in rows:
        ports = [int(row[i].rpartition(":")[2], 16) for i in (1, 2)]
        if ports == [port, peer_port]:
            kind, jiffies = row[5].split(":")
            return int(jiffies, 16) / os.sysconf("SC_CLK_TCK") if kind == "02" else 0.0
    raise AssertionError("no such connection")


def test_a_directive_without_effect_is_logged_once_when_it_is_set(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port))
    wait_for_line(node, b"event=ready")
    request = b"CONFIG SET activedefrag yes\r\n" * 2 + b"SHUTDOWN NOSAVE\r\n"
    ask(socket.AF_INET, ("127.0.0.1", port), request, 1000)
    _, log = node.communicate(timeout=END_SECONDS)
    assert log.count(b"event=directive-without-effect name=activedefrag value=yes") == 1


def test_a_command_that_cannot_be_renamed_is_one_line_and_status_2(start: Start) -> None:
    node = start("--rename-command", "NOSUCH", "other")
    _, log = node.communicate(timeout=START_SECONDS)
    assert node.returncode == 2
    assert log.startswith(b"kvnode: rename-command NOSUCH other: there is no such command")
    assert log.count(b"\n") == 1
