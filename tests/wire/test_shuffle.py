"""Shuffles on a running node: read by redis-cli, killed and restarted, beside redis-server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from kvnode.shuffle.spill_file import checksum_of

from .contents import same_contents
from .following import Node, Start, in_step
from .test_append_only import FOLDER, MANIFEST
from .test_exactly_once import moved_files
from .test_snapshots import folder_of

LOGGED = ("--appendonly", "yes")
MAPS = 12
PARTITIONS = 3


def payload_of(number: int, partition: int, size: int = 2000) -> bytes:
    """What a map gives to a partition."""
    return b"%d/%d " % (number, partition) + b"x" * size


def summary_of(blocks: dict[int, bytes]) -> str:
    rows = sorted((place, 1, len(data), checksum_of(data)) for place, data in blocks.items())
    return json.dumps(rows)


def run_map(node: Node, number: int, attempt: int, size: int = 2000) -> object:
    """Push and commit an attempt of a map."""
    blocks = {place: payload_of(number, place, size) for place in range(PARTITIONS)}
    for place, data in blocks.items():
        node.value("SHUFFLE.PUSH", f"job/{place}", number, attempt, 0, checksum_of(data), data)
    return node.value("SHUFFLE.COMMIT", "job", number, attempt, summary_of(blocks))


def read(node: Node, partition: int) -> list[bytes]:
    """All of a partition."""
    found: list[bytes] = []
    cursor: object = "0"
    while True:
        reply = node.call("SHUFFLE.FETCH", f"job/{partition}", str(cursor), "CREDIT", 1 << 20)
        assert reply.kind == "array", reply
        head, *blocks = reply.items()
        found += [block.items()[4].text() for block in blocks]
        cursor = head.text().decode()
        if cursor == "0":
            return found


def cli(node: Node, *words: str) -> str:
    """What a person sees."""
    command = ["redis-cli", "-p", str(node.port), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def kvnode_shuffle(node: Node, *words: str) -> subprocess.CompletedProcess[str]:
    """The command `kvnode shuffle`."""
    command = [sys.executable, "-m", "kvnode", "shuffle", "-p", str(node.port), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})


def test_people_read_it_with_redis_cli(start: Start) -> None:
    node = start("kvnode")
    assert cli(node, "SHUFFLE.OPEN", "job", "2", "3", "DETERMINISTIC").splitlines()[0] == "1"
    assert cli(node, "SHUFFLE.COMMIT", "job", "0", "5", "[]") == "OK\n"
    assert cli(node, "SHUFFLE.COMMIT", "job", "0", "6", "[]") == "DUP 5\n"
    assert cli(node, "SHUFFLE.MISSING", "job").split() == ["1", "1"]
    lines = cli(node, "SHUFFLE.STATUS", "job").splitlines()
    assert lines[:6] == ["state", "open", "epoch", "1", "maps", "2"]
    error = "SHUFFLEOPEN 1 of 2 maps have not been committed\n\n"
    assert cli(node, "SHUFFLE.FETCH", "job/0", "0", "CREDIT", "1000") == error


def test_people_list_and_end_shuffles(start: Start) -> None:
    node = start("kvnode")
    assert kvnode_shuffle(node, "ls").stdout == "no shuffles\n"
    node.value("SHUFFLE.OPEN", "job", MAPS, PARTITIONS)
    run_map(node, 0, 1)
    head, row = kvnode_shuffle(node, "ls").stdout.splitlines()
    assert head.split() == ["ID", "STATE", "EPOCH", "MAPS", "BYTES"]
    assert row.split() == ["job", "open", "1", "1/12", "5.87K"]
    shown = kvnode_shuffle(node, "status", "job").stdout
    fields = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert (fields["committed"], fields["missing"]) == ("1", "1-11")
    assert kvnode_shuffle(node, "end", "job").stdout == "job has ended\n"
    failed = kvnode_shuffle(node, "end", "job")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "kvnode: there is no shuffle job\n"
    failed = kvnode_shuffle(node, "status", "job")
    assert failed.stderr.startswith("kvnode: NOSHUFFLE ended") and failed.stderr.count("\n") == 1


def test_the_command_says_in_a_line_what_it_cannot_talk_to(start: Start) -> None:
    node = start("kvnode")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        failed = kvnode_shuffle(node, "-p", str(port), "ls")
        thread.join()
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("kvnode: what answers is no node: ")
    failed = kvnode_shuffle(node, "-p", str(port), "ls")
    message = f"kvnode: cannot talk to 127.0.0.1:{port}: Connection refused\n"
    assert (failed.returncode, failed.stderr) == (1, message)
    failed = kvnode_shuffle(node, "-p", "65536", "ls")
    assert failed.returncode == 2 and "65536 is no port" in failed.stderr


def test_a_password_comes_from_the_environment(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start("kvnode")
    node.config("requirepass", "secret")
    denied = kvnode_shuffle(node, "ls")
    assert (denied.returncode, denied.stderr) == (1, "kvnode: NOAUTH Authentication required.\n")
    monkeypatch.setenv("REDISCLI_AUTH", "secret")
    assert kvnode_shuffle(node, "ls").stdout == "no shuffles\n"
    assert kvnode_shuffle(node, "--user", "default", "ls").returncode == 0


def test_a_node_that_is_killed_names_exactly_the_maps_that_it_lost(start: Start) -> None:
    node = start("kvnode", *LOGGED)
    node.value("SHUFFLE.OPEN", "job", MAPS, PARTITIONS, "DETERMINISTIC")
    node.value("SHUFFLE.COMMIT", "job", 0, 7, "[]")  # it has nothing to lose
    for number in range(1, MAPS):
        run_map(node, number, 7)
    node.value("SHUFFLE.ACK", "job/0")
    node.kill()
    node.restart()
    assert node.value("SHUFFLE.MISSING", "job") == [2, *range(1, MAPS)]
    assert node.error("SHUFFLE.FETCH", "job/1", 0, "CREDIT", 1).startswith(b"SHUFFLELOST 11 ")
    for number in range(1, MAPS):
        assert run_map(node, number, 8) == b"OK"
    assert node.value("SHUFFLE.WAIT", "job", 1, "EPOCH", 2) == [b"sealed", 2]
    for partition in (1, 2):
        assert read(node, partition) == [payload_of(n, partition) for n in range(1, MAPS)]
    assert node.error("SHUFFLE.FETCH", "job/0", 0, "CREDIT", 1).startswith(b"SHUFFLECONSUMED ")


def test_what_was_spilled_when_a_node_is_killed_is_served_again(start: Start) -> None:
    node = start("kvnode", *LOGGED, "--shuffle-memory", "4mb")
    node.value("SHUFFLE.OPEN", "job", MAPS, PARTITIONS, "DETERMINISTIC")
    size = 150_000  # 5.4 MB in all
    for number in range(MAPS):
        run_map(node, number, 7, size)
        node.until(lambda: isinstance(node.value("SHUFFLE.PING", "job", 5000), int), "with credit")
    node.until(lambda: node.count("shuffle_spill_writes_pending", "shuffle") == 0, "spilled")
    assert node.count("shuffle_spilled_bytes", "shuffle") > size
    node.kill()
    node.restart()
    missing = node.value("SHUFFLE.MISSING", "job")
    assert isinstance(missing, list) and missing[0] == 2
    for number in missing[1:]:
        assert run_map(node, number, 8, size) == b"OK"
        node.value("SHUFFLE.PING", "job", 5000)
    for partition in range(PARTITIONS):
        assert read(node, partition) == [payload_of(n, partition, size) for n in range(MAPS)]
    node.value("SHUFFLE.END", "job")
    node.until(lambda: node.count("shuffle_spilled_bytes", "shuffle") == 0, "removed")


def test_without_a_log_a_restart_forgets_and_says_so(start: Start) -> None:
    node = start("kvnode")
    node.value("SHUFFLE.OPEN", "job", MAPS, PARTITIONS)
    node.kill()
    node.restart()
    error = node.error("SHUFFLE.MISSING", "job")
    assert error.startswith(b"NOSHUFFLE unknown") and b"restarted without appendonly" in error


def test_redis_loads_and_follows_what_is_logged_of_shuffles(start: Start) -> None:
    ours, theirs, follower = (start(kind, *LOGGED) for kind in ("kvnode", "redis", "redis"))
    follower.follow(ours)
    follower.until_linked()
    ours.value("SHUFFLE.OPEN", "job", MAPS, PARTITIONS)
    ours.value("SET", "k", "1")
    for number in range(MAPS):
        run_map(ours, number, 7)
    ours.value("INCR", "k")
    ours.value("SHUFFLE.ACK", "job/0")
    in_step(ours, follower)
    same_contents(ours.port, follower.port)
    ours.value("BGREWRITEAOF")
    ours.until(lambda: ours.count("aof_rewrite_in_progress") == 0, "rewritten")
    ours.value("SHUFFLE.END", "job")
    for node in (ours, theirs):
        node.kill()
    checked = folder_of(ours.server) / FOLDER / MANIFEST
    result = subprocess.run(["redis-check-aof", checked], capture_output=True, check=False)
    assert result.returncode == 0, result.stdout
    moved_files(ours, theirs, FOLDER)
    theirs.restart()
    ours.restart()
    assert same_contents(ours.port, theirs.port) == 1
    assert ours.error("SHUFFLE.MISSING", "job").startswith(b"NOSHUFFLE ended")
