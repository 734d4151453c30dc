"""What is remembered of requests survives with the data: logs, snapshots, followers."""

from __future__ import annotations

import random

import pytest

from kvnode.config import Config
from kvnode.durability.rdb_reader import FileError

from .disks import MemoryDisk
from .engine import Engine, output
from .links import Network, allow_debug, is_in_step, pair, syncs
from .requesters import Requester, is_refused
from .test_append_log import INCREMENT, finish, started, write_out

RECORD = b"kvnode:request "


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


def counted(engine: Engine, key: bytes = b"n") -> int:
    reply = engine.send([b"GET", key])
    return 0 if reply == b"$-1\r\n" else int(reply.split(b"\r\n")[1])


def moved(client: Requester, engine: Engine) -> Requester:
    """The same client, connected to another node."""
    client.engine = engine
    return client


def loaded(disk: MemoryDisk) -> Engine:
    """A node on the RDB file of a disk."""
    config = Config()
    config.set_many([("save", "")])
    engine = Engine(seed=2, config=config, disk=disk)
    loader = engine.node.find_data()
    while loader is not None and not loader.is_done:
        loader.step(1.0)
    return engine


def test_the_log_brings_back_what_was_run(disk: MemoryDisk) -> None:
    engine = started(disk)
    client = Requester(engine)
    first = client.send(1, b"INCR", b"n")
    engine.send([b"MULTI"])
    engine.send([b"INCR", b"n"])
    engine.send([b"SELECT", b"3"], "elsewhere")
    other = client.send(2, b"EXEC")
    third = client.send(4, b"INCRBYFLOAT", b"f", b"0.1", name="elsewhere")
    client.send(5, b"GET", b"n")  # changed nothing: run again, and it answers with what is there
    write_out(engine)
    again = moved(client, started(disk, seed=2))
    assert again.send(1, b"INCR", b"n") == first
    assert again.send(2, b"EXEC") == other
    assert again.send(4, b"INCRBYFLOAT", b"f", b"0.1") == third
    assert again.send(3, b"INCR", b"n") == b":3\r\n"
    assert again.send(5, b"GET", b"n") == b"$1\r\n3\r\n"
    again.engine.node.check()


def test_a_rewritten_log_brings_it_back_too(disk: MemoryDisk) -> None:
    engine = started(disk)
    client = Requester(engine)
    client.send(1, b"INCR", b"n")
    client.acknowledged = 1
    client.send(2, b"INCR", b"n")
    engine.send([b"BGREWRITEAOF"])
    client.send(3, b"INCR", b"n")  # while it is made: behind the new base
    finish(engine)
    assert INCREMENT not in disk.content
    client.send(4, b"INCR", b"n")
    write_out(engine)
    again = moved(client, started(disk, seed=2))
    for seq in (2, 3, 4):
        assert again.send(seq, b"INCR", b"n") == b":%d\r\n" % seq
    again.acknowledged = 0
    assert is_refused(again.send(1, b"INCR", b"n"))
    assert counted(again.engine) == 4


def test_a_log_that_is_torn_anywhere_has_effect_and_record_or_neither(disk: MemoryDisk) -> None:
    engine = started(disk)
    client = Requester(engine)
    ends = []
    for seq in (1, 2, 3):
        client.send(seq, b"INCR", b"n")
        write_out(engine)
        ends.append(len(disk.content[INCREMENT]))
    whole = bytes(disk.content[INCREMENT])
    for size in range(len(whole) + 1):
        disk.content[INCREMENT] = bytearray(whole[:size])
        engine = started(disk, seed=2)
        memory = engine.node.requests
        known = [seq for seq in (1, 2, 3) if memory.is_repeat(client.id, seq)]
        assert len(known) == counted(engine) == sum(size >= end for end in ends)
        engine.node.append_log.turn_off()
        moved(client, engine)
        for seq in (1, 2, 3):
            assert client.send(seq, b"INCR", b"n") == b":%d\r\n" % seq
        assert counted(engine) == 3


