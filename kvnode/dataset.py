"""All databases of a node, what they share, and who is told of their changes."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.access import AccessRules
from kvnode.keyspace import NEVER, Keyspace
from kvnode.lazyfree import SLICED_FROM, LazyFree
from kvnode.structures.container import Container
from kvnode.structures.dealt_keys import Walks

NO_LIMIT: Final = 1 << 62


@mypyc_attr(allow_interpreted_subclasses=True)
class BeforeChange:
    """A snapshot's seam: it is told of each change before it happens."""

    def before_change(self, keyspace: Keyspace, key: bytes, stored: object) -> None:
        """Keep what is needed of `stored`: a reference to bytes, a copy of a container."""

    def before_add(self, keyspace: Keyspace, key: bytes) -> None:
        """Note that a key was not there."""

    def take_over(self, keyspace: Keyspace) -> bool:
        """Keep the dicts of a database that is emptied; return False if they are not needed."""
        return False

    def before_swap(self, first: int, second: int) -> None:
        """Follow two databases that are about to be exchanged."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ChangeListener:
    """Who is told of each change at once, not only when its command is over."""

    def on_change(self, index: int, key: bytes, event: bytes) -> None:
        """Take the name of what happened to a key of a database."""

    def on_sight(self, index: int, key: bytes, event: bytes) -> None:
        """Take what is not a change: `new` before a key is added, `keymiss` of a read in vain."""


@final
class Dataset:
    """All databases of a node, with what they share.

    `memory` is the accounted size in bytes of keys, values, deadlines and access clocks; above
    `memory_limit` the node makes room before the next command. While `touches` is False accesses
    leave the clocks alone, for CLIENT NO-TOUCH.

    `changes` counts what the current command changed; `heard` lists it as (database, key, event)
    while somebody `listening` needs it; the events `flushdb` and `swapdb` stand for all keys of a
    database. `listeners` are told of each change while it happens, and of new keys and misses
    where those flags are set.
    `own_effects` are the DELs of expiry and eviction that go before a command's effect.
    """

    def __init__(self, count: int) -> None:
        self.memory: i64 = 0
        self.memory_limit: i64 = NO_LIMIT
        self.now_ms: i64 = 0
        self.changes: i64 = 0
        self.dirty: i64 = 0
        self.listening = False
        self.heard: list[tuple[int, bytes, bytes]] = []
        self.listeners: list[ChangeListener] = []
        self.tells_new = False
        self.tells_misses = False
        self.own_effects: list[tuple[int, bytes]] = []
        self.expires_keys = True  # False on a follower: it waits for its leader's DEL
        # Keys that clients of a follower gave a deadline: no leader has a DEL for them. None unless
        # it may be written to.
        self.own_deadlines: dict[tuple[int, bytes], None] | None = None
        # While a request of the log runs nothing is due: the log says what had expired before it.
        self.is_replaying = False
        self.hits: i64 = 0
        self.misses: i64 = 0
        self.expired: i64 = 0
        self.access_rules = AccessRules()
        self.touches = True
        self.snapshot: BeforeChange | None = None
        self.freeing = LazyFree()
        # Whether large values are freed in slices when they expire, and when a command replaces
        # them; `Node.apply_settings` sets them.
        self.lazyfree_lazy_expire = False
        self.lazyfree_lazy_server_del = False
        self.walks = Walks()
        self.databases = [Keyspace(self, index) for index in range(count)]

    def key_count(self) -> i64:
        """Return the number of keys in all databases."""
        total: i64 = 0
        for database in self.databases:
            total += database.count
        return total

    def swap(self, first: i64, second: i64) -> None:
        """Exchange the contents of two databases."""
        a = self.databases[first]
        b = self.databases[second]
        if self.snapshot is not None and first != second:
            self.snapshot.before_swap(a.index, b.index)
        a.forget_opened()
        b.forget_opened()
        a.groups, b.groups = b.groups, a.groups
        a.expiry, b.expiry = b.expiry, a.expiry
        a.count, b.count = b.count, a.count
        a.expiring, b.expiring = b.expiring, a.expiring
        a.access, b.access = b.access, a.access
        a.access_build, b.access_build = b.access_build, a.access_build
        a.ageing, b.ageing = b.ageing, a.ageing
        a.memory, b.memory = b.memory, a.memory
        a.excess, b.excess = b.excess, a.excess
        if self.listening:
            self.heard.append((int(first), b"", b"swapdb"))
            self.heard.append((int(second), b"", b"swapdb"))

    def tell(self, index: int, key: bytes, event: bytes) -> None:
        """Hand a change to who listens; called only while somebody is `listening`."""
        for listener in self.listeners:
            listener.on_change(index, key, event)
        self.heard.append((index, key, event))

    def tell_sight(self, index: int, key: bytes, event: bytes) -> None:
        """Hand on that a key was added or looked for in vain."""
        for listener in self.listeners:
            listener.on_sight(index, key, event)

    def excess(self) -> i64:
        """Return what the tables take beyond what `memory` counts, as last measured."""
        total: i64 = 0
        for database in self.databases:
            total += database.excess.total
        return total

    def wake(self, index: int, key: bytes) -> None:
        """Have the sessions that wait for a key served, though its value did not change."""
        if self.listening:
            self.heard.append((index, key, b""))

    def expire_own(self) -> None:
        """Drop what is due of the keys to which clients of a follower gave a deadline."""
        places = self.own_deadlines
        if not places:
            return
        expires_keys = self.expires_keys
        self.expires_keys = True
        for index, key in list(places):
            database = self.databases[index]
            if not database.contains(key) or database.deadline(key) == NEVER:
                del places[(index, key)]
        self.expires_keys = expires_keys

    def release(self, stored: object, lazily: bool) -> None:
        """Let go of a value that is no longer in any database."""
        if lazily and isinstance(stored, Container) and stored.count() > SLICED_FROM:
            self.freeing.value(stored)

    def check(self) -> None:
        """Assert the invariants of every database and the accounted size."""
        total: i64 = 0
        for database in self.databases:
            database.check()
            total += database.memory
        assert total == self.memory, f"accounted {self.memory}, found {total}"
