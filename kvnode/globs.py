"""Redis's glob patterns: `*`, `?`, `[a-z]`, `[^a]`, a backslash before a byte to take as it is."""

from mypy_extensions import i64


def matches(pattern: bytes, text: bytes, ignore_case: bool = False) -> bool:
    """Return whether the whole of `text` matches `pattern`, in O(pattern * text) at worst."""
    if ignore_case:
        pattern = pattern.lower()
        text = text.lower()
    if not text:
        return not pattern  # in Redis not even `*` matches an empty text
    if pattern == b"*":
        return True
    at: i64 = 0
    i: i64 = 0
    star: i64 = -1
    resume: i64 = 0
    length: i64 = len(text)
    end: i64 = len(pattern)
    while True:
        if at < end and pattern[at] == 42:  # "*": try to match nothing first
            star = at
            resume = i
            at += 1
            continue
        if i >= length:
            return at >= end
        following = _match_one(pattern, at, text[i]) if at < end else -1
        if following >= 0:
            at = following
            i += 1
        elif star >= 0:
            resume += 1
            i = resume
            at = star + 1
        else:
            return False


def _match_one(pattern: bytes, at: i64, byte: i64) -> i64:
    """Return the place behind the pattern's element at `at` if it matches `byte`, else -1."""
    end: i64 = len(pattern)
    head: i64 = pattern[at]
    if head == 63:  # "?"
        return at + 1
    if head == 91:  # "["
        return _match_set(pattern, at + 1, byte)
    if head == 92 and at + 1 < end:  # backslash
        at += 1
        head = pattern[at]
    return at + 1 if head == byte else -1


def _match_set(pattern: bytes, at: i64, byte: i64) -> i64:
    """Match a set; one that is not closed ends with the pattern, as in Redis."""
    end: i64 = len(pattern)
    negated = at < end and pattern[at] == 94  # "^"
    if negated:
        at += 1
    found = False
    while True:
        if at >= end:
            break
        head: i64 = pattern[at]
        if head == 92 and at + 1 < end:
            at += 1
            if pattern[at] == byte:
                found = True
        elif head == 93:  # "]"
            at += 1
            break
        elif at + 2 < end and pattern[at + 1] == 45:  # "-"
            low = head
            high: i64 = pattern[at + 2]
            if low > high:
                low, high = high, low
            at += 2
            if low <= byte <= high:
                found = True
        elif head == byte:
            found = True
        at += 1
    return at if found != negated else -1
