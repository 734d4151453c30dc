"""DEBUG DIGEST: one hash of a whole data set, equal to Redis's for equal data.

There are two ways to add bytes to a digest, so that it does not depend on a hash table's order:
`_xor` adds the SHA-1 of the bytes by exclusive or, so its order does not matter (keys, members,
fields); `_mix` hashes the sum once more, so its order does matter (a list's elements, a field and
its value). Elements in no particular order get a digest of their own and are added with `_xor`.
"""

from hashlib import sha1
from typing import Final

from kvnode.dataset import Dataset
from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.hashes import Hash
from kvnode.datatypes.kinds import type_name
from kvnode.datatypes.lists import List
from kvnode.datatypes.sets import Set
from kvnode.datatypes.sorted_sets import SortedSet
from kvnode.datatypes.streams import opened
from kvnode.datatypes.strings import text
from kvnode.keyspace import NEVER, Keyspace
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_cursor import StreamCursor
from kvnode.structures.stream_ids import LOWEST, text_of

_SIZE: Final = 20
EMPTY: Final = bytes(_SIZE)
# Redis's numbers of the types.
_TYPE_NUMBERS: Final = {b"string": 0, b"list": 1, b"set": 2, b"zset": 3, b"hash": 4, b"stream": 6}


def _xor(digest: bytes, data: bytes) -> bytes:
    """Add bytes whose order does not matter."""
    return bytes([a ^ b for a, b in zip(digest, sha1(data).digest())])


def _mix(digest: bytes, data: bytes) -> bytes:
    """Add bytes whose order matters."""
    return sha1(_xor(digest, data)).digest()


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def value_digest(digest: bytes, stored: object, has_deadline: bool, encodings: Encodings) -> bytes:
    """Return `digest` with a value added to it."""
    kind = type_name(stored)
    digest = _mix(digest, _number(_TYPE_NUMBERS[kind]))
    if kind == b"string":
        digest = _mix(digest, text(stored) or b"")
    elif kind == b"list":
        elements = List.open(stored, encodings)
        for element in elements.range(0, elements.count()):
            digest = _mix(digest, element)
    elif kind == b"set":
        for member in Set.open(stored, encodings).members():
            digest = _xor(digest, member)
    elif kind == b"zset":
        members, scores = SortedSet.open(stored, encodings).items()
        for i in range(len(members)):
            score = b"%.17g" % scores[i]
            digest = _xor(digest, _mix(_mix(EMPTY, members[i]), score))
    elif kind == b"stream":
        digest = _stream_digest(digest, opened(stored))
    else:
        items = Hash.open(stored, encodings).items()
        for i in range(0, len(items), 2):
            digest = _xor(digest, _mix(_mix(EMPTY, items[i]), items[i + 1]))
    return _xor(digest, b"!!expire!!") if has_deadline else digest


def _stream_digest(digest: bytes, stream: Stream) -> bytes:
    cursor = StreamCursor(stream)
    more = cursor.seek(LOWEST, LOWEST)
    while more:
        digest = _mix(digest, text_of(cursor.ms, cursor.seq).replace(b"-", b"."))
        for word in cursor.items():
            digest = _mix(digest, word)
        more = cursor.next()
    return digest


def key_digest(keyspace: Keyspace, key: bytes, encodings: Encodings) -> bytes:
    """Return the digest of one key's value, without the key; of an absent one it is all zeros."""
    stored = keyspace.peek(key)
    if stored is None:
        return EMPTY
    return value_digest(EMPTY, stored, keyspace.deadline(key) != NEVER, encodings)


def dataset_digest(dataset: Dataset, encodings: Encodings) -> bytes:
    """Return the digest of all keys of all databases."""
    total = EMPTY
    for database in dataset.databases:
        if database.count == 0:
            continue
        total = _mix(total, _number(int(database.index)))
        for keys in database.groups:
            for key, stored in keys.items():
                has_deadline = database.deadline(key) != NEVER
                begin = _mix(EMPTY, key)
                total = _xor(total, value_digest(begin, stored, has_deadline, encodings))
    return total
