"""What an owner takes, refuses, hands out and lets go of."""

from __future__ import annotations

import pytest

from kvnode.shuffle.owner import START
from kvnode.shuffle.partition import (
    BLOCK_BYTES,
    CONTRIBUTION_BYTES,
    PARTITION_BYTES,
    Block,
    Partition,
)
from kvnode.shuffle.spill_file import checksum_of
from kvprotocol.errors import ReplyError

from .shuffle_blocks import BIRTH, KILOBYTE, NAME, Rig, payload_of

MASK = (1 << 64) - 1


def summary_row(partition: int, map: int, seqs: int, size: int) -> tuple[int, int, int, int]:
    payloads = [payload_of(partition, map, 7, seq, size) for seq in range(seqs)]
    return partition, seqs, seqs * size, sum(map_checksums(payloads)) & MASK


def map_checksums(payloads: list[bytes]) -> list[int]:
    return [checksum_of(payload) for payload in payloads]


def test_blocks_come_back_in_the_order_of_map_and_seq_whatever_order_they_came_in() -> None:
    rig = Rig()
    for map, seq in ((2, 1), (0, 2), (2, 0), (0, 0), (0, 1)):
        rig.push(3, map, seq, 100)
    rig.push(4, 0, 0, 100)
    found = rig.read(3, {0: 7, 2: 7})
    assert [block[:3] for block in found] == [(0, 7, 0), (0, 7, 1), (0, 7, 2), (2, 7, 0), (2, 7, 1)]
    assert found[4][3:] == (checksum_of(found[4][4]), payload_of(3, 2, 7, 1, 100))


def test_only_winners_are_served() -> None:
    rig = Rig()
    for attempt in (5, 6, 7):
        rig.push(0, 1, 0, 100, attempt)
    rig.push(0, 2, 0, 100)
    assert [block[1] for block in rig.read(0, {1: 6})] == [6]
    assert rig.read(0, {1: 8}) == []
    assert rig.read(1, {1: 6}) == []


def test_a_reply_holds_what_fits_but_at_least_one_block() -> None:
    rig = Rig()
    for seq in range(5):
        rig.push(0, 0, seq, 1000)

    def part(cursor: tuple[int, int], size: int, count: int) -> tuple[int, tuple[int, int] | None]:
        fetched = rig.owner.fetch(NAME, 0, {0: 7}, cursor, 1, size, count)
        return len(fetched.blocks), fetched.next

    assert part(START, 2999, 10) == (2, (0, 2))
    assert part(START, 3000, 10) == (3, (0, 3))
    assert part(START, 1, 10) == (1, (0, 1))
    assert part((0, 3), 9000, 1) == (1, (0, 4))
    assert part((0, 3), 9000, 10) == (2, None)
    assert part((1, 0), 9000, 10) == (0, None)


def test_a_range_of_maps_ends_before_its_end() -> None:
    rig = Rig()
    for map in range(5):
        rig.push(0, map, 0, 10)
    fetched = rig.owner.fetch(NAME, 0, dict.fromkeys(range(5), 7), (1, 0), 3, 1 << 20, 100)
    assert [block[0] for block in fetched.blocks] == [1, 2]
    assert fetched.next is None


def test_a_repeated_block_is_ignored_and_a_different_one_refused() -> None:
    rig = Rig()
    rig.push(0, 0, 0, 100)
    memory = rig.owner.memory
    rig.push(0, 0, 0, 100)
    assert rig.owner.memory == memory
    assert rig.owner.usage(NAME).blocks == 1
    other = b"something else"
    with pytest.raises(ReplyError, match="SHUFFLECHECK"):
        rig.owner.push(NAME, BIRTH, 0, 0, 7, 0, checksum_of(other), other, 0)


def test_a_payload_that_is_not_what_its_checksum_says_is_refused() -> None:
    rig = Rig()
    with pytest.raises(ReplyError, match="SHUFFLECHECK"):
        rig.owner.push(NAME, BIRTH, 0, 0, 7, 0, checksum_of(b"right"), b"wrong", 0)
    assert rig.owner.memory == 0
    assert rig.owner.refused == 1


