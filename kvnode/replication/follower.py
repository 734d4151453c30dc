"""One follower of this node, as its connection's session knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.durability.disk import File

if TYPE_CHECKING:
    from kvnode.session import Session

CANDIDATE: Final = 0  # it introduced itself, and asked for nothing yet
WAITS: Final = 1  # for a snapshot to begin
SNAPSHOT: Final = 2  # one is being made, or goes to it while it is made
FILE: Final = 3  # one goes to it from a file
ONLINE: Final = 4  # it gets the stream

_STATE_NAMES: Final = ("", "wait_bgsave", "wait_bgsave", "send_bulk", "online")
WINDOW_BYTES: Final = 1 << 20  # of the stream or a file that may be on the way to one follower


@final
class Follower:
    """What a follower said of itself, and how far it is.

    `sent` is the offset up to which its connection was given the stream, `acknowledged` the one up
    to which it said that it has it.
    """

    def __init__(self, session: Session, now: float) -> None:
        self.session = session
        self.state: i64 = CANDIDATE
        self.port = 0
        self.address = b""
        self.takes_mark = False  # it can read a snapshot of unknown length, which ends with a mark
        self.takes_other_id = False  # a partial resync may tell it another id
        self.speaks_psync = False
        self.is_gone_after_snapshot = False  # REPLCONF rdb-only
        self.wants_data = True
        self.wants_functions = True
        self.awaits_ack = False  # the stream goes on when it has said that the snapshot is there
        self.sent: i64 = 0
        self.acknowledged: i64 = 0
        self.heard_seconds = now  # when it last said how far it is
        self.since = now
        self.file: File | None = None
        self._least_unsent: i64 = 0

    def shown_address(self) -> str:
        """Return where the follower says it is, or where its connection comes from."""
        address = self.address or self.session.peer.rpartition(b":")[0].strip(b"[]")
        return address.decode("utf-8", "replace")

    def is_fed(self) -> bool:
        """Return whether it asked for a sync, so that its connection carries the stream."""
        return self.state != CANDIDATE

    def is_online(self) -> bool:
        """Return whether it gets the stream."""
        return self.state == ONLINE

    def state_name(self) -> str:
        """Return the state as INFO shows it."""
        return _STATE_NAMES[self.state]

    def is_filtered(self) -> bool:
        """Return whether it wants only a part of a snapshot."""
        return not (self.wants_data and self.wants_functions)

    def unsent(self) -> i64:
        """Return the bytes that are on the way to the follower, but not with the kernel."""
        session = self.session
        return session.writer.size() + session.outlet.unsent_bytes()

    def lag(self, end: i64) -> i64:
        """Return the bytes of the stream up to `end` that its connection was not given yet."""
        return end - self.sent if self.state != CANDIDATE else 0

    def send(self, data: bytes) -> None:
        """Have bytes sent as they are."""
        self.session.writer.raw(data)
        self.session.announce()

    def note_progress(self, now: float) -> None:
        """Count it as heard of while a snapshot flows to it."""
        unsent = self.unsent()
        if unsent < max(self._least_unsent, WINDOW_BYTES):
            self.heard_seconds = now
        self._least_unsent = unsent

    def close_file(self) -> None:
        """Let go of the file that was sent."""
        if self.file is not None:
            self.file.close()
            self.file = None
