"""A node without a socket: a clock that stands still, clients whose bytes the test holds."""

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
from kvnode.datatypes.streams import opened
from kvnode.dispatch import EffectLog
from kvnode.durability.disk import Disk
from kvnode.node import Node
from kvnode.session import Outlet, Session
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_cursor import StreamCursor
from kvnode.structures.stream_ids import LOWEST, text_of
from kvnode.structures.stream_pending import DELIVERIES, TIME

from .peers import NodePeers

START_SECONDS: Final = 1_700_000_000.0

# (database, key) -> type, content, deadline in ms
Dump = dict[tuple[int, bytes], tuple[bytes, object, int]]


class RecordingOutlet(Outlet):
    """Counts what a session tells its connection."""

    def __init__(self) -> None:
        self.ready_count = 0
        self.closed = False
        self.aborted = False

    def ready(self) -> None:
        """Count that there is output."""
        self.ready_count += 1

    def close(self) -> None:
        """Note that the connection is to end."""
        self.closed = True

    def abort(self) -> None:
        """Note that the connection is cut."""
        self.aborted = True


class StandingClock(Clock):
    """A clock that only the test moves."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        """Return the time that the test set."""
        return self.seconds


class RecordingLog(EffectLog):
    """A log that keeps what it is given: per unit, the effects with their databases."""

    def __init__(self) -> None:
        self.units: list[list[tuple[int, list[bytes]]]] = []

    def append(self, database: int, block: list[list[bytes]]) -> None:
        """Keep the effects of one command."""
        self.units.append([(database, argv) for argv in block])

    def append_transaction(self, entries: list[tuple[int, list[bytes]]]) -> None:
        """Keep the effects of one EXEC."""
        self.units.append(entries)

    def lines(self) -> list[list[tuple[int, bytes]]]:
        """Return the units with each effect as one line."""
        return [[(index, b" ".join(argv)) for index, argv in unit] for unit in self.units]


class Engine:
    """One node with its clock, its log and its named sessions, which are made at first use."""

    def __init__(
        self,
        seconds: float = START_SECONDS,
        seed: int = 1,
        config: Config | None = None,
        disk: Disk | None = None,
    ) -> None:
        self.clock = StandingClock(seconds)
        self.peers = NodePeers(Engine)  # where MIGRATE goes, whatever host it names
        self.node = Node(config or Config(), self.clock, seed, disk, self.peers)
        self.log = RecordingLog()
        self.node.dispatcher.log = self.log
        self.sessions: dict[str, Session] = {}

    def client(self) -> tuple[Session, RecordingOutlet]:
        """Return a new session and its outlet."""
        outlet = RecordingOutlet()
        return self.node.connect(outlet), outlet

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
        return output(session)

    def wait(self, seconds: float) -> None:
        """Move the clock and do what is due."""
        self.clock.seconds += seconds
        self.node.tick(self.clock.seconds)

    def dump(self) -> Dump:
        """Return everything that all databases hold, and libraries under database -1."""
        found: Dump = {}
        for database in self.node.dataset.databases:
            for keys in database.groups:
                for key, stored in keys.items():
                    place = (database.index, key)
                    found[place] = (*self.content(stored), database.deadline(key))
        for library in self.node.scripting.functions.libraries():
            found[-1, library.name] = (b"library", library.code, 0)
        return found

    def content(self, stored: object) -> tuple[bytes, object]:
        """Return a stored form's type and what it holds."""
        kind = type_name(stored)
        return kind, self._content(kind, stored)

    def _content(self, kind: bytes, stored: object) -> object:
        encodings = self.node.encodings
        if kind == b"string":
            return strings.text(stored)
        if kind == b"hash":
            flat = Hash.open(stored, encodings).items()
            return dict(zip(flat[::2], flat[1::2], strict=True))
        if kind == b"set":
            return set(Set.open(stored, encodings).members())
        if kind == b"stream":
            return stream_content(opened(stored))
        if kind == b"list":
            handle = List.open(stored, encodings)
            return handle.range(0, handle.count())
        members, scores = SortedSet.open(stored, encodings).items()
        return list(zip(members, scores, strict=True))


def stream_content(stream: Stream) -> object:
    """Return all of a stream but when its consumers were seen, which no log carries."""
    entries = []
    cursor = StreamCursor(stream)
    more = cursor.seek(LOWEST, LOWEST)
    while more:
        entries.append((text_of(cursor.ms, cursor.seq), cursor.items()))
        more = cursor.next()
    groups = []
    for group in stream.sorted_groups():
        pending = []
        more = group.pending.seek(LOWEST, LOWEST)
        while more:
            entry_id = text_of(group.pending.get(0), group.pending.get(1))
            times = (group.pending.get(TIME), group.pending.get(DELIVERIES))
            pending.append((entry_id, group.owner().name, times))
            more = group.pending.step()
        last = text_of(group.last_ms, group.last_seq)
        groups.append((group.name, last, group.entries_read, sorted(group.consumers), pending))
    ids = [
        text_of(stream.last_ms, stream.last_seq),
        text_of(stream.first_ms, stream.first_seq),
        text_of(stream.deleted_ms, stream.deleted_seq),
    ]
    return entries, groups, ids, stream.entries_added


def output(session: Session) -> bytes:
    """Take what the session may send now."""
    return b"".join(session.take_output())
