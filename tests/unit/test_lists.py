"""Tests of the list data type in both stored forms, against a Python list."""

from __future__ import annotations

import random

import pytest

from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.lists import PACKED_BYTES, PACKED_ELEMENTS, List
from kvnode.datatypes.tags import TAG_HASH, TAG_LIST
from kvnode.structures.list_nodes import ListNodes
from kvprotocol.errors import WrongType

ENCODINGS = Encodings()


def wire_form(elements: list[bytes]) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (len(element), element) for element in elements)


def filled(elements: list[bytes]) -> List:
    handle = List.open(None, ENCODINGS)
    for element in elements:
        handle.push_right(element)
    return handle


def verify(handle: List, model: list[bytes]) -> None:
    handle.check()
    assert handle.count() == len(model)
    assert b"".join(handle.range_encoded(0, len(model))) == wire_form(model)


def model_positions(
    model: list[bytes], element: bytes, rank: int, count: int, maxlen: int
) -> list[int]:
    order = range(len(model)) if rank > 0 else range(len(model) - 1, -1, -1)
    compared = list(order)[:maxlen] if maxlen else list(order)
    found = [i for i in compared if model[i] == element][abs(rank) - 1 :]
    return found[:count] if count else found


def test_a_missing_key_opens_as_an_empty_list() -> None:
    handle = List.open(None, ENCODINGS)
    verify(handle, [])
    assert handle.body == bytes([TAG_LIST, 0])
    assert handle.get(0) is None and handle.get(-1) is None
    assert handle.range(0, 10) == [] and not handle.set(0, b"x")


@pytest.mark.parametrize(
    "stored", [b"string", b"", 12, bytearray(b"\xfclist"), bytes([TAG_HASH, 0]), {}]
)
def test_another_type_is_refused(stored: object) -> None:
    with pytest.raises(WrongType):
        List.open(stored, ENCODINGS)


def test_the_stored_form_opens_again() -> None:
    handle = filled([b"a", b"b"])
    verify(List.open(handle.body, ENCODINGS), [b"a", b"b"])
    large = filled([b"%d" % i for i in range(500)])
    assert List.open(large.body, ENCODINGS).body is large.body


def test_the_packed_form_is_tag_count_and_bulk_strings() -> None:
    assert filled([b"foo", b""]).body == b"\xfc\x02$3\r\nfoo\r\n$0\r\n\r\n"


@pytest.mark.parametrize("left", [False, True])
def test_one_element_more_than_the_bound_makes_nodes(left: bool) -> None:
    model = [b"%d" % i for i in range(PACKED_ELEMENTS)]
    handle = filled(model)
    assert isinstance(handle.body, bytes)
    if left:
        handle.push_left(b"x")
        model.insert(0, b"x")
    else:
        handle.push_right(b"x")
        model.append(b"x")
    assert isinstance(handle.body, ListNodes)
    verify(handle, model)
    while handle.count():
        assert handle.pop_left() == model.pop(0)
    assert isinstance(handle.body, ListNodes)


def test_one_byte_more_than_the_bound_makes_nodes() -> None:
    handle = filled([b"x" * (PACKED_BYTES - 2)])
    assert isinstance(handle.body, bytes)
    assert isinstance(filled([b"x" * (PACKED_BYTES - 1)]).body, ListNodes)
    handle.push_right(b"y")
    assert isinstance(handle.body, ListNodes)
    verify(handle, [b"x" * (PACKED_BYTES - 2), b"y"])


@pytest.mark.parametrize("operation", ["set", "insert"])
def test_an_edit_with_a_long_element_makes_nodes(operation: str) -> None:
    handle = filled([b"a", b"b", b"c"])
    long = b"x" * PACKED_BYTES
    if operation == "set":
        assert handle.set(-2, long)
        verify(handle, [b"a", long, b"c"])
    else:
        handle.insert(1, long)
        verify(handle, [b"a", long, b"b", b"c"])
    assert isinstance(handle.body, ListNodes)


def test_popping_an_empty_list_raises_index_error() -> None:
    for stored in (None, ListNodes()):
        with pytest.raises(IndexError):
            List.open(stored, ENCODINGS).pop_left()
        with pytest.raises(IndexError):
            List.open(stored, ENCODINGS).pop_right()


@pytest.mark.parametrize("length", [5, 500])
def test_a_copy_is_independent(length: int) -> None:
    model = [b"%d" % i for i in range(length)]
    handle = filled(model)
    twin = handle.copy()
    handle.push_left(b"x")
    handle.set(2, b"y")
    handle.pop_right()
    verify(twin, model)
    twin.push_right(b"z")
    verify(handle, [b"x", b"0", b"y", *model[2:-1]])


@pytest.mark.parametrize("length", [0, 5, 500])
def test_every_list_is_a_quicklist(length: int) -> None:
    assert filled([b"x"] * length).encoding() == b"quicklist"


def step(rng: random.Random, handle: List, model: list[bytes], element: bytes) -> None:
    """Apply one random operation to both and compare what it returns."""
    choice = rng.randrange(100)
    size = len(model)
    start = rng.randrange(size // 4 + 2)
    count = rng.randrange(size // 2, size + 2)
    if choice < 16:
        handle.push_left(element)
        model.insert(0, element)
    elif choice < 32:
        handle.push_right(element)
        model.append(element)
    elif choice < 40 and model:
        assert handle.pop_left() == model.pop(0)
    elif choice < 48 and model:
        assert handle.pop_right() == model.pop()
    elif choice < 56 and model:
        index = rng.randrange(-size, size)
        assert handle.set(index, element)
        model[index] = element
    elif choice < 64:
        index = rng.randrange(size + 1)
        handle.insert(index, element)
        model.insert(index, element)
    elif choice < 72:
        limit = rng.choice([0, 1, -1, 2, -3, 10])
        hits = model_positions(model, element, -1 if limit < 0 else 1, abs(limit), 0)
        assert handle.remove_matching(element, limit) == len(hits)
        for i in sorted(hits, reverse=True):
            del model[i]
    elif choice < 82:
        rank = rng.choice([1, -1, 2, -2, 5])
        wanted = rng.choice([0, 1, 3])
        maxlen = rng.choice([0, 0, 1, 4, 20, 500])
        expected = model_positions(model, element, rank, wanted, maxlen)
        assert handle.positions(element, rank, wanted, maxlen) == expected
    elif choice < 85:
        handle.trim(start, count)
        model[:] = model[start : start + count]
    elif choice < 93:
        assert handle.range(start, count) == model[start : start + count]
        assert b"".join(handle.range_encoded(start, count)) == wire_form(model[start:][:count])
    elif model:
        index = rng.randrange(-size, size)
        assert handle.get(index) == model[index]
        assert handle.get(size) is None and not handle.set(-size - 1, element)


@pytest.mark.parametrize("longest", [1, 12, 400])
@pytest.mark.parametrize("length", [0, 20, 60, 200])
@pytest.mark.parametrize("seed", range(3))
def test_random_operations_match_a_python_list(seed: int, length: int, longest: int) -> None:
    rng = random.Random(f"{seed} {length} {longest}")
    elements = [b"%d" % n * rng.randrange(longest + 1) for n in range(6)]
    model = [rng.choice(elements) for _ in range(length)]
    handle = filled(model)
    for _ in range(500):
        step(rng, handle, model, rng.choice(elements))
        verify(handle, model)
        handle = List.open(handle.body, ENCODINGS)
