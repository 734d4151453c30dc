"""What there is of attempts, found by map and attempt.

Several attempts of one map are rare: each points to its rival, so that a map needs no table.
"""

from __future__ import annotations

from typing import Generic, TypeVar, cast, final

from mypy_extensions import i64


class Rival:
    """What there is of one attempt of a map, somewhere."""

    def __init__(self, map: i64, attempt: i64) -> None:
        self.map: i64 = map
        self.attempt: i64 = attempt
        self.rival: Rival | None = None  # of another attempt of the same map


R = TypeVar("R", bound=Rival)


@final
class Rivals(Generic[R]):
    """Those of all maps in one place, the latest of each map first."""

    def __init__(self) -> None:
        self._firsts: dict[int, R] = {}

    def find(self, map: i64, attempt: i64) -> R | None:
        """Return an attempt's, None if there is nothing of it."""
        found: Rival | None = self._firsts.get(map)
        while found is not None and found.attempt != attempt:
            found = found.rival
        return cast("R | None", found)

    def add(self, rival: R) -> None:
        """Take what is not here yet."""
        rival.rival = self._firsts.get(rival.map)
        self._firsts[rival.map] = rival

    def remove(self, rival: R) -> None:
        """Let go of one."""
        first: Rival = self._firsts[rival.map]
        if first is not rival:
            while first.rival is not rival:
                assert first.rival is not None
                first = first.rival
            first.rival = rival.rival
        elif rival.rival is not None:
            self._firsts[rival.map] = cast("R", rival.rival)
        else:
            del self._firsts[rival.map]
        rival.rival = None

    def all(self) -> list[R]:
        """Return all of them."""
        found: list[R] = []
        for first in self._firsts.values():
            rival: Rival | None = first
            while rival is not None:
                found.append(cast("R", rival))
                rival = rival.rival
        return found

    def take_all(self) -> list[R]:
        """Let go of all of them and return them."""
        found = self.all()
        for rival in found:
            rival.rival = None
        self._firsts = {}
        return found
