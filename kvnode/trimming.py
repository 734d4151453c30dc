"""Giving freed memory back to the system, which the C library does only at the end of its heap.

Values above 512 bytes lie in the C library's heap, smaller ones in arenas of the interpreter, which
returns an arena once it is empty. A heap that once held large values keeps its size when they have
made room for small ones: at a limit of 200 MB the process held 360. `malloc_trim` returns every
free page. While `maxmemory` is set a process that is a twelfth above what it accounts for is
trimmed, else one at one and a half times; a trim that brought little is tried again later.
"""

from collections.abc import Callable
from typing import Final, final

from kvnode.memory import resident_bytes

_UNLIMITED_SLACK_BYTES: Final = 32 << 20  # of free memory that may stay with the process
_LIMITED_SLACK_BYTES: Final = 4 << 20
_PAUSE_SECONDS: Final = 1.0
_PAUSE_SECONDS_MAX: Final = 60.0


def heap_trimmer() -> Callable[[int], int] | None:
    """Return the C library's call that gives free pages back; None where it has none."""
    # Imported here: a start need not pay for what is seldom used.
    import ctypes

    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim


@final
class Trimming:
    """When to trim: `tick` comes with each tick of the node and looks once a second."""

    def __init__(self, resident: Callable[[], int] = resident_bytes) -> None:
        self.trims = 0
        self._resident = resident
        self._trim: Callable[[int], int] | None = None
        self._known = False
        self._next = 0.0
        self._pause = _PAUSE_SECONDS

    def tick(self, now: float, used_bytes: int, limited: bool) -> bool:
        """Give memory back if much more is resident than used; return whether it was tried."""
        if now < self._next:
            return False
        pause = self._pause
        self._next = now + _PAUSE_SECONDS
        if limited:
            allowed = used_bytes * 13 // 12 + _LIMITED_SLACK_BYTES
        else:
            allowed = used_bytes * 3 // 2 + _UNLIMITED_SLACK_BYTES
        before = self._resident()
        if before < allowed:
            self._pause = _PAUSE_SECONDS
            return False
        if not self._known:
            self._trim = heap_trimmer()
            self._known = True
        if self._trim is None:
            return False
        self._trim(0)
        self.trims += 1
        brought_little = before - self._resident() < before // 20
        self._pause = _PAUSE_SECONDS
        if brought_little:
            self._pause = min(pause * 2.0, _PAUSE_SECONDS_MAX)
        self._next = now + self._pause
        return True
