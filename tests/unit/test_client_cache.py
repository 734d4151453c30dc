"""The client's cache, without a connection: what it keeps, and what an invalidation overtakes."""

from __future__ import annotations

import random
from typing import Any

from kvclient.cache import ABSENT, Cache


def test_a_reply_is_kept_until_its_key_changes() -> None:
    cache = Cache(10_000)
    words = cache.words_of((b"GET", "k"))
    assert words == (b"GET", b"k")
    assert cache.get(words) is ABSENT
    cache.keep(cache.begin(words), b"v")
    assert cache.holds(words)
    assert cache.get(words) == b"v"
    cache.take_push([b"invalidate", [b"other"]])
    cache.take_push([b"message", b"k", b"v"])
    assert cache.get(words) == b"v"
    cache.take_push([b"invalidate", [b"k"]])
    assert cache.get(words) is ABSENT
    assert cache.stats()[:3] == (2, 2, 0)
    cache.check()


def test_a_reply_that_comes_after_its_invalidation_is_not_kept() -> None:
    cache = Cache(10_000)
    entry = cache.begin((b"MGET", b"a", b"b"))
    cache.take_push(["invalidate", ["b"]])
    cache.keep(entry, [b"1", b"2"])
    assert cache.get((b"MGET", b"a", b"b")) is ABSENT
    entry = cache.begin((b"GET", b"a"))
    cache.take_push([b"invalidate", None])
    cache.keep(entry, b"1")
    assert cache.stats().entries == 0
    cache.check()


def test_what_is_about_to_write_drops_its_keys() -> None:
    cache = Cache(10_000)
    for key in (b"a", b"b"):
        cache.keep(cache.begin((b"GET", key)), b"v")
    assert cache.words_of((b"SET", "a", 1)) is None
    assert not cache.holds((b"GET", b"a"))
    assert cache.words_of((b"TTL", "b")) is None
    assert cache.holds((b"GET", b"b"))
    assert cache.words_of(("EVAL", "return 1", 0)) is None
    assert cache.stats().entries == 0


def test_a_caller_gets_lists_of_its_own() -> None:
    cache = Cache(10_000)
    words = (b"ZRANGE", b"z", b"0", b"-1", b"WITHSCORES")
    reply: list[Any] = [[b"m", 1.0], {b"k": {b"s"}}]
    cache.keep(cache.begin(words), reply)
    reply.clear()
    first = cache.get(words)
    first[0].clear()
    assert cache.get(words) == [[b"m", 1.0], {b"k": {b"s"}}]


def test_the_invariants_hold_whatever_happens_in_which_order() -> None:
    rng = random.Random(1)
    cache = Cache(4_000)
    values: dict[bytes, int] = {b"%d" % n: 0 for n in range(5)}
    waiting: list[tuple[Any, list[int]]] = []
    for _ in range(20_000):
        keys = rng.sample(list(values), rng.randint(1, 2))
        act = rng.randrange(8)
        if act <= 4:
            words = (b"MGET", *keys)
            found = cache.get(words)
            if found is ABSENT:
                waiting.append((cache.begin(words), [values[key] for key in keys]))
            else:
                assert found == [values[key] for key in keys]
        elif act <= 6 and waiting:
            entry, reply = waiting.pop(-rng.randint(1, min(3, len(waiting))))
            cache.keep(entry, reply)
        elif rng.random() < 0.5:
            values[keys[0]] += 1
            cache.take_push([b"invalidate", [keys[0]] if rng.random() < 0.99 else None])
        elif waiting and rng.random() < 0.1:
            cache.forget(waiting.pop()[0])
        cache.check()
    assert cache.hits > 100
