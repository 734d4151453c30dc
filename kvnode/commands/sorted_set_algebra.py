"""Unions, intersections and differences of sorted sets; a set counts with scores of 1.

Scores are multiplied by weights and put together by SUM, MIN or MAX. What has no value (infinity
times zero, infinity less infinity) counts as zero. Inputs are taken from the smallest to the
largest, as Redis does: sums of doubles depend on the order.
"""

import math
from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.command import DENYOOM, MOVABLEKEYS, READONLY, WRITE, KeySpec, command, key
from kvnode.commands.arguments import integer, not_negative
from kvnode.commands.sorted_set_ranges import store_result
from kvnode.commands.sorted_sets import score_argument
from kvnode.context import Context
from kvnode.datatypes import packed_scores
from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.sets import Set
from kvnode.datatypes.sorted_sets import SortedSet
from kvnode.structures.score_table import ScoreTable
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply, Rows

_UNION: Final = 0
_INTERSECTION: Final = 1
_DIFFERENCE: Final = 2

_SUM: Final = 0
_MIN: Final = 1
_MAX: Final = 2

# Which options a command takes beside WEIGHTS and AGGREGATE.
_REPLIES: Final = 0
_STORES: Final = 1
_COUNTS: Final = 2


@final
@mypyc_attr(acyclic=True)
class Input:
    """One of the keys: a sorted set, or a set whose members all have the score 1."""

    scored: SortedSet
    plain: Set | None
    weight: float

    def __init__(self, stored: object, encodings: Encodings) -> None:
        self.weight = 1.0
        self.plain = None
        if (
            stored is None
            or isinstance(stored, ScoreTable)
            or (isinstance(stored, bytes) and packed_scores.is_packed(stored))
        ):
            self.scored = SortedSet.open(stored, encodings)
        else:
            self.plain = Set.open(stored, encodings)
            self.scored = SortedSet.open(None, encodings)

    def count(self) -> i64:
        """Return the number of members."""
        plain = self.plain
        return self.scored.count() if plain is None else plain.count()

    def score_or_nan(self, member: bytes) -> float:
        """Return the score of a member, NaN where it is absent."""
        plain = self.plain
        if plain is None:
            return self.scored.score_or_nan(member)
        return 1.0 if plain.contains(member) else math.nan

    def items(self) -> tuple[list[bytes], vec[float]]:
        """Return all members and their scores."""
        plain = self.plain
        if plain is None:
            return self.scored.items()
        members = plain.members()
        ones = vec[float]()
        for _ in members:
            ones = append(ones, 1.0)
        return members, ones


