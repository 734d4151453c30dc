"""CLIENT PAUSE: sessions whose commands have to wait until a time, and then go on in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from mypy_extensions import i64

from kvnode.gates import PAUSED_ALL, PAUSED_WRITES
from kvnode.session import Session

if TYPE_CHECKING:
    from kvnode.node import Node


@final
class Pause:
    """Whether the node pauses its clients, and which sessions it stopped."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.parked: list[Session] = []
        self.until_ms: i64 = 0
        self._holds_writes = False

    def begin(self, until_ms: i64, writes_only: bool) -> None:
        """Pause; a pause that is on is only made longer and stricter."""
        dispatcher = self._node.dispatcher
        self.until_ms = max(self.until_ms, until_ms)
        dispatcher.gate |= PAUSED_WRITES if writes_only else PAUSED_ALL
        self._node.update_expiry()

    def is_on(self) -> bool:
        """Return whether any clients have to wait."""
        return self.until_ms > 0 or self._holds_writes

    def hold_writes(self, is_held: bool) -> None:
        """Pause writes for as long as the node itself wants it, whatever clients ask for."""
        self._holds_writes = is_held
        if is_held:
            self._node.dispatcher.gate |= PAUSED_WRITES
            self._node.update_expiry()
        elif self.until_ms == 0:
            self.end()

    def park(self, session: Session, argv: list[bytes]) -> None:
        """Stop a session at this request."""
        session.paused = True
        session.parked = argv
        self.parked.append(session)

    def forget(self, session: Session) -> None:
        """Drop a session whose connection ended."""
        if session.paused:
            session.paused = False
            self.parked.remove(session)

    def end(self) -> None:
        """Let everybody go on."""
        self.until_ms = 0
        self._node.dispatcher.gate &= ~(PAUSED_WRITES | PAUSED_ALL)
        if self._holds_writes:
            self._node.dispatcher.gate |= PAUSED_WRITES
        self._node.update_expiry()
        parked = self.parked
        self.parked = []
        for session in parked:
            session.paused = False
        self._node.blocking.unblocked.extend(parked)

    def time_out(self, now_ms: i64) -> None:
        """End the pause when its time is over."""
        if 0 < self.until_ms <= now_ms:
            self.end()
