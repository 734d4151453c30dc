"""Each end of a replication link alone, across from one that is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from .client import wait_until
from .datasets import dataset
from .following import LIMIT_S, Node, Start
from .handshake import EMPTY_RDB, HISTORY, FakeFollower, FakeLeader
from .servers import redis_server

KINDS = pytest.mark.parametrize("kind", ["kvnode", pytest.param("redis", marks=pytest.mark.long)])


@pytest.fixture
def leader() -> Iterator[FakeLeader]:
    with FakeLeader() as leader:
        yield leader


def following(start: Start, kind: str, leader: FakeLeader, *directives: str) -> Node:
    """A node with data of its own that has just been told to follow."""
    node = start(kind, *directives)
    node.value("SET", "old", 1)
    node.follow(leader.port)
    return node


# -- the node follows ----------------------------------------------------------------------------


@KINDS
def test_a_follower_introduces_itself(start: Start, kind: str, leader: FakeLeader) -> None:
    node = following(start, kind, leader)
    asked = leader.greet()
    assert leader.heard[0] == [b"PING"]
    said = [word for words in leader.heard if words[0].upper() == b"REPLCONF" for word in words[1:]]
    assert said[said.index(b"listening-port") + 1] == str(node.port).encode()
    options = [b for a, b in pairwise(said) if a == b"capa"]
    assert {b"eof", b"psync2"} <= set(options)
    assert asked[0] == b"PSYNC"
    assert len(asked) == 3


@KINDS
def test_a_follower_logs_in_as_it_is_told(start: Start, kind: str, leader: FakeLeader) -> None:
    following(start, kind, leader, "--masteruser", "mirror", "--masterauth", "secret")
    leader.greet()
    assert [b"AUTH", b"mirror", b"secret"] in leader.heard
    node = following(start, kind, leader, "--masterauth", "secret")
    leader.greet()
    assert [b"AUTH", b"secret"] in leader.heard
    assert node.value("GET", "old") == b"1"


@KINDS
def test_a_follower_announces_another_address(start: Start, kind: str, leader: FakeLeader) -> None:
    words = ("--replica-announce-ip", "10.1.2.3", "--replica-announce-port", "7777")
    following(start, kind, leader, *words)
    leader.greet()
    said = [word for words in leader.heard for word in words]
    assert said[said.index(b"listening-port") + 1] == b"7777"
    assert said[said.index(b"ip-address") + 1] == b"10.1.2.3"


@KINDS
@pytest.mark.parametrize(
    "answer",
    [
        b"-NOAUTH Authentication required.\r\n",
        b"-NOPERM this user has no permissions\r\n",
        b"+PONG\r\n",
    ],
)
def test_a_follower_may_be_answered_like_old_leaders(
    start: Start, kind: str, leader: FakeLeader, answer: bytes
) -> None:
    following(start, kind, leader)
    leader.accept()
    assert leader.hear() == [b"PING"]
    leader.say(answer)
    while (words := leader.hear())[0].upper() != b"PSYNC":
        leader.say(b"-ERR Unrecognized REPLCONF option\r\n")
    assert words[0] == b"PSYNC"


@KINDS
@pytest.mark.parametrize(
    "answer",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n",
        b"+NONSENSE\r\n",
        b"+FULLRESYNC\r\n",
        b"",
    ],
)
def test_a_follower_that_is_turned_away_keeps_its_data_and_asks_again(
    start: Start, kind: str, leader: FakeLeader, answer: bytes
) -> None:
    node = following(start, kind, leader)
    leader.greet()
    leader.say(answer)
    if not answer:
        leader.hang_up()
    elif answer in (b"+NONSENSE\r\n", b"+FULLRESYNC\r\n"):
        # An old leader, to which PSYNC is unknown, is asked for a SYNC; it may also be given up.
        leader.hang_up()
    leader.greet()
    assert node.value("GET", "old") == b"1"
    leader.give(EMPTY_RDB)
    node.until_linked()
    assert node.value("DBSIZE") == 0


def snapshot_of(keys: int) -> bytes:
    """A dump.rdb of redis-server."""
    with redis_server() as server:
        node = Node.__new__(Node)
        node.kind, node.server, node.wires = "redis", server, []
        node.feed(*dataset(keys))
        node.value("SAVE")
        node.hang_up()
        return (server.made_folder() / "dump.rdb").read_bytes()


@KINDS
@pytest.mark.parametrize("diskless", ["disabled", "swapdb"])
@pytest.mark.parametrize("form", ["size", "mark"])
def test_a_damaged_snapshot_is_not_taken(
    start: Start, kind: str, leader: FakeLeader, diskless: str, form: str
) -> None:
    node = following(start, kind, leader, "--repl-diskless-load", diskless)
    whole = snapshot_of(300)
    mark = b"m" * 40

    def give(data: bytes) -> None:
        leader.greet()
        leader.say(b"\n\n")
        leader.say(b"+FULLRESYNC %b 0\r\n\n" % HISTORY)
        head, tail = (
            (b"$EOF:%b\r\n" % mark, mark) if form == "mark" else (b"$%d\r\n" % len(data), b"")
        )
        leader.say(head + data + tail)

    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 0x10
    if kind == "kvnode":
        # redis-server ends its process here, or flushes its data first.
        give(bytes(damaged))
        assert leader.has_left()
        assert node.value("GET", "old") == b"1"
        give(b"REDIS9999" + whole[9:])
        assert leader.has_left()
        assert node.value("GET", "old") == b"1"
    leader.greet()
    leader.say(b"+FULLRESYNC %b 0\r\n$%d\r\n" % (HISTORY, len(whole)))
    leader.say(whole[: len(whole) // 2])
    leader.hang_up()
    give(whole)
    node.until_linked()
    assert node.value("EXISTS", "old") == 0
    assert int(str(node.value("DBSIZE"))) > 0


@KINDS
def test_a_follower_counts_every_byte_and_takes_them_in_any_pieces(
    start: Start, kind: str, leader: FakeLeader
) -> None:
    node = following(start, kind, leader)
    leader.greet()
    leader.give(EMPTY_RDB, 1000)
    node.until_linked()
    assert leader.acknowledged() == 1000
    getack = len(b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n")
    sent = getack
    sent += leader.stream("SELECT", 0)
    sent += leader.stream("SET", "a", "x" * 1000)
    assert leader.acknowledged() == 1000 + sent
    sent += getack
    data = b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$5\r\nvalue\r\n"
    for place in range(len(data)):
        leader.say(data[place : place + 1])
    sent += len(data)
    sent += (
        leader.stream("PING")
        + leader.stream("MULTI")
        + leader.stream("INCR", "n")
        + leader.stream("INCR", "n")
    )
    # A transaction without its end is not there yet.
    assert wait_until(lambda: node.value("GET", "b") == b"value", LIMIT_S)
    assert node.value("EXISTS", "n") == 0
    sent += leader.stream("EXEC")
    assert leader.acknowledged() == 1000 + sent
    assert node.value("GET", "n") == b"2"
    assert node.count("slave_repl_offset") == 1000 + sent + getack


@KINDS
def test_a_follower_asks_for_what_it_lacks_after_a_cut(
    start: Start, kind: str, leader: FakeLeader
) -> None:
    node = following(start, kind, leader)
    leader.greet()
    leader.give(EMPTY_RDB, 1000)
    node.until_linked()
    sent = leader.stream("SELECT", 3) + leader.stream("SET", "a", 1)
    assert wait_until(lambda: node.info("keyspace").get("db3", "").startswith("keys=1"), LIMIT_S)
    # Half a command and half a transaction are asked for again.
    half = leader.stream("MULTI") + leader.stream("SET", "half", 1)
    leader.say(b"*3\r\n$3\r\nSET\r\n$1\r\nb")
    assert wait_until(lambda: node.count("slave_read_repl_offset") > 1000 + sent, LIMIT_S)
    asked = leader.greet()
    history, offset = asked[1], int(asked[2])
    assert history == HISTORY
    assert offset in (1000 + sent + 1, 1000 + sent + half + 1)
    leader.say(b"+CONTINUE %b\r\n" % HISTORY[::-1])
    if offset == 1000 + sent + 1:
        leader.stream("MULTI")
        leader.stream("SET", "half", 1)
    leader.stream("SET", "b", 2)
    leader.stream("EXEC")
    node.until_linked()
    assert wait_until(lambda: "keys=3" in node.info("keyspace").get("db3", ""), LIMIT_S)
    # The leader has another history now; the old one is remembered.
    assert node.info()["master_replid"] == HISTORY[::-1].decode()
    assert node.info()["master_replid2"] == HISTORY.decode()


@KINDS
@pytest.mark.parametrize("nonsense", [b"*3\r\n$x\r\n", b"SET inline 1\r\n", b"*1\r\n:1\r\n"])
def test_a_follower_leaves_a_leader_that_talks_nonsense(
    start: Start, kind: str, leader: FakeLeader, nonsense: bytes
) -> None:
    node = following(start, kind, leader)
    leader.greet()
    leader.give(EMPTY_RDB, 1000)
    node.until_linked()
    leader.stream("SET", "a", 1)
    leader.say(nonsense)
    assert leader.has_left()
    leader.greet()
    leader.give(EMPTY_RDB, 2000)
    node.until_linked()
    assert node.value("EXISTS", "a") == 0


# -- the node leads ------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("diskless", ["no", "yes"])
def test_a_leader_gives_a_snapshot_and_the_stream(start: Start, kind: str, diskless: str) -> None:
    node = start(kind, "--repl-diskless-sync", diskless)
    node.feed(*dataset(200))
    link = FakeFollower(node.port)
    if diskless == "yes":
        assert link.wire.call("REPLCONF", "capa", "eof", "capa", "psync2").text() == b"OK"
    assert link.psync()[0] == b"+FULLRESYNC"
    assert link.history.decode() == node.info()["master_replid"]
    assert link.snapshot().startswith(b"REDIS00")
    link.acknowledge()
    node.until(lambda: "state=online" in node.info()["slave0"], "sending the stream")
    node.line("SELECT 1")
    node.line("SET a 1")
    assert link.next() == [b"SELECT", b"1"]
    assert link.next() == [b"SET", b"a", b"1"]
    assert link.offset == node.count("master_repl_offset")
    # WAIT asks for an acknowledgement.
    waiting = node.wire()
    waiting.send("SET", "b", 1)
    waiting.send("WAIT", 1, 0)
    node.until(lambda: node.count("blocked_clients") == 1, "waiting")
    assert link.next() == [b"SELECT", b"0"]
    assert link.next() == [b"SET", b"b", b"1"]
    goal = link.offset
    assert link.next() == [b"REPLCONF", b"GETACK", b"*"]
    link.wire.send("REPLCONF", "ACK", goal)
    assert [waiting.read().plain() for _ in range(2)] == [b"OK", 1]
    link.close()
    node.until(lambda: node.info()["connected_slaves"] == "0", "rid of it")


@KINDS
def test_a_leader_continues_where_it_can(start: Start, kind: str) -> None:
    node = start(kind, "--repl-ping-replica-period", "3600")
    first = FakeFollower(node.port)
    first.psync()
    first.snapshot()
    first.acknowledge()
    node.line("SET a 1")
    first.next()
    middle = first.offset
    first.next()
    history, offset = first.history, first.offset
    first.close()
    node.line("SET b 1")
    for wanted, answer, reads in (
        (offset + 1, b"+CONTINUE", [[b"SET", b"b", b"1"]]),
        (middle + 1, b"+CONTINUE", [[b"SET", b"a", b"1"], [b"SET", b"b", b"1"]]),
        (node.count("master_repl_offset") + 1, b"+CONTINUE", []),
        (node.count("master_repl_offset") + 2, b"+FULLRESYNC", []),
        (1_000_000, b"+FULLRESYNC", []),
        (-5, b"+FULLRESYNC", []),
    ):
        link = FakeFollower(node.port)
        link.wire.call("REPLCONF", "capa", "psync2")
        words = link.psync(history, wanted)
        assert words[:2] == [answer, history], wanted
        for argv in reads:
            assert link.next() == argv
        link.close()
    link = FakeFollower(node.port)
    assert link.psync("0" * 40, offset + 1)[0] == b"+FULLRESYNC"
    link.close()
    # Without psync2 the answer has no history.
    link = FakeFollower(node.port)
    assert link.psync(history, offset + 1) == [b"+CONTINUE"]
    link.close()


@KINDS
def test_a_leader_serves_followers_of_before_psync(start: Start, kind: str) -> None:
    node = start(kind)
    node.line("SET before 1")
    link = FakeFollower(node.port)
    link.wire.send("SYNC")
    assert b"before" in link.snapshot()
    node.line("SET a 1")
    assert link.next() == [b"SELECT", b"0"]
    assert link.next() == [b"SET", b"a", b"1"]
    link.close()


@KINDS
def test_followers_that_come_during_a_snapshot_share_it_or_wait(start: Start, kind: str) -> None:
    node = start(kind)
    node.feed(*dataset(3_000))
    links = [FakeFollower(node.port) for _ in range(4)]
    for link in links:
        link.wire.send("PSYNC", "?", -1)
    for number, link in enumerate(links):
        words = link.line().split()
        assert words[0] == b"+FULLRESYNC"
        link.offset = int(words[2])
        assert link.snapshot().startswith(b"REDIS")
        link.acknowledge()
        node.value("SET", "n", number)
    node.value("SET", "last", 1)
    for link in links:
        seen = [link.next()]
        while seen[-1] != [b"SET", b"last", b"1"]:
            seen.append(link.next())
        assert seen[0] == [b"SELECT", b"0"]
        assert link.offset == node.count("master_repl_offset")
        link.close()


@KINDS
def test_a_follower_cannot_write_over_its_link(start: Start, kind: str) -> None:
    node = start(kind)
    link = FakeFollower(node.port)
    link.psync()
    link.snapshot()
    link.acknowledge()
    node.until(lambda: "state=online" in node.info()["slave0"], "online")
    link.wire.send("SET", "a", 1)
    node.until(lambda: node.info()["connected_slaves"] == "0", "rid of it")
    assert node.value("EXISTS", "a") == 0
    link.close()
