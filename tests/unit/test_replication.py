"""Leaders and followers without a socket: what is synced, cut and promoted."""

from __future__ import annotations

from random import Random

import pytest

from kvnode.config import Config

from .disks import MemoryDisk
from .engine import Engine, output
from .links import Network, fill, is_in_step, is_up, offset, pair, syncs, varied

# --- full syncs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_direct", ["yes", "no"])
@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb"])
@pytest.mark.parametrize("most", [1, 7, 1 << 20])
def test_a_full_sync_gives_all_data(is_direct: str, load: str, most: int) -> None:
    net = Network()
    leader = net.add("a", ("repl-diskless-sync", is_direct))
    follower = net.add("b", ("repl-diskless-load", load))
    fill(leader)
    follower.send([b"SET", b"gone", b"1"])
    follower.send([b"REPLICAOF", b"a", b"1"])
    for n in range(60):
        leader.send([b"INCR", b"n"])  # also behind the snapshot, while that is on its way
        for engine in net.engines.values():
            engine.clock.seconds += 0.1
            engine.node.tick(engine.clock.seconds)
        net.carry(most if n < 50 else 1 << 30)
    net.settle()
    assert is_in_step(follower, leader)
    assert syncs(leader) == (1, 0)
    follower.node.check()
    names = [name for disk in (leader.node.disk, follower.node.disk) for name in disk.names("")]
    assert not [name for name in names if name.startswith("temp-")]


def test_two_followers_share_a_snapshot_and_get_the_same_bytes() -> None:
    net = Network()
    leader = net.add("a")
    followers = [net.add("b"), net.add("c")]
    fill(leader)
    for follower in followers:
        follower.send([b"REPLICAOF", b"a", b"1"])
    net.settle()
    varied(leader)
    net.settle()
    assert all(is_in_step(follower, leader) for follower in followers)
    carried = [bytes(net.wire(follower).carried) for follower in followers]
    assert carried[0][-500:] == carried[1][-500:]
    assert leader.node.saver.saves == 0  # direct: no file


# --- partial syncs --------------------------------------------------------------------------------


def test_a_cut_at_every_byte_loses_and_repeats_nothing() -> None:
    net, leader, follower = pair()
    before = offset(leader)
    varied(leader)
    net.carry()
    size = offset(leader) - before
    assert 500 < size < 1500
    for at in range(size + 1):
        before = offset(leader)
        varied(leader)
        wire = net.wire(follower)
        if at:
            wire.carry(at)
        wire.cut()
        assert before <= offset(follower) <= before + at
        follower.clock.seconds += 1.1
        follower.node.tick(follower.clock.seconds)
        net.carry()
        assert is_in_step(follower, leader), at
        if at % 20 == 0:
            leader.send([b"DEL", b"l", b"a"])
            net.carry()
    assert syncs(leader) == (1, size + 1)


def writes(draw: Random, engine: Engine) -> None:
    """Some random writes, none of which can be run twice unnoticed."""
    for _ in range(draw.randrange(12)):
        key = b"k%d" % draw.randrange(8)
        choices = [
            [b"INCR", b"n"],
            [b"APPEND", key, b"x" * draw.choice([1, 100, 20_000])],
            [b"RPUSH", b"list", b"%d" % draw.randrange(100)],
            [b"LPOP", b"list"],
            [b"SPOP", b"set"],
            [b"SADD", b"set", b"%d" % draw.randrange(100)],
            [b"PEXPIRE", key, b"%d" % draw.randrange(1, 3000)],
            [b"DEL", key],
            [b"SELECT", b"%d" % draw.choice([0, 0, 2])],
            [b"SWAPDB", b"0", b"2"],
            [b"XADD", b"x", b"*", b"f", b"v"],
            [b"EVAL", b"redis.call('incr','n') redis.call('append','k1','e')", b"0"],
            [b"FLUSHALL"] if draw.random() < 0.02 else [b"INCR", b"m"],
        ]
        engine.send([b"MULTI"])
        engine.send(draw.choice(choices))
        if draw.random() < 0.5:
            engine.send(draw.choice(choices))
        engine.send([b"EXEC"])


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_cut_the_copies_are_equal_in_the_end(seed: int) -> None:
    draw = Random(seed)
    net = Network()
    settings = [
        ("repl-backlog-size", "16384"),
        ("repl-diskless-sync", draw.choice(["yes", "no"])),
        ("repl-diskless-load", draw.choice(["disabled", "swapdb"])),
    ]
    engines = [net.add(name, *settings) for name in "abc"]
    engines[1].send([b"REPLICAOF", b"a", b"1"])
    engines[2].send([b"REPLICAOF", draw.choice([b"a", b"b"]), b"1"])
    for _ in range(60):
        writes(draw, engines[0])
        if net.wires and draw.random() < 0.3:
            draw.choice(net.wires).cut()
        for engine in engines:
            engine.clock.seconds += draw.choice([0.0, 0.1, 1.5])
            engine.node.tick(engine.clock.seconds)
        for wire in list(net.wires):
            if draw.random() < 0.7:
                wire.carry(draw.choice([1, 50, 5000, 1 << 30]))
    net.settle(20)
    for follower in engines[1:]:
        assert is_in_step(follower, engines[0])
        follower.node.check()


