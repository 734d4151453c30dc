"""FAILOVER: the lead is handed to a follower without losing a write.

Writes pause until the follower has everything. Then this node follows it, and its request for a
sync says that it shall lead. Until that is answered the handover can be called off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from kvnode.replication.follower import ONLINE, Follower
from kvprotocol.errors import ReplyError

if TYPE_CHECKING:
    from kvnode.node import Node

_NO_LIMIT: Final = 0.0


@final
class Failover:
    """The handover that is in progress, if any."""

    def __init__(self, node: Node) -> None:
        self.state = "no-failover"
        self._node = node
        self._target: tuple[str, int] | None = None  # None for the first that has everything
        self._is_forced = False
        self._until = _NO_LIMIT

    def is_in_progress(self) -> bool:
        """Return whether a handover is in progress."""
        return self.state != "no-failover"

    def begin(self, target: tuple[str, int] | None, is_forced: bool, seconds: float) -> None:
        """Begin to hand over to a follower, or to any. ReplyError: that is not possible."""
        node = self._node
        replication = node.replication
        if self.is_in_progress():
            raise ReplyError("ERR FAILOVER already in progress.")
        if not replication.is_leading():
            raise ReplyError("ERR FAILOVER is not valid when server is a replica.")
        if len(replication.followers) == 0:
            raise ReplyError("ERR FAILOVER requires connected replicas.")
        if is_forced and (target is None or not seconds):
            raise ReplyError(
                "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
            )
        if target is not None:
            found = self._find(target)
            if found is None:
                raise ReplyError("ERR FAILOVER target HOST and PORT is not a replica.")
            if found.state != ONLINE:
                raise ReplyError("ERR FAILOVER target replica is not online.")
        self._target = target
        self._is_forced = is_forced
        self._until = node.clock.now() + seconds if seconds else _NO_LIMIT
        self.state = "waiting-for-sync"
        node.pause.hold_writes(True)
        shown = f"{target[0]}:{target[1]}" if target is not None else "any"
        node.journal.note("notice", "failover-began", {"target": shown})
        replication.hand_on()
        if node.dispatcher.unit is None:  # else the transaction around this comes first
            self.note_acknowledged()
        if self.state == "waiting-for-sync":
            replication.followers.ask()

    def abort(self, reason: str) -> None:
        """Call the handover off; this node leads on. ReplyError: there is none."""
        if not self.is_in_progress():
            raise ReplyError("ERR No failover in progress.")
        was_following = self.state == "failover-in-progress"
        self._end()
        if was_following:
            self._node.replication.lead()
        self._node.journal.note("warning", "failover-aborted", {"reason": reason})

    def note_accepted(self) -> None:
        """The other node leads: it has answered our request for a sync."""
        if self.state == "failover-in-progress":
            self._end()
            self._node.journal.note("notice", "failover-done", {})

    def note_refused(self) -> None:
        """The other node did not take over."""
        if self.state == "failover-in-progress":
            self.abort("the target refused")

    def note_acknowledged(self) -> None:
        """Go on when a follower that may take over has everything."""
        if self.state != "waiting-for-sync":
            return
        replication = self._node.replication
        for follower in replication.followers.all():
            is_wanted = self._target is None or _place(follower) == self._target
            is_whole = follower.acknowledged == replication.history.offset
            if is_wanted and follower.state == ONLINE and is_whole:
                self._hand_over(_place(follower))
                return

    def tick(self, now: float) -> None:
        """Give up, or force it, when its time is over."""
        if self.state != "waiting-for-sync" or self._until == _NO_LIMIT or now < self._until:
            return
        target = self._target
        if self._is_forced and target is not None:
            self._hand_over(target)
        else:
            self.abort("no follower caught up in time")

    def _hand_over(self, place: tuple[str, int]) -> None:
        self.state = "failover-in-progress"
        self._node.replication.follow(place[0], place[1], True)

    def _end(self) -> None:
        self.state = "no-failover"
        self._target = None
        self._node.pause.hold_writes(False)

    def _find(self, place: tuple[str, int]) -> Follower | None:
        for follower in self._node.replication.followers.all():
            if _place(follower) == place:
                return follower
        return None


def _place(follower: Follower) -> tuple[str, int]:
    return follower.shown_address(), follower.port
