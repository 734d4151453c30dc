"""Methods on strings, bitmaps and HyperLogLogs."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from kvclient.errors import ReplyError, WrongTypeError
from kvclient.results import CommonRun, CommonSubsequence

from .conftest import Texts
from .exactness import same
from .transport import AnyClient

LATER = 4102444800  # 2100


def test_a_string_is_set_read_and_taken(c: AnyClient, t: Texts) -> None:
    assert c.get("k") is None
    assert c.set("k", "v") is True
    assert same(c.get("k"), t("v"))
    assert c.set("k", "w", nx=True) is False
    assert c.set("other", "w", xx=True) is False
    assert same(c.set("k", "w", get=True), t("v"))
    assert c.set("new", 1, get=True) is None
    assert same(c.getset("k", "x"), t("w"))
    assert same(c.getdel("k"), t("x"))
    assert c.getdel("k") is None
    assert c.setnx("k", "v") is True
    assert c.setnx("k", "v") is False


def test_a_string_expires_as_the_options_say(c: AnyClient, t: Texts) -> None:
    minute = timedelta(minutes=1)
    lifetimes: list[dict[str, Any]] = [{"ex": 100}, {"ex": 99.5}, {"px": 100000}, {"ex": minute}]
    for options in lifetimes:
        c.set("k", "v", **options)
        assert 59000 < c.pttl("k") <= 100000
    c.set("k", "w", keepttl=True)
    assert c.pttl("k") > 0
    c.set("k", "v", exat=LATER)
    assert c.expiretime("k") == LATER
    c.set("k", "v", pxat=LATER * 1000 + 1)
    assert c.pexpiretime("k") == LATER * 1000 + 1
    c.set("k", "v", exat=datetime.fromtimestamp(LATER))
    assert c.expiretime("k") == LATER
    assert same(c.getex("k", persist=True), t("v"))
    assert c.ttl("k") == -1
    assert same(c.getex("k", px=timedelta(seconds=50)), t("v"))
    assert 0 < c.ttl("k") <= 50
    assert c.getex("missing", ex=1) is None
    assert c.setex("k", 100, "v") is True
    assert c.psetex("k", 100000, "v") is True
    assert c.setex("k", 0.25, "v") is True
    assert 0 < c.pttl("k") <= 250


def test_numbers_grow_and_shrink(c: AnyClient) -> None:
    assert same(c.incr("n"), 1)
    assert same(c.incr("n", 5), 6)
    assert same(c.incrby("n", 4), 10)
    assert same(c.decr("n"), 9)
    assert same(c.decrby("n", 10), -1)
    assert same(c.incrbyfloat("n", 2.5), 1.5)
    assert same(c.incrbyfloat("n", 1.5), 3.0)


def test_several_strings_at_once(c: AnyClient, t: Texts) -> None:
    assert c.mset({"a": 1, "b": "two", b"c": 2.5}) is True
    assert same(c.mget("a", "x", "c"), t(["1", None, "2.5"]))
    assert same(c.mget(["a", "b"]), t(["1", "two"]))
    assert c.msetnx({"a": 1, "d": 2}) is False
    assert c.msetnx({"d": 1, "e": 2}) is True


def test_parts_of_strings(c: AnyClient, t: Texts) -> None:
    assert same(c.append("k", "hello"), 5)
    assert same(c.append("k", " you"), 9)
    assert same(c.getrange("k", 0, -5), t("hello"))
    assert same(c.getrange("missing", 0, 1), t(""))
    assert same(c.setrange("k", 6, "me."), 9)
    assert same(c.get("k"), t("hello me."))
    assert same(c.strlen("k"), 9)
    assert same(c.strlen("missing"), 0)


def test_the_longest_common_subsequence(c: AnyClient, t: Texts) -> None:
    c.mset({"a": "ohmytext", "b": "mynewtext"})
    assert same(c.lcs("a", "b"), t("mytext"))
    assert same(c.lcs("a", "b", len=True), 6)
    runs = [((4, 7), (5, 8)), ((2, 3), (0, 1))]
    plain = [CommonRun(first, second, None) for first, second in runs]
    assert same(c.lcs("a", "b", idx=True), CommonSubsequence(plain, 6))
    long = [CommonRun(*runs[0], 4)]
    assert same(
        c.lcs("a", "b", idx=True, minmatchlen=3, withmatchlen=True), CommonSubsequence(long, 6)
    )


def test_bits(c: AnyClient) -> None:
    assert same(c.setbit("k", 7, 1), 0)
    assert same(c.getbit("k", 7), 1)
    c.set("k", "foobar")
    assert same(c.bitcount("k"), 26)
    assert same(c.bitcount("k", 1, 1), 6)
    assert same(c.bitcount("k", 5, 30, "BIT"), 17)
    assert same(c.bitpos("k", 1), 1)
    assert same(c.bitpos("k", 0, 2), 16)
    assert same(c.bitpos("k", 1, 2, -1, "BYTE"), 17)
    c.set("other", "abcdef")
    assert same(c.bitop("AND", "dest", "k", "other"), 6)
    assert same(c.bitop("NOT", "dest", "k"), 6)
    grown = c.bitfield("f", "INCRBY", "u2", 100, 3, "OVERFLOW", "FAIL", "INCRBY", "u2", 100, 1)
    assert same(grown, [3, None])
    assert same(c.bitfield_ro("f", "GET", "u2", 100), [3])


def test_distinct_elements_are_counted(c: AnyClient) -> None:
    assert c.pfadd("h", "a", "b") is True
    assert c.pfadd("h", "a") is False
    c.pfadd("i", "c")
    assert same(c.pfcount("h"), 2)
    assert same(c.pfcount(["h", "i"]), 3)
    assert same(c.pfcount("h", "i"), 3)
    assert c.pfmerge("j", "h", "i") is True
    assert same(c.pfcount("j"), 3)


def test_an_error_reply_is_an_exception_of_its_kind(c: AnyClient) -> None:
    c.rpush("l", 1)
    with pytest.raises(WrongTypeError) as error:
        c.get("l")
    assert error.value.code == "WRONGTYPE"
    with pytest.raises(ReplyError):
        c.setrange("k", -1, "v")


def test_a_deadline_as_datetime_and_as_timedelta(c: AnyClient) -> None:
    c.set("k", "v")
    assert c.expire("k", timedelta(milliseconds=99500)) is True
    assert 90000 < c.pttl("k") <= 99500
    when = int(time.time()) + 50.5
    assert c.expireat("k", when) is True
    assert same(c.pexpiretime("k"), int(when * 1000))
