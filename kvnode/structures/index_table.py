"""The open-addressing table under every large container.

Members stand in a list in no particular order; removing one moves the last one into its place.
So a uniform random member is one random index, a scan is a walk downward over indices (a member
that moves down is seen again, never missed), and further columns (values, scores, deadlines)
are lists or vectors beside it. What finds a member's index is a vector of 64-bit words: 31 bits
of the member's hash above a 32-bit index, or -1 when empty.

A word's home is given by the HIGHEST bits of its hash, probing is linear, nothing wraps around
(the vector has a tail behind the last home, and its last word is always empty), and deletion
shifts back. Hence the words stand in the order of their homes but for probing, and a resize can
go through the old vector from its front: the words before `_boundary`, which always follows an
empty word, are in the new vector, the others still in the old one, and one comparison tells
which vector to ask. The new vector grows by appending, so not even clearing it takes a pause,
and no member is touched, because the words hold enough of the hash. A resize in one step paused
56 ms at 3 M members.
"""

from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.structures.container import Container

_EMPTY: Final = -1
_INDEX_MASK: Final = 0xFFFFFFFF
_HASH_MASK: Final = 0x7FFFFFFF
_BITS_MIN: Final = 3
# Old words looked at per change: a growth ends before the table could be 3/4 full.
_STEP_WORDS: Final = 16
# Up to this size a resize takes a few microseconds and is done at once.
_AT_ONCE_WORDS: Final = 1024
_TAIL_WORDS: Final = 256
_TABLE_BYTES: Final = 256

# A list that is not a display: vec() then reserves room without touching it.
_NO_WORDS: Final[list[i64]] = []


def object_size(value: bytes) -> i64:
    """Return the bytes that a bytes object takes, with the allocator's rounding."""
    size: i64 = len(value)
    return (size + 48) & -16


def _hash_word(member: bytes) -> i64:
    """Return the member's hash where a word holds it, with index 0."""
    bits: i64 = hash(member)
    return (bits & _HASH_MASK) << 32


def _room(bits: i64) -> vec[i64]:
    """Return an empty vector with room for 2**bits homes and a tail."""
    homes: i64 = _homes(bits)
    tail: i64 = homes if homes < _TAIL_WORDS else _TAIL_WORDS
    return vec[i64](_NO_WORDS, capacity=homes + tail)


def _homes(bits: i64) -> i64:
    """Return 2**bits."""
    one: i64 = 1
    return one << bits


