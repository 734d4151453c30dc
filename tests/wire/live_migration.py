"""A server under write load is followed by another one, which takes its place: nothing is lost.

    python -m tests.wire.live_migration --seconds 30 --from redis --to kvnode --move pause

Several clients write strings, counters, lists, sets, hashes, MULTI pairs and expiring keys. The
target becomes the source's follower while they do, and gets its turn in one of three ways:

    stop      the clients stop, the offsets become equal, REPLICAOF NO ONE
    pause     CLIENT PAUSE WRITE on the source, the offsets become equal, REPLICAOF NO ONE; the
              source becomes a follower, which refuses the clients' writes: they go on at the target
    failover  FAILOVER on the source; likewise

At the end both must hold the same, and of each client all that was acknowledged and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from .bulk_client import BulkClient
from .client import Argument, Reply, Wire, WireError, wait_until
from .contents import same_contents
from .datasets import dataset
from .following import Node, are_in_step, in_step
from .harness import Difference
from .kill_rounds import LostError

CLIENTS: Final = 4
LIMIT_S: Final = 300.0
MOVES: Final = ("stop", "pause", "failover")
PAUSE_MS: Final = 600_000
MEMBERS: Final = 50  # of a set, before the oldest goes
FAR_MS: Final = 4_102_444_800_000
# What a server says that does not take writes (any more).
REFUSALS: Final = (b"READONLY", b"EXECABORT", b"UNBLOCKED", b"LOADING", b"MASTERDOWN")


class LiveClient(threading.Thread):
    """One client. Each of its steps is a few requests; `done` counts the acknowledged steps.

    A request that is refused is sent again to the server that leads then, a transaction as a whole.
    """

    def __init__(self, number: int, ports: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self.name_of_keys = f"client{number}"
        self.ports = ports
        self.done = 0
        self.refused = 0
        self.stops = threading.Event()
        self.failure: BaseException | None = None
        self._wire: Wire | None = None

    def run(self) -> None:
        """Write until told to stop."""
        try:
            while not self.stops.is_set():
                for block in self.blocks(self.done + 1):
                    self._perform(block)
                self.done += 1
        except (WireError, OSError, LostError) as error:
            self.failure = error
        finally:
            if self._wire is not None:
                self._wire.close()

    def blocks(self, number: int) -> list[list[tuple[Argument, ...]]]:
        """The requests of a step; those of a block are sent again together."""
        name = self.name_of_keys
        return [
            [("SET", f"{name}:string", number)],
            [("INCR", f"{name}:counter")],
            [("RPUSH", f"{name}:list", number)],
            [("SADD", f"{name}:set", number)],
            [("SREM", f"{name}:set", number - MEMBERS)],
            [("HSET", f"{name}:hash", "field", number, number % 100, number)],
            [("SET", f"{name}:far", number, "PXAT", FAR_MS + number)],
            [("SET", f"{name}:short:{number % 10}", number, "PX", 1 + number % 50)],
            [
                ("MULTI",),
                ("SET", f"{name}:left", number),
                ("SET", f"{name}:right", number),
                ("EXEC",),
            ],
        ]

    def _perform(self, block: list[tuple[Argument, ...]]) -> None:
        """Send the block until it is accepted."""
        while True:
            if self._wire is None:
                self._wire = Wire(self.ports(), LIMIT_S)
            replies = [self._wire.call(*argv) for argv in block]
            errors = [reply for reply in replies if reply.kind == "error"]
            if not errors:
                return
            if any(not reply.text().startswith(REFUSALS) for reply in errors):
                raise LostError(f"{block}: {errors}")
            # Where it was refused nothing happened; perhaps another server leads by now.
            self.refused += 1
            self._wire.close()
            self._wire = None
            time.sleep(0.01)

    def check(self, node: Node) -> None:
        """The keys hold what was acknowledged, and nothing else."""
        name, done = self.name_of_keys, self.done
        wanted = str(done).encode()
        for key in ("string", "counter", "far", "left", "right"):
            self._same(node.call("GET", f"{name}:{key}"), wanted, key)
        self._same(node.call("HGET", f"{name}:hash", "field"), wanted, "hash")
        elements = [int(item.text()) for item in node.call("LRANGE", f"{name}:list", 0, -1).items()]
        if elements != list(range(1, done + 1)):
            raise LostError(f"{name}:list has gaps or repetitions: {elements[-10:]}, {done} done")
        members = {int(item.text()) for item in node.call("SMEMBERS", f"{name}:set").items()}
        if members != set(range(max(1, done - MEMBERS + 1), done + 1)):
            raise LostError(f"{name}:set: {sorted(members)}, {done} done")
        deadline = node.call("PEXPIRETIME", f"{name}:far").number()
        if deadline != FAR_MS + done:
            raise LostError(f"{name}:far expires at {deadline}, {done} done")

    def _same(self, reply: Reply, wanted: bytes, key: str) -> None:
        if reply.value != wanted:
            raise LostError(f"{self.name_of_keys}:{key}: {reply}, acknowledged was {wanted!r}")


class Migration:
    """A source, a target, and the clients."""

    def __init__(self, source: Node, target: Node) -> None:
        self.source = source
        self.target = target
        self.leads = source
        self.clients = [LiveClient(number, self._leading_port) for number in range(CLIENTS)]

    def _leading_port(self) -> int:
        return self.leads.port

    def load_for(self, seconds: float) -> None:
        """Let the clients write."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._see_failures()
            time.sleep(min(0.1, seconds))
        goals = [client.done + 5 for client in self.clients]

        def all_moved() -> bool:
            self._see_failures()
            return all(client.done >= goal for client, goal in zip(self.clients, goals))

        if not wait_until(all_moved, LIMIT_S, 0.01):
            raise LostError("the clients cannot write")

    def _see_failures(self) -> None:
        for client in self.clients:
            if client.failure is not None:
                raise LostError(f"{client.name_of_keys}: {client.failure!r}")

    def stop_clients(self) -> None:
        """Stop them at the end of a step."""
        for client in self.clients:
            client.stops.set()
        for client in self.clients:
            if client.ident is not None:
                client.join()

    def until_in_step(self) -> None:
        """Wait until the target has all that the source has."""
        if not wait_until(lambda: are_in_step(self.source, self.target), LIMIT_S, 0.005):
            raise LostError(f"not in step: {self.source.shown()} {self.target.shown()}")

    def run(self, seconds: float, move: str) -> int:
        """The whole way; returns the number of acknowledged steps."""
        for client in self.clients:
            client.start()
        try:
            self.load_for(seconds / 4)
            self.target.follow(self.source)
            self.target.until_linked()
            self.load_for(seconds / 2)
            if move == "stop":
                self.stop_clients()
                self.until_in_step()
                self.target.lead()
            else:
                self._move_under_load(move)
                self.load_for(seconds / 4)
        finally:
            self.stop_clients()
        self._see_failures()
        if move != "stop":
            in_step(self.target, self.source)
        for client in self.clients:
            client.check(self.target)
        same_contents(self.source.port, self.target.port, logged=True)
        return sum(client.done for client in self.clients)

    def _move_under_load(self, move: str) -> None:
        source, target = self.source, self.target
        if move == "failover":
            source.value("FAILOVER")
            target.until(lambda: target.info()["role"] == "master", "promoted")
            self.leads = target
            return
        source.value("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
        self.until_in_step()
        target.lead()
        self.leads = target
        source.follow(target)
        source.value("CLIENT", "UNPAUSE")


def migrate(kinds: Sequence[str], seconds: float, move: str, keys: int = 5_000) -> int:
    """Move from a server of the first kind to one of the second; return the steps acknowledged."""
    nodes: list[Node] = []
    try:
        for kind in kinds:
            nodes.append(Node(kind))
        client = BulkClient(nodes[0].port)
        client.feed(dataset(keys))
        client.close()
        return Migration(nodes[0], nodes[1]).run(seconds, move)
    finally:
        for node in nodes:
            node.remove()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: move, print what was lost or how much was acknowledged."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--from", dest="source", choices=("redis", "kvnode"), default="redis")
    parser.add_argument("--to", dest="target", choices=("redis", "kvnode"), default="kvnode")
    parser.add_argument("--move", choices=(*MOVES, "each"), default="each")
    parser.add_argument("--keys", type=int, default=5_000, help="that are there before")
    options = parser.parse_args(arguments)
    kinds = (options.source, options.target)
    try:
        for move in MOVES if options.move == "each" else [options.move]:
            steps = migrate(kinds, options.seconds, move, options.keys)
            print(
                f"{options.source} to {options.target}, {move}: {steps:,} steps acknowledged, "
                "none lost, equal content",
                flush=True,
            )
    except (LostError, Difference) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
