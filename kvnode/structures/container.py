"""The base of every stored form that changes in place."""

from mypy_extensions import i64, mypyc_attr


@mypyc_attr(acyclic=True)
class Container:
    """A value that counts its own memory.

    `memory` is its size in bytes now, kept as it changes; `accounted` is what the keyspace has
    booked for it. `acyclic`: elements are bytes only, so the garbage collector never has to look.
    """

    def __init__(self) -> None:
        self.memory: i64 = 0
        self.accounted: i64 = 0

    def count(self) -> i64:
        """Return the number of elements."""
        raise NotImplementedError

    def discard(self, elements: i64) -> i64:
        """Free up to `elements` elements of a value that nobody uses any more; return how many."""
        raise NotImplementedError

    def check(self) -> None:
        """Assert the invariants."""
