"""Methods on streams and their consumer groups."""

from __future__ import annotations

import time

import pytest

from kvclient.errors import BusyKeyError
from kvclient.results import (
    Claimed,
    ClaimedIds,
    GroupInfo,
    PendingEntry,
    PendingSummary,
    StreamInfo,
)

from .conftest import Texts
from .exactness import same
from .transport import AnyClient


def three_entries(c: AnyClient) -> None:
    for n in (1, 2, 3):
        c.xadd("s", {"n": n}, f"{n}-0")


def test_entries_are_added_and_read(c: AnyClient, t: Texts) -> None:
    assert same(c.xadd("s", {"f": "v"}, "1-1"), t("1-1"))
    assert type(c.xadd("s", {"f": "v", "g": 1})) is type(t(""))
    assert c.xadd("missing", {"f": "v"}, nomkstream=True) is None
    assert same(c.xlen("s"), 2)
    assert same(c.xrange("s", count=1), [(t("1-1"), t({"f": "v"}))])
    assert same(c.xrange("s", "1-1", "1-1"), [(t("1-1"), t({"f": "v"}))])
    assert same(c.xrange("missing"), [])
    assert same(c.xrevrange("s")[-1], (t("1-1"), t({"f": "v"})))
    assert same(c.xrevrange("s", "1-1", count=5), [(t("1-1"), t({"f": "v"}))])
    assert same(c.xdel("s", "1-1", "9-9"), 1)


def test_streams_are_trimmed(c: AnyClient) -> None:
    three_entries(c)
    assert same(c.xtrim("s", maxlen=2, approximate=False), 1)
    assert same(c.xtrim("s", minid="3-0", approximate=False), 1)
    assert type(c.xtrim("s", maxlen=0, limit=100)) is int
    c.xadd("s", {"n": 4}, "4-0", maxlen=1, approximate=False)
    assert same(c.xlen("s"), 1)
    c.xadd("s", {"n": 5}, "5-0", minid="5-0", approximate=False)
    assert same(c.xlen("s"), 1)


def test_new_entries_are_read_from_several_streams(c: AnyClient, t: Texts) -> None:
    three_entries(c)
    c.xadd("u", {"f": "v"}, "7-0")
    found = c.xread({"s": "2-0", "u": 0, "missing": 0})
    assert same(found, {t("s"): [(t("3-0"), t({"n": "3"}))], t("u"): [(t("7-0"), t({"f": "v"}))]})
    assert same(c.xread({"s": "9"}), {})
    assert same(c.xread({"s": "0"}, count=1, block=1000), {t("s"): [(t("1-0"), t({"n": "1"}))]})
    assert same(c.xread({"s": "$"}, block=10), {})


def test_groups_are_made_and_described(c: AnyClient, t: Texts) -> None:
    three_entries(c)
    assert c.xgroup_create("s", "g", "0") is True
    with pytest.raises(BusyKeyError):
        c.xgroup_create("s", "g")
    assert c.xgroup_create("new", "g", mkstream=True, entries_read=0) is True
    assert c.xgroup_createconsumer("s", "g", "bob") is True
    assert c.xgroup_createconsumer("s", "g", "bob") is False
    assert same(c.xinfo_groups("s"), [GroupInfo(t("g"), 1, 0, t("0-0"), None, 3)])
    assert c.xgroup_setid("s", "g", "2-0", entries_read=2) is True
    assert same(c.xinfo_groups("s"), [GroupInfo(t("g"), 1, 0, t("2-0"), 2, 1)])
    c.xreadgroup("g", "bob", {"s": ">"})
    [bob] = c.xinfo_consumers("s", "g")
    assert same(bob[:2], (t("bob"), 1)) and type(bob.idle) is int
    assert same(c.xgroup_delconsumer("s", "g", "bob"), 1)
    assert c.xgroup_destroy("s", "g") is True
    assert c.xgroup_destroy("s", "g") is False


