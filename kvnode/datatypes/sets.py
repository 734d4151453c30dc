"""Sets: an intset, a listpack of short strings, or a table once the set is large.

Redis 7.0 has no packed sets of strings. Ours are called hashtable by OBJECT ENCODING, and like a
hashtable they never become an intset again.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.tags import TAG_INTSET, TAG_SET
from kvnode.structures import intset, listpack
from kvnode.structures.index_table import SetTable
from kvprotocol.errors import WrongType

# The structure begins behind the tag.
_BASE: Final = 1
_TAG_INTSET: Final = b"\xfa"
_TAG_SET: Final = b"\xfb"
_EMPTY: Final = _TAG_INTSET + intset.EMPTY
# Beyond this a packed set's sizes come near 32 bits, whatever the thresholds say.
_PACKED_BYTES_MAX: Final = 1 << 30


@final
@mypyc_attr(acyclic=True, free_list_len=1)
class Set:
    """A handle over the stored form of a set, made for one command.

    `body` is the stored form: store it again after a change.
    """

    body: bytes | SetTable
    _encodings: Encodings

    def __init__(self, body: bytes | SetTable, encodings: Encodings) -> None:
        self.body = body
        self._encodings = encodings

    @staticmethod
    def open(stored: object, encodings: Encodings) -> "Set":
        """Return a handle; None opens a new empty set. Raises WrongType."""
        if isinstance(stored, bytes):
            if len(stored) > 0 and (stored[0] == TAG_SET or stored[0] == TAG_INTSET):
                return Set(stored, encodings)
        elif isinstance(stored, SetTable):
            return Set(stored, encodings)
        elif stored is None:
            return Set(_EMPTY, encodings)
        raise WrongType()

    @staticmethod
    def build(members: list[bytes], encodings: Encodings) -> "Set":
        """Return a set of members in any order. ValueError: one stands twice. O(n log n)."""
        if len(set(members)) != len(members):
            raise ValueError("a member that stands twice")
        handle = Set(_EMPTY, encodings)
        if len(members) <= handle._intset_entries_max():
            integers: list[int] = []
            for member in members:
                is_integer, value = listpack.canonical_integer(member)
                if not is_integer:
                    break
                integers.append(value)
            if len(integers) == len(members):
                handle.body = intset.build(_TAG_INTSET, integers)
                return handle
        longest: i64 = encodings.set_max_listpack_value
        if len(members) <= encodings.set_max_listpack_entries:
            for member in members:
                if len(member) > longest:
                    break
            else:
                handle.body = listpack.build(_TAG_SET, members)
                return handle
        handle._to_table(members)
        return handle

    def count(self) -> i64:
        """Return the number of members. O(1)."""
        body = self.body
        if isinstance(body, bytes):
            if body[0] == TAG_INTSET:
                return intset.count(body, _BASE)
            return listpack.count(body, _BASE)
        return body.count()

    def contains(self, member: bytes) -> bool:
        """Say whether the member is there."""
        body = self.body
        if isinstance(body, bytes):
            if body[0] == TAG_INTSET:
                is_integer, value = listpack.canonical_integer(member)
                return is_integer and intset.contains(body, _BASE, value)
            return listpack.find(body, _BASE, member, 0) >= 0
        return body.find(member) >= 0

    def add(self, member: bytes) -> bool:
        """Add a member; return True when it is new."""
        body = self.body
        if isinstance(body, bytes):
            if body[0] == TAG_SET:
                return self._add_packed(body, member)
            is_integer, value = listpack.canonical_integer(member)
            if is_integer:
                return self._add_integer(body, value)
            self._to_strings()
            return self.add(member)
        if body.find(member) >= 0:
            return False
        body.add(member)
        return True

    def _add_integer(self, body: bytes, value: i64) -> bool:
        """Add to an intset, which may become too large for it."""
        changed = intset.add(body, _BASE, value)
        if changed is body:
            return False
        self.body = changed
        if intset.count(changed, _BASE) > self._intset_entries_max():
            self._to_strings()
        return True

    def _add_packed(self, body: bytes, member: bytes) -> bool:
        """Add to a packed set of strings, which may become too large for it."""
        if listpack.find(body, _BASE, member, 0) >= 0:
            return False
        encodings = self._encodings
        if (
            len(member) > encodings.set_max_listpack_value
            or listpack.count(body, _BASE) >= encodings.set_max_listpack_entries
            or len(body) > _PACKED_BYTES_MAX
        ):
            self._to_table(listpack.entries(body, _BASE)).add(member)
        else:
            entry = listpack.encode(member)
            self.body = listpack.replace(body, _BASE, len(body) - 1, 0, entry, 1)
        return True

    def _intset_entries_max(self) -> i64:
        """Return how many integers an intset may hold."""
        limit: i64 = self._encodings.set_max_intset_entries
        return limit if limit < intset.COUNT_MAX else intset.COUNT_MAX

    def _to_strings(self) -> None:
        """Turn an intset into what Redis calls a hashtable: packed strings or a table. O(n)."""
        members = self.members()
        if len(members) <= self._encodings.set_max_listpack_entries:
            self.body = listpack.build(_TAG_SET, members)
        else:
            self._to_table(members)

    def _to_table(self, members: list[bytes]) -> SetTable:
        """Turn a packed set into a table. O(n)."""
        table = SetTable()
        for member in members:
            table.add(member)
        self.body = table
        return table

    def remove(self, member: bytes) -> bool:
        """Remove a member; say whether it was there."""
        body = self.body
        if isinstance(body, bytes):
            if body[0] == TAG_INTSET:
                is_integer, value = listpack.canonical_integer(member)
                if not is_integer:
                    return False
                changed = intset.remove(body, _BASE, value)
                self.body = changed
                return changed is not body
            offset = listpack.find(body, _BASE, member, 0)
            if offset < 0:
                return False
            self.body = listpack.replace(body, _BASE, offset, 1, b"", 0)
            return True
        index = body.find(member)
        if index < 0:
            return False
        body.remove_at(index)
        return True

    def members(self) -> list[bytes]:
        """Return all members. O(n)."""
        body = self.body
        if isinstance(body, bytes):
            if body[0] == TAG_INTSET:
                return intset.members(body, _BASE)
            return listpack.entries(body, _BASE)
        return body.members.copy()

    def pick(self, index: i64) -> bytes:
        """Return the member at an index below `count`."""
        body = self.body
        if isinstance(body, bytes):
            if body[0] == TAG_INTSET:
                return str(intset.at(body, _BASE, index)).encode()
            return listpack.get(body, listpack.seek(body, _BASE, index))
        return body.members[index]

    def pop_at(self, index: i64) -> bytes:
        """Remove and return the member at an index below `count`."""
        member = self.pick(index)
        body = self.body
        if isinstance(body, bytes):
            if body[0] == TAG_INTSET:
                self.body = intset.remove_at(body, _BASE, index)
            else:
                offset = listpack.seek(body, _BASE, index)
                self.body = listpack.replace(body, _BASE, offset, 1, b"", 0)
        else:
            body.remove_at(index)
        return member

    def scan(self, cursor: i64, count: i64) -> tuple[i64, list[bytes]]:
        """Return the next cursor (0: finished) and some members; all when packed."""
        body = self.body
        if isinstance(body, bytes):
            return 0, self.members()
        following, start, end = body.scan(cursor, count)
        return following, body.members[start:end]

    def encoding(self) -> bytes:
        """Return the name that OBJECT ENCODING gives."""
        body = self.body
        if isinstance(body, bytes) and body[0] == TAG_INTSET:
            return b"intset"
        return b"hashtable"

    def copy(self) -> object:
        """Return a stored form that shares nothing mutable. O(n) for a table."""
        body = self.body
        return body if isinstance(body, bytes) else body.copy()

    def check(self) -> None:
        """Assert all invariants. O(n)."""
        body = self.body
        if isinstance(body, SetTable):
            body.check()
        elif body[0] == TAG_INTSET:
            intset.validate(body, _BASE)
        else:
            assert body[0] == TAG_SET
            listpack.validate(body, _BASE)
            members = listpack.entries(body, _BASE)
            assert len(set(members)) == len(members), "a member stands twice"
            assert body == listpack.build(_TAG_SET, members), "an entry is not the shortest"
