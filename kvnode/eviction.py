"""Making room: which keys go when `maxmemory` is reached.

Memory is compared with the limit where it grows, after a change was recorded, and that sets a bit
in the dispatcher's gate; so commands below the limit take the plain path. With the bit set
`make_room` evicts before the next command until memory is a little below the limit (a thousandth
of what the data may take, 16 KiB at most, so that the commands behind it take the plain path
again), for as long as `maxmemory-eviction-tenacity` lets it, and goes on with the next command or
tick. What was added since the eviction before is made good even if that takes longer, eight times
at most: one value of 50 KB takes the place of 250 small keys, and memory would run away.

LRU, LFU and volatile-ttl are approximated as Redis does it: `maxmemory-samples` keys are drawn at
random, the best of them enter a pool of 16, and the best of the pool goes. The pool holds rows, not
keys, so that a key is touched only when it goes; a row whose key was used since it was drawn, or
that a younger key has moved to, is passed over, where Redis evicts a used key all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.random import Random
from librt.vecs import vec
from mypy_extensions import i64

from kvnode.access import (
    KEYS,
    LAST_USE,
    NOTHING,
    USE_COUNT,
    build_table,
    drop_table,
    keep_table,
)
from kvnode.dataset import NO_LIMIT
from kvnode.gates import FOLLOWS, MEMORY_LIMITED, PAUSED_ALL, PAUSED_WRITES
from kvnode.keyspace import Keyspace

if TYPE_CHECKING:
    from kvnode.node import Node

POOL_SIZE: Final = 16
_SLACK_SHIFT: Final = 10
_SLACK_BYTES_MAX: Final = 16 << 10
_BUILD_KEYS_PER_STEP: Final = 1000
_BUILD_SECONDS: Final = 0.002  # in one tick
BUSY_TICK_SECONDS: Final = 0.008  # while the access table is being built
_KEYS_PER_CLOCK_READ: Final = 16
_UNLIMITED_TENACITY: Final = 100
_LONGER_MAX: Final = 8.0
_LATEST_MS: Final = 1 << 61
# A place is the number of a database above that of a row in its table.
_ROW_BITS: Final = 32
_ROW_MASK: Final = 0xFFFFFFFF
_NOWHERE: Final = -1


@final
class Eviction:
    """The limit on memory and what is done about it.

    `out_of_room` is what `make_room` found last: a script asks for it, whose start decides for all
    of its calls. `exceeded_since` is the time since when memory is over the limit, 0 when it is
    not.
    """

    def __init__(self, node: Node, random: Random) -> None:
        self.node = node
        self.dataset = node.dataset
        self.random = random
        self.evicts = False  # any policy but noeviction
        self.volatile_only = False
        self.is_random = False
        self.by_deadline = False
        self.samples: i64 = 5
        self.tenacity: i64 = 10
        self.out_of_room = False
        self.exceeded_since = 0.0
        self.exceeded_seconds = 0.0
        self._policy = "noeviction"
        self._next_database: i64 = 0
        self._memory_after: i64 = 0  # what the data took when an eviction ended
        # The pool, best last.
        self._pooled: i64 = 0
        self._reasons = vec[i64]([0] * POOL_SIZE)
        self._places = vec[i64]([0] * POOL_SIZE)
        self.dataset.access_rules.random = random

    def apply_settings(self) -> None:
        """Take over the policy and the limit; begin or end the access tables."""
        settings = self.node.settings
        self.samples = settings.maxmemory_samples
        self.tenacity = settings.maxmemory_eviction_tenacity
        rules = self.dataset.access_rules
        rules.log_factor = settings.lfu_log_factor
        rules.decay_minutes = settings.lfu_decay_time
        policy = settings.maxmemory_policy
        if policy != self._policy:
            self._policy = policy
            self.evicts = policy != "noeviction"
            self.volatile_only = policy.startswith("volatile")
            self.is_random = policy.endswith("random")
            self.by_deadline = policy == "volatile-ttl"
            self._empty_pool()
            self._keep(_purpose(policy))
        self._memory_after = self.dataset.memory  # a lowered limit is reached little by little
        self.update_limit()

    def _keep(self, purpose: i64) -> None:
        """Keep access tables for a purpose."""
        rules = self.dataset.access_rules
        if purpose == rules.purpose:
            return
        rules.purpose = purpose
        for database in self.dataset.databases:
            if purpose == NOTHING:
                drop_table(database)
            else:
                keep_table(database)

    def update_limit(self) -> None:
        """Compute what the accounted data may take, and see whether it takes more."""
        limit = self.node.settings.maxmemory
        dataset = self.dataset
        if limit > 0:
            dataset.memory_limit = limit - self.node.memory_beside_data()
        else:
            dataset.memory_limit = NO_LIMIT
        if dataset.memory > dataset.memory_limit:
            self.node.dispatcher.gate |= MEMORY_LIMITED
        else:
            self._be_within()

    def _be_within(self) -> None:
        self.node.dispatcher.gate &= ~MEMORY_LIMITED
        self.out_of_room = False
        if self.exceeded_since > 0.0:
            self.exceeded_seconds += self.node.clock.now() - self.exceeded_since
            self.exceeded_since = 0.0

    def make_room(self) -> bool:
        """Evict keys while memory is over the limit; return False when it is and nothing helps.

        True when it is within the limit, when the time for this call is over, or when the data
        must stay as it is.
        """
        dataset = self.dataset
        if dataset.memory <= dataset.memory_limit:
            self._be_within()
            return True
        dispatcher = self.node.dispatcher
        if dispatcher.gate & (PAUSED_WRITES | PAUSED_ALL):
            return True
        begin = self.node.clock.now()
        if self.exceeded_since == 0.0:
            self.exceeded_since = begin
        if dispatcher.gate & FOLLOWS and self.node.settings.replica_ignore_maxmemory:
            return True
        if not self.evicts or not dataset.expires_keys:
            self.out_of_room = True
            return False
        found = self._evict_until(begin)
        self._memory_after = dataset.memory
        dispatcher.settle_expired()
        self.node.latency.note("eviction-cycle", begin, self.node.clock.now() - begin)
        if dataset.memory <= dataset.memory_limit:
            self._be_within()
            return True
        self.out_of_room = not found
        return found

    def _evict_until(self, begin: float) -> bool:
        """Evict until there is room or time is up; return False when no key can be evicted."""
        dataset = self.dataset
        node = self.node
        limit = dataset.memory_limit
        target = limit - min(max(limit, 0) >> _SLACK_SHIFT, _SLACK_BYTES_MAX)
        seconds = self.seconds_allowed()
        end = begin + seconds
        latest = begin + seconds * _LONGER_MAX
        caught_up = max(self._memory_after, limit)
        lazily = node.settings.lazyfree_lazy_eviction
        evicted: i64 = 0
        watches_latency = node.dispatcher.latency_from > 0.0
        while dataset.memory > target:
            place = self._random_place() if self.is_random else self._best_place()
            if place < 0:
                return False
            start = node.clock.now() if watches_latency else 0.0
            if self._evict_at(place, lazily):
                node.stats.evicted_keys += 1
            if watches_latency:
                node.latency.note("eviction-del", start, node.clock.now() - start)
            evicted += 1
            if evicted % _KEYS_PER_CLOCK_READ == 0:
                now = node.clock.now()
                if now > end and (dataset.memory <= caught_up or now > latest):
                    return True
        return True

    def seconds_allowed(self) -> float:
        """Return how long one call may evict: 50 us a step of tenacity, from 10 on 15 % more."""
        tenacity = self.tenacity
        if tenacity <= 10:
            return 50e-6 * float(tenacity)
        if tenacity >= _UNLIMITED_TENACITY:
            return 1e9
        seconds = 500e-6
        while tenacity > 10:
            seconds *= 1.15
            tenacity -= 1
        return seconds

    def exceeded_now(self) -> float:
        """Return for how many seconds memory has been over the limit."""
        if self.exceeded_since == 0.0:
            return 0.0
        return self.node.clock.now() - self.exceeded_since

    # --- which key --------------------------------------------------------------------------------

    def _random_place(self) -> i64:
        """Return the place of a random key, database after database; -1 where there is none."""
        databases = self.dataset.databases
        tries: i64 = len(databases)
        while tries > 0:
            tries -= 1
            self._next_database = (self._next_database + 1) % len(databases)
            count = self._candidates(databases[self._next_database])
            if count > 0:
                return (self._next_database << _ROW_BITS) | self.random.randrange(count)
        return _NOWHERE

    def _evict_at(self, place: i64, lazily: bool) -> bool:
        """Evict the key at a place; return whether it was still there."""
        database = self.dataset.databases[place >> _ROW_BITS]
        access = database.access
        if self.volatile_only or access is None:
            return database.evict(database.expiry.members[place & _ROW_MASK], lazily)
        return database.evict(access.members[place & _ROW_MASK], lazily)

    def _best_place(self) -> i64:
        """Return the place of the key that is best to evict, as far as samples tell, or -1."""
        databases = self.dataset.databases
        while True:
            drawn: i64 = 0
            for database in databases:
                if database.count > 0:
                    drawn += self._sample(database)
            while self._pooled > 0:
                self._pooled -= 1
                place = self._places[self._pooled]
                reason = self._reason_at(databases[place >> _ROW_BITS], place & _ROW_MASK)
                if reason >= self._reasons[self._pooled]:
                    return place
            if drawn == 0:
                return _NOWHERE

    def _candidates(self, database: Keyspace) -> i64:
        """Return how many keys of a database may be evicted."""
        if self.volatile_only:
            return database.expiry.count() if database.expiring else 0
        access = database.access
        if access is None:
            return 0
        while access.count() == 0 and not build_table(database, _BUILD_KEYS_PER_STEP):
            pass
        return access.count()

    def _sample(self, database: Keyspace) -> i64:
        """Let some random keys of a database enter the pool; return how many were looked at."""
        count = self._candidates(database)
        if count == 0:
            return 0
        samples = min(self.samples, count)
        rules = self.dataset.access_rules
        now_ms = self.dataset.now_ms
        access = database.access
        base = i64(database.index) << _ROW_BITS
        left = samples
        while left > 0:
            left -= 1
            # Who asks for that many samples wants every key to be seen.
            row = left if samples == count else self.random.randrange(count)
            if access is not None and not self.volatile_only:
                reason = rules.reason_to_evict(i64(access.clocks[row]), now_ms)
            else:
                reason = self._reason_at(database, row)
            if self._pooled < POOL_SIZE or reason > self._reasons[0]:
                self._into_pool(reason, base | row)
        return samples

    def _reason_at(self, database: Keyspace, row: i64) -> i64:
        """Return how good the key in a row is to evict now, -1 where there is none.

        The rows are those of the deadlines where only keys with one go, else of the access table.
        """
        access = database.access
        if not self.volatile_only:
            if access is None or row >= access.count():
                return -1
            clock = access.clock_at(row)
            return self.dataset.access_rules.reason_to_evict(clock, self.dataset.now_ms)
        expiry = database.expiry
        if row >= expiry.count():
            return -1
        if self.by_deadline:
            return _LATEST_MS - expiry.deadlines[row]
        clock = database.clock(expiry.members[row])
        if clock < 0:
            return 0  # it was there before the access table, which is being built
        return self.dataset.access_rules.reason_to_evict(clock, self.dataset.now_ms)

    def _into_pool(self, reason: i64, place: i64) -> None:
        """Put a place where it belongs in the pool; the worst one of a full pool leaves."""
        reasons = self._reasons
        places = self._places
        size = self._pooled
        index = size
        while index > 0 and reasons[index - 1] > reason:
            index -= 1
        # The same key may be drawn twice; then it stands beside itself unless it was used.
        if index > 0 and reasons[index - 1] == reason and places[index - 1] == place:
            return
        if size < POOL_SIZE:
            self._pooled = size + 1
            i = size
            while i > index:
                reasons[i] = reasons[i - 1]
                places[i] = places[i - 1]
                i -= 1
        else:
            index -= 1
            i = 0
            while i < index:
                reasons[i] = reasons[i + 1]
                places[i] = places[i + 1]
                i += 1
        reasons[index] = reason
        places[index] = place

    def _empty_pool(self) -> None:
        self._pooled = 0

    # --- what is due by time ----------------------------------------------------------------------

    def tick(self) -> bool:
        """Go on with what takes several steps; return whether there is more to do soon."""
        self.update_limit()
        is_running = False
        dispatcher = self.node.dispatcher
        if dispatcher.gate & MEMORY_LIMITED and self.evicts:
            is_running = self.make_room() and bool(dispatcher.gate & MEMORY_LIMITED)
        if self.dataset.access_rules.purpose != NOTHING:
            return self._build() or is_running
        return is_running

    def reset_statistics(self) -> None:
        """Begin the time over the limit anew, for CONFIG RESETSTAT."""
        self.exceeded_since = 0.0
        self.exceeded_seconds = 0.0

    def _build(self) -> bool:
        """Enter keys into access tables for a short time; return whether some are missing."""
        end = self.node.clock.now() + _BUILD_SECONDS
        for database in self.dataset.databases:
            while database.access_build is not None:
                if build_table(database, _BUILD_KEYS_PER_STEP):
                    break
                if self.node.clock.now() >= end:
                    return True
        return False


def _purpose(policy: str) -> i64:
    """Return what a policy needs the access table for."""
    if policy.endswith("lru"):
        return LAST_USE
    if policy.endswith("lfu"):
        return USE_COUNT
    return KEYS if policy == "allkeys-random" else NOTHING
