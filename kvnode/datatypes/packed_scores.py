"""A small sorted set in one bytes object: its tag, then Redis's listpack of members and scores.

Members and scores alternate in (score, member) order. A score that is an integer of at most 62
bits is an integer entry, any other the text that `%.17g` prints, so DUMP copies these bytes.
Every operation walks from the front: O(n) with n bounded by zset-max-listpack-entries.

Reading a 17-digit text exactly takes float() 400-600 ns. A search needs only comparisons, and an
approximation in 20 ns decides nearly all of them.
"""

import math
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from kvnode.datatypes.score_ranges import LexRange, ScoreRange
from kvnode.datatypes.tags import TAG_ZSET
from kvnode.structures import listpack
from kvprotocol.numbers import format_double

PREFIX: Final = bytes([TAG_ZSET])
EMPTY: Final = PREFIX + listpack.EMPTY
BASE: Final = 1

_TEXT: Final = 0x80  # the lead byte of an empty text; a text's size is added
_TEXT_END: Final = 0xC0
_DIGITS_MAX: Final = 99999999999999999  # one digit more still fits 64 bits
_EXACT_TEXT_MAX: Final = 16
_MARGIN: Final = 1e-14
_INTEGER_SCORE_MAX: Final = 4611686018427387904.0


def is_packed(stored: bytes) -> bool:
    """Say whether a stored bytes object is a packed sorted set."""
    return len(stored) > 0 and stored[0] == TAG_ZSET


def count(data: bytes) -> i64:
    """The number of members."""
    return listpack.count(data, BASE) >> 1


def find(data: bytes, member: bytes) -> i64:
    """The offset of a member's entry, or -1."""
    return listpack.find(data, BASE, member, 1)


def score_at(data: bytes, offset: i64) -> float:
    """The score of the member at an offset."""
    return _read_score(data, listpack.next_entry(data, offset))


def insert(data: bytes, member: bytes, score: float) -> bytes:
    """The bytes with a member that is not there yet."""
    place: i64 = len(data) - 1
    last = listpack.previous_entry(data, BASE, place)
    # Ascending scores, such as times, need no walk.
    if last >= 0 and _compare_score(data, last, score) >= 0:
        place = _place(data, listpack.first(data, BASE), score, member)
    pair = listpack.encode(member) + _score_entry(score)
    return listpack.replace(data, BASE, place, 0, pair, 2)


def set_score(data: bytes, offset: i64, member: bytes, present: float, score: float) -> bytes:
    """The bytes with another score than the present one for the member at an offset."""
    start = offset if score > present else listpack.first(data, BASE)
    place = _place(data, start, score, member)
    score_offset = listpack.next_entry(data, offset)
    entry = _score_entry(score)
    if place == offset or place == listpack.next_entry(data, score_offset):
        return listpack.replace(data, BASE, score_offset, 1, entry, 1)
    pair = data[offset:score_offset] + entry
    # The later place first, so that the earlier offset stays true.
    if place > offset:
        data = listpack.replace(data, BASE, place, 0, pair, 2)
        return listpack.replace(data, BASE, offset, 2, b"", 0)
    data = listpack.replace(data, BASE, offset, 2, b"", 0)
    return listpack.replace(data, BASE, place, 0, pair, 2)


def remove(data: bytes, offset: i64) -> bytes:
    """The bytes without the member at an offset."""
    return listpack.replace(data, BASE, offset, 2, b"", 0)


def remove_range(data: bytes, start: i64, size: i64) -> bytes:
    """The bytes without the members of a range of ranks, which must exist."""
    return listpack.replace(data, BASE, listpack.seek(data, BASE, 2 * start), 2 * size, b"", 0)


def rank(data: bytes, offset: i64) -> i64:
    """The number of members before the one at an offset."""
    at = listpack.first(data, BASE)
    entries: i64 = 0
    while at < offset:
        lead: i64 = data[at]
        if _TEXT <= lead < _TEXT_END:
            at += (lead & 0x3F) + 2
        else:
            at = listpack.next_entry(data, at)
        entries += 1
    return entries >> 1


def slice_ranks(
    data: bytes, start: i64, size: i64, with_scores: bool
) -> tuple[list[bytes], vec[float]]:
    """The members of a range of ranks, which must exist, and their scores if wanted."""
    members: list[bytes] = []
    scores = vec[float]()
    offset = listpack.seek(data, BASE, 2 * start)
    for _ in range(size):
        members.append(listpack.get(data, offset))
        offset = listpack.next_entry(data, offset)
        if with_scores:
            scores = append(scores, _read_score(data, offset))
        offset = listpack.next_entry(data, offset)
    return members, scores


def score_range(data: bytes, bounds: ScoreRange) -> tuple[i64, i64]:
    """The first rank in a score range and the number of members in it."""
    first: i64 = 0
    size: i64 = 0
    offset = listpack.first(data, BASE)
    while not listpack.is_end(data, offset):
        offset = listpack.next_entry(data, offset)
        side = _compare_score(data, offset, bounds.max)
        if side > 0 or (side == 0 and bounds.max_exclusive):
            break
        side = _compare_score(data, offset, bounds.min)
        if side < 0 or (side == 0 and bounds.min_exclusive):
            first += 1
        else:
            size += 1
        offset = listpack.next_entry(data, offset)
    return first, size


