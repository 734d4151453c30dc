"""Sets against a set as the model: intsets, packed strings and tables."""

import random

import pytest

from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.sets import Set
from kvnode.structures import listpack
from kvnode.structures.index_table import HashTable, SetTable
from kvprotocol.errors import WrongType


def make(members: list[bytes]) -> Set:
    value = Set.open(None, Encodings())
    for member in members:
        value.add(member)
    return value


def integers(count: int) -> list[bytes]:
    return [b"%d" % (i * 7 - 100) for i in range(count)]


@pytest.mark.parametrize("seed", range(16))
def test_random_changes_agree_with_a_set(seed: int) -> None:
    source = random.Random(seed)
    encodings = Encodings()
    encodings.set_max_intset_entries = source.choice([0, 5, 100])
    encodings.set_max_listpack_entries = source.choice([0, 10, 128])
    strings = source.choice([0, 0.02, 0.9])
    stored: object = None
    model: set[bytes] = set()
    was_strings = False
    for step in range(1200):
        value = Set.open(stored, encodings)
        member = b"%d" % source.randrange(-30, 30)
        if source.random() < strings:
            member = b"member:" + member
        assert value.contains(member) == (member in model)
        chance = source.random()
        if chance < 0.6:
            assert value.add(member) == (member not in model)
            model.add(member)
        elif chance < 0.9:
            assert value.remove(member) == (member in model)
            model.discard(member)
        elif model:
            index = source.randrange(len(model))
            member = value.pick(index)
            assert value.pop_at(index) == member
            model.remove(member)
        assert value.count() == len(model)
        stored = value.body
        assert not was_strings or value.encoding() == b"hashtable"
        was_strings = value.encoding() == b"hashtable"
        if step % 50 == 0:
            value.check()
            assert sorted(value.members()) == sorted(model)
            assert sorted(value.pick(i) for i in range(len(model))) == sorted(model)
            names = list(model)[:5] + [b"absent"]
            assert [value.contains(name) for name in names] == [name in model for name in names]


def test_a_set_of_integers_is_an_intset_up_to_512() -> None:
    value = make(integers(512))
    assert value.encoding() == b"intset"
    assert value.members() == integers(512)
    value.add(b"999999")
    assert value.encoding() == b"hashtable"
    assert isinstance(value.body, SetTable)
    value.check()


def test_a_set_that_once_held_a_string_is_a_hashtable_for_good() -> None:
    value = make(integers(5))
    value.add(b"01")
    assert value.remove(b"01")
    assert value.encoding() == b"hashtable"
    assert isinstance(value.body, bytes)
    assert sorted(value.members()) == sorted(integers(5))
    value.check()


def test_an_intset_beyond_the_packed_limit_becomes_a_table_with_its_first_string() -> None:
    value = make(integers(129))
    value.add(b"text")
    assert isinstance(value.body, SetTable)
    assert sorted(value.members()) == sorted(integers(129) + [b"text"])


@pytest.mark.parametrize("first", [b"short", b"5"])
def test_a_long_member_makes_a_table(first: bytes) -> None:
    for size, packed in ((64, True), (65, False)):
        value = make([first, b"x" * size])
        assert isinstance(value.body, bytes) == packed
        assert value.contains(b"x" * size) and value.contains(first)
        value.check()


def test_a_string_set_beyond_128_members_is_a_table() -> None:
    value = make([b"m%d" % i for i in range(128)])
    assert isinstance(value.body, bytes)
    assert not value.add(b"m5")
    assert isinstance(value.body, bytes)
    value.add(b"m128")
    assert isinstance(value.body, SetTable)
    assert value.count() == 129


def test_a_value_of_another_type_is_refused() -> None:
    for stored in (b"text", b"", 5, bytearray(b"\xfb"), HashTable(), b"\xf8" + listpack.EMPTY):
        with pytest.raises(WrongType):
            Set.open(stored, Encodings())


@pytest.mark.parametrize("members", [integers(5), [b"a", b"b"], integers(600)])
def test_a_copy_shares_nothing(members: list[bytes]) -> None:
    value = make(members)
    other = Set.open(value.copy(), Encodings())
    value.pop_at(0)
    value.add(b"new")
    assert sorted(other.members()) == sorted(members)
    other.check()


def test_the_members_of_a_table_are_handed_out_as_a_copy() -> None:
    value = make(integers(600))
    members = value.members()
    value.pop_at(3)
    assert members == integers(600)


def test_a_scan_hands_out_all_members() -> None:
    for members in (integers(20), [b"m%d" % i for i in range(50)], integers(900)):
        value = make(members)
        seen: list[bytes] = []
        cursor = 0
        while True:
            cursor, part = value.scan(cursor, 13)
            seen += part
            if cursor == 0:
                break
        assert sorted(seen) == sorted(members)


def test_a_set_that_is_built_has_the_form_that_it_would_have_grown_into() -> None:
    encodings = Encodings()
    encodings.set_max_intset_entries = 4
    encodings.set_max_listpack_entries = 6
    encodings.set_max_listpack_value = 8
    for members in (
        [b"2", b"1", b"70000"],
        [b"5", b"4", b"3", b"2", b"1"],
        [b"%d" % n for n in range(7)],
        [b"a", b"1"],
        [b"01"],
        [b"a" * 9],
        [b"a%d" % n for n in range(7)],
    ):
        built = Set.build(members, encodings)
        built.check()
        grown = Set.open(None, encodings)
        for member in members:
            grown.add(member)
        assert type(built.body) is type(grown.body)
        assert sorted(built.members()) == sorted(grown.members()) == sorted(members)
    with pytest.raises(ValueError):
        Set.build([b"a", b"a"], encodings)
