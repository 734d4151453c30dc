"""The walk over a database meets every key that stays, in calls of bounded size."""

from __future__ import annotations

import random

import pytest

from kvnode.dataset import Dataset
from kvnode.keyspace import Keyspace
from kvnode.keyspace_scan import WHOLE_GROUP_KEYS, group_of_pattern, matching_groups, walk
from kvnode.scan import parse_cursor
from kvnode.structures.dealt_keys import DealtKeys, Walks, position_of


def filled(names: list[bytes]) -> Keyspace:
    keyspace = Dataset(2).databases[0]
    for name in names:
        keyspace.put(name, b"v")
    return keyspace


def whole_walk(keyspace: Keyspace, count: int, only: int = -1) -> tuple[list[bytes], int]:
    """All keys that the calls returned, repetitions included, and the number of calls."""
    cursor, found, calls = 0, list[bytes](), 0
    while True:
        cursor, page = walk(keyspace, cursor, count, only)
        found += page
        calls += 1
        if cursor == 0:
            return found, calls


@pytest.mark.parametrize("count", [1, 7, 10, 1000, 100_000])
@pytest.mark.parametrize("size", [0, 1, 10, 3000])
@pytest.mark.parametrize("form", [b"key:%d", b"{tag}%d"])
def test_a_walk_returns_every_key_once_while_nothing_changes(
    form: bytes, size: int, count: int
) -> None:
    names = [form % i for i in range(size)]
    found, calls = whole_walk(filled(names), count)
    assert sorted(found) == sorted(names)
    assert calls <= size // count + 1


def test_a_small_database_needs_few_calls() -> None:
    _, calls = whole_walk(filled([b"key:%d" % i for i in range(100)]), 10)
    assert calls <= 11


def test_a_call_in_a_crowded_group_stays_short() -> None:
    keyspace = filled([b"{tag}%d" % i for i in range(20_000)])
    cursor, largest = 0, 0
    while True:
        cursor, page = walk(keyspace, cursor, 10, -1)
        largest = max(largest, len(page))
        if cursor == 0:
            break
    assert largest <= 150


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tags", [1, 3, 400])
def test_keys_that_stay_are_met_whatever_else_changes(seed: int, tags: int) -> None:
    rng = random.Random(seed)
    names = [b"{%d}%d" % (i % tags, i) for i in range(4000)]
    keyspace = filled(names)
    stays = set(rng.sample(names, 400))
    goes = [name for name in names if name not in stays]
    rng.shuffle(goes)
    met: set[bytes] = set()
    cursor, round_ = 0, 0
    while True:
        cursor, page = walk(keyspace, cursor, 20, -1)
        met.update(page)
        if cursor == 0:
            break
        round_ += 1
        for _ in range(rng.randrange(60)):
            if goes and rng.random() < 0.7:
                keyspace.remove(goes.pop())
            else:
                keyspace.put(b"{%d}new%d" % (rng.randrange(tags), rng.getrandbits(30)), b"v")
        if rng.random() < 0.1:
            keyspace.dataset.walks.forget(0)
    assert stays <= met


def test_keys_added_before_a_walk_begins_are_met_by_it_beside_an_older_walk() -> None:
    keyspace = filled([b"{tag}%d" % i for i in range(3000)])
    older, _ = walk(keyspace, 0, 10, -1)
    for i in range(3000, 6000):
        keyspace.put(b"{tag}%d" % i, b"v")
    younger, met = walk(keyspace, 0, 10, -1)
    seen_by_older: list[bytes] = []
    while older or younger:
        if older:
            older, page = walk(keyspace, older, 10, -1)
            seen_by_older += page
        if younger:
            younger, page = walk(keyspace, younger, 10, -1)
            met += page
    assert set(met) == {b"{tag}%d" % i for i in range(6000)}
    assert len(set(seen_by_older)) > 2900


def test_more_walks_than_are_kept_all_reach_their_end() -> None:
    names = [b"{%d}%d" % (tag, i) for tag in range(20) for i in range(2100)]
    keyspace = filled(names)
    cursors = [0]
    for _ in range(20):
        cursors.append(walk(keyspace, cursors[-1], 2100, -1)[0])
    for cursor in cursors[1:]:
        following, page = walk(keyspace, cursor, 10, -1)
        assert page or following == 0
    assert keyspace.dataset.walks.count() <= 16
    for cursor in cursors[1:]:
        while cursor:
            cursor, _ = walk(keyspace, cursor, 1000, -1)
    assert sorted(whole_walk(keyspace, 500)[0]) == sorted(names)


