"""Replies kept in memory as long as the server says that their keys have not changed; sans-IO.

The server remembers which keys a connection has read (CLIENT TRACKING) and pushes an invalidation
when one of them changes. An entry is made when its request leaves, so that an invalidation which
overtakes the reply finds it: that reply is not kept. What the owner has to see to: pushes are read
before every cached answer, and everything is dropped with the connection.

A request that may write drops its keys when it leaves: its own invalidation may come after its
reply.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, final

from kvclient.errors import ConfigurationError, ReplyError
from kvclient.retrying import bare
from kvclient.traits import traits_of
from kvclient.wire.channel import Argv
from kvclient.wire.encoding import as_wire

Words: TypeAlias = tuple[bytes, ...]

ABSENT: Final = object()
TRACK: Final = (b"CLIENT", b"TRACKING", b"ON")
INVALIDATE: Final = (b"invalidate", "invalidate")
_ENTRY_BYTES: Final = 400  # of the objects around an entry, measured with sys.getsizeof
_ITEM_BYTES: Final = 60

# Reads whose replies follow from the values of their keys alone: not from time or chance, and
# without a cursor.
_KEPT: Final = frozenset(
    b"""
    BITCOUNT BITFIELD_RO BITPOS EXISTS EXPIRETIME GEODIST GEOHASH GEOPOS GEOSEARCH GET GETBIT
    GETRANGE HEXISTS HGET HGETALL HKEYS HLEN HMGET HSTRLEN HVALS LCS LINDEX LLEN LPOS LRANGE MGET
    PEXPIRETIME SCARD SDIFF SINTER SINTERCARD SISMEMBER SMEMBERS SMISMEMBER STRLEN SUNION TYPE XLEN
    XRANGE XREVRANGE ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANGE ZRANGEBYLEX
    ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCORE ZUNION
    """.split()
)


class CacheStats(NamedTuple):
    """How often a cached reply was there, how often it was not, and what is kept now."""

    hits: int = 0
    misses: int = 0
    entries: int = 0
    bytes: int = 0


@final
class Entry:
    """A request's reply, or that it is on its way; `is_valid` until one of its keys changes."""

    __slots__ = ("is_valid", "keys", "reply", "size", "words")

    def __init__(self, words: Words, keys: tuple[bytes, ...]) -> None:
        self.words = words
        self.keys = keys
        self.reply: Any = ABSENT
        self.size = _ENTRY_BYTES + sum(map(len, words))
        self.is_valid = True


@final
class Cache:
    """Entries up to `bytes_max` by their estimated size; those that were used last stay."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._entries: OrderedDict[Words, Entry] = OrderedDict()
        self._by_key: dict[bytes, set[Words]] = {}
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def words_of(self, argv: Argv) -> Words | None:
        """Return what stands for a request whose reply may be kept; drop what another may change.

        To be called for every request before it leaves.
        """
        if argv[0] in _KEPT:
            return tuple([word if type(word) is bytes else as_wire(word) for word in argv])
        self.note_sent(argv)
        return None

    def note_sent(self, argv: Argv) -> None:
        """Drop what a request may change that is about to leave."""
        argv = bare(argv)
        if not argv:
            return
        traits = traits_of(argv)
        if traits.is_write:
            positions = traits.key_positions(argv)
            self.invalidate([as_wire(argv[position]) for position in positions] or None)

    def holds(self, words: Words) -> bool:
        """Is there a reply? Then the pushes have to be read, and `get` says whether it stays."""
        entry = self._entries.get(words)
        return entry is not None and entry.reply is not ABSENT

    def get(self, words: Words) -> Any:
        """Return a reply that is the caller's own, or ABSENT; counted."""
        entry = self._entries.get(words)
        if entry is None or entry.reply is ABSENT:
            self.misses += 1
            return ABSENT
        self.hits += 1
        self._entries.move_to_end(words)
        return own(entry.reply)

    def begin(self, words: Words) -> Entry:
        """Return the entry of a request that is about to leave."""
        positions = traits_of(words).key_positions(words)
        entry = Entry(words, tuple([words[position] for position in positions]))
        self._drop(words)
        self._entries[words] = entry
        for key in entry.keys:
            self._by_key.setdefault(key, set()).add(words)
        self.bytes += entry.size
        self._make_room()
        return entry

    def keep(self, entry: Entry, reply: Any) -> None:
        """Keep the reply that came, unless a key has changed meanwhile."""
        if entry.is_valid:
            entry.reply = own(reply)
            size = _size(reply)
            entry.size += size
            self.bytes += size
            self._make_room()

    def forget(self, entry: Entry) -> None:
        """Forget a request that has no reply to keep."""
        if entry.is_valid:
            self._drop(entry.words)

    def take_push(self, message: Sequence[Any]) -> None:
        """Act on a push message; those that are no invalidation say nothing here."""
        if len(message) == 2 and message[0] in INVALIDATE:
            keys = message[1]
            self.invalidate(None if keys is None else map(_as_key, keys))

    def invalidate(self, keys: Iterable[bytes] | None) -> None:
        """Drop all that depends on these keys; None: on any."""
        if keys is None:
            self.clear()
            return
        for key in keys:
            for words in list(self._by_key.get(key, ())):
                self._drop(words)

    def clear(self) -> None:
        """Drop everything, and what is on its way."""
        for entry in self._entries.values():
            entry.is_valid = False
        self._entries.clear()
        self._by_key.clear()
        self.bytes = 0

    def stats(self) -> CacheStats:
        """Return the counters."""
        return CacheStats(self.hits, self.misses, len(self._entries), self.bytes)

    def _make_room(self) -> None:
        while self.bytes > self._bytes_max:
            self._drop(next(iter(self._entries)))

    def _drop(self, words: Words) -> None:
        entry = self._entries.pop(words, None)
        if entry is None:
            return
        entry.is_valid = False
        self.bytes -= entry.size
        for key in entry.keys:
            dependents = self._by_key.get(key)
            if dependents is not None:
                dependents.discard(words)
                if not dependents:
                    del self._by_key[key]

    def check(self) -> None:
        """Assert every invariant."""
        assert self.bytes == sum(entry.size for entry in self._entries.values())
        assert self.bytes <= self._bytes_max or not self._entries
        found: dict[bytes, set[Words]] = {}
        for words, entry in self._entries.items():
            assert entry.is_valid
            assert entry.words == words
            for key in entry.keys:
                found.setdefault(key, set()).add(words)
        assert found == self._by_key


def no_tracking(error: ReplyError) -> ConfigurationError:
    """Return what is raised where the server refuses to say what has changed."""
    return ConfigurationError(
        f"cache_bytes_max cannot be used: the server does not track keys: {error}"
    )


def own(reply: Any) -> Any:
    """Return a reply that shares nothing that can be changed with another."""
    if isinstance(reply, list):
        return [own(item) for item in reply]
    if isinstance(reply, dict):
        return {key: own(value) for key, value in reply.items()}
    if isinstance(reply, set):
        return set(reply)
    return reply


def _size(reply: Any) -> int:
    if isinstance(reply, bytes | str):
        return _ITEM_BYTES + len(reply)
    if isinstance(reply, dict):
        return _ITEM_BYTES + sum(_size(key) + _size(value) for key, value in reply.items())
    if isinstance(reply, list | set):
        return _ITEM_BYTES + sum(map(_size, reply))
    return _ITEM_BYTES


def _as_key(text: str | bytes) -> bytes:
    """Return a key that a reply names, decoded or not."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
