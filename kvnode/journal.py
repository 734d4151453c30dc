"""What the engine has for the log, kept until whoever owns the log takes it: it has no stream."""

from __future__ import annotations

from typing import Final, TypeAlias, final

EVENTS_MAX: Final = 1000  # between two takings; a script can write lines without end

Event: TypeAlias = tuple[str, str, dict[str, object]]


@final
class Journal:
    """Events of a node: level, name, fields."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._left_out = 0

    def note(self, level: str, name: str, fields: dict[str, object]) -> None:
        """Keep an event; beyond EVENTS_MAX only their number is kept."""
        if len(self._events) < EVENTS_MAX:
            self._events.append((level, name, fields))
        else:
            self._left_out += 1

    def take(self) -> list[Event]:
        """Return the events since the last call, oldest first, and forget them."""
        events = self._events
        if self._left_out:
            events.append(("warning", "log-lines-left-out", {"count": self._left_out}))
        self._events = []
        self._left_out = 0
        return events
