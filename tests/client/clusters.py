"""A redis cluster of real processes on free ports of 127.0.0.1, whose slots can be moved.

with RedisCluster(leaders=3, followers=1) as cluster:
    cluster.move_slot(12182, cluster.leaders[0])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Final, Self

from kvclient.routing.address import Address
from kvprotocol.slots import SLOT_COUNT

from ..wire.client import Argument, Reply, Wire, wait_until
from ..wire.servers import Server, free_port, redis_server

READY_TIMEOUT_S: Final = 30.0
NODE_TIMEOUT_MS: Final = 2000
FAILOVER_TIMEOUT_S: Final = 6.0
KEYS_A_TIME: Final = 100


class ClusterNode:
    """One redis-server of a cluster; its first slots are `slots`, of which a follower has none."""

    def __init__(self, slots: range) -> None:
        self.slots = slots
        self.bus_port = free_port()
        self.id = ""
        self.server: Server = redis_server(
            *("--cluster-enabled", "yes"),
            *("--cluster-config-file", f"nodes-{self.bus_port}.conf"),
            *("--cluster-port", str(self.bus_port)),
            *("--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--cluster-replica-validity-factor", "0"),
            # Followers are shown in CLUSTER SLOTS when they have received something: a ping does.
            *("--repl-ping-replica-period", "1"),
            *("--repl-diskless-sync-delay", "0"),
        )

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address("127.0.0.1", self.server.port)

    def call(self, *argv: Argument) -> Reply:
        """One request on a connection of its own; an error reply fails."""
        wire = Wire(self.server.port)
        try:
            reply = wire.call(*argv)
        finally:
            wire.close()
        assert reply.kind != "error", f"{argv} on {self.address}: {reply}"
        return reply

    def state(self) -> dict[str, str]:
        """CLUSTER INFO."""
        lines = self.call("CLUSTER", "INFO").text().decode().split()
        return dict(line.split(":", 1) for line in lines)


class RedisCluster:
    """Leaders that share the slots evenly, and followers for each of them; runs inside `with`."""

    def __init__(self, leaders: int = 3, followers: int = 0) -> None:
        bounds = [i * SLOT_COUNT // leaders for i in range(leaders + 1)]
        self.leaders = [ClusterNode(range(*pair)) for pair in pairwise(bounds)]
        self.followers = [ClusterNode(range(0)) for _ in range(leaders * followers)]

    @property
    def nodes(self) -> list[ClusterNode]:
        """All nodes, the leaders first."""
        return self.leaders + self.followers

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.server.start()
                node.id = node.call("CLUSTER", "MYID").text().decode()
            self._form()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.remove()

    def remove(self) -> None:
        """End every process and remove its folder."""
        for node in self.nodes:
            node.server.remove()

    def owner(self, slot: int, witness: ClusterNode | None = None) -> ClusterNode:
        """The leader that serves a slot, as the witness (the first node that runs) sees it."""
        for begin, end, leader in self.ranges(witness):
            if begin <= slot <= end:
                return leader
        raise AssertionError(f"nobody serves slot {slot}")

    def ranges(self, witness: ClusterNode | None = None) -> Iterator[tuple[int, int, ClusterNode]]:
        """The slots as (first, last, leader), as the witness sees them."""
        by_id = {node.id: node for node in self.nodes}
        asked = witness or next(node for node in self.nodes if node.server.alive())
        for row in asked.call("CLUSTER", "SLOTS").items():
            begin, end, leader, *_ = row.items()
            identity = leader.items()[2].text().decode()
            yield begin.number(), end.number(), by_id[identity]

    @contextmanager
    def migrating(self, slot: int, target: ClusterNode) -> Iterator[ClusterNode]:
        """Inside, the slot is on its way to `target`, so that missing keys are redirected by ASK.

        Yields the source. No key moves by itself; at the end the slot stays where it was.
        """
        source = self.owner(slot)
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        try:
            yield source
        finally:
            source.call("CLUSTER", "SETSLOT", slot, "STABLE")
            target.call("CLUSTER", "SETSLOT", slot, "STABLE")

    def move_keys(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
        """Move the keys of a slot that is on its way."""
        host, port = target.address.host, target.address.port
        while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, KEYS_A_TIME).items():
            names = [key.text() for key in keys]
            source.call("MIGRATE", host, port, "", 0, 5000, "KEYS", *names)

    def move_slot(self, slot: int, target: ClusterNode) -> None:
        """Give a slot and its keys to `target`: requests to its old owner are MOVED then."""
        source = self.owner(slot)
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        self.move_keys(slot, source, target)
        # The target first: it takes a new epoch, by which the bystanders believe it. Told before
        # they know of the epoch, they would believe the source's next message instead.
        for node in (target, source):
            node.call("CLUSTER", "SETSLOT", slot, "NODE", target.id)

        def believed() -> bool:
            running = [node for node in self.nodes if node.server.alive()]
            return all(self.owner(slot, node) is target for node in running)

        assert wait_until(believed, READY_TIMEOUT_S), f"slot {slot} is not moved everywhere"

    def fail_over(self, follower: ClusterNode) -> None:
        """Let a follower and its leader change places, in agreement."""
        place = self.followers.index(follower)
        leader = self.leaders[place % len(self.leaders)]

        def leads() -> bool:
            return follower.call("ROLE").items()[0].text() == b"master"

        def asked() -> bool:
            # A follower that still catches up gives up after five seconds, and is asked again.
            if b"master_link_status:up" in follower.call("INFO", "replication").text():
                follower.call("CLUSTER", "FAILOVER")
            return wait_until(leads, FAILOVER_TIMEOUT_S)

        assert wait_until(asked, READY_TIMEOUT_S), f"{follower.address} does not lead"
        self.leaders[self.leaders.index(leader)] = follower
        self.followers[place] = leader
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until all running nodes see all slots served, and all of them in their places."""

        def ready() -> bool:
            running = [node for node in self.nodes if node.server.alive()]
            return all(self._sees(node, running) for node in running)

        if not wait_until(ready, READY_TIMEOUT_S, 0.02):
            logs = "\n".join(node.server.log_tail(size_max=1000) for node in self.nodes)
            raise RuntimeError(f"the cluster is not ready:\n{logs}")

    def _sees(self, node: ClusterNode, running: list[ClusterNode]) -> bool:
        """Say whether the slots are served, as a node sees it, by the leaders and followers."""
        if node.state()["cluster_state"] != "ok":
            return False
        shown = [row.items()[2:] for row in node.call("CLUSTER", "SLOTS").items()]
        leaders = {members[0].items()[2].text().decode() for members in shown}
        others = {other.items()[2].text().decode() for members in shown for other in members[1:]}
        return leaders == {leader.id for leader in self.leaders if leader in running} and (
            others == {other.id for other in self.followers if other in running}
        )

    def _form(self) -> None:
        first, *others = self.nodes
        for epoch, node in enumerate(self.leaders, 1):
            node.call("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            node.call("CLUSTER", "ADDSLOTSRANGE", node.slots.start, node.slots.stop - 1)
        for node in others:
            host, port = first.address.host, first.address.port
            node.call("CLUSTER", "MEET", host, port, first.bus_port)
        for i, follower in enumerate(self.followers):
            self._follow(follower, self.leaders[i % len(self.leaders)])
        self.wait_until_ready()

    def _follow(self, follower: ClusterNode, leader: ClusterNode) -> None:
        # Introductions take a moment.
        known = wait_until(
            lambda: leader.id in follower.call("CLUSTER", "NODES").text().decode(), READY_TIMEOUT_S
        )
        assert known, f"{follower.address} does not know {leader.address}"
        follower.call("CLUSTER", "REPLICATE", leader.id)
