# Generated from client/kvclient/commands/sets.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Commands on sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

from kvclient import shapes
from kvclient.arguments import OneOrMore, flat, option
from kvclient.blocking.commands.base import Surface
from kvclient.results import T
from kvclient.wire.encoding import Argument


class SetCommands(Surface[T]):
    """Sets: members without order."""

    def sadd(self, key: Argument, *values: Argument) -> int:
        """Add members; return how many are new."""
        return self._send((b"SADD", key, *values))

    def scard(self, key: Argument) -> int:
        """Return the number of members."""
        return self._send((b"SCARD", key))

    def sdiff(self, keys: OneOrMore, *more: Argument) -> set[T]:
        """Return the members of the first set that are in none of the others."""
        return self._send((b"SDIFF", *flat(keys, more)), shapes.members)

    def sdiffstore(self, dest: Argument, keys: OneOrMore, *more: Argument) -> int:
        """Store what `sdiff` returns; return how many members it has."""
        return self._send((b"SDIFFSTORE", dest, *flat(keys, more)))

    def sinter(self, keys: OneOrMore, *more: Argument) -> set[T]:
        """Return the members that all the sets have."""
        return self._send((b"SINTER", *flat(keys, more)), shapes.members)

    def sintercard(self, keys: OneOrMore, *, limit: int | None = None) -> int:
        """Count the members that all the sets have; stop at `limit` (0: none)."""
        names = flat(keys)
        return self._send((b"SINTERCARD", len(names), *names, *option(b"LIMIT", limit)))

    def sinterstore(self, dest: Argument, keys: OneOrMore, *more: Argument) -> int:
        """Store what `sinter` returns; return how many members it has."""
        return self._send((b"SINTERSTORE", dest, *flat(keys, more)))

    def sismember(self, key: Argument, value: Argument) -> bool:
        """Say whether the set has a member."""
        return self._send((b"SISMEMBER", key, value), shapes.flag)

    def smembers(self, key: Argument) -> set[T]:
        """Return all members."""
        return self._send((b"SMEMBERS", key), shapes.members)

    def smismember(self, key: Argument, values: OneOrMore, *more: Argument) -> list[bool]:
        """Say of each value whether it is a member."""
        return self._send((b"SMISMEMBER", key, *flat(values, more)), shapes.flags)

    def smove(self, source: Argument, dest: Argument, value: Argument) -> bool:
        """Move a member from one set to another; say whether it was there."""
        return self._send((b"SMOVE", source, dest, value), shapes.flag)

    @overload
    def spop(self, key: Argument) -> T | None: ...

    @overload
    def spop(self, key: Argument, count: int) -> set[T]: ...

    def spop(self, key: Argument, count: int | None = None) -> T | set[T] | None:
        """Take a random member (None if there is none), or a set of up to `count`."""
        if count is None:
            return self._send((b"SPOP", key))
        return self._send((b"SPOP", key, count), shapes.members)

    @overload
    def srandmember(self, key: Argument) -> T | None: ...

    @overload
    def srandmember(self, key: Argument, number: int) -> list[T]: ...

    def srandmember(self, key: Argument, number: int | None = None) -> T | list[T] | None:
        """Return a random member, or `number` different ones; a negative number may repeat them."""
        if number is None:
            return self._send((b"SRANDMEMBER", key))
        return self._send((b"SRANDMEMBER", key, number), shapes.items)

    def srem(self, key: Argument, *values: Argument) -> int:
        """Remove members; return how many there were."""
        return self._send((b"SREM", key, *values))

    def sscan(
        self,
        key: Argument,
        cursor: int = 0,
        *,
        match: Argument | None = None,
        count: int | None = None,
    ) -> tuple[int, list[T]]:
        """Return a cursor and some members; a walk ends with the cursor 0."""
        words = (*option(b"MATCH", match), *option(b"COUNT", count))
        return self._send((b"SSCAN", key, cursor, *words), shapes.page)

    def sscan_iter(
        self, key: Argument, *, match: Argument | None = None, count: int | None = None
    ) -> Iterator[T]:
        """Walk over all members; one may come twice if the set changes meanwhile."""
        cursor = 0
        while True:
            cursor, page = self.sscan(key, cursor, match=match, count=count)
            yield from page
            if cursor == 0:
                return

    def sunion(self, keys: OneOrMore, *more: Argument) -> set[T]:
        """Return the members that any of the sets has."""
        return self._send((b"SUNION", *flat(keys, more)), shapes.members)

    def sunionstore(self, dest: Argument, keys: OneOrMore, *more: Argument) -> int:
        """Store what `sunion` returns; return how many members it has."""
        return self._send((b"SUNIONSTORE", dest, *flat(keys, more)))
