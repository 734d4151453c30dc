"""Which side of a fork this is: a child must not write to its parent's connections."""

from __future__ import annotations

import os
from typing import Final, final

from mypy_extensions import i64


@final
class _Generation:
    def __init__(self) -> None:
        self.number: i64 = 0


_GENERATION: Final = _Generation()


def fork_generation() -> i64:
    """Return how many forks led from the process that imported this module to this one."""
    return _GENERATION.number


def _in_child() -> None:
    _GENERATION.number += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
