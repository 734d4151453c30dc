"""What a stored form is: its type's name, its encoding's name, and how it is copied.

The one place that tells all stored forms apart; whoever works inside a value opens the handle of
its type instead.
"""

from kvnode.datatypes import strings
from kvnode.datatypes.tags import TAG_HASH, TAG_INTSET, TAG_LIST, TAG_MAX, TAG_MIN, TAG_ZSET
from kvnode.structures.index_table import HashTable, SetTable
from kvnode.structures.list_nodes import ListNodes
from kvnode.structures.mutable_string import MutableString
from kvnode.structures.score_table import ScoreTable
from kvnode.structures.stream_container import Stream


def type_name(stored: object) -> bytes:
    """Return what TYPE says of a stored form, `none` of an absent one."""
    if isinstance(stored, bytes):
        if len(stored) == 0 or stored[0] < TAG_MIN or stored[0] > TAG_MAX:
            return b"string"
        tag = stored[0]
        if tag == TAG_HASH:
            return b"hash"
        if tag == TAG_ZSET:
            return b"zset"
        if tag == TAG_LIST:
            return b"list"
        return b"set"
    if isinstance(stored, HashTable):
        return b"hash"
    if isinstance(stored, SetTable):
        return b"set"
    if isinstance(stored, ScoreTable):
        return b"zset"
    if isinstance(stored, ListNodes):
        return b"list"
    if isinstance(stored, Stream):
        return b"stream"
    if stored is None:
        return b"none"
    assert strings.is_string(stored), type(stored)
    return b"string"


def encoding(stored: object) -> bytes:
    """Return what OBJECT ENCODING says of a stored form."""
    if strings.is_string(stored):
        return strings.encoding(stored)
    if isinstance(stored, bytes):
        tag = stored[0]
        if tag in (TAG_HASH, TAG_ZSET):
            return b"listpack"
        if tag == TAG_INTSET:
            return b"intset"
        return b"quicklist" if tag == TAG_LIST else b"hashtable"
    if isinstance(stored, ScoreTable):
        return b"skiplist"
    if isinstance(stored, ListNodes):
        return b"quicklist"
    if isinstance(stored, Stream):
        return b"stream"
    assert isinstance(stored, (HashTable, SetTable)), type(stored)
    return b"hashtable"


def copy(stored: object) -> object:
    """Return a stored form of equal content that shares nothing mutable. O(n) for a large one."""
    if isinstance(stored, (bytes, int)):
        return stored
    if isinstance(stored, MutableString):
        return MutableString(bytes(stored.data), stored.changed)
    if isinstance(stored, (HashTable, SetTable)):
        return stored.copy()
    if isinstance(stored, ScoreTable):
        return stored.copy()
    if isinstance(stored, Stream):
        return stored.copy()
    assert isinstance(stored, ListNodes), type(stored)
    return stored.copy()
