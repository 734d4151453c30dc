"""The log of denials: what was refused to whom, and how often; for ACL LOG."""

from collections import deque
from typing import Final, final

TOP_LEVEL: Final = b"toplevel"
IN_MULTI: Final = b"multi"
IN_SCRIPT: Final = b"lua"

COMMAND: Final = b"command"
KEY: Final = b"key"
CHANNEL: Final = b"channel"
LOGIN: Final = b"auth"

_SAME_WITHIN_SECONDS: Final = 60.0
_SEARCHED_FOR_SAME: Final = 10


@final
class Entry:
    """Equal denials; `count` of them, the last one at `at` by the client whose line is kept."""

    def __init__(
        self,
        reason: bytes,
        context: bytes,
        what: bytes,
        user: bytes,
        client: bytes,
        at: float,
    ) -> None:
        self.reason = reason
        self.context = context
        self.what = what
        self.user = user
        self.client = client
        self.at = at
        self.count = 1

    def is_same(self, other: "Entry") -> bool:
        """Return whether two denials are told as one."""
        return (
            self.reason == other.reason
            and self.context == other.context
            and self.what == other.what
            and self.user == other.user
            and abs(other.at - self.at) <= _SAME_WITHIN_SECONDS
        )


@final
class DenialLog:
    """The newest denials first; `limit` entries are kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.entries: deque[Entry] = deque()

    def note(self, entry: Entry) -> None:
        """Count a denial: with an equal one among the latest, which comes first then, or anew."""
        for i, known in enumerate(self.entries):
            if i == _SEARCHED_FOR_SAME:
                break
            if known.is_same(entry):
                known.client = entry.client
                known.at = entry.at
                known.count += 1
                del self.entries[i]
                self.entries.appendleft(known)
                return
        self.entries.appendleft(entry)
        self.trim()

    def trim(self) -> None:
        """Forget the oldest entries beyond the limit."""
        while len(self.entries) > self.limit:
            self.entries.pop()
