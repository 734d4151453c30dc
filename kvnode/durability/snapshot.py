"""All databases as they were at one moment, read in slices while they change.

There is no fork: Python's reference counts would copy every page of a forked process. Instead the
snapshot walks over the dicts of the keyspace, one (a *group*) at a time, and is told of each change
before it happens (`BeforeChange`). What is about to change in a group that it has not come to is
kept here: a reference to bytes, a copy of a container; and of a key that was not there, that it was
not. So memory grows with the keys that change first, never with the whole, and a change costs one
copy at most. Writing the rest of a group at its first change instead would write nearly everything
in the foreground: 90 % of the groups are hit after a few thousand random writes.

A group's keys, values and deadlines are taken together when the walk comes to it; from then on only
containers need care, since bytes do not change: one that is about to is replaced by a copy, even
while it is being written.

FLUSHDB and SWAPDB hand their dicts over: a `Part` holds the dicts of a database itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.access import NO_CLOCK, Access
from kvnode.dataset import BeforeChange
from kvnode.datatypes.kinds import copy
from kvnode.expiry import NO_DEADLINE, Expiry
from kvnode.keyspace import GROUP_COUNT, GROUP_SHIFT, Keyspace
from kvprotocol.slots import key_slot

if TYPE_CHECKING:
    from kvnode.dataset import Dataset


@final
class Records:
    """The keys of one group at the moment of the snapshot, side by side with what they had.

    `deadlines` and `clocks` end before the first key from which on none has one.
    """

    def __init__(self, index: int, keys: list[bytes], values: list[object]) -> None:
        self.index = index  # of the database
        self.keys = keys
        self.values = values
        self.deadlines = vec[i64]()
        self.clocks = vec[i64]()

    def add(self, key: bytes, stored: object, deadline: i64, clock: i64) -> None:
        """Append a key."""
        self.keys.append(key)
        self.values.append(stored)
        if deadline != NO_DEADLINE or clock != NO_CLOCK:
            self._add_times(deadline, clock)

    def deadline(self, place: i64) -> i64:
        """Return the deadline of the key at a place, NO_DEADLINE without one."""
        return self.deadlines[place] if place < len(self.deadlines) else NO_DEADLINE

    def clock(self, place: i64) -> i64:
        """Return the access clock of the key at a place, NO_CLOCK without one."""
        return self.clocks[place] if place < len(self.clocks) else NO_CLOCK

    def _add_times(self, deadline: i64, clock: i64) -> None:
        """Set what belongs to the last key."""
        while len(self.deadlines) < len(self.keys) - 1:
            self.deadlines = append(self.deadlines, NO_DEADLINE)
            self.clocks = append(self.clocks, NO_CLOCK)
        self.deadlines = append(self.deadlines, deadline)
        self.clocks = append(self.clocks, clock)


@final
@mypyc_attr(acyclic=True)
class _Timed:
    """What a key had that was about to change, where that was more than a value."""

    def __init__(self, stored: object, deadline: i64, clock: i64) -> None:
        self.stored = stored
        self.deadline = deadline
        self.clock = clock


@final
class Part:
    """One database of a snapshot."""

    def __init__(self, keyspace: Keyspace) -> None:
        self.index = keyspace.index
        self.key_count = int(keyspace.count)
        self.deadline_count = int(keyspace.expiry.count())
        self.next: i64 = 0  # the group that the walk comes to next
        # Whether any key had a deadline or a clock. Where one gets its first, it is kept before.
        self._has_times = self.deadline_count > 0 or keyspace.access is not None
        self.is_dropped = False  # whether nobody else holds the dicts any more
        self._groups = keyspace.groups
        self._expiry: Expiry = keyspace.expiry
        self._access: Access | None = keyspace.access
        # By group and key: a value, a _Timed, or None of a key that was not there.
        self._kept: dict[int, dict[bytes, object]] = {}

    def keep(self, key: bytes, stored: object | None) -> bool:
        """Keep what a key has, None for nothing, unless it was; False where it is too late."""
        group = key_slot(key) >> GROUP_SHIFT
        if group < self.next:
            return False
        kept = self._kept.get(group)
        if kept is None:
            kept = {}
            self._kept[int(group)] = kept
        if key not in kept:
            kept[key] = None if stored is None else self._taken(key, copy(stored))
        return True

    def is_in_hand(self, key: bytes) -> bool:
        """Return whether a key's group is the one that was taken last."""
        return key_slot(key) >> GROUP_SHIFT == self.next - 1

    def _taken(self, key: bytes, stored: object) -> object:
        """Return a value to keep, with what else its key has."""
        deadline = self._deadline(key)
        clock = self._clock(key)
        if deadline == NO_DEADLINE and clock == NO_CLOCK:
            return stored
        return _Timed(stored, deadline, clock)

    def _deadline(self, key: bytes) -> i64:
        return self._expiry.deadline(key) if self._expiry.count() > 0 else NO_DEADLINE

    def _clock(self, key: bytes) -> i64:
        return self._access.clock(key) if self._access is not None else NO_CLOCK

    def take(self) -> Records | None:
        """Return the next group that had keys; None behind the last one."""
        while self.next < GROUP_COUNT:
            group = self.next
            self.next += 1
            keys = self._groups[group]
            kept = self._kept.pop(int(group), None)
            if not keys and not kept:
                continue
            if self._has_times:
                records = self._with_times(keys, kept)
            else:
                merged = keys if kept is None else _merged(keys, kept)
                records = Records(self.index, list(merged), list(merged.values()))
            if records.keys:
                return records
        return None

    def _with_times(self, keys: dict[bytes, object], kept: dict[bytes, object] | None) -> Records:
        """Return the keys of a group, some of which have a deadline or a clock."""
        records = Records(self.index, [], [])
        for key, stored in keys.items():
            if kept is None or key not in kept:
                records.add(key, stored, self._deadline(key), self._clock(key))
        if kept is not None:
            for key, stored in kept.items():
                if isinstance(stored, _Timed):
                    records.add(key, stored.stored, stored.deadline, stored.clock)
                elif stored is not None:
                    records.add(key, stored, NO_DEADLINE, NO_CLOCK)
        return records

    def let_go(self, dataset: Dataset) -> None:
        """Have dicts that nobody else holds freed in slices."""
        if self.is_dropped:
            dataset.freeing.groups(self._groups)
            dataset.freeing.value(self._expiry)
            if self._access is not None:
                dataset.freeing.value(self._access)


