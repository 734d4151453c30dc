"""What a node holds of one shuffle: its partitions and its attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from mypy_extensions import i64

from kvnode.shuffle.budget import Budget
from kvnode.shuffle.partition import (
    BLOCK_BYTES,
    CONTRIBUTION_BYTES,
    PARTITION_BYTES,
    Block,
    Contribution,
    Partition,
    payload_size,
)
from kvnode.shuffle.rivals import Rival, Rivals

if TYPE_CHECKING:
    from kvnode.shuffle.spill_file import SpillFile


@final
class Attempt(Rival):
    """One attempt of a map: what it contributed to each partition."""

    def __init__(self, map: i64, attempt: i64) -> None:
        super().__init__(map, attempt)
        self.contributions: list[Contribution] = []


@final
class Store:
    """One shuffle's blocks on this node. What it accounts counts in the budget, too."""

    def __init__(self, name: bytes, birth: i64, budget: Budget) -> None:
        self.name = name
        self.birth: i64 = birth
        self.bytes: i64 = 0  # of payloads, wherever they are
        self.blocks: i64 = 0
        self.memory: i64 = 0  # with overheads
        self.spilled: i64 = 0  # of payloads in files
        self.losses: dict[tuple[int, int], None] = {}  # (map, attempt) of lost blocks
        self.is_searched = False  # a thread looks which files are gone
        self._budget = budget
        self._partitions: dict[int, Partition] = {}
        self._attempts: Rivals[Attempt] = Rivals()

    def account(self, size: i64) -> None:
        """Count memory that was taken, or given back below 0."""
        self.memory += size
        self._budget.used += size

    def partition(self, number: i64) -> Partition:
        """Return a partition, made if need be."""
        found = self._partitions.get(number)
        if found is None:
            found = Partition()
            self._partitions[number] = found
            self.account(PARTITION_BYTES)
        return found

    def known_partition(self, number: i64) -> Partition | None:
        """Return a partition, None if nothing was ever in it."""
        return self._partitions.get(number)

    def partitions(self) -> dict[int, Partition]:
        """Return all partitions by number."""
        return self._partitions

    def find(self, map: i64, attempt: i64) -> Attempt | None:
        """Return an attempt, None if nothing is here of it."""
        return self._attempts.find(map, attempt)

    def attempts(self) -> list[Attempt]:
        """Return all attempts."""
        return self._attempts.all()

    def contribution(self, partition: i64, map: i64, attempt: i64) -> Contribution:
        """Return an attempt's contribution to a partition, made if need be."""
        place = self.partition(partition)
        found = place.find(map, attempt)
        if found is None:
            found = Contribution(partition, map, attempt)
            place.add(found)
            self.account(CONTRIBUTION_BYTES)
            owner = self.find(map, attempt)
            if owner is None:
                owner = Attempt(map, attempt)
                self._attempts.add(owner)
            owner.contributions.append(found)
        return found

    def remove(self, attempt: Attempt) -> None:
        """Let go of an attempt; its contributions are still in their partitions."""
        self._attempts.remove(attempt)

    def add(self, contribution: Contribution, block: Block) -> None:
        """Take a block that is not here yet."""
        contribution.add(block)
        self.partition(block.partition).bytes += block.length
        self.bytes += block.length
        self.blocks += 1
        self.account(BLOCK_BYTES)

    def arrive(self, block: Block, payload: bytes) -> None:
        """Take a block's payload, which could be spilled from now on."""
        block.payload = payload
        self.partition(block.partition).arrive(block)
        self._budget.resident += payload_size(block)
        self.account(payload_size(block))

    def take_back(self, blocks: list[Block]) -> None:
        """Take blocks that could not be spilled."""
        groups: dict[int, list[Block]] = {}
        for block in blocks:
            if block.payload is not None:
                groups.setdefault(block.partition, []).append(block)
        for partition, group in groups.items():
            self._budget.resident += self.partition(partition).take_back(group)

    def note_spilled(self, block: Block, step: i64) -> None:
        """Note that a block came into a file, or that it is wanted there no more (-1)."""
        self.spilled += step * block.length
        self.partition(block.partition).spilled += step

    def remove_block(self, place: Partition, block: Block) -> None:
        """Let go of a block that is neither loaded nor in a file."""
        if block.payload is not None:
            block_size = payload_size(block)
            block.payload = None
            self.account(-block_size)
            if not block.is_awaited:
                place.note_dropped(block)
                self._budget.resident -= block_size
        place.bytes -= block.length
        self.bytes -= block.length
        self.blocks -= 1
        self.account(-BLOCK_BYTES)

    def lose(self, block: Block) -> None:
        """Note that a block is lost: neither in memory nor in a file."""
        block.is_lost = True
        contribution = self.partition(block.partition).find(block.map, block.attempt)
        if contribution is not None:
            contribution.lost += 1
            self.losses[(block.map, block.attempt)] = None

    def files(self) -> list[SpillFile]:
        """Return the files with wanted blocks. O(blocks)."""
        found: dict[SpillFile, None] = {}
        for place in self._partitions.values():
            for contribution in place.contributions():
                for block in contribution.blocks:
                    if block.file is not None:
                        found[block.file] = None
        return list(found)

    def resident(self) -> i64:
        """Return the memory of the payloads that could be spilled. O(partitions)."""
        size: i64 = 0
        for place in self._partitions.values():
            size += place.resident
        return size

    def held(self) -> i64:
        """Return the memory of all blocks but of what is loaded. O(blocks); for `check`."""
        size: i64 = 0
        for place in self._partitions.values():
            size += PARTITION_BYTES
            for contribution in place.contributions():
                size += CONTRIBUTION_BYTES
                for block in contribution.blocks:
                    size += BLOCK_BYTES
                    if block.payload is not None and block.file is None:
                        size += payload_size(block)
        return size

    def check(self) -> None:
        """Assert the invariants; for tests."""
        for number, place in self._partitions.items():
            place.check(number)
        for tried in self.attempts():
            for contribution in tried.contributions:
                place = self._partitions[contribution.partition]
                found = place.find(tried.map, tried.attempt)
                assert found is (None if place.is_consumed else contribution)