@mypyc_attr(acyclic=True)
class IndexTable(Container):
    """Members with O(1) find, add and remove, each bounded: growth and shrinking are spread."""

    members: list[bytes]
    _words: vec[i64]
    _bits: i64
    _shift: i64
    _next: vec[i64]
    _next_bits: i64
    _next_shift: i64
    # Words whose home lies before it are in `_next`; 0 while no resize is under way.
    _boundary: i64
    _resizing: bool

    def __init__(self) -> None:
        super().__init__()
        self.members = []
        self.memory = _TABLE_BYTES + 8 * _homes(_BITS_MIN)
        self._bits = _BITS_MIN
        self._shift = 63 - self._bits
        words = _room(self._bits)
        for _ in range(_homes(self._bits) + 1):
            words = append(words, _EMPTY)
        self._words = words
        self._next = vec[i64]()
        self._next_bits = 0
        self._next_shift = 0
        self._boundary = 0
        self._resizing = False

    def count(self) -> i64:
        """Return the number of members."""
        return len(self.members)

    def discard(self, elements: i64) -> i64:
        """Free up to `elements` members of a table that nobody uses any more; return how many."""
        return _cut(self.members, elements)

    def find(self, member: bytes) -> i64:
        """Return the member's index, or -1. O(1)."""
        hash_word = _hash_word(member)
        words = self._words
        position: i64 = hash_word >> self._shift
        if position < self._boundary:
            words = self._next
            position = hash_word >> self._next_shift
        members = self.members
        while True:
            word = words[position]
            if word < 0:
                return -1
            if (word ^ hash_word) >> 32 == 0:
                index: i64 = word & _INDEX_MASK
                if members[index] == member:
                    return index
            position += 1

    def find_hash(self, member: bytes) -> i64:
        """Return the index of a member with the same 31 bits of hash, or -1. O(1).

        It is another member's once in 2**31 calls; for that the members stay out of the cache.
        """
        hash_word = _hash_word(member)
        words = self._words
        position: i64 = hash_word >> self._shift
        if position < self._boundary:
            words = self._next
            position = hash_word >> self._next_shift
        while True:
            word = words[position]
            if word < 0:
                return -1
            if (word ^ hash_word) >> 32 == 0:
                return word & _INDEX_MASK
            position += 1

    def add(self, member: bytes) -> i64:
        """Append a member that is known to be absent; return its index. O(1)."""
        members = self.members
        index: i64 = len(members)
        self._insert(_hash_word(member) | index)
        members.append(member)
        self.memory += 8 + object_size(member)
        if self._resizing:
            self._resize_step(_STEP_WORDS)
        else:
            homes = _homes(self._bits)
            if index >= (homes >> 1) + (homes >> 3) + (homes >> 4):
                self._resize(self._bits + 1)
        return index

    def remove_at(self, index: i64) -> i64:
        """Remove the member at `index` by moving the last one there. O(1).

        Returns the index that the moved member had, or -1 when the removed one was the last, so
        that other columns can do the same.
        """
        members = self.members
        last: i64 = len(members) - 1
        member = members[index]
        self._erase(_hash_word(member) | index)
        moved: i64 = -1
        if index != last:
            other = members[last]
            hash_word = _hash_word(other)
            self._renumber(hash_word | last, hash_word | index)
            members[index] = other
            moved = last
        members.pop()
        self.memory -= 8 + object_size(member)
        if self._resizing:
            self._resize_step(_STEP_WORDS)
        elif self._bits > _BITS_MIN and last < _homes(self._bits) >> 3:
            self._resize(self._bits - 1)
        return moved

    def scan(self, cursor: i64, count: i64) -> tuple[i64, i64, i64]:
        """Return the next cursor and the range of indices (start, end) to hand out.

        The walk goes downward from the top; cursor 0 begins it, and a next cursor of 0 ends it.
        A member that is there from beginning to end is handed out at least once.
        """
        end: i64 = len(self.members)
        if 0 < cursor < end:
            end = cursor
        start: i64 = end - count
        if start < 0:
            start = 0
        return start, start, end

    # --- words ------------------------------------------------------------------------------------

    def _insert(self, word: i64) -> None:
        """Put a word into the vector that its home belongs to."""
        position: i64 = word >> self._shift
        if position < self._boundary:
            self._next = _placed(self._next, word, word >> self._next_shift)
        else:
            self._words = _placed(self._words, word, position)

    def _erase(self, word: i64) -> None:
        """Take a word out and shift back those that probed past it."""
        words = self._words
        shift: i64 = self._shift
        hole: i64 = word >> shift
        if hole < self._boundary:
            words = self._next
            shift = self._next_shift
            hole = word >> shift
        while words[hole] != word:
            hole += 1
        position: i64 = hole + 1
        while True:
            following = words[position]
            if following < 0:
                break
            if following >> shift <= hole:
                words[hole] = following
                hole = position
            position += 1
        words[hole] = _EMPTY

    def _renumber(self, word: i64, new_word: i64) -> None:
        """Give a word another index."""
        words = self._words
        position: i64 = word >> self._shift
        if position < self._boundary:
            words = self._next
            position = word >> self._next_shift
        while words[position] != word:
            position += 1
        words[position] = new_word

    # --- resizing ---------------------------------------------------------------------------------

    def _resize(self, bits: i64) -> None:
        """Begin to move to 2**bits homes; a small table is moved at once."""
        self._next = _room(bits)
        self._next_bits = bits
        self._next_shift = 63 - bits
        self._boundary = 0
        self._resizing = True
        self.memory += 8 * _homes(bits)
        self._resize_step(_AT_ONCE_WORDS if len(self._words) <= _AT_ONCE_WORDS else _STEP_WORDS)

    def _resize_step(self, budget: i64) -> None:
        """Move at least `budget` old words, up to the end of a run of words."""
        words = self._words
        moved = self._next
        shift: i64 = self._next_shift
        growing = self._next_bits > self._bits
        limit: i64 = _homes(self._next_bits) + 1
        position: i64 = self._boundary
        end: i64 = len(words)
        stop: i64 = position + budget
        while position < end:
            # A word at `position` has its home there or before.
            wanted: i64 = position * 2 + 3 if growing else (position >> 1) + 2
            if wanted > limit:
                wanted = limit
            while len(moved) < wanted:
                moved = append(moved, _EMPTY)
            word = words[position]
            position += 1
            if word >= 0:
                moved = _placed(moved, word, word >> shift)
            elif position >= stop:
                break
        if position < end:
            self._next = moved
            self._boundary = position
            return
        while len(moved) < limit:
            moved = append(moved, _EMPTY)
        self.memory -= 8 * _homes(self._bits)
        self._words = moved
        self._bits = self._next_bits
        self._shift = shift
        self._next = vec[i64]()
        self._boundary = 0
        self._resizing = False

    def table_bytes(self) -> i64:
        """Return the memory of the words and of the list of members, without their content."""
        return 8 * (len(self._words) + len(self._next) + len(self.members))

    # --- copies and checks ------------------------------------------------------------------------

    def copy_into(self, other: "IndexTable") -> None:
        """Make an empty table hold the same members at the same indices. O(n)."""
        other.members = self.members.copy()
        other.memory = self.memory
        other._words = self._words[:]
        other._bits = self._bits
        other._shift = self._shift
        other._next = self._next[:]
        other._next_bits = self._next_bits
        other._next_shift = self._next_shift
        other._boundary = self._boundary
        other._resizing = self._resizing

    def check(self) -> None:
        """Assert all invariants. O(n)."""
        members = self.members
        assert len(set(members)) == len(members), "a member stands twice"
        for index, member in enumerate(members):
            assert self.find(member) == index, "a member is not found at its index"
        live = [word for word in list(self._words)[self._boundary :] if word >= 0]
        live += [word for word in list(self._next) if word >= 0]
        assert sorted(word & _INDEX_MASK for word in live) == list(range(len(members)))
        assert self._words[len(self._words) - 1] < 0, "no empty word at the end"
        assert len(self._words) > _homes(self._bits)
        assert self._shift == 63 - self._bits
        if self._resizing:
            assert self._next[len(self._next) - 1] < 0, "no empty word at the new end"
            assert self._boundary == 0 or self._words[self._boundary - 1] < 0
            assert self._next_bits - self._bits in (1, -1)
        else:
            assert self._boundary == 0 and len(self._next) == 0
        assert len(members) * 4 <= _homes(self._bits) * 3, "the table is too full"
        assert self.memory == self.expected_memory(), "memory is not what the columns add up to"

    def expected_memory(self) -> i64:
        """Add up what `memory` has to be. O(n)."""
        total: i64 = _TABLE_BYTES + 8 * _homes(self._bits)
        if self._resizing:
            total += 8 * _homes(self._next_bits)
        for member in self.members:
            total += 8 + object_size(member)
        return total


