"""The members of a large sorted set: found by name in a table, by place in chunks."""

from librt.vecs import append, pop, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.structures.chunked_scores import ChunkedScores
from kvnode.structures.index_table import IndexTable


@mypyc_attr(acyclic=True)
class ScoreTable(IndexTable):
    """An index table with a column of scores, and the order of the same members.

    The bytes objects in the order are those in the table, so a member is stored once.
    """

    scores: vec[float]
    order: ChunkedScores
    _ordered_memory: i64  # what `memory` includes for the column and the order
    _scores_peak: i64  # how many scores the column has room for, at least

    def __init__(self) -> None:
        super().__init__()
        self.scores = vec[float]()
        self.order = ChunkedScores()
        self._scores_peak = 0
        self._ordered_memory = 0
        self._settle_memory()

    def put(self, member: bytes, score: float) -> None:
        """Append a member that is known to be absent. O(log n)."""
        self.add(member)
        self.scores = append(self.scores, score)
        self.order.insert(score, member)
        self._settle_memory()

    def put_last(self, member: bytes, score: float) -> None:
        """Append an absent member known to come after all others. O(1)."""
        self.add(member)
        self.scores = append(self.scores, score)
        self.order.append_sorted(score, member)
        self._settle_memory()

    def set_score(self, index: i64, score: float) -> None:
        """Give the member at `index` another score. O(log n)."""
        scores = self.scores
        self.order.move(scores[index], score, self.members[index])
        scores[index] = score
        self._settle_memory()

    def remove_at(self, index: i64) -> i64:
        """Remove the member at `index` and its score; see `IndexTable.remove_at`. O(log n)."""
        self.order.remove(self.scores[index], self.members[index])
        return self._forget(index)

    def pop_min(self) -> tuple[float, bytes]:
        """Take out the first member; IndexError if there is none. O(log n)."""
        score, member = self.order.pop_min()
        self._forget(self.find(member))
        return score, member

    def pop_max(self) -> tuple[float, bytes]:
        """Take out the last member; IndexError if there is none. O(log n)."""
        score, member = self.order.pop_max()
        self._forget(self.find(member))
        return score, member

    def remove_range(self, start: i64, count: i64) -> list[bytes]:
        """Take out up to `count` members from a rank on and return them in order."""
        removed = self.order.remove_range(start, count)
        for member in removed:
            self._forget(self.find(member))
        self._settle_memory()
        return removed

    def discard(self, elements: i64) -> i64:
        """Free up to `elements` members of a table nobody uses any more, here and in the order."""
        self.order.discard(elements)
        return IndexTable.discard(self, elements)

    def copy(self) -> "ScoreTable":
        """Return an equal table that shares nothing mutable. O(n)."""
        other = ScoreTable()
        self.copy_into(other)
        other.scores = self.scores[:]
        other.order = self.order.copy()
        other._scores_peak = len(self.scores)
        other._ordered_memory = self._ordered_memory
        return other

    def check(self) -> None:
        """Assert all invariants. O(n log n)."""
        assert len(self.scores) == len(self.members), "members without scores"
        assert self.order.length == len(self.members), "members without a place"
        self.order.check()
        for index in range(self.count()):
            score, member = self.order.at(self.order.rank(self.scores[index], self.members[index]))
            assert member is self.members[index], "the order holds another member"
            assert score == self.scores[index], "the order has another score"
        IndexTable.check(self)

    def expected_memory(self) -> i64:
        """Add up what `memory` has to be. O(n)."""
        total: i64 = IndexTable.expected_memory(self)
        return total + self.order.memory() + 8 * self.count()

    def _forget(self, index: i64) -> i64:
        """Remove a member that has left the order from the table and the column."""
        moved: i64 = IndexTable.remove_at(self, index)
        scores = self.scores
        if moved >= 0:
            scores[index] = scores[moved]
        scores, _score = pop(scores)
        size: i64 = len(scores)
        if size * 4 < self._scores_peak:
            scores = scores[:]  # a vec never gives room back
            self._scores_peak = size
        self.scores = scores
        self._settle_memory()
        return moved

    def _settle_memory(self) -> None:
        size: i64 = len(self.scores)
        if size > self._scores_peak:
            self._scores_peak = size
        ordered_memory = self.order.memory() + 8 * size
        self.memory += ordered_memory - self._ordered_memory
        self._ordered_memory = ordered_memory
