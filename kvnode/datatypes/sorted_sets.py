"""The handle through which commands see a sorted set.

Members are in (score, member) order; a rank is a place in that order, counted from 0. Up to the
thresholds of `Encodings` a sorted set is packed, beyond them a `ScoreTable`; it never goes back.
A handle is made per command and thrown away; what is stored is its `body`.
"""

import math
from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.datatypes import packed_scores
from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.score_ranges import LexRange, ScoreBound, ScoreRange
from kvnode.structures import listpack
from kvnode.structures.chunked_scores import reverse_scores
from kvnode.structures.score_table import ScoreTable
from kvprotocol.errors import WrongType
from kvprotocol.numbers import format_double

# Conditions of `put`, as the options of ZADD.
NX: Final = 1
XX: Final = 2
GT: Final = 4
LT: Final = 8
INCR: Final = 16

# What `put` did.
NOT_A_NUMBER: Final = -1
SKIPPED: Final = 0
UNCHANGED: Final = 1
UPDATED: Final = 2
ADDED: Final = 3

_POPPED_ONE_BY_ONE_MAX: Final = 16  # beyond, ranks are worth their tree


@final
@mypyc_attr(acyclic=True)
class SortedSet:
    """A sorted set in either stored form.

    `last_score` is the score that the last `put`, `pick` or `pop_one` ended with.
    """

    packed: bytes  # without meaning while there is a table
    table: ScoreTable | None
    encodings: Encodings
    last_score: float

    def __init__(self, packed: bytes, table: ScoreTable | None, encodings: Encodings) -> None:
        self.packed = packed
        self.table = table
        self.encodings = encodings
        self.last_score = 0.0

    @staticmethod
    def open(stored: object, encodings: Encodings) -> "SortedSet":
        """A handle over a stored form, or over a new empty set for None; raises WrongType."""
        if isinstance(stored, ScoreTable):
            return SortedSet(packed_scores.EMPTY, stored, encodings)
        if stored is None:
            return SortedSet(packed_scores.EMPTY, None, encodings)
        if isinstance(stored, bytes) and packed_scores.is_packed(stored):
            return SortedSet(stored, None, encodings)
        raise WrongType()

    @staticmethod
    def build(members: list[bytes], scores: vec[float], encodings: Encodings) -> "SortedSet":
        """A new set of distinct members in any order, and their scores beside them."""
        pairs = sorted(zip(scores, members))
        size: i64 = len(pairs)
        fits = size <= encodings.zset_max_listpack_entries
        value_max: i64 = encodings.zset_max_listpack_value
        for _score, member in pairs:
            if len(member) > value_max:
                fits = False
                break
        if fits:
            ordered_members: list[bytes] = []
            ordered_scores = vec[float]()
            for score, member in pairs:
                ordered_members.append(member)
                ordered_scores = append(ordered_scores, score)
            packed = packed_scores.build(ordered_members, ordered_scores)
            return SortedSet(packed, None, encodings)
        table = ScoreTable()
        for score, member in pairs:
            table.put_last(member, score)
        return SortedSet(packed_scores.EMPTY, table, encodings)

    @property
    def body(self) -> bytes | ScoreTable:
        """The stored form as it is now."""
        table = self.table
        if table is not None:
            return table
        return self.packed

    def encoding(self) -> bytes:
        """What OBJECT ENCODING says."""
        return b"listpack" if self.table is None else b"skiplist"

    def copy(self) -> "SortedSet":
        """A handle over an independent equal set."""
        table = self.table
        return SortedSet(self.packed, None if table is None else table.copy(), self.encodings)

    def check(self) -> None:
        """Assert every invariant. O(n log n)."""
        if self.table is not None:
            self.table.check()
        else:
            packed_scores.check(self.packed)

    # --- one member -------------------------------------------------------------------------------

    def count(self) -> i64:
        """The number of members."""
        table = self.table
        return packed_scores.count(self.packed) if table is None else table.count()

    def score(self, member: bytes) -> float | None:
        """The score of a member, or None."""
        score = self.score_or_nan(member)
        return None if score != score else score

    def score_or_nan(self, member: bytes) -> float:
        """The score of a member, or NaN, which no member has."""
        table = self.table
        if table is not None:
            index = table.find(member)
            return table.scores[index] if index >= 0 else math.nan
        offset = packed_scores.find(self.packed, member)
        return packed_scores.score_at(self.packed, offset) if offset >= 0 else math.nan

    def put(self, member: bytes, score: float, flags: i64) -> i64:
        """Add a member or change its score under ZADD's conditions; return what was done.

        With INCR the score is added to the present one (0 for a new member). NOT_A_NUMBER and
        SKIPPED leave everything as it was, and `last_score` without meaning.
        """
        if score != score:
            return NOT_A_NUMBER
        table = self.table
        if table is not None:
            place = table.find(member)
            present = table.scores[place] if place >= 0 else 0.0
        else:
            place = packed_scores.find(self.packed, member)
            present = packed_scores.score_at(self.packed, place) if place >= 0 else 0.0
        if place < 0:
            if flags & XX:
                return SKIPPED
            self.last_score = score
            self._add(member, score)
            return ADDED
        if flags != 0:
            if flags & NX:
                return SKIPPED
            if flags & INCR:
                score += present
                if score != score:
                    return NOT_A_NUMBER
            if (flags & LT and score >= present) or (flags & GT and score <= present):
                return SKIPPED
        self.last_score = score
        if score == present:
            return UNCHANGED
        if table is not None:
            table.set_score(place, score)
        else:
            self.packed = packed_scores.set_score(self.packed, place, member, present, score)
        return UPDATED

    def _add(self, member: bytes, score: float) -> None:
        """Add a member that is not there, in the stored form that Redis would have then."""
        table = self.table
        if table is None:
            limits = self.encodings
            if (
                packed_scores.count(self.packed) < limits.zset_max_listpack_entries
                and len(member) <= limits.zset_max_listpack_value
            ):
                self.packed = packed_scores.insert(self.packed, member, score)
                return
            table = self._unpack()
        table.put(member, score)

    def unpack(self) -> bool:
        """Leave the packed form for good; say whether the set was in it."""
        if self.table is not None:
            return False
        self._unpack()
        return True

    def _unpack(self) -> ScoreTable:
        members, scores = self.items()
        table = ScoreTable()
        i: i64 = 0
        for member in members:
            table.put_last(member, scores[i])
            i += 1
        self.table = table
        self.packed = packed_scores.EMPTY
        return table

    def remove(self, member: bytes) -> bool:
        """Take a member out; say whether it was there."""
        table = self.table
        if table is not None:
            index = table.find(member)
            if index < 0:
                return False
            table.remove_at(index)
            return True
        offset = packed_scores.find(self.packed, member)
        if offset < 0:
            return False
        self.packed = packed_scores.remove(self.packed, offset)
        return True

    def rank(self, member: bytes, reverse: bool) -> i64:
        """The rank of a member, or -1; with `reverse` counted from the last."""
        table = self.table
        if table is not None:
            index = table.find(member)
            if index < 0:
                return -1
            rank = table.order.rank(table.scores[index], table.members[index])
            return table.count() - 1 - rank if reverse else rank
        offset = packed_scores.find(self.packed, member)
        if offset < 0:
            return -1
        rank = packed_scores.rank(self.packed, offset)
        return packed_scores.count(self.packed) - 1 - rank if reverse else rank

    # --- ranges -----------------------------------------------------------------------------------

    def items(self) -> tuple[list[bytes], vec[float]]:
        """All members in order, and their scores."""
        return self._slice(0, self.count(), False, True)

    def range_by_rank(
        self, start: i64, stop: i64, reverse: bool, with_scores: bool = True
    ) -> tuple[list[bytes], vec[float]]:
        """The members from rank `start` to `stop`, both included, and their scores.

        Negative ranks count from the end; with `reverse`, rank 0 is the last member. Without
        `with_scores` the scores may be left out, which spares reading them from packed bytes.
        """
        first, size = self._rank_range(start, stop)
        return self._slice(first, size, reverse, with_scores)

    def range_by_score(
        self,
        bounds: ScoreRange,
        reverse: bool,
        offset: i64,
        limit: i64,
        with_scores: bool = True,
    ) -> tuple[list[bytes], vec[float]]:
        """Up to `limit` members (negative: all) of a score range after `offset` of them."""
        first, size = self._score_range(bounds)
        return self._limited(first, size, reverse, offset, limit, with_scores)

    def between_scores(self, low: float, high: float) -> tuple[list[bytes], vec[float]]:
        """The members with a score from `low` up to, not including `high`, and their scores."""
        table = self.table
        if table is not None:
            return table.order.between(low, high)
        bounds = ScoreRange(ScoreBound(low, False), ScoreBound(high, True))
        return self.range_by_score(bounds, False, 0, -1)

    def range_by_lex(
        self,
        bounds: LexRange,
        reverse: bool,
        offset: i64,
        limit: i64,
        with_scores: bool = True,
    ) -> tuple[list[bytes], vec[float]]:
        """Up to `limit` members (negative: all) of a member range after `offset` of them."""
        first, size = self._lex_range(bounds, reverse)
        return self._limited(first, size, reverse, offset, limit, with_scores)

    def count_in_score_range(self, bounds: ScoreRange) -> i64:
        """The number of members with a score in a range."""
        _first, size = self._score_range(bounds)
        return size

    def count_in_lex_range(self, bounds: LexRange) -> i64:
        """The number of members in a member range."""
        _first, size = self._lex_range(bounds, False)
        return size

    def remove_range_by_rank(self, start: i64, stop: i64) -> list[bytes]:
        """Take out the members from rank `start` to `stop`, both included; return them."""
        first, size = self._rank_range(start, stop)
        return self._remove_range(first, size)

    def remove_range_by_score(self, bounds: ScoreRange) -> list[bytes]:
        """Take out the members with a score in a range; return them."""
        first, size = self._score_range(bounds)
        return self._remove_range(first, size)

    def remove_range_by_lex(self, bounds: LexRange) -> list[bytes]:
        """Take out the members in a member range; return them."""
        first, size = self._lex_range(bounds, False)
        return self._remove_range(first, size)

    def pop(self, from_max: bool, count: i64) -> tuple[list[bytes], vec[float]]:
        """Take out up to `count` members from one end; return them, outermost first."""
        size = self.count()
        if count > size:
            count = size
        table = self.table
        if table is None or count > _POPPED_ONE_BY_ONE_MAX:
            result = self._slice(0, count, from_max, True)
            self._remove_range(size - count if from_max else 0, count)
            return result
        members: list[bytes] = []
        scores = vec[float]()
        while count > 0:
            score, member = table.pop_max() if from_max else table.pop_min()
            members.append(member)
            scores = append(scores, score)
            count -= 1
        return members, scores

    def pop_one(self, from_max: bool) -> bytes:
        """Take out the member at one end (IndexError if empty), its score in `last_score`."""
        table = self.table
        if table is not None:
            score, member = table.pop_max() if from_max else table.pop_min()
            self.last_score = score
            return member
        members, scores = self.pop(from_max, 1)
        self.last_score = scores[0]
        return members[0]

    # --- any member -------------------------------------------------------------------------------

    def pick(self, index: i64) -> bytes:
        """The member at an index below `count()`, in no particular order; sets `last_score`."""
        table = self.table
        if table is not None:
            self.last_score = table.scores[index]
            return table.members[index]
        members, scores = packed_scores.slice_ranks(self.packed, index, 1, True)
        self.last_score = scores[0]
        return members[0]

    def pick_many(self, indices: list[int]) -> tuple[list[bytes], vec[float]]:
        """The members at indices below `count()`, as `pick` numbers them, and their scores."""
        table = self.table
        if table is not None:
            members, scores = table.members, table.scores
        else:
            members, scores = self.items()
        picked: list[bytes] = []
        picked_scores = vec[float]()
        for number in indices:
            index: i64 = number
            picked.append(members[index])
            picked_scores = append(picked_scores, scores[index])
        return picked, picked_scores

    def scan(self, cursor: i64, count: i64) -> tuple[i64, list[bytes]]:
        """The next cursor (0 at the end) and about `count` members, each with its score's text.

        A member that is there from the first call to the last is returned at least once.
        """
        table = self.table
        if table is None:
            # As they stand: a packed 1e17 is an integer entry, and Redis shows it as such.
            return 0, listpack.entries(self.packed, packed_scores.BASE)
        members, scores = table.members, table.scores
        cursor, first, end = table.scan(cursor, count)
        flat: list[bytes] = []
        i = first
        while i < end:
            flat.append(members[i])
            flat.append(format_double(scores[i]))
            i += 1
        return cursor, flat

    # --- ranges as (first rank, number of members) ------------------------------------------------

    def _rank_range(self, start: i64, stop: i64) -> tuple[i64, i64]:
        size = self.count()
        if start < 0:
            start += size
            if start < 0:
                start = 0
        if stop < 0:
            stop += size
        elif stop >= size:
            stop = size - 1
        return (start, stop - start + 1) if start <= stop else (0, 0)

    def _score_range(self, bounds: ScoreRange) -> tuple[i64, i64]:
        if bounds.is_empty():
            return 0, 0
        table = self.table
        if table is not None:
            order = table.order
            first = order.rank_of_score(bounds.min, bounds.min_exclusive)
            return first, order.rank_of_score(bounds.max, not bounds.max_exclusive) - first
        return packed_scores.score_range(self.packed, bounds)

    def _lex_range(self, bounds: LexRange, reverse: bool) -> tuple[i64, i64]:
        if bounds.is_empty():
            return 0, 0
        table = self.table
        if table is None:
            return packed_scores.lex_range(self.packed, bounds, reverse)
        order = table.order
        first: i64 = 0
        end: i64 = order.length
        if bounds.min.is_member():
            first = order.rank_of_member(bounds.min.member, bounds.min.exclusive)
        if bounds.max.is_member():
            end = order.rank_of_member(bounds.max.member, not bounds.max.exclusive)
        return (first, end - first) if first < end else (0, 0)

    def _limited(
        self,
        first: i64,
        size: i64,
        reverse: bool,
        offset: i64,
        limit: i64,
        with_scores: bool,
    ) -> tuple[list[bytes], vec[float]]:
        """The members of a range of ranks, seen from either end, within an offset and a limit."""
        if offset < 0 or offset >= size:
            return [], vec[float]()
        length = size - offset
        if 0 <= limit < length:
            length = limit
        if reverse:
            offset += self.count() - first - size
        else:
            offset += first
        return self._slice(offset, length, reverse, with_scores)

    def _slice(
        self, start: i64, size: i64, reverse: bool, with_scores: bool
    ) -> tuple[list[bytes], vec[float]]:
        """The members of a range of ranks, which count from the last with `reverse`."""
        table = self.table
        if table is not None:
            return table.order.slice(start, size, reverse)
        if reverse:
            start = packed_scores.count(self.packed) - start - size
        members, scores = packed_scores.slice_ranks(self.packed, start, size, with_scores)
        if reverse:
            members.reverse()
            reverse_scores(scores)
        return members, scores

    def _remove_range(self, first: i64, size: i64) -> list[bytes]:
        table = self.table
        if size <= 0:
            return []
        if table is None:
            removed, _scores = packed_scores.slice_ranks(self.packed, first, size, False)
            self.packed = packed_scores.remove_range(self.packed, first, size)
            return removed
        if size == table.count():
            # The key goes with its last member, so taking the table apart would be for nothing.
            removed, _scores = table.order.slice(0, size, False)
            self.table = None
            return removed
        return table.remove_range(first, size)
