"""The commands that take members from the ends of sorted sets, at once or when some arrive."""

from typing import Final, final

from mypy_extensions import i64

from kvnode.command import (
    BLOCKING,
    FAST,
    MOVABLEKEYS,
    NOSCRIPT,
    WRITE,
    KeySpec,
    command,
    key,
)
from kvnode.commands.arguments import deadline_of_timeout, integer_in, not_negative
from kvnode.commands.sorted_sets import scored_rows, store_shrunk
from kvnode.context import STILL_BLOCKED, Blocked, Context
from kvnode.datatypes.sorted_sets import SortedSet
from kvprotocol import errors
from kvprotocol.errors import ReplyError, WrongType
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import NIL_ARRAY, Reply

_ONE: Final = -1  # a pop without a count, whose reply is flat


def _event(from_max: bool) -> bytes:
    return b"zpopmax" if from_max else b"zpopmin"


def _pop(ctx: Context, argv: list[bytes], from_max: bool) -> Reply:
    """Run ZPOPMIN and ZPOPMAX."""
    if len(argv) == 2:
        stored = ctx.keyspace.for_write(argv[1])
        if stored is None:
            return []
        value = SortedSet.open(stored, ctx.encodings)
        member = value.pop_one(from_max)
        store_shrunk(ctx, argv[1], value, _event(from_max))
        return [member, value.last_score]
    if len(argv) > 3:
        raise ReplyError(errors.SYNTAX)
    count: i64 = not_negative(argv[2])
    value = SortedSet.open(ctx.keyspace.for_write(argv[1]), ctx.encodings)
    if count == 0 or value.count() == 0:
        return []
    members, scores = value.pop(from_max, count)
    store_shrunk(ctx, argv[1], value, _event(from_max), len(members))
    return scored_rows(members, scores)


@command(
    "ZPOPMIN",
    arity=-2,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access delete"),),
    group="sorted-set",
    acl="sortedset",
    since="5.0.0",
    complexity="O(M*log(N)) with N members in the sorted set and M removed",
    summary="Remove the members with the lowest scores and return them.",
    syntax="key:k#0 [count:i]",
)
def zpopmin(ctx: Context, argv: list[bytes]) -> Reply:
    return _pop(ctx, argv, False)


@command(
    "ZPOPMAX",
    arity=-2,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access delete"),),
    group="sorted-set",
    acl="sortedset",
    since="5.0.0",
    complexity="O(M*log(N)) with N members in the sorted set and M removed",
    summary="Remove the members with the highest scores and return them.",
    syntax="key:k#0 [count:i]",
)
def zpopmax(ctx: Context, argv: list[bytes]) -> Reply:
    return _pop(ctx, argv, True)


@final
class Popping:
    """What ZMPOP and the blocking pops take from the first key that has something.

    The log gets ZPOPMIN or ZPOPMAX of that key: which key it was depends on more than the request.
    """

    def __init__(self, from_max: bool, count: i64) -> None:
        self.from_max = from_max
        self.count: i64 = count

    def first_of(self, ctx: Context, keys: list[bytes]) -> Reply:
        """Take from the first key that is there; None where none is."""
        for name in keys:
            stored = ctx.keyspace.for_write(name)
            if stored is not None:
                return self._take(ctx, name, SortedSet.open(stored, ctx.encodings))
        return None

    def serve(self, ctx: Context, name: bytes) -> Reply:
        """Take from a key that a session waits for; a key of another type is waited out."""
        stored = ctx.keyspace.for_write(name)
        assert stored is not None, "only keys that are there are served"
        try:
            value = SortedSet.open(stored, ctx.encodings)
        except WrongType:
            return STILL_BLOCKED
        return self._take(ctx, name, value)

    def _take(self, ctx: Context, name: bytes, value: SortedSet) -> Reply:
        from_max = self.from_max
        request = b"ZPOPMAX" if from_max else b"ZPOPMIN"
        if self.count == _ONE:
            member = value.pop_one(from_max)
            store_shrunk(ctx, name, value, _event(from_max))
            ctx.effect(request, name)
            return [name, member, value.last_score]
        members, scores = value.pop(from_max, self.count)
        store_shrunk(ctx, name, value, _event(from_max), len(members))
        ctx.effect(request, name, b"%d" % self.count)
        pairs: list[Reply] = []
        i: i64 = 0
        for member in members:
            pairs.append([member, scores[i]])
            i += 1
        return [name, pairs]