@final
class Combination:
    """A parsed request: its inputs and options; `limit` is 0 without one."""

    def __init__(self, operation: i64, form: i64) -> None:
        self.operation: i64 = operation
        self.form: i64 = form
        self.inputs: list[Input] = []
        self.aggregate: i64 = _SUM
        self.with_scores = False
        self.limit: i64 = 0

    def read(self, ctx: Context, argv: list[bytes], at: i64, name: str) -> None:
        """Read the number of keys at argv[at], open the keys, and read the options."""
        count_of_keys = integer(argv[at])
        if count_of_keys < 1:
            raise ReplyError(f"ERR at least 1 input key is needed for '{name}' command")
        if count_of_keys >= len(argv) - at:
            raise ReplyError(errors.SYNTAX)
        i = at + 1
        end = i + i64(count_of_keys)
        while i < end:
            self.inputs.append(Input(ctx.keyspace.read(argv[i]), ctx.encodings))
            i += 1
        self._read_options(argv, end)
        if self.operation != _DIFFERENCE:
            self.inputs.sort(key=_count_of)

    def _read_options(self, argv: list[bytes], i: i64) -> None:
        argc: i64 = len(argv)
        weighs = self.operation != _DIFFERENCE and self.form != _COUNTS
        while i < argc:
            word = argv[i].upper()
            if weighs and word == b"WEIGHTS" and argc - i > len(self.inputs):
                for source in self.inputs:
                    i += 1
                    source.weight = score_argument(argv[i], "ERR weight value is not a float")
            elif weighs and word == b"AGGREGATE" and argc - i > 1:
                i += 1
                self.aggregate = _aggregate_named(argv[i])
            elif word == b"WITHSCORES" and self.form == _REPLIES:
                self.with_scores = True
            elif word == b"LIMIT" and self.form == _COUNTS and argc - i > 1:
                i += 1
                self.limit = not_negative(argv[i], "ERR LIMIT can't be negative")
            else:
                raise ReplyError(errors.SYNTAX)
            i += 1

    def result(self) -> tuple[list[bytes], vec[float]]:
        """Return the members of the result, in no particular order, and their scores."""
        if self.operation == _UNION:
            return self._union()
        if self.operation == _INTERSECTION:
            return self._intersection()
        return self._difference()

    def _union(self) -> tuple[list[bytes], vec[float]]:
        totals: dict[bytes, float] = {}
        for source in self.inputs:
            weight = source.weight
            members, scores = source.items()
            i: i64 = 0
            for member in members:
                score = weight * scores[i]
                if score != score:
                    score = 0.0
                total = totals.get(member)
                if total is not None:
                    score = _aggregated(self.aggregate, total, score)
                totals[member] = score
                i += 1
        summed = vec[float]()
        for total in totals.values():
            summed = append(summed, total)
        return list(totals), summed

    def _intersection(self) -> tuple[list[bytes], vec[float]]:
        """Keep what the smallest input shares with all others, up to the limit."""
        smallest = self.inputs[0]
        others = self.inputs[1:]
        members, scores = smallest.items()
        limit = self.limit
        kept: list[bytes] = []
        kept_scores = vec[float]()
        i: i64 = 0
        for member in members:
            total = smallest.weight * scores[i]
            if total != total:
                total = 0.0
            i += 1
            shared = True
            for other in others:
                score = other.score_or_nan(member)
                if score != score:
                    shared = False
                    break
                total = _aggregated(self.aggregate, total, score * other.weight)
            if shared:
                kept.append(member)
                kept_scores = append(kept_scores, total)
                if len(kept) == limit:
                    break
        return kept, kept_scores

    def _difference(self) -> tuple[list[bytes], vec[float]]:
        """Keep the first input's members that no other has.

        Either each of them is looked up in the others, or the others' members are collected first:
        whatever touches fewer members.
        """
        first = self.inputs[0]
        others = [other for other in self.inputs[1:] if other.count() > 0]
        members, scores = first.items()
        total: i64 = 0
        for other in others:
            total += other.count()
        excluded: set[bytes] = set()
        collects = total <= first.count() * len(others)
        if collects:
            for other in others:
                excluded.update(other.items()[0])
        kept: list[bytes] = []
        kept_scores = vec[float]()
        i: i64 = 0
        for member in members:
            if member not in excluded if collects else _is_in_none(others, member):
                kept.append(member)
                kept_scores = append(kept_scores, scores[i])
            i += 1
        return kept, kept_scores


def _count_of(source: Input) -> int:
    return int(source.count())


def _is_in_none(sources: list[Input], member: bytes) -> bool:
    for source in sources:
        score = source.score_or_nan(member)
        if score == score:
            return False
    return True


def _aggregate_named(word: bytes) -> i64:
    name = word.upper()
    if name == b"SUM":
        return _SUM
    if name == b"MIN":
        return _MIN
    if name == b"MAX":
        return _MAX
    raise ReplyError(errors.SYNTAX)


def _aggregated(aggregate: i64, total: float, score: float) -> float:
    """Return the two scores put together."""
    if aggregate == _SUM:
        total += score
        return total if total == total else 0.0
    if aggregate == _MIN:
        return score if score < total else total
    return score if score > total else total


def _reply(ctx: Context, argv: list[bytes], operation: i64, name: str) -> Reply:
    """Run a command that returns its result in order."""
    request = Combination(operation, _REPLIES)
    request.read(ctx, argv, 1, name)
    members, scores = request.result()
    items: list[Reply] = []
    for score, member in sorted(zip(scores, members)):
        items.append(member)
        if request.with_scores:
            items.append(score)
    return Rows(items) if request.with_scores else items


def _store(ctx: Context, argv: list[bytes], operation: i64, name: str) -> Reply:
    """Run a command that stores its result."""
    request = Combination(operation, _STORES)
    request.read(ctx, argv, 2, name)
    members, scores = request.result()
    return store_result(ctx, argv[1], members, scores, name.encode())


@command(
    "ZUNION",
    arity=-3,
    flags=READONLY | MOVABLEKEYS,
    keys=(KeySpec(1, "RO access", keynum=0, first=1, step=1),),
    group="sorted-set",
    acl="sortedset",
    since="6.2.0",
    complexity="O(N+M*log(M)) with N members in all inputs and M in the result",
    summary="Return the union of sorted sets.",
    syntax="numkeys:i key:k#0 ... [WEIGHTS weight:i ...] [AGGREGATE aggregate=<SUM|MIN|MAX>] "
    "[WITHSCORES]",
)
def zunion(ctx: Context, argv: list[bytes]) -> Reply:
    return _reply(ctx, argv, _UNION, "zunion")


