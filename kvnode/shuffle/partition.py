"""The blocks of one shuffle that this node holds, by partition and by attempt of a map.

A block has two ways to it: its partition's table of maps, where readers and pushes look, and its
attempt's list of contributions, where a commit or an abort looks.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.memory import bytes_size
from kvnode.shuffle.rivals import Rival, Rivals

if TYPE_CHECKING:
    from kvnode.shuffle.spill_file import SpillFile

CHECKSUM_MASK: Final = (1 << 64) - 1
BLOCK_BYTES: Final = 208  # of a block without its payload: object, checksum, places in lists
PARTITION_BYTES: Final = 480  # of one without contributions: object, tables, place in its shuffle
CONTRIBUTION_BYTES: Final = 320  # object, its list, its entries in the partition and the attempt


@final
class Block:
    """One block, immutable. Its payload is in memory, or in a spill file, or both while read.

    Neither: it was dropped, or lost with its file (`is_lost`).
    """

    def __init__(
        self, partition: i64, map: i64, attempt: i64, seq: i64, checksum: int, length: i64
    ) -> None:
        self.partition: i64 = partition
        self.map: i64 = map
        self.attempt: i64 = attempt
        self.seq: i64 = seq
        self.checksum = checksum
        self.length: i64 = length
        self.payload: bytes | None = None
        self.file: SpillFile | None = None
        self.place: i64 = 0  # of the payload in the file
        self.is_awaited = False  # a thread reads it, or shall do so
        self.is_lost = False


def payload_size(block: Block) -> i64:
    """Return the memory that a block's payload takes."""
    return bytes_size(block.length)


@final
class Contribution(Rival):
    """What one attempt of a map has pushed into one partition: its blocks, ascending by seq."""

    def __init__(self, partition: i64, map: i64, attempt: i64) -> None:
        super().__init__(map, attempt)
        self.partition: i64 = partition
        self.blocks: list[Block] = []
        self.bytes: i64 = 0
        self.checksum = 0  # the sum of the blocks'
        self.lost: i64 = 0

    def find(self, seq: i64) -> Block | None:
        """Return a block, None if it is not here. O(log n)."""
        place = self.place_of(seq)
        if place < len(self.blocks):
            block = self.blocks[place]
            if block.seq == seq:
                return block
        return None

    def add(self, block: Block) -> None:
        """Take a block that is not here yet; in order of seq O(1)."""
        if not self.blocks or self.blocks[-1].seq < block.seq:
            self.blocks.append(block)
        else:
            self.blocks.insert(int(self.place_of(block.seq)), block)
        self.bytes += block.length
        self.checksum = (self.checksum + block.checksum) & CHECKSUM_MASK

    def replace(self, block: Block) -> None:
        """Take a block in the place of the same one, which was lost."""
        self.blocks[int(self.place_of(block.seq))] = block
        self.lost -= 1

    def place_of(self, seq: i64) -> i64:
        """Return where a block of this seq is or would be."""
        blocks = self.blocks
        low: i64 = 0
        high: i64 = len(blocks)
        if seq < high and blocks[seq].seq == seq:
            return seq  # without gaps, as it nearly always is
        while low < high:
            middle = (low + high) // 2
            if blocks[middle].seq < seq:
                low = middle + 1
            else:
                high = middle
        return low

    def is_whole(self, blocks: i64, size: i64, checksum: int) -> bool:
        """Return whether it is what a summary says, without gaps and without losses."""
        if self.lost > 0 or blocks != len(self.blocks) or size != self.bytes:
            return False
        return checksum == self.checksum and self.blocks[-1].seq == blocks - 1