def lex_range(data: bytes, bounds: LexRange, reverse: bool) -> tuple[i64, i64]:
    """The first rank of the members in a member range and their number.

    Where scores differ, members are in no order and Redis documents no answer; it finds the run
    that begins at the first member not below the range, or (`reverse`) ends at the last one not
    above it, and nothing if the outermost members lie outside. So does this.
    """
    members: list[bytes] = listpack.entries(data, BASE)[::2]
    end: i64 = len(members)
    if end == 0 or bounds.is_above(members[0]) or bounds.is_below(members[end - 1]):
        return 0, 0
    first: i64 = 0
    if reverse:
        while end > 0 and bounds.is_above(members[end - 1]):
            end -= 1
        first = end
        while first > 0 and not bounds.is_below(members[first - 1]):
            first -= 1
        return first, end - first
    while first < end and bounds.is_below(members[first]):
        first += 1
    end = first
    while end < len(members) and not bounds.is_above(members[end]):
        end += 1
    return first, end - first


def build(members: list[bytes], scores: vec[float]) -> bytes:
    """The packed form of members that are in order already."""
    elements: list[bytes] = []
    i: i64 = 0
    for member in members:
        elements.append(member)
        elements.append(_score_element(scores[i]))
        i += 1
    return listpack.build(PREFIX, elements)


def is_ordered(data: bytes) -> bool:
    """Say whether pairs that came from elsewhere are in order, and the scores as written here."""
    offset = listpack.first(data, BASE)
    before = -math.inf
    earlier: i64 = -1
    while not listpack.is_end(data, offset):
        score_offset = listpack.next_entry(data, offset)
        following = listpack.next_entry(data, score_offset)
        if listpack.is_integer(data, score_offset):
            number = listpack.get_integer(data, score_offset)
            score = float(number)
            if not (_is_integer_score(score) and i64(score) == number):
                return False
        else:
            score = _read_score_or_nan(data, score_offset)
            if score != score or _score_entry(score) != data[score_offset:following]:
                return False
        if score < before:
            return False
        if score == before and earlier >= 0:
            if listpack.get(data, earlier) >= listpack.get(data, offset):
                return False
        before = score
        earlier = offset
        offset = following
    return True


def check(data: bytes) -> None:
    """Assert every invariant. O(n)."""
    assert is_packed(data)
    listpack.validate(data, BASE)
    elements = listpack.entries(data, BASE)
    assert len(elements) % 2 == 0
    members, scores = slice_ranks(data, 0, len(elements) // 2, True)
    assert len(set(members)) == len(members), "a member stands twice"
    pairs = list(zip(scores, members))
    assert pairs == sorted(pairs), "the members are out of order"
    assert build(members, scores) == data, "the entries are not as Redis writes them"


def _place(data: bytes, offset: i64, score: float, member: bytes) -> i64:
    """The offset of the first pair from an offset on that is above (score, member), or the end."""
    while True:
        score_offset = offset
        lead: i64 = data[offset]
        if _TEXT <= lead < _TEXT_END:
            score_offset += (lead & 0x3F) + 2
        elif lead == listpack.END:
            return offset
        else:
            score_offset = listpack.next_entry(data, offset)
        side = _compare_score(data, score_offset, score)
        if side > 0 or (side == 0 and listpack.get(data, offset) > member):
            return offset
        lead = data[score_offset]
        if lead < _TEXT:
            offset = score_offset + 2
        elif lead < _TEXT_END:
            offset = score_offset + (lead & 0x3F) + 2
        else:
            offset = listpack.next_entry(data, score_offset)


def _compare_score(data: bytes, offset: i64, score: float) -> i64:
    """Below, at or above 0 as the score entry at an offset is to the given score."""
    lead: i64 = data[offset]
    if _TEXT <= lead < _TEXT_END:
        near = _decimal(data, offset + 1, lead & 0x3F)
        margin = near * _MARGIN if near >= 0 else -near * _MARGIN
        if near > score + margin:
            return 1
        if near < score - margin:
            return -1
    found = float(lead) if lead < _TEXT else _read_score(data, offset)
    if found > score:
        return 1
    return -1 if found < score else 0


def _read_score(data: bytes, offset: i64) -> float:
    """The exact score in the score entry at an offset."""
    lead: i64 = data[offset]
    if _TEXT <= lead <= _TEXT + _EXACT_TEXT_MAX:
        exact = _decimal(data, offset + 1, lead & 0x3F)
        if exact == exact:
            return exact
    return listpack.get_score(data, offset)


def _read_score_or_nan(data: bytes, offset: i64) -> float:
    """The score in an entry that may hold any text."""
    try:
        return _read_score(data, offset)
    except ValueError:
        return math.nan


def _decimal(data: bytes, at: i64, size: i64) -> float:
    """The number that a text such as `-12.5` spells, or NaN for any other kind of text.

    Exact up to 15 digits, where both the digits and the power of ten are exact doubles and their
    quotient is rounded once. Beyond, the relative error stays below 1e-15.
    """
    end = at + size
    negative = size > 0 and data[at] == 0x2D
    if negative:
        at += 1
    if at == end:
        return math.nan
    digits: i64 = 0
    scale = 1.0
    fraction = False
    while at < end:
        digit: i64 = data[at]
        digit -= 0x30
        if 0 <= digit <= 9 and digits <= _DIGITS_MAX:
            digits = digits * 10 + digit
            if fraction:
                scale *= 10.0
        elif digit == -2 and not fraction:
            fraction = True
        else:
            return math.nan
        at += 1
    value = float(digits) / scale
    return -value if negative else value


def _is_integer_score(score: float) -> bool:
    return -_INTEGER_SCORE_MAX <= score <= _INTEGER_SCORE_MAX and score == float(i64(score))


def _score_entry(score: float) -> bytes:
    if _is_integer_score(score):
        return listpack.encode_integer(i64(score))
    return listpack.encode(format_double(score))


def _score_element(score: float) -> bytes:
    if _is_integer_score(score):
        return b"%d" % int(score)
    return format_double(score)
