"""Every stored form has its type, its encoding and a copy of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kvnode.datatypes import kinds, strings
from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.hashes import Hash
from kvnode.datatypes.lists import List
from kvnode.datatypes.sets import Set
from kvnode.datatypes.sorted_sets import SortedSet
from kvnode.structures.container import Container
from kvnode.structures.mutable_string import MutableString

ENCODINGS = Encodings()


def a_hash(fields: int) -> object:
    handle = Hash.open(None, ENCODINGS)
    for i in range(fields):
        handle.set(b"f%d" % i, b"v")
    return handle.body


def a_set(members: int, form: bytes) -> object:
    handle = Set.open(None, ENCODINGS)
    for i in range(members):
        handle.add(form % i)
    return handle.body


def a_sorted_set(members: int) -> object:
    handle = SortedSet.open(None, ENCODINGS)
    for i in range(members):
        handle.put(b"m%d" % i, float(i), 0)
    return handle.body


def a_list(elements: int) -> object:
    handle = List.open(None, ENCODINGS)
    for i in range(elements):
        handle.push_right(b"element %d" % i)
    return handle.body


FORMS: list[tuple[object, bytes, bytes]] = [
    (strings.stored_form(b""), b"string", b"embstr"),
    (strings.stored_form(b"12"), b"string", b"int"),
    (strings.stored_form(b"x" * 44), b"string", b"embstr"),
    (strings.stored_form(b"x" * 45), b"string", b"raw"),
    (MutableString(b"x" * 100, True), b"string", b"raw"),
    (MutableString(b"\xf8", False), b"string", b"embstr"),
    (a_hash(3), b"hash", b"listpack"),
    (a_hash(600), b"hash", b"hashtable"),
    (a_set(3, b"%d"), b"set", b"intset"),
    (a_set(3, b"m%d"), b"set", b"hashtable"),
    (a_set(600, b"%d"), b"set", b"hashtable"),
    (a_sorted_set(3), b"zset", b"listpack"),
    (a_sorted_set(200), b"zset", b"skiplist"),
    (a_list(3), b"list", b"quicklist"),
    (a_list(600), b"list", b"quicklist"),
]
IDS = [f"{kind.decode()}-{encoding.decode()}-{i}" for i, (_, kind, encoding) in enumerate(FORMS)]


@pytest.mark.parametrize(("stored", "kind", "encoding"), FORMS, ids=IDS)
def test_a_stored_form_has_the_type_and_encoding_of_redis(
    stored: object, kind: bytes, encoding: bytes
) -> None:
    assert kinds.type_name(stored) == kind
    assert kinds.encoding(stored) == encoding


def test_an_absent_value_is_of_no_type() -> None:
    assert kinds.type_name(None) == b"none"


@pytest.mark.parametrize(("stored", "kind", "encoding"), FORMS, ids=IDS)
def test_a_copy_is_equal_and_sound_and_no_container_is_shared(
    stored: object, kind: bytes, encoding: bytes
) -> None:
    twin = kinds.copy(stored)
    assert (kinds.type_name(twin), kinds.encoding(twin)) == (kind, encoding)
    if not isinstance(stored, Container):
        assert twin == stored
        return
    assert twin is not stored
    assert isinstance(twin, Container)
    twin.check()
    assert content(twin, kind) == content(stored, kind)
    CHANGES[kind](twin)
    twin.check()
    assert content(twin, kind) != content(stored, kind)
    stored.check()


def content(stored: object, kind: bytes) -> object:
    if kind == b"string":
        return strings.text(stored)
    if kind == b"hash":
        return Hash.open(stored, ENCODINGS).items()
    if kind == b"set":
        return Set.open(stored, ENCODINGS).members()
    if kind == b"zset":
        members, scores = SortedSet.open(stored, ENCODINGS).items()
        return members, list(scores)
    handle = List.open(stored, ENCODINGS)
    return handle.range(0, handle.count())


def change_string(stored: Any) -> None:
    stored.data += b"more"
    stored.measure()


CHANGES: dict[bytes, Callable[[Any], object]] = {
    b"string": change_string,
    b"hash": lambda stored: Hash.open(stored, ENCODINGS).set(b"new", b"v"),
    b"set": lambda stored: Set.open(stored, ENCODINGS).add(b"new"),
    b"zset": lambda stored: SortedSet.open(stored, ENCODINGS).put(b"new", 1.0, 0),
    b"list": lambda stored: List.open(stored, ENCODINGS).push_right(b"new"),
}
