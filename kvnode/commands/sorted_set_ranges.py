"""The sorted-set commands on ranges: by rank, by score, by member."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer
from kvnode.commands.sorted_sets import scored_rows, store_shrunk
from kvnode.context import Context
from kvnode.datatypes.score_ranges import (
    LexRange,
    ScoreRange,
    parse_lex_bound,
    parse_score_bound,
)
from kvnode.datatypes.sorted_sets import SortedSet
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply

# How a range is given; _ANY until an option of ZRANGE or ZRANGESTORE says it.
_ANY: Final = 0
_BY_RANK: Final = 1
_BY_SCORE: Final = 2
_BY_LEX: Final = 3

_LIMIT_WITHOUT_BOUNDS: Final = (
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
)
_SCORES_BY_LEX: Final = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"


def _score_range(low: bytes, high: bytes) -> ScoreRange:
    first = parse_score_bound(low)
    last = parse_score_bound(high)
    if first is None or last is None:
        raise ReplyError(errors.MIN_MAX_NOT_FLOAT)
    return ScoreRange(first, last)


def _lex_range(low: bytes, high: bytes) -> LexRange:
    first = parse_lex_bound(low)
    last = parse_lex_bound(high)
    if first is None or last is None:
        raise ReplyError(errors.MIN_MAX_NOT_LEX)
    return LexRange(first, last)


@final
@mypyc_attr(acyclic=True)
class RangeQuery:
    """A parsed range and its options; `limit` is negative without one."""

    kind: i64
    reverse: bool
    with_scores: bool
    offset: i64
    limit: i64
    start: i64
    stop: i64
    scores: ScoreRange | None
    members: LexRange | None

    def __init__(self, kind: i64, reverse: bool) -> None:
        self.kind = kind
        self.reverse = reverse
        self.with_scores = False
        self.offset = 0
        self.limit = -1
        self.start = 0
        self.stop = 0
        self.scores = None
        self.members = None

    def read(self, argv: list[bytes], at: i64, stores: bool) -> None:
        """Read the two ends at argv[at] and argv[at + 1], and the options behind them."""
        self._read_options(argv, at + 2, stores)
        first = argv[at]
        second = argv[at + 1]
        if self.kind == _BY_RANK:
            self.start = i64(integer(first))
            self.stop = i64(integer(second))
            return
        if self.reverse:
            first, second = second, first
        if self.kind == _BY_SCORE:
            self.scores = _score_range(first, second)
        else:
            self.members = _lex_range(first, second)

    def _read_options(self, argv: list[bytes], at: i64, stores: bool) -> None:
        """Read what follows the ends; a command whose kind is known takes no kind or direction."""
        open_kind = self.kind == _ANY
        count: i64 = len(argv)
        while at < count:
            word = argv[at].upper()
            if word == b"WITHSCORES" and not stores:
                self.with_scores = True
            elif word == b"LIMIT" and count - at > 2:
                self.offset = i64(integer(argv[at + 1]))
                self.limit = i64(integer(argv[at + 2]))
                at += 2
            elif word == b"REV" and open_kind and not self.reverse:
                self.reverse = True
            elif word == b"BYSCORE" and self.kind == _ANY:
                self.kind = _BY_SCORE
            elif word == b"BYLEX" and self.kind == _ANY:
                self.kind = _BY_LEX
            else:
                raise ReplyError(errors.SYNTAX)
            at += 1
        if self.kind == _ANY:
            self.kind = _BY_RANK
        if self.kind == _BY_RANK and self.limit != -1:
            raise ReplyError(_LIMIT_WITHOUT_BOUNDS)
        if self.kind == _BY_LEX and self.with_scores:
            raise ReplyError(_SCORES_BY_LEX)

    def select(self, value: SortedSet, with_scores: bool) -> tuple[list[bytes], vec[float]]:
        """Return the members in the range, with their scores where those are asked for."""
        scores = self.scores
        if scores is not None:
            return value.range_by_score(scores, self.reverse, self.offset, self.limit, with_scores)
        members = self.members
        if members is not None:
            return value.range_by_lex(members, self.reverse, self.offset, self.limit, with_scores)
        return value.range_by_rank(self.start, self.stop, self.reverse, with_scores)


def _answer(ctx: Context, argv: list[bytes], kind: i64, reverse: bool) -> Reply:
    """Answer any of the range commands that store nothing."""
    query = RangeQuery(kind, reverse)
    query.read(argv, 2, False)
    value = SortedSet.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    members, scores = query.select(value, query.with_scores)
    return scored_rows(members, scores) if query.with_scores else members


def _answer_by_rank(ctx: Context, argv: list[bytes], reverse: bool) -> Reply:
    """Answer the common forms of ZRANGE and ZREVRANGE: ranks, and at most WITHSCORES."""
    start: i64 = integer(argv[2])
    stop: i64 = integer(argv[3])
    with_scores = len(argv) == 5
    value = SortedSet.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    members, scores = value.range_by_rank(start, stop, reverse, with_scores)
    return scored_rows(members, scores) if with_scores else members


@command(
    "ZRANGE",
    arity=-4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="1.2.0",
    complexity="O(log(N)+M) with N members in the sorted set and M returned",
    summary="Return the members of a sorted set between two ranks, scores or members.",
    syntax="key:k#0 start stop [sortby=<BYSCORE|BYLEX>@6.2.0] [REV@6.2.0] "
    "[LIMIT offset_count=(offset:i count:i)@6.2.0] [WITHSCORES]",
)
def zrange(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 4 or (len(argv) == 5 and argv[4].upper() == b"WITHSCORES"):
        return _answer_by_rank(ctx, argv, False)
    return _answer(ctx, argv, _ANY, False)


@command(
    "ZREVRANGE",
    arity=-4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="1.2.0",
    complexity="O(log(N)+M) with N members in the sorted set and M returned",
    summary="Return the members between two ranks, which count from the highest score on.",
    syntax="key:k#0 start:i stop:i [WITHSCORES]",
    replaced_by="`ZRANGE` with the `REV` argument",
    deprecated_since="6.2.0",
)
def zrevrange(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 4 or (len(argv) == 5 and argv[4].upper() == b"WITHSCORES"):
        return _answer_by_rank(ctx, argv, True)
    return _answer(ctx, argv, _BY_RANK, True)


@command(
    "ZRANGEBYSCORE",
    arity=-4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="1.0.5",
    complexity="O(log(N)+M) with N members in the sorted set and M returned",
    summary="Return the members between two scores, from the lowest on.",
    syntax="key:k#0 min:d max:d [WITHSCORES@2.0.0] [LIMIT offset_count=(offset:i count:i)]",
    replaced_by="`ZRANGE` with the `BYSCORE` argument",
    deprecated_since="6.2.0",
)
def zrangebyscore(ctx: Context, argv: list[bytes]) -> Reply:
    return _answer(ctx, argv, _BY_SCORE, False)


@command(
    "ZREVRANGEBYSCORE",
    arity=-4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="2.2.0",
    complexity="O(log(N)+M) with N members in the sorted set and M returned",
    summary="Return the members between two scores, from the highest on.",
    syntax="key:k#0 max:d min:d [WITHSCORES] [LIMIT offset_count=(offset:i count:i)]",
    replaced_by="`ZRANGE` with the `REV` and `BYSCORE` arguments",
    deprecated_since="6.2.0",
)
def zrevrangebyscore(ctx: Context, argv: list[bytes]) -> Reply:
    return _answer(ctx, argv, _BY_SCORE, True)


@command(
    "ZRANGEBYLEX",
    arity=-4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="2.8.9",
    complexity="O(log(N)+M) with N members in the sorted set and M returned",
    summary="Return the members between two members of equal scores, in the order of bytes.",
    syntax="key:k#0 min max [LIMIT offset_count=(offset:i count:i)]",
    replaced_by="`ZRANGE` with the `BYLEX` argument",
    deprecated_since="6.2.0",
)
def zrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    return _answer(ctx, argv, _BY_LEX, False)


@command(
    "ZREVRANGEBYLEX",
    arity=-4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="2.8.9",
    complexity="O(log(N)+M) with N members in the sorted set and M returned",
    summary="Return the members between two members of equal scores, in reverse order of bytes.",
    syntax="key:k#0 max min [LIMIT offset_count=(offset:i count:i)]",
    replaced_by="`ZRANGE` with the `REV` and `BYLEX` arguments",
    deprecated_since="6.2.0",
)
def zrevrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    return _answer(ctx, argv, _BY_LEX, True)


@command(
    "ZRANGESTORE",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "OW update"), key(2, 2, 1, "RO access")),
    group="sorted-set",
    acl="sortedset",
    since="6.2.0",
    complexity="O(log(N)+M) with N members in the sorted set and M stored",
    summary="Store the members between two ranks, scores or members under another key.",
    syntax="dst:k#0 src:k#1 min max [sortby=<BYSCORE|BYLEX>] [REV] "
    "[LIMIT offset_count=(offset:i count:i)]",
)
def zrangestore(ctx: Context, argv: list[bytes]) -> Reply:
    query = RangeQuery(_ANY, False)
    query.read(argv, 3, True)
    value = SortedSet.open(ctx.keyspace.read(argv[2]), ctx.encodings)
    members, scores = query.select(value, True)
    entries_max = ctx.encodings.zset_max_listpack_entries
    if query.kind != _BY_RANK or len(members) <= entries_max:
        scores = _zeros_as_packed(
            members, scores, entries_max, ctx.encodings.zset_max_listpack_value
        )
    return store_result(ctx, argv[1], members, scores, b"zrangestore")


def _zeros_as_packed(
    members: list[bytes], scores: vec[float], entries_max: i64, value_max: i64
) -> vec[float]:
    """Return the scores with 0 for -0 in front of the first member that does not fit.

    Redis begins a packed set where it does not know the result to be large, and a packed set keeps
    no sign of a zero; members that come behind the one that unpacks it keep theirs.
    """
    i: i64 = 0
    for member in members:
        if i >= entries_max or len(member) > value_max:
            break
        if scores[i] == 0.0:
            scores[i] = 0.0
        i += 1
    return scores


def store_result(
    ctx: Context, name: bytes, members: list[bytes], scores: vec[float], event: bytes
) -> Reply:
    """Put a command's result under a key, or remove the key where the result is empty."""
    keyspace = ctx.keyspace
    if members:
        keyspace.put(name, SortedSet.build(members, scores, ctx.encodings).body)
        keyspace.changed(name, event)
    elif keyspace.remove(name):
        keyspace.changed(name, b"del")
    return len(members)


