"""When freed memory is given back to the system."""

from __future__ import annotations

import sys

import pytest

from kvnode.trimming import Trimming, heap_trimmer

MEGABYTE = 1 << 20


class Resident:
    """The resident memory that a test sets."""

    def __init__(self, megabytes: int) -> None:
        self.megabytes = megabytes

    def __call__(self) -> int:
        return self.megabytes * MEGABYTE


pytestmark = pytest.mark.skipif(heap_trimmer() is None, reason="the C library cannot trim")


@pytest.mark.parametrize(
    ("used", "limited", "tried"),
    [
        (300, False, False),
        (250, False, False),
        (240, False, True),
        (100, False, True),
        (380, True, False),
        (366, True, False),
        (364, True, True),
    ],
)
def test_memory_is_given_back_when_much_more_is_resident_than_used(
    used: int, limited: bool, tried: bool
) -> None:
    trimming = Trimming(Resident(400))
    assert trimming.tick(100.0, used * MEGABYTE, limited) == tried
    assert trimming.trims == int(tried)


def test_a_trim_that_brought_nothing_is_tried_less_and_less_often() -> None:
    resident = Resident(400)
    trimming = Trimming(resident)
    tried = [
        second for second in range(1, 200) if trimming.tick(float(second), 100 * MEGABYTE, True)
    ]
    assert tried[:6] == [1, 3, 7, 15, 31, 63]
    assert tried[-1] - tried[-2] == 60
    resident.megabytes = 90
    assert not trimming.tick(300.0, 100 * MEGABYTE, True)
    resident.megabytes = 400
    assert trimming.tick(301.0, 100 * MEGABYTE, True)
    assert trimming.tick(303.0, 100 * MEGABYTE, True)


def test_the_call_exists_where_the_c_library_is_glibc() -> None:
    if sys.platform == "linux":
        trim = heap_trimmer()
        assert trim is not None
        assert trim(0) in (0, 1)
