"""Serialised collections that are stored as they stand: only what would be built of them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from librt.vecs import append, vec

from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.hashes import Hash
from kvnode.datatypes.sets import Set
from kvnode.datatypes.sorted_sets import SortedSet
from kvnode.rdb.adopting import adopted_hash, adopted_intset, adopted_sorted_set
from kvnode.structures import intset, listpack
from kvprotocol.numbers import parse_as_strtod

ENCODINGS = Encodings()
SCORES = [0.0, -0.0, 1.5, 0.1, -3.0, 1e17, 1e300, float("inf"), float("-inf"), 2.0**62, 7.0]


def element(source: random.Random) -> bytes:
    """A number near the borders of encodings, or a text."""
    if source.random() < 0.5:
        border = source.choice([0, 128, 4096, 1 << 15, 1 << 23, 1 << 31, 1 << 62])
        return b"%d" % (source.choice([-1, 1]) * border + source.randrange(-2, 3))
    return source.randbytes(source.choice([0, 1, 5, 20, 63, 64, 65]))


def distinct(source: random.Random, count: int) -> list[bytes]:
    """So many different elements, or fewer."""
    return list({element(source) for _ in range(count)})


def hash_of(data: bytes) -> object:
    """What a hash's listpack comes to where it is taken apart."""
    return Hash.build(listpack.entries(data, 0), ENCODINGS).body


def sorted_set_of(data: bytes) -> object:
    """The same of a sorted set's."""
    flat = listpack.entries(data, 0)
    members, scores = flat[::2], vec[float]()
    if len(set(members)) * 2 != len(flat):
        raise ValueError("a member stands twice")
    for text in flat[1::2]:
        score = parse_as_strtod(text)
        if score is None or score != score:
            raise ValueError("no score")
        scores = append(scores, score)
    return SortedSet.build(members, scores, ENCODINGS).body


def intset_of(data: bytes) -> object:
    """The same of a set's integers, but for their width."""
    return Set.build(intset.members(data, 0), ENCODINGS).body


@pytest.mark.parametrize("seed", range(200))
def test_what_this_node_would_write_is_adopted(seed: int) -> None:
    source = random.Random(seed)
    fields = distinct(source, source.choice([1, 5, 16, 17, 40]))
    flat = [word for field in fields for word in (field, element(source))]
    fits = all(len(word) <= 64 for word in flat)
    data = listpack.build(b"", flat)
    assert adopted_hash(data, ENCODINGS) == (hash_of(data) if fits else None)
    members = [field for field in fields if len(field) <= 64] or [b"m"]
    scores = vec[float]()
    for _ in members:
        scores = append(scores, source.choice(SCORES))
    stored = SortedSet.build(members, scores, ENCODINGS).body
    assert isinstance(stored, bytes)
    assert adopted_sorted_set(stored[1:], ENCODINGS) == stored


@pytest.mark.parametrize("seed", range(20))
def test_integers_are_adopted(seed: int) -> None:
    source = random.Random(seed)
    width = source.choice([1 << 14, 1 << 30, 1 << 62])
    numbers = sorted({source.randrange(-width, width) for _ in range(source.randrange(1, 60))})
    data = intset.build(b"", numbers)
    assert (
        adopted_intset(data, ENCODINGS) == Set.build([b"%d" % n for n in numbers], ENCODINGS).body
    )


@pytest.mark.parametrize("seed", range(300))
@pytest.mark.parametrize(
    ("adopted", "build"), [(adopted_hash, hash_of), (adopted_sorted_set, sorted_set_of)]
)
def test_damaged_bytes_are_refused_or_come_to_what_is_built_of_them(
    seed: int,
    adopted: Callable[[bytes, Encodings], bytes | None],
    build: Callable[[bytes], object],
) -> None:
    source = random.Random(seed)
    pairs = [(b"%d" % source.choice([1, 5, 9, 1000]), b"m%d" % i) for i in range(4)]
    data = bytearray(
        listpack.build(b"", [word for score, m in sorted(pairs) for word in (m, score)])
    )
    for _ in range(source.choice([1, 2])):
        data[source.randrange(len(data))] = source.choice([0, 1, 2, 0x81, 0x82, 0xC0, 0xF1, 0x31])
    found: bytes | None
    try:
        found = adopted(bytes(data), ENCODINGS)
    except ValueError:
        return
    if found is not None:
        assert found == build(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        listpack.build(b"", [b"a", b"1", b"a", b"2"]),
        listpack.build(b"", [b"a", b"1", b"b"]),
        b"\x0d\x00\x00\x00\x02\x00\x81a\x02\x811\x02\xff",  # "1" as text
        b"\x0d\x00\x00\x00\x02\x00\x81a\x02\xc0\x01\x02\xff",  # 1 in thirteen bits
        b"\x0e\x00\x00\x00\x02\x00\x81a\x02\xe0\x01b\x03\xff",  # a short text as a long one
        listpack.build(b"", [b"a", b"b" * 65]),
        listpack.build(b"", [b"%d" % i for i in range(2 * 513)]),
        listpack.EMPTY,
    ],
)
def test_what_would_be_written_otherwise_is_not_adopted(data: bytes) -> None:
    listpack.validate(data, 0)
    assert adopted_hash(data, ENCODINGS) is None


@pytest.mark.parametrize(
    "flat",
    [
        [b"a", b"2", b"b", b"1"],
        [b"b", b"1", b"a", b"1"],
        [b"a", b"1", b"a", b"2"],
        [b"a", b"nan"],
        [b"a", b"one"],
        [b"a", b"1.50"],
        [b"a", b"0.1"],  # which is written with 17 digits
        [b"a", b"1.0"],
        [b"a", b"9223372036854775807"],
    ],
)
def test_sorted_sets_out_of_order_or_otherwise_written_are_not_adopted(flat: list[bytes]) -> None:
    assert adopted_sorted_set(listpack.build(b"", flat), ENCODINGS) is None
