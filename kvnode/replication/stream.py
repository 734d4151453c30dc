"""The leader's stream of changes, run on this node and kept for its own followers.

The bytes go into the backlog as they came, request by request, so that every node that follows has
the same stream at the same offsets. A transaction counts when its EXEC has run: a link that is cut
in the middle goes on at its MULTI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from mypy_extensions import i64

from kvnode.durability.log_reader import Replay
from kvnode.durability.rdb_reader import FileError
from kvprotocol.errors import ProtocolError
from kvprotocol.requests import RequestParser

if TYPE_CHECKING:
    from kvnode.node import Node
    from kvnode.replication.history import History
    from kvnode.session import Session


@final
class LeaderStream:
    """Takes what the leader sends; `asks_ack` is set when it wants to know how far we are."""

    def __init__(self, node: Node, history: History, session: Session) -> None:
        self.asks_ack = False
        self._node = node
        self._history = history
        self._parser = RequestParser()
        self._parser.takes_inline = False
        self._replay = Replay(node, session)
        self._taken: i64 = 0  # bytes that came
        self._done: i64 = 0  # bytes of them that have been run
        self._pieces: list[bytes] = []  # what came and has not been run yet

    def take(self, data: bytes) -> str:
        """Run what is whole; return why the stream cannot go on, an empty text if it can."""
        parser = self._parser
        self._pieces.append(data)
        self._taken += len(data)
        end = self._done
        reason = ""
        try:
            parser.feed(data)
            while True:
                argv = parser.next()
                if argv is None:
                    break
                if argv:
                    reason = self._run(argv)
                    if reason:
                        return reason
                if not self._replay.is_open:
                    end = self._taken - parser.buffered()
        except ProtocolError as error:
            reason = f"its stream is damaged: {error.message}"
        self._keep(end)
        return reason

    def _run(self, argv: list[bytes]) -> str:
        """Run a request; one that succeeded on the leader and fails here would part the copies."""
        if argv[0].upper() == b"REPLCONF":
            self.asks_ack = True
            return ""
        failures = self._replay.failures
        try:
            self._replay.run(argv)
        except FileError as error:
            return f"its stream cannot be followed: {error}"
        if self._replay.failures != failures:
            return "one of its requests failed here"
        return ""

    def _keep(self, end: i64) -> None:
        """Move what has been run into the history."""
        size = end - self._done
        if size == 0:
            return
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if size == len(data):
            self._history.append(data)
            self._pieces = []
        else:
            self._history.append(data[:size])
            self._pieces = [data[size:]]
        self._done = end
