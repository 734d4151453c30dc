"""Makers of random requests across databases, of watched keys, and of what waits elsewhere.

Blocking commands stand only inside MULTI, where they never block.
"""

from __future__ import annotations

from typing import Final

from .random_grammar import LETTERS, Maker, Pools, Words


def select(p: Pools) -> Words:
    return ["SELECT", p.random.choice([0, 0, 0, 1, 1, 99, -1, "x"])]


def move(p: Pools) -> Words:
    return ["MOVE", p.any_key(), p.random.choice([0, 1, 1, 99, "x"])]


def swapdb(p: Pools) -> Words:
    return ["SWAPDB", p.random.choice([0, 1, "x"]), p.random.choice([0, 1, 99])]


def copy_away(p: Pools) -> Words:
    kind = p.random.choice(list(LETTERS))
    return ["COPY", p.key(kind), p.key(kind), *p.shuffled(["DB", "1"], p.option("REPLACE", p=0.6))]


def watch(p: Pools) -> Words:
    return p.random.choice([["WATCH", p.any_key(), p.any_key()], ["UNWATCH"]])


def digest(p: Pools) -> Words:
    return ["DEBUG", "DIGEST-VALUE", p.any_key(), p.any_key()]


def blocking_list(p: Pools) -> Words:
    keys = [p.key("list") for _ in range(p.random.randint(1, 3))]
    timeout = p.random.choice([0, 0, 0.1, -1, "x", "inf"])
    sides = p.one_of("LEFT RIGHT", "RIGHT LEFT", "LEFT LEFT", "RIGHT UP")
    return p.random.choice(
        [
            ["BLPOP", *keys, timeout],
            ["BRPOP", *keys, timeout],
            ["BLMOVE", p.key("list"), p.key("list"), *sides, timeout],
            ["BRPOPLPUSH", p.key("list"), p.key("list"), timeout],
            ["BLMPOP", timeout, len(keys), *keys, *p.one_of("LEFT", "RIGHT COUNT 2", "UP")],
        ]
    )


def blocking_zset(p: Pools) -> Words:
    keys = [p.key("zset") for _ in range(p.random.randint(1, 3))]
    timeout = p.random.choice([0, 0, 0.1, -1, "x"])
    return p.random.choice(
        [
            ["BZPOPMIN", *keys, timeout],
            ["BZPOPMAX", *keys, timeout],
            ["BZMPOP", timeout, len(keys), *keys, *p.one_of("MIN", "MAX COUNT 2", "UP")],
        ]
    )


DATABASES: Final[dict[str, list[tuple[int, Maker]]]] = {
    "databases": [(4, select), (3, move), (1, swapdb), (3, copy_away), (2, watch), (6, digest)],
}
# Makers of what may stand in a transaction only.
BLOCKING: Final[list[Maker]] = [blocking_list, blocking_zset]