@command(
    "ZCOUNT",
    arity=4,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="2.0.0",
    complexity="O(log(N)) with N members in the sorted set",
    summary="Return the number of members between two scores.",
    syntax="key:k#0 min:d max:d",
)
def zcount(ctx: Context, argv: list[bytes]) -> Reply:
    bounds = _score_range(argv[2], argv[3])
    value = SortedSet.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    return int(value.count_in_score_range(bounds))


@command(
    "ZLEXCOUNT",
    arity=4,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="sorted-set",
    acl="sortedset",
    since="2.8.9",
    complexity="O(log(N)) with N members in the sorted set",
    summary="Return the number of members between two members of equal scores.",
    syntax="key:k#0 min max",
)
def zlexcount(ctx: Context, argv: list[bytes]) -> Reply:
    bounds = _lex_range(argv[2], argv[3])
    value = SortedSet.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    return int(value.count_in_lex_range(bounds))


@command(
    "ZREMRANGEBYRANK",
    arity=4,
    flags=WRITE,
    keys=(key(1, 1, 1, "RW delete"),),
    group="sorted-set",
    acl="sortedset",
    since="2.0.0",
    complexity="O(log(N)+M) with N members in the sorted set and M removed",
    summary="Remove the members between two ranks.",
    syntax="key:k#0 start:i stop:i",
)
def zremrangebyrank(ctx: Context, argv: list[bytes]) -> Reply:
    start: i64 = integer(argv[2])
    stop: i64 = integer(argv[3])
    value = SortedSet.open(ctx.keyspace.for_write(argv[1]), ctx.encodings)
    removed = value.remove_range_by_rank(start, stop)
    return _store_removed(ctx, argv[1], value, removed, b"zremrangebyrank")


