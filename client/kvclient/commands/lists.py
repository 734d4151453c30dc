"""Commands on lists."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal, overload

from kvclient import shapes
from kvclient.arguments import OneOrMore, Seconds, flat, option, timeout_seconds
from kvclient.commands.base import Surface
from kvclient.results import T
from kvclient.wire.encoding import Argument

End = Literal["LEFT", "RIGHT"]


class ListCommands(Surface[T]):
    """Lists: elements in order, cheap at both ends; an emptied one is deleted."""

    def lindex(self, key: Argument, index: int) -> Awaitable[T | None]:
        """Return the element at a position, None if there is none; -1 is the last."""
        return self._send((b"LINDEX", key, index))

    def linsert(
        self,
        key: Argument,
        where: Literal["BEFORE", "AFTER"],
        pivot: Argument,
        value: Argument,
    ) -> Awaitable[int]:
        """Insert beside the first element equal to `pivot`.

        Return the new length, -1 if there is no such element, 0 if the key is missing.
        """
        return self._send((b"LINSERT", key, where, pivot, value))

    def llen(self, key: Argument) -> Awaitable[int]:
        """Return the length of a list."""
        return self._send((b"LLEN", key))

    def lmove(
        self, source: Argument, dest: Argument, src: End = "LEFT", dst: End = "RIGHT"
    ) -> Awaitable[T | None]:
        """Move an element from one end of a list to an end of another, and return it."""
        return self._send((b"LMOVE", source, dest, src, dst))

    def lmpop(
        self, keys: OneOrMore, *, direction: End, count: int | None = None
    ) -> Awaitable[tuple[T, list[T]] | None]:
        """Take up to `count` elements (one) of the first list that has any; return its key too."""
        names = flat(keys)
        argv = (b"LMPOP", len(names), *names, direction, *option(b"COUNT", count))
        return self._send(argv, shapes.optional_pair)

    @overload
    def lpop(self, key: Argument) -> Awaitable[T | None]: ...

    @overload
    def lpop(self, key: Argument, count: int) -> Awaitable[list[T]]: ...

    def lpop(
        self, key: Argument, count: int | None = None
    ) -> Awaitable[T | None] | Awaitable[list[T]]:
        """Take the first element (None if there is none), or a list of up to `count`."""
        if count is None:
            return self._send((b"LPOP", key))
        return self._send((b"LPOP", key, count), shapes.items)

    @overload
    def lpos(
        self, key: Argument, value: Argument, *, rank: int | None = None, maxlen: int | None = None
    ) -> Awaitable[int | None]: ...

    @overload
    def lpos(
        self,
        key: Argument,
        value: Argument,
        *,
        rank: int | None = None,
        count: int,
        maxlen: int | None = None,
    ) -> Awaitable[list[int]]: ...

    def lpos(
        self,
        key: Argument,
        value: Argument,
        *,
        rank: int | None = None,
        count: int | None = None,
        maxlen: int | None = None,
    ) -> Awaitable[int | None] | Awaitable[list[int]]:
        """Return the position of the first element equal to `value`, or up to `count` of them.

        `rank` 2 begins with the second such element, -1 with the last; a count of 0 asks for all;
        `maxlen` is how many elements are compared at most.
        """
        argv = (
            *(b"LPOS", key, value),
            *option(b"RANK", rank),
            *option(b"COUNT", count),
            *option(b"MAXLEN", maxlen),
        )
        return self._send(argv)

    def lpush(self, key: Argument, *values: Argument) -> Awaitable[int]:
        """Put elements before the first, one after the other; return the new length."""
        return self._send((b"LPUSH", key, *values))

    def lpushx(self, key: Argument, *values: Argument) -> Awaitable[int]:
        """Do as `lpush` if the list exists; return the new length, 0 if it does not."""
        return self._send((b"LPUSHX", key, *values))

    def lrange(self, key: Argument, start: int, end: int) -> Awaitable[list[T]]:
        """Return the elements from `start` to `end`, both included; -1 is the last."""
        return self._send((b"LRANGE", key, start, end))

    def lrem(self, key: Argument, count: int, value: Argument) -> Awaitable[int]:
        """Remove up to `count` elements equal to `value`; return how many.

        A negative count begins at the end, 0 removes all.
        """
        return self._send((b"LREM", key, count, value))

    def lset(self, key: Argument, index: int, value: Argument) -> Awaitable[bool]:
        """Replace the element at a position, which must exist; return True."""
        return self._send((b"LSET", key, index, value), shapes.done)

    def ltrim(self, key: Argument, start: int, end: int) -> Awaitable[bool]:
        """Keep only the elements from `start` to `end`, both included; return True."""
        return self._send((b"LTRIM", key, start, end), shapes.done)

    @overload
    def rpop(self, key: Argument) -> Awaitable[T | None]: ...

    @overload
    def rpop(self, key: Argument, count: int) -> Awaitable[list[T]]: ...

    def rpop(
        self, key: Argument, count: int | None = None
    ) -> Awaitable[T | None] | Awaitable[list[T]]:
        """Take the last element (None if there is none), or a list of up to `count`."""
        if count is None:
            return self._send((b"RPOP", key))
        return self._send((b"RPOP", key, count), shapes.items)

    def rpoplpush(self, source: Argument, dest: Argument) -> Awaitable[T | None]:
        """Move the last element of a list before the first of another, and return it."""
        return self._send((b"RPOPLPUSH", source, dest))

    def rpush(self, key: Argument, *values: Argument) -> Awaitable[int]:
        """Put elements behind the last; return the new length."""
        return self._send((b"RPUSH", key, *values))

    def rpushx(self, key: Argument, *values: Argument) -> Awaitable[int]:
        """Do as `rpush` if the list exists; return the new length, 0 if it does not."""
        return self._send((b"RPUSHX", key, *values))

    def blmove(
        self,
        source: Argument,
        dest: Argument,
        timeout: Seconds | None = None,
        src: End = "LEFT",
        dst: End = "RIGHT",
    ) -> Awaitable[T | None]:
        """Do as `lmove`, waiting for an element up to `timeout` seconds (None, 0: for ever)."""
        seconds = timeout_seconds(timeout)
        argv = (b"BLMOVE", source, dest, src, dst, seconds)
        return self._send_blocking(argv, None, seconds)

    def blmpop(
        self,
        timeout: Seconds | None,
        keys: OneOrMore,
        *,
        direction: End,
        count: int | None = None,
    ) -> Awaitable[tuple[T, list[T]] | None]:
        """Do as `lmpop`, waiting for elements up to `timeout` seconds (None, 0: for ever)."""
        seconds = timeout_seconds(timeout)
        names = flat(keys)
        words = (len(names), *names, direction, *option(b"COUNT", count))
        return self._send_blocking((b"BLMPOP", seconds, *words), shapes.optional_pair, seconds)

    def blpop(
        self, keys: OneOrMore, timeout: Seconds | None = None
    ) -> Awaitable[tuple[T, T] | None]:
        """Take the first element of the first list that has any; return the key and the element.

        Waits up to `timeout` seconds (None, 0: for ever), then returns None.
        """
        seconds = timeout_seconds(timeout)
        argv = (b"BLPOP", *flat(keys), seconds)
        return self._send_blocking(argv, shapes.optional_pair, seconds)

    def brpop(
        self, keys: OneOrMore, timeout: Seconds | None = None
    ) -> Awaitable[tuple[T, T] | None]:
        """Do as `blpop` with the last element."""
        seconds = timeout_seconds(timeout)
        argv = (b"BRPOP", *flat(keys), seconds)
        return self._send_blocking(argv, shapes.optional_pair, seconds)

    def brpoplpush(
        self, source: Argument, dest: Argument, timeout: Seconds | None = None
    ) -> Awaitable[T | None]:
        """Do as `rpoplpush`, waiting for an element up to `timeout` seconds (None, 0: for ever)."""
        seconds = timeout_seconds(timeout)
        return self._send_blocking((b"BRPOPLPUSH", source, dest, seconds), None, seconds)
