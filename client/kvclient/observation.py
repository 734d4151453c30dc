"""The one place where calls can be watched: what a client's Core is put into.

Nothing is in the way while nobody watches: a client asks once, when it is made, and then calls the
Core, or what stands for it, directly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

C = TypeVar("C")


class _Watching:
    wrap: Callable[[Any], Any] | None = None


_watching: Final = _Watching()


def watch_with(wrap: Callable[[Any], Any] | None) -> None:
    """Put the Core of each client that is made from now on into `wrap(core)`; None stops that."""
    _watching.wrap = wrap


def observed(core: C) -> C:
    """Return what a new client calls: `core`, or what stands for it."""
    if _watching.wrap is None:
        return core
    stand_in: C = _watching.wrap(core)
    return stand_in
