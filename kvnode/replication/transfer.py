"""A snapshot that goes to followers while it is made, without a file in between.

Its length is not known beforehand, so it ends with a mark of 40 random bytes, which was announced
before it.
"""

from __future__ import annotations

from typing import final

from kvnode.durability.sink import Sink
from kvnode.replication.follower import SNAPSHOT, Follower


@final
class Transfer(Sink):
    """The connections of the followers that take one snapshot together."""

    def __init__(self, followers: list[Follower], mark: bytes) -> None:
        super().__init__()
        self.followers = followers
        self._mark = mark
        for follower in followers:
            follower.send(b"$EOF:%b\r\n" % mark)

    def _left(self) -> list[Follower]:
        """Return those that are still there; without any it is over."""
        left = [follower for follower in self.followers if follower.state == SNAPSHOT]
        if not left and not self.is_over:
            self.error = "no follower is left"
            self.is_over = True
        return left

    @property
    def pending(self) -> int:
        return max((int(follower.unsent()) for follower in self._left()), default=0)

    def put(self, data: bytes) -> None:
        for follower in self._left():
            follower.send(data)
        self.written += len(data)

    def finish(self) -> None:
        for follower in self._left():
            follower.send(self._mark)
        self.is_over = True

    def give_up(self) -> None:
        self.error = self.error or "given up"
        self.is_over = True
