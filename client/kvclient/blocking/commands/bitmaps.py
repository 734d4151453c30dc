# Generated from client/kvclient/commands/bitmaps.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Commands on strings as rows of bits."""

from __future__ import annotations

from typing import Literal

from kvclient.arguments import together
from kvclient.blocking.commands.base import Surface
from kvclient.errors import ArgumentError
from kvclient.results import T
from kvclient.wire.encoding import Argument

Unit = Literal["BYTE", "BIT"]


class BitmapCommands(Surface[T]):
    """Strings as rows of bits and of small integers; bit 0 is the highest of the first byte."""

    def bitcount(
        self,
        key: Argument,
        start: int | None = None,
        end: int | None = None,
        mode: Unit | None = None,
    ) -> int:
        """Count the bits that are set, in the whole string or from `start` to `end` included.

        The ends are bytes, or bits with mode="BIT".
        """
        together(start=start, end=end)
        if start is None or end is None:
            if mode is not None:
                raise ArgumentError("mode goes with start and end")
            return self._send((b"BITCOUNT", key))
        words = () if mode is None else (mode,)
        return self._send((b"BITCOUNT", key, start, end, *words))

    def bitfield(self, key: Argument, *operations: Argument) -> list[int | None]:
        """Read and change integers in a string; return one result for each GET, SET and INCRBY.

        The operations are words as on the wire: `"INCRBY", "u8", 0, 1, "OVERFLOW", "FAIL"`. None
        stands for an operation that OVERFLOW FAIL refused.
        """
        return self._send((b"BITFIELD", key, *operations))

    def bitfield_ro(self, key: Argument, *operations: Argument) -> list[int]:
        """Read integers in a string: BITFIELD with GET alone."""
        return self._send((b"BITFIELD_RO", key, *operations))

    def bitop(
        self,
        operation: Literal["AND", "OR", "XOR", "NOT"],
        dest: Argument,
        *keys: Argument,
    ) -> int:
        """Store the bitwise combination of strings; return its length in bytes."""
        return self._send((b"BITOP", operation, dest, *keys))

    def bitpos(
        self,
        key: Argument,
        bit: Literal[0, 1],
        start: int | None = None,
        end: int | None = None,
        mode: Unit | None = None,
    ) -> int:
        """Return the position of the first bit that is `bit`, -1 if there is none.

        The ends are bytes, or bits with mode="BIT". Without `end` zeros follow the string.
        """
        if (start is None and end is not None) or (end is None and mode is not None):
            raise ArgumentError("end goes with start, and mode with both")
        words = (value for value in (start, end, mode) if value is not None)
        return self._send((b"BITPOS", key, bit, *words))

    def getbit(self, key: Argument, offset: int) -> int:
        """Return the bit at `offset`, 0 behind the end."""
        return self._send((b"GETBIT", key, offset))

    def setbit(self, key: Argument, offset: int, value: Literal[0, 1]) -> int:
        """Set the bit at `offset`; return what it was."""
        return self._send((b"SETBIT", key, offset, value))
