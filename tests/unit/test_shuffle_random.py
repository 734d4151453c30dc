"""Random pushes, aborts, drops, spills and fetches of an owner, against plain dicts."""

from __future__ import annotations

import os
import random
from pathlib import Path
from time import monotonic

import pytest

from kvnode.config.settings import Settings
from kvnode.durability.disk import Disk, SystemDisk
from kvnode.shuffle.owner import START, Owner
from kvnode.shuffle.spill_file import checksum_of
from kvprotocol.errors import ReplyError

from .disks import MemoryDisk

ROUNDS = int(os.environ.get("KVNODE_SHUFFLE_ROUNDS", "1"))
STEPS = 400
NAMES = (b"one", b"two")
MAPS = 4
PARTITIONS = 3
NO_LIMIT = 1 << 40

Blocks = dict[tuple[int, int, int, int], bytes]  # (partition, map, attempt, seq) -> payload


class Run:
    """An owner, and what it must hold."""

    def __init__(self, seed: int, disk: Disk) -> None:
        self.source = random.Random(seed)
        self.disk = disk
        self.settings = Settings()
        self.settings.shuffle_memory = 400 << 10
        self.now = 0.0
        self.births = dict.fromkeys(NAMES, 1)
        self.held: dict[bytes, Blocks] = {name: {} for name in NAMES}
        self.consumed: set[tuple[bytes, int]] = set()
        self.owner = Owner(self.settings, disk, lambda: None)

    def step(self) -> None:
        name = self.source.choice(NAMES)
        act = self.source.choices(
            (self.push, self.fetch, self.tick, self.abort, self.keep, self.consume, self.end),
            (60, 12, 20, 3, 1, 1, 1),
        )[0]
        act(name)
        self.owner.check()

    def push(self, name: bytes) -> None:
        partition, map = self.source.randrange(PARTITIONS), self.source.randrange(MAPS)
        attempt = self.source.randrange(1, 3)
        blocks = self.held[name]
        mine = [key for key in blocks if key[:3] == (partition, map, attempt)]
        seq = self.source.choice((len(mine), self.source.randrange(6)))
        payload = self.source.randbytes(self.source.choice((10, 3000, 40_000)))
        payload = blocks.get((partition, map, attempt, seq), payload)
        checksum = checksum_of(payload)
        try:
            self.owner.push(
                name, self.births[name], partition, map, attempt, seq, checksum, payload, 0
            )
        except ReplyError as error:
            code = error.message.split()[0]
            if code == "SHUFFLECONSUMED":
                assert (name, partition) in self.consumed
            else:
                assert code == "SHUFFLEFULL"
        else:
            blocks[(partition, map, attempt, seq)] = payload

    def abort(self, name: bytes) -> None:
        map, attempt = self.source.randrange(MAPS), self.source.randrange(1, 3)
        self.owner.drop_attempt(name, map, attempt)
        blocks = self.held[name]
        self.held[name] = {key: blocks[key] for key in blocks if key[1:3] != (map, attempt)}

    def winners(self) -> dict[int, int]:
        return {m: self.source.randrange(1, 3) for m in range(MAPS) if self.source.random() < 0.8}

    def keep(self, name: bytes) -> None:
        winners = self.winners()
        self.owner.keep_only(name, winners)
        blocks = self.held[name]
        self.held[name] = {key: blocks[key] for key in blocks if winners.get(key[1]) == key[2]}

    def consume(self, name: bytes) -> None:
        partition = self.source.randrange(PARTITIONS)
        self.owner.consume(name, self.births[name], partition)
        self.consumed.add((name, partition))
        blocks = self.held[name]
        self.held[name] = {key: blocks[key] for key in blocks if key[0] != partition}

    def end(self, name: bytes) -> None:
        self.owner.drop(name)
        self.births[name] += 1
        self.held[name] = {}
        self.consumed = {place for place in self.consumed if place[0] != name}

    def tick(self, _name: bytes = b"") -> None:
        self.now += self.source.choice((0.01, 0.6))
        self.owner.tick(self.now)

    def fetch(self, name: bytes) -> None:
        """Some replies of a partition from any place on; or all of it."""
        partition = self.source.randrange(PARTITIONS)
        winners = self.winners()
        at = (self.source.randrange(MAPS), self.source.randrange(4))
        map_end = self.source.choice((MAPS, at[0] + 1))
        blocks = self.held[name]
        wanted = [
            (key[1], key[2], key[3], checksum_of(payload), payload)
            for key, payload in sorted(blocks.items())
            if key[0] == partition and winners.get(key[1]) == key[2]
            if at <= (key[1], key[3]) and key[1] < map_end
        ]
        cursor: tuple[int, int] | None = at
        found = []
        while cursor is not None:
            size, count = self.source.choice((1, 50_000, 1 << 20)), self.source.choice((1, 99))
            try:
                part = self.owner.fetch(name, partition, winners, cursor, map_end, size, count)
            except ReplyError:
                assert (name, partition) in self.consumed
                return
            assert not part.lost
            assert part.is_loading == (not part.blocks and part.next is not None)
            total = sum(len(block[4]) for block in part.blocks)
            assert len(part.blocks) <= count and (total <= size or len(part.blocks) == 1)
            found += part.blocks
            cursor = part.next
            if part.is_loading:
                if self.source.random() < 0.1:
                    return
                self.tick()
        assert found == wanted

    def restart(self) -> None:
        """The process ends; what was in files is there again."""
        self.owner.close()
        known: dict[bytes, int] = dict(self.births)
        self.owner = Owner(self.settings, self.disk, lambda: None)
        self.owner.recover(known)
        self.owner.check()
        for name in NAMES:
            blocks = self.held[name]
            self.consumed = set()
            kept = 0
            for partition, map, attempt, seq in list(blocks):
                key = (partition, map, attempt, seq)
                part = self.owner.fetch(name, partition, {map: attempt}, (map, seq), map + 1, 1, 1)
                while part.is_loading and part.next == (map, seq):
                    self.tick()
                    part = self.owner.fetch(
                        name, partition, {map: attempt}, (map, seq), map + 1, 1, 1
                    )
                if part.blocks and part.blocks[0][2] == seq:
                    assert part.blocks[0][4] == blocks[key]
                    kept += 1
                else:
                    del blocks[key]
            # Attempts that were given up may have been in files that were still wanted.
            for map in range(MAPS):
                for attempt in (1, 2):
                    if not any(key[1:3] == (map, attempt) for key in blocks):
                        self.owner.drop_attempt(name, map, attempt)


