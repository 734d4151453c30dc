# Generated from client/kvclient/commands/sorted_sets.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Commands on sorted sets: their members, scores and ranks, and what is taken from their ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, overload

from kvclient import shapes
from kvclient.arguments import (
    OneOrMore,
    Pairs,
    Seconds,
    condition,
    flags,
    flat,
    option,
    timeout_seconds,
)
from kvclient.blocking.commands.base import Surface
from kvclient.errors import ArgumentError
from kvclient.results import T
from kvclient.wire.encoding import Argument


class SortedSetCommands(Surface[T]):
    """Sorted sets: members in the order of their scores, those of equal scores by their bytes."""

    @overload
    def zadd(
        self,
        key: Argument,
        mapping: Pairs[Argument, float],
        *,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
        ch: bool = False,
        incr: Literal[False] = False,
    ) -> int: ...

    @overload
    def zadd(
        self,
        key: Argument,
        mapping: Pairs[Argument, float],
        *,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
        ch: bool = False,
        incr: Literal[True],
    ) -> float | None: ...

    def zadd(
        self,
        key: Argument,
        mapping: Pairs[Argument, float],
        *,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
        ch: bool = False,
        incr: bool = False,
    ) -> int | float | None:
        """Set members to scores; return how many are new, with `ch` how many are new or changed.

        `nx` adds only, `xx` changes only, `gt` and `lt` change only to a greater or a lesser score.
        `incr` adds to the one member's score and returns the sum, None if an option forbade it.
        """
        words = tuple([word for member, score in mapping.items() for word in (score, member)])
        if not words:
            raise ArgumentError("the mapping is empty")
        argv = (b"ZADD", key, *condition(nx, xx, gt, lt), *flags(ch=ch, incr=incr), *words)
        if not incr:
            return self._send(argv)
        if len(words) != 2:
            raise ArgumentError("incr goes with exactly one member")
        return self._send(argv, shapes.optional_number)

    def zcard(self, key: Argument) -> int:
        """Return the number of members."""
        return self._send((b"ZCARD", key))

    def zincrby(self, key: Argument, amount: float, member: Argument) -> float:
        """Add to a member's score, 0 if missing; return the sum."""
        return self._send((b"ZINCRBY", key, amount, member), shapes.number)

    def zmscore(self, key: Argument, members: OneOrMore, *more: Argument) -> list[float | None]:
        """Return the scores of several members, None for each that is missing."""
        return self._send((b"ZMSCORE", key, *flat(members, more)), shapes.optional_numbers)

    @overload
    def zrandmember(self, key: Argument) -> T | None: ...

    @overload
    def zrandmember(
        self, key: Argument, count: int, withscores: Literal[False] = False
    ) -> list[T]: ...

    @overload
    def zrandmember(
        self, key: Argument, count: int, withscores: Literal[True]
    ) -> list[tuple[T, float]]: ...

    def zrandmember(
        self, key: Argument, count: int | None = None, withscores: bool = False
    ) -> T | list[T] | list[tuple[T, float]] | None:
        """Return a random member, or `count` different ones; a negative count may repeat them."""
        if count is None:
            if withscores:
                raise ArgumentError("withscores goes with count")
            return self._send((b"ZRANDMEMBER", key))
        argv = (b"ZRANDMEMBER", key, count, *flags(withscores=withscores))
        return self._send(argv, shapes.scored if withscores else shapes.items)

    def zrank(self, key: Argument, member: Argument) -> int | None:
        """Return how many members stand before this one, None if it is missing."""
        return self._send((b"ZRANK", key, member))

    def zrem(self, key: Argument, *members: Argument) -> int:
        """Remove members; return how many there were."""
        return self._send((b"ZREM", key, *members))

    def zrevrank(self, key: Argument, member: Argument) -> int | None:
        """Return how many members stand behind this one, None if it is missing."""
        return self._send((b"ZREVRANK", key, member))

    def zscan(
        self,
        key: Argument,
        cursor: int = 0,
        *,
        match: Argument | None = None,
        count: int | None = None,
    ) -> tuple[int, list[tuple[T, float]]]:
        """Return a cursor and some members with their scores; a walk ends with the cursor 0."""
        words = (*option(b"MATCH", match), *option(b"COUNT", count))
        return self._send((b"ZSCAN", key, cursor, *words), shapes.scored_page)

    def zscan_iter(
        self, key: Argument, *, match: Argument | None = None, count: int | None = None
    ) -> Iterator[tuple[T, float]]:
        """Walk over all members and scores; one may come twice if the sorted set changes."""
        cursor = 0
        while True:
            cursor, page = self.zscan(key, cursor, match=match, count=count)
            yield from page
            if cursor == 0:
                return

    def zscore(self, key: Argument, member: Argument) -> float | None:
        """Return a member's score, None if it is missing."""
        return self._send((b"ZSCORE", key, member), shapes.optional_number)

    def zmpop(
        self, keys: OneOrMore, *, min: bool = False, max: bool = False, count: int | None = None
    ) -> tuple[T, list[tuple[T, float]]] | None:
        """Take up to `count` members (one) of the first sorted set that has any; return its key.

        Either `min` or `max` says from which end.
        """
        argv = (b"ZMPOP", *_from_end(keys, min, max, count))
        return self._send(argv, shapes.taken_several_scored)

    def zpopmax(self, key: Argument, count: int | None = None) -> list[tuple[T, float]]:
        """Take up to `count` members (one) of the highest scores, the highest first."""
        return self._send((b"ZPOPMAX", key, *(() if count is None else (count,))), shapes.scored)

    def zpopmin(self, key: Argument, count: int | None = None) -> list[tuple[T, float]]:
        """Take up to `count` members (one) of the lowest scores, the lowest first."""
        return self._send((b"ZPOPMIN", key, *(() if count is None else (count,))), shapes.scored)

    def bzmpop(
        self,
        timeout: Seconds | None,
        keys: OneOrMore,
        *,
        min: bool = False,
        max: bool = False,
        count: int | None = None,
    ) -> tuple[T, list[tuple[T, float]]] | None:
        """Do as `zmpop`, waiting for members up to `timeout` seconds (None, 0: for ever)."""
        seconds = timeout_seconds(timeout)
        argv = (b"BZMPOP", seconds, *_from_end(keys, min, max, count))
        return self._send_blocking(argv, shapes.taken_several_scored, seconds)

    def bzpopmax(
        self, keys: OneOrMore, timeout: Seconds | None = None
    ) -> tuple[T, T, float] | None:
        """Do as `bzpopmin` with the highest score."""
        seconds = timeout_seconds(timeout)
        argv = (b"BZPOPMAX", *flat(keys), seconds)
        return self._send_blocking(argv, shapes.taken_scored, seconds)

    def bzpopmin(
        self, keys: OneOrMore, timeout: Seconds | None = None
    ) -> tuple[T, T, float] | None:
        """Take the lowest member of the first sorted set that has any: its key, it, its score.

        Waits up to `timeout` seconds (None, 0: for ever), then returns None.
        """
        seconds = timeout_seconds(timeout)
        argv = (b"BZPOPMIN", *flat(keys), seconds)
        return self._send_blocking(argv, shapes.taken_scored, seconds)


def _from_end(keys: OneOrMore, min: bool, max: bool, count: int | None) -> tuple[Argument, ...]:
    if min == max:
        raise ArgumentError("either min or max must be True")
    names = flat(keys)
    return (len(names), *names, b"MIN" if min else b"MAX", *option(b"COUNT", count))
