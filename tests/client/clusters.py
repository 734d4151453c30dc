"""A real Redis cluster of three shards on free ports, and what is done to it: slots move, leaders die."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from kvclient import Client
from kvclient.errors import KvError
from kvprotocol.slots import SLOT_COUNT

from ..wire.servers import Server, redis_server

SHARDS: Final = 3
READY_S: Final = 30.0
DIRECTIVES: Final = (
    *("--cluster-enabled", "yes"),
    *("--cluster-config-file", "nodes.conf"),
    *("--cluster-node-timeout", "1000"),
    *("--repl-diskless-sync-delay", "0"),
)


class Node:
    """A process of the cluster, with a client of its own that follows no redirection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = Client(f"kv://127.0.0.1:{server.port}", decode=True, deadline_s=2.0)
        self.id = str(self.client.execute("CLUSTER", "MYID"))

    @property
    def port(self) -> int:
        return self.server.port

    def run(self, *argv: str | int) -> Any:
        return self.client.execute(*argv)


class Cluster:
    """Three leaders, and a follower of each if wished."""

    def __init__(self, leaders: list[Node], followers: list[Node]) -> None:
        self.leaders = leaders
        self.followers = followers

    @property
    def nodes(self) -> list[Node]:
        return self.leaders + self.followers

    @property
    def url(self) -> str:
        return f"kv://127.0.0.1:{self.leaders[0].port}?mode=cluster"

    def form(self) -> None:
        """Give each leader its slots, have all meet, and wait until all agree."""
        step = -(-SLOT_COUNT // len(self.leaders))
        for number, node in enumerate(self.leaders):
            begin = number * step
            end = min(begin + step, SLOT_COUNT) - 1
            node.run("CLUSTER", "ADDSLOTSRANGE", begin, end)
            node.run("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        first = self.nodes[0]
        for node in self.nodes[1:]:
            node.run("CLUSTER", "MEET", "127.0.0.1", first.port)
        wait_for(lambda: all(self._knows_all(node) for node in self.nodes))
        for leader, follower in zip(self.leaders, self.followers):
            wait_for(lambda: follower.run("CLUSTER", "REPLICATE", leader.id) in ("OK", True))
        wait_for(self.is_whole)

    def _knows_all(self, node: Node) -> bool:
        lines = str(node.run("CLUSTER", "NODES")).splitlines()
        return len(lines) == len(self.nodes) and "handshake" not in str(lines)

    def is_whole(self) -> bool:
        """Is every node content, and every follower at work?"""
        for node in self.nodes:
            info = str(node.run("CLUSTER", "INFO"))
            if "cluster_state:ok" not in info:
                return False
            slots = node.run("CLUSTER", "SLOTS")
            if sum(len(shard) - 3 for shard in slots) < len(self.followers):
                return False
        return all(
            "master_link_status:up" in str(node.run("INFO", "replication"))
            for node in self.followers
        )

    def owner(self, slot: int) -> Node:
        """Return the leader of a slot, as the first leader sees it."""
        for begin, end, (_, port, *_), *_ in self.leaders[0].run("CLUSTER", "SLOTS"):
            if begin <= slot <= end:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    def begin_move(self, slot: int, source: Node, target: Node) -> None:
        """From here on the source answers ASK for keys of the slot that it does not have."""
        target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.run("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

    def move_keys(self, slot: int, source: Node, target: Node) -> None:
        """Carry all keys of the slot over."""
        while keys := source.run("CLUSTER", "GETKEYSINSLOT", slot, 10):
            source.run("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def end_move(self, slot: int, source: Node, target: Node) -> None:
        """From here on the source answers MOVED."""
        for node in (
            target,
            source,
            *(kept for kept in self.leaders if kept not in (source, target)),
        ):
            node.run("CLUSTER", "SETSLOT", slot, "NODE", target.id)


@contextmanager
def cluster(with_followers: bool = False) -> Iterator[Cluster]:
    """Run a cluster."""
    with ExitStack() as stack:
        count = SHARDS * 2 if with_followers else SHARDS
        nodes = [Node(stack.enter_context(redis_server(*DIRECTIVES))) for _ in range(count)]
        for node in nodes:
            stack.callback(node.client.close)
        made = Cluster(nodes[:SHARDS], nodes[SHARDS:])
        made.form()
        yield made


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; an error counts as not yet."""
    give_up_at = time.monotonic() + READY_S
    while True:
        try:
            if condition():
                return
        except KvError:
            pass
        assert time.monotonic() < give_up_at, "the cluster did not become as it was wished"
        time.sleep(0.02)
