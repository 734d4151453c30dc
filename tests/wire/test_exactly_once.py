"""REQUEST beside redis-server: it loads and follows what a kvnode logs and sends of requests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .client import Argument, Reply
from .contents import same_contents
from .following import Node, Start, in_step, same_data
from .test_append_only import FOLDER, MANIFEST
from .test_snapshots import folder_of

LOGGED = ("--appendonly", "yes", "--appendfsync", "always")
UNKNOWN = b"UNKNOWNREQUEST"
BINARY = bytes(range(256)) + b"\r\n$-1\r\n"


class Client:
    """A client id and its connection to one node after the other."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.id = node.call("REQUEST", "ID").text()

    def send(self, seq: int, *words: Argument) -> Reply:
        """Send or repeat one request on the node's kept connection."""
        return self.node.call("REQUEST", self.id, seq, 0, *words)

    def block(self, seq: int, *lines: str) -> Reply:
        """Send or repeat a transaction."""
        self.node.line("MULTI")
        for line in lines:
            self.node.line(line)
        return self.send(seq, "EXEC")

    def load(self) -> list[Reply]:
        """Requests of several kinds, numbers 1 to 8; the same replies when it is repeated."""
        script = "redis.call('INCR', KEYS[1]) redis.call('SPOP', KEYS[2]) return {1, false, 'x'}"
        return [
            self.send(1, "INCR", "n"),
            self.send(2, "SET", "binary", BINARY),
            self.send(3, "GETDEL", "binary"),
            self.block(4, "INCR n", "LPUSH n x", "SADD set a b c d", "GET n"),
            self.send(5, "SPOP", "set"),
            self.send(6, "EVAL", script, 2, "n", "set"),
            self.send(7, "XADD", "stream", "*", "field", "value"),
            self.send(8, "LPUSH", "n", "x"),
        ]


def is_refused(reply: Reply) -> bool:
    return reply.kind == "error" and reply.text().startswith(UNKNOWN)


def moved_files(source: Node, target: Node, name: str) -> None:
    """Give a stopped node the file or the folder of another one that is stopped too."""
    paths = [folder_of(node.server) / name for node in (source, target)]
    if paths[0].is_dir():
        shutil.rmtree(paths[1], ignore_errors=True)
        shutil.copytree(paths[0], paths[1])
    else:
        shutil.copyfile(paths[0], paths[1])


def test_a_log_with_requests_goes_to_redis_and_back(start: Start) -> None:
    ours, theirs, again = (start(kind, *LOGGED) for kind in ("kvnode", "redis", "kvnode"))
    client = Client(ours)
    replies = client.load()
    for node in (ours, theirs, again):
        node.kill()
    checked = Path(folder_of(ours.server), FOLDER, MANIFEST)
    result = subprocess.run(["redis-check-aof", checked], capture_output=True, check=False)
    assert result.returncode == 0, result.stdout
    moved_files(ours, theirs, FOLDER)
    theirs.restart()
    ours.restart()
    assert same_contents(ours.port, theirs.port, logged=True) == 3
    assert client.load() == replies
    assert ours.line("GET n") == theirs.line("GET n") == b"3"
    # A log that redis-server has rewritten knows of no request: whoever was there is refused.
    theirs.line("BGREWRITEAOF")
    theirs.until(lambda: not theirs.count("aof_rewrite_in_progress"), "rewritten")
    theirs.line("INCR n")
    theirs.kill()
    moved_files(theirs, again, FOLDER)
    again.restart()
    client.node = again
    assert all(is_refused(client.send(seq, "INCR", "n")) for seq in (1, 8, 9))
    assert Client(again).send(1, "INCR", "n").number() == 5


def test_a_snapshot_with_requests_is_loaded_by_redis(start: Start) -> None:
    ours, theirs = start("kvnode"), start("redis")
    client = Client(ours)
    replies = client.load()
    for number in range(50):
        Client(ours).send(1, "INCR", f"n{number}")
    ours.line("SAVE")
    for node in (ours, theirs):
        node.kill()
    path = folder_of(ours.server) / "dump.rdb"
    result = subprocess.run(["redis-check-rdb", path], capture_output=True, check=False)
    assert result.returncode == 0, result.stdout
    moved_files(ours, theirs, "dump.rdb")
    theirs.restart()
    ours.restart()
    assert same_contents(ours.port, theirs.port, logged=True) == 53
    assert client.load() == replies


@pytest.mark.parametrize("diskless", ["no", "yes"])
def test_redis_follows_a_stream_of_requests_and_passes_it_on(start: Start, diskless: str) -> None:
    leader, middle = start("kvnode", "--repl-diskless-sync", diskless), start("redis")
    old = Client(leader)
    old.load()
    middle.follow(leader)
    middle.until_linked()
    last = start("kvnode")
    last.follow(middle)
    last.until_linked()
    client = Client(leader)
    replies = client.load()
    assert old.send(20, "INCR", "n").number() == 7
    assert same_data(leader, middle) == 3
    in_step(middle, last)
    assert leader.count("sync_full") == middle.count("sync_full") == 1
    # What went through redis-server as a snapshot has lost what was run; the stream has it.
    last.lead()
    client.node = old.node = last
    again = client.load()
    assert again[:7] == replies[:7]
    assert is_refused(again[7])  # it changed nothing: no record; and its client is a new one here
    assert old.send(20, "INCR", "n").number() == 7
    assert is_refused(old.send(1, "INCR", "n"))
    assert is_refused(old.send(21, "INCR", "n"))
    assert last.line("GET n") == b"7"


def test_no_client_of_a_redis_leader_forges_a_record(start: Start) -> None:
    leader, follower = start("redis"), start("kvnode")
    follower.follow(leader)
    follower.until_linked()
    forged = b"kvnode:request 9999999999999-ab 0 1 4 0 :9\r\n"
    leader.line("MULTI")
    leader.line("INCR n")
    leader.value("ECHO", forged)
    leader.line("EXEC")
    leader.value("EVAL", "redis.call('INCR', 'n') redis.call('ECHO', ARGV[1])", 0, forged)
    in_step(leader, follower)
    assert follower.line("GET n") == b"2"
    assert follower.count("request_clients", "stats") == 0


def test_a_promoted_follower_answers_for_a_leader_that_was_killed(start: Start) -> None:
    leader, follower = start("kvnode"), start("kvnode")
    client = Client(leader)
    replies = client.load()
    follower.follow(leader)
    follower.until_linked()
    late = Client(leader)
    late_replies = late.load()
    in_step(leader, follower)
    leader.kill()
    follower.lead()
    client.node = late.node = follower
    assert client.load() == replies
    assert late.load() == late_replies
    assert follower.line("GET n") == b"6"
    assert client.send(9, "INCR", "n").number() == 7


def test_a_killed_node_answers_repeats_after_its_restart(start: Start) -> None:
    node = start("kvnode", *LOGGED)
    client = Client(node)
    replies = client.load()
    for _ in range(3):
        node.kill()
        node.restart()
        assert client.load() == replies
    assert node.line("GET n") == b"3"
    node.value("HELLO", 3)
    assert client.load()[0] == replies[0]
