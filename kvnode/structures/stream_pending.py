"""Pending entries: rows by entry id, in chunks of one vec each.

A row is `width` words: the two halves of the id, an owner, and what else the user of the table
keeps. Ids come nearly always at the end and go nearly always at the front, but XCLAIM puts them
anywhere. So rows stand in order, a removed row is only marked (its owner is -1), and a chunk is
rewritten when more than half of its rows are marked: a removal costs two binary searches, whatever
the number of rows. Native columns instead of an object per entry: 64 bytes an entry for both of its
tables, and nothing for the garbage collector to walk over.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import append, pop, vec
from mypy_extensions import i64, mypyc_attr

from kvnode.structures.stream_ids import is_before

CHUNK_ROWS: Final = 128
REMOVED: Final = -1
OWNER: Final = 2  # the columns behind the id
TIME: Final = 3
DELIVERIES: Final = 4

TABLE_COST: Final = 320
CHUNK_COST: Final = 120


@final
@mypyc_attr(acyclic=True)
class Meter:
    """The memory in bytes and the rows of all tables of one stream."""

    memory: i64
    rows: i64

    def __init__(self) -> None:
        self.memory = 0
        self.rows = 0


@final
@mypyc_attr(acyclic=True)
class Chunk:
    """Some rows; `live` of them are not removed."""

    rows: vec[i64]
    live: i64

    def __init__(self, rows: vec[i64], live: i64) -> None:
        self.rows = rows
        self.live = live


@final
@mypyc_attr(acyclic=True)
class PendingTable:
    """Rows by id; `add`, `find`, `seek`, `step` leave the cursor at a row for `get` and `set`."""

    width: i64
    meter: Meter
    chunks: list[Chunk]
    first_ms: vec[i64]
    first_seq: vec[i64]
    count: i64
    place: i64
    at: i64

    def __init__(self, width: i64, meter: Meter) -> None:
        self.width = width
        self.meter = meter
        self.chunks = []
        self.first_ms = vec[i64]()
        self.first_seq = vec[i64]()
        self.count = 0
        self.place = 0
        self.at = 0
        meter.memory += TABLE_COST

    # --- the cursor -------------------------------------------------------------------------------

    def get(self, column: i64) -> i64:
        """Return a column of the row at the cursor."""
        return self.chunks[self.place].rows[self.at + column]

    def set(self, column: i64, value: i64) -> None:
        """Change a column of the row at the cursor."""
        self.chunks[self.place].rows[self.at + column] = value

    def find(self, ms: i64, seq: i64) -> bool:
        """Go to the row with an id; return whether it is there. O(log n)."""
        if not self.count:
            return False
        self._locate(ms, seq)
        rows = self.chunks[self.place].rows
        at = self.at
        return at < len(rows) and rows[at] == ms and rows[at + 1] == seq and rows[at + OWNER] >= 0

    def seek(self, ms: i64, seq: i64) -> bool:
        """Go to the first row whose id is not smaller; return whether there is one. O(log n)."""
        if not self.count:
            return False
        self._locate(ms, seq)
        return self._pass_removed()

    def step(self) -> bool:
        """Go to the next row; return whether there is one."""
        self.at += self.width
        return self._pass_removed()

    def last(self) -> tuple[i64, i64]:
        """Return the greatest id; there must be a row."""
        chunk = self.chunks[len(self.chunks) - 1]
        rows = chunk.rows
        at: i64 = len(rows) - self.width
        while rows[at + OWNER] < 0:
            at -= self.width
        return rows[at], rows[at + 1]

    def _pass_removed(self) -> bool:
        while self.place < len(self.chunks):
            rows = self.chunks[self.place].rows
            size: i64 = len(rows)
            while self.at < size:
                if rows[self.at + OWNER] >= 0:
                    return True
                self.at += self.width
            self.place += 1
            self.at = 0
        return False

    def _locate(self, ms: i64, seq: i64) -> None:
        """Go to the first row, removed or not, of a chunk with ids not smaller than this."""
        low: i64 = 0
        high: i64 = len(self.chunks)
        firsts = self.first_ms
        while low < high:
            middle = (low + high) >> 1
            key = firsts[middle]
            if key < ms or (key == ms and self.first_seq[middle] <= seq):
                low = middle + 1
            else:
                high = middle
        place = low - 1 if low else 0
        rows = self.chunks[place].rows
        width = self.width
        low = 0
        high = len(rows) // width
        while low < high:
            middle = (low + high) >> 1
            at = middle * width
            key = rows[at]
            if key < ms or (key == ms and rows[at + 1] < seq):
                low = middle + 1
            else:
                high = middle
        self.place = place
        self.at = low * width

    # --- changes ----------------------------------------------------------------------------------

    def add(self, ms: i64, seq: i64, owner: i64) -> bool:
        """Add a row and go to it; where the id is there, only go to it and return False."""
        chunks = self.chunks
        if not chunks:
            self._add_chunk(0, vec[i64](), 0, ms, seq)
            self.place = 0
            self.at = 0
        else:
            last = len(chunks) - 1
            rows = chunks[last].rows
            end: i64 = len(rows)
            if is_before(rows[end - self.width], rows[end - self.width + 1], ms, seq):
                if end >= CHUNK_ROWS * self.width:
                    last += 1
                    self._add_chunk(last, vec[i64](), 0, ms, seq)
                    end = 0
                self.place = last
                self.at = end
            else:
                self._locate(ms, seq)
        chunk = chunks[self.place]
        rows = chunk.rows
        at = self.at
        if at < len(rows) and rows[at] == ms and rows[at + 1] == seq:
            if rows[at + OWNER] >= 0:
                return False
        else:
            self._open_row(chunk, ms, seq)
            chunk = self.chunks[self.place]
            rows = chunk.rows
            at = self.at
            rows[at] = ms
            rows[at + 1] = seq
            if at == 0:
                self.first_ms[self.place] = ms
                self.first_seq[self.place] = seq
        rows[at + OWNER] = owner
        chunk.live += 1
        self.count += 1
        self.meter.rows += 1
        return True

    def _open_row(self, chunk: Chunk, ms: i64, seq: i64) -> None:
        """Make room for a row at the cursor, which may move with it into another chunk."""
        width = self.width
        if len(chunk.rows) >= CHUNK_ROWS * width:
            self._halve()
            self._locate(ms, seq)
            chunk = self.chunks[self.place]
        rows = chunk.rows
        i: i64 = 0
        while i < width:
            rows = append(rows, 0)
            i += 1
        end: i64 = len(rows) - 1
        stop = self.at + width
        while end >= stop:
            rows[end] = rows[end - width]
            end -= 1
        chunk.rows = rows
        self.meter.memory += width * 8

    def _halve(self) -> None:
        """Split the full chunk at the cursor."""
        chunk = self.chunks[self.place]
        rows = chunk.rows
        middle = CHUNK_ROWS // 2 * self.width
        behind = rows[middle:]
        live: i64 = 0
        at: i64 = OWNER
        while at < len(behind):
            if behind[at] >= 0:
                live += 1
            at += self.width
        chunk.rows = rows[:middle]
        chunk.live -= live
        self._add_chunk(self.place + 1, behind, live, behind[0], behind[1])

    def _add_chunk(self, place: i64, rows: vec[i64], live: i64, ms: i64, seq: i64) -> None:
        self.chunks.insert(place, Chunk(rows, live))
        self.first_ms = _inserted(self.first_ms, place, ms)
        self.first_seq = _inserted(self.first_seq, place, seq)
        self.meter.memory += CHUNK_COST

    def remove(self) -> None:
        """Remove the row at the cursor, which must be live; the cursor is lost."""
        chunk = self.chunks[self.place]
        chunk.rows[self.at + OWNER] = REMOVED
        chunk.live -= 1
        self.count -= 1
        self.meter.rows -= 1
        size: i64 = len(chunk.rows)
        if chunk.live == 0:
            self._drop_chunk(self.place)
        elif chunk.live * 2 * self.width < size:
            self._rewrite(chunk)

    def _drop_chunk(self, place: i64) -> None:
        self.meter.memory -= CHUNK_COST + i64(len(self.chunks[place].rows)) * 8
        del self.chunks[place]
        self.first_ms, _ = pop(self.first_ms, place)
        self.first_seq, _ = pop(self.first_seq, place)

    def _rewrite(self, chunk: Chunk) -> None:
        """Leave a chunk's removed rows out; its first id may stay smaller than its first row's."""
        old = chunk.rows
        size: i64 = len(old)
        rows = vec[i64]([], capacity=chunk.live * self.width)
        at: i64 = 0
        while at < size:
            if old[at + OWNER] >= 0:
                i: i64 = 0
                while i < self.width:
                    rows = append(rows, old[at + i])
                    i += 1
            at += self.width
        chunk.rows = rows
        self.meter.memory += (i64(len(rows)) - size) * 8

    def release(self) -> None:
        """Take the table out of the meter; it is not used any more."""
        while self.chunks:
            self._drop_chunk(len(self.chunks) - 1)
        self.meter.memory -= TABLE_COST
        self.meter.rows -= self.count
        self.count = 0

    def discard(self, rows: i64) -> i64:
        """Free chunks with about `rows` rows of a table that nobody uses any more; return them."""
        freed: i64 = 0
        while self.chunks and freed < rows:
            freed += CHUNK_ROWS
            self.count -= self.chunks.pop().live
        return freed

    def copy(self, meter: Meter) -> PendingTable:
        """Return an independent copy. O(n)."""
        twin = PendingTable(self.width, meter)
        for chunk in self.chunks:
            twin.chunks.append(Chunk(chunk.rows[:], chunk.live))
            meter.memory += CHUNK_COST + i64(len(chunk.rows)) * 8
        twin.first_ms = self.first_ms[:]
        twin.first_seq = self.first_seq[:]
        twin.count = self.count
        meter.rows += self.count
        return twin

    def check(self) -> i64:
        """Assert the invariants; return the memory; O(n)."""
        memory: i64 = TABLE_COST
        count: i64 = 0
        place: i64 = 0
        assert len(self.first_ms) == len(self.first_seq) == len(self.chunks)
        for chunk in self.chunks:
            rows = chunk.rows
            size: i64 = len(rows)
            assert 0 < size <= CHUNK_ROWS * self.width and size % self.width == 0
            assert not is_before(rows[0], rows[1], self.first_ms[place], self.first_seq[place])
            live: i64 = 0
            at: i64 = 0
            while at < size:
                if at:
                    before = at - self.width
                    assert is_before(rows[before], rows[before + 1], rows[at], rows[at + 1])
                live += 1 if rows[at + OWNER] >= 0 else 0
                at += self.width
            assert live == chunk.live > 0
            if place + 1 < len(self.chunks):
                end = size - self.width
                ms = self.first_ms[place + 1]
                assert is_before(rows[end], rows[end + 1], ms, self.first_seq[place + 1])
            memory += CHUNK_COST + size * 8
            count += live
            place += 1
        assert count == self.count
        return memory


def _inserted(column: vec[i64], place: i64, value: i64) -> vec[i64]:
    """Return a vec with one element more."""
    column = append(column, value)
    i: i64 = len(column) - 1
    while i > place:
        column[i] = column[i - 1]
        i -= 1
    column[place] = value
    return column
