"""How Python passes tables to a Lua state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final


@final
class Passage:
    """How Python passes tables to one Lua state.

    The state holds the libraries' Python objects, so these must hold nothing of the state, or it
    would never be freed: they hold a passage, which `close` cuts.
    """

    def __init__(self, lua: Any, has_room: Callable[[int], bool]) -> None:
        self.table_from: Any = lua.table_from
        self.null: Any = None  # cjson's
        self.has_room = has_room

    def close(self) -> None:
        """Let go of the state."""
        self.table_from = None
        self.null = None
