"""SCAN, SSCAN, HSCAN and ZSCAN return what redis-server returns: every option, valid and not."""

from __future__ import annotations

from .harness import Pair, words
from .test_generic import PAST_S, fill


def test_scan_returns_every_key_with_every_filter(pair: Pair) -> None:
    fill(pair)
    for i in range(500):
        pair.same("SET", f"key:{i}", i)
    filters = [
        *("", "COUNT 1", "COUNT 7", "COUNT 1000", "MATCH key:1*", "MATCH nothing*", "TYPE string"),
        *("TYPE list", "TYPE zset", "TYPE STRING", "TYPE nonsense", "type set match *set count 5"),
        *("MATCH * MATCH key:2*", "COUNT 3 COUNT 50", "MATCH key:[0-3]? COUNT 100"),
    ]
    for form in filters:
        pair.same_scan("SCAN", *form.split())


def test_scan_refuses_malformed_requests(pair: Pair) -> None:
    pair.same_script("""
        SET k v
        SCAN
        SCAN abc
        SCAN -1
        SCAN ""
        SCAN 99999999999999999999
        SCAN 18446744073709551615
        SCAN 0 COUNT
        SCAN 0 COUNT 0
        SCAN 0 COUNT -1
        SCAN 0 COUNT abc
        SCAN 0 MATCH
        SCAN 0 TYPE
        SCAN 0 BOGUS
        SCAN 0 BOGUS x
        SCAN 0 COUNT 10 BOGUS
        SCAN 0 COUNT 9223372036854775807
        SSCAN k 0
        HSCAN k 0
        ZSCAN k 0
        SSCAN missing 0
        SSCAN missing abc
        SSCAN missing 0 TYPE string
        HSCAN
        HSCAN k
        SADD s a
        SSCAN s 0 COUNT 0
        SSCAN s 0 NOVALUES
        SSCAN s 5 BOGUS
        SCAN 0
    """)


def test_container_scans_return_every_element(pair: Pair) -> None:
    fill(pair)
    for command, key in (
        *(("SSCAN", "set"), ("SSCAN", "intset"), ("SSCAN", "bigset"), ("SSCAN", "strset")),
        *(("HSCAN", "hash"), ("HSCAN", "bighash"), ("ZSCAN", "zset"), ("ZSCAN", "bigzset")),
        *(("SSCAN", "missing"), ("HSCAN", "missing"), ("ZSCAN", "missing")),
    ):
        for form in ("", "COUNT 3", "MATCH *1*", "MATCH m?", "COUNT 500 MATCH x2*"):
            pair.same_scan(command, key, *form.split())


def test_scan_of_many_keys_with_one_hash_tag(pair: Pair) -> None:
    names = [f"{{tag}}{i}" for i in range(3000)]
    for start in range(0, 3000, 500):
        pair.same("MSET", *[word for name in names[start : start + 500] for word in (name, "v")])
    pair.same("SADD", "{tag}set", 1)
    pair.same("SET", "other", 1)
    for form in (
        *("", "COUNT 1", "COUNT 5000", "MATCH {tag}1*", "MATCH {tag}* COUNT 1000", "TYPE set"),
        *("MATCH *9", "MATCH {tag}77", "MATCH {ta?}77 COUNT 20000"),
    ):
        pair.same_scan("SCAN", *form.split())
    for name in names[::2]:
        pair.same("DEL", name)
    for name in names[1::100]:
        pair.same("EXPIREAT", name, PAST_S)
    assert len(pair.same_scan("SCAN", "COUNT", 30)) == 1500 - 30 + 2


def test_scan_leaves_out_expired_keys(pair: Pair) -> None:
    for i in range(50):
        pair.same("SET", f"stays:{i}", i, "EX", 1000)
        pair.same("SET", f"goes:{i}", i, "PX", 1)
    pair.same("DEBUG", "SLEEP", "0.01")
    assert len(pair.same_scan("SCAN")) == 50
    pair.same_scan("SCAN", "TYPE", "string", "MATCH", "*1*")
    pair.same("DBSIZE")


def test_scan_of_an_empty_database_and_of_another_one(pair: Pair) -> None:
    assert pair.same_scan("SCAN") == []
    pair.same("SET", "a", 1)
    pair.same("SELECT", 3)
    assert pair.same_scan("SCAN") == []
    pair.same("SET", "b", 1)
    assert pair.same_scan("SCAN", "COUNT", 100) == [b"b"]


def test_scan_takes_cursors_that_nobody_gave_out(pair: Pair) -> None:
    for cursor in words("1 5 1023 1024 16383 16384 99999999 9223372036854775807"):
        pair.same_shape("SCAN", cursor, "MATCH", "nothing")
        pair.same_shape("SCAN", cursor, "COUNT", 100000)
    pair.same("SET", "k", 1)
    for cursor in words("9223372036854775808 18446744073709551614"):
        ours, _ = pair.both("SCAN", cursor)
        assert ours.kind == "array"
