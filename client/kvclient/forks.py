"""Which side of a fork this is: a child must not write to its parent's connections."""

from __future__ import annotations

import os


class _Generation:
    number = 0


def fork_generation() -> int:
    """Return how many forks led from the process that imported this module to this one."""
    return _Generation.number


def _in_child() -> None:
    _Generation.number += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
