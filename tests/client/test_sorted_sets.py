"""Methods on sorted sets and places."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kvclient.results import Place

from .conftest import Texts
from .exactness import same, types
from .transport import AnyClient

PALERMO = (13.361389, 38.115556)
CATANIA = (15.087269, 37.502669)


def scored(c: AnyClient) -> None:
    c.zadd("z", {"a": 1, "b": 2.5, "c": 3})


def test_members_and_scores(c: AnyClient, t: Texts) -> None:
    assert same(c.zadd("z", {"a": 1, "b": 2.5}), 2)
    assert same(c.zadd("z", {"a": 2, "c": 3}, ch=True), 2)
    assert same(c.zadd("z", {"a": 1}, nx=True), 0)
    assert same(c.zadd("z", {"a": 1}, gt=True, ch=True), 0)
    assert same(c.zadd("z", {"a": 1}, xx=True, lt=True, ch=True), 1)
    assert same(c.zadd("z", {"a": 1}, incr=True), 2.0)
    assert c.zadd("z", {"a": 1}, incr=True, nx=True) is None
    assert same(c.zincrby("z", 0.5, "a"), 2.5)
    assert same(c.zscore("z", "a"), 2.5)
    assert c.zscore("z", "x") is None
    c.zadd("z", {"least": -math.inf})
    assert same(c.zscore("z", "least"), -math.inf)
    assert same(c.zmscore("z", "a", "x"), [2.5, None])
    assert same(c.zmscore("z", ["b"]), [2.5])
    assert same(c.zcard("z"), 4)
    assert same(c.zrank("z", "c"), 3)
    assert same(c.zrevrank("z", "c"), 0)
    assert c.zrank("z", "x") is None
    assert c.zrevrank("z", "x") is None
    assert same(c.zrem("z", "a", "x"), 1)


def test_random_members_and_walks_of_sorted_sets(c: AnyClient, t: Texts) -> None:
    assert c.zrandmember("z") is None
    assert same(c.zrandmember("z", 2), [])
    assert same(c.zrandmember("z", 2, withscores=True), [])
    c.zadd("z", {"a": 1.5})
    assert same(c.zrandmember("z"), t("a"))
    assert same(c.zrandmember("z", 3), t(["a"]))
    assert same(c.zrandmember("z", -2, True), [(t("a"), 1.5)] * 2)
    assert same(c.zscan("z"), (0, [(t("a"), 1.5)]))
    assert same(c.zscan("z", 0, match="x*", count=10), (0, []))
    members = {f"m{n}": float(n) for n in range(1000)}
    c.zadd("z", members)
    assert same(dict(c.zscan_iter("z", match="m*", count=100)), t(members))


def test_ranges_of_sorted_sets(c: AnyClient, t: Texts) -> None:
    scored(c)
    assert same(c.zrange("z", 0, -1), t(["a", "b", "c"]))
    assert same(c.zrange("z", 0, 0, desc=True), t(["c"]))
    assert same(c.zrange("z", 0, 1, withscores=True), [(t("a"), 1.0), (t("b"), 2.5)])
    assert same(c.zrange("missing", 0, 1, withscores=True), [])
    assert same(c.zrange("z", "(1", "+inf", byscore=True), t(["b", "c"]))
    assert same(c.zrange("z", 3, 0, byscore=True, desc=True, offset=1, num=1), t(["b"]))
    assert same(c.zrange("z", "[a", "(b", bylex=True), t(["a"]))
    assert same(c.zrevrange("z", 0, 0), t(["c"]))
    assert same(c.zrevrange("z", 0, 0, withscores=True), [(t("c"), 3.0)])
    assert same(c.zrangebyscore("z", 2, 3), t(["b", "c"]))
    assert same(c.zrangebyscore("z", 2, 3, start=0, num=1, withscores=True), [(t("b"), 2.5)])
    assert same(c.zrevrangebyscore("z", 3, 2), t(["c", "b"]))
    assert same(c.zrevrangebyscore("z", 3, 2, start=1, num=1, withscores=True), [(t("b"), 2.5)])
    assert same(c.zcount("z", 2, "inf"), 2)
    assert same(c.zrangestore("d", "z", 0, 1), 2)
    assert same(c.zrangestore("d", "z", 3, 2, byscore=True, desc=True, offset=0, num=5), 2)


def test_ranges_by_members(c: AnyClient, t: Texts) -> None:
    c.zadd("z", dict.fromkeys("abcd", 0))
    assert same(c.zlexcount("z", "-", "+"), 4)
    assert same(c.zrangebylex("z", "[b", "+"), t(["b", "c", "d"]))
    assert same(c.zrangebylex("z", "-", "+", start=1, num=1), t(["b"]))
    assert same(c.zrevrangebylex("z", "+", "[c"), t(["d", "c"]))
    assert same(c.zremrangebylex("z", "[a", "[a"), 1)
    assert same(c.zremrangebyrank("z", 0, 0), 1)
    assert same(c.zremrangebyscore("z", "-inf", 0), 2)


def test_the_ends_of_sorted_sets(c: AnyClient, t: Texts) -> None:
    scored(c)
    assert same(c.zpopmin("z"), [(t("a"), 1.0)])
    assert same(c.zpopmax("z", 5), [(t("c"), 3.0), (t("b"), 2.5)])
    assert same(c.zpopmin("z"), [])
    assert same(c.zpopmax("z", 2), [])
    scored(c)
    assert same(c.zmpop(["x", "z"], min=True), (t("z"), [(t("a"), 1.0)]))
    assert same(c.zmpop("z", max=True, count=2), (t("z"), [(t("c"), 3.0), (t("b"), 2.5)]))
    assert c.zmpop("z", min=True) is None


def test_waiting_for_members_of_sorted_sets(c: AnyClient, t: Texts) -> None:
    scored(c)
    assert same(c.bzpopmin("z", 1), (t("z"), t("a"), 1.0))
    assert same(c.bzpopmax(["x", "z"], 1), (t("z"), t("c"), 3.0))
    assert same(c.bzmpop(1, "z", min=True, count=3), (t("z"), [(t("b"), 2.5)]))
    assert c.bzpopmin("z", 0.01) is None
    assert c.bzpopmax("z", 0.01) is None
    assert c.bzmpop(0.01, "z", max=True) is None


def test_sorted_sets_are_combined(c: AnyClient, t: Texts) -> None:
    scored(c)
    c.zadd("y", {"b": 10, "d": 4})
    assert same(c.zinter(["z", "y"]), t(["b"]))
    assert same(c.zinter({"z": 2, "y": 1}, aggregate="MAX", withscores=True), [(t("b"), 10.0)])
    assert same(c.zunion(["z", "y"]), t(["a", "c", "d", "b"]))
    assert same(c.zunion(["y"], withscores=True), [(t("d"), 4.0), (t("b"), 10.0)])
    assert same(c.zdiff(["z", "y"]), t(["a", "c"]))
    assert same(c.zdiff(["z", "y"], withscores=True), [(t("a"), 1.0), (t("c"), 3.0)])
    assert same(c.zinterstore("d", ["z", "y"]), 1)
    assert same(c.zunionstore("d", {"z": 1, "y": 0.5}, aggregate="MIN"), 4)
    assert same(c.zdiffstore("d", ["z", "y"]), 2)
    assert same(c.zintercard(["z", "y"], limit=5), 1)


def test_places(c: AnyClient, t: Texts) -> None:
    assert same(c.geoadd("g", {"Palermo": PALERMO, "Catania": CATANIA}), 2)
    assert same(c.geoadd("g", {"Palermo": (13.5, 38.0)}, xx=True, ch=True), 1)
    assert same(c.geoadd("g", {"Palermo": PALERMO}, nx=True), 0)
    c.geoadd("g", {"Palermo": PALERMO})
    assert same(c.geodist("g", "Palermo", "Catania"), 166274.1516)
    assert same(c.geodist("g", "Palermo", "Catania", "km"), 166.2742)
    assert c.geodist("g", "Palermo", "Rome") is None
    assert same(c.geohash("g", "Palermo", "Rome"), ["sqc8b49rny0", None])
    palermo, rome = c.geopos("g", "Palermo", "Rome")
    assert palermo == pytest.approx(PALERMO, abs=1e-5)
    assert palermo is not None and types(palermo) == types(PALERMO)
    assert rome is None


def test_places_are_searched(c: AnyClient, t: Texts) -> None:
    c.geoadd("g", {"Palermo": PALERMO, "Catania": CATANIA})
    here: dict[str, Any] = {"longitude": 15, "latitude": 37}
    found = c.geosearch("g", **here, radius=200, unit="km", sort="ASC")
    assert same(found, t(["Catania", "Palermo"]))
    assert same(c.geosearch("g", member="Palermo", width=1, height=1), t(["Palermo"]))
    near = c.geosearch("g", **here, radius=100, unit="km", withdist=True)
    assert same(near, [Place(t("Catania"), 56.4413, None, None)])
    hashed = c.geosearch("g", **here, radius=100, unit="km", withhash=True, count=1, any=True)
    assert same(hashed, [Place(t("Catania"), None, 3479447370796909, None)])
    [full] = c.geosearch(
        "g", **here, radius=100, unit="km", withdist=True, withhash=True, withcoord=True
    )
    assert full.hash == 3479447370796909 and full.distance == 56.4413
    assert full.position == pytest.approx(CATANIA, abs=1e-5)
    plain = c.geosearch("g", **here, radius=100, unit="km", withdist=False)
    assert same(plain, [Place(t("Catania"), None, None, None)])
    assert same(c.geosearchstore("d", "g", **here, radius=200, unit="km", count=1), 1)
    assert same(c.geosearchstore("d", "g", member="Palermo", radius=1, storedist=True), 1)
    assert same(c.zscore("d", "Palermo"), 0.0)
