"""The sorted-set commands on single members: adding, scores, ranks, removal, iteration."""

import math
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import double, integer_in
from kvnode.commands.sampling import distinct_indices, repeated_indices
from kvnode.context import Context
from kvnode.datatypes.sorted_sets import (
    ADDED,
    GT,
    INCR,
    LT,
    NOT_A_NUMBER,
    NX,
    SKIPPED,
    UNCHANGED,
    UPDATED,
    XX,
    SortedSet,
)
from kvnode.scan import page_of_pairs, parse_cursor, place, read_scan_options
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import Reply, Rows

_PLAIN_DIGITS_MAX: Final = 15  # so many digits are exact in a double


def _plain_score(text: bytes) -> float:
    """Return the score that a short decimal integer spells, NaN for any other text."""
    size: i64 = len(text)
    if size == 0 or size > _PLAIN_DIGITS_MAX:
        return math.nan
    i: i64 = 0
    negative = text[0] == 45
    if negative:
        if size == 1 or text[1] == 48:
            return math.nan  # "-0" is not the integer 0
        i = 1
    whole: i64 = 0
    while i < size:
        digit: i64 = text[i] - 48
        if digit < 0 or digit > 9:
            return math.nan
        whole = whole * 10 + digit
        i += 1
    return float(-whole if negative else whole)


def score_argument(text: bytes, message: str = errors.NOT_A_FLOAT) -> float:
    """Return a score or a weight, which may be infinite; NaN is refused."""
    score = _plain_score(text)
    if score == score:
        return score
    return double(text, message)


def scored_rows(members: list[bytes], scores: vec[float]) -> Rows:
    """Return the reply of members with their scores."""
    items: list[Reply] = []
    count: i64 = len(members)
    i: i64 = 0
    while i < count:
        items.append(members[i])
        items.append(scores[i])
        i += 1
    return Rows(items)


