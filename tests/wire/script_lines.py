"""Scripts that a test writes one a line."""

from __future__ import annotations

import hashlib

from .harness import Pair


def run_lines(pair: Pair, text: str) -> None:
    """Run each line as a script without keys; the replies must be equal byte for byte."""
    for line in text.splitlines():
        if line.strip():
            pair.same_exactly("EVAL", line.strip(), "0")


def digest(code: str) -> str:
    """The name of a script in the cache."""
    return hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest()
