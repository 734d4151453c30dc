"""The ranges of sorted-set commands: between two scores, or between two members."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from kvprotocol.numbers import parse_as_strtod

_BEFORE_ALL: Final = -1
_AT_MEMBER: Final = 0
_AFTER_ALL: Final = 1


@final
@mypyc_attr(acyclic=True)
class ScoreBound:
    """One end of a score range, such as `1.5`, `(1.5` or `-inf`."""

    score: float
    exclusive: bool

    def __init__(self, score: float, exclusive: bool) -> None:
        self.score = score
        self.exclusive = exclusive


@final
@mypyc_attr(acyclic=True)
class ScoreRange:
    """The scores between two bounds."""

    min: float
    max: float
    min_exclusive: bool
    max_exclusive: bool

    def __init__(self, low: ScoreBound, high: ScoreBound) -> None:
        self.min = low.score
        self.max = high.score
        self.min_exclusive = low.exclusive
        self.max_exclusive = high.exclusive

    def is_empty(self) -> bool:
        """Say whether no score at all can be in the range."""
        if self.min == self.max:
            return self.min_exclusive or self.max_exclusive
        return self.min > self.max


@final
@mypyc_attr(acyclic=True)
class LexBound:
    """One end of a member range: `-`, `+`, `[member` or `(member`."""

    place: i64
    member: bytes
    exclusive: bool

    def __init__(self, place: i64, member: bytes, exclusive: bool) -> None:
        self.place = place
        self.member = member
        self.exclusive = exclusive

    def is_member(self) -> bool:
        """Say whether the bound names a member, rather than an end of all members."""
        return self.place == _AT_MEMBER


@final
@mypyc_attr(acyclic=True)
class LexRange:
    """The members between two bounds; it orders a sorted set only if all its scores are equal."""

    min: LexBound
    max: LexBound

    def __init__(self, low: LexBound, high: LexBound) -> None:
        self.min = low
        self.max = high

    def is_empty(self) -> bool:
        """Say whether no member at all can be in the range."""
        low = self.min
        high = self.max
        if low.place == _BEFORE_ALL:
            return high.place == _BEFORE_ALL
        if high.place == _AFTER_ALL:
            return low.place == _AFTER_ALL
        if low.place == _AFTER_ALL or high.place == _BEFORE_ALL:
            return True
        if low.member == high.member:
            return low.exclusive or high.exclusive
        return low.member > high.member

    def is_below(self, member: bytes) -> bool:
        """Say whether a member comes before the range."""
        bound = self.min
        if bound.place != _AT_MEMBER:
            return bound.place == _AFTER_ALL
        return member <= bound.member if bound.exclusive else member < bound.member

    def is_above(self, member: bytes) -> bool:
        """Say whether a member comes after the range."""
        bound = self.max
        if bound.place != _AT_MEMBER:
            return bound.place == _BEFORE_ALL
        return member >= bound.member if bound.exclusive else member > bound.member


def parse_score_bound(text: bytes) -> ScoreBound | None:
    """Return the bound that `text` spells (`1`, `(1`, `-inf`), else None.

    Redis hands the text to C's strtod, so leading white space passes, nothing at all is zero, and
    a NUL byte ends the number.
    """
    exclusive = text[:1] == b"("
    number = text[1:] if exclusive else text
    score = parse_as_strtod(number)
    if score is None:
        score = _parse_padded(number)
        if score is None:
            return None
    return ScoreBound(score, exclusive)


def _parse_padded(text: bytes) -> float | None:
    nul: i64 = text.find(b"\x00")
    if nul >= 0:
        text = text[:nul]
    if not text:
        return 0.0
    return parse_as_strtod(text.lstrip(b" \t\n\v\f\r"))


def parse_lex_bound(text: bytes) -> LexBound | None:
    """Return the bound that `text` spells (`-`, `+`, `[a`, `(a`), else None."""
    if text == b"-":
        return LexBound(_BEFORE_ALL, b"", False)
    if text == b"+":
        return LexBound(_AFTER_ALL, b"", False)
    kind = text[:1]
    if kind == b"[":
        return LexBound(_AT_MEMBER, text[1:], False)
    if kind == b"(":
        return LexBound(_AT_MEMBER, text[1:], True)
    return None
