"""Serialised collections that are stored as they stand.

A small hash, sorted set or set of integers is stored in the layout in which it is serialised. Its
bytes are adopted where they are sound, within this node's thresholds, and exactly what this node
would write of the same elements: look-ups rely on the shortest encoding of each, on the order of
scores, and on no element standing twice. Anything else is taken apart and built anew by the caller,
who refuses it if it is damaged.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from kvnode.datatypes import packed_scores
from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.tags import TAG_HASH, TAG_INTSET, TAG_ZSET
from kvnode.structures import intset, listpack

_HASH: Final = bytes([TAG_HASH])
_ZSET: Final = bytes([TAG_ZSET])
_INTSET: Final = bytes([TAG_INTSET])
_STRING_6: Final = 0x80  # lead bytes: of strings by the bits of their sizes
_INTEGER_13: Final = 0xC0
_STRING_12: Final = 0xE0
_STRING_32: Final = 0xF0
_DIGITS_MAX: Final = 20  # of an integer, with its minus
_COMPARED_MAX: Final = 16  # elements that are compared each with each


def adopted_hash(data: bytes, encodings: Encodings) -> bytes | None:
    """Return the stored form of a hash's listpack, None where it is to be built anew. O(n)."""
    listpack.validate(data, 0)
    if not _fits(data, encodings.hash_max_listpack_entries, encodings.hash_max_listpack_value):
        return None
    return None if _has_twins(data) else _HASH + data


def adopted_sorted_set(data: bytes, encodings: Encodings) -> bytes | None:
    """Return the stored form of a sorted set's listpack, None where it is to be built anew."""
    listpack.validate(data, 0)
    if not _fits(data, encodings.zset_max_listpack_entries, encodings.zset_max_listpack_value):
        return None
    if _has_twins(data):
        return None
    packed = _ZSET + data
    return packed if packed_scores.is_ordered(packed) else None


def adopted_intset(data: bytes, encodings: Encodings) -> bytes | None:
    """Return the stored form of a set's integers, None where it is to be built anew. O(n)."""
    intset.validate(data, 0)
    number = intset.count(data, 0)
    limit: i64 = min(encodings.set_max_intset_entries, intset.COUNT_MAX)
    return _INTSET + data if 0 < number <= limit else None


def _fits(data: bytes, pairs_max: i64, longest: i64) -> bool:
    """Return whether a sound listpack of pairs is as this node writes it, within its limits."""
    number = listpack.count(data, 0)
    if number == 0 or number % 2 or number >> 1 > pairs_max or number >= listpack.COUNT_UNKNOWN:
        return False
    return longest >= _DIGITS_MAX and _is_canonical(data, longest, number)


def _is_canonical(data: bytes, longest: i64, number: i64) -> bool:
    """Return whether each element stands in its shortest form and has at most `longest` bytes."""
    offset = listpack.first(data, 0)
    while number > 0:
        number -= 1
        lead: i64 = data[offset]
        if lead < _STRING_6:
            offset += 2
            continue
        following = listpack.next_entry(data, offset)
        if lead < _INTEGER_13:
            size = lead - _STRING_6
            if size > longest or (size > 0 and _is_integer(data, offset + 1, size)):
                return False
        elif _STRING_12 <= lead < _STRING_32:
            low: i64 = data[offset + 1]
            size = ((lead - _STRING_12) << 8) | low
            if size > longest or size < 64:
                return False
        elif lead == _STRING_32:
            return False
        elif listpack.integer_size(listpack.get_integer(data, offset)) != following - offset:
            return False
        offset = following
    return listpack.is_end(data, offset)


def _is_integer(data: bytes, at: i64, size: i64) -> bool:
    """Return whether a text is the canonical one of an integer, which must not stand as text."""
    if data[at] > 57 or size > _DIGITS_MAX:  # "9": the digits and the minus are below
        return False
    is_integer, _ = listpack.canonical_integer(data[at : at + size])
    return is_integer


def _has_twins(data: bytes) -> bool:
    """Return whether two first elements of the pairs of a canonical listpack are equal. O(n)."""
    if listpack.count(data, 0) > 2 * _COMPARED_MAX:
        firsts = listpack.entries(data, 0)[::2]
        return len(set(firsts)) != len(firsts)
    offset = listpack.first(data, 0)
    while not listpack.is_end(data, offset):
        following = listpack.next_entry(data, offset)
        earlier = listpack.first(data, 0)
        while earlier < offset:
            behind = listpack.next_entry(data, earlier)
            if behind - earlier == following - offset and _are_same(data, earlier, offset, behind):
                return True
            earlier = listpack.next_entry(data, behind)
        offset = listpack.next_entry(data, following)
    return False


def _are_same(data: bytes, earlier: i64, offset: i64, behind: i64) -> bool:
    """Return whether the entry from `earlier` to `behind` is also the one at `offset`."""
    # From behind, where short names of one kind tend to differ.
    at = behind - earlier - 1
    while at >= 0:
        if data[earlier + at] != data[offset + at]:
            return False
        at -= 1
    return True
