"""Making room: which keys go when `maxmemory` is reached.

Memory is compared with the limit where it grows, after a change was recorded, and that sets a bit
in the dispatcher's gate; so commands below the limit take the plain path. With the bit set
`make_room` evicts before the next command until memory is a little below the limit (a thousandth
of what the data may take, 16 KiB at most, so that the commands behind it take the plain path
again), for as long as `maxmemory-eviction-tenacity` lets it, and goes on with the next command or
tick.

LRU, LFU and volatile-ttl are approximated as Redis does it: `maxmemory-samples` keys are drawn at
random, the best of them enter a pool of 16, and the best of the pool goes. A key of the pool that
was used since it was drawn is passed over, where Redis evicts it all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.random import Random
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
from kvnode.dispatch import MEMORY_LIMITED, PAUSED_ALL, PAUSED_WRITES
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
_LATEST_MS: Final = 1 << 62


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
        # The pool, best last.
        self._reasons: list[i64] = []
        self._places: list[tuple[Keyspace, bytes]] = []
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
        if not self.evicts or not dataset.expires_keys:
            self.out_of_room = True
            return False
        found = self._evict_until(begin)
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
        end = begin + self.seconds_allowed()
        lazily = node.settings.lazyfree_lazy_eviction
        evicted: i64 = 0
        watches_latency = node.dispatcher.latency_from > 0.0
        while dataset.memory > target:
            place = self._random_place() if self.is_random else self._best_place()
            if place is None:
                return False
            start = node.clock.now() if watches_latency else 0.0
            if place[0].evict(place[1], lazily):
                node.stats.evicted_keys += 1
            if watches_latency:
                node.latency.note("eviction-del", start, node.clock.now() - start)
            evicted += 1
            if evicted % _KEYS_PER_CLOCK_READ == 0 and node.clock.now() > end:
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

    # --- which key ---

    def _random_place(self) -> tuple[Keyspace, bytes] | None:
        """Return a random key, database after database."""
        databases = self.dataset.databases
        tries: i64 = len(databases)
        while tries > 0:
            tries -= 1
            self._next_database = (self._next_database + 1) % len(databases)
            database = databases[self._next_database]
            count = self._candidates(database)
            if count > 0:
                index = self.random.randrange(count)
                if self.volatile_only:
                    return (database, database.expiry.members[index])
                access = database.access
                assert access is not None
                return (database, access.members[index])
        return None

    def _best_place(self) -> tuple[Keyspace, bytes] | None:
        """Return the key that is best to evict, as far as samples tell."""
        while True:
            drawn: i64 = 0
            for database in self.dataset.databases:
                if database.count > 0:
                    drawn += self._sample(database)
            while self._places:
                reason = self._reasons.pop()
                place = self._places.pop()
                if self._reason(place[0], place[1]) >= reason:
                    return place
            if drawn == 0:
                return None

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
        access = database.access
        expiry = database.expiry
        rules = self.dataset.access_rules
        now_ms = self.dataset.now_ms
        left = samples
        while left > 0:
            left -= 1
            # Who asks for that many samples wants every key to be seen.
            index = left if samples == count else self.random.randrange(count)
            if self.by_deadline:
                reason = _LATEST_MS - expiry.deadlines[index]
            elif self.volatile_only:
                reason = self._reason(database, expiry.members[index])
            else:
                assert access is not None
                reason = rules.reason_to_evict(access.clock_at(index), now_ms)
            if len(self._reasons) == POOL_SIZE and reason <= self._reasons[0]:
                continue
            members = expiry.members if self.volatile_only else access.members if access else []
            self._into_pool(reason, database, members[index])
        return samples

    def _reason(self, database: Keyspace, key: bytes) -> i64:
        """Return how good a key is to evict now, -1 where it may not be evicted."""
        if self.volatile_only:
            deadline = database.deadline(key)
            if deadline < 0:
                return -1
            if self.by_deadline:
                return _LATEST_MS - deadline
        clock = database.clock(key)
        if clock < 0:
            # It was there before the table, which is being built, or it is gone.
            return 0 if self.volatile_only else -1
        return self.dataset.access_rules.reason_to_evict(clock, self.dataset.now_ms)

    def _into_pool(self, reason: i64, database: Keyspace, key: bytes) -> None:
        """Put a key where it belongs in the pool; the worst one of a full pool leaves."""
        reasons = self._reasons
        places = self._places
        place: i64 = len(reasons)
        while place > 0 and reasons[place - 1] > reason:
            place -= 1
        # The same key may be drawn twice; then it stands beside itself unless it was used.
        if place > 0 and reasons[place - 1] == reason and places[place - 1][1] == key:
            return
        reasons.insert(place, reason)
        places.insert(place, (database, key))
        if len(reasons) > POOL_SIZE:
            del reasons[0]
            del places[0]

    def _empty_pool(self) -> None:
        self._reasons = []
        self._places = []

    # --- what is due by time ---

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
