"""A dataset of every type, small and large, with deadlines, in several databases, as requests.

The kind of a key follows from its number alone, so that later changes know what they meet. Sizes
lie on both sides of the limits at which servers change their form of a value.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Final

Argv = tuple[bytes | str | int | float, ...]
Maker = Callable[[str, int, random.Random], list[Argv]]

DATABASES: Final = (0, 1, 5, 9)
RUN: Final = 250  # keys in a row in one database
LARGE_EVERY: Final = 1009  # a prime, so that large keys are of every kind
SIZES: Final = (1, 2, 3, 3, 5, 8, 13)
LARGE_SIZES: Final = (127, 128, 129, 511, 512, 513, 3000)
TEXT: Final = "the quick brown fox jumps over the lazy dog; "
# In ms: an hour from 2100 on, the last of the year 9999, beyond doubles, and beyond any calendar.
FAR_MS: Final = (4_102_448_400_000, 253_402_300_799_999, 2**53 + 1, 2**61 + 1)
INTEGERS: Final = (0, -1, 127, -128, 32767, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63))
CODES: Final = (
    "#!lua name=counters\nredis.register_function('bump', function(k, a)\n"
    "  return redis.call('INCRBY', k[1], a[1]) end)",
    "#!lua name=readers\nredis.register_function{function_name='seen', flags={'no-writes'},\n"
    "  callback=function(k, a) return redis.call('EXISTS', unpack(k)) end}",
)


def string(name: str, size: int, draw: random.Random) -> list[Argv]:
    """An integer, a short or long text, one that compresses, one that does not."""
    choice = draw.randrange(6)
    if size > 20:
        return [("SET", name, draw.choice((TEXT * size, draw.randbytes(size * 30))))]
    if choice == 0:
        return [("SET", name, draw.choice(INTEGERS))]
    if choice == 1:
        return [("SET", name, draw.randrange(-(2**31), 2**31))]
    if choice == 2:
        return [("SET", name, draw.randbytes(size * 4))]
    if choice == 3:
        return [("SET", name, TEXT * 3)]
    if choice == 4:
        return [("APPEND", name, f"value {size}"), ("SETBIT", name, size * 64, 1)]
    return [("SET", name, f"value:{draw.randrange(10**9)}")]


def counter(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Integers and sums of decimals."""
    if size % 2:
        return [("INCRBY", name, draw.randrange(10**6))]
    return [("INCRBYFLOAT", name, draw.randrange(10**6) / 64)]


