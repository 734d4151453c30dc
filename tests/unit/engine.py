"""A node without a socket, for unit tests: clients whose bytes are in the test's hands."""

from __future__ import annotations

from kvnode.config import Config
from kvnode.context import Clock
from kvnode.dispatch import EffectLog
from kvnode.node import Node
from kvnode.session import Outlet, Session


class TestClock(Clock):
    """A clock that goes on when it is told to."""

    __test__ = False

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now(self) -> float:
        return self.seconds


class TestOutlet(Outlet):
    """Counts what a session tells its connection."""

    __test__ = False

    def __init__(self) -> None:
        self.ready_count = 0
        self.closed = False
        self.aborted = False

    def ready(self) -> None:
        self.ready_count += 1

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def unsent_bytes(self) -> int:
        return 0


class TestLog(EffectLog):
    """Keeps the effects as (database, words), a transaction as a list of them."""

    __test__ = False

    def __init__(self) -> None:
        self.entries: list[object] = []

    def append(self, database: int, block: list[list[bytes]]) -> None:
        for argv in block:
            self.entries.append((database, b" ".join(argv)))

    def append_transaction(self, entries: list[tuple[int, list[bytes]]]) -> None:
        self.entries.append([(database, b" ".join(argv)) for database, argv in entries])


class Engine:
    """A node, its clock, and what its log took."""

    def __init__(self) -> None:
        self.clock = TestClock()
        self.node = Node(Config(), self.clock, 1)
        self.log = TestLog()
        self.node.dispatcher.log = self.log

    def client(self) -> tuple[Session, TestOutlet]:
        """Return a new session and its outlet."""
        outlet = TestOutlet()
        return self.node.connect(outlet), outlet

    def wait(self, seconds: float) -> None:
        """Let time pass, and let the node do what is due."""
        self.clock.seconds += seconds
        self.node.tick(self.clock.seconds)


def output(session: Session) -> bytes:
    """Take what the session may send now."""
    return b"".join(session.take_output())
