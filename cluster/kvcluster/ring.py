"""A consistent-hash ring: which of several independent nodes owns a key.

Every node stands at many points of a circle of 2**64 positions (its virtual nodes); a key belongs
to the node whose point comes first at or after the key's own position. A node that joins takes
over only the arcs that end at its points, so about 1/(n+1) of the keys move, all of them to the
new node; a node that leaves gives its arcs to their next neighbours. A node's share follows its
weight, with a relative error of about 1/sqrt(number of its points).

The points are two parallel lists, searched by bisection. A sorted container would insert a node
in less time, but the look-up happens once per command and the change of a node a few times a day;
bisect on a plain list is the faster look-up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import mmh3

POINTS_PER_WEIGHT = 256
"""Points of a node of weight 1: shares of equal nodes then differ by about 6 %."""


def _points(name: str, count: int) -> list[int]:
    """Return the `count` positions of a node: the halves of 128-bit hashes of its numbered name."""
    points: list[int] = []
    for i in range((count + 1) // 2):
        points.extend(mmh3.hash64(f"{name}#{i}".encode(), signed=False))
    return points[:count]


class Ring:
    """Assigns keys to weighted nodes so that a change of the nodes moves as few keys as possible.

    `vnodes` is the number of points of a node of weight 1. Two rings with the same nodes, weights
    and `vnodes` agree on every key, in whatever order the nodes were added.
    """

    def __init__(
        self, nodes: Mapping[str, float] | None = None, vnodes: int = POINTS_PER_WEIGHT
    ) -> None:
        if vnodes < 1:
            raise ValueError(f"vnodes is {vnodes}, must be at least 1")
        self._vnodes = vnodes
        self._weights: dict[str, float] = {}
        # Replaced as one object, so that a look-up in another thread sees the old ring or the new.
        self._circle: tuple[list[int], list[str]] = ([], [])
        for name, weight in (nodes or {}).items():
            self._weights[name] = _checked_weight(name, weight)
        self._rebuild()

    def __len__(self) -> int:
        return len(self._weights)

    def __contains__(self, name: str) -> bool:
        return name in self._weights

    @property
    def nodes(self) -> dict[str, float]:
        """The nodes and their weights, as a copy."""
        return dict(self._weights)

    def add(self, name: str, weight: float = 1.0) -> None:
        """Add a node, or change the weight of one that is there. O(p log p) for p points."""
        self._weights[name] = _checked_weight(name, weight)
        self._rebuild()

    def remove(self, name: str) -> None:
        """Remove a node; KeyError if it is not there. O(p log p) for p points."""
        del self._weights[name]
        self._rebuild()

    def owner(self, key: bytes) -> str:
        """Return the node that owns `key`; LookupError on an empty ring. O(log p)."""
        points, names = self._circle
        if not names:
            raise LookupError("the ring has no nodes")
        return names[bisect_left(points, _position(key)) % len(names)]

    def preference(self, key: bytes, n: int) -> list[str]:
        """Return the first `n` different nodes from the key's position on, the owner first.

        Fewer are returned if the ring has fewer. Where one node of the list leaves, the order of
        the others stays.
        """
        points, names = self._circle
        found: list[str] = []
        wanted = min(n, len(self._weights))
        start = bisect_left(points, _position(key))
        for step in range(len(names)):
            if len(found) >= wanted:
                break
            name = names[(start + step) % len(names)]
            if name not in found:
                found.append(name)
        return found

    def check(self) -> None:
        """Assert every invariant: sorted points, and each node on as many as its weight says."""
        points, names = self._circle
        assert len(points) == len(names), "points and owners differ in number"
        assert points == sorted(points), "points are not in order"
        assert set(names) == set(self._weights), "points of other nodes than those of the ring"
        for name, weight in self._weights.items():
            assert names.count(name) == self._point_count(weight), f"wrong number of points: {name}"

    def _point_count(self, weight: float) -> int:
        return max(1, round(self._vnodes * weight))

    def _rebuild(self) -> None:
        circle = sorted(
            (point, name)
            for name, weight in self._weights.items()
            for point in _points(name, self._point_count(weight))
        )
        self._circle = ([point for point, _ in circle], [name for _, name in circle])


def _position(key: bytes) -> int:
    return mmh3.hash64(key, signed=False)[0]


def _checked_weight(name: str, weight: float) -> float:
    if not 0.0 < weight < float("inf"):
        raise ValueError(f"weight of {name} is {weight}, must be a positive number")
    return weight