@command(
    "ZINTER",
    arity=-3,
    flags=READONLY | MOVABLEKEYS,
    keys=(KeySpec(1, "RO access", keynum=0, first=1, step=1),),
    group="sorted-set",
    acl="sortedset",
    since="6.2.0",
    complexity="O(N*K+M*log(M)) with K inputs, N members in the smallest and M in the result",
    summary="Return the intersection of sorted sets.",
    syntax="numkeys:i key:k#0 ... [WEIGHTS weight:i ...] [AGGREGATE aggregate=<SUM|MIN|MAX>] "
    "[WITHSCORES]",
)
def zinter(ctx: Context, argv: list[bytes]) -> Reply:
    return _reply(ctx, argv, _INTERSECTION, "zinter")


@command(
    "ZDIFF",
    arity=-3,
    flags=READONLY | MOVABLEKEYS,
    keys=(KeySpec(1, "RO access", keynum=0, first=1, step=1),),
    group="sorted-set",
    acl="sortedset",
    since="6.2.0",
    complexity="O(L+M*log(M)) with L members in all inputs and M in the result",
    summary="Return what the first sorted set has and the others have not.",
    syntax="numkeys:i key:k#0 ... [WITHSCORES]",
)
def zdiff(ctx: Context, argv: list[bytes]) -> Reply:
    return _reply(ctx, argv, _DIFFERENCE, "zdiff")


@command(
    "ZUNIONSTORE",
    arity=-4,
    flags=WRITE | DENYOOM | MOVABLEKEYS,
    keys=(key(1, 1, 1, "OW update"), KeySpec(2, "RO access", keynum=0, first=1, step=1)),
    group="sorted-set",
    acl="sortedset",
    since="2.0.0",
    complexity="O(N+M*log(M)) with N members in all inputs and M in the result",
    summary="Store the union of sorted sets and return its size.",
    syntax="destination:k#0 numkeys:i key:k#1 ... [WEIGHTS weight:i ...] "
    "[AGGREGATE aggregate=<SUM|MIN|MAX>]",
)
def zunionstore(ctx: Context, argv: list[bytes]) -> Reply:
    return _store(ctx, argv, _UNION, "zunionstore")


@command(
    "ZINTERSTORE",
    arity=-4,
    flags=WRITE | DENYOOM | MOVABLEKEYS,
    keys=(key(1, 1, 1, "OW update"), KeySpec(2, "RO access", keynum=0, first=1, step=1)),
    group="sorted-set",
    acl="sortedset",
    since="2.0.0",
    complexity="O(N*K+M*log(M)) with K inputs, N members in the smallest and M in the result",
    summary="Store the intersection of sorted sets and return its size.",
    syntax="destination:k#0 numkeys:i key:k#1 ... [WEIGHTS weight:i ...] "
    "[AGGREGATE aggregate=<SUM|MIN|MAX>]",
)
def zinterstore(ctx: Context, argv: list[bytes]) -> Reply:
    return _store(ctx, argv, _INTERSECTION, "zinterstore")


@command(
    "ZDIFFSTORE",
    arity=-4,
    flags=WRITE | DENYOOM | MOVABLEKEYS,
    keys=(key(1, 1, 1, "OW update"), KeySpec(2, "RO access", keynum=0, first=1, step=1)),
    group="sorted-set",
    acl="sortedset",
    since="6.2.0",
    complexity="O(L+M*log(M)) with L members in all inputs and M in the result",
    summary="Store what the first sorted set has and the others have not, and return its size.",
    syntax="destination:k#0 numkeys:i key:k#1 ...",
)
def zdiffstore(ctx: Context, argv: list[bytes]) -> Reply:
    return _store(ctx, argv, _DIFFERENCE, "zdiffstore")


@command(
    "ZINTERCARD",
    arity=-3,
    flags=READONLY | MOVABLEKEYS,
    keys=(KeySpec(1, "RO access", keynum=0, first=1, step=1),),
    group="sorted-set",
    acl="sortedset",
    since="7.0.0",
    complexity="O(N*K) with K inputs and N members in the smallest",
    summary="Return the number of members that sorted sets have in common.",
    syntax="numkeys:i key:k#0 ... [LIMIT limit:i]",
)
def zintercard(ctx: Context, argv: list[bytes]) -> Reply:
    request = Combination(_INTERSECTION, _COUNTS)
    request.read(ctx, argv, 1, "zintercard")
    return len(request.result()[0])
