"""How a node ends: once its followers have everything, and its data is saved.

Writes pause meanwhile, for `shutdown-timeout` seconds at most; until then the end can be called
off. A save that fails calls it off too, unless it is forced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from kvnode.context import Blocked
from kvnode.session import Session
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import ErrorReply

if TYPE_CHECKING:
    from kvnode.node import Node


@final
class Ending:
    """The end of one node that was asked for, if any."""

    def __init__(self, node: Node) -> None:
        self.is_waiting = False
        self._node = node
        self._until = 0.0
        self._saves = False
        self._saves_nothing = False
        self._is_forced = False
        self._asked: list[tuple[Session, Blocked]] = []

    def begin(self, saves: bool, saves_nothing: bool, is_forced: bool, waits: bool) -> bool:
        """Begin to end; return False if the data could not be saved, so that the node goes on.

        `saves` and `saves_nothing` overrule the rules of `save`; without `waits` the followers get
        no time.
        """
        node = self._node
        self._saves = saves
        self._saves_nothing = saves_nothing
        self._is_forced = is_forced
        seconds = node.config.number("shutdown-timeout")
        replication = node.replication
        replication.hand_on()
        if not (waits and seconds > 0 and replication.lacks_anything()):
            return self._end()
        if not self.is_waiting:
            self.is_waiting = True
            self._until = node.clock.now() + seconds
            node.pause.hold_writes(True)
            replication.followers.ask()
            node.journal.note("notice", "waits-for-followers", {"seconds": seconds})
        return True

    def wait(self, session: Session, blocked: Blocked) -> None:
        """Have a session wait for the end it asked for."""
        self._asked.append((session, blocked))

    def abort(self) -> None:
        """Go on instead. ReplyError: no end was asked for."""
        if not self.is_waiting:
            raise ReplyError("ERR No shutdown in progress.")
        self._go_on()

    def tick(self, now: float) -> None:
        """End when the followers have everything, or their time is over."""
        if not self.is_waiting:
            return
        lacks = self._node.replication.lacks_anything()
        if lacks and now < self._until:
            return
        if lacks:
            self._node.journal.note("warning", "ends-before-followers-have-all", {})
        if not self._end():
            self._go_on()

    def _end(self) -> bool:
        node = self._node
        if not (node.saver.save_at_end(self._saves, self._saves_nothing) or self._is_forced):
            return False
        node.stop_requested = True
        return True

    def _go_on(self) -> None:
        self.is_waiting = False
        self._node.pause.hold_writes(False)
        asked = self._asked
        self._asked = []
        for session, blocked in asked:
            if session.blocked is blocked:
                self._node.blocking.answer(session, ErrorReply(errors.SHUTDOWN_FAILED))