def list_(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Words and integers, now and then an element too long for a packed node."""
    elements: list[str | int] = [draw.choice((i, f"element {i}")) for i in range(size)]
    if draw.random() < 0.02:
        elements.append(TEXT * 250)
    return [("RPUSH", name, *elements)]


def hash_(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Fields of words and integers; some values of more than 64 bytes."""
    words: list[str | int] = []
    for i in range(size):
        words += (f"field{i}", draw.randrange(10**9))
    if draw.random() < 0.1:
        words += ("long", TEXT * 2)
    return [("HSET", name, *words)]


def set_(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Words."""
    return [("SADD", name, *(f"member{draw.randrange(10**6)}" for _ in range(size)))]


def integer_set(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Integers of 16, 32 and 64 bits."""
    width = draw.choice((2**15, 2**31, 2**62))
    return [("SADD", name, *(draw.randrange(-width, width) for _ in range(size)))]


def sorted_set(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Integer, fractional and infinite scores."""
    words: list[str | float] = []
    for i in range(size):
        words += (draw.choice((i, i / 7, draw.uniform(-1e9, 1e9))), f"member{i}")
    if draw.random() < 0.05:
        words += ("inf", "last", "-inf", "first", "1e300", "large")
    return [("ZADD", name, *words)]


def stream(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Entries with equal and unequal fields, deleted ones, groups with pending entries."""
    argvs: list[Argv] = []
    for i in range(1, size + 1):
        fields = ("same", i, "fields", TEXT[: i % 40]) if i % 5 else (f"other{i}", "x", "y", i)
        argvs.append(("XADD", name, f"{1000 + i}-{i % 3}", *fields))
    if size > 2:
        argvs.append(("XDEL", name, "1002-2"))
    if draw.random() < 0.5:
        argvs.append(("XGROUP", "CREATE", name, "group", "0"))
        argvs.append(("XREADGROUP", "GROUP", "group", "ann", "COUNT", 3, "STREAMS", name, ">"))
        argvs.append(("XREADGROUP", "GROUP", "group", "bob", "COUNT", 2, "STREAMS", name, ">"))
        argvs.append(("XACK", name, "group", "1001-1"))
        argvs.append(("XGROUP", "CREATECONSUMER", name, "group", "idle"))
        argvs.append(("XGROUP", "CREATE", name, "late", "$", "ENTRIESREAD", size))
    return argvs


def hyperloglog(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Sparse, or dense when large."""
    return [("PFADD", name, *(draw.randrange(10**9) for _ in range(size)))]


def geo(name: str, size: int, draw: random.Random) -> list[Argv]:
    """Places."""
    words: list[str | float] = []
    for i in range(size):
        words += (draw.uniform(-179, 179), draw.uniform(-85, 85), f"place{i}")
    return [("GEOADD", name, *words)]


# By their share of the keys.
KINDS: Final[tuple[Maker, ...]] = (
    *(string,) * 14,
    *(counter,) * 3,
    *(list_,) * 5,
    *(hash_,) * 6,
    *(set_,) * 3,
    *(integer_set,) * 3,
    *(sorted_set,) * 4,
    *(stream,) * 2,
    hyperloglog,
    geo,
)


def maker_of(number: int) -> Maker:
    """The kind of the key with this number."""
    return KINDS[number * 29 % len(KINDS)]


def key_of(number: int) -> str:
    """The name of the key with this number."""
    return f"{maker_of(number).__name__}:{number}"


def dataset(keys: int, seed: int = 1, now_ms: int = 0) -> Iterator[Argv]:
    """The requests that make so many keys, and two libraries of functions.

    The nearest deadlines lie an hour after `now_ms`.
    """
    draw = random.Random(seed)
    near_ms = (now_ms or int(time.time() * 1000)) + 3_600_000
    for code in CODES:
        yield ("FUNCTION", "LOAD", "REPLACE", code)
    for number in range(keys):
        if number % RUN == 0:
            yield ("SELECT", DATABASES[number // RUN % len(DATABASES)])
        name = key_of(number)
        sizes = LARGE_SIZES if number % LARGE_EVERY == LARGE_EVERY - 1 else SIZES
        yield from maker_of(number)(name, draw.choice(sizes), draw)
        chance = draw.randrange(8)
        if chance == 0:
            yield ("PEXPIREAT", name, near_ms + draw.randrange(10**10))
        elif chance == 1:
            yield ("PEXPIREAT", name, draw.choice(FAR_MS))
    yield ("SELECT", 0)


def changes(keys: int, count: int, seed: int = 2) -> Iterator[Argv]:
    """So many changes of the keys of `dataset(keys)`: deterministic ones and others."""
    draw = random.Random(seed)
    for _ in range(count):
        number = draw.randrange(keys)
        name = key_of(number)
        yield ("SELECT", DATABASES[number // RUN % len(DATABASES)])
        chance = draw.randrange(10)
        if chance == 0:
            yield draw.choice((("DEL", name), ("PERSIST", name), ("EXPIRE", name, 100_000)))
        elif chance == 1:
            yield ("COPY", name, f"copy-of-{name}", "REPLACE")
        else:
            yield draw.choice(CHANGES[maker_of(number)])(name, draw.randrange(1000))
    yield ("SELECT", 0)


# Of each kind, changes that its commands can make, whether or not the key is still there.
CHANGES: Final[dict[Maker, tuple[Callable[[str, int], Argv], ...]]] = {
    string: (
        lambda name, n: ("APPEND", name, n),
        lambda name, n: ("SETRANGE", name, n, "part"),
        lambda name, n: ("GETDEL", name),
        lambda name, n: ("SETEX", name, 10_000 + n, TEXT),
    ),
    counter: (
        lambda name, n: ("INCRBYFLOAT", name, n / 8),
        lambda name, n: ("GETEX", name, "EX", 10_000 + n),
    ),
    list_: (
        lambda name, n: ("LPUSH", name, n, "word"),
        lambda name, n: ("RPOP", name, n % 3),
        lambda name, n: ("LTRIM", name, 1, -1),
        lambda name, n: ("LMOVE", name, f"{name}:moved", "LEFT", "RIGHT"),
    ),
    hash_: (
        lambda name, n: ("HINCRBYFLOAT", name, "decimal", n / 8),
        lambda name, n: ("HDEL", name, "field0", "field1"),
        lambda name, n: ("HSET", name, f"new{n}", n),
    ),
    set_: (
        lambda name, n: ("SPOP", name, n % 3),
        lambda name, n: ("SADD", name, f"new{n}"),
        lambda name, n: ("SDIFFSTORE", f"{name}:stored", name),
    ),
    integer_set: (
        lambda name, n: ("SPOP", name),
        lambda name, n: ("SADD", name, n, f"word{n}"),
    ),
    sorted_set: (
        lambda name, n: ("ZINCRBY", name, n / 3, "member0"),
        lambda name, n: ("ZPOPMIN", name, n % 3),
        lambda name, n: ("ZADD", name, n, f"new{n}"),
    ),
    stream: (
        lambda name, n: ("XADD", name, "*", "n", n),
        lambda name, n: ("XADD", name, "MAXLEN", "~", 100, "*", "n", n),
        lambda name, n: ("XTRIM", name, "MAXLEN", n),
    ),
    hyperloglog: (
        lambda name, n: ("PFADD", name, n),
        lambda name, n: ("PFMERGE", name, f"hyperloglog:{n}"),
    ),
    geo: (
        lambda name, n: ("GEOADD", name, n / 10, n / 20, f"new{n}"),
        lambda name, n: ("ZREM", name, "place0"),
    ),
}
