"""The longest common subsequence of two strings, by the classic table of prefix lengths."""

from librt.vecs import append, vec
from mypy_extensions import i32, i64


class Match:
    """A run of equal bytes: `size` bytes from `first` in one string and `second` in the other."""

    def __init__(self, first: i64, second: i64, size: i64) -> None:
        self.first = first
        self.second = second
        self.size = size


def longest_common(a: bytes, b: bytes) -> list[Match]:
    """Return the runs of one longest common subsequence, last run first; O(len(a) * len(b))."""
    rows: i64 = len(a)
    columns: i64 = len(b)
    width = columns + 1
    table = _prefix_lengths(a, b)
    matches: list[Match] = []
    size: i64 = 0
    i = rows
    j = columns
    while i > 0 and j > 0:
        if a[i - 1] == b[j - 1]:
            size += 1
            i -= 1
            j -= 1
            continue
        if size > 0:
            matches.append(Match(i, j, size))
            size = 0
        if table[(i - 1) * width + j] > table[i * width + j - 1]:
            i -= 1
        else:
            j -= 1
    if size > 0:
        matches.append(Match(i, j, size))
    return matches


def _prefix_lengths(a: bytes, b: bytes) -> vec[i32]:
    """Return, row by row, the length of the longest common subsequence of each two prefixes."""
    rows: i64 = len(a)
    columns: i64 = len(b)
    width = columns + 1
    table = vec[i32](capacity=(rows + 1) * width)
    column: i64 = 0
    while column <= columns:
        table = append(table, 0)
        column += 1
    i: i64 = 1
    while i <= rows:
        table = append(table, 0)
        byte: i64 = a[i - 1]
        j: i64 = 1
        while j <= columns:
            above = (i - 1) * width + j
            if byte == b[j - 1]:
                best = table[above - 1] + 1
            else:
                best = max(table[above], table[above + columns])
            table = append(table, best)
            j += 1
        i += 1
    return table
