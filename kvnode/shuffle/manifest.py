"""The coordinator's state machine of one shuffle: who won which map, and whether it is sealed.

Sans-IO: it holds no block and reads no clock. A map has a *winner* once an attempt of it was
committed, and the first commit wins; nothing but a loss takes that back. The shuffle is sealed
while every *expected* map has a winner. All maps are expected, until an explicit seal leaves out
those that have none.

A loss takes the winners of the lost maps away and begins a new epoch. Where the maps are
deterministic a new attempt gives the rows that the lost one gave, so what was read of other
partitions stays right. Else it need not: then all readers begin anew, and if a partition was
consumed, so that nobody can read it anew, all maps are lost with the others.

State follows from winners, expected and lost maps alone, so a log of these changes gives it again.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, TypeAlias, final

from kvprotocol import errors
from kvprotocol.errors import ReplyError

# Partition, blocks, bytes, checksum: what an attempt has in a partition.
Row: TypeAlias = tuple[int, int, int, int]

MAPS_MAX: Final = 1_000_000
PARTITIONS_MAX: Final = 65_536
CHECKSUM_MASK: Final = (1 << 64) - 1
_NOBODY: Final = 0  # no attempt has this number
_ROW: Final = Struct("<IIQQ")
_FIRST_EPOCH: Final = 1


@final
class Terms:
    """What OPEN says of a shuffle; `quota` in bytes, 0 for none."""

    def __init__(
        self,
        maps: int,
        partitions: int,
        ttl_seconds: int,
        quota: int,
        codec: bytes,
        is_deterministic: bool,
    ) -> None:
        self.maps = maps
        self.partitions = partitions
        self.ttl_seconds = ttl_seconds
        self.quota = quota
        self.codec = codec
        self.is_deterministic = is_deterministic

    def words(self) -> list[bytes]:
        """Return the terms as words, equal for equal terms."""
        numbers = (self.maps, self.partitions, self.ttl_seconds, self.quota)
        return [*(b"%d" % number for number in numbers), self.codec, b"%d" % self.is_deterministic]


@final
class Winner:
    """The attempt that won a map, and what it has in each partition, ascending."""

    def __init__(self, attempt: int, rows: list[Row]) -> None:
        self.attempt = attempt
        # 24 bytes a row, where tuples take 200.
        self._packed = b"".join([_ROW.pack(*row) for row in rows])

    def rows(self) -> list[Row]:
        """Return what it has in all partitions where it has anything."""
        return list(_ROW.iter_unpack(self._packed))

    def row(self, partition: int) -> Row | None:
        """Return what it has in a partition; None: nothing."""
        low = 0
        high = len(self._packed) // _ROW.size
        while low < high:
            middle = (low + high) // 2
            found: Row = _ROW.unpack_from(self._packed, middle * _ROW.size)
            if found[0] == partition:
                return found
            if found[0] < partition:
                low = middle + 1
            else:
                high = middle
        return None


@final
class Totals:
    """Sums over the winners' blocks in one partition, or in all."""

    def __init__(self) -> None:
        self.blocks = 0
        self.bytes = 0
        self.checksum = 0

    def add(self, row: Row) -> None:
        """Count what one map has."""
        self.blocks += row[1]
        self.bytes += row[2]
        self.checksum = (self.checksum + row[3]) & CHECKSUM_MASK

    def remove(self, row: Row) -> None:
        """Undo `add`."""
        self.blocks -= row[1]
        self.bytes -= row[2]
        self.checksum = (self.checksum - row[3]) & CHECKSUM_MASK


