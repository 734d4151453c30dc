"""The inner part of a long list: nodes that hold their elements as they stand on the wire.

A node is one bytes object of concatenated RESP bulk strings (`$3\\r\\nfoo\\r\\n`), within
`NODE_ELEMENTS` and `NODE_BYTES`. That costs an element 4 bytes more than Redis's listpack, and
makes LRANGE a reference to each whole node and one slice of the first and the last: no loop over
elements and no element objects. An element that fills a node by itself is kept as it came
(`LargeElement`), is never copied, and is framed when it is read.

Nodes are found by position, not by counting: `starts[i]` is the position of node i's first element
on an axis where pushes and pops at the ends move no node. So an index is a binary search, and only
edits in the middle renumber the nodes behind them. `nodes` and `starts` keep free places before
`first`, which makes the front as cheap as the back.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter
from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.structures.bulk_strings import (
    CRLF,
    LARGE_BYTES,
    bulk_header,
    cut,
    decode,
    element_at,
    encode,
    matches,
    skip,
)
from kvnode.structures.container import Container

NODE_ELEMENTS: Final = 128
NODE_BYTES: Final = 8192
"""The bounds of a node in wire form. An element longer than `LARGE_BYTES` = 8176 has a node of its
own; the frame of any other one fits the remaining 16 bytes."""

BASE_COST: Final = 352
"""The list object itself with its three Python lists and the vec."""

NODE_COST: Final = 16
"""A node's pointer and start; its bytes object comes on top."""

LARGE_COST: Final = 48
"""`NODE_COST` and the `LargeElement` around a large element."""


def object_cost(size: i64) -> i64:
    """Return the memory of a bytes object with `size` bytes of content."""
    return (size + 48) & -16


@final
@mypyc_attr(acyclic=True)
class LargeElement:
    """A node of one element that would fill a node by itself, not in wire form."""

    content: bytes

    def __init__(self, content: bytes) -> None:
        self.content = content


def node_cost(node: object) -> i64:
    """Return the memory of `node` and its place."""
    if isinstance(node, bytes):
        return object_cost(len(node)) + NODE_COST
    assert isinstance(node, LargeElement)
    return object_cost(len(node.content)) + LARGE_COST


def pack(elements: list[bytes], nodes: list[object], counts: list[int]) -> None:
    """Append nodes that hold `elements` to `nodes`, and how many each holds to `counts`."""
    writer = BytesWriter()
    held: i64 = 0
    for element in elements:
        size: i64 = len(element)
        if held and (held >= NODE_ELEMENTS or len(writer) + size + 16 > NODE_BYTES):
            nodes.append(writer.getvalue())
            counts.append(held)
            writer = BytesWriter()
            held = 0
        if size > LARGE_BYTES:
            nodes.append(LargeElement(element))
            counts.append(1)
        else:
            writer.write(bulk_header(size))
            writer.write(element)
            writer.write(CRLF)
            held += 1
    if held:
        nodes.append(writer.getvalue())
        counts.append(held)


