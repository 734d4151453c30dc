"""When freed memory is given back to the system."""

from __future__ import annotations

import subprocess
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


class Heap:
    """A heap whose free memory lies at its end, in megabytes; it keeps what trims were told."""

    def __init__(self, resident: int, at_end: int) -> None:
        self.resident = resident
        self.at_end = at_end
        self.kept: list[int] = []
        self.gives = True

    def trim(self, kept: int) -> int:
        self.kept.append(kept // MEGABYTE)
        if self.gives:
            self.resident -= self.at_end - self.kept[-1]
            self.at_end = self.kept[-1]
        return 1

    def free(self, megabytes: int) -> None:
        """Free what lies at the end, of which the system sees nothing."""
        self.at_end += megabytes


def trimming_of(heap: Heap) -> Trimming:
    """What looks at this heap."""
    return Trimming(
        lambda: heap.resident * MEGABYTE, lambda: heap.at_end * MEGABYTE, lambda: heap.trim
    )


def ticked(trimming: Trimming, since: int, seconds: int, used: int, **rest: int) -> list[int]:
    """The seconds at which something was given back, with ten ticks in each."""
    rest = {name: size * MEGABYTE for name, size in rest.items()}
    limit = rest.pop("limit", 0)
    return [
        tick // 10
        for tick in range(since * 10, (since + seconds) * 10)
        if trimming.tick(tick / 10, used * MEGABYTE, limit, **rest)
    ]


def test_what_was_freed_is_kept_for_some_seconds_and_given_back_in_steps() -> None:
    heap = Heap(400, 0)
    trimming = trimming_of(heap)
    assert ticked(trimming, 50, 1, 380) == []
    heap.free(200)
    assert ticked(trimming, 51, 4, 80) == []
    assert set(ticked(trimming, 55, 5, 80)) == {55}
    assert heap.kept == [168, 136, 104, 72, 40, 8, 0]
    assert heap.resident == 200
    assert ticked(trimming, 60, 20, 180) == []


def test_steps_that_bring_nothing_are_taken_less_and_less_often() -> None:
    heap = Heap(400, 200)
    heap.gives = False
    assert len(ticked(trimming_of(heap), 100, 100, 80)) < 8


def test_what_a_shuffle_no_longer_uses_is_given_back_beside_a_large_dataset() -> None:
    heap = Heap(11_000, 0)
    trimming = trimming_of(heap)
    assert ticked(trimming, 10, 5, 7_900, beside=3_000) == []
    heap.free(3_000)
    assert ticked(trimming, 15, 4, 7_900) == []
    ticked(trimming, 19, 60, 7_900)
    assert heap.resident == 8_000
    assert ticked(trimming, 80, 60, 7_900) == []


def test_within_a_limit_memory_goes_back_in_steps_and_beyond_it_at_once() -> None:
    heap = Heap(400, 0)
    trimming = trimming_of(heap)
    assert ticked(trimming, 10, 1, 380, limit=1_000) == []
    heap.free(100)
    ticked(trimming, 11, 3, 280, limit=1_000)
    assert heap.kept == [68, 36, 4]
    heap = Heap(990, 0)
    trimming = trimming_of(heap)
    assert ticked(trimming, 10, 1, 980, limit=1_000) == []
    heap.resident = 1_200
    heap.free(200)
    ticked(trimming, 11, 1, 980, limit=1_000)
    assert heap.kept == [0]


def test_what_was_kept_when_the_limit_was_set_counts_once_it_was_given_back() -> None:
    heap = Heap(2_200, 2_000)
    trimming = trimming_of(heap)
    ticked(trimming, 10, 10, 150, limit=1_000)
    assert heap.resident == 200
    heap.resident = 3_000
    ticked(trimming, 20, 10, 1_000, limit=1_000)
    assert trimming.unreturned > 0


def test_the_free_end_of_the_heap_is_known() -> None:
    if sys.platform == "linux":
        # In a process of its own: how the heap is kept is for all of a process.
        code = (
            "from kvnode.trimming import bytes_at_end, keep_freed_memory\n"
            "keep_freed_memory()\n"
            "blocks = [bytes(1 << 20) for _ in range(8)]\n"
            "before = bytes_at_end()\n"
            "del blocks\n"
            "print(bytes_at_end() - before)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert int(done.stdout) >= 7 * MEGABYTE


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
