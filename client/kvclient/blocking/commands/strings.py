# Generated from client/kvclient/commands/strings.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Commands on strings."""

from __future__ import annotations

from typing import Literal, overload

from kvclient import shapes
from kvclient.arguments import (
    Milliseconds,
    Moment,
    MomentMs,
    OneOrMore,
    Pairs,
    Seconds,
    at_most_one,
    flags,
    flat,
    flat_pairs,
    in_units,
    lifetime,
    milliseconds,
    option,
)
from kvclient.blocking.commands.base import Surface
from kvclient.results import CommonSubsequence, T
from kvclient.wire.encoding import Argument


class StringCommands(Surface[T]):
    """Strings: texts, bytes and numbers under one key each."""

    def append(self, key: Argument, value: Argument) -> int:
        """Append to a string, made if missing; return its new length in bytes."""
        return self._send((b"APPEND", key, value))

    def decr(self, key: Argument, amount: int = 1) -> int:
        """Subtract from an integer, 0 if missing; return the difference."""
        return self._send((b"DECRBY", key, amount))

    def decrby(self, key: Argument, amount: int) -> int:
        """Subtract from an integer, 0 if missing; return the difference."""
        return self._send((b"DECRBY", key, amount))

    def incr(self, key: Argument, amount: int = 1) -> int:
        """Add to an integer, 0 if missing; return the sum."""
        return self._send((b"INCRBY", key, amount))

    def incrby(self, key: Argument, amount: int) -> int:
        """Add to an integer, 0 if missing; return the sum."""
        return self._send((b"INCRBY", key, amount))

    def incrbyfloat(self, key: Argument, amount: float) -> float:
        """Add to a floating-point number, 0 if missing; return the sum."""
        return self._send((b"INCRBYFLOAT", key, amount), shapes.number)

    def get(self, key: Argument) -> T | None:
        """Return a string, None if the key is missing."""
        return self._send((b"GET", key))

    def getdel(self, key: Argument) -> T | None:
        """Return a string and delete its key."""
        return self._send((b"GETDEL", key))

    def getex(
        self,
        key: Argument,
        *,
        ex: Seconds | None = None,
        px: Milliseconds | None = None,
        exat: Moment | None = None,
        pxat: MomentMs | None = None,
        persist: bool = False,
    ) -> T | None:
        """Return a string and change when it expires.

        At most one option: in `ex` seconds or `px` milliseconds, at the Unix time `exat` or `pxat`
        (milliseconds), or never (`persist`).
        """
        words = lifetime(ex, px, exat, pxat, persist=persist)
        return self._send((b"GETEX", key, *words, *flags(persist=persist)))

    def getrange(self, key: Argument, start: int, end: int) -> T:
        """Return the bytes from `start` to `end`, both included; negative ones count from the end.

        With decode=True a cut inside of a character is an error.
        """
        return self._send((b"GETRANGE", key, start, end))

    def getset(self, key: Argument, value: Argument) -> T | None:
        """Set a string and return what was there before."""
        return self._send((b"GETSET", key, value))

    @overload
    def lcs(
        self,
        key1: Argument,
        key2: Argument,
        *,
        len: Literal[False] = False,
        idx: Literal[False] = False,
    ) -> T: ...

    @overload
    def lcs(self, key1: Argument, key2: Argument, *, len: Literal[True]) -> int: ...

    @overload
    def lcs(
        self,
        key1: Argument,
        key2: Argument,
        *,
        idx: Literal[True],
        minmatchlen: int | None = None,
        withmatchlen: bool = False,
    ) -> CommonSubsequence: ...

    def lcs(
        self,
        key1: Argument,
        key2: Argument,
        *,
        len: bool = False,
        idx: bool = False,
        minmatchlen: int | None = None,
        withmatchlen: bool = False,
    ) -> T | int | CommonSubsequence:
        """Return the longest common subsequence of two strings, its length, or its places.

        Takes time in proportion to the product of the two lengths.
        """
        at_most_one(len=len, idx=idx)
        argv = (
            *(b"LCS", key1, key2),
            *flags(len=len, idx=idx),
            *option(b"MINMATCHLEN", minmatchlen),
            *flags(withmatchlen=withmatchlen),
        )
        if idx:
            return self._send(argv, shapes.common_subsequence)
        return self._send(argv)

    def mget(self, keys: OneOrMore, *more: Argument) -> list[T | None]:
        """Return the strings of several keys, None for each that is missing or no string."""
        return self._send((b"MGET", *flat(keys, more)))

    def mset(self, mapping: Pairs[Argument, Argument]) -> bool:
        """Set several strings at once; return True."""
        return self._send((b"MSET", *flat_pairs(mapping)), shapes.done)

    def msetnx(self, mapping: Pairs[Argument, Argument]) -> bool:
        """Set several strings at once if none of the keys exists; say whether it was done."""
        return self._send((b"MSETNX", *flat_pairs(mapping)), shapes.flag)

    def psetex(self, key: Argument, time_ms: Milliseconds, value: Argument) -> bool:
        """Set a string that expires in `time_ms` milliseconds; return True."""
        return self._send((b"PSETEX", key, milliseconds(time_ms), value), shapes.done)

    @overload
    def set(
        self,
        key: Argument,
        value: Argument,
        *,
        ex: Seconds | None = None,
        px: Milliseconds | None = None,
        exat: Moment | None = None,
        pxat: MomentMs | None = None,
        nx: bool = False,
        xx: bool = False,
        get: Literal[False] = False,
        keepttl: bool = False,
    ) -> bool: ...

    @overload
    def set(
        self,
        key: Argument,
        value: Argument,
        *,
        ex: Seconds | None = None,
        px: Milliseconds | None = None,
        exat: Moment | None = None,
        pxat: MomentMs | None = None,
        nx: bool = False,
        xx: bool = False,
        get: Literal[True],
        keepttl: bool = False,
    ) -> T | None: ...

    def set(
        self,
        key: Argument,
        value: Argument,
        *,
        ex: Seconds | None = None,
        px: Milliseconds | None = None,
        exat: Moment | None = None,
        pxat: MomentMs | None = None,
        nx: bool = False,
        xx: bool = False,
        get: bool = False,
        keepttl: bool = False,
    ) -> bool | T | None:
        """Set a string; say whether it was set, or with `get` return what was there before.

        It expires in `ex` seconds or `px` milliseconds, at the Unix time `exat` or `pxat`
        (milliseconds), when the one before would have (`keepttl`), or never. With `nx` it is set
        only if the key is missing, with `xx` only if it exists.
        """
        plain = ex is None and px is None and exat is None and pxat is None
        if plain and not (nx or xx or get or keepttl):
            return self._send((b"SET", key, value), shapes.done)
        if nx and xx:
            at_most_one(nx=nx, xx=xx)
        words = lifetime(ex, px, exat, pxat, keepttl=keepttl)
        switches = flags(keepttl=keepttl, nx=nx, xx=xx, get=get)
        argv = (b"SET", key, value, *words, *switches)
        if get:
            return self._send(argv)
        return self._send(argv, shapes.accepted)

    def setex(self, key: Argument, time: Seconds, value: Argument) -> bool:
        """Set a string that expires in `time` seconds; return True."""
        word, duration = in_units(time, b"SETEX", b"PSETEX")
        return self._send((word, key, duration, value), shapes.done)

    def setnx(self, key: Argument, value: Argument) -> bool:
        """Set a string if its key is missing; say whether it was."""
        return self._send((b"SETNX", key, value), shapes.flag)

    def setrange(self, key: Argument, offset: int, value: Argument) -> int:
        """Overwrite bytes from `offset` on, after zeros if need be; return the new length."""
        return self._send((b"SETRANGE", key, offset, value))

    def strlen(self, key: Argument) -> int:
        """Return the length of a string in bytes, 0 if missing."""
        return self._send((b"STRLEN", key))