@final
class Manifest:
    """One shuffle. `birth` in ms since the epoch; with `name` it is unique for ever.

    `attempts` are the winners' attempts by map, for the owners of partitions; `expires` is when the
    lease ends, in seconds for which the node has run.
    """

    def __init__(self, name: bytes, birth: int, terms: Terms) -> None:
        self.name = name
        self.birth = birth
        self.terms = terms
        self.epoch = _FIRST_EPOCH
        self.attempts: dict[int, int] = {}
        self.lost: set[int] = set()  # maps that had a winner, and have none now
        self.left_out: set[int] = set()  # maps that stay empty: the shuffle was sealed without
        self.consumed: set[int] = set()  # partitions
        self.expires = 0.0
        self._winners: dict[int, Winner] = {}
        self._totals: dict[int, Totals] = {}
        self._sum = Totals()

    # --- what is so -------------------------------------------------------------------------------

    def is_sealed(self) -> bool:
        """Return whether the result is whole and may be read."""
        return len(self._winners) + len(self.left_out) == self.terms.maps

    def state(self) -> bytes:
        """Return the state's name on the wire."""
        return b"sealed" if self.is_sealed() else b"open"

    def committed(self) -> int:
        """Return how many maps have a winner."""
        return len(self._winners)

    def winner(self, number: int) -> Winner | None:
        """Return a map's winner, None while it has none."""
        return self._winners.get(number)

    def missing(self) -> list[int]:
        """Return the maps that have to be committed before the shuffle is sealed, ascending."""
        if self.is_sealed():
            return []
        have = self._winners
        left_out = self.left_out
        return [n for n in range(self.terms.maps) if n not in have and n not in left_out]

    def totals(self) -> Totals:
        """Return the sums over all partitions."""
        return self._sum

    def partition_totals(self, partition: int, first: int, last: int) -> Totals:
        """Return the sums over a partition, of the maps from `first` to `last`."""
        if first == 0 and last == self.terms.maps - 1:
            return self._totals.get(partition) or Totals()
        found = Totals()
        for number, winner in self._winners.items():
            if first <= number <= last:
                row = winner.row(partition)
                if row is not None:
                    found.add(row)
        return found

    def open_error(self) -> ReplyError:
        """Return why the shuffle, which is not sealed, cannot be read."""
        count = self.terms.maps - len(self._winners) - len(self.left_out)
        if self.lost:
            return ReplyError(errors.SHUFFLE_LOST % (count, self.epoch))
        return ReplyError(errors.SHUFFLE_OPEN % (count, self.terms.maps))

    # --- map tasks --------------------------------------------------------------------------------

    def admit(self, number: int, attempt: int, partition: int, seq: int) -> None:
        """Let an attempt push a block. ReplyError: the map is decided, and not by this block."""
        if number in self.left_out:
            raise ReplyError(errors.SHUFFLE_LEFT_OUT % number)
        winner = self._winners.get(number)
        if winner is None:
            return
        if winner.attempt != attempt:
            raise ReplyError(errors.SHUFFLE_DUP % winner.attempt)
        row = winner.row(partition)
        if row is None or seq >= row[1]:
            raise ReplyError(errors.SHUFFLE_COMMITTED % (winner.attempt, number))

    def commit(self, number: int, attempt: int, rows: list[Row]) -> int:
        """Let an attempt win its map unless another one has; return the attempt that has won.

        ReplyError: the map stays empty.
        """
        if number in self.left_out:
            raise ReplyError(errors.SHUFFLE_LEFT_OUT % number)
        winner = self._winners.get(number)
        if winner is not None:
            return winner.attempt
        winner = Winner(attempt, rows)
        self._winners[number] = winner
        self.attempts[number] = attempt
        self.lost.discard(number)
        for row in rows:
            totals = self._totals.get(row[0])
            if totals is None:
                totals = self._totals[row[0]] = Totals()
            totals.add(row)
            self._sum.add(row)
        return attempt

    def abort(self, number: int, attempt: int) -> None:
        """Let an attempt give up. ReplyError: it has won."""
        if self.attempts.get(number, _NOBODY) == attempt:
            raise ReplyError(errors.SHUFFLE_COMMITTED % (attempt, number))

    # --- sealing and losses -----------------------------------------------------------------------

    def seal(self, maps: int) -> bool:
        """Seal with so many maps, -1 for all; return whether that left any out. ReplyError.

        What was lost cannot be left out: readers would get fewer rows than were committed.
        """
        if self.is_sealed():
            if maps not in (-1, len(self._winners)):
                raise ReplyError(errors.SHUFFLE_SEALED % len(self._winners))
            return False
        if maps != len(self._winners) or self.lost:
            raise self.open_error()
        self.leave_out(set(self.missing()))
        return True

    def leave_out(self, maps: set[int]) -> None:
        """Expect nothing of these maps any more."""
        self.left_out = {n for n in maps if n not in self._winners and 0 <= n < self.terms.maps}

    def lose(self, maps: set[int], epoch: int) -> set[int]:
        """Take the winners of lost maps away, for a new epoch; return all maps that are lost."""
        found = {number for number in maps if number in self._winners}
        if not self.terms.is_deterministic and self.consumed:
            found = set(self._winners)
            self.consumed.clear()
        for number in found:
            winner = self._winners.pop(number)
            del self.attempts[number]
            for row in winner.rows():
                self._totals[row[0]].remove(row)
                self._sum.remove(row)
        self.lost |= found
        self.epoch = epoch
        return found

    # --- reduce tasks -----------------------------------------------------------------------------

    def check_readable(self, epoch: int) -> None:
        """Let somebody read who knows the shuffle from an epoch (0: any). ReplyError: not now."""
        if not self.is_sealed():
            raise self.open_error()
        # A later one is no better: a log that lost its end may have gone back.
        if epoch and epoch != self.epoch and not self.terms.is_deterministic:
            raise ReplyError(errors.SHUFFLE_STALE % self.epoch)

    def check(self) -> None:
        """Assert the invariants; for tests and the simulator."""
        maps = self.terms.maps
        assert self.attempts == {n: winner.attempt for n, winner in self._winners.items()}
        assert not self.lost & self._winners.keys()
        assert not self.left_out & self._winners.keys()
        assert not self.left_out & self.lost
        assert all(0 <= n < maps for n in [*self._winners, *self.lost, *self.left_out])
        totals: dict[int, Totals] = {}
        for winner in self._winners.values():
            rows = winner.rows()
            assert rows == sorted(rows)
            for row in rows:
                assert row == winner.row(row[0])
                totals.setdefault(row[0], Totals()).add(row)
        for partition, found in self._totals.items():
            expected = totals.get(partition, Totals())
            assert found.blocks == expected.blocks and found.bytes == expected.bytes
            assert found.checksum == expected.checksum
