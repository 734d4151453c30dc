"""What clients' buffers take: it counts for `maxmemory`, and `maxmemory-clients` limits it.

The sessions are looked at in rounds, all of them with each tick up to 1,000, so a figure is at most
a tick old with few clients and about a second old with 10,000. Redis keeps its figure as each
client changes; a limit that is found passed 20 ms later serves as well, and requests cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.session import Session

if TYPE_CHECKING:
    from kvnode.node import Node

SESSION_BYTES: Final = 6 << 10  # session, parser, writer, connection, transport; measured
_WORD_BYTES: Final = 64  # of a queued request's word, beside its content
_SESSIONS_PER_TICK: Final = 1000
LIMITED_TICK_SECONDS: Final = 0.02


def session_bytes(session: Session) -> i64:
    """Return what one session takes."""
    size: i64 = SESSION_BYTES + session.parser.buffered() + session.pending_bytes()
    transaction = session.transaction
    if transaction is not None:
        size += transaction.bytes
        for _, argv in transaction.queued:
            size += _WORD_BYTES * len(argv)
    return size


@final
class ClientMemory:
    """The memory of all sessions; `total` as last seen."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.total: i64 = 0
        self._round: list[Session] = []  # still to be looked at

    def limit(self) -> i64:
        """Return maxmemory-clients in bytes, 0 for none."""
        settings = self.node.settings
        limit = settings.maxmemory_clients
        return settings.maxmemory * -limit // 100 if limit < 0 else limit

    def tick(self) -> None:
        """Look at some sessions, and end the largest while all are over the limit."""
        left: i64 = _SESSIONS_PER_TICK
        if not self._round:
            self._round = list(self.node.sessions.values())
        while self._round and left > 0:
            left -= 1
            session = self._round.pop()
            if not session.closed:
                self._count(session)
        limit = self.limit()
        if limit > 0 and self.total > limit:
            self._evict(limit)

    def forget(self, session: Session) -> None:
        """Take out a session that ends."""
        self.total -= session.memory
        session.memory = 0

    def _count(self, session: Session) -> None:
        size: i64 = 0 if session.closing else session_bytes(session)
        self.total += size - session.memory
        session.memory = size

    def _evict(self, limit: i64) -> None:
        """End the largest clients until all are within the limit; CLIENT NO-EVICT spares one."""
        candidates: list[tuple[i64, i64, Session]] = []
        for session in self.node.sessions.values():
            self._count(session)
            if not (session.no_evict or session.closing):
                candidates.append((session.memory, session.number, session))
        candidates.sort(key=_size_and_number)
        while self.total > limit and candidates:
            session = candidates.pop()[2]
            self.forget(session)
            self.node.stats.evicted_clients += 1
            self.node.note_dropped(session, "maxmemory-clients")
            session.closing = True
            session.outlet.abort()


def _size_and_number(candidate: tuple[i64, i64, Session]) -> tuple[i64, i64]:
    return candidate[0], candidate[1]
