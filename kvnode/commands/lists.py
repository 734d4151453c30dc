"""The list commands that never wait."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, MOVABLEKEYS, READONLY, WRITE, KeySpec, command, key
from kvnode.commands.arguments import integer, integer_in, not_negative
from kvnode.context import Context
from kvnode.datatypes.lists import List
from kvnode.keyspace import Keyspace
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, I64_MIN
from kvprotocol.replies import NIL_ARRAY, OK, EncodedArray, Reply

_RANK_ZERO: Final = (
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
    "or use negative to start from the end of the list"
)
_NUMKEYS: Final = "ERR numkeys should be greater than 0"
_COUNT: Final = "ERR count should be greater than 0"
_COUNT_NEGATIVE: Final = "ERR COUNT can't be negative"
_MAXLEN_NEGATIVE: Final = "ERR MAXLEN can't be negative"


def is_left(word: bytes) -> bool:
    """Return whether an end of a list is LEFT; another word than LEFT or RIGHT is refused."""
    word = word.upper()
    if word == b"LEFT":
        return True
    if word == b"RIGHT":
        return False
    raise ReplyError(errors.SYNTAX)


def removed(keyspace: Keyspace, name: bytes, value: List, event: bytes, count: i64 = 1) -> None:
    """Put a list back that lost `count` elements, or drop its key when none is left."""
    if value.count() == 0:
        keyspace.remove(name)
        keyspace.changed(name, event, count)
        keyspace.changed(name, b"del", 0)
    else:
        keyspace.store(name, value.body)
        keyspace.changed(name, event, count)


def pop_one(keyspace: Keyspace, name: bytes, value: List, from_left: bool) -> bytes:
    """Take one element from the list that a key holds."""
    if from_left:
        element = value.pop_left()
        removed(keyspace, name, value, b"lpop")
    else:
        element = value.pop_right()
        removed(keyspace, name, value, b"rpop")
    return element


def pop_many(
    keyspace: Keyspace, name: bytes, value: List, from_left: bool, count: i64
) -> list[bytes]:
    """Take up to `count` elements, more than none, in the order in which single pops take them."""
    total = value.count()
    if count > total:
        count = total
    if from_left:
        elements = value.range(0, count)
        value.trim(count, total - count)
    else:
        elements = value.range(total - count, count)
        elements.reverse()
        value.trim(0, total - count)
    removed(keyspace, name, value, b"lpop" if from_left else b"rpop", count)
    return elements


def move_one(
    ctx: Context, source: bytes, destination: bytes, from_left: bool, to_left: bool
) -> bytes | None:
    """Move an element from one list to another or to its own other end; None without a source."""
    keyspace = ctx.keyspace
    stored = keyspace.for_write(source)
    if stored is None:
        return None
    value = List.open(stored, ctx.encodings)
    target = value
    if destination != source:
        target = List.open(keyspace.for_write(destination), ctx.encodings)
    element = value.pop_left() if from_left else value.pop_right()
    if to_left:
        target.push_left(element)
    else:
        target.push_right(element)
    keyspace.store(destination, target.body)
    keyspace.changed(destination, b"lpush" if to_left else b"rpush")
    removed(keyspace, source, value, b"lpop" if from_left else b"rpop", 0)
    return element


@command(
    "LPUSH",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW insert"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(N) with N elements",
    summary="Put elements before the first one of a list, one after the other.",
    syntax="key:k#0 element ...",
)
def lpush(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    name = argv[1]
    value = List.open(keyspace.for_write(name), ctx.encodings)
    i: i64 = 2
    while i < len(argv):
        value.push_left(argv[i])
        i += 1
    keyspace.store(name, value.body)
    keyspace.changed(name, b"lpush", len(argv) - 2)
    return int(value.count())


@command(
    "RPUSH",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW insert"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(N) with N elements",
    summary="Put elements behind the last one of a list.",
    syntax="key:k#0 element ...",
)
def rpush(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    name = argv[1]
    value = List.open(keyspace.for_write(name), ctx.encodings)
    i: i64 = 2
    while i < len(argv):
        value.push_right(argv[i])
        i += 1
    keyspace.store(name, value.body)
    keyspace.changed(name, b"rpush", len(argv) - 2)
    return int(value.count())


@command(
    "LPUSHX",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW insert"),),
    group="list",
    acl="list",
    since="2.2.0",
    complexity="O(N) with N elements",
    summary="Put elements before the first one of a list that exists.",
    syntax="key:k#0 element ...",
)
def lpushx(ctx: Context, argv: list[bytes]) -> Reply:
    return lpush(ctx, argv) if ctx.keyspace.contains(argv[1]) else 0


@command(
    "RPUSHX",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW insert"),),
    group="list",
    acl="list",
    since="2.2.0",
    complexity="O(N) with N elements",
    summary="Put elements behind the last one of a list that exists.",
    syntax="key:k#0 element ...",
)
def rpushx(ctx: Context, argv: list[bytes]) -> Reply:
    return rpush(ctx, argv) if ctx.keyspace.contains(argv[1]) else 0


def _pop(ctx: Context, argv: list[bytes], from_left: bool) -> Reply:
    """Take one element, or as many as the count says."""
    keyspace = ctx.keyspace
    name = argv[1]
    if len(argv) == 2:
        stored = keyspace.for_write(name)
        if stored is None:
            return None
        return pop_one(keyspace, name, List.open(stored, ctx.encodings), from_left)
    if len(argv) > 3:
        raise ReplyError(errors.WRONG_ARITY % ("lpop" if from_left else "rpop"))
    count = i64(not_negative(argv[2]))
    stored = keyspace.for_write(name)
    if stored is None:
        return NIL_ARRAY
    value = List.open(stored, ctx.encodings)
    if count == 0:
        empty: list[Reply] = []
        return empty
    return pop_many(keyspace, name, value, from_left, count)


@command(
    "LPOP",
    arity=-2,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access delete"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(N) with N elements taken",
    summary="Take one or more elements from the front of a list.",
    syntax="key:k#0 [count:i@6.2.0]",
)
def lpop(ctx: Context, argv: list[bytes]) -> Reply:
    return _pop(ctx, argv, True)


@command(
    "RPOP",
    arity=-2,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access delete"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(N) with N elements taken",
    summary="Take one or more elements from the end of a list.",
    syntax="key:k#0 [count:i@6.2.0]",
)
def rpop(ctx: Context, argv: list[bytes]) -> Reply:
    return _pop(ctx, argv, False)


@command(
    "LLEN",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(1)",
    summary="Return the number of elements in a list.",
    syntax="key:k#0",
)
def llen(ctx: Context, argv: list[bytes]) -> Reply:
    return int(List.open(ctx.keyspace.read(argv[1]), ctx.encodings).count())


@command(
    "LINDEX",
    arity=3,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(log N) with N elements in the list",
    summary="Return the element at an index, which counts from the end if it is negative.",
    syntax="key:k#0 index:i",
)
def lindex(ctx: Context, argv: list[bytes]) -> Reply:
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return None
    value = List.open(stored, ctx.encodings)
    return value.get(i64(integer(argv[2])))


@command(
    "LSET",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW update"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(N) with N elements in the list; O(1) at its ends",
    summary="Replace the element at an index.",
    syntax="key:k#0 index:i element",
    idempotent=True,
)
def lset(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    stored = keyspace.for_write(argv[1])
    if stored is None:
        raise ReplyError(errors.NO_SUCH_KEY)
    value = List.open(stored, ctx.encodings)
    if not value.set(i64(integer(argv[2])), argv[3]):
        raise ReplyError(errors.INDEX_OUT_OF_RANGE)
    keyspace.store(argv[1], value.body)
    keyspace.changed(argv[1], b"lset")
    return OK


@command(
    "LRANGE",
    arity=4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(log S+N) with N elements returned from index S on",
    summary="Return the elements between two indexes, both included.",
    syntax="key:k#0 start:i stop:i",
)
def lrange(ctx: Context, argv: list[bytes]) -> Reply:
    start = i64(integer(argv[2]))
    stop = i64(integer(argv[3]))
    value = List.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    total = value.count()
    if start < 0:
        start = max(start + total, 0)
    if stop < 0:
        stop += total
    if stop >= total:
        stop = total - 1
    if start > stop:
        return EncodedArray(0, [])
    count = stop - start + 1
    return EncodedArray(count, value.range_encoded(start, count))


@command(
    "LTRIM",
    arity=4,
    flags=WRITE,
    keys=(key(1, 1, 1, "RW delete"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(N) with N elements removed",
    summary="Drop the elements that are not between two indexes.",
    syntax="key:k#0 start:i stop:i",
)
def ltrim(ctx: Context, argv: list[bytes]) -> Reply:
    start = i64(integer(argv[2]))
    stop = i64(integer(argv[3]))
    keyspace = ctx.keyspace
    stored = keyspace.for_write(argv[1])
    if stored is None:
        return OK
    value = List.open(stored, ctx.encodings)
    total = value.count()
    if start < 0:
        start = max(start + total, 0)
    if stop < 0:
        stop += total
    if stop >= total:
        stop = total - 1
    value.trim(start, stop - start + 1 if start <= stop else 0)
    # As in Redis the event tells of every trim, of one that dropped nothing too.
    removed(keyspace, argv[1], value, b"ltrim", total - value.count())
    return OK


@command(
    "LINSERT",
    arity=5,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW insert"),),
    group="list",
    acl="list",
    since="2.2.0",
    complexity="O(N) with N elements before the pivot",
    summary="Put an element before or after the first one that equals a pivot.",
    syntax="key:k#0 where=<BEFORE|AFTER> pivot element",
)
def linsert(ctx: Context, argv: list[bytes]) -> Reply:
    where = argv[2].upper()
    if where != b"BEFORE" and where != b"AFTER":
        raise ReplyError(errors.SYNTAX)
    keyspace = ctx.keyspace
    stored = keyspace.for_write(argv[1])
    if stored is None:
        return 0
    value = List.open(stored, ctx.encodings)
    found = value.positions(argv[3], 1, 1, 0)
    if not found:
        return -1
    value.insert(found[0] if where == b"BEFORE" else found[0] + 1, argv[4])
    keyspace.store(argv[1], value.body)
    keyspace.changed(argv[1], b"linsert")
    return int(value.count())


@command(
    "LREM",
    arity=4,
    flags=WRITE,
    keys=(key(1, 1, 1, "RW delete"),),
    group="list",
    acl="list",
    since="1.0.0",
    complexity="O(N) with N elements in the list",
    summary="Remove elements that equal one: all, or some from the front or from the end.",
    syntax="key:k#0 count:i element",
)
def lrem(ctx: Context, argv: list[bytes]) -> Reply:
    # The smallest integer has no positive counterpart; both mean more than there can be.
    limit = i64(max(integer(argv[2]), -I64_MAX))
    keyspace = ctx.keyspace
    stored = keyspace.for_write(argv[1])
    if stored is None:
        return 0
    value = List.open(stored, ctx.encodings)
    count = value.remove_matching(argv[3], limit)
    if count > 0:
        removed(keyspace, argv[1], value, b"lrem", count)
    return int(count)


@command(
    "LPOS",
    arity=-3,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="list",
    acl="list",
    since="6.0.6",
    complexity="O(N) with N elements compared, at most MAXLEN",
    summary="Return the indexes of elements that equal one.",
    syntax="key:k#0 element [RANK rank:i] [COUNT num-matches:i] [MAXLEN len:i]",
)
def lpos(ctx: Context, argv: list[bytes]) -> Reply:
    rank = 1
    count = -1
    maxlen = 0
    for i in range(3, len(argv), 2):
        word = argv[i].upper()
        if i + 1 == len(argv):
            raise ReplyError(errors.SYNTAX)
        if word == b"RANK":
            rank = integer(argv[i + 1])
            if rank == 0:
                raise ReplyError(_RANK_ZERO)
            if rank == I64_MIN:
                # It has no positive counterpart; Redis then takes the first match from the end.
                rank = -1
        elif word == b"COUNT":
            count = not_negative(argv[i + 1], _COUNT_NEGATIVE)
        elif word == b"MAXLEN":
            maxlen = not_negative(argv[i + 1], _MAXLEN_NEGATIVE)
        else:
            raise ReplyError(errors.SYNTAX)
    value = List.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    found = value.positions(argv[2], rank, 1 if count < 0 else count, maxlen)
    if count >= 0:
        return found
    return found[0] if found else None


@command(
    "LMOVE",
    arity=5,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW access delete"), key(2, 2, 1, "RW insert")),
    group="list",
    acl="list",
    since="6.2.0",
    complexity="O(1)",
    summary="Move an element from an end of a list to an end of the same or another one.",
    syntax="source:k#0 destination:k#1 wherefrom=<LEFT|RIGHT> whereto=<LEFT|RIGHT>",
)
def lmove(ctx: Context, argv: list[bytes]) -> Reply:
    from_left = is_left(argv[3])
    return move_one(ctx, argv[1], argv[2], from_left, is_left(argv[4]))


@command(
    "RPOPLPUSH",
    arity=3,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW access delete"), key(2, 2, 1, "RW insert")),
    group="list",
    acl="list",
    since="1.2.0",
    complexity="O(1)",
    summary="Move the last element of a list to the front of the same or another one.",
    syntax="source:k#0 destination:k#1",
    replaced_by="`LMOVE` with the `RIGHT` and `LEFT` arguments",
    deprecated_since="6.2.0",
)
def rpoplpush(ctx: Context, argv: list[bytes]) -> Reply:
    return move_one(ctx, argv[1], argv[2], False, True)


class MultiPop:
    """The arguments of LMPOP and BLMPOP; `count` is 1 without COUNT."""

    def __init__(self, argv: list[bytes], numkeys_at: int) -> None:
        numkeys = integer_in(argv[numkeys_at], 1, I64_MAX, _NUMKEYS)
        where = numkeys_at + numkeys + 1
        if where >= len(argv):
            raise ReplyError(errors.SYNTAX)
        self.keys = argv[numkeys_at + 1 : where]
        self.from_left = is_left(argv[where])
        self.count: i64 = 1
        rest = len(argv) - where - 1
        if rest == 0:
            return
        if rest == 1 or argv[where + 1].upper() != b"COUNT":
            raise ReplyError(errors.SYNTAX)
        self.count = i64(integer_in(argv[where + 2], 1, I64_MAX, _COUNT))
        if rest > 2:
            raise ReplyError(errors.SYNTAX)

    def take(self, ctx: Context, name: bytes, stored: object) -> list[Reply]:
        """Take elements from the list at `name`; the reply names it."""
        value = List.open(stored, ctx.encodings)
        elements = pop_many(ctx.keyspace, name, value, self.from_left, self.count)
        verb = b"LPOP" if self.from_left else b"RPOP"
        ctx.effect(verb, name, b"%d" % len(elements))
        return [name, elements]

    def take_first(self, ctx: Context) -> Reply:
        """Take elements from the first of the lists that is there; None without any."""
        for name in self.keys:
            stored = ctx.keyspace.for_write(name)
            if stored is not None:
                return self.take(ctx, name, stored)
        return None


@command(
    "LMPOP",
    arity=-4,
    flags=WRITE | MOVABLEKEYS,
    keys=(KeySpec(1, "RW access delete", keynum=0, first=1, step=1),),
    group="list",
    acl="list",
    since="7.0.0",
    complexity="O(N+M) with N keys and M elements taken",
    summary="Take elements from the first of several lists that is not empty.",
    syntax="numkeys:i key:k#0 ... where=<LEFT|RIGHT> [COUNT count:i]",
)
def lmpop(ctx: Context, argv: list[bytes]) -> Reply:
    reply = MultiPop(argv, 1).take_first(ctx)
    return NIL_ARRAY if reply is None else reply
