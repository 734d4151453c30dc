"""A client that numbers its requests, for tests of REQUEST."""

from __future__ import annotations

from .engine import Engine


class Requester:
    """One client id; `acknowledged` goes with each request."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.id = engine.send([b"REQUEST", b"ID"]).split(b"\r\n")[1]
        self.acknowledged = 0

    def send(self, seq: int, *words: bytes, name: str = "main") -> bytes:
        """Send one request, or repeat it."""
        acknowledged = min(self.acknowledged, seq - 1)
        head = [b"REQUEST", self.id, b"%d" % seq, b"%d" % acknowledged]
        return self.engine.send([*head, *words], name)


UNKNOWN = b"-UNKNOWNREQUEST "


def is_refused(reply: bytes) -> bool:
    """Whether the node neither remembers a request nor runs it."""
    return reply.startswith(UNKNOWN)
