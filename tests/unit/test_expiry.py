"""Deadlines against a model: nothing expires early, nothing late, and memory stays bounded."""

from __future__ import annotations

import random

import pytest

from kvnode.expiry import NO_DEADLINE, Expiry

START_MS = 1_700_000_000_000


def entries(expiry: Expiry) -> int:
    """How many entries the buckets and the heap hold, stale ones included."""
    buckets = (expiry._buckets, expiry._old_buckets)
    return len(expiry._soon) + sum(len(keys) for part in buckets for keys in part.values())


def drain(expiry: Expiry, now_ms: int, limit: int = 50) -> set[bytes]:
    """All keys that are due, dropped as the keyspace drops them."""
    found: set[bytes] = set()
    rounds = 0
    while expiry.is_due(now_ms):
        for key in set(expiry.due(now_ms, limit)):  # may name a key twice
            assert expiry.deadline(key) <= now_ms
            assert expiry.drop(key)
            found.add(key)
        rounds += 1
        assert rounds < 100_000, "the cycle makes no progress"
    return found


@pytest.mark.parametrize("seed", range(10))
def test_random_changes_agree_with_a_dict(seed: int) -> None:
    source = random.Random(seed)
    expiry = Expiry()
    model: dict[bytes, int] = {}
    now = START_MS
    horizon = source.choice([500, 5_000, 100_000])
    for step in range(8000):
        action = source.random()
        key = b"k%d" % source.randrange(600)
        if action < 0.6:
            deadline = now + source.randrange(1, horizon)
            expiry.put(key, deadline)
            model[key] = deadline
        elif action < 0.8:
            assert expiry.drop(key) == (model.pop(key, None) is not None)
        elif action < 0.95:
            assert expiry.deadline(key) == model.get(key, NO_DEADLINE)
        else:
            now += source.randrange(0, 400)
            due = {key for key, deadline in model.items() if deadline <= now}
            assert drain(expiry, now, source.choice([1, 10, 1000])) == due
            for key in due:
                del model[key]
        if step % 500 == 0:
            expiry.check()
        assert expiry.count() == len(model)
    expiry.check()
    assert drain(expiry, now + horizon) == set(model)
    assert expiry.count() == 0


def test_a_deadline_on_a_second_and_one_just_before_it_are_met_in_time() -> None:
    expiry = Expiry()
    for offset in (999, 1000, 1001, 1999, 2000):
        expiry.put(b"%d" % offset, START_MS + offset)
    met = {}
    for now in range(START_MS, START_MS + 2100):
        for key in drain(expiry, now):
            met[key] = now - START_MS
    assert met == {b"999": 999, b"1000": 1000, b"1001": 1001, b"1999": 1999, b"2000": 2000}


def test_a_deadline_in_the_past_is_due_at_once() -> None:
    expiry = Expiry()
    expiry.put(b"old", 1)
    expiry.put(b"older", 0)
    assert drain(expiry, START_MS) == {b"old", b"older"}


def test_a_deadline_that_moves_later_is_met_at_its_new_time_only() -> None:
    expiry = Expiry()
    expiry.put(b"k", START_MS + 100)
    expiry.put(b"k", START_MS + 90_000)
    assert drain(expiry, START_MS + 89_999) == set()
    expiry.check()
    assert drain(expiry, START_MS + 90_000) == {b"k"}


def test_a_deadline_that_moves_earlier_is_met_at_its_new_time() -> None:
    expiry = Expiry()
    expiry.put(b"k", START_MS + 90_000)
    expiry.put(b"k", START_MS + 100)
    assert drain(expiry, START_MS + 99) == set()
    assert drain(expiry, START_MS + 100) == {b"k"}
    assert drain(expiry, START_MS + 200_000) == set()


def test_a_key_that_was_dropped_and_put_again_is_met_at_its_last_deadline() -> None:
    expiry = Expiry()
    for _ in range(5):
        expiry.put(b"k", START_MS + 1000)
        expiry.drop(b"k")
    expiry.put(b"k", START_MS + 3000)
    assert drain(expiry, START_MS + 2000) == set()
    assert drain(expiry, START_MS + 3000) == {b"k"}


def test_the_cycle_looks_at_little_more_than_its_limit() -> None:
    expiry = Expiry()
    for i in range(5000):
        expiry.put(b"%d" % i, START_MS + i // 10)
    first = expiry.due(START_MS + 10_000, 100)
    assert len(first) <= 100
    assert expiry.is_due(START_MS + 10_000)


def test_deadlines_that_keep_moving_take_bounded_memory() -> None:
    expiry = Expiry()
    source = random.Random(1)
    now = START_MS
    most = 0
    for step in range(120_000):
        # Earlier and later in turn: every second change adds an entry.
        expiry.put(b"%d" % source.randrange(200), now + (50_000 if step % 2 else 10_000))
        if step % 100 == 0:
            now += 100
            drain(expiry, now)
            most = max(most, entries(expiry))
    expiry.check()
    assert most < 6 * 200 + 4 * 1024


def test_deadlines_that_are_dropped_take_bounded_memory() -> None:
    expiry = Expiry()
    for i in range(50_000):
        expiry.put(b"%d" % i, START_MS + 1000 * (i % 5000))
    for i in range(50_000):
        expiry.drop(b"%d" % i)
        if i % 5000 == 0:
            expiry.check()
    assert expiry.count() == 0
    assert entries(expiry) < 6000


def test_keys_that_come_and_go_take_bounded_memory() -> None:
    expiry = Expiry()
    most = 0
    for i in range(60_000):
        expiry.put(b"%d" % i, START_MS + 3_600_000 + i)
        if i >= 100:
            expiry.drop(b"%d" % (i - 100))
        most = max(most, entries(expiry)) if i % 64 == 0 else most
    expiry.check()
    assert most < 5000


def test_buckets_are_built_anew_while_keys_expire_and_nothing_is_lost() -> None:
    source = random.Random(7)
    expiry = Expiry()
    model: dict[bytes, int] = {}
    now = START_MS
    rebuilt = 0
    for step in range(20_000):
        key = b"%d" % source.randrange(300)
        model[key] = now + source.choice([5_000, 60_000]) - source.randrange(4000)
        expiry.put(key, model[key])
        rebuilt += len(expiry._old_buckets) > 0
        if step % 50 == 0:
            now += 20
            for key in drain(expiry, now, 20):
                assert model.pop(key) <= now
            assert not [key for key, deadline in model.items() if deadline <= now]
    assert rebuilt > 100
    expiry.check()


def test_freeing_takes_a_table_apart_in_slices() -> None:
    expiry = Expiry()
    for i in range(3000):
        expiry.put(b"%d" % i, START_MS + i * 7)
    rounds = 0
    while expiry.count() > 0:
        assert 0 < expiry.discard(100) <= 200
        rounds += 1
    assert rounds >= 30
    assert entries(expiry) == 0


def test_the_average_ttl_is_an_estimate_of_what_is_left() -> None:
    expiry = Expiry()
    assert expiry.average_ttl(START_MS) == 0
    for i in range(1000):
        expiry.put(b"%d" % i, START_MS + 10_000)
    assert expiry.average_ttl(START_MS) == 10_000
    assert expiry.average_ttl(START_MS + 4000) == 6000
    assert expiry.average_ttl(START_MS + 40_000) == 0
