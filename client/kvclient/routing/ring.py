"""The router of independent nodes: each key has one owner on a consistent-hash ring.

The nodes know nothing of each other, so whoever routes must agree: on the nodes' addresses as they
are written (they are the names on the ring), on the weights, and on the hash. A `{tag}` in a key is
hashed alone, as in a cluster, so that keys which are used together can be kept together.

A node that is removed leaves its keys to the others: what was stored there is not found until it
comes back. That suits caches. A node that is not reached keeps its keys, and calls for them end
with ConnectError: were each client to decide by itself that a node is gone, two of them could write
the same key in two places, and old values would come back with the node. So whoever knows says it
to all clients (`remove_node`, `add_node`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, final

from kvclient.errors import ReplyError, Unavailable, UsageError
from kvclient.routing.address import Address, Redirect
from kvclient.routing.spread import Spread
from kvcluster.ring import Ring

_NO_NODE: Final = "no node of the ring is left"


@final
class RingRouter(Spread):
    """Sends each key to its owner on the ring, and what has no key to any node or to all.

    A channel has its owner too, in whatever way it is published.
    """

    places_are: ClassVar[str] = "nodes"
    placed_by_channel: ClassVar[frozenset[str]] = frozenset(("PUBLISH",))

    def __init__(self, nodes: Mapping[Address, float]) -> None:
        self.map_is_due = False
        self._ring = Ring({str(address): weight for address, weight in nodes.items()})
        self._by_name = {str(address): address for address in nodes}
        self._turn = 0

    def add(self, address: Address, weight: float = 1.0) -> None:
        """Add a node, or change its weight; 1/n of the keys move to it."""
        self._by_name = {**self._by_name, str(address): address}
        self._ring.add(str(address), weight)

    def remove(self, address: Address) -> None:
        """Remove a node, whose keys go to the others; KeyError if it is not there."""
        self._ring.remove(str(address))
        self._by_name = {name: at for name, at in self._by_name.items() if at != address}

    def place_of(self, key: bytes) -> Address:
        """Return the owner of a key."""
        # A node that another thread removes between the two look-ups is asked once more.
        while True:
            try:
                name = self._ring.owner(_hashed_part(key))
            except LookupError:
                raise Unavailable(_NO_NODE) from None
            address = self._by_name.get(name)
            if address is not None:
                return address

    def address_at(self, place: Address, from_follower: bool) -> Address:
        """Return the place itself."""
        return place

    def leaders(self) -> list[Address]:
        """Return all nodes."""
        return list(self._by_name.values())

    def nodes(self) -> list[Address]:
        """Return all nodes."""
        return self.leaders()

    def sources(self) -> list[Address]:
        """Return all nodes."""
        return self.leaders()

    def any_leader(self) -> Address:
        """Return one node after another."""
        nodes = self.leaders()
        if not nodes:
            raise Unavailable(_NO_NODE)
        self._turn += 1
        return nodes[self._turn % len(nodes)]

    def channel_address(self, channel: bytes, sharded: bool = False) -> Address:
        """Return the owner of the channel, to whom PUBLISH and SPUBLISH go."""
        return self.place_of(channel)

    def home(self, channels: Sequence[Sequence[bytes]]) -> Address:
        """Return the owner of all the channels; UsageError where they have several."""
        plain, patterns, shards = channels
        if patterns and len(self._by_name) > 1:
            raise UsageError(
                "PSUBSCRIBE: what matches a pattern is published on several nodes of the ring;"
                " subscribe to channels, or to the pattern with a client of each node"
            )
        names = [*plain, *shards]
        for other in names[1:]:
            if self.place_of(other) != self.place_of(names[0]):
                raise self._apart("SUBSCRIBE", names[0], other)
        return self.place_of(names[0]) if names else self.any_leader()

    def learn(self, reply: object, answered_by: Address) -> None:
        """Do nothing: there is no map."""

    def redirected(self, error: ReplyError, answered_by: Address) -> Redirect | None:
        """Return None: the nodes do not know each other."""
        return None

    def check(self) -> None:
        """Assert every invariant of the ring, and that its names have their addresses."""
        self._ring.check()
        assert set(self._ring.nodes) == set(self._by_name), "names and addresses differ"
        assert all(name == str(address) for name, address in self._by_name.items()), "misnamed"


def _hashed_part(key: bytes) -> bytes:
    """Return the first non-empty `{tag}` of a key, as a cluster finds it, or the whole key."""
    begin = key.find(b"{") + 1
    end = key.find(b"}", begin) if begin else -1
    return key[begin:end] if end > begin else key