def _merged(keys: dict[bytes, object], kept: dict[bytes, object]) -> dict[bytes, object]:
    """Return the keys of a group as they were: a copy costs less than asking for each if kept."""
    merged = keys.copy()
    for key, stored in kept.items():
        if stored is None:
            merged.pop(key, None)
        else:
            merged[key] = stored
    return merged


@final
class Snapshot(BeforeChange):
    """Made between two commands; `take` then returns the keys of that moment, group by group.

    `records` is the group that was taken last, and `values[place]` the one being written: its
    container, if about to change, is exchanged for a copy there.
    """

    def __init__(self, dataset: Dataset, has_data: bool = True) -> None:
        """Without `has_data` it is the snapshot of an empty dataset."""
        self._dataset = dataset
        databases = dataset.databases if has_data else []
        self.parts = [Part(database) for database in databases if database.count > 0]
        self.key_count = sum(part.key_count for part in self.parts)
        self.dirty = int(dataset.dirty)
        self.now_ms = int(dataset.now_ms)
        self.copies: i64 = 0
        self._parts: dict[int, Part] = {part.index: part for part in self.parts}
        self._current = 0
        self.records: Records | None = None
        self.place = 0
        assert dataset.snapshot is None
        dataset.snapshot = self

    def take(self) -> Records | None:
        """Return the next group of keys, in the order of the databases; None behind the last."""
        self.records = None
        self.place = 0
        while self._current < len(self.parts):
            records = self.parts[self._current].take()
            if records is not None:
                self.records = records
                return records
            self._current += 1
        return None

    def end(self) -> None:
        """Stop listening to changes; what only the snapshot held is freed."""
        if self._dataset.snapshot is self:
            self._dataset.snapshot = None
        for part in self.parts:
            part.let_go(self._dataset)
        self.parts = []
        self._parts = {}
        self.records = None

    def before_change(self, keyspace: Keyspace, key: bytes, stored: object) -> None:
        """Keep a value that is about to change."""
        part = self._parts.get(keyspace.index)
        if part is None:
            return
        if part.keep(key, stored):
            return
        records = self.records
        if records is None or isinstance(stored, (bytes, int)) or records.index != part.index:
            return
        if not part.is_in_hand(key):
            return
        place = self.place
        while place < len(records.keys):
            if records.values[place] is stored:
                records.values[place] = copy(stored)
                self.copies += 1
                return
            place += 1

    def before_add(self, keyspace: Keyspace, key: bytes) -> None:
        """Note that a key was not there."""
        part = self._parts.get(keyspace.index)
        if part is not None:
            part.keep(key, None)

    def take_over(self, keyspace: Keyspace) -> bool:
        """Keep the dicts of a database that is about to be emptied; False if not needed."""
        part = self._parts.pop(keyspace.index, None)
        if part is None:
            return False
        part.is_dropped = True
        return True

    def before_swap(self, first: int, second: int) -> None:
        """Follow two databases that are about to be exchanged."""
        parts = self._parts
        a = parts.pop(first, None)
        b = parts.pop(second, None)
        if a is not None:
            parts[second] = a
        if b is not None:
            parts[first] = b