def _cut(column: list[bytes], elements: i64) -> i64:
    """Drop up to `elements` from the end of a column; return how many."""
    count: i64 = min(i64(len(column)), elements)
    del column[len(column) - count :]
    return count


def _placed(words: vec[i64], word: i64, position: i64) -> vec[i64]:
    """Put a word at the first empty place from `position` on; return the vector."""
    while words[position] >= 0:
        position += 1
    words[position] = word
    if position + 1 == len(words):
        words = append(words, _EMPTY)
    return words


@final
@mypyc_attr(acyclic=True)
class SetTable(IndexTable):
    """The members of a large set."""

    def copy(self) -> "SetTable":
        """Return an equal table that shares nothing mutable. O(n)."""
        other = SetTable()
        self.copy_into(other)
        return other


@final
@mypyc_attr(acyclic=True)
class HashTable(IndexTable):
    """The fields of a large hash with their values as a column."""

    values: list[bytes]

    def __init__(self) -> None:
        super().__init__()
        self.values = []

    def put(self, field: bytes, value: bytes) -> None:
        """Append a field that is known to be absent. O(1)."""
        self.add(field)
        self.values.append(value)
        self.memory += 8 + object_size(value)

    def overwrite(self, index: i64, value: bytes) -> None:
        """Give the field at `index` another value. O(1)."""
        values = self.values
        self.memory += object_size(value) - object_size(values[index])
        values[index] = value

    def remove_at(self, index: i64) -> i64:
        """Remove the field at `index` and its value; see `IndexTable.remove_at`."""
        values = self.values
        self.memory -= 8 + object_size(values[index])
        moved = IndexTable.remove_at(self, index)
        if moved >= 0:
            values[index] = values[moved]
        values.pop()
        return moved

    def discard(self, elements: i64) -> i64:
        """Free up to `elements` fields and their values; return how many."""
        _cut(self.values, elements)
        return IndexTable.discard(self, elements)

    def copy(self) -> "HashTable":
        """Return an equal table that shares nothing mutable. O(n)."""
        other = HashTable()
        self.copy_into(other)
        other.values = self.values.copy()
        return other

    def check(self) -> None:
        """Assert all invariants. O(n)."""
        assert len(self.values) == len(self.members), "fields without values"
        IndexTable.check(self)

    def expected_memory(self) -> i64:
        """Add up what `memory` has to be. O(n)."""
        total: i64 = IndexTable.expected_memory(self)
        for value in self.values:
            total += 8 + object_size(value)
        return total
