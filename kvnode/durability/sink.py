"""Where the bytes of a snapshot go while they are made: a file, or followers."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

PENDING_MAX: Final = 8 << 20  # bytes; who makes more waits


@mypyc_attr(allow_interpreted_subclasses=True)
class Sink:
    """Takes bytes until `is_over`; `error` says why it failed, empty while it has not."""

    def __init__(self) -> None:
        self.is_over = False
        self.error = ""
        self.written = 0

    @property
    def pending(self) -> int:
        """Bytes that were put and are not written yet."""
        return 0

    def put(self, data: bytes) -> None:
        """Have some bytes more written."""

    def finish(self) -> None:
        """Bring it to its end: nothing is put any more."""

    def give_up(self) -> None:
        """Stop; nothing of what was put counts."""

    def wait(self) -> None:
        """Wait until it is over, after `finish` or `give_up`."""
