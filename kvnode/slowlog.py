"""The slow log and the latency monitor: what took long, kept for SLOWLOG and LATENCY."""

from collections import deque
from typing import Final, final

from kvnode.command import SKIP_SLOWLOG, Command
from kvnode.monitor import without_secrets
from kvnode.session import Session

_ARGUMENTS_MAX: Final = 32
_ARGUMENT_BYTES_MAX: Final = 128
_SAMPLES_MAX: Final = 160


@final
class SlowCall:
    """One entry of the slow log; long arguments are cut, as Redis does."""

    def __init__(
        self, number: int, session: Session, argv: list[bytes], begin: float, seconds: float
    ) -> None:
        self.number = number
        self.at = int(begin)
        self.microseconds = int(seconds * 1e6)
        self.peer = session.peer
        self.name = session.name
        self.argv = [_cut(word) for word in argv[:_ARGUMENTS_MAX]]
        if len(argv) > _ARGUMENTS_MAX:
            self.argv[-1] = b"... (%d more arguments)" % (len(argv) - _ARGUMENTS_MAX + 1)


def _cut(word: bytes) -> bytes:
    if len(word) <= _ARGUMENT_BYTES_MAX:
        return word
    kept = word[:_ARGUMENT_BYTES_MAX]
    return kept + b"... (%d more bytes)" % (len(word) - _ARGUMENT_BYTES_MAX)


@final
class SlowLog:
    """The newest slow calls first; `limit` entries are kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.calls: deque[SlowCall] = deque()
        self._next = 0

    def note(
        self, session: Session, command: Command, argv: list[bytes], begin: float, seconds: float
    ) -> None:
        """Keep a call, unless its command is exempt."""
        if command.flags & SKIP_SLOWLOG:
            return
        shown = without_secrets(command, argv)
        self.calls.appendleft(SlowCall(self._next, session, shown, begin, seconds))
        self._next += 1
        self.trim()

    def trim(self) -> None:
        """Forget the oldest calls beyond the limit."""
        while len(self.calls) > self.limit:
            self.calls.pop()


@final
class LatencyEvent:
    """The recent samples of one event: (second, milliseconds), one a second."""

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=_SAMPLES_MAX)
        self.max_ms = 0

    def add(self, second: int, milliseconds: int) -> None:
        """Keep the worst sample of each second."""
        self.max_ms = max(self.max_ms, milliseconds)
        if self.samples and self.samples[-1][0] == second:
            milliseconds = max(milliseconds, self.samples.pop()[1])
        self.samples.append((second, milliseconds))


@final
class LatencyMonitor:
    """Events that took at least `threshold_ms`; 0 turns the monitor off."""

    def __init__(self) -> None:
        self.threshold_ms = 0
        self.events: dict[str, LatencyEvent] = {}

    def note(self, name: str, at: float, seconds: float) -> None:
        """Keep an event if it took long enough."""
        milliseconds = int(seconds * 1000.0)
        if 0 < self.threshold_ms <= milliseconds:
            self.events.setdefault(name, LatencyEvent()).add(int(at), milliseconds)
