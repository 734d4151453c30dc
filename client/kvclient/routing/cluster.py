"""The router of a cluster: slot -> shard -> leader or follower, from a node's CLUSTER SLOTS.

The map is learnt whole (`learn`) and mended slot by slot by MOVED (`redirected`). Between the two
the client works on: a slot that nobody is known to serve is asked for at any node, which redirects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, final

from kvclient.errors import ProtocolError, ReplyError
from kvclient.routing.address import Address, Redirect
from kvclient.routing.spread import Spread
from kvprotocol.slots import SLOT_COUNT, key_slot

_HOST_UNKNOWN: Final = "?"


@final
class Shard:
    """A leader and its followers; `reader()` is who answers the next read."""

    __slots__ = ("_readers", "_turn", "followers", "leader")

    def __init__(self, leader: Address, followers: tuple[Address, ...], read_from: str) -> None:
        self.leader = leader
        self.followers = followers
        if read_from == "any":
            self._readers: tuple[Address, ...] = (leader, *followers)
        elif read_from == "prefer_follower" and followers:
            self._readers = followers
        else:
            self._readers = (leader,)
        self._turn = 0

    def reader(self) -> Address:
        """Return one after another of those that may answer reads."""
        self._turn += 1
        return self._readers[self._turn % len(self._readers)]

    def check(self) -> None:
        """Assert that nobody follows itself and that readers are members."""
        assert self.leader not in self.followers, f"{self.leader} follows itself"
        assert self._readers, "nobody to read from"
        assert set(self._readers) <= {self.leader, *self.followers}, "a reader of another shard"


@final
class ClusterRouter(Spread):
    """Sends each key to the shard that serves its slot.

    `seeds` are asked for the map first, and whenever no node of the map is known. `read_from` says
    who answers reads: "leader", "any", or "prefer_follower"; followers may answer with old data.
    """

    places_are: ClassVar[str] = "slots"

    def __init__(self, seeds: Sequence[Address], read_from: str = "leader") -> None:
        self._seeds = tuple(seeds)
        self._read_from = read_from
        self._follows = read_from != "leader"
        self._slots: list[Shard | None] = [None] * SLOT_COUNT
        self._shards: tuple[Shard, ...] = ()
        self._turn = 0
        self.map_is_due = True

    def learn(self, reply: object, answered_by: Address) -> None:
        """Take the map from a reply to CLUSTER SLOTS; ProtocolError if it is none.

        `answered_by` stands in for hosts that the node leaves out because it does not know its own.
        """
        slots: list[Shard | None] = [None] * SLOT_COUNT
        shards: dict[tuple[Address, ...], Shard] = {}
        try:
            for begin, end, leader, *followers in _list(reply):
                if not 0 <= begin <= end < SLOT_COUNT:
                    raise ValueError(f"slots {begin} to {end}")
                addresses = [_address(node, answered_by) for node in (leader, *followers)]
                if addresses[0] is None:
                    continue
                members = tuple(address for address in addresses if address is not None)
                if members not in shards:
                    shards[members] = Shard(members[0], members[1:], self._read_from)
                slots[begin : end + 1] = [shards[members]] * (end + 1 - begin)
        except (TypeError, ValueError) as error:
            raise ProtocolError(f"CLUSTER SLOTS of {answered_by}: {error}") from error
        self._shards = tuple(shards.values())
        self._slots = slots
        self.map_is_due = not shards

    def redirected(self, error: ReplyError, answered_by: Address) -> Redirect | None:
        """Return where MOVED or ASK sends the request, None for other errors.

        MOVED changes the slot at once. The map is due if that was news: of the many requests that
        are on their way when a slot moves only the first makes it so.
        """
        if error.code != "MOVED" and error.code != "ASK":
            return None
        try:
            _, slot_word, endpoint = error.message.split(" ")[:3]
            host, _, port = endpoint.rpartition(":")
            slot = int(slot_word)
            address = _endpoint(host, int(port), {}, answered_by)
        except ValueError:
            raise ProtocolError(f"{answered_by} redirects strangely: {error.message}") from error
        if not 0 <= slot < SLOT_COUNT:
            raise ProtocolError(f"{answered_by} redirects strangely: {error.message}")
        if error.code == "ASK":
            return None if address is None else Redirect(address, asking=True)
        if address is None:
            self.map_is_due = True
            return None
        known = self._slots[slot]
        if known is None or known.leader != address:
            self._slots[slot] = self._shard_of(address)
            self.map_is_due = True
        return Redirect(address, asking=False)

    def place_of(self, key: bytes) -> int:
        """Return the slot of a key."""
        return int(key_slot(key))

    def address_at(self, place: int, from_follower: bool) -> Address:
        """Return the leader of a slot, or who answers reads; any node where none is known."""
        shard = self._slots[place]
        if shard is None:
            return self.any_leader()
        return shard.reader() if from_follower and self._follows else shard.leader

    def leaders(self) -> list[Address]:
        """Return the leader of each shard; the seeds while there is no map."""
        return [shard.leader for shard in self._shards] or list(self._seeds)

    def nodes(self) -> list[Address]:
        """Return the leaders and then the followers."""
        followers = [follower for shard in self._shards for follower in shard.followers]
        return list(dict.fromkeys(self.leaders() + followers))

    def sources(self) -> list[Address]:
        """Return whom to ask for the map: leaders, followers, and seeds that are neither."""
        return list(dict.fromkeys((*self.nodes(), *self._seeds)))

    def any_leader(self) -> Address:
        """Return one leader after another."""
        leaders = self.leaders()
        self._turn += 1
        return leaders[self._turn % len(leaders)]

    def channel_address(self, channel: bytes, sharded: bool = False) -> Address:
        """Return the leader of a shard channel's slot; for other channels any leader does."""
        return self.address_at(self.place_of(channel), False) if sharded else self.any_leader()

    def is_follower(self, address: Address) -> bool:
        """Say whether the map has `address` as a follower: READONLY belongs in its handshake."""
        return any(address in shard.followers for shard in self._shards)

    def check(self) -> None:
        """Assert every invariant: all slots, sound shards, and no shard but by the map or MOVED."""
        assert self._seeds, "no seeds"
        assert len(self._slots) == SLOT_COUNT, f"{len(self._slots)} slots"
        for shard in {*self._shards, *self._slots} - {None}:
            assert shard is not None
            shard.check()
        if not self.map_is_due:
            assert {*self._slots} - {None} <= {*self._shards}, "a slot of an unknown shard"

    def _shard_of(self, leader: Address) -> Shard:
        """Return the shard that `leader` leads; a new one, without followers, if none is known."""
        for shard in self._shards:
            if shard.leader == leader:
                return shard
        shard = Shard(leader, (), self._read_from)
        self._shards = (*self._shards, shard)
        return shard


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, not {value!r:.100}")
    return value


def _address(node: object, answered_by: Address) -> Address | None:
    """Return where a node of the map is reached, None where nobody knows."""
    host, port, *rest = _list(node)
    # Behind the id, from Redis 7.0 on: other names of the node, as a map or as a flat list.
    other = rest[1] if len(rest) > 1 else []
    pairs = other if isinstance(other, Mapping) else dict(zip(other[::2], other[1::2]))
    names = {_text(name): _text(value) for name, value in pairs.items()}
    return _endpoint(_text(host), port, names, answered_by)


def _endpoint(
    host: str, port: int, names: Mapping[str, str], answered_by: Address
) -> Address | None:
    """Return an address: without a host it is on the node that answered; "?" is looked up."""
    if not 0 < port < 65536:
        raise ValueError(f"port {port}")
    if host == _HOST_UNKNOWN:
        host = names.get("ip", "")
        return Address(host, port) if host else None
    return Address(host or answered_by.host, port)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"text was expected, not {value!r:.100}")
    return value