def _store_removed(
    ctx: Context, name: bytes, value: SortedSet, removed: list[bytes], event: bytes
) -> Reply:
    if removed:
        store_shrunk(ctx, name, value, event, len(removed))
    return len(removed)


@command(
    "ZREMRANGEBYSCORE",
    arity=4,
    flags=WRITE,
    keys=(key(1, 1, 1, "RW delete"),),
    group="sorted-set",
    acl="sortedset",
    since="1.2.0",
    complexity="O(log(N)+M) with N members in the sorted set and M removed",
    summary="Remove the members between two scores.",
    syntax="key:k#0 min:d max:d",
    idempotent=True,
)
def zremrangebyscore(ctx: Context, argv: list[bytes]) -> Reply:
    bounds = _score_range(argv[2], argv[3])
    value = SortedSet.open(ctx.keyspace.for_write(argv[1]), ctx.encodings)
    removed = value.remove_range_by_score(bounds)
    return _store_removed(ctx, argv[1], value, removed, b"zremrangebyscore")


@command(
    "ZREMRANGEBYLEX",
    arity=4,
    flags=WRITE,
    keys=(key(1, 1, 1, "RW delete"),),
    group="sorted-set",
    acl="sortedset",
    since="2.8.9",
    complexity="O(log(N)+M) with N members in the sorted set and M removed",
    summary="Remove the members between two members of equal scores.",
    syntax="key:k#0 min max",
    idempotent=True,
)
def zremrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    bounds = _lex_range(argv[2], argv[3])
    value = SortedSet.open(ctx.keyspace.for_write(argv[1]), ctx.encodings)
    removed = value.remove_range_by_lex(bounds)
    return _store_removed(ctx, argv[1], value, removed, b"zremrangebylex")
