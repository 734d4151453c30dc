"""Sessions that wait for keys: parked, served first come first served, timed out.

A change of a key that somebody waits for makes it ready; once the command that changed it is over
(EXEC as a whole), the waiting sessions are asked in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.context import STILL_BLOCKED, Blocked
from kvnode.session import HEARS, REPLY_SKIPPED, Session
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import ErrorReply, Reply

if TYPE_CHECKING:
    from kvnode.node import Node

_STALE_MIN: Final = 64  # deadlines of waits that are over, kept at least until they are so many


@final
class Blocking:
    """All sessions that wait, by key and by deadline."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._waiting: dict[tuple[int, bytes], dict[Session, None]] = {}
        self._ready: dict[tuple[int, bytes], None] = {}
        self._deadlines: list[tuple[int, int, Session, Blocked]] = []
        self._tickets = 0
        self.count = 0
        self.unblocked: deque[Session] = deque()

    def park(self, session: Session, wait: Blocked) -> None:
        """Make a session wait; its further requests wait with it."""
        session.blocked = wait
        self.count += 1
        for key in wait.keys:
            self._waiting.setdefault((session.keyspace.index, key), {})[session] = None
        if wait.deadline_ms:
            self._tickets += 1
            heappush(self._deadlines, (wait.deadline_ms, self._tickets, session, wait))
            if len(self._deadlines) > 2 * self.count + _STALE_MIN:
                self._forget_stale()
        self._node.update_listening()

    def _forget_stale(self) -> None:
        """Drop the deadlines of waits that are over, most of which lie far ahead."""
        self._deadlines = [entry for entry in self._deadlines if entry[2].blocked is entry[3]]
        heapify(self._deadlines)

    def is_waited_for(self) -> bool:
        """Return whether any session waits for a key."""
        return bool(self._waiting)

    def signal(self, heard: list[tuple[int, bytes, bytes]]) -> None:
        """Note which of the changed keys somebody waits for."""
        waiting = self._waiting
        if not waiting:
            return
        for index, key, event in heard:
            if event == b"swapdb" or event == b"flushdb":
                for place in waiting:
                    if place[0] == index:
                        self._ready[place] = None
            elif (index, key) in waiting:
                self._ready[(index, key)] = None

    def serve_ready(self) -> None:
        """Serve the sessions whose keys are ready."""
        while self._ready:
            place = next(iter(self._ready))
            del self._ready[place]
            keyspace = self._node.dataset.databases[place[0]]
            for session in list(self._waiting.get(place, ())):
                wait = session.blocked
                if wait is not None and (keyspace.contains(place[1]) or wait.serves_absent):
                    self._serve(session, place[1], wait)

    def _serve(self, session: Session, key: bytes, wait: Blocked) -> None:
        node = self._node
        node.ctx.enter(session, session.keyspace)
        command = session.last_command
        if session.gate & HEARS and command is not None:
            node.notifications.begin(command, [])
        reply: Reply
        try:
            reply = wait.serve(node.ctx, key)
        except ReplyError as error:
            reply = ErrorReply(error.message)
        if reply is not STILL_BLOCKED:
            node.dispatcher.settle(session)
            self.answer(session, reply)
        node.notifications.end()

    def answer(self, session: Session, reply: Reply) -> None:
        """End a session's wait with its reply."""
        self.forget(session)
        if not session.is_muted():
            session.send(reply)
        session.gate &= ~REPLY_SKIPPED
        self.unblocked.append(session)

    def forget(self, session: Session) -> None:
        """Take a session out: it was served, timed out, or is gone."""
        wait = session.blocked
        if wait is None:
            return
        session.blocked = None
        self.count -= 1
        for key in wait.keys:
            place = (session.keyspace.index, key)
            sessions = self._waiting.get(place)
            if sessions is not None:
                sessions.pop(session, None)
                if not sessions:
                    del self._waiting[place]
        self._node.update_listening()

    def unblock(self, session: Session, with_error: bool) -> bool:
        """End a session's wait for CLIENT UNBLOCK; return whether it waited."""
        wait = session.blocked
        if wait is None:
            return False
        self.answer(session, ErrorReply(errors.UNBLOCKED) if with_error else wait.on_timeout)
        return True

    def force_out(self, message: str) -> None:
        """End all waits with an error, and the connections with them, as Redis does."""
        for session in list(self._node.sessions.values()):
            if session.blocked is not None:
                self.answer(session, ErrorReply(message))
                session.finish()

    def next_deadline(self) -> i64:
        """Return when the next wait ends, in ms since the epoch; 0 for never."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][2].blocked is not deadlines[0][3]:
            heappop(deadlines)
        return deadlines[0][0] if deadlines else 0

    def time_out(self, now_ms: i64) -> None:
        """Answer the sessions whose deadline has passed."""
        while True:
            first = self.next_deadline()
            if first == 0 or first > now_ms:
                return
            _, _, session, wait = heappop(self._deadlines)
            self.answer(session, wait.on_timeout)
