"""Members ordered by (score, member), in chunks of at most 128.

Each chunk keeps its scores unboxed in a `vec[float]` and its members in a list beside it. The last
score and the size of every chunk stand in two more vecs, so the search for a chunk reads contiguous
doubles, and members are compared only among equal scores. Ranks come from a Fenwick tree over the
chunk sizes. An insertion or a removal updates the tree in O(log chunks); a split or a merge only
marks it stale, and the next rank query rebuilds it from the sizes.

Rejected: a skip list of native objects (7 times slower than this, a pointer chase per level) and a
sorted list of (float, bytes) tuples (2-4 times slower: each comparison goes through two boxed
objects, and a member costs 90 bytes more). Chunk sizes from 64 to 256 hardly differ.
"""

from typing import Final, final

from librt.vecs import append, extend, pop, vec
from mypy_extensions import i64, mypyc_attr

CHUNK_MAX: Final = 128
MERGE_BELOW: Final = 32  # a chunk smaller than this joins a neighbour ...
MERGED_MAX: Final = 96  # ... if the two together leave room for growth

STRUCTURE_BYTES: Final = 400  # an empty order: this object, its lists and vecs, the first chunk
CHUNK_BYTES: Final = 200  # a chunk's object and headers, its list slot, last score, size, tree node
MEMBER_BYTES: Final = 20  # a score and a reference in a chunk three-quarters full


@final
@mypyc_attr(acyclic=True)
class Chunk:
    """A run of neighbours: parallel scores and members, never empty unless it is the only chunk."""

    scores: vec[float]
    members: list[bytes]

    def __init__(self, scores: vec[float], members: list[bytes]) -> None:
        self.scores = scores
        self.members = members


