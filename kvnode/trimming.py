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

By default the C library maps each block of more than 128 KiB by itself and unmaps it when it is
freed, so that every large value gets pages that the system has to find and clear first: here that
takes as long as receiving it. `keep_freed_memory` has large blocks come from the heap too, and lets
it keep some free memory at its end (SET of 1 MiB values: 2.8 GB/s instead of 1.2). Threads use the
same heap: by default each has one of its own, and what the thread loads that reads spilled blocks
would lie beside free memory that it may not take.

So without a limit what was freed stays for some seconds, for what comes next. The heap's end, where
it lies after a shuffle, is given back step by step, since all of it in one call would keep clients
waiting (giving back 1 MiB takes 0.35 ms); only a process beyond its limit does not wait for that.
Each call looks at every hole in the heap, too: where those make a step long, the next is larger.

The memory of shuffles has its own budget beside the dataset's: it is left out of the comparison,
and what they no longer use is too much beside a dataset of any size.
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
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_HEAP_BLOCK_BYTES_MAX: Final = 32 << 20  # the C library takes no more
_NEVER: Final = -1  # does the C library give the heap's end back by itself
_KEPT_SECONDS: Final = 5.0
_STEP_BYTES: Final = 32 << 20
_STEP_SECONDS: Final = 0.02
_OF_MALLINFO: Final = 10  # fields, of which the last has the free bytes at the heap's end


def heap_trimmer() -> Callable[[int], int] | None:
    """Return the C library's call that gives free pages back, all but so many bytes at the end.

    None where it has none.
    """
    # Imported here: a start need not pay for what is seldom used.
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return None
    trim.argtypes = [ctypes.c_size_t]
    call: Callable[[int], int] = trim
    return call


def bytes_at_end() -> int:
    """Return how much of the heap's end is free; 0 where the C library does not say."""
    # See `heap_trimmer`.
    import ctypes

    library = ctypes.CDLL(None)
    # The first came with glibc 2.33, the second counts up to 4 GiB.
    for name, kind in (("mallinfo2", ctypes.c_size_t), ("mallinfo", ctypes.c_uint)):
        told = getattr(library, name, None)
        if told is not None:
            fields = [(f"field{number}", kind) for number in range(_OF_MALLINFO)]
            told.restype = type("Mallinfo", (ctypes.Structure,), {"_fields_": fields})
            at_end: int = getattr(told(), fields[-1][0])
            return at_end
    return 0


def keep_freed_memory() -> None:
    """Let the heap of this process serve large blocks, and keep what is freed until a trim."""
    # See `heap_trimmer`.
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _HEAP_BLOCK_BYTES_MAX)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
        mallopt(_M_ARENA_MAX, 1)


@final
class Trimming:
    """When to trim: `tick` comes with each tick of the node and looks once a second.

    `unreturned` is what must count as used under `maxmemory` because the process keeps it.
    """

    def __init__(
        self,
        resident: Callable[[], int] = resident_bytes,
        at_end: Callable[[], int] = bytes_at_end,
        trimmer: Callable[[], Callable[[int], int] | None] = heap_trimmer,
    ) -> None:
        self.trims = 0
        self.unreturned = 0
        self._resident = resident
        self._at_end = at_end
        self._trimmer = trimmer
        self._trim: Callable[[int], int] | None = None
        self._known = False
        self._next = 0.0
        self._next_trim = 0.0
        self._fitted = 0.0  # when the process was last seen not to be too large, or was trimmed
        self._pause = _PAUSE_SECONDS
        self._haste = _HASTE_SECONDS
        self._step = _STEP_BYTES
        self._limit = 0
        self._beside = 0  # the most since the last trim
        self._slack = 0  # what was kept already when the limit was set is no data's fault

    def tick(self, now: float, used_bytes: int, limit: int, beside: int = 0) -> bool:
        """Give memory back if much more is resident than used; return whether it was tried.

        `now` is monotonic. `used_bytes` does not include `unreturned`; `limit` is `maxmemory`, 0
        without one. `beside` is what the budget of shuffles has in use.
        """
        if now < self._next:
            return False
        self._next = now + _PAUSE_SECONDS
        resident = self._resident() - beside
        self._beside = max(self._beside, beside)
        if limit != self._limit:
            self._limit = limit
            self._slack = max(resident - used_bytes, _COUNTED_SLACK_BYTES)
        if limit > 0:
            allowed = used_bytes * 13 // 12 + _LIMITED_SLACK_BYTES
            most = limit * 13 // 12 + self._slack
        else:
            allowed = used_bytes * 3 // 2 + _UNLIMITED_SLACK_BYTES
            most = allowed
        is_freed = self._beside - beside > _UNLIMITED_SLACK_BYTES
        tried = False
        if resident < allowed and not is_freed:
            self._pause = _PAUSE_SECONDS
            self._fitted = now
        elif limit > 0 and resident > most:
            tried = self._give_back(now, beside, False)
        elif now >= self._next_trim or is_freed:
            if limit > 0 or now >= self._fitted + _KEPT_SECONDS:
                tried = self._give_back(now, beside, True)
        if tried:
            resident = self._resident() - beside
            self._slack = max(min(self._slack, resident - used_bytes), _COUNTED_SLACK_BYTES)
        self._count(now, resident - most, used_bytes, limit)
        return tried

    def _give_back(self, now: float, beside: int, in_steps: bool) -> bool:
        """Trim the heap, or but for what is more than a step at its end.

        False where the C library cannot.
        """
        if not self._known:
            self._trim = self._trimmer()
            self._known = True
        if self._trim is None:
            return False
        before = self._resident()
        begin = monotonic()
        kept = max(self._at_end() - self._step, 0) if in_steps else 0
        self._trim(kept)
        seconds = monotonic() - begin
        self._haste = max(_HASTE_SECONDS, seconds * _HASTE_DUTY)
        self.trims += 1
        brought = before - self._resident()
        if kept > 0 and brought >= self._step // 2:
            if seconds > _STEP_SECONDS:
                self._step *= 2
            self._next = self._next_trim = now + self._haste
            return True
        self._step = _STEP_BYTES
        self._beside = beside
        self._fitted = now
        pause = self._pause
        brought_little = brought < before // 20
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
