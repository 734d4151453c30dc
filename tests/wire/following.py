"""Leaders and followers of either kind: started, linked, in step, compared.

A test names the kinds of its servers by `combinations`, and gets them from the fixture `start`:

    @combinations()
    def test_...(start: Start, kinds: Kinds) -> None:
        leader, follower = start(kinds[0]), start(kinds[1])
        follower.follow(leader)
        in_step(leader, follower)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import pytest

from .bulk_client import BulkClient
from .client import Argument, Reply, Wire, WireError, wait_until
from .contents import same_contents
from .servers import Server, server_of

LIMIT_S: Final = 30.0
POLL_S: Final = 0.01
Kinds = tuple[str, ...]
# So that no test waits for a timer that has another purpose.
DIRECTIVES: Final = ("--repl-diskless-sync", "no", "--repl-diskless-sync-delay", "0", "--hz", "100")
KINDS: Final = ("redis_to_kvnode", "kvnode_to_redis", "kvnode_to_kvnode", "redis_to_redis")


def combinations(
    quick: str = "redis_to_kvnode kvnode_to_redis", every: Kinds = KINDS
) -> pytest.MarkDecorator:
    """Run a test with each combination of leader, follower (...); `quick` ones in every round."""
    return pytest.mark.parametrize(
        "kinds",
        [
            pytest.param(
                tuple(name.split("_to_")),
                id=name,
                marks=[] if name in quick.split() else [pytest.mark.long],
            )
            for name in every
        ],
    )


class Node:
    """A server of either kind, running; requests go over one connection that it keeps."""

    def __init__(self, kind: str, *directives: str) -> None:
        self.kind = kind
        self.server: Server = server_of(kind, *DIRECTIVES, *directives)
        self.wires: list[Wire] = []
        self.server.start()

    @property
    def port(self) -> int:
        """The port at which it listens; another one after a restart."""
        return self.server.port

    def wire(self) -> Wire:
        """A new connection, closed at the end of the test at the latest."""
        wire = Wire(self.port, LIMIT_S)
        self.wires.append(wire)
        return wire

    def call(self, *argv: Argument) -> Reply:
        """Send a request over the kept connection."""
        if not self.wires:
            self.wire()
        try:
            return self.wires[0].call(*argv)
        except WireError:
            self.hang_up()
            raise

    def value(self, *argv: Argument) -> object:
        """The reply to a request that must not fail, as a plain value."""
        reply = self.call(*argv)
        assert reply.kind != "error", f"{self.kind}: {argv}: {reply}"
        return reply.plain()

    def line(self, text: str) -> object:
        """The same, of a request written as words."""
        return self.value(*text.split())

    def error(self, *argv: Argument) -> bytes:
        """The text of the error that a request must get."""
        reply = self.call(*argv)
        assert reply.kind == "error", f"{self.kind}: {argv}: {reply}"
        return reply.text()

    def config(self, name: str, value: Argument) -> None:
        """Set a directive."""
        self.value("CONFIG", "SET", name, value)

    def feed(self, *requests: tuple[Argument, ...]) -> None:
        """Send many requests, none of which may fail."""
        client = BulkClient(self.port)
        client.feed(requests)
        client.close()

    def info(self, section: str = "replication") -> dict[str, str]:
        """The fields of a section of INFO."""
        text = self.call("INFO", section).text().decode().removeprefix("txt:")
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def count(self, field: str, section: str = "everything") -> int:
        """A number in INFO."""
        return int(self.info(section)[field])

    def follow(self, leader: Node | int) -> None:
        """Become a follower of a node, or of what listens at a port."""
        port = leader if isinstance(leader, int) else leader.port
        self.value("REPLICAOF", "127.0.0.1", port)

    def lead(self) -> None:
        """Stop following."""
        self.value("REPLICAOF", "NO", "ONE")

    def is_linked(self) -> bool:
        """Has it a link to its leader, and its data?"""
        return self.info().get("master_link_status") == "up"

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; the failure shows what this node knows."""
        if not wait_until(condition, LIMIT_S, POLL_S):
            raise AssertionError(f"not {what}; {self.shown()}")

    def until_linked(self) -> None:
        """Wait until it has its leader's data."""
        self.until(self.is_linked, "linked")

    def shown(self) -> str:
        """What the node says of itself, for a failure's message."""
        if not self.server.alive():
            return f"{self.kind} ended: {self.server.log_tail(size_max=1500)}"
        return f"{self.kind} {self.info()}\n{self.server.log_tail(size_max=1500)}"

    def restart(self) -> None:
        """Start it again after its end, on its own data and another port."""
        self.hang_up()
        self.server.start()

    def kill(self) -> None:
        """End it as a crash does."""
        self.hang_up()
        self.server.kill()

    def shut_down(self, *words: str) -> None:
        """End it by SHUTDOWN."""
        wire = self.wire()
        wire.send("SHUTDOWN", *words)
        self.until(lambda: not self.server.alive(), "ended")
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connections."""
        for wire in self.wires:
            wire.close()
        self.wires.clear()

    def remove(self) -> None:
        """End it and drop its data; not gently, since a leader waits for followers that lag."""
        self.hang_up()
        if self.server.alive():
            self.server.kill()
        self.server.remove()


Start = Callable[..., Node]


def are_in_step(leader: Node, follower: Node) -> bool:
    """Has the follower applied all that the leader has sent?"""
    theirs = follower.info()
    if theirs.get("master_link_status") != "up":
        return False
    return int(theirs["slave_repl_offset"]) == leader.count("master_repl_offset", "replication")


def in_step(leader: Node, *followers: Node) -> None:
    """Wait until each follower has applied all that the leader has sent."""
    for follower in followers:
        if not wait_until(partial(are_in_step, leader, follower), LIMIT_S, POLL_S):
            raise AssertionError(f"not in step: {leader.shown()}\n{follower.shown()}")


def same_data(leader: Node, *followers: Node) -> int:
    """Wait until all are in step and compare their contents; the number of keys."""
    in_step(leader, *followers)
    return max(same_contents(leader.port, follower.port, logged=True) for follower in followers)


def linked_pair(start: Start, kinds: Kinds, *directives: str) -> tuple[Node, Node]:
    """A leader and its follower, linked."""
    leader, follower = start(kinds[0], *directives), start(kinds[1], *directives)
    follower.follow(leader)
    in_step(leader, follower)
    return leader, follower
