"""Lists: a few elements packed in one bytes object, more of them in nodes.

The packed form is `TAG_LIST`, one byte with the number of elements, then the elements as RESP bulk
strings, at most `PACKED_ELEMENTS` and `PACKED_BYTES` of them. LRANGE is a slice of it. The count
byte makes LLEN and negative indexes independent of the length for one more copy in RPUSH.
Larger lists are `ListNodes`, and stay so.

Both bounds are ours: redis-server 7.0 calls every list a quicklist, so they show nowhere, and
`list-max-listpack-size` decides nothing here. A larger bound on elements saves memory (elements in
an open end of `ListNodes` are objects) and makes RPOP slower, which has to walk to the last one.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.tags import TAG_LIST
from kvnode.structures.bulk_strings import (
    bulk_header,
    cut,
    decode,
    element_at,
    encode,
    encode_element,
    matches,
    skip,
)
from kvnode.structures.list_nodes import ListNodes
from kvprotocol.errors import WrongType

PACKED_ELEMENTS: Final = 64
PACKED_BYTES: Final = 1024

# Where the wire form begins: behind the tag and the count.
_BASE: Final = 2
_HEADS: Final[list[bytes]] = [bytes([TAG_LIST, n]) for n in range(PACKED_ELEMENTS + 1)]
_EMPTY: Final = bytes([TAG_LIST, 0])


@final
@mypyc_attr(acyclic=True, free_list_len=1)
class List:
    """A handle over the stored form of a list, made for one command.

    `body` is the stored form: store it again after a change. Indexes count from 0 at the head;
    `get` and `set` take negative ones, which count from the end.
    """

    body: bytes | ListNodes

    def __init__(self, body: bytes | ListNodes) -> None:
        self.body = body

    @staticmethod
    def open(stored: object, encodings: Encodings) -> List:
        """Return a handle; None opens a new empty list. Raises WrongType."""
        if isinstance(stored, bytes):
            if len(stored) > 0 and stored[0] == TAG_LIST:
                return List(stored)
        elif isinstance(stored, ListNodes):
            return List(stored)
        elif stored is None:
            return List(_EMPTY)
        raise WrongType()

    @staticmethod
    def build(elements: list[bytes]) -> List:
        """Return a list of elements. O(n)."""
        if len(elements) <= PACKED_ELEMENTS:
            wire = encode(elements)
            if len(wire) + _BASE <= PACKED_BYTES:
                return List(_HEADS[len(elements)] + wire)
        nodes = ListNodes()
        for element in elements:
            nodes.push_right(element)
        return List(nodes)

    def encoding(self) -> bytes:
        """Return what OBJECT ENCODING says."""
        return b"quicklist"

    def count(self) -> i64:
        """Return the number of elements. O(1)."""
        body = self.body
        if isinstance(body, bytes):
            return body[1]
        return body.count()

    def copy(self) -> List:
        """Return a handle over an independent copy."""
        body = self.body
        if isinstance(body, bytes):
            return List(body)
        return List(body.copy())

    def push_left(self, element: bytes) -> None:
        """Put `element` before the first one."""
        body = self.body
        if isinstance(body, bytes):
            size: i64 = len(element)
            count: i64 = body[1]
            if count < PACKED_ELEMENTS and len(body) + size <= PACKED_BYTES:
                self.body = b"%b%b%b\r\n%b" % (
                    _HEADS[count + 1],
                    bulk_header(size),
                    element,
                    body[_BASE:],
                )
                return
            body = self._to_nodes(body)
        body.push_left(element)

    def push_right(self, element: bytes) -> None:
        """Put `element` behind the last one."""
        body = self.body
        if isinstance(body, bytes):
            size: i64 = len(element)
            count: i64 = body[1]
            if count < PACKED_ELEMENTS and len(body) + size <= PACKED_BYTES:
                self.body = b"%b%b%b%b\r\n" % (
                    _HEADS[count + 1],
                    body[_BASE:],
                    bulk_header(size),
                    element,
                )
                return
            body = self._to_nodes(body)
        body.push_right(element)

    def pop_left(self) -> bytes:
        """Take the first element; IndexError if there is none."""
        body = self.body
        if isinstance(body, bytes):
            count = self._count_to_pop(body)
            element = element_at(body, _BASE)
            if count == 1:
                self.body = _EMPTY
            else:
                self.body = _HEADS[count - 1] + body[skip(body, _BASE, 1) :]
            return element
        return body.pop_left()

    def pop_right(self) -> bytes:
        """Take the last element; IndexError if there is none."""
        body = self.body
        if isinstance(body, bytes):
            count = self._count_to_pop(body)
            at = skip(body, _BASE, count - 1)
            element = element_at(body, at)
            if count == 1:
                self.body = _EMPTY
            else:
                self.body = _HEADS[count - 1] + body[_BASE:at]
            return element
        return body.pop_right()

    def _count_to_pop(self, body: bytes) -> i64:
        count: i64 = body[1]
        if count == 0:
            raise IndexError("pop from an empty list")
        return count

    def _to_nodes(self, body: bytes) -> ListNodes:
        nodes = ListNodes()
        count: i64 = body[1]
        if count > 0:
            nodes.push_wire(body[_BASE:], count)
        self.body = nodes
        return nodes

    def get(self, index: i64) -> bytes | None:
        """Return the element at `index`, or None outside."""
        body = self.body
        if isinstance(body, bytes):
            count: i64 = body[1]
            if index < 0:
                index += count
            if index < 0 or index >= count:
                return None
            return element_at(body, skip(body, _BASE, index))
        return body.get(index)

    def range_encoded(self, start: i64, count: i64) -> list[bytes]:
        """Return chunks that, joined, are elements `start` to `start + count` as bulk strings."""
        body = self.body
        if isinstance(body, bytes):
            stop: i64 = body[1]
            if count < stop - start:
                stop = start + count
            if start < 0 or start >= stop:
                return []
            at = skip(body, _BASE, start)
            end: i64 = len(body) if stop == body[1] else skip(body, at, stop - start)
            return [body[at:end]]
        return body.range_encoded(start, count)

    def range(self, start: i64, count: i64) -> list[bytes]:
        """Return the elements `start` to `start + count`."""
        body = self.body
        if isinstance(body, bytes):
            chunks = self.range_encoded(start, count)
            return decode(chunks[0], 0) if chunks else []
        return body.range(start, count)

    def positions(self, element: bytes, rank: i64, count: i64, maxlen: i64) -> list[int]:
        """Return the indexes of elements equal to `element`, in the order they are found.

        Skips `abs(rank) - 1` matches; a negative rank searches from the tail. Finds at most `count`
        and compares at most `maxlen` elements; 0 means all.
        """
        body = self.body
        if not isinstance(body, bytes):
            return body.positions(element, rank, count, maxlen)
        total: i64 = body[1]
        hits = matches(body, _BASE, encode_element(element), 0)
        skipped = rank - 1
        if rank < 0:
            hits.reverse()
            skipped = -rank - 1
        found: list[int] = []
        for hit in hits:
            if maxlen > 0:
                compared = total - hit if rank < 0 else hit + 1
                if compared > maxlen:
                    break
            if skipped > 0:
                skipped -= 1
                continue
            found.append(hit)
            if len(found) == count:
                break
        return found

    def set(self, index: i64, element: bytes) -> bool:
        """Replace the element at `index`; False if it is outside."""
        body = self.body
        if isinstance(body, bytes):
            count: i64 = body[1]
            if index < 0:
                index += count
            if index < 0 or index >= count:
                return False
            if len(body) + len(element) <= PACKED_BYTES:
                self._splice(body, index, 1, element)
                return True
            body = self._to_nodes(body)
        return body.set(index, element)

    def insert(self, index: i64, element: bytes) -> None:
        """Put `element` before the one at `index`, which is from 0 to `count()`."""
        body = self.body
        if isinstance(body, bytes):
            if body[1] < PACKED_ELEMENTS and len(body) + len(element) <= PACKED_BYTES:
                self._splice(body, index, 0, element)
                return
            body = self._to_nodes(body)
        body.insert(index, element)

    def _splice(self, body: bytes, index: i64, removed: i64, element: bytes) -> None:
        """Put `element` in the place of `removed` (0 or 1) elements from `index` on."""
        at = skip(body, _BASE, index)
        self.body = b"%b%b%b%b\r\n%b" % (
            _HEADS[i64(body[1]) + 1 - removed],
            body[_BASE:at],
            bulk_header(len(element)),
            element,
            body[skip(body, at, removed) :],
        )

    def remove_matching(self, element: bytes, limit: i64) -> i64:
        """Remove elements equal to `element`: at most `abs(limit)` (0: all), from the tail if < 0.

        Returns how many were removed.
        """
        body = self.body
        if not isinstance(body, bytes):
            return body.remove_matching(element, limit)
        if limit < 0:
            hits = self.positions(element, -1, -limit, 0)
            hits.reverse()
        else:
            hits = self.positions(element, 1, limit, 0)
        removed: i64 = len(hits)
        if removed > 0:
            self.body = _HEADS[i64(body[1]) - removed] + cut(body, _BASE, hits, 0)
        return removed

    def trim(self, start: i64, count: i64) -> None:
        """Keep only the elements `start` to `start + count`."""
        body = self.body
        if isinstance(body, bytes):
            stop: i64 = body[1]
            if count < stop - start:
                stop = start + count
            if start < 0 or start >= stop:
                self.body = _EMPTY
                return
            at = skip(body, _BASE, start)
            end = skip(body, at, stop - start)
            self.body = _HEADS[stop - start] + body[at:end]
            return
        body.trim(start, count)

    def check(self) -> None:
        """Assert every invariant. O(n)."""
        body = self.body
        if isinstance(body, bytes):
            assert body[0] == TAG_LIST and body[1] <= PACKED_ELEMENTS
            assert len(body) <= PACKED_BYTES + 16
            elements = decode(body, _BASE)
            assert len(elements) == body[1]
            assert body[_BASE:] == b"".join([encode_element(element) for element in elements])
        else:
            body.check()