def test_streams_are_described(c: AnyClient, t: Texts) -> None:
    three_entries(c)
    c.xdel("s", "1-0")
    c.xgroup_create("s", "g", "0")
    c.xreadgroup("g", "bob", {"s": ">"}, count=1)
    first, last = (t("2-0"), t({"n": "2"})), (t("3-0"), t({"n": "3"}))
    expected = StreamInfo(2, 1, 2, 1, t("3-0"), t("1-0"), 3, t("2-0"), first, last)
    assert same(c.xinfo_stream("s"), expected)
    full = c.xinfo_stream_full("s", count=1)
    assert same(full["entries"], [first])
    [group] = full["groups"]
    assert same(group["name"], t("g")) and same(group["pel-count"], 1)
    [bob] = group["consumers"]
    assert same(bob["name"], t("bob"))
    c.xtrim("s", maxlen=0, approximate=False)
    assert c.xinfo_stream("s").first_entry is None


def test_entries_are_pending_until_acknowledged(c: AnyClient, t: Texts) -> None:
    three_entries(c)
    c.xgroup_create("s", "g", "0")
    assert same(c.xpending("s", "g"), PendingSummary(0, None, None, {}))
    assert same(
        c.xreadgroup("g", "bob", {"s": ">"}, count=2),
        {t("s"): [(t("1-0"), t({"n": "1"})), (t("2-0"), t({"n": "2"}))]},
    )
    assert same(
        c.xreadgroup("g", "bob", {"s": ">"}, block=1000, noack=True),
        {t("s"): [(t("3-0"), t({"n": "3"}))]},
    )
    assert same(c.xreadgroup("g", "bob", {"s": ">"}, block=10), {})
    assert same(c.xreadgroup("g", "bob", {"s": ">"}), {})
    summary = PendingSummary(2, t("1-0"), t("2-0"), {t("bob"): 2})
    assert same(c.xpending("s", "g"), summary)
    [first, second] = c.xpending_range("s", "g", count=10)
    assert same(first, PendingEntry(t("1-0"), t("bob"), first.idle_ms, 1))
    assert type(first.idle_ms) is int
    [again] = c.xpending_range("s", "g", min="2-0", max="3-0", count=1, consumer="bob", idle=0)
    assert again.id == second.id
    assert same(c.xpending_range("s", "g", count=1, idle=100000), [])
    c.xdel("s", "1-0")
    history = c.xreadgroup("g", "bob", {"s": "0"})
    assert same(history, {t("s"): [(t("1-0"), {}), (t("2-0"), t({"n": "2"}))]})
    assert same(c.xack("s", "g", "1-0", "9-0"), 1)


def test_entries_are_claimed(c: AnyClient, t: Texts) -> None:
    three_entries(c)
    c.xgroup_create("s", "g", "0")
    c.xreadgroup("g", "bob", {"s": ">"})
    one = (t("1-0"), t({"n": "1"}))
    assert same(c.xclaim("s", "g", "eve", 0, ["1-0"]), [one])
    assert same(c.xclaim("s", "g", "eve", 0, ("1-0", "2-0"), justid=True), t(["1-0", "2-0"]))
    assert same(c.xclaim("s", "g", "eve", 100000, ["1-0"]), [])
    now = int(time.time() * 1000)
    assert same(c.xclaim("s", "g", "eve", 0, ["1-0"], time=now - 5000, retrycount=7), [one])
    assert c.xpending_range("s", "g", count=1)[0].deliveries == 7
    assert same(c.xclaim("s", "g", "eve", 0, ["1-0"], idle=9000, force=True), [one])
    assert same(c.xautoclaim("s", "g", "sam", 0, count=1), Claimed(t("2-0"), [one], []))
    c.xdel("s", "3-0")
    ids = c.xautoclaim("s", "g", "sam", 0, "2-0", justid=True)
    assert same(ids, ClaimedIds(t("0-0"), t(["2-0"]), t(["3-0"])))