def test_a_summary_is_compared_with_what_is_here() -> None:
    rig = Rig()
    for partition in (0, 2):
        for seq in range(3):
            rig.push(partition, 1, seq, 100)
    rows = [summary_row(0, 1, 3, 100), summary_row(2, 1, 3, 100)]
    assert rig.owner.lacks(NAME, 1, 7, rows) == -1
    assert rig.owner.lacks(NAME, 1, 8, rows) == 0
    assert rig.owner.lacks(NAME, 1, 7, rows[:1]) == 2
    assert rig.owner.lacks(NAME, 1, 7, [rows[0], summary_row(1, 1, 3, 100), rows[1]]) == 1
    partition, blocks, size, checksum = rows[1]
    for wrong in ((partition, 2, size, checksum), (2, blocks, size + 1, checksum), (2, 3, size, 0)):
        assert rig.owner.lacks(NAME, 1, 7, [rows[0], wrong]) == 2
    assert rig.owner.lacks(b"other", 1, 7, rows) == 0
    assert rig.owner.lacks(b"other", 1, 7, []) == -1


def test_a_gap_in_an_attempt_is_lacking() -> None:
    rig = Rig()
    payloads = [payload_of(0, 1, 7, seq, 10) for seq in (0, 2)]
    for seq in (0, 2):
        rig.push(0, 1, seq, 10)
    row = (0, 2, 20, sum(map_checksums(payloads)) & MASK)
    assert rig.owner.lacks(NAME, 1, 7, [row]) == 0


def test_losers_are_let_go_of_and_their_memory_with_them() -> None:
    rig = Rig()
    rig.push(0, 0, 0, 1000)
    kept = rig.owner.memory
    rig.push(0, 0, 0, 1000, attempt=8)
    rig.push(1, 3, 0, 1000, attempt=9)
    rig.owner.keep_only(NAME, {0: 7})
    rig.owner.check()
    assert kept == PARTITION_BYTES + BLOCK_BYTES + CONTRIBUTION_BYTES + 1040
    assert rig.owner.memory == kept + PARTITION_BYTES  # of the other partition
    assert len(rig.read(0, {0: 7})) == 1
    rig.owner.drop_attempt(NAME, 0, 7)
    rig.owner.drop_attempt(NAME, 0, 7)
    rig.owner.drop_attempt(b"other", 0, 7)
    assert rig.owner.memory == 2 * PARTITION_BYTES
    rig.owner.drop(NAME)
    assert rig.owner.memory == 0


def test_a_consumed_partition_is_empty_and_takes_no_more() -> None:
    rig = Rig()
    rig.push(0, 0, 0, 100)
    rig.push(1, 0, 0, 100)
    rig.owner.consume(NAME, BIRTH, 0)
    rig.owner.consume(NAME, BIRTH, 5)
    rig.owner.check()
    assert rig.owner.usage(NAME).blocks == 1
    for partition in (0, 5):
        assert rig.refusal(partition, 0, 1, 10).startswith("SHUFFLECONSUMED")
        with pytest.raises(ReplyError, match="SHUFFLECONSUMED"):
            rig.fetch(partition, {0: 7})
    # A commit says nothing of what was consumed, or says it: both are right.
    rows = [summary_row(0, 0, 1, 100), summary_row(1, 0, 1, 100)]
    assert rig.owner.lacks(NAME, 0, 7, rows) == rig.owner.lacks(NAME, 0, 7, rows[1:]) == -1
    rig.owner.drop(NAME)
    assert rig.owner.memory == 0


def test_a_later_shuffle_of_the_same_id_drops_the_earlier_one() -> None:
    rig = Rig()
    rig.push(0, 0, 0, 100)
    payload = b"later"
    rig.owner.push(NAME, BIRTH + 1, 0, 0, 7, 0, checksum_of(payload), payload, 0)
    assert [block[4] for block in rig.read(0, {0: 7})] == [payload]
    assert rig.refusal(0, 0, 1, 10).startswith("NOSHUFFLE")


