"""A node inside the test's process: a clock that stands still, requests in, replies out."""

from __future__ import annotations

from typing import Final

from kvnode.config import Config
from kvnode.context import Clock
from kvnode.datatypes import strings
from kvnode.datatypes.hashes import Hash
from kvnode.datatypes.kinds import type_name
from kvnode.datatypes.lists import List
from kvnode.datatypes.sets import Set
from kvnode.datatypes.sorted_sets import SortedSet
from kvnode.dispatch import EffectLog
from kvnode.node import Node
from kvnode.session import Outlet, Session

START_SECONDS: Final = 1_700_000_000.0

# (database, key) -> type, content, deadline in ms
Dump = dict[tuple[int, bytes], tuple[bytes, object, int]]


class StandingClock(Clock):
    """A clock that only the test moves."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        """Return the time that the test set."""
        return self.seconds


class Recorder(EffectLog):
    """A log that keeps what it is given: per unit, the effects with their databases."""

    def __init__(self) -> None:
        self.units: list[list[tuple[int, list[bytes]]]] = []

    def append(self, database: int, block: list[list[bytes]]) -> None:
        """Keep the effects of one command."""
        self.units.append([(database, argv) for argv in block])

    def append_transaction(self, entries: list[tuple[int, list[bytes]]]) -> None:
        """Keep the effects of one EXEC."""
        self.units.append(entries)


class Embedded:
    """One node with its log and its sessions, which are made at their first use."""

    def __init__(self, seconds: float = START_SECONDS, seed: int = 1) -> None:
        self.clock = StandingClock(seconds)
        self.node = Node(Config(), self.clock, seed)
        self.log = Recorder()
        self.node.dispatcher.log = self.log
        self.sessions: dict[str, Session] = {}

    def session(self, name: str = "main") -> Session:
        """Return the named session."""
        if name not in self.sessions:
            self.sessions[name] = self.node.connect(Outlet())
        return self.sessions[name]

    def send(self, argv: list[bytes], name: str = "main") -> bytes:
        """Run one request; return the bytes of the reply, nothing where the session waits."""
        session = self.session(name)
        parts = [b"*%d\r\n" % len(argv)]
        parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in argv]
        session.feed(b"".join(parts))
        return b"".join(session.take_output())

    def pass_time(self, seconds: float) -> None:
        """Move the clock and do what is due."""
        self.clock.seconds += seconds
        self.node.tick(self.clock.seconds)

    def dump(self) -> Dump:
        """Return everything that all databases hold."""
        found: Dump = {}
        for database in self.node.dataset.databases:
            for keys in database.groups:
                for key, stored in keys.items():
                    place = (database.index, key)
                    kind = type_name(stored)
                    found[place] = (kind, self._content(kind, stored), database.deadline(key))
        return found

    def _content(self, kind: bytes, stored: object) -> object:
        encodings = self.node.encodings
        if kind == b"string":
            return strings.text(stored)
        if kind == b"hash":
            flat = Hash.open(stored, encodings).items()
            return dict(zip(flat[::2], flat[1::2], strict=True))
        if kind == b"set":
            return set(Set.open(stored, encodings).members())
        if kind == b"list":
            handle = List.open(stored, encodings)
            return handle.range(0, handle.count())
        members, scores = SortedSet.open(stored, encodings).items()
        return list(zip(members, scores, strict=True))
