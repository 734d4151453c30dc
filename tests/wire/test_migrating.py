"""MIGRATE, with redis-server as the oracle: kvnode and redis-server each send keys to a target.

The targets of the two sources are servers of the same kind, or puppets that break in the same way.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .client import Argument, Reply, Wire
from .harness import Pair
from .random_commands import Run
from .servers import Server, free_port, kvnode_server, redis_server
from .test_dumping import VALUES
from .test_snapshots import folder_of, same_everything

PORT = "PORT"
LOGGED = ("--appendonly", "yes")
HOST = "127.0.0.1"


@contextmanager
def running(ours: Server, theirs: Server) -> Iterator[Pair]:
    """Two servers of this test alone."""
    with ours, theirs:
        pair = Pair(ours, theirs)
        yield pair
        pair.close()


@pytest.fixture
def sources() -> Iterator[Pair]:
    with running(kvnode_server(*LOGGED), redis_server(*LOGGED)) as pair:
        yield pair


@pytest.fixture(params=["to kvnode", "to redis-server"])
def targets(request: pytest.FixtureRequest) -> Iterator[Pair]:
    ours = kvnode_server if request.param == "to kvnode" else redis_server
    with running(ours("--databases", "4"), redis_server("--databases", "4")) as pair:
        yield pair


def migrate(sources: Pair, ports: tuple[int, int], *argv: Argument) -> Reply:
    """Have both sources run a request, each with the port of its own target."""
    channel = sources.client()
    replies = []
    for wire, port in zip((channel.ours, channel.theirs), ports, strict=True):
        replies.append(wire.call(*[port if word == PORT else word for word in argv]))
    assert replies[0] == replies[1], argv
    return replies[0]


def ports_of(targets: Pair) -> tuple[int, int]:
    return (targets.servers[0].port, targets.servers[1].port)


def same_log(sources: Pair) -> None:
    """What was logged gives the data again."""
    before = same_everything(sources)
    sources.same("DEBUG", "LOADAOF")
    assert same_everything(sources) == before


def test_values_of_all_types_move(sources: Pair, targets: Pair) -> None:
    ports = ports_of(targets)
    for name, requests in VALUES.items():
        for request in requests:
            sources.same(*[name if word == "k" else word for word in request])
    sources.same("SET", "volatile", "v", "PX", 100_000_000)
    names = [*VALUES, "volatile"]
    for name in names[::2]:
        migrate(sources, ports, "MIGRATE", HOST, PORT, name, 0, 5000, "COPY")
    sources.same("DBSIZE")
    assert migrate(
        sources, ports, "MIGRATE", HOST, PORT, "", 0, 5000, "REPLACE", "KEYS", *names, "none"
    ) == Reply("simple", b"OK")
    assert sources.same("DBSIZE").number() == 0
    same_log(sources)
    for reply in targets.both("PTTL", "volatile"):
        assert 99_000_000 < reply.number() <= 100_000_000
    # The two were moved one after the other, so their deadlines differ by what that took.
    targets.same("PERSIST", "volatile")
    assert targets.same_keyspace() == len(names)
    targets.same("OBJECT", "ENCODING", "large hash")


def test_random_data_moves(sources: Pair, targets: Pair) -> None:
    Run(sources, 3, ["lists", "sets", "hashes", "zsets"]).run(4_000)
    sources.same("DISCARD")
    sources.same("SELECT", 0)
    names = sorted(reply.text() for reply in sources.same("KEYS", "*").items())
    before = len(names)
    head: list[Argument] = ["MIGRATE", HOST, PORT, "", 3, 5000, "KEYS"]
    assert migrate(sources, ports_of(targets), *head, *names).text() == b"OK"
    sources.same("DBSIZE")
    targets.same("SELECT", 3)
    # An encoding may be that of fewer elements than there were.
    assert targets.same_keyspace(encodings=False) == before


def test_what_the_target_refuses(sources: Pair, targets: Pair) -> None:
    ports = ports_of(targets)
    sources.same("MSET", *[word for name in "abcdefgh" for word in (name, name * 3)])
    targets.same("MSET", "b", 1, "d", 2)
    head: list[Argument] = ["MIGRATE", HOST, PORT]
    for argv in (
        [*head, "b", 0, 5000],
        [*head, "", 0, 5000, "COPY", "KEYS", "a", "b", "c", "d"],
        [*head, "", 0, 5000, "KEYS", "a", "b", "c", "d", "none"],
        [*head, "d", 0, 5000, "REPLACE", "COPY"],
        [*head, "d", 0, 5000, "REPLACE"],
        [*head, "none", 0, 5000],
        [*head, "", 0, 5000, "KEYS"],
        [*head, "", 0, 5000],
        [*head, "e", 99, 5000],
        [*head, "e", -1, 5000],
        [*head, "e", 1, 5000],
        [*head, "f", 0, 5000, "AUTH", "wrong"],
        [*head, "f", 0, 5000, "AUTH2", "nobody", "wrong"],
        [*head, "f", 0, 5000],
        [*head, "g", 0, 5000, "COPY", "NOPE"],
        [*head, "g", 0, 5000, "AUTH"],
        [*head, "g", 0, 5000, "AUTH2", "x"],
        [*head, "g", "x", 5000],
        [*head, "g", 0, "x"],
        [*head, "g", "x", "x"],
        [*head, "g", 0, 5000, "KEYS", "h"],
        [*head, "g", 0, 5000, "KEYS", "h", "REPLACE"],
        [*head, "g", 0],
        [*head, "g", 0, -7],
    ):
        migrate(sources, ports, *argv)
        sources.same("KEYS", "*")
        targets.same("KEYS", "*")
    migrate(sources, ports, "MULTI")
    migrate(sources, ports, *head, "h", 2, 5000)
    migrate(sources, ports, "EXEC")
    sources.same("SET", "script", 1)
    script = "return redis.call('MIGRATE', ARGV[1], ARGV[2], KEYS[1], 0, 5000)"
    migrate(sources, ports, "EVAL", script, 1, "script", HOST, PORT)
    same_log(sources)
    same_everything(targets)


def test_a_password_is_sent(sources: Pair, targets: Pair) -> None:
    ports = ports_of(targets)
    targets.same("ACL", "SETUSER", "mover", "on", ">secret", "~*", "+@all")
    targets.same("CONFIG", "SET", "requirepass", "pw")
    sources.same("MSET", "a", 1, "b", 2, "c", 3)
    head: list[Argument] = ["MIGRATE", HOST, PORT]
    migrate(sources, ports, *head, "a", 0, 5000)
    migrate(sources, ports, *head, "a", 0, 5000, "AUTH", "wrong")
    migrate(sources, ports, *head, "a", 0, 5000, "AUTH", "pw")
    migrate(sources, ports, *head, "b", 0, 5000, "AUTH2", "mover", "secret")
    migrate(sources, ports, *head, "c", 1, 5000)  # the connection is logged in still
    sources.same("DBSIZE")
    assert sources.figures("migrate_cached_sockets") == (1, 1)
    same_everything(targets)


class Puppet:
    """A target that answers each connection with one text, and then ends or hangs."""

    def __init__(self, answers: list[bytes], hangs: bool) -> None:
        self.server = socket.create_server((HOST, 0))
        self.port: int = self.server.getsockname()[1]
        self.over = threading.Event()
        self._answers = answers
        self._hangs = hangs
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                received = b""
                while received.count(b"RESTORE") < 3:
                    received += connection.recv(65536)
                connection.sendall(answer)
                if self._hangs:
                    self.over.wait()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.server.close()


@pytest.mark.parametrize("hangs", [False, True], ids=["ends", "hangs"])
@pytest.mark.parametrize(
    "answers",
    [
        [b"", b""],
        [b"", b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n"],
        [b"+OK\r\n", b"+OK\r\n+OK\r\n"],
        [b"+OK\r\n+OK\r\n"],
        [b"+OK\r\n+OK\r\n+OK\r\n"],
        [b"+OK\r\n-BUSYKEY is there\r\n+OK\r\n"],
        [b"+OK\r\n+OK\r\n-LOADING it loads\r\n"],
        [b"-ERR no such database\r\n+OK\r\n"],
        [b"-ERR no such database\r\n+OK\r\n+OK\r\n+OK\r\n"],
    ],
)
def test_a_target_that_breaks_off(sources: Pair, answers: list[bytes], hangs: bool) -> None:
    puppets = [Puppet(answers, hangs) for _ in range(2)]
    try:
        sources.same("MSET", "a", 1, "b", 2, "c", 3, "d", 4)
        names = ("a", "b", "none", "c")
        ports = (puppets[0].port, puppets[1].port)
        migrate(sources, ports, "MIGRATE", HOST, PORT, "", 0, 500, "KEYS", *names)
        sources.same("KEYS", "*")
        same_log(sources)
    finally:
        for puppet in puppets:
            puppet.close()
    ours, theirs = (
        (folder_of(server) / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes().lower()
        for server in sources.servers
    )
    assert ours == theirs


def test_nobody_is_there(sources: Pair) -> None:
    sources.same("SET", "a", 1)
    port = free_port()
    for host in (HOST, "no such host.invalid"):
        migrate(sources, (port, port), "MIGRATE", host, PORT, "a", 0, 500)
    sources.same("GET", "a")


def test_a_node_that_is_its_own_target_waits_for_itself(sources: Pair) -> None:
    sources.same("SET", "a", 1)
    migrate(sources, ports_of(sources), "MIGRATE", HOST, PORT, "a", 2, 50)
    sources.both_ping()
    sources.same("GET", "a")
    sources.same("SELECT", 2)
    for server in sources.servers:
        wire = Wire(server.port)
        wire.call("SELECT", 2)
        assert wire.call("GET", "a").text() == b"1"  # its own request came when it had given up


def test_the_command_table_and_the_rights(sources: Pair) -> None:
    sources.same_script("""
        COMMAND GETKEYS MIGRATE h 1 k 0 100
        COMMAND GETKEYSANDFLAGS MIGRATE h 1 k 0 100
        COMMAND GETKEYSANDFLAGS MIGRATE h 1 "" 0 100 COPY REPLACE AUTH x KEYS a b
        COMMAND GETKEYS MIGRATE h 1 "" 0 100
        COMMAND INFO MIGRATE
        ACL SETUSER u on nopass +@all ~a* %R~r* %W~w*
        ACL DRYRUN u MIGRATE h 1 a 0 100
        ACL DRYRUN u MIGRATE h 1 b 0 100
        ACL DRYRUN u MIGRATE h 1 r 0 100
        ACL DRYRUN u MIGRATE h 1 w 0 100
        ACL DRYRUN u MIGRATE h 1 "" 0 100 KEYS a a1
        ACL DRYRUN u MIGRATE h 1 "" 0 100 KEYS a b
    """)
