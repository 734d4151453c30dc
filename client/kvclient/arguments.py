"""What the methods accept, made into the words of a request; ArgumentError where it cannot be.

Durations are seconds (int or float) or a timedelta, or milliseconds (int) or a timedelta; moments
are Unix times in the same units, or a datetime (one without a time zone means local time).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol, TypeAlias, TypeGuard, TypeVar, runtime_checkable

from kvclient.errors import ArgumentError
from kvclient.wire.encoding import Argument

K_co = TypeVar("K_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)


@runtime_checkable
class Pairs(Protocol[K_co, V_co]):
    """A mapping, as far as requests need one: unlike Mapping it accepts a dict[str, int] for
    Pairs[Argument, Argument]."""

    def items(self) -> Iterable[tuple[K_co, V_co]]: ...

    def __len__(self) -> int: ...


Argv: TypeAlias = tuple[Argument, ...]
OneOrMore: TypeAlias = Argument | Iterable[Argument]
Seconds: TypeAlias = int | float | timedelta
Milliseconds: TypeAlias = int | timedelta
Moment: TypeAlias = int | float | datetime
MomentMs: TypeAlias = int | datetime

_SINGLE: Final = (str, bytes, int, float, bytearray, memoryview)


def _is_single(value: object) -> TypeGuard[Argument]:
    return isinstance(value, _SINGLE)


def flat(first: OneOrMore, more: Iterable[Argument] = ()) -> Argv:
    """Return the arguments of `f(a, b, c)` and of `f([a, b, c])` alike."""
    if _is_single(first):
        return (first, *more)
    if not isinstance(first, Iterable):
        raise ArgumentError(f"{first!r} is neither an argument nor several of them")
    return (*first, *more)


def several(arguments: Iterable[Argument], what: str) -> Argv:
    """Return `arguments` as a tuple; a single one in their place is a mistake."""
    if _is_single(arguments) or not isinstance(arguments, Iterable):
        raise ArgumentError(f"{what} is {arguments!r}, must be a list or a tuple")
    return tuple(arguments)


def flat_pairs(pairs: Pairs[Argument, Argument]) -> Argv:
    """Return key, value, key, value ... of a mapping that is not empty."""
    words = tuple(word for pair in pairs.items() for word in pair)
    if not words:
        raise ArgumentError("the mapping is empty")
    return words


def at_most_one(**options: object) -> None:
    """Raise ArgumentError if more than one of the options is given (not None, not False)."""
    given = ""
    for name, value in options.items():
        if value is not None and value is not False:
            if given:
                raise ArgumentError(f"{given} and {name} exclude each other")
            given = name


def together(**options: object) -> None:
    """Raise ArgumentError if some of the options are given and others are None."""
    missing = [name for name in options if options[name] is None]
    if missing and len(missing) < len(options):
        raise ArgumentError(f"{' and '.join(options)} go together; missing: {', '.join(missing)}")


def milliseconds(duration: Milliseconds) -> int:
    """Return a duration in milliseconds."""
    if type(duration) is int:
        return duration
    if isinstance(duration, timedelta):
        return round(duration / timedelta(milliseconds=1))
    raise ArgumentError(f"{duration!r} is not a duration: milliseconds as int, or a timedelta")


def moment_ms(moment: MomentMs) -> int:
    """Return a moment as a Unix time in milliseconds."""
    if type(moment) is int:
        return moment
    if isinstance(moment, datetime):
        return round(moment.timestamp() * 1000)
    raise ArgumentError(f"{moment!r} is not a moment: Unix milliseconds as int, or a datetime")


def timeout_seconds(timeout: Seconds | None) -> int | float:
    """Return for how many seconds a blocking command waits; 0 is for ever."""
    if timeout is None:
        return 0
    if isinstance(timeout, timedelta):
        return timeout.total_seconds()
    if type(timeout) is int or type(timeout) is float:
        return timeout
    raise ArgumentError(f"{timeout!r} is not a timeout: seconds, a timedelta, or None")


def in_units(time: Seconds | Moment, seconds: bytes, thousandths: bytes) -> tuple[bytes, int]:
    """Return a duration or a moment with the word of its unit: whole seconds, or milliseconds."""
    if type(time) is int:
        return seconds, time
    if isinstance(time, timedelta):
        ms = milliseconds(time)
    elif isinstance(time, datetime):
        ms = moment_ms(time)
    elif type(time) is float and abs(time) < 2**53:
        ms = round(time * 1000)
    else:
        raise ArgumentError(f"{time!r} is not a time: seconds, a timedelta or a datetime")
    return (thousandths, ms) if ms % 1000 else (seconds, ms // 1000)


def lifetime(
    ex: Seconds | None,
    px: Milliseconds | None,
    exat: Moment | None,
    pxat: MomentMs | None,
    **others: bool,
) -> Argv:
    """Return the words of SET and GETEX that say when the key expires, if at all."""
    given = (ex is not None) + (px is not None) + (exat is not None) + (pxat is not None)
    if given > 1 or (given and any(others.values())):
        at_most_one(ex=ex, px=px, exat=exat, pxat=pxat, **others)
    if ex is not None:
        return in_units(ex, b"EX", b"PX")
    if px is not None:
        return b"PX", milliseconds(px)
    if exat is not None:
        return in_units(exat, b"EXAT", b"PXAT")
    if pxat is not None:
        return b"PXAT", moment_ms(pxat)
    return ()


# The few combinations are made once; making one takes longer than all else in a call.
@lru_cache(maxsize=1024)
def flags(**options: bool) -> Argv:
    """Return the names of those options that are set, as words."""
    return tuple([name.upper() for name, is_set in options.items() if is_set])


@lru_cache(maxsize=64)
def condition(nx: bool, xx: bool, gt: bool, lt: bool) -> Argv:
    """Return the word that says when something is to be changed, if any."""
    at_most_one(nx=nx, xx=xx)
    at_most_one(nx=nx, gt=gt, lt=lt)
    return flags(nx=nx, xx=xx, gt=gt, lt=lt)


def option(word: bytes, value: Argument | None) -> Argv:
    """Return `word` and its value, or nothing where there is none."""
    return () if value is None else (word, value)


def limit(offset: int | None, num: int | None) -> Argv:
    """Return `LIMIT offset num`, or nothing."""
    if offset is None and num is None:
        return ()
    if offset is None or num is None:
        raise ArgumentError("the first and the number of a range go together")
    return b"LIMIT", offset, num


def trimming(
    maxlen: int | None, minid: Argument | None, approximate: bool, at_most: int | None
) -> Argv:
    """Return the words of XADD and XTRIM that say how a stream is trimmed, if at all."""
    if maxlen is not None and minid is not None:
        at_most_one(maxlen=maxlen, minid=minid)
    bound = option(b"MAXLEN", maxlen) or option(b"MINID", minid)
    if not bound:
        if at_most is not None:
            raise ArgumentError("limit goes with maxlen or minid")
        return ()
    word, threshold = bound
    return (word, *((b"~",) if approximate else ()), threshold, *option(b"LIMIT", at_most))
