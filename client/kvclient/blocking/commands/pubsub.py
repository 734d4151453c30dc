# Generated from client/kvclient/commands/pubsub.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Commands of pub/sub that need no subscription."""

from __future__ import annotations

from kvclient import shapes
from kvclient.blocking.commands.base import Surface
from kvclient.results import T
from kvclient.wire.encoding import Argument


class PubSubCommands(Surface[T]):
    """Messages to channels, and who listens."""

    def publish(self, channel: Argument, message: Argument) -> int:
        """Send a message to all subscribers of a channel; return how many of this node got it."""
        return self._send((b"PUBLISH", channel, message))

    def pubsub_channels(self, pattern: Argument = "*") -> list[T]:
        """Return the channels that have subscribers and match a glob pattern."""
        return self._send((b"PUBSUB", b"CHANNELS", pattern))

    def pubsub_numpat(self) -> int:
        """Return how many patterns are subscribed to."""
        return self._send((b"PUBSUB", b"NUMPAT"))

    def pubsub_numsub(self, *channels: Argument) -> dict[T, int]:
        """Return for each channel how many subscribers it has."""
        return self._send((b"PUBSUB", b"NUMSUB", *channels), shapes.mapping)

    def pubsub_shardchannels(self, pattern: Argument = "*") -> list[T]:
        """Return the shard channels that have subscribers and match a glob pattern."""
        return self._send((b"PUBSUB", b"SHARDCHANNELS", pattern))

    def pubsub_shardnumsub(self, *channels: Argument) -> dict[T, int]:
        """Return for each shard channel how many subscribers it has."""
        return self._send((b"PUBSUB", b"SHARDNUMSUB", *channels), shapes.mapping)

    def spublish(self, channel: Argument, message: Argument) -> int:
        """Send a message to all subscribers of a shard channel; return how many got it."""
        return self._send((b"SPUBLISH", channel, message))
