"""What the tests of SSCAN, HSCAN and ZSCAN have in common: cursors, patterns, odd options."""

from __future__ import annotations

from collections.abc import Sequence

from .harness import Pair

CURSORS = ["0", "abc", "-1", "1.5", "", "99999999999999999999999", " 0"]


def same_walks(pair: Pair, command: str, keys: Sequence[str], letter: str) -> None:
    """Walk over keys whose elements are named `letter` and a number."""
    for key in keys:
        for cursor in CURSORS:
            pair.same(command, key, cursor)
        pair.same_scan(command, key)
        pair.same_scan(command, key, "COUNT", 100)
        pair.same_scan(command, key, "COUNT", 1)
        pair.same_scan(command, key, "MATCH", f"{letter}1*")
        pair.same_scan(command, key, "match", "*9", "count", 7)
        pair.same_scan(command, key, "MATCH", "0*", "COUNT", 10000)
        pair.same_scan(command, key, "MATCH", f"{letter}1", "MATCH", f"{letter}2")
        pair.same_scan(command, key, "MATCH", "*")


def same_options(pair: Pair, command: str, keys: Sequence[str], letter: str) -> None:
    """Options that are refused, repeated, or at their limits, behind a right and a wrong cursor."""
    for options in (
        *("COUNT", "COUNT 0", "COUNT -1", "COUNT abc", "COUNT 9223372036854775807"),
        *("MATCH", f"MATCH {letter}* COUNT", f"COUNT 5 MATCH {letter}1"),
        *("BOGUS", "BOGUS 1", "TYPE hash", "TYPE zset", "NOVALUES", "WITHSCORES"),
    ):
        for key in keys:
            pair.same(command, key, 0, *options.split())
            pair.same(command, key, "abc", *options.split())
