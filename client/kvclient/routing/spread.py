"""What a cluster and a ring have in common: keys lie in different places.

A place is what keys must share to be used in one request: a slot of a cluster, a node of a ring.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Final

from kvclient.errors import ArgumentError, UsageError
from kvclient.routing.address import Address
from kvclient.routing.plan import ANY, KEYS, NODES, Plan, by_keys, everywhere, target_of, whole
from kvclient.traits import Argv, Traits, traits_of
from kvclient.wire.encoding import as_wire

_SHOWN_MAX: Final = 60


class Spread(ABC):
    """Routes by the places of keys."""

    places_are: ClassVar[str]
    """What the places are, for messages."""
    placed_by_channel: ClassVar[frozenset[str]] = frozenset()
    """Commands without keys that go where their first argument would be."""

    @abstractmethod
    def place_of(self, key: bytes) -> Hashable:
        """Return the place of a key."""

    @abstractmethod
    def address_at(self, place: Any, from_follower: bool) -> Address:
        """Return the node to ask about keys of a place; a follower too, if the options say so."""

    @abstractmethod
    def leaders(self) -> list[Address]:
        """Return the nodes that together hold all keys."""

    @abstractmethod
    def nodes(self) -> list[Address]:
        """Return the leaders and their followers."""

    @abstractmethod
    def any_leader(self) -> Address:
        """Return a node that takes any request without keys, in turn."""

    def address_of(self, argv: Argv, leader_only: bool = False) -> Address | None:
        """Return the node for a request, None where it concerns several; UsageError for neither."""
        traits = traits_of(argv)
        index = traits.only_place
        if 0 < index < len(argv):
            word = argv[index]
            place = self.place_of(word if type(word) is bytes else as_wire(word))
            return self.address_at(place, traits.is_read and not leader_only)
        positions = self._positions(traits, argv)
        if positions:
            places = self._places(traits, argv, positions)
            if len(places) > 1:
                return None
            return self.address_at(next(iter(places)), traits.is_read and not leader_only)
        asked = self._asked(traits)
        return asked[0] if len(asked) == 1 else None

    def split(self, argv: Argv, leader_only: bool = False) -> Plan:
        """Return the parts of a request, one or more, and how their replies become one."""
        address = self.address_of(argv, leader_only)
        if address is not None:
            return whole(argv, address)
        traits = traits_of(argv)
        positions = self._positions(traits, argv)
        if not positions:
            return everywhere(traits, argv, self._asked(traits))
        places = self._places(traits, argv, positions)
        from_follower = traits.is_read and not leader_only
        groups = [(self.address_at(place, from_follower), found) for place, found in places.items()]
        return by_keys(traits, argv, groups)

    def address_of_all(self, requests: Sequence[Argv]) -> Address:
        """Return the leader of the one place that all keys of the requests are in."""
        first: tuple[object, Hashable] | None = None
        for argv in requests:
            for position in self._positions(traits_of(argv), argv):
                key = argv[position]
                place = self.place_of(as_wire(key))
                if first is None:
                    first = (key, place)
                elif place != first[1]:
                    raise self._apart("a transaction", first[0], key)
        return self.any_leader() if first is None else self.address_at(first[1], False)

    def home(self, channels: Sequence[Sequence[bytes]]) -> Address:
        """Return the node where channels, patterns and shard channels can be listened to together.

        UsageError where one connection does not do. Plain channels of a cluster are everywhere.
        """
        shards = channels[2]
        for other in shards[1:]:
            if self.place_of(other) != self.place_of(shards[0]):
                raise self._apart("SSUBSCRIBE", shards[0], other)
        return self.address_at(self.place_of(shards[0]), False) if shards else self.any_leader()

    def _positions(self, traits: Traits, argv: Argv) -> list[int]:
        if traits.name in self.placed_by_channel:
            return [1] if len(argv) > 1 else []
        return traits.placed_positions(argv)

    def _places(
        self, traits: Traits, argv: Argv, positions: list[int]
    ) -> dict[Hashable, list[int]]:
        """Return the positions of the keys by their place; UsageError where they must share one."""
        places: dict[Hashable, list[int]] = {}
        for position in positions:
            place = self.place_of(as_wire(argv[position]))
            places.setdefault(place, []).append(position)
        if len(places) > 1:
            if target_of(traits) != KEYS:
                one, other = list(places.values())[:2]
                raise self._apart(traits.name, argv[one[0]], argv[other[0]])
            spec = traits.facts.keys[0]
            if (len(argv) - spec.begin) % spec.step:
                raise ArgumentError(f"{traits.name}: {len(argv) - 1} arguments, pairs are needed")
        return places

    def _asked(self, traits: Traits) -> list[Address]:
        """Return whom a request without keys concerns."""
        target = target_of(traits)
        if target in (ANY, KEYS):
            return [self.any_leader()]
        # Where there is nobody, any_leader() says so.
        return (self.nodes() if target == NODES else self.leaders()) or [self.any_leader()]

    def _apart(self, name: str, one: object, other: object) -> UsageError:
        return UsageError(
            f"{name}: the keys {_shown(one)} and {_shown(other)} are in different"
            f" {self.places_are}; a common {{tag}} in their names puts them together"
        )


def _shown(key: object) -> str:
    text = repr(key)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."