@pytest.mark.parametrize("seed", range(30))
def test_whoever_is_promoted_all_are_equal_in_the_end(seed: int) -> None:
    draw = Random(seed)
    net = Network()
    saves = draw.choice(["yes", "no"])
    engines = [net.add(name, ("repl-backlog-size", "30000")) for name in "abc"]
    if saves == "yes":
        for engine in engines:
            engine.node.append_log.start()
    lead = 0
    for other in (1, 2):
        engines[other].send([b"REPLICAOF", b"a", b"1"])
    for _ in range(40):
        writes(draw, engines[lead])
        for engine in engines:
            engine.clock.seconds += draw.choice([0.0, 0.1, 1.5])
            engine.node.tick(engine.clock.seconds)
        for wire in list(net.wires):
            if draw.random() < 0.8:
                wire.carry(draw.choice([50, 5000, 1 << 30]))
        up = [n for n in range(3) if n != lead and is_up(engines[n])]
        if up and draw.random() < 0.2:
            lead = draw.choice(up)
            engines[lead].send([b"REPLICAOF", b"NO", b"ONE"])
            engines[lead].send([b"INCR", b"n"])
            for n in range(3):
                if n != lead:
                    engines[n].send([b"REPLICAOF", b"abc"[lead : lead + 1], b"1"])
    net.settle(20)
    for follower in engines:
        assert follower is engines[lead] or is_in_step(follower, engines[lead])


def test_a_follower_keeps_the_id_and_a_promoted_one_has_a_second() -> None:
    net, leader, follower = pair()
    third = net.add("c")
    net.follow(third, "a")
    varied(leader)
    net.settle(2)
    old = leader.node.replication.history.id
    assert follower.node.replication.history.id == old
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    assert follower.node.replication.history.second_id == old
    assert follower.node.replication.history.second_offset == offset(follower) + 1
    follower.send([b"SET", b"new", b"1"])
    net.follow(third, "b")
    assert syncs(follower) == (0, 1)
    leader.send([b"SET", b"lost", b"1"])
    net.follow(leader, "b")
    assert syncs(follower) == (1, 1)
    assert leader.send([b"EXISTS", b"lost"]) == b":0\r\n"


def test_a_log_that_was_not_handed_on_is_not_repeated_by_a_promotion() -> None:
    net = Network()
    leader, follower = net.add("a"), net.add("b", ("appendonly", "yes"))
    follower.node.append_log.start()
    net.follow(follower, "a")
    leader.send([b"INCR", b"n"])
    net.carry()
    end = offset(leader)
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    assert offset(follower) == end


def test_what_was_no_copy_when_it_was_promoted_is_continued_by_nobody() -> None:
    net, leader, follower = pair()
    third = net.add("c")
    net.follow(third, "a")
    wire = net.wire(follower)
    follower.node.replication.link.received(b"*1\r\n$5\r\nWRONG\r\n")  # type: ignore[union-attr]
    assert wire.is_closed
    follower.send([b"SELECT", b"0"])
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    net.follow(third, "b")
    assert syncs(follower) == (1, 0)
    net.follow(leader, "b")


def test_what_a_transaction_wrote_before_it_follows_is_not_kept_beside_the_stream() -> None:
    net, leader, follower = pair()
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    leader.send([b"MULTI"])
    leader.send([b"SET", b"mine", b"1"])
    leader.send([b"REPLICAOF", b"b", b"1"])
    leader.send([b"SET", b"mine too", b"1"])
    leader.send([b"EXEC"])
    net.settle()
    assert is_in_step(leader, follower)


