# Generated from client/kvclient/commands/hashes.py by `make client`.
"""Commands on hashes."""

from __future__ import annotations

from typing import Literal, overload

from kvclient import shapes
from kvclient.arguments import OneOrMore, Pairs, flags, flat, flat_pairs, option
from kvclient.errors import ArgumentError
from kvclient.queued.commands.base import Surface
from kvclient.queued.pending import Pending
from kvclient.results import T
from kvclient.wire.encoding import Argument


class HashCommands(Surface[T]):
    """Hashes: fields with values."""

    def hdel(self, key: Argument, *fields: Argument) -> Pending[int]:
        """Delete fields; return how many there were."""
        return self._send((b"HDEL", key, *fields))

    def hexists(self, key: Argument, field: Argument) -> Pending[bool]:
        """Say whether a field exists."""
        return self._send((b"HEXISTS", key, field), shapes.flag)

    def hget(self, key: Argument, field: Argument) -> Pending[T | None]:
        """Return the value of a field, None if missing."""
        return self._send((b"HGET", key, field))

    def hgetall(self, key: Argument) -> Pending[dict[T, T]]:
        """Return all fields with their values; an empty dict if the key is missing."""
        return self._send((b"HGETALL", key), shapes.mapping)

    def hincrby(self, key: Argument, field: Argument, amount: int = 1) -> Pending[int]:
        """Add to an integer, 0 if missing; return the sum."""
        return self._send((b"HINCRBY", key, field, amount))

    def hincrbyfloat(self, key: Argument, field: Argument, amount: float = 1.0) -> Pending[float]:
        """Add to a floating-point number, 0 if missing; return the sum."""
        return self._send((b"HINCRBYFLOAT", key, field, amount), shapes.number)

    def hkeys(self, key: Argument) -> Pending[list[T]]:
        """Return the names of all fields."""
        return self._send((b"HKEYS", key))

    def hlen(self, key: Argument) -> Pending[int]:
        """Return the number of fields."""
        return self._send((b"HLEN", key))

    def hmget(self, key: Argument, fields: OneOrMore, *more: Argument) -> Pending[list[T | None]]:
        """Return the values of several fields, None for each that is missing."""
        return self._send((b"HMGET", key, *flat(fields, more)))

    @overload
    def hrandfield(self, key: Argument) -> Pending[T | None]: ...

    @overload
    def hrandfield(
        self, key: Argument, count: int, withvalues: Literal[False] = False
    ) -> Pending[list[T]]: ...

    @overload
    def hrandfield(
        self, key: Argument, count: int, withvalues: Literal[True]
    ) -> Pending[list[tuple[T, T]]]: ...

    def hrandfield(
        self, key: Argument, count: int | None = None, withvalues: bool = False
    ) -> Pending[T | None] | Pending[list[T]] | Pending[list[tuple[T, T]]]:
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
    ) -> Pending[tuple[int, dict[T, T]]]:
        """Return a cursor and some fields with their values; a walk ends with the cursor 0."""
        words = (*option(b"MATCH", match), *option(b"COUNT", count))
        return self._send((b"HSCAN", key, cursor, *words), shapes.mapping_page)

    @overload
    def hset(self, key: Argument, field: Argument, value: Argument) -> Pending[int]: ...

    @overload
    def hset(self, key: Argument, *, mapping: Pairs[Argument, Argument]) -> Pending[int]: ...

    @overload
    def hset(
        self,
        key: Argument,
        field: Argument,
        value: Argument,
        *,
        mapping: Pairs[Argument, Argument] | None,
    ) -> Pending[int]: ...

    def hset(
        self,
        key: Argument,
        field: Argument | None = None,
        value: Argument | None = None,
        *,
        mapping: Pairs[Argument, Argument] | None = None,
    ) -> Pending[int]:
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

    def hsetnx(self, key: Argument, field: Argument, value: Argument) -> Pending[bool]:
        """Set a field if it is missing; say whether it was."""
        return self._send((b"HSETNX", key, field, value), shapes.flag)

    def hstrlen(self, key: Argument, field: Argument) -> Pending[int]:
        """Return the length of a field's value in bytes, 0 if missing."""
        return self._send((b"HSTRLEN", key, field))

    def hvals(self, key: Argument) -> Pending[list[T]]:
        """Return the values of all fields."""
        return self._send((b"HVALS", key))
