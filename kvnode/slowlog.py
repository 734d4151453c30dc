"""The slow log: the latest commands that took long, kept for SLOWLOG."""

from collections import deque
from typing import Final, final

from kvnode.command import SKIP_SLOWLOG, Command
from kvnode.monitor import without_secrets
from kvnode.session import Session

_ARGUMENTS_MAX: Final = 32
_ARGUMENT_BYTES_MAX: Final = 128


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