@final
@mypyc_attr(acyclic=True)
class ChunkedScores:
    """An ordered multiset of (score, member) pairs with ranks.

    A score is never NaN. -0.0 and 0.0 are equal. Members compare as unsigned bytes, a prefix first.
    Every operation is O(log n) plus a shift inside one chunk; slices add their length.
    """

    chunks: list[Chunk]
    last_scores: vec[float]
    sizes: vec[i64]
    tree: vec[i64]
    tree_is_stale: bool
    length: i64

    def __init__(self) -> None:
        self.chunks = [Chunk(vec[float](), [])]
        self.last_scores = append(vec[float](), 0.0)
        self.sizes = append(vec[i64](), i64(0))
        self.tree = vec[i64]()
        self.tree_is_stale = True
        self.length = 0

    def memory(self) -> i64:
        """Bytes used, the members themselves not counted. O(1)."""
        return STRUCTURE_BYTES + len(self.chunks) * CHUNK_BYTES + self.length * MEMBER_BYTES

    def insert(self, score: float, member: bytes) -> None:
        """Add a pair that is not there yet."""
        c = self._find_chunk(score, member)
        chunk = self.chunks[c]
        self._insert_at(c, chunk, _lower_bound(chunk, score, member), score, member)

    def remove(self, score: float, member: bytes) -> None:
        """Take a pair out; KeyError if it is not there."""
        c = self._find_chunk(score, member)
        chunk = self.chunks[c]
        position = _position_of(chunk, score, member)
        self._remove_at(c, chunk, position)

    def move(self, old_score: float, new_score: float, member: bytes) -> None:
        """Give a member another score; KeyError if it does not have the old one."""
        c = self._find_chunk(old_score, member)
        chunk = self.chunks[c]
        position = _position_of(chunk, old_score, member)
        scores = chunk.scores
        last: i64 = len(scores) - 1
        # Strictly between its neighbours: only the number changes.
        if 0 < position < last and scores[position - 1] < new_score < scores[position + 1]:
            scores[position] = new_score
        elif position < last and scores[0] < new_score < scores[last]:
            _move_inside(chunk, position, new_score)
        else:
            self._remove_at(c, chunk, position)
            self.insert(new_score, member)

    def rank(self, score: float, member: bytes) -> i64:
        """The number of pairs before this one."""
        c = self._find_chunk(score, member)
        return self._rank_of_chunk(c) + _lower_bound(self.chunks[c], score, member)

    def rank_of_score(self, score: float, after: bool) -> i64:
        """The number of pairs with a score below `score`, or (`after`) not above it."""
        if after:
            c = _upper_bound_of_score(self.last_scores, score)
        else:
            c = _lower_bound_of_score(self.last_scores, score)
        if c >= len(self.chunks) or self.length == 0:
            return self.length
        scores = self.chunks[c].scores
        if after:
            return self._rank_of_chunk(c) + _upper_bound_of_score(scores, score)
        return self._rank_of_chunk(c) + _lower_bound_of_score(scores, score)

    def rank_of_member(self, member: bytes, after: bool) -> i64:
        """The number of members below `member`, or (`after`) not above it.

        It means something only while all scores are equal.
        """
        low: i64 = 0
        high: i64 = len(self.chunks)
        while low < high:
            middle = (low + high) >> 1
            members = self.chunks[middle].members
            if members and not _is_before(members[-1], member, after):
                high = middle
            else:
                low = middle + 1
        if low >= len(self.chunks):
            return self.length
        members = self.chunks[low].members
        chunk_rank = self._rank_of_chunk(low)
        low = 0
        high = len(members)
        while low < high:
            middle = (low + high) >> 1
            if _is_before(members[middle], member, after):
                low = middle + 1
            else:
                high = middle
        return chunk_rank + low

    def at(self, rank: i64) -> tuple[float, bytes]:
        """The pair of a rank; IndexError outside 0 .. length - 1."""
        if rank < 0 or rank >= self.length:
            raise IndexError(rank)
        c = self._chunk_of_rank(rank)
        chunk = self.chunks[c]
        position = rank - self._rank_of_chunk(c)
        return chunk.scores[position], chunk.members[position]

    def slice(self, start: i64, count: i64, reverse: bool) -> tuple[list[bytes], vec[float]]:
        """Up to `count` members from a rank on, and their scores.

        With `reverse`, ranks count from the last pair and the result descends.
        """
        members: list[bytes] = []
        scores = vec[float]()
        if start < 0 or start >= self.length or count <= 0:
            return members, scores
        if count > self.length - start:
            count = self.length - start
        if reverse:
            start = self.length - start - count
        c = self._chunk_of_rank(start)
        position = start - self._rank_of_chunk(c)
        while count > 0:
            chunk = self.chunks[c]
            end: i64 = len(chunk.members)
            if end - position > count:
                end = position + count
            if position == 0 and end == len(chunk.members):
                members.extend(chunk.members)
                scores = extend(scores, chunk.scores)
            else:
                members.extend(chunk.members[position:end])
                scores = extend(scores, chunk.scores[position:end])
            count -= end - position
            position = 0
            c += 1
        if reverse:
            members.reverse()
            reverse_scores(scores)
        return members, scores

    def between(self, low: float, high: float) -> tuple[list[bytes], vec[float]]:
        """The members with a score from `low` up to, not including `high`, and their scores.

        Without ranks it is faster than `rank_of_score` and `slice`, most of all when nothing is
        there.
        """
        members: list[bytes] = []
        scores = vec[float]()
        c = _lower_bound_of_score(self.last_scores, low)
        if self.length == 0:
            return members, scores
        while c < len(self.chunks):
            chunk = self.chunks[c]
            first = _lower_bound_of_score(chunk.scores, low)
            end = _lower_bound_of_score(chunk.scores, high)
            if first < end:
                members.extend(chunk.members[first:end])
                scores = extend(scores, chunk.scores[first:end])
            if end < len(chunk.scores):
                break
            c += 1
        return members, scores

    def pop_min(self) -> tuple[float, bytes]:
        """Take out the first pair; IndexError if there is none."""
        chunk = self.chunks[0]
        if not chunk.members:
            raise IndexError(0)
        score = chunk.scores[0]
        return score, self._remove_at(0, chunk, 0)

    def pop_max(self) -> tuple[float, bytes]:
        """Take out the last pair; IndexError if there is none."""
        c: i64 = len(self.chunks) - 1
        chunk = self.chunks[c]
        if not chunk.members:
            raise IndexError(0)
        position: i64 = len(chunk.members) - 1
        score = chunk.scores[position]
        return score, self._remove_at(c, chunk, position)

    def remove_range(self, start: i64, count: i64) -> list[bytes]:
        """Take out up to `count` members from a rank on and return them in order.

        Whole chunks go at once: O(count / 128 + chunks) plus the copies of the members' references.
        """
        removed: list[bytes] = []
        if start < 0 or start >= self.length or count <= 0:
            return removed
        if count > self.length - start:
            count = self.length - start
        c = self._chunk_of_rank(start)
        position = start - self._rank_of_chunk(c)
        if position > 0:
            count -= self._cut(c, position, count, removed)
            c += 1
        first_whole = c
        while count > 0 and self.sizes[c] <= count:
            removed.extend(self.chunks[c].members)
            count -= self.sizes[c]
            self.length -= self.sizes[c]
            c += 1
        if count > 0:
            self._cut(c, 0, count, removed)
        self._drop_chunks(first_whole, c)
        if first_whole < len(self.chunks):
            self._merge_if_small(first_whole)
        if 0 < first_whole <= len(self.chunks):
            self._merge_if_small(first_whole - 1)
        return removed

    def append_sorted(self, score: float, member: bytes) -> None:
        """Add a pair known to come after all others, as a loader that reads them in order does."""
        c: i64 = len(self.chunks) - 1
        chunk = self.chunks[c]
        self._insert_at(c, chunk, len(chunk.members), score, member)

    def discard(self, elements: i64) -> None:
        """Free chunks with `elements` members, or a few more, of an order nobody uses any more."""
        while elements > 0 and self.chunks:
            elements -= len(self.chunks.pop().members)

    def copy(self) -> "ChunkedScores":
        """An independent order of the same pairs; the members are shared."""
        other = ChunkedScores()
        other.chunks = []
        for chunk in self.chunks:
            other.chunks.append(Chunk(chunk.scores[:], chunk.members[:]))
        other.last_scores = self.last_scores[:]
        other.sizes = self.sizes[:]
        other.length = self.length
        return other

    def check(self) -> None:
        """Assert every invariant. O(n)."""
        assert len(self.chunks) >= 1
        assert len(self.chunks) == len(self.last_scores) == len(self.sizes)
        total: i64 = 0
        previous: tuple[float, bytes] | None = None
        for c in range(len(self.chunks)):
            chunk = self.chunks[c]
            size: i64 = len(chunk.members)
            assert len(chunk.scores) == size == self.sizes[c]
            assert size <= CHUNK_MAX
            assert size > 0 or len(self.chunks) == 1
            for i in range(size):
                pair = (chunk.scores[i], chunk.members[i])
                assert pair[0] == pair[0]
                assert previous is None or previous < pair
                previous = pair
            if size > 0:
                assert self.last_scores[c] == chunk.scores[size - 1]
            if not self.tree_is_stale:
                assert self._rank_of_chunk(c) == total
            total += size
        assert total == self.length

    def _find_chunk(self, score: float, member: bytes) -> i64:
        """The first chunk whose last pair is not below the given one, else the last chunk."""
        last_scores = self.last_scores
        c = _lower_bound_of_score(last_scores, score)
        last: i64 = len(last_scores) - 1
        if c >= last:
            return last
        if last_scores[c] != score or self.chunks[c].members[-1] >= member:
            return c
        # Chunk c ends in the same score and a smaller member: decide by last members.
        low = c + 1
        high: i64 = len(last_scores)
        while low < high:
            middle = (low + high) >> 1
            if last_scores[middle] == score and self.chunks[middle].members[-1] < member:
                low = middle + 1
            else:
                high = middle
        return low if low < last else last

    def _insert_at(self, c: i64, chunk: Chunk, position: i64, score: float, member: bytes) -> None:
        size = self.sizes[c]
        if size >= CHUNK_MAX:
            if position == size and c == len(self.chunks) - 1:
                # Ascending insertion: leave the full chunk full instead of halving it.
                self._add_chunk(c + 1, Chunk(vec[float](), []))
                c += 1
                position = 0
            else:
                self._split(c)
                half = self.sizes[c]
                if position > half:
                    c += 1
                    position -= half
            chunk = self.chunks[c]
            size = self.sizes[c]
        chunk.scores = _insert_score(chunk.scores, position, score)
        if position == size:
            chunk.members.append(member)
            self.last_scores[c] = score
        else:
            chunk.members.insert(position, member)
        self.sizes[c] = size + 1
        self.length += 1
        if not self.tree_is_stale:
            self._add_to_tree(c, 1)

    def _remove_at(self, c: i64, chunk: Chunk, position: i64) -> bytes:
        member = chunk.members.pop(position)
        chunk.scores, _score = pop(chunk.scores, position)
        size = self.sizes[c] - 1
        self.sizes[c] = size
        self.length -= 1
        if not self.tree_is_stale:
            self._add_to_tree(c, -1)
        if position == size and size > 0:
            self.last_scores[c] = chunk.scores[size - 1]
        if size < MERGE_BELOW:
            self._merge_if_small(c)
        return member

    def _split(self, c: i64) -> None:
        chunk = self.chunks[c]
        half: i64 = len(chunk.members) >> 1
        upper = Chunk(chunk.scores[half:], chunk.members[half:])
        chunk.scores = chunk.scores[:half]
        chunk.members = chunk.members[:half]
        self.sizes[c] = half
        self.last_scores[c] = chunk.scores[half - 1]
        self._add_chunk(c + 1, upper)

    def _add_chunk(self, c: i64, chunk: Chunk) -> None:
        size: i64 = len(chunk.members)
        self.chunks.insert(c, chunk)
        self.last_scores = _insert_score(
            self.last_scores, c, chunk.scores[size - 1] if size > 0 else 0.0
        )
        sizes = append(self.sizes, size)
        i: i64 = len(sizes) - 1
        while i > c:
            sizes[i] = sizes[i - 1]
            i -= 1
        sizes[c] = size
        self.sizes = sizes
        self.tree_is_stale = True

    def _merge_if_small(self, c: i64) -> None:
        size = self.sizes[c]
        if size >= MERGE_BELOW or len(self.chunks) == 1:
            return
        if size == 0:
            self._drop_chunks(c, c + 1)
        elif c + 1 < len(self.chunks) and size + self.sizes[c + 1] <= MERGED_MAX:
            self._merge_with_next(c)
        elif c > 0 and size + self.sizes[c - 1] <= MERGED_MAX:
            self._merge_with_next(c - 1)

    def _merge_with_next(self, c: i64) -> None:
        left = self.chunks[c]
        right = self.chunks[c + 1]
        left.scores = extend(left.scores, right.scores)
        left.members.extend(right.members)
        self.sizes[c] = len(left.members)
        self.last_scores[c] = self.last_scores[c + 1]
        self._drop_chunks(c + 1, c + 2)

    def _cut(self, c: i64, position: i64, count: i64, removed: list[bytes]) -> i64:
        """Move up to `count` members of one chunk, but not all, to `removed`; return how many."""
        chunk = self.chunks[c]
        end: i64 = len(chunk.members)
        if end - position > count:
            end = position + count
        removed.extend(chunk.members[position:end])
        chunk.members = chunk.members[:position] + chunk.members[end:]
        chunk.scores = extend(chunk.scores[:position], chunk.scores[end:])
        size: i64 = len(chunk.members)
        self.sizes[c] = size
        self.last_scores[c] = chunk.scores[size - 1]
        self.length -= end - position
        if not self.tree_is_stale:
            self._add_to_tree(c, position - end)
        return end - position

    def _drop_chunks(self, first: i64, end: i64) -> None:
        if first == end:
            return
        self.tree_is_stale = True
        if end - first == len(self.chunks):
            self.chunks = [Chunk(vec[float](), [])]
            self.last_scores = append(vec[float](), 0.0)
            self.sizes = append(vec[i64](), i64(0))
        elif end - first == 1:
            self.chunks.pop(first)
            self.last_scores, _score = pop(self.last_scores, first)
            self.sizes, _size = pop(self.sizes, first)
        else:
            self.chunks = self.chunks[:first] + self.chunks[end:]
            self.last_scores = extend(self.last_scores[:first], self.last_scores[end:])
            self.sizes = extend(self.sizes[:first], self.sizes[end:])

    def _rank_of_chunk(self, c: i64) -> i64:
        """The number of pairs in the chunks before this one."""
        if self.tree_is_stale:
            self._build_tree()
        tree = self.tree
        total: i64 = 0
        while c > 0:
            total += tree[c - 1]
            c &= c - 1
        return total

    def _chunk_of_rank(self, rank: i64) -> i64:
        """The chunk that holds a rank inside 0 .. length - 1."""
        if self.tree_is_stale:
            self._build_tree()
        tree = self.tree
        n: i64 = len(tree)
        step: i64 = 1
        while step * 2 <= n:
            step *= 2
        c: i64 = 0
        while step > 0:
            if c + step <= n and tree[c + step - 1] <= rank:
                c += step
                rank -= tree[c - 1]
            step >>= 1
        return c

    def _add_to_tree(self, c: i64, difference: i64) -> None:
        tree = self.tree
        n: i64 = len(tree)
        i = c + 1
        while i <= n:
            tree[i - 1] += difference
            i += i & -i

    def _build_tree(self) -> None:
        tree = self.sizes[:]
        n: i64 = len(tree)
        i: i64 = 1
        while i <= n:
            parent = i + (i & -i)
            if parent <= n:
                tree[parent - 1] += tree[i - 1]
            i += 1
        self.tree = tree
        self.tree_is_stale = False


