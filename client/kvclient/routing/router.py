"""What the shells ask of a router, and the router that the options want."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kvclient.errors import ReplyError
from kvclient.options import Options
from kvclient.routing.address import Address, Redirect
from kvclient.routing.plan import Plan
from kvclient.routing.standalone import Standalone
from kvclient.traits import Argv


class Router(Protocol):
    """Says for each request which node or nodes it concerns.

    A request goes to `address_of(argv)`; where that is None it concerns several nodes, and
    `split(argv)` says which request goes to each and how the replies become one. Both raise
    UsageError for a request that cannot be executed, before anything was sent.
    """

    map_is_due: bool
    """Is the map unknown or found to be old? Then one of `sources()` is to be asked for it."""

    def address_of(self, argv: Argv, leader_only: bool = False) -> Address | None:
        """Return the node for a request, None where it concerns several.

        `leader_only` overrides the option to read from followers: for a read that is repeated.
        """
        ...

    def split(self, argv: Argv, leader_only: bool = False) -> Plan:
        """Return the parts of a request, one or more, and how their replies become one."""
        ...

    def address_of_all(self, requests: Sequence[Argv]) -> Address:
        """Return the one node, a leader, that all the requests of a transaction concern."""
        ...

    def channel_address(self, channel: bytes, sharded: bool = False) -> Address:
        """Return the node where a channel is subscribed to."""
        ...

    def home(self, channels: Sequence[Sequence[bytes]]) -> Address:
        """Return where channels, patterns and shard channels can be listened to together."""
        ...

    def leaders(self) -> list[Address]:
        """Return the nodes that together hold all keys: whom SCAN has to visit."""
        ...

    def sources(self) -> list[Address]:
        """Return every known node, those first that are best asked for the map."""
        ...

    def learn(self, reply: object, answered_by: Address) -> None:
        """Take in the map that a node has told; only where `map_is_due` can be true."""

    def redirected(self, error: ReplyError, answered_by: Address) -> Redirect | None:
        """Return where an error of the node `answered_by` sends the request, None if nowhere."""
        ...

    def check(self) -> None:
        """Assert every invariant."""


def router_of(options: Options) -> Router:
    """Return the router for the mode of the options."""
    # What the modes import (slot tables, mmh3) costs some milliseconds: each pays for its own.
    if options.mode == "cluster":
        from kvclient.routing.cluster import ClusterRouter  # see above

        return ClusterRouter(options.addresses, options.read_from)
    if options.mode == "ring":
        from kvclient.routing.ring import RingRouter  # see above

        weights = options.weights or (1.0,) * len(options.addresses)
        return RingRouter(dict(zip(options.addresses, weights)))
    return Standalone(options.addresses[0])
