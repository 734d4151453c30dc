"""Tests of long lists in wire form: each operation against a Python list, with every invariant."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kvnode.structures.bulk_strings import (
    LARGE_BYTES,
    append_encoded,
    bulk_header,
    decode,
    decode_count,
    element_at,
    encode,
    encode_element,
    matches,
    skip,
)
from kvnode.structures.list_nodes import END_ELEMENTS, ListNodes
from kvnode.structures.sealed_nodes import NODE_BYTES, NODE_ELEMENTS

SIZES = (0, 1, 3, 9, 10, 64, 99, 100, 999, 1000, 1023, 1024, 5000, 8175, 8176, 8177, 8192, 20_000)


def wire_form(elements: list[bytes]) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (len(element), element) for element in elements)


def short(rng: random.Random) -> bytes:
    """A few different values, so that searches match often."""
    return b"%d" % rng.randrange(12)


def any_size(rng: random.Random) -> bytes:
    return bytes([rng.randrange(97, 123)]) * rng.choice(SIZES)


def deceptive(rng: random.Random) -> bytes:
    """Contents that look like the wire form of other contents."""
    return rng.choice([b"$1\r\n3\r\n", b"3", b"\r\n$1\r\n3", b"$", b"", b"\r\n", b"$1\r\n"])


def filled(elements: list[bytes]) -> ListNodes:
    nodes = ListNodes()
    for element in elements:
        nodes.push_right(element)
    return nodes


def verify(nodes: ListNodes, model: list[bytes]) -> None:
    nodes.check()
    assert nodes.count() == len(model)
    assert b"".join(nodes.range_encoded(0, len(model))) == wire_form(model)


def model_positions(
    model: list[bytes], element: bytes, rank: int, count: int, maxlen: int
) -> list[int]:
    order = range(len(model)) if rank > 0 else range(len(model) - 1, -1, -1)
    compared = list(order)[:maxlen] if maxlen else list(order)
    found = [i for i in compared if model[i] == element][abs(rank) - 1 :]
    return found[:count] if count else found


def model_remove(model: list[bytes], element: bytes, limit: int) -> int:
    rank = -1 if limit < 0 else 1
    hits = model_positions(model, element, rank, abs(limit), 0)
    for i in sorted(hits, reverse=True):
        del model[i]
    return len(hits)


@pytest.mark.parametrize("size", SIZES)
def test_an_element_of_any_size_survives_the_wire_form(size: int) -> None:
    element = b"x" * size
    wire = encode_element(element)
    assert wire == b"$%d\r\n%b\r\n" % (size, element)
    assert bulk_header(size) == b"$%d\r\n" % size
    data = b"??" + encode([b"a", element, b"b"])
    assert data == b"??$1\r\na\r\n" + wire + b"$1\r\nb\r\n"
    assert decode(data, 2) == [b"a", element, b"b"]
    assert decode_count(data, 2, 2) == [b"a", element]
    assert skip(data, 2, 1) == 9
    assert skip(data, 2, 2) == 9 + len(wire)
    assert element_at(data, 9) == element


def test_large_elements_are_passed_on_without_a_copy() -> None:
    large = b"x" * (LARGE_BYTES + 1)
    chunks: list[bytes] = []
    append_encoded(chunks, [b"a", large, b"b"])
    assert b"".join(chunks) == wire_form([b"a", large, b"b"])
    assert any(chunk is large for chunk in chunks)


def test_matches_count_only_where_a_bulk_string_begins() -> None:
    elements = [b"3", b"$1\r\n3\r\n", b"3", b"\r\n$1\r\n3", b"3"]
    data = b"?" + encode(elements)
    assert matches(data, 1, encode_element(b"3"), 100) == [100, 102, 104]
    assert matches(data, 1, encode_element(b"4"), 0) == []


def test_a_large_element_stays_the_same_object() -> None:
    large = b"x" * 100_000
    nodes = filled([b"a"] * 40 + [large] + [b"b"] * 100)
    assert nodes.get(40) is large
    assert any(chunk is large for chunk in nodes.range_encoded(0, 141))
    for _ in range(40):
        nodes.pop_left()
    assert nodes.pop_left() is large
    nodes.check()


def test_elements_outside_the_list_are_not_there() -> None:
    nodes = filled([b"%d" % i for i in range(300)])
    assert nodes.get(300) is None and nodes.get(-301) is None
    assert nodes.get(299) == b"299" and nodes.get(-300) == b"0"
    assert not nodes.set(300, b"x") and not nodes.set(-301, b"x")
    assert nodes.range_encoded(300, 5) == [] and nodes.range_encoded(0, 0) == []
    assert nodes.range(298, 50) == [b"298", b"299"]


def test_popping_an_empty_list_raises_index_error() -> None:
    with pytest.raises(IndexError):
        ListNodes().pop_left()
    with pytest.raises(IndexError):
        ListNodes().pop_right()


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 65, 129, 1000])
def test_a_list_can_be_filled_and_emptied_over_every_pair_of_ends(length: int) -> None:
    expected = [b"%d" % i for i in range(length)]
    assert [filled(expected).pop_left() for _ in range(1)] == expected[:1]
    for push_left in (False, True):
        for pop_left in (False, True):
            nodes = ListNodes()
            for element in expected:
                if push_left:
                    nodes.push_left(element)
                else:
                    nodes.push_right(element)
            nodes.check()
            popped = []
            while nodes.count():
                popped.append(nodes.pop_left() if pop_left else nodes.pop_right())
                if length < 200 or len(popped) % 7 == 0:  # a check walks the whole list
                    nodes.check()
            assert popped == (expected if push_left != pop_left else expected[::-1])
            assert nodes.memory == ListNodes().memory


def test_a_queue_that_never_empties_does_not_grow() -> None:
    nodes = filled([b"element-%d" % i for i in range(1000)])
    before = nodes.memory
    for i in range(1000, 60_000):
        nodes.push_right(b"element-%d" % i)
        assert nodes.pop_left() == b"element-%d" % (i - 1000)
    nodes.check()
    assert nodes.memory < before * 2
    assert len(nodes.nodes) < 64


def test_every_range_reads_what_a_slice_reads() -> None:
    rng = random.Random(5)
    model: list[bytes] = []
    nodes = ListNodes()
    for i in range(700):
        element = any_size(rng) if i % 50 == 0 else b"%d" % i
        if i % 3:
            model.append(element)
            nodes.push_right(element)
        else:
            model.insert(0, element)
            nodes.push_left(element)
    for _ in range(600):
        start = rng.randrange(700)
        count = rng.randrange(710)
        assert nodes.range(start, count) == model[start : start + count]
        assert b"".join(nodes.range_encoded(start, count)) == wire_form(model[start:][:count])
    for i in range(700):
        assert nodes.get(i) == model[i] and nodes.get(i - 700) == model[i]


def test_whole_nodes_are_read_without_a_copy() -> None:
    nodes = filled([b"%05d" % i for i in range(10 * NODE_ELEMENTS)])
    chunks = nodes.range_encoded(0, 10 * NODE_ELEMENTS)
    assert sum(1 for chunk in chunks for node in nodes.nodes if chunk is node) >= 9


def test_a_copy_is_independent() -> None:
    model = [b"%d" % i for i in range(500)]
    nodes = filled(model)
    nodes.push_left(b"first")
    twin = nodes.copy()
    for i in range(100):
        nodes.push_left(b"x")
        nodes.push_right(b"y")
        nodes.set(300 + i, b"z")
        nodes.insert(200, b"w")
    nodes.remove_matching(b"z", 0)
    verify(twin, [b"first", *model])
    twin.trim(100, 10)
    nodes.check()
    assert nodes.count() == 501 + 300 - 100


@pytest.mark.parametrize("operation", ["pop_left", "pop_right", "push", "insert", "remove"])
def test_no_operation_on_a_list_shows_in_its_copy(operation: str) -> None:
    model = [b"%d" % i for i in range(END_ELEMENTS * 3 + 1)]
    nodes = filled(model)
    twin = nodes.copy()
    if operation == "pop_left":
        nodes.pop_left()
    elif operation == "pop_right":
        nodes.pop_right()
        nodes.pop_right()
    elif operation == "push":
        for _ in range(END_ELEMENTS):
            nodes.push_right(b"x")
    elif operation == "insert":
        nodes.insert(50, b"x")
    else:
        nodes.remove_matching(b"50", 0)
    nodes.check()
    verify(twin, model)


def test_free_places_at_the_front_are_given_up() -> None:
    nodes = ListNodes()
    for i in range(300 * NODE_ELEMENTS):
        nodes.push_left(b"%d" % i)
    while nodes.count() > 100:
        nodes.pop_right()
    nodes.check()
    assert len(nodes.nodes) < 64


def test_nodes_that_shrink_are_joined() -> None:
    nodes = filled([b"%d" % (i % 10) for i in range(100 * NODE_ELEMENTS)])
    for digit in range(9):
        nodes.remove_matching(b"%d" % digit, 0)
    nodes.check()
    assert nodes.count() == 10 * NODE_ELEMENTS
    assert len(nodes.nodes) - nodes.first <= 40


def test_full_nodes_split_around_insertions() -> None:
    model = [b"%d" % i for i in range(4 * NODE_ELEMENTS)]
    nodes = filled(model)
    for i in range(300):
        nodes.insert(200, b"i%d" % i)
        model.insert(200, b"i%d" % i)
    verify(nodes, model)
    nodes.set(250, b"v" * (NODE_BYTES - 50))
    model[250] = b"v" * (NODE_BYTES - 50)
    nodes.set(251, b"v" * NODE_BYTES)
    model[251] = b"v" * NODE_BYTES
    verify(nodes, model)
    nodes.set(251, b"small")
    nodes.insert(250, b"before")
    model[251] = b"small"
    model.insert(250, b"before")
    verify(nodes, model)


def test_a_packed_list_becomes_one_node() -> None:
    elements = [b"%d" % i for i in range(NODE_ELEMENTS)]
    nodes = ListNodes()
    nodes.push_wire(encode(elements), NODE_ELEMENTS)
    nodes.push_right(b"x")
    nodes.push_wire(encode([b"y"]), 1)
    verify(nodes, [*elements, b"x", b"y"])


def test_the_front_stays_cheap_in_long_lists() -> None:
    nodes = filled([b"%d" % i for i in range(20_000)])
    model = [b"%d" % i for i in range(20_000)]
    for i in range(5000):
        nodes.push_left(b"l%d" % i)
    model = [b"l%d" % i for i in reversed(range(5000))] + model
    verify(nodes, model)
    popped = [nodes.pop_left() for _ in range(24_000)]
    assert popped == model[:24_000]
    verify(nodes, model[24_000:])
    assert len(nodes.nodes) < 64


def step(
    rng: random.Random, nodes: ListNodes, model: list[bytes], make: Callable[[random.Random], bytes]
) -> None:
    """Apply one random operation to both and compare what it returns."""
    choice = rng.randrange(100)
    element = make(rng)
    size = len(model)
    if choice < 20:
        nodes.push_left(element)
        model.insert(0, element)
    elif choice < 40:
        nodes.push_right(element)
        model.append(element)
    elif choice < 52 and model:
        assert nodes.pop_left() == model.pop(0)
    elif choice < 64 and model:
        assert nodes.pop_right() == model.pop()
    elif choice < 72 and model:
        index = rng.randrange(-size, size)
        assert nodes.set(index, element)
        model[index] = element
    elif choice < 80:
        index = rng.randrange(size + 1)
        nodes.insert(index, element)
        model.insert(index, element)
    elif choice < 86:
        limit = rng.choice([0, 1, -1, 2, -3, 10])
        assert nodes.remove_matching(element, limit) == model_remove(model, element, limit)
    elif choice < 94:
        rank = rng.choice([1, -1, 2, -2, 7])
        count = rng.choice([0, 1, 3])
        maxlen = rng.choice([0, 0, 1, 40, 200, 5000])
        expected = model_positions(model, element, rank, count, maxlen)
        assert nodes.positions(element, rank, count, maxlen) == expected
    elif choice < 97:
        start = rng.randrange(size // 8 + 1)
        count = rng.randrange(size - size // 4, size + 2)
        nodes.trim(start, count)
        model[:] = model[start : start + count]
    elif model:
        index = rng.randrange(-size, size)
        assert nodes.get(index) == model[index]


@pytest.mark.parametrize("make", [short, any_size, deceptive])
@pytest.mark.parametrize("seed", range(4))
def test_random_operations_match_a_python_list(
    seed: int, make: Callable[[random.Random], bytes]
) -> None:
    rng = random.Random(seed)
    nodes = ListNodes()
    model: list[bytes] = []
    for _ in range(rng.choice([0, 100, 600])):
        element = make(rng)
        nodes.push_right(element)
        model.append(element)
    for _ in range(700):
        step(rng, nodes, model, make)
        verify(nodes, model)


@pytest.mark.parametrize("seed", range(3))
def test_a_list_kept_at_a_length_by_trimming_matches_a_python_list(seed: int) -> None:
    rng = random.Random(seed)
    nodes = ListNodes()
    model: list[bytes] = []
    for i in range(2000):
        element = b"%d" % i
        if seed == 1:
            nodes.push_right(element)
            model.append(element)
            start = max(0, len(model) - 400)
            nodes.trim(start, 400)
            del model[:start]
        else:
            nodes.push_left(element)
            model.insert(0, element)
            kept = rng.choice([300, 380, 400])
            nodes.trim(0, kept)
            del model[kept:]
        if i % 7 == 0:
            verify(nodes, model)
    verify(nodes, model)
    nodes.trim(500, 3)
    verify(nodes, [])


def test_the_ends_stay_within_their_bound() -> None:
    nodes = ListNodes()
    for i in range(END_ELEMENTS * 5):
        nodes.insert(i // 2, b"%d" % i)
        nodes.check()
