"""What the values of options may be: read from the text of a URL, checked as Python values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple


class Kind(NamedTuple):
    """A kind of values: what is allowed in words, how a text is read, and what fits.

    `read` raises ValueError for a text that is none.
    """

    allowed: str
    read: Callable[[str], Any]
    fits: Callable[[Any], bool]


def choice(*words: str) -> Kind:
    """Return the kind of one of the words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return Kind(
        f"one of {', '.join(words)}", read, lambda value: isinstance(value, str) and value in words
    )


def whole_number(least: int, most: int) -> Kind:
    """Return the kind of whole numbers between two, both included."""

    def fits(value: Any) -> bool:
        return type(value) is int and least <= value <= most

    return _checked(f"a whole number from {least} to {most}", _whole, fits)


def seconds() -> Kind:
    """Return the kind of times, above zero."""

    def fits(value: Any) -> bool:
        return type(value) in (int, float) and 0 < value < math.inf

    return _checked("seconds, more than 0", float, fits)


def or_off(kind: Kind) -> Kind:
    """Return the kind that is also `off`, which is None."""

    def read(text: str) -> Any:
        return None if text == "off" else kind.read(text)

    return Kind(f"{kind.allowed}, or off (None)", read, kind.fits)


def _checked(allowed: str, read: Callable[[str], Any], fits: Callable[[Any], bool]) -> Kind:
    """Return a kind that reads only what fits."""

    def read_and_check(text: str) -> Any:
        value = read(text)
        if not fits(value):
            raise ValueError(text)
        return value

    return Kind(allowed, read_and_check, fits)


def _whole(text: str) -> int:
    """Read digits; int() would also take "1_000", " 1" and digits of other scripts."""
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise ValueError(text)
    return int(text)


def _switch(text: str) -> bool:
    if text not in _SWITCHES:
        raise ValueError(text)
    return _SWITCHES[text]


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})(b|kb|mb|gb)?", text.lower())
    if match is None:
        raise ValueError(text)
    return int(match[1]) * _UNITS[match[2]]


def _weights(text: str) -> tuple[float, ...]:
    return tuple(float(weight) for weight in text.split(","))


def _fits_weights(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        type(weight) in (int, float) and 0 < weight < math.inf for weight in value
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _fits_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[!-~]+", value) is not None


_SWITCHES: Final = {
    **dict.fromkeys(("yes", "true", "on", "1"), True),
    **dict.fromkeys(("no", "false", "off", "0"), False),
}
_UNITS: Final = {None: 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}

TEXT: Final = _checked("a text that is not empty", str, _is_text)
PATH: Final = _checked("a path", str, _is_text)
CLIENT_NAME: Final = _checked("a text of visible ASCII without spaces", str, _fits_name)
SWITCH: Final = Kind("yes or no (True or False)", _switch, lambda value: isinstance(value, bool))
PROTOCOL: Final = _checked("2 or 3", _whole, lambda value: type(value) is int and value in (2, 3))
SIZE: Final = _checked(
    "bytes, more than 0, as 1000000 or 64mb",
    _size,
    lambda value: type(value) is int and value > 0,
)
WEIGHTS: Final = _checked("numbers above 0, as 1,1,2.5", _weights, _fits_weights)
