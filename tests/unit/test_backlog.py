"""The backlog: what is kept of the stream, across the borders of its blocks."""

from __future__ import annotations

from random import Random

import pytest

from kvnode.replication.backlog import BLOCK_BYTES, Backlog

ALL = 1 << 40


def counted(size: int, first: int = 0) -> bytes:
    """Bytes of which every four differ from their neighbours."""
    return b"".join((first + n).to_bytes(4, "big") for n in range(size // 4 + 1))[:size]


@pytest.mark.parametrize(
    "size", [1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 100_000]
)
def test_what_was_appended_is_read_from_every_place_around_a_border(size: int) -> None:
    data = counted(size)
    backlog = Backlog(1000)
    backlog.append(data)
    assert (backlog.begin, backlog.end) == (1000, 1000 + size)
    borders = range(0, size + 1, BLOCK_BYTES)
    places = {place for border in borders for place in range(border - 2, border + 3)} | {size}
    for place in sorted(place for place in places if 0 <= place <= size):
        assert backlog.read(1000 + place, ALL) == data[place:]
        assert backlog.read(1000 + place, 5) == data[place : place + 5]
        assert backlog.read(1000 + place, BLOCK_BYTES) == data[place : place + BLOCK_BYTES]


def test_trimming_drops_whole_blocks_and_keeps_the_size() -> None:
    backlog = Backlog(0)
    data = counted(5 * BLOCK_BYTES)
    backlog.append(data)
    backlog.trim(2 * BLOCK_BYTES + 1, ALL)
    assert backlog.begin == 2 * BLOCK_BYTES
    backlog.trim(2 * BLOCK_BYTES, ALL)
    assert backlog.begin == 3 * BLOCK_BYTES
    assert backlog.read(backlog.begin, ALL) == data[3 * BLOCK_BYTES :]
    backlog.trim(0, ALL)
    assert backlog.begin == 4 * BLOCK_BYTES  # the last block stays
    assert backlog.memory() == BLOCK_BYTES


def test_what_is_needed_stays_however_small_the_size() -> None:
    backlog = Backlog(0)
    backlog.append(counted(5 * BLOCK_BYTES))
    backlog.trim(0, 0)
    assert backlog.begin == 0
    backlog.trim(0, BLOCK_BYTES - 1)
    assert backlog.begin == 0
    backlog.trim(0, BLOCK_BYTES)
    assert backlog.begin == BLOCK_BYTES
    backlog.trim(0, 3 * BLOCK_BYTES + 7)
    assert backlog.begin == 3 * BLOCK_BYTES


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_end_of_the_stream_whatever_is_done(seed: int) -> None:
    draw = Random(seed)
    begin = draw.choice([0, 1, BLOCK_BYTES - 1, 1 << 40])
    backlog = Backlog(begin)
    stream = b""
    for _ in range(120):
        action = draw.randrange(4)
        if action < 2:
            data = draw.randbytes(draw.choice([0, 1, 100, BLOCK_BYTES, draw.randrange(60_000)]))
            stream += data
            backlog.append(data)
        elif action == 2:
            size = draw.choice([0, 1, BLOCK_BYTES, 50_000])
            needed = begin + draw.randrange(len(stream) + 1)
            before = backlog.begin
            backlog.trim(size, needed)
            least = max(before, min(needed, backlog.end - size))
            assert before <= backlog.begin <= least
            assert least - backlog.begin < BLOCK_BYTES or backlog.memory() == BLOCK_BYTES
        else:
            at = draw.randint(backlog.begin, backlog.end)
            most = draw.choice([1, BLOCK_BYTES, ALL])
            place = at - begin
            assert backlog.read(at, most) == stream[place : place + min(most, len(stream))]
        assert backlog.end == begin + len(stream)
        assert backlog.memory() < backlog.end - backlog.begin + 2 * BLOCK_BYTES
    assert backlog.read(backlog.begin, ALL) == stream[backlog.begin - begin :]
