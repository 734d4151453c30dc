"""Giving freed memory back to the system, which the C library does only at the end of its heap.

Values above 512 bytes lie in the C library's heap, smaller ones in arenas of the interpreter, which
returns an arena once it is empty. A heap that once held large values keeps its size when they have
made room for small ones: at a limit of 200 MB the process held 360. `malloc_trim` returns every
free page. While `maxmemory` is set a process that is a twelfth above what it accounts for is
trimmed, else one at one and a half times; a trim that brought little is tried again later.

No call empties an arena in which a few small objects are left, as many are when large values follow
small ones. So what the process holds beyond a twelfth above `maxmemory` and a slack counts as used:
eviction then goes on until it fits, and up to half of the limit may be counted. What is counted
grows by what was found too much, a fiftieth of the limit at once, and shrinks by a quarter of what
was found to be room.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final, final

from kvnode.memory import resident_bytes

_UNLIMITED_SLACK_BYTES: Final = 32 << 20  # of free memory that may stay with the process
_LIMITED_SLACK_BYTES: Final = 4 << 20
_COUNTED_SLACK_BYTES: Final = 8 << 20
_STEP_SHARE: Final = 50
_PAUSE_SECONDS: Final = 1.0
_HASTE_SECONDS: Final = 0.05  # between looks while the process is too large,
_HASTE_DUTY: Final = 20.0  # or so many times what a trim takes
_PAUSE_SECONDS_MAX: Final = 60.0


def heap_trimmer() -> Callable[[int], int] | None:
    """Return the C library's call that gives free pages back; None where it has none."""
    # Imported here: a start need not pay for what is seldom used.
    import ctypes

    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim


@final
class Trimming:
    """When to trim: `tick` comes with each tick of the node and looks once a second.

    `unreturned` is what must count as used under `maxmemory` because the process keeps it.
    """

    def __init__(self, resident: Callable[[], int] = resident_bytes) -> None:
        self.trims = 0
        self.unreturned = 0
        self._resident = resident
        self._trim: Callable[[int], int] | None = None
        self._known = False
        self._next = 0.0
        self._next_trim = 0.0
        self._pause = _PAUSE_SECONDS
        self._haste = _HASTE_SECONDS
        self._limit = 0
        self._slack = 0  # what was kept already when the limit was set is no data's fault

    def tick(self, now: float, used_bytes: int, limit: int) -> bool:
        """Give memory back if much more is resident than used; return whether it was tried.

        `used_bytes` does not include `unreturned`; `limit` is `maxmemory`, 0 without one.
        """
        if now < self._next:
            return False
        self._next = now + _PAUSE_SECONDS
        resident = self._resident()
        if limit != self._limit:
            self._limit = limit
            self._slack = max(resident - used_bytes, _COUNTED_SLACK_BYTES)
        if limit > 0:
            allowed = used_bytes * 13 // 12 + _LIMITED_SLACK_BYTES
            most = limit * 13 // 12 + self._slack
        else:
            allowed = used_bytes * 3 // 2 + _UNLIMITED_SLACK_BYTES
            most = allowed
        tried = False
        if resident < allowed:
            self._pause = _PAUSE_SECONDS
        elif now >= self._next_trim or (limit > 0 and resident > most):
            tried = self._give_back(now, resident)
            resident = self._resident()
        self._count(now, resident - most, used_bytes, limit)
        return tried

    def _give_back(self, now: float, before: int) -> bool:
        """Trim the heap; return False where the C library cannot."""
        if not self._known:
            self._trim = heap_trimmer()
            self._known = True
        if self._trim is None:
            return False
        begin = monotonic()
        self._trim(0)
        self._haste = max(_HASTE_SECONDS, (monotonic() - begin) * _HASTE_DUTY)
        self.trims += 1
        pause = self._pause
        brought_little = before - self._resident() < before // 20
        self._pause = min(pause * 2.0, _PAUSE_SECONDS_MAX) if brought_little else _PAUSE_SECONDS
        self._next_trim = now + self._pause
        return True

    def _count(self, now: float, over: int, used_bytes: int, limit: int) -> None:
        """Let more count as used while the process is `over` what it may take, else less."""
        if limit <= 0:
            self.unreturned = 0
        elif over > 0:
            # Only once the eviction for what was counted before is through, and not at one blow.
            if used_bytes + self.unreturned <= limit + limit // 256:
                step = min(over, limit // _STEP_SHARE)
                self.unreturned = min(self.unreturned + step, limit // 2)
            self._next = now + self._haste
        else:
            self.unreturned = max(self.unreturned + over // 4, 0)
