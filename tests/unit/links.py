"""Engines that follow each other without a socket: the test carries the bytes, and cuts."""

from __future__ import annotations

import shlex
from typing import Final

from kvnode.config import Config
from kvnode.config.directives import BY_NAME
from kvnode.replication.leader_link import Dialer, LeaderLink, Line
from kvnode.session import Outlet, Session

from .disks import MemoryDisk
from .engine import Engine, output

ENOUGH: Final = 1 << 40


class FollowerOutlet(Outlet):
    """The leader's end of a connection: what it said and the other end has not read yet."""

    def __init__(self) -> None:
        self.unread = bytearray()
        self.is_ended = False

    def close(self) -> None:
        """Note that the connection is to end."""
        self.is_ended = True

    def abort(self) -> None:
        """Note that the connection is cut."""
        self.is_ended = True

    def unsent_bytes(self) -> int:
        """Return what the other end has not read."""
        return len(self.unread)


class Wire(Line):
    """One connection from a follower's link to a session of its leader."""

    def __init__(self, leader: Engine, link: LeaderLink) -> None:
        super().__init__()
        self.leader = leader
        self.link = link
        self.outlet = FollowerOutlet()
        self.session: Session = leader.node.connect(self.outlet)
        self.session.peer = b"127.0.0.1:50000"
        self.said = bytearray()  # by the follower, not heard yet
        self.carried = bytearray()  # all that the follower has read
        self.is_made = False
        self.is_held = False
        self.is_closed = False
        self.spoils = b""  # what is damaged when it comes by

    def write(self, data: bytes) -> None:
        self.said += data

    def hold(self, is_held: bool) -> None:
        self.is_held = is_held

    def close(self) -> None:
        self.is_closed = True
        self.leader.node.disconnect(self.session)

    def cut(self) -> None:
        """Break the connection, for both ends."""
        if not self.is_closed:
            self.leader.node.disconnect(self.session)
            self.is_closed = True
            self.link.lost("cut")

    def carry(self, most: int = ENOUGH) -> bool:
        """Carry what both have said, at most so many bytes to the follower; was there any?"""
        if self.is_closed:
            return False
        if not self.is_made:
            self.is_made = True
            self.link.connected(self)
        said = bytes(self.said)
        self.said.clear()
        if said:
            self.session.feed(said)
        self.leader.node.replication.feed()
        self.outlet.unread += output(self.session)
        if self.is_held:
            return bool(said)
        data = bytes(self.outlet.unread[:most])
        del self.outlet.unread[:most]
        if self.spoils and self.spoils in data:
            data = data.replace(self.spoils, bytes(len(self.spoils)), 1)
            self.spoils = b""
        if data:
            self.carried += data
            self.link.received(data)
        if self.outlet.is_ended and not self.outlet.unread:
            self.cut()
        return bool(said or data)


class Network(Dialer):
    """Engines by their names, and the connections between them."""

    def __init__(self) -> None:
        self.engines: dict[str, Engine] = {}
        self.wires: list[Wire] = []
        self.spoils = b""  # in the next connection

    def add(self, name: str, *directives: tuple[str, str], config: Config | None = None) -> Engine:
        """Return a new engine that others reach under its name."""
        config = config or Config()
        for directive, value in (("save", ""), ("repl-diskless-sync-delay", "0"), *directives):
            config.set_words(BY_NAME[directive], shlex.split(value) or [""])
        engine = Engine(seed=len(self.engines) + 1, config=config, disk=MemoryDisk())
        engine.node.replication.dialer = self
        self.engines[name] = engine
        engine.node.replication.begin({})
        return engine

    def dial(self, host: str, port: int, link: LeaderLink) -> Line:
        wire = Wire(self.engines[host], link)
        wire.spoils = self.spoils
        self.spoils = b""
        self.wires.append(wire)
        return wire

    def wire(self, follower: Engine) -> Wire:
        """Return the connection of an engine to its leader."""
        link = follower.node.replication.link
        return next(wire for wire in reversed(self.wires) if wire.link is link)

    def carry(self, most: int = ENOUGH) -> None:
        """Carry everything, in pieces of at most so many bytes."""
        is_busy = True
        while is_busy:
            self.wires = [wire for wire in self.wires if not wire.is_closed]
            is_busy = False
            for wire in list(self.wires):
                is_busy = wire.carry(most) or is_busy

    def pass_time(self, seconds: float = 0.0) -> None:
        """Move all clocks, let everybody do what is due, and carry what comes of it."""
        for engine in self.engines.values():
            engine.clock.seconds += seconds
        for engine in self.engines.values():
            engine.node.tick(engine.clock.seconds)
        self.carry()

    def settle(self, rounds: int = 12) -> None:
        """Let some seconds go by, in which links are made anew and snapshots loaded."""
        for _ in range(rounds):
            self.pass_time(0.4)

    def follow(self, follower: Engine, leader: str) -> None:
        """Have an engine follow another one, and wait until it does."""
        assert follower.send([b"REPLICAOF", leader.encode(), b"1"]) == b"+OK\r\n"
        self.settle()
        assert is_in_step(follower, self.engines[leader])


