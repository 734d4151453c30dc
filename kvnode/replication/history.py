"""Which history of changes a node's data is a copy of, and how far: the ids and the offset.

Whoever leads gives its history an id of 40 hexadecimal digits. Followers take the id over, so that
any two nodes can say whether one may continue from the other: same id, and an offset that is still
in the backlog. A follower that becomes a leader begins another history under a new id; the old one
stays known as the second id, valid up to the offset of that moment.
"""

from __future__ import annotations

from typing import Final, final

from librt.random import Random
from mypy_extensions import i64

from kvnode.identity import random_id
from kvnode.replication.backlog import Backlog

NO_ID: Final = b"0" * 40
NO_OFFSET: Final = -1
_NOTHING_NEEDED: Final = 1 << 61


@final
class History:
    """`offset` counts the bytes of the stream so far; without a backlog nothing is kept of it."""

    def __init__(self, random: Random) -> None:
        self.id = random_id(random)
        self.second_id = NO_ID
        self.second_offset: i64 = NO_OFFSET  # up to which the second id is valid, plus one
        self.offset: i64 = 0
        self.backlog: Backlog | None = None
        self.database = 0  # that the stream has selected, where it comes from a leader
        self.is_known = True  # False while the data is no copy of any history: half a full resync
        self._random = random

    def keep(self) -> None:
        """Keep a backlog from now on."""
        if self.backlog is None:
            self.backlog = Backlog(self.offset)

    def append(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        backlog = self.backlog
        if backlog is not None:
            backlog.append(data)
        self.offset += len(data)

    def trim(self, size: i64, needed: i64 = _NOTHING_NEEDED) -> None:
        """Keep only so much of the backlog, and what is needed from an offset on."""
        if self.backlog is not None:
            self.backlog.trim(size, needed)

    def begin_anew(self) -> None:
        """Begin a history that nobody can have a part of."""
        self.id = random_id(self._random)
        self.is_known = True
        self.forget_second()

    def branch(self) -> None:
        """Begin another history where the one that was followed ends here."""
        self.second_id = self.id
        self.second_offset = self.offset + 1
        self.id = random_id(self._random)

    def adopt(self, name: bytes, offset: i64) -> None:
        """Follow a history whose data was copied at an offset."""
        self.id = name
        self.offset = offset
        self.backlog = Backlog(offset)
        self.is_known = True
        self.forget_second()

    def rename(self, name: bytes) -> bool:
        """Follow the same history under another id of the leader; return whether it is another."""
        if name == self.id:
            return False
        self.second_id = self.id
        self.second_offset = self.offset + 1
        self.id = name
        return True

    def memory(self) -> int:
        """Return the bytes that the backlog takes."""
        return self.backlog.memory() if self.backlog is not None else 0

    def resume(self, name: bytes, offset: int, database: int, is_leading: bool) -> None:
        """Go on where an RDB file of a former run ends.

        A leader begins another history there, since what it did behind that file may be lost while
        followers have it.
        """
        self.offset = offset
        self.database = database
        if is_leading:
            self.second_id = name
            self.second_offset = offset + 1
        else:
            self.id = name
        self.keep()

    def forget_second(self) -> None:
        """Let nobody continue under the former id."""
        self.second_id = NO_ID
        self.second_offset = NO_OFFSET

    def drop_backlog(self) -> None:
        """Keep nothing any more."""
        self.backlog = None

    def is_own(self, name: bytes, wanted: i64) -> bool:
        """Return whether a follower of this id has a part of this history, before byte `wanted`."""
        name = name.lower()
        if name == self.id:
            return True
        return name == self.second_id and wanted <= self.second_offset

    def has(self, wanted: i64) -> bool:
        """Return whether the stream is kept from byte `wanted` on; the first byte is number 1."""
        backlog = self.backlog
        return backlog is not None and backlog.begin < wanted <= backlog.end + 1