@command(
    "ZADD",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="sorted-set",
    acl="sortedset",
    since="1.2.0",
    complexity="O(M*log(N)) with M members given and N in the sorted set",
    summary="Add members to a sorted set or change their scores.",
    syntax="key:k#0 [condition=<NX|XX>@3.0.2] [comparison=<GT|LT>@6.2.0] [change=CH@3.0.2] "
    "[increment=INCR@3.0.2] score_member=(score:d member) ...",
    idempotent=True,
    not_idempotent_with=("INCR",),
)
def zadd(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 4 or not _begins_like_a_number(argv[2]):
        return _add(ctx, argv, 0)
    # The common form: one member without any condition.
    score = score_argument(argv[2])
    name = argv[1]
    keyspace = ctx.keyspace
    value = SortedSet.open(keyspace.for_write(name), ctx.encodings)
    done = value.put(argv[3], score, 0)
    if done >= UPDATED:
        keyspace.store(name, value.body)
        keyspace.changed(name, b"zadd")
    return 1 if done == ADDED else 0


def _begins_like_a_number(word: bytes) -> bool:
    """Return whether a word is a score, right or wrong, and no option."""
    return len(word) > 0 and word[0] <= 57


def _add(ctx: Context, argv: list[bytes], flags: i64) -> Reply:
    """Run ZADD and, with INCR in `flags`, ZINCRBY."""
    count: i64 = len(argv)
    first, flags, counts_changes = _read_flags(argv, flags)
    if first == count or (count - first) & 1:
        raise ReplyError(errors.SYNTAX)
    _check_flags(flags, count - first)
    scores = vec[float]()
    i = first
    while i < count:
        scores = append(scores, score_argument(argv[i]))
        i += 2
    name = argv[1]
    keyspace = ctx.keyspace
    value = SortedSet.open(keyspace.for_write(name), ctx.encodings)
    added: i64 = 0
    updated: i64 = 0
    done: i64 = SKIPPED
    i = 0
    while first + i + i < count:
        done = value.put(argv[first + i + i + 1], scores[i], flags)
        if done == ADDED:
            added += 1
        elif done == UPDATED:
            updated += 1
        elif done == NOT_A_NUMBER:  # only INCR gets here, which has one member
            raise ReplyError(errors.SCORE_NAN)
        i += 1
    if added or updated:
        keyspace.store(name, value.body)
        keyspace.changed(name, b"zincr" if flags & INCR else b"zadd", added + updated)
    if flags & INCR:
        return value.last_score if done >= UNCHANGED else None
    return int(added + updated if counts_changes else added)


def _read_flags(argv: list[bytes], flags: i64) -> tuple[i64, i64, bool]:
    """Return where the first score stands, the conditions, and whether CH was given."""
    counts_changes = False
    count: i64 = len(argv)
    i: i64 = 2
    while i < count:
        word = argv[i].upper()
        if word == b"NX":
            flags |= NX
        elif word == b"XX":
            flags |= XX
        elif word == b"GT":
            flags |= GT
        elif word == b"LT":
            flags |= LT
        elif word == b"CH":
            counts_changes = True
        elif word == b"INCR":
            flags |= INCR
        else:
            break
        i += 1
    return i, flags, counts_changes


def _check_flags(flags: i64, words: i64) -> None:
    """Refuse conditions that contradict each other; `words` counts scores and members."""
    if flags & NX and flags & XX:
        raise ReplyError("ERR XX and NX options at the same time are not compatible")
    if (flags & NX and flags & (GT | LT)) or (flags & GT and flags & LT):
        raise ReplyError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if flags & INCR and words > 2:
        raise ReplyError("ERR INCR option supports a single increment-element pair")


@command(
    "ZINCRBY",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="sorted-set",
    acl="sortedset",
    since="1.2.0",
    complexity="O(log(N)) with N members in the sorted set",
    summary="Add a number to the score of a member, which is added with that score if absent.",
    syntax="key:k#0 increment:i member",
)
def zincrby(ctx: Context, argv: list[bytes]) -> Reply:
    if not _begins_like_a_number(argv[2]):
        return _add(ctx, argv, INCR)
    amount = score_argument(argv[2])
    name = argv[1]
    keyspace = ctx.keyspace
    value = SortedSet.open(keyspace.for_write(name), ctx.encodings)
    done = value.put(argv[3], amount, INCR)
    if done == NOT_A_NUMBER:
        raise ReplyError(errors.SCORE_NAN)
    if done >= UPDATED:
        keyspace.store(name, value.body)
        keyspace.changed(name, b"zincr")
    return value.last_score


@command(
    "ZREM",
    arity=-3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW delete"),),
    group="sorted-set",
    acl="sortedset",
    since="1.2.0",
    complexity="O(M*log(N)) with M members given and N in the sorted set",
    summary="Remove members from a sorted set.",
    syntax="key:k#0 member ...",
    idempotent=True,
)
def zrem(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    keyspace = ctx.keyspace
    stored = keyspace.for_write(name)
    if stored is None:
        return 0
    value = SortedSet.open(stored, ctx.encodings)
    removed: i64 = 0
    count: i64 = len(argv)
    i: i64 = 2
    while i < count:
        if value.remove(argv[i]):
            removed += 1
        i += 1
    if removed:
        store_shrunk(ctx, name, value, b"zrem", removed)
    return int(removed)


def store_shrunk(ctx: Context, name: bytes, value: SortedSet, event: bytes, count: i64 = 1) -> None:
    """Store a sorted set that lost `count` members, or remove its key where none is left."""
    keyspace = ctx.keyspace
    if value.count() > 0:
        keyspace.store(name, value.body)
        keyspace.changed(name, event, count)
        return
    keyspace.changed(name, event, count)
    # A range that takes every member leaves the table as it was, so it may be large.
    keyspace.remove(name, True)
    keyspace.changed(name, b"del", 0)


@command(
    "ZCARD",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="sorted-set",
    acl="sortedset",
    since="1.2.0",
    complexity="O(1)",
    summary="Return the number of members in a sorted set.",
    syntax="key:k#0",
)
def zcard(ctx: Context, argv: list[bytes]) -> Reply:
    return int(SortedSet.open(ctx.keyspace.read(argv[1]), ctx.encodings).count())


@command(
    "ZSCORE",
    arity=3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="1.2.0",
    complexity="O(1)",
    summary="Return the score of a member.",
    syntax="key:k#0 member",
)
def zscore(ctx: Context, argv: list[bytes]) -> Reply:
    return SortedSet.open(ctx.keyspace.read(argv[1]), ctx.encodings).score(argv[2])


@command(
    "ZMSCORE",
    arity=-3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="6.2.0",
    complexity="O(N) with N members asked for",
    summary="Return the scores of several members.",
    syntax="key:k#0 member ...",
)
def zmscore(ctx: Context, argv: list[bytes]) -> Reply:
    value = SortedSet.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    scores: list[Reply] = []
    count: i64 = len(argv)
    i: i64 = 2
    while i < count:
        scores.append(value.score(argv[i]))
        i += 1
    return scores


def _rank(ctx: Context, argv: list[bytes], reverse: bool) -> Reply:
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return None
    rank = SortedSet.open(stored, ctx.encodings).rank(argv[2], reverse)
    return None if rank < 0 else int(rank)


@command(
    "ZRANK",
    arity=3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="2.0.0",
    complexity="O(log(N)) with N members in the sorted set",
    summary="Return how many members come before a member, from the lowest score on.",
    syntax="key:k#0 member",
)
def zrank(ctx: Context, argv: list[bytes]) -> Reply:
    return _rank(ctx, argv, False)


@command(
    "ZREVRANK",
    arity=3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="2.0.0",
    complexity="O(log(N)) with N members in the sorted set",
    summary="Return how many members come before a member, from the highest score on.",
    syntax="key:k#0 member",
)
def zrevrank(ctx: Context, argv: list[bytes]) -> Reply:
    return _rank(ctx, argv, True)


@command(
    "ZRANDMEMBER",
    arity=-2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="6.2.0",
    complexity="O(N) with N members returned",
    summary="Return random members of a sorted set.",
    syntax="key:k#0 [options=(count:i [WITHSCORES])]",
    tips=("nondeterministic_output",),
)
def zrandmember(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        stored = ctx.keyspace.read(argv[1])
        if stored is None:
            return None
        one = SortedSet.open(stored, ctx.encodings)
        return one.pick(ctx.random.randrange(one.count()))
    count = integer_in(argv[2], -I64_MAX, I64_MAX)
    with_scores = len(argv) == 4 and argv[3].upper() == b"WITHSCORES"
    if len(argv) > 3:
        if not with_scores:
            raise ReplyError(errors.SYNTAX)
        if count < -(I64_MAX // 2) or count > I64_MAX // 2:
            raise ReplyError(errors.VALUE_OUT_OF_RANGE)
    value = SortedSet.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    size = value.count()
    if size == 0 or count == 0:
        return []
    if count >= size:
        members, scores = value.items()
    elif count > 0:
        members, scores = value.pick_many(distinct_indices(ctx.random, i64(count), size))
    else:
        members, scores = value.pick_many(repeated_indices(ctx.random, -i64(count), size))
    return scored_rows(members, scores) if with_scores else members


@command(
    "ZSCAN",
    arity=-3,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="2.8.0",
    complexity="O(1) per call, O(N) for all N members",
    summary="Return some members of a sorted set with their scores, and the next call's cursor.",
    syntax="key:k#0 cursor:i [MATCH pattern:p] [COUNT count:i]",
    tips=("nondeterministic_output",),
)
def zscan(ctx: Context, argv: list[bytes]) -> Reply:
    cursor = parse_cursor(argv[2])
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return [b"0", []]
    value = SortedSet.open(stored, ctx.encodings)
    options = read_scan_options(argv, 3, False)
    following, flat = value.scan(place(cursor), options.count)
    return page_of_pairs(following, flat, options)
