"""Integers and floats as Redis reads and prints them.

Redis accepts an integer only in its canonical text (no sign but a minus, no leading zero, no
space), and prints a double with up to 17 significant digits (`%.17g`), in integer form where it is
one.
"""

import math
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

I64_MIN: Final = -(2**63)
I64_MAX: Final = 2**63 - 1
_UNDERSCORE: Final = 95
_PLAIN_DIGITS: Final = 15
_TENS: Final = vec[float]([float(10**n) for n in range(_PLAIN_DIGITS + 1)])
_NAN: Final = float("nan")


def parse_int(text: bytes) -> int | None:
    """Return the canonical signed 64-bit integer that `text` spells, else None."""
    length: i64 = len(text)
    if length == 0 or length > 20:
        return None
    i: i64 = 0
    negative = text[0] == 45  # "-"
    if negative:
        i = 1
        if length == 1:
            return None
    first = text[i]
    if first == 48:  # "0"
        return 0 if length == 1 else None
    value: i64 = 0
    if length - i <= 18:
        while i < length:
            digit: i64 = text[i] - 48
            if digit < 0 or digit > 9:
                return None
            value = value * 10 + digit
            i += 1
        return -value if negative else value
    return _parse_long(text, i)


def _parse_long(text: bytes, start: i64) -> int | None:
    """Return the value of a text with 19 digits or more, which may not fit 64 bits."""
    if not text[start:].isdigit():
        return None
    value = int(text)
    return value if I64_MIN <= value <= I64_MAX else None


def parse_float(text: bytes) -> float | None:
    """Return the float that `text` spells, else None: not NaN, nothing that no double comes near.

    So 1e400 and 1e-400 are refused, as Redis does for scores, weights and coordinates.
    """
    value = parse_as_strtod(text)
    if value is not None and (value == 0.0 or value - value != 0.0) and not _is_exact(text, value):
        return None
    return value


def parse_as_strtod(text: bytes) -> float | None:
    """Return the float that the whole of `text` spells, without NaN; too large is infinite."""
    if not text:
        return None
    plain = _plain_decimal(text)
    if plain == plain:
        return plain
    first = text[0]
    if first in b" \t\n\v\f\r" or text[-1] in b" \t\n\v\f\r" or _UNDERSCORE in text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = _parse_hex_float(text)
    return None if math.isnan(value) else value


def _plain_decimal(text: bytes) -> float:
    """Return the value of at most 15 digits, with a minus and a point perhaps; NaN for others.

    So many digits are a double exactly, and so is the power of ten: their quotient is rounded once,
    as the C library rounds. It takes a twentieth of the time of `float(text)`.
    """
    length: i64 = len(text)
    i: i64 = 1 if text[0] == 45 else 0  # "-"
    digits: i64 = 0
    decimals: i64 = -1
    number: i64 = 0
    if length > _PLAIN_DIGITS + 2:
        return _NAN
    while i < length:
        digit: i64 = text[i] - 48
        if 0 <= digit <= 9:
            number = number * 10 + digit
            digits += 1
            if decimals >= 0:
                decimals += 1
        elif digit == -2 and decimals < 0:  # "."
            decimals = 0
        else:
            return _NAN
        i += 1
    if digits == 0 or digits > _PLAIN_DIGITS:
        return _NAN
    value = float(number)
    if decimals > 0:
        value /= _TENS[decimals]
    return -value if text[0] == 45 else value


def _is_exact(text: bytes, value: float) -> bool:
    """Return whether a zero or an infinity is what the text says."""
    text = text.lower()
    if value != 0.0:
        return b"n" in text  # of all that is read as infinite only "inf" has this letter
    digits = text.partition(b"p" if b"x" in text else b"e")[0]
    return not digits.strip(b"+-0x.")


def _parse_hex_float(text: bytes) -> float:
    """Return the value of a C hexadecimal float (`0x1p3`), NaN where it is none."""
    body = text[1:] if text[0] in b"+-" else text
    if body[:2].lower() != b"0x":
        return math.nan
    try:
        return float.fromhex(text.decode("ascii"))
    except (ValueError, OverflowError, UnicodeDecodeError):
        return math.nan


def leading_integer(text: bytes) -> int:
    """Return the number that a text begins with, 0 where it does not; as C's atoi reads it."""
    stripped = text.lstrip(b" \t\n\v\f\r")
    end = 1 if stripped[:1] in (b"+", b"-") else 0
    while end < len(stripped) and 48 <= stripped[end] <= 57:
        end += 1
    digits = stripped[:end]
    return int(digits) if digits.lstrip(b"+-") else 0


def format_double(value: float) -> bytes:
    """Return `value` as Redis 7.0 prints a double: integer form where exact, else `%.17g`."""
    if value != value:
        return b"nan"
    if value == math.inf:
        return b"inf"
    if value == -math.inf:
        return b"-inf"
    if -4503599627370496.0 < value < 4503599627370496.0 and value == int(value):
        if value == 0.0:
            return b"-0" if math.copysign(1.0, value) < 0 else b"0"
        return b"%d" % int(value)
    return b"%.17g" % value
