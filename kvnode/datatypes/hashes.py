"""Hashes: fields and values in a listpack, or in a table once the hash is large."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.tags import TAG_HASH
from kvnode.structures import listpack
from kvnode.structures.index_table import HashTable
from kvprotocol.errors import WrongType

# The listpack begins behind the tag.
_BASE: Final = 1
_TAG: Final = b"\xf8"
_EMPTY: Final = _TAG + listpack.EMPTY
# Beyond this a listpack's sizes come near 32 bits, whatever the thresholds say.
_PACKED_BYTES_MAX: Final = 1 << 30


@final
@mypyc_attr(acyclic=True, free_list_len=1)
class Hash:
    """A handle over the stored form of a hash, made for one command.

    `body` is the stored form: store it again after a change. A packed hash becomes a table when
    it gets too many fields or a long field or value, and never goes back, as in Redis.
    """

    body: bytes | HashTable
    _encodings: Encodings

    def __init__(self, body: bytes | HashTable, encodings: Encodings) -> None:
        self.body = body
        self._encodings = encodings

    @staticmethod
    def open(stored: object, encodings: Encodings) -> "Hash":
        """Return a handle; None opens a new empty hash. Raises WrongType."""
        if isinstance(stored, bytes):
            if len(stored) > 0 and stored[0] == TAG_HASH:
                return Hash(stored, encodings)
        elif isinstance(stored, HashTable):
            return Hash(stored, encodings)
        elif stored is None:
            return Hash(_EMPTY, encodings)
        raise WrongType()

    @staticmethod
    def build(flat: list[bytes], encodings: Encodings) -> "Hash":
        """Return a hash of fields and values in turn. ValueError: a field stands twice. O(n)."""
        if len(flat) % 2 or len(set(flat[::2])) * 2 != len(flat):
            raise ValueError("a field that stands twice, or without a value")
        longest: i64 = encodings.hash_max_listpack_value
        fits = len(flat) >> 1 <= encodings.hash_max_listpack_entries
        if fits:
            for element in flat:
                if len(element) > longest:
                    fits = False
                    break
        return Hash(listpack.build(_TAG, flat) if fits else _table_of(flat), encodings)

    def count(self) -> i64:
        """Return the number of fields. O(1)."""
        body = self.body
        if isinstance(body, bytes):
            return listpack.count(body, _BASE) >> 1
        return body.count()

    def get(self, field: bytes) -> bytes | None:
        """Return the field's value, or None."""
        body = self.body
        if isinstance(body, bytes):
            offset = listpack.find(body, _BASE, field, 1)
            if offset < 0:
                return None
            return listpack.get(body, listpack.next_entry(body, offset))
        index = body.find(field)
        if index < 0:
            return None
        return body.values[index]

    def get_many(self, fields: list[bytes]) -> list[bytes | None]:
        """Return the fields' values in the order of the fields, None for each that is absent."""
        return [self.get(field) for field in fields]

    def contains(self, field: bytes) -> bool:
        """Say whether the field is there."""
        body = self.body
        if isinstance(body, bytes):
            return listpack.find(body, _BASE, field, 1) >= 0
        return body.find(field) >= 0

    def set(self, field: bytes, value: bytes) -> bool:
        """Set a field; return True when it is new."""
        body = self.body
        if isinstance(body, bytes):
            longest: i64 = self._encodings.hash_max_listpack_value
            if len(field) <= longest and len(value) <= longest:
                return self._set_packed(body, field, value)
            body = self._to_table(body)
        index = body.find(field)
        if index >= 0:
            body.overwrite(index, value)
            return False
        body.put(field, value)
        return True

    def _set_packed(self, body: bytes, field: bytes, value: bytes) -> bool:
        """Set a field of a packed hash, which may become too large for it."""
        offset = listpack.find(body, _BASE, field, 1)
        created = offset < 0
        if created:
            pair = listpack.encode(field) + listpack.encode(value)
            body = listpack.replace(body, _BASE, len(body) - 1, 0, pair, 2)
        else:
            offset = listpack.next_entry(body, offset)
            body = listpack.replace(body, _BASE, offset, 1, listpack.encode(value), 1)
        self._keep_within_limits(body)
        return created

    def _keep_within_limits(self, body: bytes) -> None:
        """Take a packed body, as a table when it has too many fields."""
        if (
            listpack.count(body, _BASE) >> 1 > self._encodings.hash_max_listpack_entries
            or len(body) > _PACKED_BYTES_MAX
        ):
            self._to_table(body)
        else:
            self.body = body

    def _to_table(self, body: bytes) -> HashTable:
        """Turn a packed hash into a table. O(n)."""
        table = _table_of(listpack.entries(body, _BASE))
        self.body = table
        return table

    def delete(self, field: bytes) -> bool:
        """Remove a field; say whether it was there."""
        body = self.body
        if isinstance(body, bytes):
            offset = listpack.find(body, _BASE, field, 1)
            if offset < 0:
                return False
            self.body = listpack.replace(body, _BASE, offset, 2, b"", 0)
            return True
        index = body.find(field)
        if index < 0:
            return False
        body.remove_at(index)
        return True

    def fields(self) -> list[bytes]:
        """Return all fields. O(n)."""
        body = self.body
        if isinstance(body, bytes):
            return listpack.entries(body, _BASE)[::2]
        return body.members.copy()

    def values(self) -> list[bytes]:
        """Return all values in the order of `fields`. O(n)."""
        body = self.body
        if isinstance(body, bytes):
            return listpack.entries(body, _BASE)[1::2]
        return body.values.copy()

    def items(self) -> list[bytes]:
        """Return field, value, field, value... O(n)."""
        body = self.body
        if isinstance(body, bytes):
            return listpack.entries(body, _BASE)
        return _pairs(body, 0, body.count())

    def pick(self, index: i64) -> tuple[bytes, bytes]:
        """Return the field and the value at an index below `count`."""
        body = self.body
        if isinstance(body, bytes):
            offset = listpack.seek(body, _BASE, index * 2)
            field = listpack.get(body, offset)
            return field, listpack.get(body, listpack.next_entry(body, offset))
        return body.members[index], body.values[index]

    def pick_many(self, indices: list[int]) -> list[tuple[bytes, bytes]]:
        """Return the pairs at many indices, in one pass over a packed hash."""
        body = self.body
        if isinstance(body, bytes):
            flat = listpack.entries(body, _BASE)
            return [(flat[index * 2], flat[index * 2 + 1]) for index in indices]
        return [(body.members[index], body.values[index]) for index in indices]

    def scan(self, cursor: i64, count: i64) -> tuple[i64, list[bytes]]:
        """Return the next cursor (0: finished) and some pairs, flat; all when packed."""
        body = self.body
        if isinstance(body, bytes):
            return 0, listpack.entries(body, _BASE)
        following, start, end = body.scan(cursor, count)
        return following, _pairs(body, start, end)

    def encoding(self) -> bytes:
        """Return the name that OBJECT ENCODING gives."""
        return b"listpack" if isinstance(self.body, bytes) else b"hashtable"

    def copy(self) -> object:
        """Return a stored form that shares nothing mutable. O(n) for a table."""
        body = self.body
        return body if isinstance(body, bytes) else body.copy()

    def check(self) -> None:
        """Assert all invariants. O(n)."""
        body = self.body
        if isinstance(body, HashTable):
            body.check()
            return
        assert body[0] == TAG_HASH
        listpack.validate(body, _BASE)
        flat = listpack.entries(body, _BASE)
        assert len(flat) % 2 == 0, "a field without a value"
        assert len(set(flat[::2])) * 2 == len(flat), "a field stands twice"
        assert body == listpack.build(_TAG, flat), "an entry is not in its shortest encoding"


def _table_of(flat: list[bytes]) -> HashTable:
    table = HashTable()
    for i in range(0, len(flat), 2):
        table.put(flat[i], flat[i + 1])
    return table


def _pairs(table: HashTable, start: i64, end: i64) -> list[bytes]:
    """Return the pairs of a range of indices, flat."""
    members = table.members
    values = table.values
    result: list[bytes] = []
    i: i64 = start
    while i < end:
        result.append(members[i])
        result.append(values[i])
        i += 1
    return result
