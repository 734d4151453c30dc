"""Calls with the types that mypy and pyright must find for them; never executed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, assert_type

from kvclient.blocking.commands import Commands as Blocking
from kvclient.commands import Commands as Asynchronous
from kvclient.queued.commands import Commands as Queued
from kvclient.queued.pending import Pending
from kvclient.results import (
    Claimed,
    ClaimedIds,
    CommonSubsequence,
    ConsumerInfo,
    GroupInfo,
    Info,
    PendingEntry,
    PendingSummary,
    Place,
    SlowCommand,
    StreamInfo,
)


def strings(b: Blocking[bytes], s: Blocking[str]) -> None:
    assert_type(b.get("k"), bytes | None)
    assert_type(s.get("k"), str | None)
    assert_type(s.get(b"k"), str | None)
    assert_type(b.set("k", 5), bool)
    assert_type(b.set("k", 5, ex=timedelta(seconds=5), get=True), bytes | None)
    assert_type(s.set("k", 5, px=100, get=True), str | None)
    assert_type(s.mget("a", "b"), list[str | None])
    assert_type(b.mget(["a", "b"]), list[bytes | None])
    assert_type(s.getrange("k", 0, 1), str)
    assert_type(s.incr("k"), int)
    assert_type(s.incrbyfloat("k", 1), float)
    assert_type(s.lcs("a", "b"), str)
    assert_type(s.lcs("a", "b", len=True), int)
    assert_type(s.lcs("a", "b", idx=True), CommonSubsequence)
    assert_type(s.bitfield("k", "GET", "u8", 0), list[int | None])
    mapping: dict[str, int] = {"a": 1}
    assert_type(s.mset(mapping), bool)


def collections(b: Blocking[bytes], s: Blocking[str]) -> None:
    assert_type(b.hgetall("h"), dict[bytes, bytes])
    assert_type(s.hgetall("h"), dict[str, str])
    assert_type(s.hset("h", "f", 1), int)
    assert_type(s.hset("h", mapping={"f": 1, "g": "two"}), int)
    assert_type(s.hmget("h", "f"), list[str | None])
    assert_type(s.hrandfield("h"), str | None)
    assert_type(s.hrandfield("h", 2), list[str])
    assert_type(b.hrandfield("h", 2, withvalues=True), list[tuple[bytes, bytes]])
    assert_type(s.hscan("h"), tuple[int, dict[str, str]])
    assert_type(s.hscan_iter("h"), Iterator[tuple[str, str]])
    assert_type(s.lpop("l"), str | None)
    assert_type(s.lpop("l", 2), list[str])
    assert_type(b.rpop("l", 2), list[bytes])
    assert_type(s.lpos("l", "v"), int | None)
    assert_type(s.lpos("l", "v", count=2), list[int])
    assert_type(b.blpop("l", 1.5), tuple[bytes, bytes] | None)
    assert_type(s.lmpop("l", direction="LEFT"), tuple[str, list[str]] | None)
    assert_type(s.smembers("s"), set[str])
    assert_type(b.spop("s"), bytes | None)
    assert_type(b.spop("s", 2), set[bytes])
    assert_type(b.srandmember("s", 2), list[bytes])
    assert_type(s.sismember("s", "m"), bool)
    assert_type(s.smismember("s", "m"), list[bool])
    assert_type(s.sscan_iter("s"), Iterator[str])


def sorted_sets(b: Blocking[bytes], s: Blocking[str]) -> None:
    assert_type(s.zadd("z", {"a": 1}), int)
    assert_type(s.zadd("z", {b"a": 1.5}, incr=True), float | None)
    assert_type(s.zrange("z", 0, -1), list[str])
    assert_type(b.zrange("z", 0, -1, withscores=True), list[tuple[bytes, float]])
    assert_type(s.zunion(["a", "b"]), list[str])
    assert_type(s.zunion({"a": 1, "b": 2.5}, withscores=True), list[tuple[str, float]])
    assert_type(s.zscore("z", "m"), float | None)
    assert_type(s.zmscore("z", "m"), list[float | None])
    assert_type(s.zrank("z", "m"), int | None)
    assert_type(s.zpopmin("z"), list[tuple[str, float]])
    assert_type(b.bzpopmin("z"), tuple[bytes, bytes, float] | None)
    assert_type(s.zmpop("z", min=True), tuple[str, list[tuple[str, float]]] | None)
    assert_type(s.zscan_iter("z"), Iterator[tuple[str, float]])
    assert_type(s.geopos("g", "m"), list[tuple[float, float] | None])
    assert_type(s.geosearch("g", member="m", radius=5), list[str])
    assert_type(b.geosearch("g", member="m", radius=5, withdist=True), list[Place[bytes]])
    assert_type(s.geohash("g", "m"), list[str | None])


def streams(b: Blocking[bytes], s: Blocking[str]) -> None:
    assert_type(s.xadd("s", {"f": 1}), str)
    assert_type(b.xadd("s", {"f": 1}, nomkstream=True), bytes | None)
    assert_type(b.xrange("s"), list[tuple[bytes, dict[bytes, bytes]]])
    assert_type(s.xread({"s": "$"}, block=5), dict[str, list[tuple[str, dict[str, str]]]])
    assert_type(s.xreadgroup("g", "c", {"s": ">"}), dict[str, list[tuple[str, dict[str, str]]]])
    assert_type(s.xclaim("s", "g", "c", 5, ["1-0"]), list[tuple[str, dict[str, str]]])
    assert_type(s.xclaim("s", "g", "c", 5, ["1-0"], justid=True), list[str])
    assert_type(s.xautoclaim("s", "g", "c", 5), Claimed[str])
    assert_type(s.xautoclaim("s", "g", "c", 5, justid=True), ClaimedIds[str])
    assert_type(s.xpending("s", "g"), PendingSummary[str])
    assert_type(s.xpending("s", "g").consumers, dict[str, int])
    assert_type(b.xpending_range("s", "g", count=5), list[PendingEntry[bytes]])
    assert_type(b.xinfo_stream("s"), StreamInfo[bytes])
    assert_type(b.xinfo_groups("s"), list[GroupInfo[bytes]])
    assert_type(b.xinfo_consumers("s", "g"), list[ConsumerInfo[bytes]])


def others(b: Blocking[bytes], s: Blocking[str]) -> None:
    assert_type(b.type("k"), str)
    assert_type(s.expire("k", 5), bool)
    assert_type(s.scan(), tuple[int, list[str]])
    assert_type(b.scan_iter(), Iterator[bytes])
    assert_type(s.sort("l"), list[str | None])
    assert_type(s.sort("l", store="d"), int)
    assert_type(b.dump("k"), bytes | None)
    s.dump("k")  # type: ignore[misc]  # pyright: ignore
    assert_type(s.eval("return 1"), Any)
    assert_type(b.config_get("port"), dict[str, str])
    assert_type(b.info(), Info)
    assert_type(b.time(), tuple[int, int])
    assert_type(b.slowlog_get(), list[SlowCommand[bytes]])
    assert_type(b.pubsub_numsub("ch"), dict[bytes, int])


async def asynchronous(b: Asynchronous[bytes], s: Asynchronous[str]) -> None:
    assert_type(await b.get("k"), bytes | None)
    assert_type(await s.set("k", "v", nx=True), bool)
    assert_type(await s.set("k", "v", get=True), str | None)
    assert_type(await s.hgetall("h"), dict[str, str])
    assert_type(await s.lpop("l", 2), list[str])
    assert_type(await s.zrange("z", 0, -1, withscores=True), list[tuple[str, float]])
    assert_type(await s.sort("l", store="d"), int)
    assert_type(s.scan_iter(), AsyncIterator[str])
    async for key, value in b.hscan_iter("h"):
        assert_type((key, value), tuple[bytes, bytes])


def queued(b: Queued[bytes], s: Queued[str]) -> None:
    assert_type(b.get("k"), Pending[bytes | None])
    assert_type(b.get("k").value, bytes | None)
    assert_type(s.set("k", "v"), Pending[bool])
    assert_type(s.zrange("z", 0, -1, withscores=True).value, list[tuple[str, float]])
    assert_type(s.lpop("l", 2), Pending[list[str]])


def wrong(s: Blocking[str]) -> None:
    s.set("k", None)  # type: ignore[call-overload]  # pyright: ignore
    s.set("k", ["v"])  # type: ignore[call-overload]  # pyright: ignore
    s.get({"k": "v"})  # type: ignore[arg-type]  # pyright: ignore
    s.lmove("a", "b", "UP")  # type: ignore[arg-type]  # pyright: ignore
    s.zadd("z", {"a": "one"})  # type: ignore[dict-item]  # pyright: ignore
    s.set("k", "v", foo=1)  # type: ignore[call-overload]  # pyright: ignore