def test_quotas_are_errors_of_their_own() -> None:
    rig = Rig()
    rig.settings.shuffle_partition_max = 3000
    rig.push(0, 0, 0, 2000)
    assert rig.refusal(0, 0, 1, 2000).startswith("SHUFFLEQUOTA partition 0")
    rig.push(1, 0, 0, 2000)
    assert rig.refusal(2, 0, 0, 2000, quota=5000).startswith("SHUFFLEQUOTA the shuffle's quota")
    rig.settings.shuffle_partition_max = 0
    assert rig.refusal(2, 0, 0, 1 << 20).startswith("SHUFFLEQUOTA a block of 1048576 bytes")
    rig.push(0, 0, 1, 2000, quota=6000)
    rig.owner.drop_attempt(NAME, 0, 7)
    rig.push(0, 0, 1, 2000, quota=2000)


def test_much_is_freed_with_several_ticks() -> None:
    rig = Rig(memory=64 << 20)
    for seq in range(3000):
        rig.push(0, 0, seq, 10) if seq % 500 == 0 else rig.owner.push(
            NAME, BIRTH, 0, 0, 7, seq, checksum_of(b""), b"", 0
        )
    rig.owner.drop(NAME)
    assert rig.owner.is_busy() and rig.owner.memory > 0
    assert rig.owner.usage(NAME).blocks == 0
    ticks = 0
    while rig.owner.is_busy():
        rig.tick()
        ticks += 1
    assert ticks == 2
    assert rig.owner.memory == 0


def test_credit_is_a_share_of_what_is_free() -> None:
    rig = Rig(memory=100 << 20)
    assert rig.owner.credit(1) == 8 << 20
    assert [rig.owner.credit(client) for client in range(1, 21)][19] == (85 << 20) // 20
    assert rig.owner.credit(1) == (85 << 20) // 20
    rig.tick(2.0)
    assert rig.owner.credit(1) == (85 << 20) // 20  # those of the last second count
    rig.tick(2.0)
    rig.tick(2.0)
    assert rig.owner.credit(1) == 8 << 20


def test_there_is_no_credit_above_the_level_and_a_least_one_below() -> None:
    rig = Rig()
    rig.memory_disk.room = 0  # nothing can be spilled
    for client in range(100):
        assert rig.owner.credit(client) == max((1 << 20) * 85 // 100 // (client + 1), 64 * KILOBYTE)
    for seq in range(13):
        rig.push(0, 0, seq)
    assert rig.owner.credit(1) == 0
    assert rig.owner.memory < rig.owner.memory_max * 85 // 100
    rig.settle()
    assert not rig.tick() and not rig.owner.is_busy()
    rig.owner.drop(NAME)
    assert rig.owner.is_busy() and rig.tick() and not rig.tick()  # those who wait are asked again
    assert rig.owner.credit(1) == 64 * KILOBYTE


def test_blocks_that_were_dropped_are_not_kept_for_spilling() -> None:
    place = Partition()
    for seq in range(100):
        block = Block(0, 0, 7, seq, 0, 10)
        block.payload = b"0123456789"
        place.arrive(block)
    kept = place.arrived[-1]
    for block in place.arrived[:-1]:
        block.payload = None
        place.note_dropped(block)
    place.check(0)
    assert len(place.arrived) < 40
    taken: list[Block] = []
    assert place.take_oldest(1 << 20, 10, taken) == place.take_back(taken) == 48
    assert taken == [kept]


def test_what_could_not_be_spilled_is_the_oldest_again() -> None:
    place = Partition()
    for seq in range(5):
        block = Block(0, 0, 7, seq, 0, 10)
        block.payload = b"0123456789"
        place.arrive(block)
    taken: list[Block] = []
    place.take_oldest(1, 10, taken)
    place.take_oldest(49, 10, taken)
    assert [block.seq for block in taken] == [0, 1, 2]
    place.take_back(taken)
    assert [block.seq for block in place.arrived] == [0, 1, 2, 3, 4]
    place.check(0)
