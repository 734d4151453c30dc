"""The first elements of a sorted order, found without sorting the rest.

A quicksort by Bentley and McIlroy ("Engineering a sort function", 1993) that leaves out the parts
beyond the wanted ones, as BSD's qsort with bounds in Redis does. It is not stable; which of several
equal keys come first follows from the steps alone, so they are kept as they are there.
"""

from librt.vecs import vec
from mypy_extensions import i64


def order_first(keys: vec[float], wanted: i64) -> vec[i64]:
    """Return the positions of `keys` with those of the `wanted` smallest first and in order."""
    count: i64 = len(keys)
    order = vec[i64](range(count))
    _sort(keys, order, 0, count, wanted - 1)
    return order


def _sort(keys: vec[float], order: vec[i64], a: i64, n: i64, last: i64) -> None:
    """Sort the `n` positions from `a` on as far as they can come to stand up to `last`."""
    while n >= 7:
        _swap(order, a, _pivot(keys, order, a, n))
        pivot = keys[order[a]]
        # Equal ones gather at both ends: before `equal` and behind `equal_right`.
        equal = a + 1
        left = a + 1
        right = a + n - 1
        equal_right = right
        while True:
            while left <= right and keys[order[left]] <= pivot:
                if keys[order[left]] == pivot:
                    _swap(order, equal, left)
                    equal += 1
                left += 1
            while left <= right and keys[order[right]] >= pivot:
                if keys[order[right]] == pivot:
                    _swap(order, right, equal_right)
                    equal_right -= 1
                right -= 1
            if left > right:
                break
            _swap(order, left, right)
            left += 1
            right -= 1
        end = a + n
        _swap_runs(order, a, left, _smaller(equal - a, left - equal))
        _swap_runs(order, left, end, _smaller(equal_right - right, end - equal_right - 1))
        below = left - equal
        above = equal_right - right
        if below > 1 and a <= last:
            _sort(keys, order, a, below, last)
        a = end - above
        n = above
        if above <= 1 or a > last:
            return
    i = a + 1
    while i < a + n:
        j = i
        while j > a and keys[order[j - 1]] > keys[order[j]]:
            _swap(order, j, j - 1)
            j -= 1
        i += 1


def _smaller(a: i64, b: i64) -> i64:
    return a if a < b else b


def _swap(order: vec[i64], i: i64, j: i64) -> None:
    kept = order[i]
    order[i] = order[j]
    order[j] = kept


def _swap_runs(order: vec[i64], start: i64, end: i64, size: i64) -> None:
    """Exchange `size` positions from `start` on with as many before `end`."""
    other = end - size
    while size > 0:
        _swap(order, start, other)
        start += 1
        other += 1
        size -= 1


def _pivot(keys: vec[float], order: vec[i64], a: i64, n: i64) -> i64:
    """Return where the median of three, or of three such medians, stands."""
    middle = a + n // 2
    if n == 7:
        return middle
    low = a
    high = a + n - 1
    if n > 40:
        d = n // 8
        low = _median(keys, order, low, low + d, low + 2 * d)
        middle = _median(keys, order, middle - d, middle, middle + d)
        high = _median(keys, order, high - 2 * d, high - d, high)
    return _median(keys, order, low, middle, high)


def _median(keys: vec[float], order: vec[i64], i: i64, j: i64, k: i64) -> i64:
    a = keys[order[i]]
    b = keys[order[j]]
    c = keys[order[k]]
    if a < b:
        if b < c:
            return j
        return k if a < c else i
    if b > c:
        return j
    return i if a < c else k
