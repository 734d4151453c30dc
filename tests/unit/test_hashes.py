"""Hashes against a dict as the model, packed and as tables."""

import random

import pytest

from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.hashes import Hash
from kvnode.datatypes.tags import TAG_HASH
from kvnode.structures import listpack
from kvnode.structures.index_table import HashTable, SetTable
from kvprotocol.errors import WrongType


def make(pairs: dict[bytes, bytes], encodings: Encodings | None = None) -> Hash:
    value = Hash.open(None, encodings or Encodings())
    for field, text in pairs.items():
        assert value.set(field, text)
    return value


def numbered(count: int) -> dict[bytes, bytes]:
    return {b"f%d" % i: b"%d" % (i * 1000) for i in range(count)}


@pytest.mark.parametrize("seed", range(16))
def test_random_changes_agree_with_a_dict(seed: int) -> None:
    source = random.Random(seed)
    encodings = Encodings()
    encodings.hash_max_listpack_entries = source.choice([0, 5, 40, 512])
    stored: object = None
    model: dict[bytes, bytes] = {}
    for step in range(1200):
        value = Hash.open(stored, encodings)
        field = source.choice([b"field:%d", b"%d", b"-%d"]) % source.randrange(60)
        text = b"%d" % source.randrange(-99999, 99999) if step % 2 else source.randbytes(step % 65)
        assert value.get(field) == model.get(field)
        assert value.contains(field) == (field in model)
        if source.random() < 0.6:
            assert value.set(field, text) == (field not in model)
            model[field] = text
        else:
            assert value.delete(field) == (field in model)
            model.pop(field, None)
        assert value.count() == len(model)
        stored = value.body
        if step % 50 == 0:
            value.check()
            assert dict(zip(value.fields(), value.values(), strict=True)) == model
            flat = value.items()
            assert dict(zip(flat[::2], flat[1::2], strict=True)) == model
            pairs = [value.pick(i) for i in range(len(model))]
            assert dict(pairs) == model
            assert value.pick_many(list(range(len(model)))) == pairs
            names = list(model)[:5] + [b"absent"]
            assert value.get_many(names) == [model.get(name) for name in names]


def test_a_hash_becomes_a_table_beyond_512_fields_and_stays_one() -> None:
    value = make(numbered(512))
    assert value.encoding() == b"listpack"
    value.set(b"f0", b"another")
    assert value.encoding() == b"listpack"
    value.set(b"one more", b"1")
    assert value.encoding() == b"hashtable"
    for field in value.fields()[3:]:
        assert value.delete(field)
    assert value.encoding() == b"hashtable"
    assert value.count() == 3
    value.check()


@pytest.mark.parametrize("size", [64, 65])
def test_a_long_field_or_value_makes_a_table(size: int) -> None:
    expected = b"listpack" if size == 64 else b"hashtable"
    for field, text in ((b"f", b"x" * size), (b"x" * size, b"v")):
        value = make({b"a": b"1", field: text})
        assert value.encoding() == expected
        assert value.get(field) == text and value.get(b"a") == b"1"
        value.check()
    value = make({b"a": b"1"})
    assert not value.set(b"a", b"y" * size)
    assert value.encoding() == expected


def test_an_overwrite_converts_a_hash_beyond_a_lowered_limit() -> None:
    encodings = Encodings()
    value = make(numbered(5), encodings)
    encodings.hash_max_listpack_entries = 4
    assert value.delete(b"f0") and value.encoding() == b"listpack"
    value.set(b"f1", b"1")
    assert value.encoding() == b"listpack"
    encodings.hash_max_listpack_entries = 3
    value.set(b"f1", b"2")
    assert value.encoding() == b"hashtable"


def test_the_stored_form_of_a_small_hash_is_a_tag_and_a_listpack() -> None:
    value = make({b"a": b"1", b"b": b"text"})
    assert value.body == listpack.build(bytes([TAG_HASH]), [b"a", b"1", b"b", b"text"])


def test_a_value_of_another_type_is_refused() -> None:
    others: list[object] = [b"text", b"", 5, bytearray(b"\xf8"), SetTable(), []]
    for stored in others + [b"\xfb" + listpack.EMPTY]:
        with pytest.raises(WrongType):
            Hash.open(stored, Encodings())


@pytest.mark.parametrize("count", [5, 600])
def test_a_copy_shares_nothing(count: int) -> None:
    value = make(numbered(count))
    other = Hash.open(value.copy(), Encodings())
    for field in numbered(count):
        value.set(field, b"changed")
    value.delete(b"f0")
    assert dict(zip(other.fields(), other.values(), strict=True)) == numbered(count)
    other.check()
    value.check()


def test_a_packed_hash_is_scanned_in_one_go() -> None:
    value = make(numbered(100))
    assert value.scan(0, 10) == (0, value.items())


def test_a_scan_of_a_table_hands_out_all_pairs() -> None:
    value = make(numbered(1000))
    seen: dict[bytes, bytes] = {}
    cursor = 0
    while True:
        cursor, flat = value.scan(cursor, 10)
        assert len(flat) == 20
        seen.update(zip(flat[::2], flat[1::2], strict=True))
        if cursor == 0:
            break
    assert seen == numbered(1000)


def test_a_hash_that_is_built_keeps_to_the_limits() -> None:
    pairs = [b"a", b"1", b"b", b"x" * 64]
    assert Hash.build(pairs, Encodings()).body == listpack.build(b"\xf8", pairs)
    encodings = Encodings()
    encodings.hash_max_listpack_value = 63
    long = Hash.build(pairs, encodings)
    assert isinstance(long.body, HashTable) and long.items() == pairs
    encodings.hash_max_listpack_value = 64
    encodings.hash_max_listpack_entries = 1
    assert isinstance(Hash.build(pairs, encodings).body, HashTable)
    for broken in ([b"a"], [b"a", b"1", b"a", b"2"]):
        with pytest.raises(ValueError):
            Hash.build(broken, Encodings())
