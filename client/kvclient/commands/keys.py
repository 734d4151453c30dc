"""Commands on keys of any type."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import overload

from kvclient import shapes
from kvclient.arguments import (
    Milliseconds,
    Moment,
    MomentMs,
    Seconds,
    at_most_one,
    condition,
    flags,
    in_units,
    limit,
    milliseconds,
    moment_ms,
    option,
    several,
)
from kvclient.commands.base import Surface
from kvclient.results import T
from kvclient.wire.encoding import Argument


class KeyCommands(Surface[T]):
    """Keys: whether they exist, when they expire, what they hold, all of them."""

    def copy(
        self,
        source: Argument,
        dest: Argument,
        *,
        destination_db: int | None = None,
        replace: bool = False,
    ) -> Awaitable[bool]:
        """Copy a value with its deadline; say whether it was done.

        It is not if the source is missing, or if the destination exists and `replace` is not set.
        """
        words = (*option(b"DB", destination_db), *flags(replace=replace))
        return self._send((b"COPY", source, dest, *words), shapes.flag)

    def delete(self, *keys: Argument) -> Awaitable[int]:
        """Delete keys; return how many existed."""
        return self._send((b"DEL", *keys))

    def dump(self: KeyCommands[bytes], key: Argument) -> Awaitable[bytes | None]:
        """Return a value as `restore` reads it; of a client that does not decode."""
        return self._send((b"DUMP", key))

    def exists(self, *keys: Argument) -> Awaitable[int]:
        """Count the keys that exist; one that is named twice counts twice."""
        return self._send((b"EXISTS", *keys))

    def expire(
        self,
        key: Argument,
        time: Seconds,
        *,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[bool]:
        """Let a key expire in `time` seconds; say whether it exists and no option forbade it.

        `nx`: only if it has no deadline, `xx`: only if it has one, `gt`, `lt`: only if the new one
        is later or earlier.
        """
        word, duration = in_units(time, b"EXPIRE", b"PEXPIRE")
        return self._send((word, key, duration, *condition(nx, xx, gt, lt)), shapes.flag)

    def expireat(
        self,
        key: Argument,
        when: Moment,
        *,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[bool]:
        """Let a key expire at a Unix time or datetime; else as `expire`."""
        word, moment = in_units(when, b"EXPIREAT", b"PEXPIREAT")
        return self._send((word, key, moment, *condition(nx, xx, gt, lt)), shapes.flag)

    def expiretime(self, key: Argument) -> Awaitable[int]:
        """Return the Unix time at which a key expires; -1: it does not, -2: it is missing."""
        return self._send((b"EXPIRETIME", key))

    def keys(self, pattern: Argument = "*") -> Awaitable[list[T]]:
        """Return all keys that match a glob pattern; it holds the server up, see `scan_iter`."""
        return self._send((b"KEYS", pattern))

    def move(self, key: Argument, db: int) -> Awaitable[bool]:
        """Move a key to another database; say whether it was done."""
        return self._send((b"MOVE", key, db), shapes.flag)

    def object_encoding(self, key: Argument) -> Awaitable[str | None]:
        """Return the name of the form in which a value is stored, None if the key is missing."""
        return self._send((b"OBJECT", b"ENCODING", key), shapes.optional_text)

    def object_freq(self, key: Argument) -> Awaitable[int | None]:
        """Return how often a key was used, on a logarithmic scale; needs an LFU policy."""
        return self._send((b"OBJECT", b"FREQ", key))

    def object_idletime(self, key: Argument) -> Awaitable[int | None]:
        """Return for how many seconds a key was not used; not with an LFU policy."""
        return self._send((b"OBJECT", b"IDLETIME", key))

    def object_refcount(self, key: Argument) -> Awaitable[int | None]:
        """Return how many references to a value the server counts."""
        return self._send((b"OBJECT", b"REFCOUNT", key))

    def persist(self, key: Argument) -> Awaitable[bool]:
        """Let a key expire no more; say whether it had a deadline."""
        return self._send((b"PERSIST", key), shapes.flag)

    def pexpire(
        self,
        key: Argument,
        time: Milliseconds,
        *,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[bool]:
        """Let a key expire in `time` milliseconds; else as `expire`."""
        argv = (b"PEXPIRE", key, milliseconds(time), *condition(nx, xx, gt, lt))
        return self._send(argv, shapes.flag)

    def pexpireat(
        self,
        key: Argument,
        when: MomentMs,
        *,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[bool]:
        """Let a key expire at a Unix time in milliseconds or a datetime; else as `expire`."""
        argv = (b"PEXPIREAT", key, moment_ms(when), *condition(nx, xx, gt, lt))
        return self._send(argv, shapes.flag)

    def pexpiretime(self, key: Argument) -> Awaitable[int]:
        """Return the Unix time in milliseconds at which a key expires; -1, -2 as `expiretime`."""
        return self._send((b"PEXPIRETIME", key))

    def pttl(self, key: Argument) -> Awaitable[int]:
        """Return in how many milliseconds a key expires; -1: it does not, -2: it is missing."""
        return self._send((b"PTTL", key))

    def randomkey(self) -> Awaitable[T | None]:
        """Return a random key, None if there is none."""
        return self._send((b"RANDOMKEY",))

    def rename(self, source: Argument, dest: Argument) -> Awaitable[bool]:
        """Rename a key, which must exist, over another if need be; return True."""
        return self._send((b"RENAME", source, dest), shapes.done)

    def renamenx(self, source: Argument, dest: Argument) -> Awaitable[bool]:
        """Rename a key, which must exist, if the new name is free; say whether it was."""
        return self._send((b"RENAMENX", source, dest), shapes.flag)

    def restore(
        self,
        key: Argument,
        ttl: Milliseconds,
        value: bytes,
        *,
        replace: bool = False,
        absttl: bool = False,
        idletime: int | None = None,
        frequency: int | None = None,
    ) -> Awaitable[bool]:
        """Make a key of what `dump` returned; return True, BusyKeyError if it exists.

        It expires in `ttl` milliseconds (0: never), with `absttl` at that Unix time. `idletime`
        (seconds) and `frequency` are where its access clock begins.
        """
        at_most_one(idletime=idletime, frequency=frequency)
        argv = (
            *(b"RESTORE", key, milliseconds(ttl), value),
            *flags(replace=replace, absttl=absttl),
            *option(b"IDLETIME", idletime),
            *option(b"FREQ", frequency),
        )
        return self._send(argv, shapes.done)

    def scan(
        self,
        cursor: int = 0,
        *,
        match: Argument | None = None,
        count: int | None = None,
        type: str | None = None,
    ) -> Awaitable[tuple[int, list[T]]]:
        """Return a cursor and some keys; a walk ends with the cursor 0."""
        words = (*option(b"MATCH", match), *option(b"COUNT", count), *option(b"TYPE", type))
        return self._send((b"SCAN", cursor, *words), shapes.page)

    async def _parts(self) -> Sequence[KeyCommands[T]]:
        """Return what together holds all keys."""
        return (self,)

    async def scan_iter(
        self,
        *,
        match: Argument | None = None,
        count: int | None = None,
        type: str | None = None,
    ) -> AsyncIterator[T]:
        """Walk over all keys: of a glob pattern, of a type; one may come twice.

        `count` is how many the server looks at in one round trip, about 10 if not given. In a
        cluster or a ring all nodes are visited, one after another.
        """
        for part in await self._parts():
            cursor = 0
            while True:
                cursor, page = await part.scan(cursor, match=match, count=count, type=type)
                for key in page:
                    yield key
                if cursor == 0:
                    break

    @overload
    def sort(
        self,
        key: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        by: Argument | None = None,
        get: Iterable[Argument] = (),
        desc: bool = False,
        alpha: bool = False,
        store: None = None,
    ) -> Awaitable[list[T | None]]: ...

    @overload
    def sort(
        self,
        key: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        by: Argument | None = None,
        get: Iterable[Argument] = (),
        desc: bool = False,
        alpha: bool = False,
        store: Argument,
    ) -> Awaitable[int]: ...

    def sort(
        self,
        key: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        by: Argument | None = None,
        get: Iterable[Argument] = (),
        desc: bool = False,
        alpha: bool = False,
        store: Argument | None = None,
    ) -> Awaitable[list[T | None]] | Awaitable[int]:
        """Return the elements of a list, set or sorted set by their number, or store them.

        `by` is a pattern of keys that hold the weights, each of `get` one of keys that hold what
        is returned instead, None where there is none (`"#"`: the element itself). Stored elements
        are counted.
        """
        words = _sort_words(start, num, by, get, desc, alpha)
        return self._send((b"SORT", key, *words, *option(b"STORE", store)))

    def sort_ro(
        self,
        key: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        by: Argument | None = None,
        get: Iterable[Argument] = (),
        desc: bool = False,
        alpha: bool = False,
    ) -> Awaitable[list[T | None]]:
        """Do as `sort`; a follower may be asked."""
        return self._send((b"SORT_RO", key, *_sort_words(start, num, by, get, desc, alpha)))

    def touch(self, *keys: Argument) -> Awaitable[int]:
        """Use keys without reading them; return how many exist."""
        return self._send((b"TOUCH", *keys))

    def ttl(self, key: Argument) -> Awaitable[int]:
        """Return in how many seconds a key expires; -1: it does not, -2: it is missing."""
        return self._send((b"TTL", key))

    def type(self, key: Argument) -> Awaitable[str]:
        """Return the name of a value's type; "none" if the key is missing."""
        return self._send((b"TYPE", key), shapes.text)

    def unlink(self, *keys: Argument) -> Awaitable[int]:
        """Delete keys, their memory freed later; return how many existed."""
        return self._send((b"UNLINK", *keys))


def _sort_words(
    start: int | None,
    num: int | None,
    by: Argument | None,
    get: Iterable[Argument],
    desc: bool,
    alpha: bool,
) -> tuple[Argument, ...]:
    patterns = several(get, "get")
    return (
        *option(b"BY", by),
        *limit(start, num),
        *(word for pattern in patterns for word in (b"GET", pattern)),
        *flags(desc=desc, alpha=alpha),
    )