def _is_before(member: bytes, bound: bytes, or_equal: bool) -> bool:
    return member <= bound if or_equal else member < bound


def _lower_bound_of_score(scores: vec[float], score: float) -> i64:
    """The index of the first score not below the given one."""
    low: i64 = 0
    high: i64 = len(scores)
    while low < high:
        middle = (low + high) >> 1
        if scores[middle] < score:
            low = middle + 1
        else:
            high = middle
    return low


def _upper_bound_of_score(scores: vec[float], score: float) -> i64:
    """The index of the first score above the given one."""
    low: i64 = 0
    high: i64 = len(scores)
    while low < high:
        middle = (low + high) >> 1
        if scores[middle] <= score:
            low = middle + 1
        else:
            high = middle
    return low


def _lower_bound(chunk: Chunk, score: float, member: bytes) -> i64:
    """The position of the first pair of a chunk that is not below (score, member)."""
    scores = chunk.scores
    low = _lower_bound_of_score(scores, score)
    high: i64 = len(scores)
    if low == high or scores[low] != score:
        return low
    members = chunk.members
    if members[low] >= member:  # the usual case: no other member has this score
        return low
    low += 1
    while low < high:
        middle = (low + high) >> 1
        if scores[middle] == score and members[middle] < member:
            low = middle + 1
        else:
            high = middle
    return low


