"""When the keys of one database were used, and a table to draw keys from at random.

One row per key: the key object that the slot dict holds, and 31 bits that are its clock. Under an
LRU policy the clock is the time of the last access in steps of 8 ms (Redis: 1 s); under an LFU
policy it is Redis's pair of 16 bits of minutes and 8 bits of a logarithmic counter. A row is drawn
with one random index, so every draw is uniform, however the keys are spread over slots.

The table exists only under a policy that needs it: it takes about 30 bytes a key. The clock stands
in a column and not in the stored form, because a stored form is a plain bytes object or int; an
object around it would cost 32 bytes a key always. Noting an access compares 31 bits of the hash and
not the key: one cache miss less, and once in two billion accesses another key's clock is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.random import Random
from librt.vecs import append, pop, vec
from mypy_extensions import i32, i64, mypyc_attr

from kvnode.memory import ACCESS_BYTES
from kvnode.structures.index_table import IndexTable

if TYPE_CHECKING:
    from kvnode.keyspace import Keyspace

# What the table is kept for.
NOTHING: Final = 0
KEYS: Final = 1  # allkeys-random: rows without clocks that tell anything
LAST_USE: Final = 2
USE_COUNT: Final = 3

FIRST_COUNT: Final = 5  # of a new key, so that it is not the next one to go
COUNT_MAX: Final = 255
NO_CLOCK: Final = -1

_STEP_BITS: Final = 3  # of ms: 31 bits last for 198 days, Redis's 24 bits of seconds for 194
_CLOCK_MASK: Final = 0x7FFFFFFF
_MINUTE_MS: Final = 60000
_MINUTES_MASK: Final = 0xFFFF
_SET_BACK_STEPS: Final = 3600 * 1000 >> _STEP_BITS  # the wall clock may be set back by an hour


@final
@mypyc_attr(acyclic=True)
class AccessRules:
    """How accesses are noted, for all databases of a node."""

    def __init__(self) -> None:
        self.purpose: i64 = NOTHING
        self.log_factor: i64 = 10
        self.decay_minutes: i64 = 1
        self.random = Random(1)

    def fresh_clock(self, now_ms: i64) -> i64:
        """Return the clock of a key that is made now."""
        if self.purpose == USE_COUNT:
            return use_clock(FIRST_COUNT, now_ms)
        return last_use_clock(now_ms)

    def is_counting(self) -> bool:
        """Return whether clocks count uses."""
        return self.purpose == USE_COUNT

    def decayed(self, clock: i64, now_ms: i64) -> i64:
        """Return the counter of a clock less one for each `decay_minutes` without a use."""
        count: i64 = clock & COUNT_MAX
        if self.decay_minutes <= 0:
            return count
        elapsed = (now_ms // _MINUTE_MS - (clock >> 8)) & _MINUTES_MASK
        if elapsed == 0:
            return count
        return max(count - elapsed // self.decay_minutes, 0)

    def counted(self, clock: i64, now_ms: i64) -> i64:
        """Return the clock after one more use: the larger the counter, the rarer it grows."""
        count = self.decayed(clock, now_ms)
        if count < COUNT_MAX:
            odds: i64 = 1
            if count > FIRST_COUNT:
                odds += (count - FIRST_COUNT) * self.log_factor
            if odds == 1 or self.random.randrange(odds) == 0:
                count += 1
        return use_clock(count, now_ms)

    def reason_to_evict(self, clock: i64, now_ms: i64) -> i64:
        """Return a number that is the larger the better the key is to evict."""
        if self.purpose == USE_COUNT:
            return COUNT_MAX - self.decayed(clock, now_ms)
        return idle_ms(clock, now_ms)


def last_use_clock(now_ms: i64) -> i64:
    """Return a time as an LRU clock."""
    return (now_ms >> _STEP_BITS) & _CLOCK_MASK


def use_clock(count: i64, now_ms: i64) -> i64:
    """Return a counter and the minute it was changed in as an LFU clock."""
    return ((now_ms // _MINUTE_MS & _MINUTES_MASK) << 8) | count


def idle_ms(clock: i64, now_ms: i64) -> i64:
    """Return the time since an LRU clock; none where the clock is a little ahead."""
    steps = (last_use_clock(now_ms) - clock) & _CLOCK_MASK
    return 0 if steps > _CLOCK_MASK - _SET_BACK_STEPS else steps << _STEP_BITS


@final
@mypyc_attr(acyclic=True)
class Access(IndexTable):
    """The keys of one database with their clocks."""

    def __init__(self, rules: AccessRules) -> None:
        super().__init__()
        self.rules = rules
        self.clocks = vec[i32]()

    def enter(self, key: bytes, now_ms: i64) -> None:
        """Add a key that is known to be absent. O(1)."""
        self.add(key)
        self.clocks = append(self.clocks, i32(self.rules.fresh_clock(now_ms)))

    def touch(self, key: bytes, now_ms: i64) -> None:
        """Note a use of the key; one that is not here yet is left alone. O(1)."""
        index = self.find_hash(key)
        if index < 0:
            return
        rules = self.rules
        if rules.purpose == LAST_USE:
            self.clocks[index] = i32(last_use_clock(now_ms))
        elif rules.purpose == USE_COUNT:
            self.clocks[index] = i32(rules.counted(i64(self.clocks[index]), now_ms))

    def drop(self, key: bytes) -> bool:
        """Take a key out; return whether it was there. O(1)."""
        index = self.find(key)
        if index < 0:
            return False
        moved = self.remove_at(index)
        self.clocks, last = pop(self.clocks)
        if moved >= 0:
            self.clocks[index] = last
        return True

    def clock(self, key: bytes) -> i64:
        """Return the key's clock, NO_CLOCK where it is not here."""
        index = self.find(key)
        return i64(self.clocks[index]) if index >= 0 else NO_CLOCK

    def clock_at(self, index: i64) -> i64:
        """Return the clock of a row."""
        return i64(self.clocks[index])

    def set_clock(self, key: bytes, clock: i64) -> None:
        """Give the key the clock that it had elsewhere."""
        index = self.find(key)
        if index >= 0 and clock >= 0:
            self.clocks[index] = i32(clock & _CLOCK_MASK)

    def start_clocks(self, now_ms: i64) -> None:
        """Begin all clocks anew, after a change between LRU and LFU. O(n), 2 ns a key."""
        clock = i32(self.rules.fresh_clock(now_ms))
        count = self.count()
        index: i64 = 0
        while index < count:
            self.clocks[index] = clock
            index += 1

    def discard(self, elements: i64) -> i64:
        """Free part of a table that nobody uses any more."""
        self.clocks = vec[i32]()
        return IndexTable.discard(self, elements)

    def table_bytes(self) -> i64:
        """Return what the table takes beside the keys, which the slot dicts hold."""
        return IndexTable.table_bytes(self) + 4 * self.count()

    def check(self) -> None:
        """Assert that each key has a clock."""
        IndexTable.check(self)
        assert len(self.clocks) == self.count(), "keys without clocks"


