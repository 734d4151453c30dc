"""A stream: entries, consumer groups, and the counters that tell how far a group has read."""

from __future__ import annotations

from typing import Final, final

from librt.vecs import append, pop, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.structures.stream_cursor import StreamCursor
from kvnode.structures.stream_groups import UNKNOWN, Group
from kvnode.structures.stream_ids import (
    HIGHEST,
    LOWEST,
    difference,
    is_before,
    number_of,
    wrapped,
)
from kvnode.structures.stream_nodes import BASE_COST, StreamNodes
from kvnode.structures.stream_pending import Meter

_KEY_BYTES: Final = 16
_DISCARDED_PER_NODE: Final = 32


@final
@mypyc_attr(acyclic=True)
class Stream(StreamNodes):
    """Entries by id, and groups that read them.

    (`last_ms`, `last_seq`) is the greatest id ever used, `first_*` the smallest one there is (0-0
    in an empty stream), `deleted_*` the greatest one deleted singly. `entries_added` counts all
    entries there ever were. `settle` brings `memory` up to date after changes of groups.
    """

    last_ms: i64
    last_seq: i64
    first_ms: i64
    first_seq: i64
    deleted_ms: i64
    deleted_seq: i64
    entries_added: i64
    groups: dict[bytes, Group]
    meter: Meter
    _settled: i64

    def __init__(self) -> None:
        super().__init__()
        self.last_ms = LOWEST
        self.last_seq = LOWEST
        self.first_ms = LOWEST
        self.first_seq = LOWEST
        self.deleted_ms = LOWEST
        self.deleted_seq = LOWEST
        self.entries_added = 0
        self.groups = {}
        self.meter = Meter()
        self._settled = 0  # what `memory` holds of the meter

    # --- entries ----------------------------------------------------------------------------------

    def add(
        self,
        ms: i64,
        seq: i64,
        argv: list[bytes],
        begin: i64,
        node_bytes_max: i64,
        node_entries_max: i64,
    ) -> None:
        """Append an entry with an id greater than the last one; see `StreamNodes.append`."""
        self.append(ms, seq, argv, begin, node_bytes_max, node_entries_max)
        self.last_ms = ms
        self.last_seq = seq
        if self.entries_added == HIGHEST:
            self.entries_added = LOWEST
        else:
            self.entries_added += 1
        if self.length == 1:
            self.first_ms = ms
            self.first_seq = seq

    def remove(self, ms: i64, seq: i64) -> bool:
        """Delete one entry; return whether it was there."""
        if not self.delete(ms, seq):
            return False
        if is_before(self.deleted_ms, self.deleted_seq, ms, seq):
            self.deleted_ms = ms
            self.deleted_seq = seq
        if self.length == 0 or (ms == self.first_ms and seq == self.first_seq):
            self.find_first()
        return True

    def find_first(self) -> None:
        """Note the first entry's id, after it may have changed."""
        cursor = StreamCursor(self)
        if cursor.seek(LOWEST, LOWEST):
            self.first_ms = cursor.ms
            self.first_seq = cursor.seq
        else:
            self.first_ms = LOWEST
            self.first_seq = LOWEST

    def first_kept(self) -> tuple[i64, i64]:
        """Return the first entry's id, deleted or not; of an empty stream the highest id."""
        if not self.has_tail:
            return HIGHEST, HIGHEST
        return self.key(self.first)

    def greatest(self) -> tuple[i64, i64]:
        """Return the last entry's id; of an empty stream 0-0."""
        cursor = StreamCursor(self)
        if cursor.seek_back(HIGHEST, HIGHEST):
            return cursor.ms, cursor.seq
        return LOWEST, LOWEST

    # --- groups -----------------------------------------------------------------------------------

    def group(self, name: bytes) -> Group | None:
        """Return a group by name."""
        return self.groups.get(name)

    def create_group(self, name: bytes, ms: i64, seq: i64, entries_read: i64) -> bool:
        """Add a group; return whether its name was free."""
        if name in self.groups:
            return False
        self.groups[name] = Group(name, ms, seq, entries_read, self.meter)
        return True

    def destroy_group(self, name: bytes) -> bool:
        """Take a group out; return whether it was there."""
        group = self.groups.pop(name, None)
        if group is None:
            return False
        group.release()
        return True

    def sorted_groups(self) -> list[Group]:
        """Return the groups by name."""
        return [self.groups[name] for name in sorted(self.groups)]

    def settle(self) -> None:
        """Put the memory of groups into `memory`."""
        self.memory += self.meter.memory - self._settled
        self._settled = self.meter.memory

    # --- how far a group has read -----------------------------------------------------------------

    def has_deleted_from(self, ms: i64, seq: i64) -> bool:
        """Say whether there is a gap at an id or behind it: an entry that was deleted singly."""
        if not self.length or (self.deleted_ms == LOWEST and self.deleted_seq == LOWEST):
            return False
        if is_before(self.deleted_ms, self.deleted_seq, self.first_ms, self.first_seq):
            return False
        return not is_before(self.deleted_ms, self.deleted_seq, ms, seq)

    def entries_up_to(self, ms: i64, seq: i64) -> i64:
        """Return how many entries were ever added up to an id, UNKNOWN where it cannot be told."""
        if not self.entries_added:
            return 0
        is_last = ms == self.last_ms and seq == self.last_seq
        is_later = not is_last and not is_before(ms, seq, self.last_ms, self.last_seq)
        if is_last or (not self.length and not is_later):
            return self.entries_added
        if is_later:
            return UNKNOWN
        if (self.deleted_ms == LOWEST and self.deleted_seq == LOWEST) or is_before(
            self.deleted_ms, self.deleted_seq, self.first_ms, self.first_seq
        ):
            before = difference(self.entries_added, self.length)
            if is_before(ms, seq, self.first_ms, self.first_seq):
                return before
            if ms == self.first_ms and seq == self.first_seq:
                return before + 1
        return UNKNOWN

    def note_read(self, group: Group, ms: i64, seq: i64) -> None:
        """Move a group on to an entry that is delivered to it now."""
        if group.entries_read != UNKNOWN and not self.has_deleted_from(ms, seq):
            group.entries_read = wrapped(int(group.entries_read) + 1)
        elif self.entries_added:
            group.entries_read = self.entries_up_to(ms, seq)
        group.last_ms = ms
        group.last_seq = seq

    def lag(self, group: Group) -> int | None:
        """Return how many entries a group has still to read, None where it cannot be told."""
        if not self.entries_added:
            return 0
        read = group.entries_read
        if read == UNKNOWN or self.has_deleted_from(group.last_ms, group.last_seq):
            read = self.entries_up_to(group.last_ms, group.last_seq)
            if read == UNKNOWN:
                return None
        return int(difference(self.entries_added, read))

    # --- the radix tree that Redis would have -----------------------------------------------------

    def tree_nodes(self) -> i64:
        """Return how many nodes a compressed radix tree of the node keys has. O(nodes).

        Each key's end is a node, each place where keys part is one, and so is each run of bytes
        from there to the next. A stack holds the depths at which keys part and may part again.
        """
        if not self.has_tail:
            return 1
        depths = vec[i64]([-1])
        total: i64 = 0
        before: i64 = -1
        place = self.first
        end = self.end()
        ms, seq = self.key(place)
        while place < end:
            common: i64 = -1
            if place + 1 < end:
                next_ms, next_seq = self.key(place + 1)
                common = _common_bytes(ms, seq, next_ms, next_seq)
                ms = next_ms
                seq = next_seq
            total += 2 if max(before, common) + 1 < _KEY_BYTES else 1
            while depths[len(depths) - 1] > common:
                depths, depth = pop(depths)
                parent = max(depths[len(depths) - 1], common)
                total += 2 if depth > parent + 1 else 1
            if depths[len(depths) - 1] < common:
                depths = append(depths, common)
            before = common
            place += 1
        return total

    # --- the whole --------------------------------------------------------------------------------

    def count(self) -> i64:
        """Return the number of entries and of rows about pending ones."""
        return self.length + self.meter.rows + len(self.groups)

    def discard(self, elements: i64) -> i64:
        """Free about `elements` entries of a stream that nobody uses any more."""
        if self.groups:
            name = next(iter(self.groups))
            group = self.groups[name]
            freed = group.discard(elements) + 1
            if group.is_discarded():
                del self.groups[name]
            self.meter.rows = 0
            return freed
        nodes = self.nodes
        dropped: i64 = min(i64(len(nodes)), elements // _DISCARDED_PER_NODE + 1)
        del nodes[len(nodes) - dropped :]
        self.has_tail = False
        self.length = len(nodes)
        return dropped * _DISCARDED_PER_NODE + 1

    def copy(self) -> Stream:
        """Return an independent copy that shares the nodes' bytes. O(nodes + pending)."""
        twin = Stream()
        self.copy_nodes(twin)
        twin.memory += twin.nodes_memory()
        twin.last_ms = self.last_ms
        twin.last_seq = self.last_seq
        twin.first_ms = self.first_ms
        twin.first_seq = self.first_seq
        twin.deleted_ms = self.deleted_ms
        twin.deleted_seq = self.deleted_seq
        twin.entries_added = self.entries_added
        for name, group in self.groups.items():
            twin.groups[name] = group.copy(twin.meter)
        twin.settle()
        return twin

    def check(self) -> None:
        """Assert every invariant; O(n log n)."""
        self.check_nodes()
        groups: i64 = 0
        rows: i64 = 0
        for name, group in self.groups.items():
            assert name == group.name and group.meter is self.meter
            groups += group.check()
            rows += 2 * group.pending.count
        assert groups == self.meter.memory and rows == self.meter.rows
        assert self._settled == self.meter.memory
        assert self.memory == BASE_COST + self.nodes_memory() + groups
        cursor = StreamCursor(self)
        if cursor.seek(LOWEST, LOWEST):
            assert cursor.ms == self.first_ms and cursor.seq == self.first_seq
            ms, seq = self.greatest()
            assert not is_before(self.last_ms, self.last_seq, ms, seq)


def _common_bytes(ms: i64, seq: i64, other_ms: i64, other_seq: i64) -> i64:
    """Return how many bytes two different keys have in common at their begin."""
    if ms != other_ms:
        return _common_of_halves(number_of(ms) ^ number_of(other_ms))
    return 8 + _common_of_halves(number_of(seq) ^ number_of(other_seq))


def _common_of_halves(different: int) -> i64:
    return 8 - (different.bit_length() + 7) // 8