def test_a_snapshot_made_while_the_link_is_down_says_its_database() -> None:
    net, leader, follower = pair()
    third = net.add("c")
    leader.send([b"SELECT", b"5"])
    leader.send([b"SET", b"five", b"1"])
    net.settle(2)
    third.send([b"REPLICAOF", b"b", b"1"])
    net.carry()  # it waits for a snapshot now
    net.wire(follower).cut()
    follower.node.tick(follower.clock.seconds)
    net.settle()
    leader.send([b"SET", b"more", b"1"])
    net.settle()
    assert is_in_step(follower, leader)
    assert is_in_step(third, leader)


def test_a_chain_has_the_same_stream_to_its_end() -> None:
    net, leader, follower = pair()
    third = net.add("c")
    net.follow(third, "b")
    before = [len(net.wire(engine).carried) for engine in (follower, third)]
    varied(leader)
    net.settle()
    streams = [
        bytes(net.wire(engine).carried)[start:]
        for engine, start in zip((follower, third), before, strict=True)
    ]
    assert streams[0] == streams[1] != b""
    assert is_in_step(third, leader)


def test_the_log_of_a_follower_replays_to_the_same_data() -> None:
    net = Network()
    leader, follower = net.add("a"), net.add("b", ("appendonly", "yes"))
    follower.node.append_log.start()
    fill(leader)
    net.follow(follower, "a")
    varied(leader)
    net.settle()
    follower.node.append_log.write_out()
    config = Config()
    config.set_many([("appendonly", "yes")])
    again = Engine(config=config, disk=follower.node.disk, seconds=follower.clock.seconds)
    loader = again.node.find_data()
    assert loader is not None
    while not loader.is_done:
        loader.step(1.0)
    assert again.dump() == leader.dump()


@pytest.mark.parametrize(
    "request_words",
    [
        [b"SET", b"k", b"1", b"PX", b"100"],
        [b"PSETEX", b"k", b"100", b"1"],
        [b"GETEX", b"k", b"PX", b"100"],
        [b"PEXPIRE", b"k", b"100"],
    ],
)
@pytest.mark.parametrize("after", [b"PERSIST", b"INCR"])
def test_a_deadline_that_has_passed_for_a_follower_alone_deletes_nothing(
    request_words: list[bytes], after: bytes
) -> None:
    net, leader, follower = pair()
    follower.clock.seconds += 30
    follower.node.tick(follower.clock.seconds)
    leader.send([b"SET", b"k", b"1"])
    leader.send(request_words)
    leader.send([after, b"k"])
    net.carry()
    assert (0, b"k") in leader.dump()
    assert is_in_step(follower, leader)


def test_a_deadline_that_was_taken_back_deletes_nothing_after_a_restart() -> None:
    config = Config()
    config.set_many([("appendonly", "yes"), ("save", "")])
    engine = Engine(config=config, disk=MemoryDisk())
    engine.node.append_log.start()
    engine.send([b"SET", b"k", b"1", b"PX", b"100"])
    engine.send([b"PERSIST", b"k"])
    engine.node.append_log.write_out()
    again = Engine(config=config, disk=engine.node.disk, seconds=engine.clock.seconds + 60)
    again.node.tick(again.clock.seconds)
    loader = again.node.find_data()
    assert loader is not None
    loader.step(1.0)
    assert again.send([b"GET", b"k"]) == b"$1\r\n1\r\n"


def test_a_message_comes_behind_the_writes_of_its_transaction() -> None:
    net, leader, follower = pair()
    follower.send([b"SUBSCRIBE", b"c"])
    before = len(net.wire(follower).carried)
    leader.send([b"MULTI"])
    leader.send([b"SET", b"k", b"1"])
    leader.send([b"PUBLISH", b"c", b"m"])
    leader.send([b"EXEC"])
    leader.send([b"EVAL", b"redis.call('set','l','1') redis.call('publish','c','n')", b"0"])
    net.carry()
    stream = bytes(net.wire(follower).carried[before:])
    assert stream.count(b"c\r\n") == 2
    assert stream.index(b"SET") < stream.index(b"PUBLISH")
    assert stream.index(b"set") < stream.index(b"publish")
    assert output(follower.session()).count(b"message") == 2


def test_whoever_waits_on_a_follower_goes_on_at_once() -> None:
    net, leader, follower = pair()
    session = follower.session()
    session.feed(b"XREAD BLOCK 0 STREAMS x $\r\nPING\r\n")
    leader.send([b"XADD", b"x", b"1-1", b"f", b"v"])
    net.carry()
    assert output(session).endswith(b"+PONG\r\n")