def offset(engine: Engine) -> int:
    """Return how far the history of an engine's data goes."""
    engine.node.replication.hand_on()
    return int(engine.node.replication.history.offset)


def is_up(follower: Engine) -> bool:
    """Return whether an engine's link stands."""
    link = follower.node.replication.link
    return link is not None and link.is_up()


def is_in_step(follower: Engine, leader: Engine) -> bool:
    """Return whether a follower has everything, at the same offset of the same history."""
    mine, theirs = follower.node.replication.history, leader.node.replication.history
    is_same = mine.id == theirs.id and offset(follower) == offset(leader)
    return is_up(follower) and is_same and follower.dump() == leader.dump()


def syncs(leader: Engine) -> tuple[int, int]:
    """Return how many full and partial syncs an engine has given."""
    followers = leader.node.replication.followers
    return followers.full_syncs, followers.partial_syncs


def pair(*directives: tuple[str, str]) -> tuple[Network, Engine, Engine]:
    """A leader with some data, and a follower in step."""
    net = Network()
    leader, follower = net.add("a", *directives), net.add("b", *directives)
    fill(leader)
    net.follow(follower, "a")
    return net, leader, follower


def fill(engine: Engine) -> None:
    """Some data of several kinds, in two databases."""
    engine.send([b"SET", b"s", b"1"])
    engine.send([b"RPUSH", b"l", b"1", b"2"])
    engine.send([b"SELECT", b"3"])
    engine.send([b"SADD", b"set", b"a", b"b"])
    engine.send([b"SET", b"mortal", b"x", b"PX", b"60000"])
    engine.send([b"SELECT", b"0"])
    engine.send([b"FUNCTION", b"LOAD", b"#!lua name=lib\nredis.register_function('f', print)"])


def allow_debug(engine: Engine) -> None:
    """Let DEBUG run, which only a configuration file can."""
    engine.node.config.set_words(BY_NAME["enable-debug-command"], ["yes"])


def varied(engine: Engine) -> None:
    """A stream that has SELECT, MULTI and EXEC, and values of several sizes."""
    engine.send([b"INCR", b"n"])
    engine.send([b"MULTI"])
    engine.send([b"INCR", b"n"])
    engine.send([b"SELECT", b"5"])
    engine.send([b"APPEND", b"a", b"x"])
    engine.send([b"EXEC"])
    engine.send([b"APPEND", b"a", b"y" * 50])
    engine.send([b"SELECT", b"0"])
    engine.send([b"RPUSH", b"l", b"z"])
    engine.send([b"SET", b"large", b"v" * 300])
    engine.send([b"EVAL", b"redis.call('incr','n') redis.call('lpop','l')", b"0"])
    engine.send([b"SPOP", b"none"])
    engine.send([b"APPEND", b"s", b""])


def received(net: Network, leader: Engine, follower: Engine) -> None:
    """Bring a full sync to where the follower has the snapshot and has not begun to load it."""
    follower.send([b"REPLICAOF", b"a", b"1"])
    for _ in range(4):
        net.carry()
        leader.node.tick(leader.clock.seconds)
    net.carry()
    link = follower.node.replication.link
    assert link is not None and link.snapshot is not None and link.snapshot.is_received
