"""Makers of random requests on streams.

Ids are given, so that both servers use the same ones; a sequence may be left to the server. Idle
times that are asked for are 0 or far away, and those in replies are left out of the comparison.
"""

from __future__ import annotations

from typing import Final

from .random_grammar import Maker, Pools, Words

# Ids grow slowly through the pool, so that most additions find a stream below them.
_MS_MAX: Final = 3000
_EDGES: Final = ["0", "0-0", "0-1", "-", "+", "5-*", "x", f"{2**64 - 1}", "18446744073709551616"]
_GROUPS: Final = ["g1", "g2"]
_CONSUMERS: Final = ["alice", "bob", "carol"]


def an_id(p: Pools) -> object:
    """An id that may be there."""
    if p.chance(0.03):
        return p.random.choice(_EDGES)
    return f"{p.random.randint(1, _MS_MAX)}-{p.random.choice([0, 0, 1, 2])}"


def bound(p: Pools) -> object:
    """A bound of an interval of ids."""
    if p.chance(0.3):
        return p.random.choice(["-", "+"])
    sign = "(" if p.chance(0.2) else ""
    return f"{sign}{p.random.randint(1, _MS_MAX)}" if p.chance(0.4) else f"{sign}{an_id(p)}"


def group(p: Pools) -> object:
    return p.random.choice(_GROUPS)


def consumer(p: Pools) -> object:
    return p.random.choice(_CONSUMERS)


def trimming(p: Pools) -> Words:
    strategy: Words = ["MAXLEN", p.random.choice([0, 1, 5, 30, 90, 150, -1])]
    if p.chance(0.4):
        strategy = ["MINID", an_id(p)]
    sign = p.one_of("", "", "=", "~", "~")
    limit = p.option("LIMIT", p.random.choice([0, 1, 30, 200, -1]), p=0.2)
    return [strategy[0], *sign, strategy[1], *limit]


def xadd(p: Pools) -> Words:
    fields: Words = []
    for _ in range(p.random.choice([1, 1, 2, 3])):
        fields += [p.random.choice(["f", "f", "g", p.member()]), p.value()]
    options = p.shuffled(p.option("NOMKSTREAM", p=0.05), trimming(p) if p.chance(0.05) else [])
    entry_id = p.random.choice([f"{p.random.randint(1, _MS_MAX)}-*", an_id(p)])
    return ["XADD", p.key("stream"), *options, entry_id, *fields]


def xadd_above(p: Pools) -> Words:
    """An id above all others of the pool but for its own kind: the stream grows."""
    return ["XADD", p.key("stream"), f"{_MS_MAX}-*", "f", p.value(), *p.option("g", p.value())]


def xrange(p: Pools) -> Words:
    count = p.option("COUNT", p.random.choice([0, 1, 5, 100, -1, "x"]))
    name = p.random.choice(["XRANGE", "XREVRANGE"])
    return [name, p.key("stream"), bound(p), bound(p), *count]


def stream_small(p: Pools) -> Words:
    key = p.key("stream")
    return p.random.choice(
        [
            ["XLEN", key],
            ["XDEL", key, an_id(p), an_id(p)],
            ["XTRIM", key, *trimming(p)],
            ["XINFO", "STREAM", key],
            ["XINFO", "GROUPS", key],
            ["XINFO", "STREAM", key, "FULL", *p.option("COUNT", p.random.choice([0, 1, 3, -1]))],
            ["XINFO", "CONSUMERS", key, group(p)],
            ["DEL", key] if p.chance(0.2) else ["XINFO", "STREAM", key],
            ["XSETID", key, an_id(p), *p.option("ENTRIESADDED", p.random.randint(0, 500))],
            ["XSETID", key, an_id(p), *p.option("MAXDELETEDID", an_id(p))],
        ]
    )


def xread(p: Pools) -> Words:
    keys = [p.key("stream") for _ in range(p.random.randint(1, 3))]
    count = p.option("COUNT", p.random.choice([0, 1, 5, -1]))
    starts = [p.random.choice([an_id(p), "$", "0"]) for _ in keys]
    return ["XREAD", *count, "STREAMS", *keys, *starts]


def xreadgroup(p: Pools) -> Words:
    keys = [p.key("stream") for _ in range(p.random.choice([1, 1, 2]))]
    options = p.shuffled(p.option("COUNT", p.random.choice([1, 5, 50])), p.option("NOACK", p=0.1))
    starts = [p.random.choice([">", ">", ">", an_id(p)]) for _ in keys]
    head: Words = ["XREADGROUP", "GROUP", group(p), consumer(p)]
    return [*head, *options, "STREAMS", *keys, *starts]


def xgroup(p: Pools) -> Words:
    key, name = p.key("stream"), group(p)
    start = p.random.choice(["$", "0", an_id(p)])
    read = p.option("ENTRIESREAD", p.random.choice([-1, 0, 3, 50]))
    create: Words = ["XGROUP", "CREATE", key, name, start, *p.shuffled(["MKSTREAM"], read)]
    return p.random.choice(
        [
            create,
            create,
            ["XGROUP", "SETID", key, name, start, *read],
            ["XGROUP", "CREATECONSUMER", key, name, consumer(p)],
            ["XGROUP", "DELCONSUMER", key, name, consumer(p)],
            ["XGROUP", "DESTROY", key, name] if p.chance(0.5) else create,
        ]
    )


def pending(p: Pools) -> Words:
    key, name = p.key("stream"), group(p)
    ids: Words = [an_id(p) for _ in range(p.random.randint(1, 4))]
    options = p.shuffled(
        p.option("FORCE"),
        p.option("JUSTID"),
        p.option("RETRYCOUNT", p.random.choice([0, 5, -1, "x"])),
        p.option("LASTID", an_id(p), p=0.1),
    )
    count = p.option("COUNT", p.random.choice([1, 5, 20]))
    idle = p.random.choice([0, 0, 0, 10**9])
    return p.random.choice(
        [
            ["XACK", key, name, *ids],
            ["XPENDING", key, name],
            ["XPENDING", key, name, bound(p), bound(p), 10, *p.option(consumer(p))],
            ["XCLAIM", key, name, consumer(p), idle, *ids, *options],
            ["XAUTOCLAIM", key, name, consumer(p), idle, an_id(p), *count, *p.option("JUSTID")],
            ["XPENDING", key, name, "IDLE", 10**9, bound(p), bound(p), 10, *p.option(consumer(p))],
        ]
    )


def blocking_stream(p: Pools) -> Words:
    argv = p.random.choice([xread, xreadgroup])(p)
    place = argv.index("STREAMS")
    return [*argv[:place], "BLOCK", p.random.choice([0, 10, -1, "x"]), *argv[place:]]


STREAMS: Final[dict[str, list[tuple[int, Maker]]]] = {
    "streams": [
        *((10, xadd), (4, xadd_above), (8, xrange), (8, stream_small), (4, xread)),
        *((7, xreadgroup), (4, xgroup), (8, pending)),
    ],
}