@final
class AccessBuild:
    """A walk over the keys that a database held when its access table was begun."""

    def __init__(self) -> None:
        self._group: i64 = 0  # the next one
        self._keys: list[bytes] = []  # of the group before it, still to be handed out

    def is_done(self, groups: list[dict[bytes, object]]) -> bool:
        """Return whether all keys were handed out."""
        return self._group >= len(groups) and not self._keys

    def take(self, groups: list[dict[bytes, object]], limit: i64) -> list[bytes]:
        """Return about `limit` keys that are there; each comes once."""
        found: list[bytes] = []
        while limit > 0:
            limit -= 1
            if self._keys:
                key = self._keys.pop()
                if key in groups[self._group - 1]:
                    found.append(key)
            elif self._group < len(groups):
                self._keys = list(groups[self._group])
                self._group += 1
            else:
                break
        return found


def keep_table(database: Keyspace) -> None:
    """Begin to keep an access table, or begin its clocks anew; `build_table` fills it."""
    now_ms = database.dataset.now_ms
    if database.access is not None:
        database.access.start_clocks(now_ms)
        return
    database.access = Access(database.dataset.access_rules)
    database.ageing = True
    if database.count > 0:
        database.access_build = AccessBuild()


def drop_table(database: Keyspace) -> None:
    """Keep no access table any more; its memory is freed in slices."""
    access = database.access
    if access is None:
        return
    _book(database, -access.count())
    database.dataset.freeing.value(access)
    database.access = None
    database.access_build = None
    database.ageing = database.expiring


def build_table(database: Keyspace, limit: i64) -> bool:
    """Enter about `limit` keys that were there before the table; return whether all are."""
    access = database.access
    build = database.access_build
    if access is None or build is None:
        return True
    now_ms = database.dataset.now_ms
    before = access.count()
    for key in build.take(database.groups, limit):
        if access.find(key) < 0:
            access.enter(key, now_ms)
    _book(database, access.count() - before)
    if build.is_done(database.groups):
        database.access_build = None
    return database.access_build is None


def _book(database: Keyspace, rows: i64) -> None:
    """Account for rows that came, or went."""
    database.memory += rows * ACCESS_BYTES
    database.dataset.memory += rows * ACCESS_BYTES
