"""Sessions that wait for shuffles: until one is sealed, may be pushed to, or a block was read.

They wait for no key, and are few: whenever anything has changed each is asked whether it can be
answered now. And sessions that shuffles wait for: the payloads in their replies count in the budget
until they are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.context import STILL_BLOCKED, Blocked, never_served
from kvprotocol.errors import ReplyError
from kvprotocol.replies import ErrorReply, Reply

if TYPE_CHECKING:
    from kvnode.node import Node
    from kvnode.session import Session


_UNREAD_BYTES_MAX: Final = 1 << 20  # with more pending a session gets no reply to a FETCH
_TAKEN_BYTES: Final = 1 << 16  # so much a transport holds without saying that its peer is slow


@mypyc_attr(allow_interpreted_subclasses=True)
class Question:
    """What a session waits for."""

    def answer(self, now_ms: i64) -> Reply:
        """Return the reply, or STILL_BLOCKED. ReplyError: it will never come."""
        raise NotImplementedError


@final
class ShuffleWaits:
    """The sessions of one node that wait for its shuffles, in the order in which they came."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._waits: list[tuple[Session, Blocked, Question]] = []
        self._awaits_drain = False  # somebody waits until its peer has taken what it was sent
        self._unread: dict[Session, int] = {}  # bytes of the payloads in its replies

    def park(
        self, session: Session, question: Question, deadline_ms: i64, on_timeout: Reply
    ) -> Blocked:
        """Have a session answered later, by the deadline (0: none)."""
        # Those whose time is over, or whose connection is, are told by nobody else.
        self._waits = [entry for entry in self._waits if entry[0].blocked is entry[1]]
        blocked = Blocked([], deadline_ms, never_served, on_timeout)
        self._waits.append((session, blocked, question))
        return blocked

    def may_be_sent_more(self, session: Session) -> bool:
        """Return whether a peer has taken enough of its replies, so that a FETCH may follow.

        If not, `note_drained` says when to ask again.
        """
        has_share = self._node.shuffles.owner.has_share_of_replies()
        may = session.pending_bytes() <= (_UNREAD_BYTES_MAX if has_share else _TAKEN_BYTES)
        if not may:
            self._awaits_drain = True
        return may

    def note_drained(self) -> None:
        """Note that the peer of a session that waits has taken its replies."""
        if self._awaits_drain:
            self._awaits_drain = False
            self._node.shuffles.note_room()

    def note_sent(self, session: Session, size: i64) -> None:
        """Count the payloads of a reply; of those before it no more than is pending is left."""
        before: i64 = self._unread.get(session, 0)
        left = min(before, session.pending_bytes())
        self._unread[session] = left + size
        self._node.shuffles.owner.note_unread(left + size - before)

    def note_taken(self) -> None:
        """Count no more what was taken; called with each tick."""
        for session, size in list(self._unread.items()):
            if session.closed or session.pending_bytes() <= _TAKEN_BYTES:
                del self._unread[session]
                self._node.shuffles.owner.note_unread(-size)

    def ask(self, now_ms: i64) -> None:
        """Answer those whose time has come."""
        if not self._waits:
            return
        waits = self._waits
        self._waits = []
        left: list[tuple[Session, Blocked, Question]] = []
        for entry in waits:
            session, blocked, question = entry
            if session.blocked is not blocked:
                continue  # its time was over, or its connection is
            reply: Reply
            try:
                reply = question.answer(now_ms)
            except ReplyError as error:
                self._node.stats.count_error(error.message)
                reply = ErrorReply(error.message)
            if reply is STILL_BLOCKED:
                left.append(entry)
            else:
                self._node.blocking.answer(session, reply)
        self._waits = left + self._waits