@mypyc_attr(acyclic=True)
class SealedNodes(Container):
    """The nodes of a list, between its two ends; the base of `ListNodes`."""

    nodes: list[object]
    starts: vec[i64]
    first: i64
    sealed: i64

    def __init__(self) -> None:
        super().__init__()
        self._reset()

    def _reset(self) -> None:
        """Drop all nodes."""
        self.nodes = []
        # One more than there are nodes: starts[len(nodes)] is the position behind the last node.
        self.starts = append(vec[i64](), 0)
        self.first = 0
        self.sealed = 0
        self.memory = BASE_COST

    def _find(self, position: i64) -> i64:
        """Return the index of the node that holds `position`."""
        starts = self.starts
        low = self.first
        high: i64 = len(self.nodes)
        while high - low > 1:
            middle = (low + high) >> 1
            if starts[middle] <= position:
                low = middle
            else:
                high = middle
        return low

    def _get_sealed(self, index: i64) -> bytes:
        """Return the sealed element at `index`."""
        position = self.starts[self.first] + index
        i = self._find(position)
        node = self.nodes[i]
        if isinstance(node, bytes):
            return element_at(node, skip(node, 0, position - self.starts[i]))
        assert isinstance(node, LargeElement)
        return node.content

    def _append_sealed(self, chunks: list[bytes], start: i64, stop: i64) -> None:
        """Append the wire form of the sealed elements `start` to `stop` to `chunks`."""
        starts = self.starts
        nodes = self.nodes
        position = starts[self.first] + start
        stop += starts[self.first]
        i = self._find(position)
        at: i64
        while position < stop:
            node = nodes[i]
            following = starts[i + 1]
            if not isinstance(node, bytes):
                assert isinstance(node, LargeElement)
                chunks.append(bulk_header(len(node.content)))
                chunks.append(node.content)
                chunks.append(CRLF)
            elif following > stop:
                at = skip(node, 0, position - starts[i])
                chunks.append(node[at : skip(node, at, stop - position)])
            elif position > starts[i]:
                chunks.append(node[skip(node, 0, position - starts[i]) :])
            else:
                chunks.append(node)
            position = following
            i += 1

    def _node_matches(self, i: i64, wire: bytes, element: bytes, base: i64) -> list[int]:
        """Return the ascending indexes of matches in node i, whose first element is at `base`."""
        node = self.nodes[i]
        if isinstance(node, bytes):
            return matches(node, 0, wire, base)
        assert isinstance(node, LargeElement)
        return [int(base)] if node.content == element else []

    def _join_first(self, wire: bytes, count: i64) -> None:
        """Put `wire` into the first node if both fit one, else into a node before it."""
        i = self.first
        if self.sealed:
            node = self.nodes[i]
            if isinstance(node, bytes) and len(node) + len(wire) <= NODE_BYTES:
                if self.starts[i + 1] - self.starts[i] + count <= NODE_ELEMENTS:
                    joined = wire + node
                    self.memory += object_cost(len(joined)) - object_cost(len(node))
                    self.nodes[i] = joined
                    self.starts[i] -= count
                    self.sealed += count
                    return
        self._prepend_node(wire, count)

    def _join_last(self, wire: bytes, count: i64) -> None:
        """Put `wire` into the last node if both fit one, else into a node behind it."""
        end: i64 = len(self.nodes)
        if self.sealed:
            node = self.nodes[end - 1]
            if isinstance(node, bytes) and len(node) + len(wire) <= NODE_BYTES:
                if self.starts[end] - self.starts[end - 1] + count <= NODE_ELEMENTS:
                    joined = node + wire
                    self.memory += object_cost(len(joined)) - object_cost(len(node))
                    self.nodes[end - 1] = joined
                    self.starts[end] += count
                    self.sealed += count
                    return
        self._append_node(wire, count)

    def _append_node(self, node: object, count: i64) -> None:
        self.nodes.append(node)
        end: i64 = len(self.nodes)
        position = self.starts[end - 1] + count
        if end < len(self.starts):
            self.starts[end] = position
        else:
            self.starts = append(self.starts, position)
        self.sealed += count
        self.memory += node_cost(node)

    def _prepend_node(self, node: object, count: i64) -> None:
        if self.first == 0:
            self._make_room()
        first = self.first - 1
        self.nodes[first] = node
        self.starts[first] = self.starts[first + 1] - count
        self.first = first
        self.sealed += count
        self.memory += node_cost(node)

    def _make_room(self) -> None:
        """Put free places before the first node, in proportion to the nodes there are."""
        end: i64 = len(self.nodes)
        room = 8 + (end >> 1)
        old = self.starts
        starts = vec[i64]([], capacity=room + end + 1)
        i: i64 = 0
        while i < room:
            starts = append(starts, 0)
            i += 1
        i = 0
        while i <= end:
            starts = append(starts, old[i])
            i += 1
        # Not a new list, which would touch every node's reference count.
        free: list[object] = [None] * room
        self.nodes[:0] = free
        self.starts = starts
        self.first = room

    def _drop_first(self, dropped: i64) -> None:
        """Drop that many nodes from the front."""
        first = self.first
        stop = first + dropped
        nodes = self.nodes
        self.sealed -= self.starts[stop] - self.starts[first]
        while first < stop:
            self.memory -= node_cost(nodes[first])
            nodes[first] = None
            first += 1
        self.first = stop
        self._compact()

    def _drop_last(self, dropped: i64) -> None:
        """Drop that many nodes from the back."""
        nodes = self.nodes
        end: i64 = len(nodes)
        self.sealed -= self.starts[end] - self.starts[end - dropped]
        while dropped > 0:
            self.memory -= node_cost(nodes.pop())
            dropped -= 1
        self._compact()

    def _compact(self) -> None:
        """Give up the free places at the front once they are as many as the nodes."""
        first = self.first
        if first >= 32 and first * 2 >= len(self.nodes):
            self.starts = self.starts[first : len(self.nodes) + 1]
            del self.nodes[:first]
            self.first = 0

    def _drop_sealed_left(self, dropped: i64) -> i64:
        """Drop whole nodes from the front; return how many of `dropped` elements remain to drop."""
        position = self.starts[self.first] + dropped
        i = self._find(position)
        rest = position - self.starts[i]
        self._drop_first(i - self.first)
        return rest

    def _drop_sealed_right(self, dropped: i64) -> i64:
        """Drop whole nodes from the back; return how many of `dropped` elements remain to drop."""
        end: i64 = len(self.nodes)
        position = self.starts[end] - dropped
        i = self._find(position)
        if self.starts[i] < position:
            i += 1
        rest = self.starts[i] - position
        self._drop_last(end - i)
        return rest

    def _shorten_first(self, dropped: i64) -> None:
        """Drop that many elements from the front of the first node, which has more."""
        i = self.first
        node = self.nodes[i]
        assert isinstance(node, bytes)
        rest = node[skip(node, 0, dropped) :]
        self.memory += object_cost(len(rest)) - object_cost(len(node))
        self.nodes[i] = rest
        self.starts[i] += dropped
        self.sealed -= dropped

    def _shorten_last(self, dropped: i64) -> None:
        """Drop that many elements from the back of the last node, which has more."""
        end: i64 = len(self.nodes)
        node = self.nodes[end - 1]
        assert isinstance(node, bytes)
        position = self.starts[end] - dropped
        rest = node[: skip(node, 0, position - self.starts[end - 1])]
        self.memory += object_cost(len(rest)) - object_cost(len(node))
        self.nodes[end - 1] = rest
        self.starts[end] = position
        self.sealed -= dropped

    def _splice(self, index: i64, removed: i64, element: bytes) -> None:
        """Put `element` in the place of `removed` (0 or 1) sealed elements from `index` on."""
        position = self.starts[self.first] + index
        i = self._find(position)
        offset = position - self.starts[i]
        node = self.nodes[i]
        count = self.starts[i + 1] - self.starts[i] + 1 - removed
        nodes: list[object] = []
        counts: list[int] = []
        if isinstance(node, bytes):
            at = skip(node, 0, offset)
            before = node[:at]
            after = node[skip(node, at, removed) :]
            if len(element) <= LARGE_BYTES:
                wire = b"%b%b%b\r\n%b" % (before, bulk_header(len(element)), element, after)
                if len(wire) <= NODE_BYTES and count <= NODE_ELEMENTS:
                    nodes.append(wire)
                    counts.append(count)
                    self._replace(i, nodes, counts)
                    return
            # In two halves, or a node that is full would be full again at once.
            elements = decode(before, 0)
            elements.append(element)
            elements += decode(after, 0)
            half = (count + 1) >> 1
            pack(elements[:half], nodes, counts)
            pack(elements[half:], nodes, counts)
        else:
            elements = [element]
            if not removed:
                assert isinstance(node, LargeElement)
                elements.append(node.content)
            pack(elements, nodes, counts)
        self._replace(i, nodes, counts)

    def _replace(self, i: i64, nodes: list[object], counts: list[int]) -> None:
        """Put `nodes` with that many elements each in the place of node i."""
        starts = self.starts
        end: i64 = len(self.nodes)
        self.memory -= node_cost(self.nodes[i])
        position = starts[i]
        for count in counts:
            position += count
        shift = position - starts[i + 1]
        self.sealed += shift
        for node in nodes:
            self.memory += node_cost(node)
        j = i + 1
        if len(nodes) == 1:
            self.nodes[i] = nodes[0]
            while shift and j <= end:
                starts[j] += shift
                j += 1
            return
        self.nodes[i : i + 1] = nodes
        longer = starts[:j]
        position = starts[i]
        for count in counts:
            position += count
            longer = append(longer, position)
        while j < end:
            j += 1
            longer = append(longer, starts[j] + shift)
        self.starts = longer

    def _remove_sealed(self, hits: list[int]) -> None:
        """Remove the sealed elements with these ascending indexes; renumber what is behind them."""
        nodes = self.nodes
        starts = self.starts
        origin = starts[self.first]
        end: i64 = len(nodes)
        i = self._find(origin + hits[0])
        into = i
        done: i64 = 0
        node_start = starts[i]
        position = node_start
        while i < end:
            node = nodes[i]
            following = starts[i + 1]
            count = following - node_start
            begin = done
            while done < len(hits) and origin + hits[done] < following:
                done += 1
            if done > begin:
                count -= done - begin
                self.memory -= node_cost(node)
                if count > 0:
                    assert isinstance(node, bytes)
                    node = cut(node, 0, hits[begin:done], node_start - origin)
                    self.memory += node_cost(node)
            if count > 0:
                if into > self.first and self._absorb(into - 1, node, count, position):
                    into -= 1
                else:
                    nodes[into] = node
                    starts[into] = position
                into += 1
                position += count
            node_start = following
            i += 1
        starts[into] = position
        del nodes[into:]
        self.sealed -= len(hits)

    def _absorb(self, i: i64, node: object, count: i64, position: i64) -> bool:
        """Append `node` to node i, which ends at `position`, if both are small; else False."""
        into = self.nodes[i]
        if not isinstance(into, bytes) or not isinstance(node, bytes):
            return False
        # Half a node, so that the next insertions do not split it again.
        if len(into) + len(node) > NODE_BYTES >> 1:
            return False
        if position - self.starts[i] + count > NODE_ELEMENTS >> 1:
            return False
        joined = into + node
        self.nodes[i] = joined
        self.memory += node_cost(joined) - node_cost(into) - node_cost(node)
        return True

    def _check_nodes(self) -> i64:
        """Assert every invariant of the nodes; return their memory; O(n)."""
        end: i64 = len(self.nodes)
        assert 0 <= self.first <= end < len(self.starts)
        assert self.sealed == self.starts[end] - self.starts[self.first]
        assert self.sealed > 0 or self.first == end
        memory: i64 = 0
        i: i64 = 0
        while i < end:
            node = self.nodes[i]
            if i < self.first:
                assert node is None
                i += 1
                continue
            count = self.starts[i + 1] - self.starts[i]
            memory += node_cost(node)
            if isinstance(node, bytes):
                assert len(node) <= NODE_BYTES and 0 < count <= NODE_ELEMENTS
                elements = decode(node, 0)
                assert len(elements) == count and encode(elements) == node
            else:
                assert isinstance(node, LargeElement)
                assert count == 1 and len(node.content) > LARGE_BYTES
            i += 1
        return memory
