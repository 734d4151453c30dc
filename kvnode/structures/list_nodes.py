"""Long lists: nodes in wire form between two open ends.

A list is `head | node node ... node | tail`. The head and the tail are plain Python lists of at
most `END_ELEMENTS` elements (the head reversed), so that a push or pop at either end is an append
or pop. A full end is sealed: its elements become one run of bulk strings that joins the
neighbouring node while that stays within its bounds. An end that runs empty takes a few elements
back from the neighbouring node. `sealed_nodes.py` holds the nodes and says why they are in wire
form.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.structures.bulk_strings import (
    append_encoded,
    decode,
    decode_count,
    encode,
    encode_element,
    skip,
)
from kvnode.structures.sealed_nodes import (
    BASE_COST,
    NODE_BYTES,
    LargeElement,
    SealedNodes,
    object_cost,
    pack,
)

END_ELEMENTS: Final = 32
"""The bound of the open ends. Their elements cost an object each and are encoded when read."""

REFILL_ELEMENTS: Final = 16
"""How many elements an empty end takes back: half the bound, or alternating pushes and pops around
it would seal and open the same elements again and again."""


def open_cost(elements: list[bytes]) -> i64:
    """Return the memory of elements in an open end."""
    cost: i64 = 0
    for element in elements:
        cost += ((i64(len(element)) + 48) & -16) + 8
    return cost


@final
@mypyc_attr(acyclic=True)
class ListNodes(SealedNodes):
    """A sequence of byte strings that is cheap at both ends and read in wire form.

    Indexes count from 0 at the head; where a method says so, negative ones count from the end.
    Pushes and pops are O(1) amortised, an index O(log n), an edit in the middle O(nodes behind it).
    """

    head: list[bytes]
    tail: list[bytes]

    def __init__(self) -> None:
        super().__init__()
        self.head = []
        self.tail = []

    def count(self) -> i64:
        """Return the number of elements; O(1)."""
        return len(self.head) + self.sealed + len(self.tail)

    def discard(self, elements: i64) -> i64:
        """Free nodes with about `elements` elements of a list that nobody uses any more."""
        self.head = []
        self.tail = []
        nodes = self.nodes
        count: i64 = min(i64(len(nodes)), elements // END_ELEMENTS + 1)
        del nodes[len(nodes) - count :]
        self.sealed = len(nodes)
        return count * END_ELEMENTS

    def copy(self) -> ListNodes:
        """Return an independent copy that shares the nodes' bytes; O(nodes)."""
        twin = ListNodes()
        twin.head = self.head.copy()
        twin.nodes = self.nodes.copy()
        twin.starts = self.starts[:]
        twin.tail = self.tail.copy()
        twin.first = self.first
        twin.sealed = self.sealed
        twin.memory = self.memory
        return twin

    def push_left(self, element: bytes) -> None:
        """Put `element` before the first one."""
        head = self.head
        if len(head) >= END_ELEMENTS:
            self._seal_head()
        head.append(element)
        self.memory += ((i64(len(element)) + 48) & -16) + 8

    def push_right(self, element: bytes) -> None:
        """Put `element` behind the last one."""
        tail = self.tail
        if len(tail) >= END_ELEMENTS:
            self._seal_tail()
        tail.append(element)
        self.memory += ((i64(len(element)) + 48) & -16) + 8

    def push_wire(self, wire: bytes, count: i64) -> None:
        """Put the `count` bulk strings in `wire`, within a node's bounds, behind the last one."""
        if self.tail:
            self._seal_tail()
        self._join_last(wire, count)

    def pop_left(self) -> bytes:
        """Take the first element; IndexError if there is none."""
        if not self.head:
            if not self.sealed:
                element = self.tail.pop(0)
                self.memory -= object_cost(len(element)) + 8
                return element
            self._open_left()
        element = self.head.pop()
        self.memory -= ((i64(len(element)) + 48) & -16) + 8
        return element

    def pop_right(self) -> bytes:
        """Take the last element; IndexError if there is none."""
        if not self.tail:
            if not self.sealed:
                element = self.head.pop(0)
                self.memory -= object_cost(len(element)) + 8
                return element
            self._open_right()
        element = self.tail.pop()
        self.memory -= ((i64(len(element)) + 48) & -16) + 8
        return element

    def _seal_head(self) -> None:
        head = self.head
        elements = head.copy()
        elements.reverse()
        head.clear()
        size = self._forget_open(elements)
        if size <= NODE_BYTES:
            self._join_first(encode(elements), len(elements))
            return
        nodes: list[object] = []
        counts: list[int] = []
        pack(elements, nodes, counts)
        i: i64 = len(nodes) - 1
        while i >= 0:
            self._prepend_node(nodes[i], counts[i])
            i -= 1

    def _seal_tail(self) -> None:
        tail = self.tail
        size = self._forget_open(tail)
        if size <= NODE_BYTES:
            wire = encode(tail)
            count: i64 = len(tail)
            tail.clear()
            self._join_last(wire, count)
            return
        nodes: list[object] = []
        counts: list[int] = []
        pack(tail, nodes, counts)
        tail.clear()
        for i in range(len(nodes)):
            self._append_node(nodes[i], counts[i])

    def _forget_open(self, elements: list[bytes]) -> i64:
        """Take the memory of open elements off the account; return an upper bound in wire form."""
        cost = open_cost(elements)
        self.memory -= cost
        # The cost of each counts more than its frame, so it bounds the wire form too.
        return cost

    def _open_left(self) -> None:
        """Move elements from the first node into the empty head."""
        i = self.first
        node = self.nodes[i]
        taken: i64 = 1
        if isinstance(node, bytes):
            count = self.starts[i + 1] - self.starts[i]
            taken = REFILL_ELEMENTS if count > REFILL_ELEMENTS else count
            elements = decode_count(node, 0, taken)
            elements.reverse()
            self.head = elements
            if taken < count:
                rest = node[skip(node, 0, taken) :]
                self.memory += object_cost(len(rest)) - object_cost(len(node))
                self.nodes[i] = rest
                self.starts[i] += taken
                self.sealed -= taken
            else:
                self._drop_first(1)
        else:
            assert isinstance(node, LargeElement)
            self.head.append(node.content)
            self._drop_first(1)
        self.memory += open_cost(self.head)

    def _open_right(self) -> None:
        """Move elements from the last node into the empty tail."""
        end: i64 = len(self.nodes)
        node = self.nodes[end - 1]
        if isinstance(node, bytes):
            kept = self.starts[end] - self.starts[end - 1] - REFILL_ELEMENTS
            if kept > 0:
                at = skip(node, 0, kept)
                self.tail = decode(node, at)
                rest = node[:at]
                self.memory += object_cost(len(rest)) - object_cost(len(node))
                self.nodes[end - 1] = rest
                self.starts[end] -= REFILL_ELEMENTS
                self.sealed -= REFILL_ELEMENTS
            else:
                self.tail = decode(node, 0)
                self._drop_last(1)
        else:
            assert isinstance(node, LargeElement)
            self.tail.append(node.content)
            self._drop_last(1)
        self.memory += open_cost(self.tail)

    def get(self, index: i64) -> bytes | None:
        """Return the element at `index` (negative: from the end), or None outside; O(log n)."""
        heads: i64 = len(self.head)
        if index < 0:
            index += self.count()
            if index < 0:
                return None
        if index < heads:
            return self.head[heads - 1 - index]
        index -= heads
        if index >= self.sealed:
            index -= self.sealed
            return self.tail[index] if index < len(self.tail) else None
        return self._get_sealed(index)

    def range_encoded(self, start: i64, count: i64) -> list[bytes]:
        """Return chunks that, joined, are elements `start` to `start + count` as bulk strings."""
        chunks: list[bytes] = []
        total = self.count()
        stop = start + count if count < total - start else total
        if start < 0 or start >= stop:
            return chunks
        heads: i64 = len(self.head)
        if start < heads:
            part = self.head[heads - stop if stop < heads else 0 : heads - start]
            part.reverse()
            append_encoded(chunks, part)
        start = start - heads if start > heads else 0
        stop -= heads
        sealed = self.sealed
        if start < sealed and stop > 0:
            self._append_sealed(chunks, start, stop if stop < sealed else sealed)
        if stop > sealed:
            append_encoded(
                chunks, self.tail[start - sealed if start > sealed else 0 : stop - sealed]
            )
        return chunks

    def range(self, start: i64, count: i64) -> list[bytes]:
        """Return the elements `start` to `start + count`."""
        return decode(b"".join(self.range_encoded(start, count)), 0)

    def positions(self, element: bytes, rank: i64, count: i64, maxlen: i64) -> list[int]:
        """Return the indexes of elements equal to `element`, in the order they are found.

        Skips `abs(rank) - 1` matches; a negative rank searches from the tail. Finds at most `count`
        and compares at most `maxlen` elements; 0 means all. O(n), at C's speed between matches.
        """
        found: list[int] = []
        total = self.count()
        limit = maxlen if 0 < maxlen < total else total
        wire = encode_element(element)
        backward = rank < 0
        skipped = -rank - 1 if backward else rank - 1
        # Parts: the head, the nodes, the tail.
        last: i64 = len(self.nodes)
        part = last if backward else self.first - 1
        base = total - len(self.tail) if backward else 0
        while self.first - 1 <= part <= last:
            size = self._part_size(part)
            if backward:
                if base + size <= total - limit:
                    break
            elif base >= limit:
                break
            hits = self._part_matches(part, element, wire, base)
            if backward:
                hits.reverse()
            for index in hits:
                if total - index > limit if backward else index >= limit:
                    return found
                if skipped > 0:
                    skipped -= 1
                    continue
                found.append(index)
                if len(found) == count:
                    return found
            if backward:
                part -= 1
                base -= self._part_size(part)
            else:
                part += 1
                base += size
        return found

    def _part_size(self, part: i64) -> i64:
        if part < self.first:
            return len(self.head)
        if part < len(self.nodes):
            return self.starts[part + 1] - self.starts[part]
        return len(self.tail)

    def _part_matches(self, part: i64, element: bytes, wire: bytes, base: i64) -> list[int]:
        """Return the ascending indexes of matches in a part whose first element is at `base`."""
        if self.first <= part < len(self.nodes):
            return self._node_matches(part, wire, element, base)
        found: list[int] = []
        elements = self.tail
        if part < self.first:
            elements = self.head.copy()
            elements.reverse()
        for candidate in elements:
            if candidate == element:
                found.append(base)
            base += 1
        return found

    def set(self, index: i64, element: bytes) -> bool:
        """Replace the element at `index` (negative: from the end); False if it is outside."""
        heads: i64 = len(self.head)
        if index < 0:
            index += self.count()
        if index < 0 or index >= self.count():
            return False
        if index < heads:
            self._set_open(self.head, heads - 1 - index, element)
            return True
        index -= heads
        if index >= self.sealed:
            self._set_open(self.tail, index - self.sealed, element)
            return True
        self._splice(index, 1, element)
        return True

    def _set_open(self, elements: list[bytes], i: i64, element: bytes) -> None:
        self.memory += object_cost(len(element)) - object_cost(len(elements[i]))
        elements[i] = element

    def insert(self, index: i64, element: bytes) -> None:
        """Put `element` before the one at `index`, which is from 0 to `count()`."""
        if len(self.head) >= END_ELEMENTS:
            self._seal_head()
        if len(self.tail) >= END_ELEMENTS:
            self._seal_tail()
        heads: i64 = len(self.head)
        if index <= heads:
            self.head.insert(heads - index, element)
            self.memory += object_cost(len(element)) + 8
            return
        index -= heads
        if index >= self.sealed:
            self.tail.insert(index - self.sealed, element)
            self.memory += object_cost(len(element)) + 8
            return
        self._splice(index, 0, element)

    def remove_matching(self, element: bytes, limit: i64) -> i64:
        """Remove elements equal to `element`: at most `abs(limit)` (0: all), from the tail if < 0.

        Returns how many were removed. O(n).
        """
        if limit < 0:
            hits = self.positions(element, -1, -limit, 0)
            hits.reverse()
        else:
            hits = self.positions(element, 1, limit, 0)
        heads: i64 = len(self.head)
        back = heads + self.sealed
        sealed_hits: list[int] = []
        # From the tail on, so that the indexes of the hits still to come stay true.
        i: i64 = len(hits) - 1
        while i >= 0:
            hit: i64 = hits[i]
            if hit >= back:
                del self.tail[hit - back]
            elif hit >= heads:
                sealed_hits.append(hit - heads)
            else:
                del self.head[len(self.head) - 1 - hit]
            i -= 1
        opened: i64 = len(hits) - len(sealed_hits)
        self.memory -= opened * (object_cost(len(element)) + 8)
        if sealed_hits:
            sealed_hits.reverse()
            self._remove_sealed(sealed_hits)
        return len(hits)

    def trim(self, start: i64, count: i64) -> None:
        """Keep only the elements `start` to `start + count`; whole nodes are dropped unread."""
        total = self.count()
        if start < 0 or start >= total or count < 0:
            count = 0
        kept = count if count < total - start else total - start
        if kept <= 0:
            self._reset()
            self.head = []
            self.tail = []
            return
        self._drop_right(total - start - kept)
        self._drop_left(start)

    def _drop_left(self, dropped: i64) -> None:
        """Drop that many elements, fewer than there are, from the front."""
        heads: i64 = len(self.head)
        if dropped < heads:
            self._drop_open(self.head, heads - dropped, heads)
            return
        self._drop_open(self.head, 0, heads)
        dropped -= heads
        if dropped >= self.sealed:
            dropped -= self.sealed
            self._drop_first(len(self.nodes) - self.first)
            self._drop_open(self.tail, 0, dropped)
            return
        dropped = self._drop_sealed_left(dropped)
        if dropped >= REFILL_ELEMENTS:
            self._shorten_first(dropped)
        elif dropped > 0:
            # One by one, as in LPUSH and LTRIM by turns: not a copy of the node each time.
            self._open_left()
            self._drop_left(dropped)

    def _drop_right(self, dropped: i64) -> None:
        """Drop that many elements, fewer than there are, from the back."""
        tails: i64 = len(self.tail)
        if dropped < tails:
            self._drop_open(self.tail, tails - dropped, tails)
            return
        self._drop_open(self.tail, 0, tails)
        dropped -= tails
        if dropped >= self.sealed:
            dropped -= self.sealed
            self._drop_last(len(self.nodes) - self.first)
            self._drop_open(self.head, 0, dropped)
            return
        dropped = self._drop_sealed_right(dropped)
        if dropped >= REFILL_ELEMENTS:
            self._shorten_last(dropped)
        elif dropped > 0:
            self._open_right()
            self._drop_right(dropped)

    def _drop_open(self, elements: list[bytes], start: i64, stop: i64) -> None:
        if start < stop:
            self.memory -= open_cost(elements[start:stop])
            del elements[start:stop]

    def check(self) -> None:
        """Assert every invariant; O(n)."""
        assert len(self.head) <= END_ELEMENTS and len(self.tail) <= END_ELEMENTS
        ends = open_cost(self.head) + open_cost(self.tail)
        assert self.memory == BASE_COST + ends + self._check_nodes()
