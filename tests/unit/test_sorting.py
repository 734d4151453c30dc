"""SORT with STORE gives one result for equal data, however a set lies in memory."""

from __future__ import annotations

import pytest

from .engine import Engine

MEMBERS = [b"c", b"a", b"d", b"b", b"e"]


@pytest.mark.parametrize("members", [MEMBERS, MEMBERS[::-1], sorted(MEMBERS)])
@pytest.mark.parametrize("by", [b"w_*", b"nosort", b"missing_*"])
def test_what_is_stored_does_not_depend_on_the_order_of_a_set(
    members: list[bytes], by: bytes
) -> None:
    engine = Engine()
    engine.send([b"SADD", b"s", *members])
    engine.send([b"MSET", b"w_a", b"2", b"w_b", b"1", b"w_c", b"1", b"w_d", b"1", b"w_e", b"1"])
    engine.send([b"SORT", b"s", b"BY", by, b"ALPHA", b"STORE", b"out"])
    first = [b"b", b"c", b"d", b"e", b"a"] if by == b"w_*" else sorted(MEMBERS)
    assert engine.dump()[0, b"out"] == (b"list", first, -1)