def test_a_group_that_shrinks_inside_a_walk_is_handed_out_whole() -> None:
    names = [b"{tag}%d" % i for i in range(3000)]
    keyspace = filled(names)
    cursor, met = walk(keyspace, 0, 10, -1)
    for name in names[WHOLE_GROUP_KEYS // 2 :]:
        keyspace.remove(name)
    rest: list[bytes] = []
    while cursor:
        cursor, page = walk(keyspace, cursor, 10, -1)
        rest += page
    assert set(names[: WHOLE_GROUP_KEYS // 2]) <= set(met) | set(rest)
    assert keyspace.dataset.walks.count() == 0


def test_flushing_forgets_the_walks_of_that_database() -> None:
    dataset = Dataset(2)
    for database in dataset.databases:
        for i in range(3000):
            database.put(b"{tag}%d" % i, b"v")
        walk(database, 0, 10, -1)
    assert dataset.walks.count() == 2
    dataset.databases[0].clear(False)
    assert dataset.walks.count() == 1


def test_a_walk_that_ended_is_forgotten() -> None:
    keyspace = filled([b"{tag}%d" % i for i in range(3000)])
    cursor, _ = walk(keyspace, 0, 10, -1)
    assert keyspace.dataset.walks.count() == 1
    while cursor:
        cursor, _ = walk(keyspace, cursor, 10, -1)
    assert keyspace.dataset.walks.count() == 0


@pytest.mark.parametrize("size", [500, 3000])
@pytest.mark.parametrize("cursor", [1, 5, 1023, 1024, 16383, 2**40, 2**58, 2**62, 2**63 - 1])
def test_any_cursor_is_taken(cursor: int, size: int) -> None:
    keyspace = filled([b"{tag}%d" % i for i in range(size)])
    while cursor:
        cursor, _ = walk(keyspace, cursor, 10, -1)


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        (b"", 0),
        (b"17", 17),
        (b"+17", 17),
        (b"-1", 2**64 - 1),
        (b"17\x00abc", 17),
        (b"\x00", 0),
        (b"0" * 30 + b"7", 7),
    ],
)
def test_cursors_are_read_as_c_reads_them(text: bytes, cursor: int) -> None:
    assert parse_cursor(text) == cursor


def test_dealt_keys_stand_in_the_bucket_of_their_position() -> None:
    keys: dict[bytes, object] = {b"%d" % i: b"" for i in range(5000)}
    dealt = DealtKeys(keys)
    assert len(dealt.buckets) == 8
    assert sorted(key for bucket in dealt.buckets for key in bucket) == sorted(keys)
    for number, bucket in enumerate(dealt.buckets):
        assert all(position_of(key) >> dealt.shift == number for key in bucket)
    found: list[bytes] = []
    middle = 1 << 47
    assert dealt.take(keys, middle, 5000, found) == 0
    assert set(found) == {key for key in keys if position_of(key) >= middle}


def test_dealt_keys_that_are_gone_are_left_out() -> None:
    keys: dict[bytes, object] = {b"%d" % i: b"" for i in range(3000)}
    dealt = Walks().enter(0, 0, keys, True)
    del keys[b"7"]
    found: list[bytes] = []
    assert dealt.take(keys, 0, 5000, found) == 0
    assert sorted(found) == sorted(keys)


PATTERNS = [
    (b"{tag}*", True),
    (b"a{tag}b*", True),
    (b"plain", True),
    (b"", True),
    (b"{tag}", True),
    (b"*{tag}", False),
    (b"a?{tag}*", False),
    (b"{t*}x", False),
    (b"{}*", False),
    (b"{*}", False),
    (b"{tag*", False),
    (b"\\{tag}*", False),
    (b"[a]{tag}", False),
    (b"tag*", False),
    (b"}{tag}*", True),
]


@pytest.mark.parametrize(("pattern", "is_one"), PATTERNS)
def test_a_pattern_with_its_tag_before_anything_special_is_in_one_group(
    pattern: bytes, is_one: bool
) -> None:
    assert (group_of_pattern(pattern) >= 0) == is_one


def test_the_group_of_a_pattern_is_that_of_the_keys_it_matches() -> None:
    keyspace = filled([b"{tag}1", b"a{tag}b"])
    assert list(matching_groups(keyspace, b"{tag}*")[0]) == [b"{tag}1", b"a{tag}b"]
    assert len(matching_groups(keyspace, b"*")) == len(keyspace.groups)
    for i in range(3000):
        keyspace.put(b"other %d" % i, b"v")
    found, calls = whole_walk(keyspace, 10, group_of_pattern(b"{tag}*"))
    assert {b"a{tag}b", b"{tag}1"} <= set(found)
    assert len(found) < 60
    assert calls == 1


def test_a_part_begins_with_the_key_at_its_position() -> None:
    keys: dict[bytes, object] = {b"%d" % i: b"" for i in range(100)}
    ordered = sorted(keys, key=position_of)
    for i, key in enumerate(ordered):
        found: list[bytes] = []
        assert DealtKeys(keys).take(keys, position_of(key), 1000, found) == 0
        assert sorted(found, key=position_of) == ordered[i:]


def test_a_part_ends_where_the_next_one_begins() -> None:
    keys: dict[bytes, object] = {b"%d" % i: b"" for i in range(1000)}
    dealt = DealtKeys(keys)
    found: list[bytes] = []
    position = dealt.take(keys, 0, 10, found)
    assert set(found) == {key for key in keys if position_of(key) < position}