def test_a_repeat_is_refused_while_the_first_may_not_last(disk: MemoryDisk) -> None:
    engine = started(disk)
    client = Requester(engine)
    client.send(1, b"INCR", b"n")
    write_out(engine)
    disk.room = sum(len(data) for data in disk.content.values()) + 7
    client.send(2, b"INCR", b"n")  # whoever sent it is cut off by the connection's owner
    engine.node.append_log.write_out()
    for seq in (1, 2, 3):
        assert client.send(seq, b"INCR", b"n").startswith(b"-MISCONF ")
    disk.room = 1 << 20
    engine.wait(1.1)
    assert client.send(2, b"INCR", b"n") == b":2\r\n"
    assert client.send(3, b"INCR", b"n") == b":3\r\n"
    write_out(engine)
    assert counted(started(disk, seed=2)) == 3


def test_wait_counts_from_a_repeat_on() -> None:
    net, leader, follower = pair()
    client = Requester(leader)
    client.send(1, b"INCR", b"n", name="first")
    client.send(1, b"INCR", b"n", name="second")
    assert leader.send([b"WAIT", b"1", b"0"], "second") == b""
    net.settle()
    assert output(leader.session("second")) == b":1\r\n"
    assert is_in_step(follower, leader)


def test_a_record_that_is_damaged_is_named(disk: MemoryDisk) -> None:
    engine = started(disk)
    Requester(engine).send(1, b"INCR", b"n")
    write_out(engine)
    data = disk.content[INCREMENT]
    at = data.index(RECORD) + len(RECORD)
    data[at : at + 1] = b"x"
    with pytest.raises(FileError, match=r"a record kvnode:request.* that is none \(offset \d+\)"):
        started(disk, seed=2)


def test_nobody_forges_a_record(disk: MemoryDisk) -> None:
    engine = started(disk)
    client = Requester(engine)
    forged = RECORD + client.id + b" 0 1 4 0 :9\r\n"
    engine.send([b"ECHO", forged])
    engine.send([b"MULTI"])
    for words in ([b"INCR", b"m"], [b"ECHO", forged], [b"INCR", b"m"]):
        engine.send(words)
    engine.send([b"EXEC"])
    script = b"redis.call('INCR', 'm') return redis.call('ECHO', ARGV[1])"
    engine.send([b"EVAL", script, b"0", forged])
    client.send(2, b"ECHO", forged)
    engine.send([b"SET", b"k", forged])
    assert client.send(1, b"INCR", b"n") == b":1\r\n"
    write_out(engine)
    again = moved(client, started(disk, seed=2))
    assert again.send(1, b"INCR", b"n") == b":1\r\n"
    assert len(again.engine.node.requests) == 1


def test_a_snapshot_brings_back_all_that_was_run(disk: MemoryDisk) -> None:
    engine = loaded(disk)
    clients = [Requester(engine) for _ in range(20)]
    for number, client in enumerate(clients):
        for seq in range(1, 4):
            client.send(seq, b"INCR", b"n%d" % number)
        client.acknowledged = 1
        client.send(5, b"GET", b"n%d" % number)
    engine.send([b"SAVE"])
    clients[0].send(6, b"INCR", b"n0")  # behind the snapshot: lost with its effect
    other = loaded(disk)
    other.node.check()
    for number, client in enumerate(clients):
        moved(client, other)
        assert client.send(5, b"GET", b"none") == b"$1\r\n3\r\n"
        for seq in (2, 3):
            assert client.send(seq, b"INCR", b"n%d" % number) == b":%d\r\n" % seq
        client.acknowledged = 0
        assert is_refused(client.send(1, b"INCR", b"n%d" % number))
    assert clients[0].send(6, b"INCR", b"n0") == b":4\r\n"


def test_a_snapshot_is_of_its_moment(disk: MemoryDisk) -> None:
    engine = loaded(disk)
    client = Requester(engine)
    for number in range(3000):
        engine.send([b"SET", b"k%d" % number, b"v"])
    client.send(1, b"INCR", b"n")
    engine.send([b"BGSAVE"])
    client.send(2, b"INCR", b"n")
    while engine.node.saver.is_saving():
        engine.wait(0.01)
    again = moved(client, loaded(disk))
    assert again.send(1, b"INCR", b"n") == b":1\r\n"
    assert counted(again.engine) == 1
    assert again.send(2, b"INCR", b"n") == b":2\r\n"


