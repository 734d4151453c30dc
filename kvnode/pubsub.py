"""Channels, patterns and shard channels, and who is subscribed to them."""

from typing import final

from mypy_extensions import i64

from kvnode.globs import matches
from kvnode.session import HEARS, SUBSCRIBER, Session
from kvprotocol.replies import Push, Reply, ReplyWriter


@final
class PubSub:
    """The subscriptions of all sessions."""

    def __init__(self) -> None:
        self.channels: dict[bytes, dict[Session, None]] = {}
        self.patterns: dict[bytes, dict[Session, None]] = {}
        self.shard_channels: dict[bytes, dict[Session, None]] = {}

    def subscribe(self, session: Session, kind: bytes, channel: bytes) -> None:
        """Add a subscription and confirm it; `kind` is the command's name."""
        own, everyone = self._tables(session, kind)
        if channel not in own:
            own[channel] = None
            everyone.setdefault(channel, {})[session] = None
        session.send(Push([kind, channel, _count(session, kind)]))
        self.restrict(session)

    def unsubscribe(self, session: Session, kind: bytes, channels: list[bytes]) -> None:
        """End the named subscriptions, or all of the kind, and confirm each."""
        own, _ = self._tables(session, kind)
        names: list[bytes] = channels or list(own)
        for channel in names:
            self._drop(session, kind, channel)
            session.send(Push([kind, channel, _count(session, kind)]))
        if not names:
            session.send(Push([kind, None, _count(session, kind)]))
        self.restrict(session)

    def restrict(self, session: Session) -> None:
        """Restrict the commands of a subscribed RESP2 session: its replies mix with messages.

        Under RESP3 they do not, but their order matters.
        """
        session.gate &= ~(SUBSCRIBER | HEARS)
        if session.is_subscribed():
            session.gate |= SUBSCRIBER if session.writer.protocol == 2 else HEARS

    def leave(self, session: Session) -> None:
        """End all subscriptions of a session silently."""
        for kind in (b"unsubscribe", b"punsubscribe", b"sunsubscribe"):
            own, _ = self._tables(session, kind)
            for channel in list(own):
                self._drop(session, kind, channel)
        session.gate &= ~(SUBSCRIBER | HEARS)

    def publish(self, channel: bytes, payload: bytes) -> int:
        """Send a message to subscribers of the channel and of patterns; return how many got it."""
        if not self.channels and not self.patterns:
            return 0
        count = 0
        receivers = self.channels.get(channel)
        if receivers:
            count = _send(receivers, [b"message", channel, payload])
        for pattern, others in self.patterns.items():
            if matches(pattern, channel):
                count += _send(others, [b"pmessage", pattern, channel, payload])
        return count

    def publish_shard(self, channel: bytes, payload: bytes) -> int:
        """Send a message to subscribers of a shard channel; return how many got it."""
        receivers = self.shard_channels.get(channel)
        return _send(receivers, [b"smessage", channel, payload]) if receivers else 0

    def _drop(self, session: Session, kind: bytes, channel: bytes) -> None:
        own, everyone = self._tables(session, kind)
        if channel in own:
            del own[channel]
            sessions = everyone[channel]
            del sessions[session]
            if not sessions:
                del everyone[channel]

    def _tables(
        self, session: Session, kind: bytes
    ) -> tuple[dict[bytes, None], dict[bytes, dict[Session, None]]]:
        if kind.startswith(b"p"):
            return session.patterns, self.patterns
        if kind.startswith((b"ss", b"sun")):
            return session.shard_channels, self.shard_channels
        return session.channels, self.channels


def _count(session: Session, kind: bytes) -> int:
    """Return the number that a confirmation carries: shard channels are counted apart."""
    if kind.startswith((b"ss", b"sun")):
        return len(session.shard_channels)
    return len(session.channels) + len(session.patterns)


def _send(receivers: dict[Session, None], message: list[Reply]) -> int:
    """Hand a message to every receiver, encoded once for each protocol that is spoken."""
    resp2 = b""
    resp3 = b""
    for session in receivers:
        if session.closing:
            continue
        writer = session.writer
        if writer.protocol == 2:
            if not resp2:
                resp2 = _encoded(message, 2)
            writer.raw(resp2)
        else:
            if not resp3:
                resp3 = _encoded(message, 3)
            writer.raw(resp3)
        session.announce()
    return len(receivers)


def _encoded(message: list[Reply], protocol: i64) -> bytes:
    writer = ReplyWriter(protocol)
    writer.write(Push(message))
    return b"".join(writer.take_chunks())
