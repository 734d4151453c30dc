"""Makers of random requests about geo indexes.

Places come from all over the globe, from a region a few kilometres wide, and from a few spots that
many members share, so that areas of every size hold something and distances are often equal.
"""

from __future__ import annotations

from typing import Final

from .random_grammar import Maker, Pools, Words

GEO_KEYS: Final = frozenset({b"g1", b"g2", b"g3"})
SPOTS: Final[list[tuple[object, object]]] = [
    *((0, 0), (180, 0), (-180, 0), (179.9, 1), (-179.9, 1), (0, 85.05112878), (0, -85.05112878)),
    *((13.361389, 38.115556), (15.087269, 37.502669), (10, 84), (-100, -70), (100, 67)),
]
BAD_SPOTS: Final[list[tuple[object, object]]] = [
    *((181, 0), (0, 86), (-180.1, 5), (0, -85.06), ("x", 1), (1, ""), ("nan", 0), ("inf", 0)),
]


def geo_key(p: Pools) -> object:
    """A key that likely holds a geo index."""
    if p.chance(0.05):
        return p.key("zset")
    return p.any_key() if p.chance(0.02) else f"g{p.random.randint(1, 3)}"


def place(p: Pools) -> Words:
    """A longitude and a latitude."""
    draw = p.random.random()
    if draw < 0.02:
        return list(p.random.choice(BAD_SPOTS))
    if draw < 0.2:
        return list(p.random.choice(SPOTS))
    if draw < 0.6:
        return [f"{p.random.uniform(13, 13.2):.6f}", f"{p.random.uniform(38, 38.2):.6f}"]
    return [p.random.uniform(-180, 180), p.random.uniform(-85.05, 85.05)]


def member(p: Pools) -> object:
    return f"m{p.random.randint(0, 300)}"


def size(p: Pools) -> object:
    """A radius, or a side of a box."""
    if p.chance(0.03):
        return p.random.choice([-1, "x", "", "nan", "inf", "1e400", 0])
    return round(10 ** p.random.uniform(-1, 5.5), p.random.randint(0, 4))


def unit(p: Pools) -> Words:
    return p.one_of("m", "km", "km", "km", "ft", "mi", "KM", "miles" if p.chance(0.1) else "mi")


def geoadd(p: Pools) -> Words:
    options = p.shuffled(p.one_of("", "", "", "NX", "XX"), p.option("CH", p=0.2))
    rows = [w for _ in range(p.random.choice([1, 1, 5, 20])) for w in (*place(p), member(p))]
    return ["GEOADD", geo_key(p), *options, *rows]


def geo_question(p: Pools) -> Words:
    key = geo_key(p)
    return p.random.choice(
        [
            ["GEOPOS", key, *[member(p) for _ in range(p.random.randint(0, 4))]],
            ["GEOHASH", key, *[member(p) for _ in range(p.random.randint(0, 4))]],
            ["GEODIST", key, member(p), member(p), *(unit(p) if p.chance(0.5) else [])],
            ["ZSCORE", key, member(p)],
            ["ZREM", key, member(p), member(p)],
        ]
    )


def geo_edge(p: Pools) -> Words:
    """Members with scores that are no geohashes, and now and then a new start."""
    if p.chance(0.3):
        return ["DEL", geo_key(p)]
    score = p.random.choice([-1, 2**54, 2**63, 2**64, 1e300, "inf", "-inf", 0.5, -(2.0**63), -1.5])
    return ["ZADD", f"g{p.random.randint(1, 3)}", score, member(p)]


def limits(p: Pools) -> Words:
    """An order and a count."""
    count = p.random.choice([1, 2, 5, 20, 50, 200]) if p.chance(0.95) else p.random.choice([0, -1])
    counted = p.option("COUNT", count, *p.option("ANY", p=0.4), p=0.5)
    return p.shuffled(counted, p.one_of("", "", "ASC", "DESC", "desc"))


def details(p: Pools) -> Words:
    return p.shuffled(p.option("WITHCOORD"), p.option("WITHDIST"), p.option("WITHHASH"))


def geosearch(p: Pools) -> Words:
    centre: Words = ["FROMMEMBER", member(p)] if p.chance(0.5) else ["FROMLONLAT", *place(p)]
    if p.chance(0.5):
        shape: Words = ["BYRADIUS", size(p), *unit(p)]
    else:
        shape = ["BYBOX", size(p), size(p), *unit(p)]
    rows = [centre, shape] if p.chance(0.97) else [p.random.choice([centre, shape])] * 2
    rows.append(limits(p))
    if p.chance(0.25):
        options = p.shuffled(*rows, p.option("STOREDIST"), p.option("WITHDIST", p=0.05))
        return ["GEOSEARCHSTORE", geo_key(p), geo_key(p), *options]
    return ["GEOSEARCH", geo_key(p), *p.shuffled(*rows, details(p), p.option("STOREDIST", p=0.02))]


def georadius(p: Pools) -> Words:
    by_member = p.chance(0.5)
    head: Words = ["GEORADIUSBYMEMBER" if by_member else "GEORADIUS", geo_key(p)]
    if p.chance(0.3):
        head[0] = f"{head[0]}_RO"
    rows = [limits(p), details(p)]
    if p.chance(0.2):
        rows = [limits(p), [p.random.choice(["STORE", "STOREDIST", "storedist"]), geo_key(p)]]
        rows.append(p.option("WITHDIST", p=0.1))
    centre = [member(p)] if by_member else place(p)
    return [*head, *centre, size(p), *unit(p), *p.shuffled(*rows)]


GEO: Final[dict[str, list[tuple[int, Maker]]]] = {
    "geo": [(10, geoadd), (5, geo_question), (1, geo_edge), (12, geosearch), (6, georadius)],
}
