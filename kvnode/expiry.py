"""Deadlines of one database, in milliseconds since the epoch.

A deadline is a column of an index table, so a look-up costs one probe and a key 47 bytes. Beside it
stand lazy buckets: for each second the keys that had a deadline in it when they were put there; a
second that has come is ordered by a small heap. When a deadline moves later or is dropped the old
entry stays, and the cycle that meets it puts the key where it belongs or forgets it. When stale
entries outnumber the live ones, the buckets are built anew from the table, some rows with each
step, and the old ones are let go of one by one: no pause, and memory follows the number of
deadlines.

Measured at 1 M keys: 836 ns for SET EX on an existing key and 1018 ns a key in the cycle, against
1329 and 4704 with a heap. Redis samples at random instead, and lets up to a quarter of what is due
wait.
"""

from heapq import heappop, heappush
from typing import Final, final

from librt.vecs import append, pop, vec
from mypy_extensions import i64
from sortedcontainers import SortedDict

from kvnode.structures.index_table import IndexTable

NO_DEADLINE: Final = -1
_STALE_MIN: Final = 1024
_ROWS_PER_STEP: Final = 8
_BUCKETS_PER_STEP: Final = 4
_ENTRY_BYTES: Final = 9  # of a list that grows by an eighth
_BUCKET_BYTES: Final = 200  # an entry of the dict, the list, the second


