"""When freed memory is given back to the system."""

from __future__ import annotations

import sys

import pytest

from kvnode.trimming import Trimming, bytes_at_end, heap_trimmer, keep_freed_memory

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
    trimming = Trimming(Resident(400), Resident(0))
    limit = 1000 * MEGABYTE if limited else 0
    assert trimming.tick(100.0, used * MEGABYTE, limit) == tried
    assert trimming.trims == int(tried)


def test_a_trim_that_brought_nothing_is_tried_less_and_less_often() -> None:
    resident = Resident(400)
    trimming = Trimming(resident, Resident(0))
    used, limit = 100 * MEGABYTE, 1000 * MEGABYTE
    tried = [second for second in range(1, 200) if trimming.tick(float(second), used, limit)]
    assert tried[:6] == [1, 3, 7, 15, 31, 63]
    assert tried[-1] - tried[-2] == 60
    resident.megabytes = 90
    assert not trimming.tick(300.0, used, limit)
    resident.megabytes = 400
    assert trimming.tick(301.0, used, limit)
    assert trimming.tick(303.0, used, limit)


def test_what_the_process_keeps_beyond_the_limit_counts_as_used_until_it_fits() -> None:
    resident = Resident(120)
    trimming = Trimming(resident, Resident(0))
    limit = 120 * MEGABYTE  # the process may take 130 + 8

    def looked(now: float, used: int) -> int:
        trimming.tick(now, used * MEGABYTE, limit)
        return trimming.unreturned // MEGABYTE

    assert looked(0.0, 120) == 0
    resident.megabytes = 150
    assert looked(1.0, 120) == 2, "a fiftieth of the limit at once"
    assert looked(1.02, 117) == 2, "the next look comes a little later"
    assert looked(1.2, 120) == 2, "the eviction for the first part is not through"
    now = 2.0
    for _ in range(9):
        now += 0.2
        looked(now, 90)
    assert round(trimming.unreturned / MEGABYTE) == 24
    resident.megabytes = 138
    assert looked(5.0, 96) == 23, "there is neither too much nor room"
    resident.megabytes = 118
    assert looked(6.0, 96) == 18
    assert looked(7.0, 101) == 13
    resident.megabytes = 1000
    for _ in range(40):
        now += 0.2
        looked(now + 10.0, 50)
    assert trimming.unreturned == 60 * MEGABYTE, "never more than half of the limit"
    trimming.tick(70.0, 50 * MEGABYTE, 0)
    assert trimming.unreturned == 0


def test_what_the_process_kept_before_the_limit_was_set_does_not_count() -> None:
    resident = Resident(200)
    trimming = Trimming(resident, Resident(0))
    limit = 120 * MEGABYTE
    for second in range(1, 10):
        trimming.tick(float(second), 110 * MEGABYTE, limit)
    assert trimming.unreturned == 0, "130 and the 90 that were there"
    resident.megabytes = 230
    trimming.tick(20.0, 110 * MEGABYTE, limit)
    assert trimming.unreturned > 0


def test_what_was_freed_is_kept_for_some_seconds_and_given_back_in_steps() -> None:
    resident = Resident(100)
    at_end = Resident(0)
    trimming = Trimming(resident, at_end)
    used = 80 * MEGABYTE
    assert not trimming.tick(50.0, used, 0)
    resident.megabytes, at_end.megabytes = 400, 200
    assert next(second for second in range(51, 60) if trimming.tick(float(second), used, 0)) == 55
    trimming = Trimming(resident, at_end)
    steps = 0
    now = 50.0
    while at_end.megabytes > 0:
        assert trimming.tick(now, used, 0)
        steps += 1
        now += 5.0
        at_end.megabytes = max(at_end.megabytes - 32, 0)
        resident.megabytes -= 32
        assert trimming.trims == steps
    assert steps == 7


def test_the_free_end_of_the_heap_is_known() -> None:
    if sys.platform == "linux":
        keep_freed_memory()
        block = bytes(8 * MEGABYTE)
        del block
        assert bytes_at_end() > 0


def test_the_call_exists_where_the_c_library_is_glibc() -> None:
    if sys.platform == "linux":
        trim = heap_trimmer()
        assert trim is not None
        assert trim(0) in (0, 1)


def test_what_shuffles_use_is_no_reason_to_trim_and_its_end_is() -> None:
    resident = Resident(400)
    trimming = Trimming(resident, Resident(0))
    used, shuffles = 50 * MEGABYTE, 300 * MEGABYTE
    assert not trimming.tick(1.0, used, 0, shuffles)
    resident.megabytes = 350
    assert not trimming.tick(2.0, used, 40 * MEGABYTE, shuffles)
    assert trimming.unreturned == 0
    resident.megabytes = 400
    for second in range(3, 40):
        trimming.tick(float(second), used, 0, shuffles // 2)
    assert not trimming.tick(40.0, used, 0, shuffles // 2)  # it brought nothing so far
    assert trimming.tick(41.0, used, 0, 0)