def test_data_that_says_nothing_of_requests_is_not_trusted(disk: MemoryDisk) -> None:
    engine = loaded(disk)
    client = Requester(engine)
    engine.send([b"SET", b"k", b"v"])
    engine.send([b"SAVE"])
    data = disk.content["dump.rdb"]
    at = data.index(b"kvnode-request-watermark")
    data[at : at + 6] = b"others"
    data[-8:] = bytes(8)  # no checksum
    other = loaded(disk)
    assert is_refused(moved(client, other).send(1, b"INCR", b"n"))
    assert Requester(other).send(1, b"INCR", b"n") == b":1\r\n"


def test_a_node_that_starts_empty_takes_every_id(disk: MemoryDisk) -> None:
    client = Requester(loaded(MemoryDisk()))
    client.send(1, b"INCR", b"n")
    assert moved(client, loaded(disk)).send(1, b"INCR", b"n") == b":1\r\n"


@pytest.mark.parametrize("how", ["RELOAD", "LOADAOF"])
def test_a_reload_keeps_what_was_run(disk: MemoryDisk, how: str) -> None:
    engine = started(disk)
    allow_debug(engine)
    client = Requester(engine)
    client.send(1, b"INCR", b"n")
    write_out(engine)
    assert engine.send([b"DEBUG", how.encode()]) == b"+OK\r\n"
    assert client.send(1, b"INCR", b"n") == b":1\r\n"
    assert counted(engine) == 1
    engine.node.check()


@pytest.mark.parametrize("words", [[b"FLUSHALL"], [b"FLUSHDB"], [b"SWAPDB", b"0", b"1"]])
def test_a_flush_does_not_forget_what_was_run(disk: MemoryDisk, words: list[bytes]) -> None:
    engine = started(disk)
    client = Requester(engine)
    client.send(1, b"INCR", b"n")
    assert client.send(2, *words) == b"+OK\r\n"
    write_out(engine)
    for node in (engine, started(disk, seed=2)):
        moved(client, node)
        assert client.send(1, b"INCR", b"n") == b":1\r\n"
        assert client.send(2, *words) == b"+OK\r\n"
        assert counted(node) == 0


# --- followers ------------------------------------------------------------------------------------


def test_a_follower_remembers_and_answers_repeats() -> None:
    net, leader, follower = pair()
    client = Requester(leader)
    client.send(1, b"INCR", b"n")
    leader.send([b"MULTI"])
    leader.send([b"RPUSH", b"list", b"x"])
    leader.send([b"INCR", b"n"])
    second = client.send(2, b"EXEC")
    net.settle()
    moved(client, follower)
    assert client.send(1, b"INCR", b"n") == b":1\r\n"
    assert client.send(2, b"EXEC") == second
    assert client.send(3, b"INCR", b"n").startswith(b"-READONLY ")
    assert is_in_step(follower, leader)
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    assert client.send(1, b"INCR", b"n") == b":1\r\n"
    assert client.send(2, b"EXEC") == second
    assert client.send(3, b"INCR", b"n") == b":3\r\n"
    follower.node.check()


def test_a_full_sync_brings_what_was_run_and_drops_what_was_here() -> None:
    net = Network()
    leader, follower = net.add("a"), net.add("b")
    client, stranger = Requester(leader), Requester(follower)
    client.send(1, b"INCR", b"n")
    stranger.send(1, b"INCR", b"n")
    net.follow(follower, "a")
    assert syncs(leader)[0] == 1
    assert len(follower.node.requests) == 1
    client.send(2, b"INCR", b"n")
    net.settle()
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    moved(client, follower)
    for seq in (1, 2):
        assert client.send(seq, b"INCR", b"n") == b":%d\r\n" % seq


