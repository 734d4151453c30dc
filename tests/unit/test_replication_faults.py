"""Replication where something goes wrong, or something else goes on at the same time."""

from __future__ import annotations

from random import Random

import pytest

from kvnode.config import Config
from kvnode.config.directives import BY_NAME
from kvnode.durability.disk import File

from .disks import MemoryDisk, MemoryFile
from .engine import Engine
from .links import Network, allow_debug, fill, is_in_step, is_up, pair, received, syncs

# --- snapshots ------------------------------------------------------------------------------------


QUICK = (("rdbcompression", "no"), ("rdbchecksum", "no"))


class CountingDisk(MemoryDisk):
    """Knows which files are open."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[CountedFile] = []

    def open(self, name: str) -> File:
        self.opened.append(CountedFile(self, name))
        return self.opened[-1]


class CountedFile(MemoryFile):
    """Knows whether it is open."""

    is_open = True

    def close(self) -> None:
        self.is_open = False


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_a_damaged_snapshot_leaves_nothing_behind(load: str) -> None:
    net = Network()
    leader, follower = net.add("a"), net.add("b", ("repl-diskless-load", load))
    disk = CountingDisk()
    follower.node.disk = disk
    fill(leader)
    follower.send([b"SET", b"old", b"1"])
    net.spoils = b"mortal"
    follower.send([b"REPLICAOF", b"a", b"1"])
    for _ in range(20):
        net.pass_time(0.1)
        if not net.wires:
            break
    assert follower.send([b"DBSIZE"]) == (b":1\r\n" if load == "swapdb" else b":0\r\n")
    assert disk.names("") == []
    net.settle()
    assert is_in_step(follower, leader)
    assert syncs(leader) == (2, 0)
    assert not [file.name for file in disk.opened if file.is_open]


def test_a_snapshot_that_is_whole_is_loaded_though_the_leader_has_died() -> None:
    net = Network()
    leader, follower = net.add("a"), net.add("b")
    fill(leader)
    received(net, leader, follower)
    follower.node.tick(follower.clock.seconds)  # it begins to load
    net.wire(follower).cut()
    leader.send([b"INCR", b"n"])
    for _ in range(3):
        follower.node.tick(follower.clock.seconds)
    assert follower.send([b"GET", b"s"]) == b"$1\r\n1\r\n"
    net.settle()
    assert is_in_step(follower, leader)
    assert syncs(leader) == (1, 1)


def test_a_setting_that_changes_during_a_transfer_does_not_get_into_it() -> None:
    net = Network()
    leader, follower = net.add("a", *QUICK), net.add("b")
    for n in range(9):
        leader.send([b"SET", b"big%d" % n, Random(n).randbytes(1_000_000)])
    follower.send([b"REPLICAOF", b"a", b"1"])
    net.carry()
    leader.node.tick(leader.clock.seconds)
    wire = net.wire(follower)
    wire.is_held = True  # so that the snapshot is on its way when a second has gone by
    leader.send([b"CONFIG", b"SET", b"repl-diskless-sync", b"no"])
    for _ in range(5):
        leader.clock.seconds += 0.6
        leader.node.tick(leader.clock.seconds)
        net.carry()
    assert leader.node.saver.is_saving()
    wire.is_held = False
    net.settle()
    assert is_in_step(follower, leader)
    assert syncs(leader) == (1, 0)


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        b"*1\r\n$5\r\nWRONG\r\n",
        b"GET x\r\n",
        b"*2\r\n$6\r\nSELECT\r\n$4\r\n9999\r\n",
        b"*2\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n",
        b"*2\r\n$4\r\nINCR\r\n$1\r\nl\r\n",
        b"*1\r\n$-7\r\n",
    ],
)
def test_a_stream_that_cannot_be_followed_ends_in_a_full_sync(damage: bytes) -> None:
    net, leader, follower = pair()
    net.wire(follower).link.received(damage)
    assert not is_up(follower)
    net.settle()
    assert is_in_step(follower, leader)
    assert syncs(leader) == (2, 0)


def test_a_follower_that_does_not_read_costs_its_lag_once_and_is_dropped() -> None:
    limits = ("client-output-buffer-limit", "replica 4mb 0 0")
    net, leader, follower = pair(limits, ("repl-backlog-size", "100000"))
    wire = net.wire(follower)
    wire.is_held = True
    for _ in range(30):
        leader.send([b"SET", b"big", b"x" * 100_000])
        net.pass_time(0.01)
        assert not wire.is_closed
        assert len(wire.outlet.unread) < 1_300_000  # the rest stays in the backlog
    for _ in range(15):
        leader.send([b"SET", b"big", b"x" * 100_000])
        net.pass_time(0.01)
    assert wire.outlet.is_ended
    assert len(leader.node.replication.followers) == 0
    net.pass_time(0.01)
    assert leader.node.replication.history.memory() < 150_000
    wire.cut()
    net.settle()
    assert is_in_step(follower, leader)
    assert syncs(leader) == (2, 0)


def test_a_silent_leader_and_a_silent_follower_are_given_up() -> None:
    _, leader, follower = pair(("repl-timeout", "5"))
    for engine in (leader, follower):
        for _ in range(4):
            engine.clock.seconds += 2
            engine.node.tick(engine.clock.seconds)
    assert not is_up(follower)
    assert len(leader.node.replication.followers) == 0


def test_a_follower_that_loads_for_long_is_waited_for() -> None:
    net = Network()
    leader, follower = net.add("a", ("repl-timeout", "5")), net.add("b")
    fill(leader)
    received(net, leader, follower)
    wire = net.wire(follower)
    for _ in range(20):
        leader.clock.seconds += 1
        wire.session.feed(b"\n")  # what a follower says while it loads
        leader.node.tick(leader.clock.seconds)
    assert len(leader.node.replication.followers) == 1
    net.settle()
    assert is_in_step(follower, leader)
    assert syncs(leader) == (1, 0)


@pytest.mark.parametrize("header", [b"$0\r\n", b"$EOF:" + b"m" * 40 + b"\r\n" + b"m" * 40])
def test_a_snapshot_of_nothing_is_refused(header: bytes) -> None:
    net, leader, follower = pair()
    link = follower.node.replication.link
    assert link is not None
    net.wire(follower).cut()
    follower.clock.seconds += 1.1
    follower.node.tick(follower.clock.seconds)
    wire = net.wire(follower)
    link.connected(wire)
    link.received(b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC " + b"f" * 40 + b" 7\r\n" + header)
    assert wire.is_closed
    net.settle()
    assert is_in_step(follower, leader)


# --- files and other work at the same time --------------------------------------------------------


def test_a_file_for_followers_is_the_one_that_was_made_for_them() -> None:
    net = Network()
    leader, follower = net.add("a", ("repl-diskless-sync", "no")), net.add("b")
    fill(leader)
    leader.send([b"INCR", b"n"])
    leader.send([b"SAVE"])
    leader.send([b"INCR", b"n"])
    leader.node.config.set_words(BY_NAME["dbfilename"], ["other.rdb"])
    follower.send([b"REPLICAOF", b"a", b"1"])
    net.carry()
    leader.node.replication.tick(leader.clock.seconds)
    assert leader.node.saver.is_saving()
    leader.node.config.set_words(BY_NAME["dbfilename"], ["dump.rdb"])
    net.settle()
    assert is_in_step(follower, leader)


def test_a_reload_while_a_file_is_made_for_followers_repeats_nothing() -> None:
    net = Network()
    leader = net.add("a", ("repl-diskless-sync", "no"))
    allow_debug(leader)
    follower = net.add("b")
    fill(leader)
    follower.send([b"REPLICAOF", b"a", b"1"])
    net.carry()
    leader.node.replication.tick(leader.clock.seconds)
    assert leader.node.saver.is_saving()
    leader.send([b"INCR", b"n"])
    assert leader.send([b"DEBUG", b"RELOAD"]) == b"+OK\r\n"
    net.settle()
    assert is_in_step(follower, leader)


def test_a_reload_does_not_wait_for_followers_that_take_a_snapshot() -> None:
    net = Network()
    leader, follower = net.add("a", *QUICK), net.add("b")
    allow_debug(leader)
    for n in range(9):
        leader.send([b"SET", b"big%d" % n, Random(n).randbytes(1_000_000)])
    follower.send([b"REPLICAOF", b"a", b"1"])
    net.carry()
    net.wire(follower).is_held = True
    leader.node.tick(leader.clock.seconds)
    leader.node.tick(leader.clock.seconds)
    assert leader.node.saver.is_saving()
    assert leader.send([b"DEBUG", b"RELOAD"]) == b"+OK\r\n"
    net.wire(follower).is_held = False
    net.settle()
    assert is_in_step(follower, leader)


def test_a_save_in_progress_ends_where_the_data_is_replaced() -> None:
    net = Network()
    leader, follower = net.add("a"), net.add("b")
    fill(leader)
    for n in range(5):
        follower.send([b"SET", b"old%d" % n, b"1"])
    received(net, leader, follower)
    follower.node.saver.start()
    follower.node.replication.tick(follower.clock.seconds)
    assert follower.node.is_loading() and not follower.node.saver.is_saving()
    net.settle()
    assert is_in_step(follower, leader)
    assert follower.node.dataset.dirty == 0


@pytest.mark.parametrize("way", ["yes", "no"])
def test_data_that_goes_during_a_transfer_goes_on_both_sides(way: str) -> None:
    net = Network()
    leader, follower = net.add("a", ("repl-diskless-sync", way)), net.add("b")
    fill(leader)
    leader.send([b"SET", b"short", b"1", b"PX", b"50"])
    follower.send([b"REPLICAOF", b"a", b"1"])
    net.carry()
    leader.node.tick(leader.clock.seconds)
    leader.send([b"SWAPDB", b"0", b"3"])
    leader.send([b"SET", b"behind", b"1"])
    net.pass_time(0.1)
    leader.send([b"FLUSHALL"])
    leader.send([b"SET", b"at last", b"1"])
    net.settle()
    assert is_in_step(follower, leader)


def test_a_key_expires_on_a_follower_when_the_leader_says_so() -> None:
    net, leader, follower = pair()
    leader.send([b"SET", b"k", b"old", b"PX", b"500"])
    net.carry()
    follower.clock.seconds += 1
    follower.node.tick(follower.clock.seconds)
    assert follower.send([b"GET", b"k"]) == b"$-1\r\n"
    assert (0, b"k") in follower.dump()
    leader.send([b"APPEND", b"k", b"er"])  # it is not over for the leader
    net.carry()
    assert follower.dump()[0, b"k"] == leader.dump()[0, b"k"]
    leader.clock.seconds += 1
    leader.node.tick(leader.clock.seconds)
    net.carry()
    assert (0, b"k") not in follower.dump()
    assert is_in_step(follower, leader)


# --- names ----------------------------------------------------------------------------------------


def test_a_host_that_is_no_text_is_shown_as_it_was_given() -> None:
    engine = Engine(disk=MemoryDisk())  # whose dialer reaches nobody
    assert engine.send([b"REPLICAOF", b"a\xffb", b"1"]) == b"+OK\r\n"
    assert engine.send([b"ROLE"]).startswith(b"*5\r\n$5\r\nslave\r\n$3\r\na\xffb\r\n")
    assert b"a\xffb" in engine.send([b"INFO", b"replication"])


def test_a_link_that_ends_between_receiving_and_loading_leaves_no_file() -> None:
    net = Network()
    leader, follower = net.add("a"), net.add("b")
    fill(leader)
    received(net, leader, follower)
    assert follower.node.disk.names("")
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    assert follower.node.disk.names("") == []


def test_a_stream_in_a_database_that_is_not_here_is_not_applied_to_another() -> None:
    net = Network()
    leader = net.add("a")
    config = Config()
    config.set_words(BY_NAME["databases"], ["4"])
    follower = net.add("b", config=config)
    third = net.add("c")
    net.follow(third, "a")
    leader.send([b"SELECT", b"9"])
    leader.send([b"SET", b"k", b"1"])
    leader.send([b"DEL", b"k"])
    net.settle(2)
    follower.send([b"REPLICAOF", b"c", b"1"])
    net.settle()
    leader.send([b"SET", b"k", b"2"])
    net.settle()
    assert not is_up(follower)
    assert follower.dump() == {}


@pytest.mark.parametrize("is_leader", [True, False])
def test_whoever_reloads_older_data_does_not_differ_for_long(is_leader: bool) -> None:
    net, leader, follower = pair()
    reloaded = leader if is_leader else follower
    allow_debug(reloaded)
    reloaded.send([b"SAVE"])
    leader.send([b"INCR", b"n"])
    net.carry()
    assert reloaded.send([b"DEBUG", b"RELOAD", b"NOSAVE"]) == b"+OK\r\n"
    net.settle()
    assert is_in_step(follower, leader)
    assert leader.send([b"EXISTS", b"n"]) == (b":0\r\n" if is_leader else b":1\r\n")