def finish(run: Run) -> None:
    """Everything ends: no memory and no file is left."""
    for name in NAMES:
        run.owner.drop(name)
    owner = run.owner
    deadline = monotonic() + 10.0
    while monotonic() < deadline:
        run.tick()
        if owner.memory == 0 and owner.spilled_bytes == 0 and owner.spill_writes_pending == 0:
            break
    run.owner.check()
    assert run.owner.memory == 0
    assert run.owner.spilled_bytes == 0
    run.owner.close()


@pytest.mark.parametrize("seed", range(20 * ROUNDS))
def test_an_owner_holds_what_dicts_hold_on_a_disk_that_is_full_at_times(seed: int) -> None:
    disk = MemoryDisk()
    run = Run(seed, disk)
    for _ in range(STEPS):
        if run.source.random() < 0.02:
            disk.room = run.source.choice((0, 700_000, 1 << 30))
        run.step()
    finish(run)
    assert not disk.content


@pytest.mark.parametrize("seed", range(4 * ROUNDS))
def test_the_same_holds_with_threads(seed: int, tmp_path: Path) -> None:
    run = Run(seed, SystemDisk(str(tmp_path)))
    for _ in range(STEPS):
        run.step()
    finish(run)
    assert not list((tmp_path / "shuffle").glob("*"))


@pytest.mark.parametrize("seed", range(10 * ROUNDS))
def test_what_a_restarted_owner_finds_is_what_was_pushed(seed: int) -> None:
    run = Run(seed, MemoryDisk())
    for _ in range(STEPS // 2):
        run.push(run.source.choice(NAMES))
        run.tick()
    run.restart()
    for _ in range(STEPS // 4):
        run.push(run.source.choice(NAMES))
        run.tick()
    finish(run)


def test_start_is_before_every_block() -> None:
    assert START == (0, 0)
