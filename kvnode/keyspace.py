"""One database: slot dicts, size accounting, expiry on access, and the record of changes.

Everything that changes data goes through a `Keyspace`. A handler asks for a value with `for_write`
before it changes it, puts it back with `store` (or `put`, `remove`), and says `changed` when
something did change. So one place yields what follows: the log of effects, old values for a
snapshot, keyspace events, watched keys and the waking of blocked sessions.

A database is 1,024 dicts; dict n holds the keys of the 16 hash slots from 16 n on, and those never
written to share one empty dict. Rejected: one large dict (a resize pauses the node, 466 ms at 3 M
keys, and SCAN has no place to go on from), and one dict per slot (a random look-up then meets two
more cache lines that nobody has touched lately, the dict and its header: with 100 k keys a fifth of
INCR's whole CPU time). A dict of 5 M keys in all holds 5,000 and resizes in under 0.1 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.random import Random
from mypy_extensions import i64

from kvnode.access import NO_CLOCK, NOTHING, Access, AccessBuild
from kvnode.expiry import Expiry
from kvnode.memory import (
    ACCESS_BYTES,
    DEADLINE_BYTES,
    TableExcess,
    accounted_size,
    key_size,
    value_size,
)
from kvnode.structures.container import Container
from kvprotocol.slots import SLOT_COUNT, key_slot

if TYPE_CHECKING:
    from kvnode.dataset import Dataset

NEVER: Final = -1
GROUP_SHIFT: Final = 4  # 16 slots to a dict
GROUP_COUNT: Final = SLOT_COUNT >> GROUP_SHIFT
_RANDOM_TRIES: Final = 100
_NO_KEYS: Final[dict[bytes, object]] = {}


@final
class Keyspace:
    """One database: keys, their stored forms and deadlines."""

    def __init__(self, dataset: Dataset, index: int) -> None:
        self.dataset = dataset
        self.index = index
        self.groups: list[dict[bytes, object]] = [_NO_KEYS] * GROUP_COUNT
        self.count: i64 = 0
        self.memory: i64 = 0
        self.expiry = Expiry()
        self.expiring = False  # whether any key has a deadline
        self.access: Access | None = None
        self.access_build: AccessBuild | None = None
        # Whether any key has a deadline or a clock: one attribute for the hot path.
        self.ageing = False
        self.excess = TableExcess()
        # What `for_write` gave out last, so that `store` need not look it up again.
        self._opened: bytes | None = None
        self._opened_group: i64 = 0
        self._opened_value: object | None = None

    def read(self, key: bytes) -> object | None:
        """Return the stored form for a reading command, None where the key is not there."""
        stored = self.groups[key_slot(key) >> GROUP_SHIFT].get(key)
        dataset = self.dataset
        if stored is not None and self.ageing and self._has_aged(key, False):
            stored = None
        if stored is None:
            dataset.misses += 1
            if dataset.tells_misses:
                dataset.tell_sight(self.index, key, b"keymiss")
        else:
            dataset.hits += 1
        return stored

    def inspect(self, key: bytes, silently: bool = False) -> object | None:
        """Return the stored form for a command that only asks about the key: no use is noted.

        `silently` means that a miss is counted, but not told of.
        """
        dataset = self.dataset
        touches = dataset.touches
        tells_misses = dataset.tells_misses
        dataset.touches = False
        dataset.tells_misses = tells_misses and not silently
        stored = self.read(key)
        dataset.touches = touches
        dataset.tells_misses = tells_misses
        return stored

    def peek(self, key: bytes) -> object | None:
        """Return the stored form without counting a hit, a miss or a use of the key."""
        stored = self.groups[key_slot(key) >> GROUP_SHIFT].get(key)
        if stored is not None and self.expiring and self._expire_if_due(key):
            return None
        return stored

    def for_write(self, key: bytes) -> object | None:
        """Return the stored form to be changed, None where the key is not there.

        This is where a snapshot in progress saves the old value, so it comes before the change.
        """
        group = key_slot(key) >> GROUP_SHIFT
        stored = self.groups[group].get(key)
        if stored is not None:
            if self.ageing and self._has_aged(key, True):
                stored = None
            elif self.dataset.snapshot is not None:
                self.dataset.snapshot.before_change(self, key, stored)
        self._opened = key
        self._opened_group = group
        self._opened_value = stored
        return stored

    def contains(self, key: bytes) -> bool:
        """Return whether the key is there."""
        return self.peek(key) is not None

    def put(self, key: bytes, stored: object) -> None:
        """Set the key, whatever it held; its deadline is dropped."""
        self._opened = None
        if self.ageing:
            self._has_aged(key, True)
        group = key_slot(key) >> GROUP_SHIFT
        keys = self.groups[group]
        old = keys.get(key)
        size = value_size(stored)
        if old is None:
            if keys is _NO_KEYS:
                keys = {}
                self.groups[group] = keys
            self.count += 1
            if self.dataset.snapshot is not None:
                self.dataset.snapshot.before_add(self, key)
            if self.dataset.tells_new:
                self.dataset.tell_sight(self.index, key, b"new")
            size += key_size(key)
            if self.ageing:
                self._enter(key)
        else:
            snapshot = self.dataset.snapshot
            if snapshot is not None:
                snapshot.before_change(self, key, old)
            if self.expiring and self.expiry.drop(key):
                self._deadline_dropped()
            size -= accounted_size(old)
            self._opened_value = None  # it may be `old`
            if self.dataset.lazyfree_lazy_server_del:
                self.dataset.release(old, True)
        if not isinstance(stored, (bytes, int)):
            assert isinstance(stored, Container)
            stored.accounted = stored.memory
        keys[key] = stored
        self.memory += size
        self.dataset.memory += size

    def load(self, key: bytes, stored: object, deadline_ms: i64) -> bool:
        """Put a key that a file holds, with its deadline or NEVER; return False if it is there.

        As `put` and `expire_at` of a key that is not there; `settle` ends the loading.
        """
        self._opened = None
        group = key_slot(key) >> GROUP_SHIFT
        keys = self.groups[group]
        if keys is _NO_KEYS:
            keys = {}
            self.groups[group] = keys
        before: i64 = len(keys)
        keys.setdefault(key, stored)
        if len(keys) == before:
            return False
        self.count += 1
        dataset = self.dataset
        if dataset.snapshot is not None:
            dataset.snapshot.before_add(self, key)
        if dataset.tells_new:
            dataset.tell_sight(self.index, key, b"new")
        if self.access is not None:
            self._enter(key)
        size = key_size(key) + value_size(stored)
        if not isinstance(stored, (bytes, int)):
            assert isinstance(stored, Container)
            stored.accounted = stored.memory
        if deadline_ms != NEVER:
            self.expiry.load(key, deadline_ms)
            self.expiring = True
            self.ageing = True
            size += DEADLINE_BYTES
        self.memory += size
        dataset.memory += size
        return True

    def settle(self) -> None:
        """Have the deadlines met of the keys that were loaded."""
        self.expiry.settle()

    def store(self, key: bytes, stored: object) -> None:
        """Put a value back that `for_write` gave out, changed or new; the deadline stays."""
        if key is self._opened:
            group = self._opened_group
            keys = self.groups[group]
            old = self._opened_value
        else:
            group = key_slot(key) >> GROUP_SHIFT
            keys = self.groups[group]
            old = keys.get(key)
        self._opened = None
        size: i64 = 0
        if old is None:
            if keys is _NO_KEYS:
                keys = {}
                self.groups[group] = keys
            self.count += 1
            if self.dataset.snapshot is not None:
                self.dataset.snapshot.before_add(self, key)
            if self.dataset.tells_new:
                self.dataset.tell_sight(self.index, key, b"new")
            keys[key] = stored
            size = key_size(key)
            if self.ageing:
                self._enter(key)
        elif old is not stored:
            keys[key] = stored
            size = -accounted_size(old)
            self._opened_value = None  # or `old` would live on
        if isinstance(stored, (bytes, int)):
            if old is not stored:
                size += value_size(stored)
        else:
            assert isinstance(stored, Container)
            size += stored.memory - (stored.accounted if old is stored else 0)
            stored.accounted = stored.memory
        self.memory += size
        self.dataset.memory += size

    def remove(self, key: bytes, lazily: bool = False) -> bool:
        """Take the key out; return whether it was there."""
        return self.take(key, True, lazily) is not None

    def take(self, key: bytes, release: bool = False, lazily: bool = False) -> object | None:
        """Take the key out and return its stored form, which the caller keeps or releases."""
        self._opened = None
        self._opened_value = None
        if self.expiring and self._expire_if_due(key, True):
            return None
        keys = self.groups[key_slot(key) >> GROUP_SHIFT]
        stored = keys.get(key)
        if stored is None:
            return None
        dataset = self.dataset
        if dataset.snapshot is not None:
            dataset.snapshot.before_change(self, key, stored)
        del keys[key]
        self.count -= 1
        size = key_size(key) + accounted_size(stored)
        self.memory -= size
        dataset.memory -= size
        if self.ageing:
            self._forget(key)
        if release:
            dataset.release(stored, lazily)
        return stored

    def forget_opened(self) -> None:
        """Forget what `for_write` gave out."""
        self._opened = None
        self._opened_value = None

    def changed(self, key: bytes, event: bytes, times: i64 = 1) -> None:
        """Record that the current command changed `key`; `event` is the keyspace event's name.

        INFO counts `times` changes: one per element, as in Redis, none for an event that only goes
        with another one.
        """
        dataset = self.dataset
        dataset.changes += 1
        dataset.dirty += times
        if dataset.listening:
            dataset.tell(self.index, key, event)

    def noted(self, key: bytes, event: bytes, times: i64 = 1) -> None:
        """Record a change beside the value itself, such as one of a stream's groups.

        It is logged, and published if it has an event, but watchers and client-side caches do not
        hear of it.
        """
        dataset = self.dataset
        dataset.changes += 1
        dataset.dirty += times
        if event and dataset.listening:
            dataset.tell_sight(self.index, key, event)

    def deadline(self, key: bytes) -> i64:
        """Return the key's deadline in ms since the epoch, NEVER without one."""
        return self.expiry.deadline(key) if self.expiring else NEVER

    def expire_at(self, key: bytes, deadline_ms: i64) -> None:
        """Give a key that is there a deadline."""
        if self.dataset.snapshot is not None:
            self._keep(key)
        if self.dataset.own_deadlines is not None and not self.dataset.is_replaying:
            self.dataset.own_deadlines[(self.index, key)] = None
        before = self.expiry.count()
        self.expiry.put(key, deadline_ms)
        if self.expiry.count() != before:
            self.expiring = True
            self.ageing = True
            self.memory += DEADLINE_BYTES
            self.dataset.memory += DEADLINE_BYTES

    def persist(self, key: bytes) -> bool:
        """Drop the key's deadline; return whether it had one."""
        if self.dataset.snapshot is not None:
            self._keep(key)
        if not self.expiring or not self.expiry.drop(key):
            return False
        self._deadline_dropped()
        return True

    def _keep(self, key: bytes) -> None:
        """Have the snapshot keep a key whose deadline is about to change."""
        stored = self.groups[key_slot(key) >> GROUP_SHIFT].get(key)
        if stored is not None and self.dataset.snapshot is not None:
            self.dataset.snapshot.before_change(self, key, stored)

    def clear(self, lazily: bool) -> i64:
        """Drop all keys; return how many there were."""
        self._opened = None
        self._opened_value = None
        count = self.count
        dataset = self.dataset
        is_taken = dataset.snapshot is not None and dataset.snapshot.take_over(self)
        if dataset.listening:
            dataset.heard.append((self.index, b"", b"flushdb"))
        if lazily and not is_taken:
            dataset.freeing.groups(self.groups)
            dataset.freeing.value(self.expiry)
            if self.access is not None:
                dataset.freeing.value(self.access)
        dataset.walks.forget(self.index)
        dataset.memory -= self.memory
        self.memory = 0
        self.count = 0
        self.groups = [_NO_KEYS] * GROUP_COUNT
        self.expiry = Expiry()
        self.expiring = False
        if self.access is not None:
            self.access = Access(dataset.access_rules)
        self.access_build = None
        self.ageing = self.access is not None
        self.excess = TableExcess()
        return count

    def evict(self, key: bytes, lazily: bool) -> bool:
        """Drop a key to make room; return whether it was there."""
        stored = self.take(key)
        if stored is None:
            return False
        dataset = self.dataset
        dataset.own_effects.append((self.index, key))
        if dataset.listening:
            dataset.tell(self.index, key, b"evicted")
        dataset.release(stored, lazily)
        return True

    def clock(self, key: bytes) -> i64:
        """Return the access clock of a key, NO_CLOCK where none is kept."""
        return self.access.clock(key) if self.access is not None else NO_CLOCK

    def set_clock(self, key: bytes, clock: i64) -> None:
        """Give a key the clock that it had elsewhere: under another name, in another node."""
        if self.access is not None:
            self.access.set_clock(key, clock)

    def expire_cycle(self, limit: i64) -> i64:
        """Drop keys that are due, looking at about `limit` entries; return how many there were."""
        if not self.expiring or not self.dataset.expires_keys:
            return 0
        dropped: i64 = 0
        for key in self.expiry.due(self.dataset.now_ms, limit):
            if self._expire_if_due(key):
                dropped += 1
        return dropped

    def random_key(self, random: Random) -> bytes | None:
        """Return a random key, each as likely; None when there is none.

        Drawing a dict first would be faster, but not uniform: hash tags fill one dict alone.
        """
        tries: i64 = _RANDOM_TRIES
        while tries > 0 and self.count > 0:
            tries -= 1
            key = self._nth(random.randrange(self.count))
            if not (self.expiring and self._expire_if_due(key)):
                return key
        # Nearly all have expired, and here they stay until the leader says so.
        for keys in self.groups:
            for key in list(keys):
                if not (self.expiring and self._expire_if_due(key)):
                    return key
        return None

    def _nth(self, position: i64) -> bytes:
        """Return the key at a position in the order of the groups. O(groups + keys of one)."""
        for keys in self.groups:
            size: i64 = len(keys)
            if position < size:
                return _nth_key(keys, position)
            position -= size
        raise IndexError(position)

    def _deadline_dropped(self) -> None:
        self.memory -= DEADLINE_BYTES
        self.dataset.memory -= DEADLINE_BYTES
        self.expiring = self.expiry.count() > 0
        self.ageing = self.expiring or self.access is not None

    def _has_aged(self, key: bytes, writes: bool) -> bool:
        """Drop the key if its deadline has passed, else note its use.

        Return whether it must be taken as absent.
        """
        if self.expiring and self._expire_if_due(key, writes):
            return True
        if self.access is not None and self.dataset.touches:
            self.access.touch(key, self.dataset.now_ms)
        return False

    def _enter(self, key: bytes) -> None:
        """Give a new key its clock."""
        if self.access is not None:
            self.access.enter(key, self.dataset.now_ms)
            self.memory += ACCESS_BYTES
            self.dataset.memory += ACCESS_BYTES

    def _forget(self, key: bytes) -> None:
        """Drop the deadline and the clock of a key that is gone."""
        if self.access is not None and self.access.drop(key):
            self.memory -= ACCESS_BYTES
            self.dataset.memory -= ACCESS_BYTES
        if self.expiring and self.expiry.drop(key):
            self._deadline_dropped()

    def _expire_if_due(self, key: bytes, writes: bool = False) -> bool:
        """Drop the key if its deadline has passed; return whether it must be taken as absent.

        On a follower it stays: readers no longer see it, but the leader's writes do, for the leader
        would have sent a DEL before if it had been gone there.
        """
        dataset = self.dataset
        deadline = self.expiry.deadline(key)
        if deadline < 0 or deadline > dataset.now_ms or dataset.is_replaying:
            return False
        if not dataset.expires_keys:
            return not writes
        self._opened = None
        self._opened_value = None
        keys = self.groups[key_slot(key) >> GROUP_SHIFT]
        stored = keys.pop(key)
        if dataset.snapshot is not None:
            dataset.snapshot.before_change(self, key, stored)
        self.count -= 1
        size = key_size(key) + accounted_size(stored)
        self.memory -= size
        dataset.memory -= size
        self._forget(key)
        dataset.expired += 1
        dataset.own_effects.append((self.index, key))
        if dataset.listening:
            dataset.tell(self.index, key, b"expired")
        dataset.release(stored, dataset.lazyfree_lazy_expire)
        return True

    def check(self) -> None:
        """Assert counts, slots, deadlines and the accounted size."""
        count: i64 = 0
        memory: i64 = 0
        group: i64 = 0
        while group < GROUP_COUNT:
            for key, stored in self.groups[group].items():
                assert key_slot(key) >> GROUP_SHIFT == group
                count += 1
                memory += key_size(key) + accounted_size(stored)
                if isinstance(stored, Container):
                    stored.check()
                    assert stored.accounted == stored.memory, f"{key!r} changed behind our back"
            group += 1
        assert not _NO_KEYS
        assert count == self.count
        self.expiry.check()
        for key in self.expiry.members:
            keys = self.groups[key_slot(key) >> GROUP_SHIFT]
            assert key in keys, f"{key!r} has a deadline and no value"
        assert self.expiring == (self.expiry.count() > 0)
        assert self.ageing == (self.expiring or self.access is not None)
        memory += self.expiry.count() * DEADLINE_BYTES + self._check_access()
        assert memory == self.memory, f"db{self.index}: accounted {self.memory}, found {memory}"

    def _check_access(self) -> i64:
        """Assert that each key has a clock where clocks are kept; return what they take."""
        access = self.access
        kept = self.dataset.access_rules.purpose != NOTHING
        assert kept == (access is not None), f"db{self.index}: the access table does not fit"
        if access is None:
            assert self.access_build is None
            return 0
        access.check()
        for key in access.members:
            assert key in self.groups[key_slot(key) >> GROUP_SHIFT], f"{key!r} has a clock alone"
        if self.access_build is None:
            assert access.count() == self.count, f"db{self.index}: keys without a clock"
        return access.count() * ACCESS_BYTES


def _nth_key(keys: dict[bytes, object], position: i64) -> bytes:
    for key in keys:
        if position == 0:
            return key
        position -= 1
    raise IndexError(position)
