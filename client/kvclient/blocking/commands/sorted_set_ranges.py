# Generated from client/kvclient/commands/sorted_set_ranges.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Commands on ranges of sorted sets: by rank, by score, by the members' bytes.

A bound of scores is a number, `"(1.5"` without the number itself, `"-inf"` or `"+inf"`; a bound of
members is `"[a"`, `"(a"` without it, `"-"` or `"+"`.
"""

from __future__ import annotations

from typing import Literal, overload

from kvclient import shapes
from kvclient.arguments import at_most_one, flags, limit
from kvclient.blocking.commands.base import Surface
from kvclient.errors import ArgumentError
from kvclient.results import T
from kvclient.wire.encoding import Argument


class SortedSetRangeCommands(Surface[T]):
    """Ranges of sorted sets."""

    def zcount(self, key: Argument, min: Argument, max: Argument) -> int:
        """Count the members whose scores lie between two."""
        return self._send((b"ZCOUNT", key, min, max))

    def zlexcount(self, key: Argument, min: Argument, max: Argument) -> int:
        """Count the members that lie between two, where all scores are equal."""
        return self._send((b"ZLEXCOUNT", key, min, max))

    @overload
    def zrange(
        self,
        key: Argument,
        start: Argument,
        end: Argument,
        *,
        desc: bool = False,
        withscores: Literal[False] = False,
        byscore: bool = False,
        bylex: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> list[T]: ...

    @overload
    def zrange(
        self,
        key: Argument,
        start: Argument,
        end: Argument,
        *,
        desc: bool = False,
        withscores: Literal[True],
        byscore: bool = False,
        bylex: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> list[tuple[T, float]]: ...

    def zrange(
        self,
        key: Argument,
        start: Argument,
        end: Argument,
        *,
        desc: bool = False,
        withscores: bool = False,
        byscore: bool = False,
        bylex: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> list[T] | list[tuple[T, float]]:
        """Return the members from `start` to `end`, both included, in order or `desc`ending.

        The bounds are ranks (-1 is the last), scores or members; with `desc` the higher one comes
        first. `offset` and `num` leave out the first of a range by score or member and end it.
        """
        words = _range_words(desc, byscore, bylex, offset, num)
        argv = (b"ZRANGE", key, start, end, *words, *flags(withscores=withscores))
        return self._send(argv, shapes.scored) if withscores else self._send(argv)

    def zrangestore(
        self,
        dest: Argument,
        key: Argument,
        start: Argument,
        end: Argument,
        *,
        byscore: bool = False,
        bylex: bool = False,
        desc: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> int:
        """Store what `zrange` returns; return how many members it has."""
        words = _range_words(desc, byscore, bylex, offset, num)
        return self._send((b"ZRANGESTORE", dest, key, start, end, *words))

    def zrangebylex(
        self,
        key: Argument,
        min: Argument,
        max: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
    ) -> list[T]:
        """Return the members between two, where all scores are equal."""
        return self._send((b"ZRANGEBYLEX", key, min, max, *limit(start, num)))

    @overload
    def zrangebyscore(
        self,
        key: Argument,
        min: Argument,
        max: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        withscores: Literal[False] = False,
    ) -> list[T]: ...

    @overload
    def zrangebyscore(
        self,
        key: Argument,
        min: Argument,
        max: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        withscores: Literal[True],
    ) -> list[tuple[T, float]]: ...

    def zrangebyscore(
        self,
        key: Argument,
        min: Argument,
        max: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        withscores: bool = False,
    ) -> list[T] | list[tuple[T, float]]:
        """Return the members whose scores lie between two: `num` of them, from `start` on."""
        words = (*limit(start, num), *flags(withscores=withscores))
        argv = (b"ZRANGEBYSCORE", key, min, max, *words)
        return self._send(argv, shapes.scored) if withscores else self._send(argv)

    @overload
    def zrevrange(
        self, key: Argument, start: int, end: int, *, withscores: Literal[False] = False
    ) -> list[T]: ...

    @overload
    def zrevrange(
        self, key: Argument, start: int, end: int, *, withscores: Literal[True]
    ) -> list[tuple[T, float]]: ...

    def zrevrange(
        self, key: Argument, start: int, end: int, *, withscores: bool = False
    ) -> list[T] | list[tuple[T, float]]:
        """Return the members from `start` to `end` of the descending order, both included."""
        argv = (b"ZREVRANGE", key, start, end, *flags(withscores=withscores))
        return self._send(argv, shapes.scored) if withscores else self._send(argv)

    def zrevrangebylex(
        self,
        key: Argument,
        max: Argument,
        min: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
    ) -> list[T]:
        """Return the members between two in descending order, where all scores are equal."""
        return self._send((b"ZREVRANGEBYLEX", key, max, min, *limit(start, num)))

    @overload
    def zrevrangebyscore(
        self,
        key: Argument,
        max: Argument,
        min: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        withscores: Literal[False] = False,
    ) -> list[T]: ...

    @overload
    def zrevrangebyscore(
        self,
        key: Argument,
        max: Argument,
        min: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        withscores: Literal[True],
    ) -> list[tuple[T, float]]: ...

    def zrevrangebyscore(
        self,
        key: Argument,
        max: Argument,
        min: Argument,
        *,
        start: int | None = None,
        num: int | None = None,
        withscores: bool = False,
    ) -> list[T] | list[tuple[T, float]]:
        """Return the members whose scores lie between two, in descending order."""
        words = (*limit(start, num), *flags(withscores=withscores))
        argv = (b"ZREVRANGEBYSCORE", key, max, min, *words)
        return self._send(argv, shapes.scored) if withscores else self._send(argv)

    def zremrangebylex(self, key: Argument, min: Argument, max: Argument) -> int:
        """Remove the members between two, where all scores are equal; return how many."""
        return self._send((b"ZREMRANGEBYLEX", key, min, max))

    def zremrangebyrank(self, key: Argument, start: int, end: int) -> int:
        """Remove the members from rank `start` to `end`, both included; return how many."""
        return self._send((b"ZREMRANGEBYRANK", key, start, end))

    def zremrangebyscore(self, key: Argument, min: Argument, max: Argument) -> int:
        """Remove the members whose scores lie between two; return how many."""
        return self._send((b"ZREMRANGEBYSCORE", key, min, max))


def _range_words(
    desc: bool, byscore: bool, bylex: bool, offset: int | None, num: int | None
) -> tuple[Argument, ...]:
    if byscore and bylex:
        at_most_one(byscore=byscore, bylex=bylex)
    if num is not None and not (byscore or bylex):
        raise ArgumentError("offset and num go with byscore or bylex")
    return (*flags(byscore=byscore, bylex=bylex, rev=desc), *limit(offset, num))