def _position_of(chunk: Chunk, score: float, member: bytes) -> i64:
    """The position of a pair in its chunk; KeyError if it is not there."""
    position = _lower_bound(chunk, score, member)
    if (
        position >= len(chunk.members)
        or chunk.scores[position] != score
        or chunk.members[position] != member
    ):
        raise KeyError(member)
    return position


def _insert_score(scores: vec[float], position: i64, score: float) -> vec[float]:
    """Insert by shifting the tail: a vec has no insert."""
    scores = append(scores, score)
    i: i64 = len(scores) - 1
    while i > position:
        scores[i] = scores[i - 1]
        i -= 1
    scores[position] = score
    return scores


def _move_inside(chunk: Chunk, position: i64, score: float) -> None:
    """Give a pair a score strictly between the chunk's first and last, keeping the order."""
    member = chunk.members.pop(position)
    chunk.scores, _score = pop(chunk.scores, position)
    position = _lower_bound(chunk, score, member)
    chunk.scores = _insert_score(chunk.scores, position, score)
    chunk.members.insert(position, member)


def reverse_scores(scores: vec[float]) -> None:
    """Reverse a vec in place."""
    low: i64 = 0
    high: i64 = len(scores) - 1
    while low < high:
        score = scores[low]
        scores[low] = scores[high]
        scores[high] = score
        low += 1
        high -= 1