@final
class Expiry(IndexTable):
    """The keys of one database that have a deadline."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines = vec[i64]()
        self._buckets: SortedDict[int, list[bytes]] = SortedDict()  # by second
        self._old_buckets: SortedDict[int, list[bytes]] = SortedDict()  # being replaced
        self._loaded: dict[int, list[bytes]] = {}  # by second, from `load` until `settle`
        self._soon: list[tuple[int, bytes]] = []  # a heap of what the due buckets held
        self._entries: i64 = 0  # in _buckets, stale ones included
        self._walk: i64 = 0  # rows below this one are still to be put into _buckets

    def deadline(self, key: bytes) -> i64:
        """Return the deadline of `key`, NO_DEADLINE where it has none."""
        index = self.find(key)
        return self.deadlines[index] if index >= 0 else NO_DEADLINE

    def put(self, key: bytes, deadline_ms: i64) -> None:
        """Give `key` a deadline, or another one."""
        index = self.find(key)
        if index < 0:
            self.add(key)
            self.deadlines = append(self.deadlines, deadline_ms)
            self._into_bucket(key, deadline_ms)
        else:
            old = self.deadlines[index]
            self.deadlines[index] = deadline_ms
            if deadline_ms < old:
                self._into_bucket(key, deadline_ms)
        self._trim()

    def load(self, key: bytes, deadline_ms: i64) -> None:
        """Give a key a deadline that has none; the cycle meets it from the next `settle` on.

        One by one the seconds of a loaded file cost more to order than all its other work.
        """
        self.add(key)
        self.deadlines = append(self.deadlines, deadline_ms)
        second = int(deadline_ms // 1000)
        keys = self._loaded.get(second)
        if keys is None:
            self._loaded[second] = [key]
        else:
            keys.append(key)

    def settle(self) -> None:
        """Put into the buckets what was loaded. O(loaded), and the order of its seconds."""
        loaded = self._loaded
        self._loaded = {}
        for second, keys in loaded.items():
            self._entries += len(keys)
            present = self._buckets.get(second)
            if present is not None:
                keys.extend(present)
        self._buckets.update(loaded)

    def drop(self, key: bytes) -> bool:
        """Make `key` persistent; return whether it had a deadline."""
        index = self.find(key)
        if index < 0:
            return False
        moved = self.remove_at(index)
        self.deadlines, last = pop(self.deadlines)
        if moved >= 0:
            self.deadlines[index] = last
        self._trim()
        return True

    def discard(self, elements: i64) -> i64:
        """Free part of a table that nobody uses any more: the buckets, then the members."""
        done: i64 = 0
        for buckets in (self._buckets, self._old_buckets):
            while len(buckets) and done < elements:
                keys = buckets.peekitem()[1]
                rest: i64 = len(keys)
                rest = max(rest - (elements - done), 0)
                done += len(keys) - rest + 1
                del keys[rest:]
                if not keys:
                    buckets.popitem()
        if done >= elements:
            return done
        return done + super().discard(elements - done)

    def due(self, now_ms: i64, limit: i64) -> list[bytes]:
        """Return keys whose deadline has passed, after looking at `limit` entries or a few more.

        The caller drops them; a key that was given deadlines repeatedly may stand there repeatedly.
        `is_due` tells whether there is more to do.
        """
        found: list[bytes] = []
        soon = self._soon
        current = now_ms // 1000
        work = self._gather(self._buckets, current, limit)
        self._entries -= work
        if len(self._old_buckets):
            work += self._gather(self._old_buckets, current, limit)
            self._rebuild(limit)
        while soon and work < limit and soon[0][0] <= now_ms:
            key = heappop(soon)[1]
            work += 1
            deadline = self.deadline(key)
            if deadline < 0:
                continue
            if deadline <= now_ms:
                found.append(key)
            else:
                self._into_bucket(key, deadline)
        return found

    def is_due(self, now_ms: i64) -> bool:
        """Return whether `due` would have something to look at now."""
        first = self.next_deadline()
        return 0 <= first <= now_ms

    def next_deadline(self) -> i64:
        """Return the earliest time at which the cycle has work, NO_DEADLINE without any."""
        first: i64 = NO_DEADLINE
        if self._soon:
            first = self._soon[0][0]
        for buckets in (self._buckets, self._old_buckets):
            if len(buckets):
                begin: i64 = buckets.peekitem(0)[0]
                begin *= 1000
                if first < 0 or begin < first:
                    first = begin
        return first

    def average_ttl(self, now_ms: i64) -> i64:
        """Return an estimate of the mean time to live from up to 64 keys, 0 without any."""
        count = self.count()
        if count == 0:
            return 0
        step = count // 64 + 1
        total: i64 = 0
        seen: i64 = 0
        index: i64 = 0
        while index < count:
            total += max(self.deadlines[index] - now_ms, 0)
            seen += 1
            index += step
        return total // seen

    def table_bytes(self) -> i64:
        """Return what the table and its buckets take beside the keys."""
        entries = self._entries + len(self._soon)
        buckets: i64 = len(self._buckets) + len(self._old_buckets)
        columns = super().table_bytes() + 8 * self.count()
        return columns + _ENTRY_BYTES * entries + _BUCKET_BYTES * buckets

    def _gather(self, buckets: SortedDict[int, list[bytes]], current: i64, limit: i64) -> i64:
        """Order the buckets up to the current second by deadline; return the entries looked at."""
        work: i64 = 0
        while len(buckets) and work < limit:
            second, keys = buckets.peekitem(0)
            if second > current:
                break
            while keys and work < limit:
                key = keys.pop()
                work += 1
                deadline = self.deadline(key)
                if deadline // 1000 > current:
                    self._into_bucket(key, deadline)
                elif deadline >= 0:
                    heappush(self._soon, (deadline, key))
            if not keys:
                del buckets[second]
        return work

    def _trim(self) -> None:
        """Go on with a rebuilding of the buckets, or begin one when most entries are stale."""
        if len(self._old_buckets):
            self._rebuild(_ROWS_PER_STEP)
        elif self._entries > 2 * self.count() + _STALE_MIN:
            self._old_buckets = self._buckets
            self._buckets = SortedDict()
            self._entries = 0
            self._walk = self.count()

    def _rebuild(self, rows: i64) -> None:
        """Put some rows more into the new buckets; then let go of the old ones one by one."""
        self._walk = min(self._walk, self.count())
        while self._walk > 0 and rows > 0:
            self._walk -= 1
            rows -= 1
            self._into_bucket(self.members[self._walk], self.deadlines[self._walk])
        if self._walk == 0:
            for _ in range(min(_BUCKETS_PER_STEP, len(self._old_buckets))):
                self._old_buckets.popitem()

    def _into_bucket(self, key: bytes, deadline_ms: i64) -> None:
        second = deadline_ms // 1000
        keys = self._buckets.get(second)
        if keys is None:
            self._buckets[second] = [key]
        else:
            keys.append(key)
        self._entries += 1

    def check(self) -> None:
        """Assert that every deadline will be met by the cycle."""
        super().check()
        assert len(self.deadlines) == self.count()
        first: dict[bytes, int] = {}
        for deadline, key in self._soon:
            first[key] = min(first.get(key, deadline), deadline)
        for buckets in (self._buckets, self._old_buckets, self._loaded):
            for second, keys in buckets.items():
                for key in keys:
                    first[key] = min(first.get(key, second * 1000), second * 1000)
        index: i64 = 0
        while index < self.count():
            key = self.members[index]
            assert first[key] <= self.deadlines[index], f"{key!r} would expire late"
            index += 1
