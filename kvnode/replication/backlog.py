"""The last part of the replication stream, for followers that are behind or were away.

The bytes stand in blocks of one size, so that an offset leads to its block by a division. All
followers read from here: what one of them has not been sent yet is kept once, however many they
are, and `trim` spares it.
"""

from __future__ import annotations

from collections import deque
from typing import Final, final

from mypy_extensions import i64

BLOCK_BYTES: Final = 16384


@final
class Backlog:
    """The bytes of the stream from offset `begin` to `end`, which are counted from its start."""

    def __init__(self, offset: i64) -> None:
        self.begin: i64 = offset
        self.end: i64 = offset
        self._blocks: deque[bytearray] = deque()
        self._room: i64 = 0  # in the last block

    def append(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        at: i64 = 0
        left: i64 = len(data)
        while left > 0:
            if self._room == 0:
                self._blocks.append(bytearray(BLOCK_BYTES))
                self._room = BLOCK_BYTES
            size = min(left, self._room)
            place = BLOCK_BYTES - self._room
            self._blocks[-1][place : place + size] = data[at : at + size]
            self._room -= size
            at += size
            left -= size
        self.end += len(data)

    def read(self, offset: i64, most: i64) -> bytes:
        """Return the bytes from an offset that is kept: all to the end, or `most` of them."""
        assert self.begin <= offset <= self.end
        left = min(most, self.end - offset)
        index = (offset - self.begin) // BLOCK_BYTES
        place = (offset - self.begin) % BLOCK_BYTES
        pieces: list[bytes] = []
        while left > 0:
            size = min(left, BLOCK_BYTES - place)
            pieces.append(bytes(memoryview(self._blocks[index])[place : place + size]))
            left -= size
            index += 1
            place = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def trim(self, size: i64, needed: i64) -> None:
        """Drop the oldest blocks beyond `size` bytes, but nothing from the offset `needed` on."""
        while len(self._blocks) > 1:
            second = self.begin + BLOCK_BYTES
            if self.end - second < size or second > needed:
                return
            self._blocks.popleft()
            self.begin = second

    def memory(self) -> int:
        """Return the bytes that the blocks take."""
        return len(self._blocks) * BLOCK_BYTES