@final
class Partition:
    """The contributions to one partition, by map."""

    def __init__(self) -> None:
        self.is_consumed = False
        self.bytes: i64 = 0  # of payloads, wherever they are
        self.resident: i64 = 0  # memory of the payloads that could be spilled
        self.arrived: list[Block] = []  # those, oldest first,
        self.dropped: i64 = 0  # and so many that were dropped since
        self.spilled: i64 = 0  # blocks in files
        self._contributions: Rivals[Contribution] = Rivals()
        self._order: list[int] = []
        self._is_ordered = True

    def find(self, map: i64, attempt: i64) -> Contribution | None:
        """Return an attempt's contribution, None if it pushed nothing to here."""
        return self._contributions.find(map, attempt)

    def add(self, contribution: Contribution) -> None:
        """Take an attempt's contribution, which is not here yet."""
        self._contributions.add(contribution)
        if contribution.rival is None:
            self._order.append(contribution.map)
            self._is_ordered = False

    def remove(self, contribution: Contribution) -> None:
        """Let go of an attempt's contribution."""
        self._contributions.remove(contribution)  # its map stays in the order, without harm

    def maps(self) -> list[int]:
        """Return the maps that ever contributed, ascending; sorted once after the last new one."""
        if not self._is_ordered:
            self._order = sorted(set(self._order))
            self._is_ordered = True
        return self._order

    def ahead(
        self, winners: dict[int, int], cursor: tuple[int, int], map_end: i64, count: i64, size: i64
    ) -> list[Block]:
        """Return blocks of winners from a cursor on, in the order (map, seq).

        Up to `count`, and no more once there are `size` bytes and two blocks.
        """
        found: list[Block] = []
        total: i64 = 0
        maps = self.maps()
        start: i64 = bisect_left(maps, cursor[0])
        for place in range(start, len(maps)):
            map = maps[place]
            if map >= map_end:
                break
            contribution = self.find(map, winners.get(map, 0))
            if contribution is None:
                continue
            first: i64 = contribution.place_of(cursor[1]) if map == cursor[0] else 0
            for index in range(first, len(contribution.blocks)):
                block = contribution.blocks[index]
                found.append(block)
                total += block.length
                if len(found) >= count or (total > size and len(found) > 1):
                    return found
        return found

    def arrive(self, block: Block) -> None:
        """Take a block, the youngest, that could be spilled."""
        self.arrived.append(block)
        self.resident += payload_size(block)

    def take_oldest(self, most: i64, count_max: i64, blocks: list[Block]) -> i64:
        """Move the oldest blocks that could be spilled to the end of `blocks`.

        Return their memory, about `most`; `blocks` gets no longer than `count_max`.
        """
        size: i64 = 0
        count: i64 = 0
        for block in self.arrived:
            if size >= most or len(blocks) >= count_max:
                break
            count += 1
            if block.payload is not None:
                blocks.append(block)
                size += payload_size(block)
            else:
                self.dropped -= 1
        del self.arrived[:count]
        self.resident -= size
        return size

    def take_back(self, blocks: list[Block]) -> i64:
        """Take blocks that could not be spilled; return their memory."""
        size: i64 = 0
        for block in blocks:
            size += payload_size(block)
        self.arrived[0:0] = blocks
        self.resident += size
        return size

    def note_dropped(self, block: Block) -> None:
        """Note that one of those that arrived is not wanted any more. O(1) on average."""
        self.resident -= payload_size(block)
        self.dropped += 1
        if self.dropped > 16 and self.dropped * 2 > len(self.arrived):
            self.arrived = [block for block in self.arrived if block.payload is not None]
            self.dropped = 0

    def take_all(self) -> list[Contribution]:
        """Let go of all contributions and return them."""
        self._order = []
        return self._contributions.take_all()

    def contributions(self) -> list[Contribution]:
        """Return all contributions."""
        return self._contributions.all()

    def check(self, number: i64) -> None:
        """Assert the invariants; for tests."""
        arrived = [block for block in self.arrived if block.payload is not None]
        assert len(self.arrived) == len(arrived) + self.dropped
        resident: i64 = 0
        for block in arrived:
            assert block.file is None and not block.is_awaited
            resident += payload_size(block)
        assert resident == self.resident
        for contribution in self.contributions():
            before: i64 = -1
            checksum = 0
            for block in contribution.blocks:
                assert block.seq > before and block.partition == number
                before = block.seq
                checksum += block.checksum
                assert block.file is None or not block.is_lost
                assert block.is_lost or block.file is not None or block.payload is not None
            assert checksum & CHECKSUM_MASK == contribution.checksum
