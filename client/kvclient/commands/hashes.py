"""Commands on hashes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Literal, overload

from kvclient import shapes
from kvclient.arguments import OneOrMore, Pairs, flags, flat, flat_pairs, option
from kvclient.commands.base import Surface
from kvclient.errors import ArgumentError
from kvclient.results import T
from kvclient.wire.encoding import Argument


class HashCommands(Surface[T]):
    """Hashes: fields with values."""

    def hdel(self, key: Argument, *fields: Argument) -> Awaitable[int]:
        """Delete fields; return how many there were."""
        return self._send((b"HDEL", key, *fields))

    def hexists(self, key: Argument, field: Argument) -> Awaitable[bool]:
        """Say whether a field exists."""
        return self._send((b"HEXISTS", key, field), shapes.flag)

    def hget(self, key: Argument, field: Argument) -> Awaitable[T | None]:
        """Return the value of a field, None if missing."""
        return self._send((b"HGET", key, field))

    def hgetall(self, key: Argument) -> Awaitable[dict[T, T]]:
        """Return all fields with their values; an empty dict if the key is missing."""
        return self._send((b"HGETALL", key), shapes.mapping)

    def hincrby(self, key: Argument, field: Argument, amount: int = 1) -> Awaitable[int]:
        """Add to an integer, 0 if missing; return the sum."""
        return self._send((b"HINCRBY", key, field, amount))

    def hincrbyfloat(self, key: Argument, field: Argument, amount: float = 1.0) -> Awaitable[float]:
        """Add to a floating-point number, 0 if missing; return the sum."""
        return self._send((b"HINCRBYFLOAT", key, field, amount), shapes.number)

    def hkeys(self, key: Argument) -> Awaitable[list[T]]:
        """Return the names of all fields."""
        return self._send((b"HKEYS", key))

    def hlen(self, key: Argument) -> Awaitable[int]:
        """Return the number of fields."""
        return self._send((b"HLEN", key))

    def hmget(self, key: Argument, fields: OneOrMore, *more: Argument) -> Awaitable[list[T | None]]:
        """Return the values of several fields, None for each that is missing."""
        return self._send((b"HMGET", key, *flat(fields, more)))

    @overload
    def hrandfield(self, key: Argument) -> Awaitable[T | None]: ...

    @overload
    def hrandfield(
        self, key: Argument, count: int, withvalues: Literal[False] = False
    ) -> Awaitable[list[T]]: ...

    @overload
    def hrandfield(
        self, key: Argument, count: int, withvalues: Literal[True]
    ) -> Awaitable[list[tuple[T, T]]]: ...

    def hrandfield(
        self, key: Argument, count: int | None = None, withvalues: bool = False
    ) -> Awaitable[T | None] | Awaitable[list[T]] | Awaitable[list[tuple[T, T]]]:
        """Return a random field, or `count` different ones; a negative count may repeat them."""
        if count is None:
            if withvalues:
                raise ArgumentError("withvalues goes with count")
            return self._send((b"HRANDFIELD", key))
        argv = (b"HRANDFIELD", key, count, *flags(withvalues=withvalues))
        return self._send(argv, shapes.pairs if withvalues else shapes.items)

    def hscan(
        self,
        key: Argument,
        cursor: int = 0,
        *,
        match: Argument | None = None,
        count: int | None = None,
    ) -> Awaitable[tuple[int, dict[T, T]]]:
        """Return a cursor and some fields with their values; a walk ends with the cursor 0."""
        words = (*option(b"MATCH", match), *option(b"COUNT", count))
        return self._send((b"HSCAN", key, cursor, *words), shapes.mapping_page)

    async def hscan_iter(
        self, key: Argument, *, match: Argument | None = None, count: int | None = None
    ) -> AsyncIterator[tuple[T, T]]:
        """Walk over all fields and values; one may come twice if the hash changes meanwhile."""
        cursor = 0
        while True:
            cursor, page = await self.hscan(key, cursor, match=match, count=count)
            for item in page.items():
                yield item
            if cursor == 0:
                return

    @overload
    def hset(self, key: Argument, field: Argument, value: Argument) -> Awaitable[int]: ...

    @overload
    def hset(self, key: Argument, *, mapping: Pairs[Argument, Argument]) -> Awaitable[int]: ...

    @overload
    def hset(
        self,
        key: Argument,
        field: Argument,
        value: Argument,
        *,
        mapping: Pairs[Argument, Argument] | None,
    ) -> Awaitable[int]: ...

    def hset(
        self,
        key: Argument,
        field: Argument | None = None,
        value: Argument | None = None,
        *,
        mapping: Pairs[Argument, Argument] | None = None,
    ) -> Awaitable[int]:
        """Set a field, those of a mapping, or both; return how many are new."""
        if mapping is None:
            if field is None or value is None:
                raise ArgumentError("HSET needs a field and a value, or a mapping")
            return self._send((b"HSET", key, field, value))
        if field is None:
            return self._send((b"HSET", key, *flat_pairs(mapping)))
        if value is None:
            raise ArgumentError("the field has no value")
        return self._send((b"HSET", key, field, value, *flat_pairs(mapping)))

    def hsetnx(self, key: Argument, field: Argument, value: Argument) -> Awaitable[bool]:
        """Set a field if it is missing; say whether it was."""
        return self._send((b"HSETNX", key, field, value), shapes.flag)

    def hstrlen(self, key: Argument, field: Argument) -> Awaitable[int]:
        """Return the length of a field's value in bytes, 0 if missing."""
        return self._send((b"HSTRLEN", key, field))

    def hvals(self, key: Argument) -> Awaitable[list[T]]:
        """Return the values of all fields."""
        return self._send((b"HVALS", key))
