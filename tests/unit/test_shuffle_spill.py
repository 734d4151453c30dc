"""Blocks in spill files: full, failing and damaged disks, restarts."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from kvnode.durability.disk import File, SystemDisk
from kvnode.shuffle.owner import START, Owner
from kvnode.shuffle.spill_file import checksum_of
from kvprotocol.errors import ReplyError

from .disks import MemoryDisk, failure
from .shuffle_blocks import BIRTH, KILOBYTE, NAME, Rig, payload_of

WINNERS = {0: 7, 1: 7, 2: 7}


def spilled(rig: Rig, partitions: int = 1, blocks: int = 24) -> None:
    """Push 64 KiB blocks of three maps in turns until some are in files."""
    for seq in range(blocks // 3):
        for map in range(3):
            for partition in range(partitions):
                rig.push(partition, map, seq)
                rig.tick()
    rig.settle()
    assert rig.owner.spilled_bytes > 0


def summary(partition: int, map: int, blocks: int) -> tuple[int, int, int, int]:
    payloads = [payload_of(partition, map, 7, seq, 64 * KILOBYTE) for seq in range(blocks)]
    total = sum(checksum_of(payload) for payload in payloads) & ((1 << 64) - 1)
    return partition, blocks, blocks * 64 * KILOBYTE, total


def expected(partition: int, blocks: int = 24) -> list[bytes]:
    return [
        payload_of(partition, map, 7, seq, 64 * KILOBYTE)
        for map in range(3)
        for seq in range(blocks // 3)
    ]


def read(rig: Rig, partition: int = 0) -> list[bytes]:
    return [block[4] for block in rig.read(partition, WINNERS)]


def test_what_is_above_the_level_goes_into_files_and_comes_back() -> None:
    rig = Rig()
    spilled(rig)
    assert rig.owner.memory <= rig.owner.memory_max * 70 // 100
    assert rig.owner.usage(NAME).spilled > 12 * 64 * KILOBYTE
    assert read(rig) == expected(0)
    assert read(rig) == expected(0)  # and again: a reply may have been lost
    assert rig.owner.fetched_bytes == 2 * 24 * 64 * KILOBYTE
    assert rig.wakes > 0


def test_the_largest_partition_goes_first_and_its_oldest_blocks() -> None:
    rig = Rig()
    for seq in range(3):
        rig.push(1, 0, seq)
    for seq in range(12):
        rig.push(0, 0, seq)
        rig.tick()
    rig.settle()
    assert not rig.owner.fetch(NAME, 1, {0: 7}, START, 1, 1 << 20, 9).is_loading
    assert rig.owner.fetch(NAME, 0, {0: 7}, START, 1, 1 << 20, 9).is_loading
    assert rig.owner.fetch(NAME, 0, {0: 7}, (0, 11), 1, 1 << 20, 9).blocks


def test_the_largest_partition_of_all_shuffles_goes_first() -> None:
    rig = Rig()
    rig.push(0, 0, 0, name=b"early")
    for seq in range(9):
        rig.push(0, 0, seq)
    rig.push(0, 0, 0, name=b"late")
    rig.push(0, 0, 1)
    rig.push(0, 0, 9)
    rig.settle()
    assert rig.owner.usage(NAME).spilled > 0
    assert rig.owner.usage(b"early").spilled == rig.owner.usage(b"late").spilled == 0


def test_a_push_begins_a_file_without_waiting_for_a_tick() -> None:
    rig = Rig()
    for seq in range(12):
        rig.push(0, 0, seq)
    assert rig.owner.spill_writes_pending > 0


def test_what_comes_next_is_read_while_a_reader_works() -> None:
    rig = Rig(memory=4 << 20)
    for seq in range(160):
        rig.push(0, 0, seq)
        rig.tick()
    cursor: tuple[int, int] | None = START
    waits = replies = 0
    while cursor is not None and cursor[1] < 90:
        replies += 1
        fetched = rig.owner.fetch(NAME, 0, {0: 7}, cursor, 1, 1 << 17, 99)
        cursor = fetched.next
        waits += fetched.is_loading
        rig.tick()
    assert waits == 1
    assert replies < 50


def test_memory_of_tiny_blocks_alone_makes_no_tiny_files() -> None:
    rig = Rig()
    with pytest.raises(ReplyError, match="SHUFFLEFULL"):
        for seq in range(10_000):
            payload = b"%d" % seq
            checksum = checksum_of(payload)
            rig.owner.push(NAME, BIRTH, 0, 0, 7, seq, checksum, payload, 0)
            if seq % 50 == 0:
                rig.tick(0.5)
    assert len(rig.files()) < 8


def test_small_partitions_share_a_file_which_goes_with_the_last_of_them() -> None:
    rig = Rig()
    for seq in range(8):
        for partition in range(16):
            rig.push(partition, 0, seq, 8 * KILOBYTE)
            rig.tick()
    rig.settle()
    count = len(rig.files())
    assert 0 < count < 8
    for partition in range(1, 16):
        rig.owner.consume(NAME, BIRTH, partition)
        rig.settle()
    assert rig.files()
    rig.owner.consume(NAME, BIRTH, 0)
    rig.settle()
    assert not rig.files()
    assert rig.owner.spilled_bytes == 0


def test_losers_end_in_their_files_too() -> None:
    rig = Rig()
    spilled(rig)
    rig.owner.keep_only(NAME, {1: 7})
    rig.settle()
    assert [block[:3] for block in rig.read(0, WINNERS)] == [(1, 7, seq) for seq in range(8)]
    rig.owner.drop(NAME)
    rig.settle()
    assert not rig.files()
    assert rig.owner.memory == rig.owner.spilled_bytes == 0


def test_a_full_disk_refuses_at_the_last_level_and_loses_nothing() -> None:
    rig = Rig()
    rig.memory_disk.room = 100 * KILOBYTE
    pushed = 0
    for seq in range(15):
        rig.push(0, 0, seq)
        rig.tick()
        pushed += 1
    message = rig.refusal(0, 0, 15, 64 * KILOBYTE)
    assert message.startswith("SHUFFLEFULL") and "no space left on device" in message
    assert not rig.files()  # nothing of a file that did not fit stays
    assert rig.owner.credit(1) == 0
    assert len(rig.read(0, {0: 7})) == pushed
    rig.memory_disk.room = 1 << 30
    rig.tick(0.1)
    rig.settle()
    assert rig.owner.spilled_bytes == 0  # it is not tried at once,
    rig.tick(1.0)
    rig.settle()
    assert rig.owner.spilled_bytes > 0  # but after a second
    rig.push(0, 0, 15)
    assert len(rig.read(0, {0: 7})) == pushed + 1


@pytest.mark.parametrize("operation", ["make_folder", "create", "write"])
def test_a_write_that_fails_is_done_again(operation: str) -> None:
    rig = Rig()
    rig.memory_disk.fails_at[operation] = (1, errno.EIO)
    for seq in range(15):
        rig.push(0, 0, seq)
        rig.tick()
    assert not rig.files()
    for _ in range(3):
        rig.tick(1.0)
    assert rig.owner.spilled_bytes > 0
    assert len(rig.read(0, {0: 7})) == 15


def test_files_take_no_more_than_they_may() -> None:
    rig = Rig()
    rig.settings.shuffle_disk_max = 600 * KILOBYTE
    with pytest.raises(AssertionError):
        spilled(rig, blocks=0)
    for seq in range(40):
        if rig.owner.credit(1) == 0:
            break
        rig.push(0, 0, seq)
        rig.tick(0.5)
    assert 0 < rig.owner.spilled_bytes <= 600 * KILOBYTE
    assert rig.owner.credit(1) == 0


def test_files_leave_the_disk_its_reserve() -> None:
    rig = Rig()
    rig.memory_disk.room = 1 << 20
    rig.settings.shuffle_disk_reserve = 700 * KILOBYTE
    for seq in range(40):
        if rig.owner.credit(1) == 0:
            break
        rig.push(0, 0, seq)
        rig.tick(0.5)
    assert 0 < rig.owner.spilled_bytes <= 324 * KILOBYTE
    assert "(shuffle-disk-reserve is reached)" in rig.refusal(0, 0, 40, 256 * KILOBYTE)
    rig.settings.shuffle_disk_reserve = 0
    rig.tick(1.0)
    rig.settle()
    assert rig.owner.spilled_bytes > 324 * KILOBYTE and rig.owner.credit(1) > 0


class Damage(MemoryDisk):
    """What can happen to a file."""

    def file_with(self, part: bytes) -> str:
        return next(name for name, content in self.content.items() if part in content)

    def flip(self, part: bytes) -> None:
        content = self.content[self.file_with(part)]
        content[content.index(part) + len(part)] ^= 1

    def vanish(self, part: bytes) -> None:
        del self.content[self.file_with(part)]

    def cut(self, part: bytes) -> None:
        content = self.content[self.file_with(part)]
        del content[content.index(part) + 100 :]


def damaged(rig: Rig) -> tuple[Damage, list[str]]:
    """A rig whose disk can be damaged, with the first blocks of two partitions in files."""
    assert isinstance(rig.disk, Damage)
    spilled(rig, 2)
    return rig.disk, sorted(rig.disk.content)


def maps_in(content: bytearray) -> set[int]:
    return {
        map
        for map in range(3)
        for partition in range(2)
        if f"{partition}/{map}/7/".encode() in content
    }


def test_a_flipped_byte_loses_the_map_of_its_block_alone() -> None:
    rig = Rig(Damage())
    disk, _ = damaged(rig)
    disk.flip(b"0/1/7/2:")
    assert rig.fetch(1, {1: 7}).blocks  # not yet known
    while not (lost := rig.fetch(0, WINNERS).lost):
        found = rig.owner.fetch(NAME, 0, WINNERS, (1, 2), 9, 1 << 20, 9)
        assert found.is_loading or found.lost
        rig.tick()
    assert lost == [1]
    assert rig.owner.lost_blocks == 1
    assert rig.fetch(1, WINNERS).lost == [1]
    assert rig.owner.lacks(NAME, 1, 7, [summary(0, 1, 8), summary(1, 1, 8)]) == 0
    rig.owner.drop_attempt(NAME, 1, 7)
    assert [block[0] for block in rig.read(0, WINNERS)] == [0] * 8 + [2] * 8


def fail_long_reads(size: int) -> None:
    if size > 4 * KILOBYTE:
        raise failure(errno.EIO)


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_flipped_byte_among_small_blocks_loses_one_of_them(is_readable: bool) -> None:
    disk = Damage()
    rig = Rig(disk)
    for seq in range(100):
        for map in range(3):
            rig.push(0, map, seq, 4 * KILOBYTE)
        rig.tick()
    disk.flip(b"0/1/7/1:")
    if not is_readable:
        disk.on_read = fail_long_reads
    assert rig.fetch(0, WINNERS).blocks
    for _ in range(9):
        found = rig.owner.fetch(NAME, 0, WINNERS, (1, 0), 9, 1 << 20, 99)
        rig.tick()
    assert found.lost == [1]
    assert rig.owner.lost_blocks == 1


def test_a_lost_block_may_be_pushed_again() -> None:
    rig = Rig(Damage())
    disk, _ = damaged(rig)
    disk.flip(b"0/0/7/0:")
    assert rig.fetch(0, WINNERS).lost == [0]
    rows = [summary(0, 0, 8), summary(1, 0, 8)]
    assert rig.owner.lacks(NAME, 0, 7, rows) == 0
    rig.push(0, 0, 0)
    assert rig.owner.lacks(NAME, 0, 7, rows) == -1


def test_a_vanished_file_loses_all_maps_with_a_block_in_it() -> None:
    rig = Rig(Damage())
    disk, _ = damaged(rig)
    name = disk.file_with(b"0/0/7/0:")
    gone = maps_in(disk.content[name])
    count = disk.content[name].count(b"/7/")
    disk.vanish(b"0/0/7/0:")
    assert rig.fetch(0, WINNERS).lost == sorted(gone)
    assert rig.owner.lost_blocks == count


def lost_as_told(rig: Rig, winners: dict[int, int]) -> list[int]:
    """What a reader hears that asks again only when it is told to."""
    for _ in range(10):
        fetched = rig.owner.fetch(NAME, 0, winners, START, 1 << 20, 1 << 20, 1 << 20)
        if not fetched.is_loading:
            return fetched.lost
        assert any(rig.tick() for _ in range(3)), "nobody would ask again"
    raise AssertionError("it loads for ever")


@pytest.mark.parametrize("count", [1, 100])
def test_files_that_vanish_together_are_lost_together(count: int) -> None:
    rig = Rig(Damage())
    disk = rig.disk
    assert isinstance(disk, Damage)
    winners = dict.fromkeys(range(5), 7)
    for map in winners:  # one after the other: each file has few of them
        for seq in range(8):
            rig.push(map % 2, map, seq)
            rig.tick()
    rig.settle()
    first = disk.file_with(b"0/0/7/0:")
    names = [first, *(name for name in disk.content if name != first)][:count]
    vanished = b"".join(disk.content.pop(name) for name in names)
    lost = {map for map in winners if b"%d/%d/7/" % (map % 2, map) in vanished}
    assert len(lost) > 2 or count == 1
    assert lost_as_told(rig, winners) == sorted(lost)
    rig.owner.drop(NAME)
    rig.settle()
    assert rig.owner.memory == 0


def test_a_truncated_file_loses_what_was_behind_its_end() -> None:
    rig = Rig(Damage())
    disk, _ = damaged(rig)
    content = disk.content[disk.file_with(b"0/0/7/0:")]
    begin = content.index(b"0/2/7/0:")
    gone = maps_in(content[begin:])
    count = content[begin:].count(b"/7/")
    disk.cut(b"0/2/7/0:")
    lost: list[int] = []
    for map, seq in ((0, 0), (2, 0)):
        for _ in range(9):
            lost = rig.owner.fetch(NAME, 0, WINNERS, (map, seq), 9, 1, 1).lost
            rig.tick()
    assert lost == sorted(gone)
    assert rig.owner.lost_blocks == count


def test_a_read_that_fails_loses_the_block_alone() -> None:
    rig = Rig()
    spilled(rig)
    reads = rig.memory_disk.counts.get("read", 0)
    # The whole run, and then its first block.
    rig.memory_disk.fails_at["read"] = (reads + 1, errno.EIO)
    assert rig.fetch(0, WINNERS).blocks
    assert rig.owner.lost_blocks == 0  # what could be read the second time is not lost

    rig = Rig()
    spilled(rig)
    failing = FailingReads(rig.memory_disk)
    rig.memory_disk.on_read = failing.on_read
    failing.places = {0}
    assert rig.fetch(0, WINNERS).lost == [0]


class FailingReads:
    """Every read of some blocks fails, the first read being number 0."""

    def __init__(self, disk: MemoryDisk) -> None:
        self.disk = disk
        self.places: set[int] = set()
        self.count = 0

    def on_read(self, size: int) -> None:
        if size > 0 and self.count < 2:
            self.count += 1
            raise failure(errno.EIO)


def test_too_few_handles_lose_nothing() -> None:
    rig = Rig()
    spilled(rig)
    opens = rig.memory_disk.counts.get("open", 0)
    rig.memory_disk.fails_at["open"] = (opens + 1, errno.EMFILE)
    assert rig.owner.fetch(NAME, 0, WINNERS, START, 9, 1, 1).is_loading
    for _ in range(5):
        rig.tick()
        assert rig.owner.fetch(NAME, 0, WINNERS, START, 9, 1, 1).is_loading
    assert rig.memory_disk.counts["open"] == opens + 1
    rig.tick(0.2)
    rig.tick()
    assert rig.owner.fetch(NAME, 0, WINNERS, START, 9, 1, 1).blocks
    assert rig.owner.lost_blocks == 0


def test_what_is_loaded_is_bounded_and_those_who_wait_come_first() -> None:
    rig = Rig(memory=16 << 20)
    for seq in range(100):
        for partition in range(8):
            rig.push(partition, 0, seq)
        rig.tick()
    rig.settle()
    cursors: dict[int, tuple[int, int] | None] = dict.fromkeys(range(8), START)
    rounds = 0
    while any(cursors.values()):
        rounds += 1
        assert rounds < 2000
        for partition, cursor in cursors.items():
            if cursor is not None and not (partition == 3 and rounds < 100):  # 3 stalls
                fetched = rig.owner.fetch(NAME, partition, {0: 7}, cursor, 1, 1 << 18, 99)
                cursors[partition] = fetched.next
        assert rig.owner.memory <= rig.owner.memory_max * 84 // 100
        rig.tick()


def test_a_restarted_node_finds_the_blocks_in_files() -> None:
    rig = Rig()
    spilled(rig)
    rig.push(0, 0, 0, 100, name=b"other")
    held = rig.owner.usage(NAME).spilled // (64 * KILOBYTE)
    rig.owner = rig.started()
    rig.owner.recover({NAME: BIRTH, b"other": BIRTH})
    rig.owner.check()
    assert rig.owner.usage(NAME).blocks == held
    assert rig.owner.spilled_bytes > 0
    found = [block[4] for block in rig.read(0, WINNERS)]
    assert len(found) == held and set(found) <= set(expected(0))
    for map in range(3):
        whole = rig.owner.lacks(NAME, map, 7, [summary(0, map, 8)]) == -1
        assert whole == (len([p for p in found if p.startswith(b"0/%d/" % map)]) == 8)
    names = rig.files()
    content = {name: bytes(rig.memory_disk.content[name]) for name in names}
    spilled(rig, 2)
    assert set(names) < set(rig.files())
    assert all(rig.memory_disk.content[name] == content[name] for name in names)
    assert read(rig) == expected(0)


def test_a_block_that_is_in_two_files_is_there_once() -> None:
    rig = Rig()
    spilled(rig)
    name = rig.files()[0]
    twin = f"shuffle/spill-{os.getpid() << 24 | 0xFFFF:012x}.kvs"
    rig.memory_disk.content[twin] = rig.memory_disk.content[name][:]
    held = rig.owner.usage(NAME).spilled // (64 * KILOBYTE)
    rig.owner = rig.started()
    rig.owner.recover({NAME: BIRTH})
    rig.owner.check()
    assert rig.owner.usage(NAME).blocks == held
    assert twin not in rig.files()


def test_files_of_others_go_at_the_start_and_what_is_not_ours_stays() -> None:
    rig = Rig()
    spilled(rig)
    disk = rig.memory_disk
    for name in ("notes.txt", "spill-1.kvs", "spill-000000000001.kvs.old"):
        disk.content[f"shuffle/{name}"] = bytearray(b"mine")
    disk.content["shuffle/spill-0000000000ff.kvs"] = bytearray(b"KVSPILL1 and no more")
    rig.owner = rig.started()
    rig.owner.recover({NAME: BIRTH + 1, b"other": BIRTH})
    assert [name.removeprefix("shuffle/") for name in rig.files()] == [
        "notes.txt",
        "spill-000000000001.kvs.old",
        "spill-1.kvs",
    ]
    assert rig.owner.spilled_bytes == rig.owner.memory == 0


def test_files_of_a_node_that_runs_beside_this_one_are_left_alone() -> None:
    rig = Rig()
    spilled(rig)
    theirs = f"shuffle/spill-{os.getppid() << 24 | 1:012x}.kvs"
    rig.memory_disk.content[theirs] = rig.memory_disk.content[rig.files()[0]][:]
    rig.owner = rig.started()
    rig.owner.recover({})
    assert rig.files() == [theirs]


def test_a_torn_file_is_cut_to_its_whole_blocks() -> None:
    rig = Rig()
    spilled(rig)
    whole = {name: bytes(content) for name, content in rig.memory_disk.content.items()}
    name = rig.files()[0]
    content = whole[name]
    begins = [match.start() for match in re.finditer(rb"\d/\d/7/\d:", content)]
    for size in (0, 1, 30, begins[0] - 1, begins[1] - 1, begins[1] + 9, begins[2], len(content)):
        disk = MemoryDisk()
        disk.content = {name: bytearray(content[:size])}
        rig = Rig(disk)
        rig.owner.recover({NAME: BIRTH})
        rig.owner.check()
        kept = sum(1 for n in begins if n + 64 * KILOBYTE <= size)
        assert rig.owner.usage(NAME).blocks == kept
        assert (name in disk.content) == (kept > 0)
        if kept:
            assert len(disk.content[name]) == begins[kept - 1] + 64 * KILOBYTE
            assert rig.owner.spilled_bytes == len(disk.content[name])


def test_a_flipped_header_ends_a_file() -> None:
    rig = Rig()
    spilled(rig)
    name = rig.files()[0]
    content = rig.memory_disk.content[name]
    second = content.index(b"/7/", content.index(b"/7/") + 9)
    content[second - 30] ^= 1
    rig.owner = rig.started()
    rig.owner.recover({NAME: BIRTH})
    assert rig.owner.usage(NAME).blocks < 24
    assert len(rig.memory_disk.content[name]) < 66 * KILOBYTE


def wait_for(owner: Owner, is_done: Callable[[], bool]) -> None:
    deadline = monotonic() + 10.0
    while monotonic() < deadline:
        owner.tick(monotonic())
        if is_done():
            return
        sleep(0.001)
    raise AssertionError("it takes too long")


def test_threads_write_read_and_remove_real_files(tmp_path: Path) -> None:
    rig = Rig(SystemDisk(str(tmp_path)))
    for seq in range(40):
        while True:
            rig.owner.tick(monotonic())
            if rig.owner.credit(1) > 0:
                break
            sleep(0.001)
        rig.push(0, 0, seq)
    wait_for(rig.owner, lambda: rig.owner.spill_writes_pending == 0)
    folder = tmp_path / "shuffle"
    assert sum(path.stat().st_size for path in folder.iterdir()) == rig.owner.spilled_bytes > 0
    cursor: tuple[int, int] | None = START
    found: list[bytes] = []
    while cursor is not None:
        fetched = rig.owner.fetch(NAME, 0, {0: 7}, cursor, 1, 1 << 18, 99)
        found += [block[4] for block in fetched.blocks]
        cursor = fetched.next
        if fetched.is_loading:
            sleep(0.001)
            rig.owner.tick(monotonic())
    assert found == [payload_of(0, 0, 7, seq, 64 * KILOBYTE) for seq in range(40)]
    before = os.getcwd()
    os.chdir("/")  # CONFIG SET dir
    try:
        rig.owner.drop(NAME)
        wait_for(rig.owner, lambda: rig.owner.spilled_bytes == 0)
    finally:
        os.chdir(before)
    assert not list(folder.iterdir())
    rig.owner.close()


def test_a_file_reads_on_at_a_place(tmp_path: Path) -> None:
    disk = SystemDisk(str(tmp_path))
    disk.write_file("it", b"0123456789")
    file: File = disk.open("it")
    file.seek(7)
    assert file.read(2) == b"78"
    file.seek(1)
    assert file.read(99) == b"123456789"
    file.close()
