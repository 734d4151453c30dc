# Generated from client/kvclient/commands/sorted_set_algebra.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Commands that combine sorted sets.

`keys` are names, or a mapping of names to weights by which the scores are multiplied; a plain set
counts as a sorted set whose scores are 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, overload

from kvclient import shapes
from kvclient.arguments import OneOrMore, Pairs, flags, flat, option
from kvclient.blocking.commands.base import Surface
from kvclient.results import T
from kvclient.wire.encoding import Argument

Weighed: TypeAlias = Iterable[Argument] | Pairs[Argument, float]
Aggregate = Literal["SUM", "MIN", "MAX"]


class SortedSetAlgebraCommands(Surface[T]):
    """Unions, intersections and differences of sorted sets."""

    @overload
    def zdiff(self, keys: Iterable[Argument], *, withscores: Literal[False] = False) -> list[T]: ...

    @overload
    def zdiff(
        self, keys: Iterable[Argument], *, withscores: Literal[True]
    ) -> list[tuple[T, float]]: ...

    def zdiff(
        self, keys: Iterable[Argument], *, withscores: bool = False
    ) -> list[T] | list[tuple[T, float]]:
        """Return the members of the first sorted set that are in none of the others."""
        names = flat(keys)
        argv = (b"ZDIFF", len(names), *names, *flags(withscores=withscores))
        return self._send(argv, shapes.scored) if withscores else self._send(argv)

    def zdiffstore(self, dest: Argument, keys: Iterable[Argument]) -> int:
        """Store what `zdiff` returns; return how many members it has."""
        names = flat(keys)
        return self._send((b"ZDIFFSTORE", dest, len(names), *names))

    @overload
    def zinter(
        self,
        keys: Weighed,
        *,
        aggregate: Aggregate | None = None,
        withscores: Literal[False] = False,
    ) -> list[T]: ...

    @overload
    def zinter(
        self, keys: Weighed, *, aggregate: Aggregate | None = None, withscores: Literal[True]
    ) -> list[tuple[T, float]]: ...

    def zinter(
        self, keys: Weighed, *, aggregate: Aggregate | None = None, withscores: bool = False
    ) -> list[T] | list[tuple[T, float]]:
        """Return the members that all have; `aggregate` makes one score of several (SUM)."""
        argv = (b"ZINTER", *_operands(keys, aggregate), *flags(withscores=withscores))
        return self._send(argv, shapes.scored) if withscores else self._send(argv)

    def zintercard(self, keys: OneOrMore, *, limit: int | None = None) -> int:
        """Count the members that all have; stop at `limit` (0: none)."""
        names = flat(keys)
        return self._send((b"ZINTERCARD", len(names), *names, *option(b"LIMIT", limit)))

    def zinterstore(
        self, dest: Argument, keys: Weighed, *, aggregate: Aggregate | None = None
    ) -> int:
        """Store what `zinter` returns; return how many members it has."""
        return self._send((b"ZINTERSTORE", dest, *_operands(keys, aggregate)))

    @overload
    def zunion(
        self,
        keys: Weighed,
        *,
        aggregate: Aggregate | None = None,
        withscores: Literal[False] = False,
    ) -> list[T]: ...

    @overload
    def zunion(
        self, keys: Weighed, *, aggregate: Aggregate | None = None, withscores: Literal[True]
    ) -> list[tuple[T, float]]: ...

    def zunion(
        self, keys: Weighed, *, aggregate: Aggregate | None = None, withscores: bool = False
    ) -> list[T] | list[tuple[T, float]]:
        """Return the members that any has; `aggregate` makes one score of several (SUM)."""
        argv = (b"ZUNION", *_operands(keys, aggregate), *flags(withscores=withscores))
        return self._send(argv, shapes.scored) if withscores else self._send(argv)

    def zunionstore(
        self, dest: Argument, keys: Weighed, *, aggregate: Aggregate | None = None
    ) -> int:
        """Store what `zunion` returns; return how many members it has."""
        return self._send((b"ZUNIONSTORE", dest, *_operands(keys, aggregate)))


def _operands(keys: Weighed, aggregate: Aggregate | None) -> tuple[Argument, ...]:
    combined = option(b"AGGREGATE", aggregate)
    if isinstance(keys, Pairs):
        weights = dict(keys.items())
        return (len(weights), *weights, b"WEIGHTS", *weights.values(), *combined)
    names = flat(keys)
    return (len(names), *names, *combined)