def test_a_follower_logs_the_records_for_itself_and_its_followers() -> None:
    net = Network()
    engines = [net.add("a"), net.add("b", ("appendonly", "yes")), net.add("c")]
    engines[1].node.append_log.start()
    net.follow(engines[1], "a")
    net.follow(engines[2], "b")
    client = Requester(engines[0])
    client.send(1, b"INCR", b"n")
    client.send(2, b"PUBLISH", b"c", b"x")
    net.settle()
    assert moved(client, engines[2]).send(1, b"INCR", b"n") == b":1\r\n"
    write_out(engines[1])
    disk = engines[1].node.disk
    assert isinstance(disk, MemoryDisk)
    again = moved(client, started(disk, seed=5))
    assert again.send(1, b"INCR", b"n") == b":1\r\n"
    assert again.send(2, b"PUBLISH", b"c", b"x") == b":0\r\n"
    assert again.engine.node.requests.repeats == 2


def test_a_link_cut_at_every_byte_brings_effect_and_record_together() -> None:
    net, leader, follower = pair()
    client = Requester(leader)
    seq = 0
    for most in range(1, 260, 3):
        seq += 1
        client.send(seq, b"INCR", b"count")
        leader.node.replication.feed()
        wire = net.wire(follower)
        wire.carry(most)
        wire.cut()
        known = follower.node.requests.is_repeat(client.id, seq)
        assert known == (counted(follower, b"count") == seq)
        net.settle(4)
        assert follower.node.requests.is_repeat(client.id, seq)
        assert counted(follower, b"count") == seq


def test_only_a_leader_forgets_with_time() -> None:
    net, leader, follower = pair(("request-max-idle", "900"))
    client = Requester(leader)
    client.send(1, b"INCR", b"n")
    for engine in (leader, follower):
        engine.clock.seconds += 800
    client.send(1, b"INCR", b"n")
    for engine in (leader, follower):
        engine.clock.seconds += 800
    net.settle()
    assert len(leader.node.requests) == len(follower.node.requests) == 1
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    net.settle()
    assert moved(client, follower).send(1, b"INCR", b"n") == b":1\r\n"
    follower.wait(901)
    assert is_refused(client.send(1, b"INCR", b"n"))
    assert is_refused(client.send(2, b"INCR", b"n"))
    assert counted(follower) == 1


@pytest.mark.parametrize("seed", range(25))
def test_each_increment_counts_once_whatever_happens(seed: int) -> None:
    """Repeats at random, on a chain of leaders, with snapshots and restarts of links."""
    draw = random.Random(seed)
    bounds = [("request-max-replies", str(draw.choice((4, 1024)))), ("request-max-clients", "6")]
    net, leader, follower = pair(*bounds)
    clients = [Requester(leader) for _ in range(4)]
    sent: dict[tuple[bytes, int], bytes] = {}
    nexts = dict.fromkeys((client.id for client in clients), 1)
    total = 0
    for _ in range(250):
        client = moved(draw.choice(clients), leader)
        action = draw.random()
        if action < 0.5:
            seq = nexts[client.id]
            nexts[client.id] = seq + 1
            reply = client.send(seq, b"INCR", b"total")
            if not is_refused(reply):
                total += 1
                assert reply == b":%d\r\n" % total
                sent[client.id, seq] = reply
            else:
                clients.remove(client)
                fresh = Requester(leader)
                nexts[fresh.id] = 1
                clients.append(fresh)
        elif action < 0.85 and nexts[client.id] > 1:
            seq = draw.randrange(1, nexts[client.id])
            reply = client.send(seq, b"INCR", b"total")
            assert is_refused(reply) or reply == sent[client.id, seq]
        elif action < 0.9:
            client.acknowledged = max(client.acknowledged, nexts[client.id] - 3)
        elif action < 0.94:
            net.wire(follower).cut()
            net.settle()
        elif action < 0.96:
            leader.node.replication.history.begin_anew()  # the next sync is a full one
            net.wire(follower).cut()
            net.settle()
        else:
            net.settle()
            follower.send([b"REPLICAOF", b"NO", b"ONE"])
            name = "b" if net.engines["b"] is follower else "a"
            leader, follower = follower, leader
            net.follow(follower, name)
    assert counted(leader, b"total") == total
    for engine in (leader, follower):
        engine.node.check()