def _pop_or_wait(ctx: Context, keys: list[bytes], timeout: bytes, popping: Popping) -> Reply:
    deadline_ms = deadline_of_timeout(ctx, timeout)
    reply = popping.first_of(ctx, keys)
    if reply is not None:
        return reply
    if not ctx.may_block:
        return NIL_ARRAY
    return Blocked(keys, deadline_ms, popping.serve, NIL_ARRAY)


@command(
    "BZPOPMIN",
    arity=-3,
    flags=WRITE | NOSCRIPT | BLOCKING | FAST,
    keys=(key(1, -2, 1, "RW access delete"),),
    group="sorted-set",
    acl="sortedset",
    since="5.0.0",
    complexity="O(log(N)) with N members in the sorted set",
    summary="Remove and return the member with the lowest score of the first key that has any, "
    "or wait for one.",
    syntax="key:k#0 ... timeout:d",
)
def bzpopmin(ctx: Context, argv: list[bytes]) -> Reply:
    return _pop_or_wait(ctx, argv[1:-1], argv[-1], Popping(False, _ONE))


@command(
    "BZPOPMAX",
    arity=-3,
    flags=WRITE | NOSCRIPT | BLOCKING | FAST,
    keys=(key(1, -2, 1, "RW access delete"),),
    group="sorted-set",
    acl="sortedset",
    since="5.0.0",
    complexity="O(log(N)) with N members in the sorted set",
    summary="Remove and return the member with the highest score of the first key that has any, "
    "or wait for one.",
    syntax="key:k#0 ... timeout:d",
)
def bzpopmax(ctx: Context, argv: list[bytes]) -> Reply:
    return _pop_or_wait(ctx, argv[1:-1], argv[-1], Popping(True, _ONE))


def _read_pop(argv: list[bytes], at: i64) -> tuple[list[bytes], Popping]:
    """Read the number of keys at argv[at], the keys, MIN or MAX, and COUNT."""
    count_of_keys = integer_in(argv[at], 1, I64_MAX, "ERR numkeys should be greater than 0")
    if count_of_keys >= len(argv) - at - 1:
        raise ReplyError(errors.SYNTAX)
    first = at + 1
    where: i64 = first + i64(count_of_keys)
    word = argv[where].upper()
    if word != b"MIN" and word != b"MAX":
        raise ReplyError(errors.SYNTAX)
    popping = Popping(word == b"MAX", 1)
    i: i64 = where + 1
    argc: i64 = len(argv)
    while i < argc:
        if i > where + 1 or argv[i].upper() != b"COUNT" or i + 1 == argc:
            raise ReplyError(errors.SYNTAX)
        popping.count = integer_in(argv[i + 1], 1, I64_MAX, "ERR count should be greater than 0")
        i += 2
    return argv[first:where], popping


@command(
    "ZMPOP",
    arity=-4,
    flags=WRITE | MOVABLEKEYS,
    keys=(KeySpec(1, "RW access delete", keynum=0, first=1, step=1),),
    group="sorted-set",
    acl="sortedset",
    since="7.0.0",
    complexity="O(K+M*log(N)) with K keys, N members in the sorted set and M removed",
    summary="Remove members from one end of the first of several sorted sets that has any, "
    "and return them.",
    syntax="numkeys:i key:k#0 ... where=<MIN|MAX> [COUNT count:i]",
)
def zmpop(ctx: Context, argv: list[bytes]) -> Reply:
    keys, popping = _read_pop(argv, 1)
    reply = popping.first_of(ctx, keys)
    return NIL_ARRAY if reply is None else reply


@command(
    "BZMPOP",
    arity=-5,
    flags=WRITE | BLOCKING | MOVABLEKEYS,
    keys=(KeySpec(2, "RW access delete", keynum=0, first=1, step=1),),
    group="sorted-set",
    acl="sortedset",
    since="7.0.0",
    complexity="O(K+M*log(N)) with K keys, N members in the sorted set and M removed",
    summary="Remove members from one end of the first of several sorted sets that has any, "
    "and return them, or wait for some.",
    syntax="timeout:d numkeys:i key:k#0 ... where=<MIN|MAX> [COUNT count:i]",
)
def bzmpop(ctx: Context, argv: list[bytes]) -> Reply:
    keys, popping = _read_pop(argv, 2)
    return _pop_or_wait(ctx, keys, argv[1], popping)
