"""Sums of decimal texts in x87 extended precision, as INCRBYFLOAT and HINCRBYFLOAT add them.

Redis parses, adds and prints with C's `long double` (64-bit mantissa on x86-64) and `%.17Lf`; a
Python float would print 0.1 + 0.2 otherwise. A value is a pair (mantissa, exponent), m * 2**e with
|m| < 2**64; every step rounds half to even, in plain integers.
"""

import re
from typing import Final

_MANTISSA_BITS: Final = 64
_EXPONENT_MAX: Final = 16384
_EXPONENT_MIN: Final = -16445  # of the smallest denormal
_TEXT_BYTES_MAX: Final = 5120
_DIGITS_AT_ONCE: Final = 4000
_SCALE_AT_ONCE: Final = 10**_DIGITS_AT_ONCE
_DECIMAL: Final = re.compile(rb"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")
_INFINITIES: Final = (b"inf", b"+inf", b"-inf", b"infinity", b"+infinity", b"-infinity")
_HEXADECIMAL: Final = re.compile(
    rb"([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?[0-9]+))?"
)


class LongDouble:
    """A value m * 2**e; an infinity has no mantissa that counts."""

    def __init__(self, mantissa: int, exponent: int, infinite: bool = False) -> None:
        self.mantissa = mantissa
        self.exponent = exponent
        self.infinite = infinite


def parse_long_double(text: bytes) -> LongDouble | None:
    """Return the value of a float text; None for no float, NaN, and what has no representation."""
    if not text or len(text) >= _TEXT_BYTES_MAX:
        return None
    pair = _parse(text)
    if pair is not None:
        return LongDouble(pair[0], pair[1])
    if text.lower() in _INFINITIES:
        return LongDouble(0, 0, True)
    return None


def add(first: LongDouble, second: LongDouble) -> bytes | None:
    """Return the sum as Redis stores it; None when it is infinite."""
    if first.infinite or second.infinite:
        return None
    a = (first.mantissa, first.exponent)
    b = (second.mantissa, second.exponent)
    exponent = min(a[1], b[1])
    total = (a[0] << (a[1] - exponent)) + (b[0] << (b[1] - exponent))
    if exponent >= 0:
        rounded = _round(total << exponent, 1)
    else:
        rounded = _round(total, 1 << -exponent)
    return None if rounded is None else _print(rounded)


def _parse(text: bytes) -> tuple[int, int] | None:
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return _parse_hexadecimal(text)
    sign, whole, fraction, power = match.groups(b"")
    if not whole and not fraction:
        return None
    exponent = _integer(power) - len(fraction)
    digits = _integer(whole + fraction)
    if digits == 0:
        return 0, 0
    if exponent > 5000 or exponent < -10000:
        return None
    if sign == b"-":
        digits = -digits
    rounded = _round(digits * 10**exponent, 1) if exponent >= 0 else _round(digits, 10**-exponent)
    return None if rounded is None or _underflows(rounded) else rounded


def _integer(text: bytes) -> int:
    """Return the integer that a text of digits spells; Python alone refuses 4,300 and more."""
    if len(text) <= _DIGITS_AT_ONCE:
        return int(text or b"0")
    if text[0] in b"+-":
        value = _integer(text[1:])
        return -value if text[0] == 45 else value
    return _integer(text[:-_DIGITS_AT_ONCE]) * _SCALE_AT_ONCE + int(text[-_DIGITS_AT_ONCE:])


def _parse_hexadecimal(text: bytes) -> tuple[int, int] | None:
    match = _HEXADECIMAL.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction, power = match.groups(b"")
    if not whole and not fraction:
        return None
    digits = int(whole + fraction, 16)
    exponent = _integer(power) - 4 * len(fraction)
    if digits == 0:
        return 0, 0
    if exponent > 20000 or exponent < -50000:
        return None
    if sign == b"-":
        digits = -digits
    rounded = _round(digits << max(exponent, 0), 1 << max(-exponent, 0))
    return None if rounded is None or _underflows(rounded) else rounded


def _underflows(value: tuple[int, int]) -> bool:
    """Return whether a value is at most half of the smallest denormal, and so becomes zero."""
    mantissa, exponent = value
    top = exponent + _MANTISSA_BITS
    return top < _EXPONENT_MIN or (top == _EXPONENT_MIN and abs(mantissa).bit_count() == 1)


def _round(numerator: int, denominator: int) -> tuple[int, int] | None:
    """Return the nearest representable value to a fraction; None past the largest one."""
    magnitude = abs(numerator)
    if magnitude == 0:
        return 0, 0
    exponent = magnitude.bit_length() - denominator.bit_length() - _MANTISSA_BITS
    mantissa = _divide(magnitude, denominator, exponent)
    if mantissa.bit_length() > _MANTISSA_BITS:
        exponent += 1
        mantissa = _divide(magnitude, denominator, exponent)
    if exponent + _MANTISSA_BITS > _EXPONENT_MAX:
        return None
    return (mantissa if numerator > 0 else -mantissa), exponent


def _divide(numerator: int, denominator: int, exponent: int) -> int:
    """Return numerator / denominator / 2**exponent, rounded half to even."""
    if exponent < 0:
        numerator <<= -exponent
    else:
        denominator <<= exponent
    quotient, rest = divmod(numerator, denominator)
    twice = rest * 2
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def _print(value: tuple[int, int]) -> bytes:
    """Return `%.17Lf` without the zeros behind."""
    mantissa, exponent = value
    scaled = abs(mantissa) * 10**17
    units = scaled << exponent if exponent >= 0 else _divide(scaled, 1, -exponent)
    whole, fraction = divmod(units, 10**17)
    upper, lower = divmod(whole, _SCALE_AT_ONCE)
    text = b"%d%04000d" % (upper, lower) if upper else b"%d" % lower
    if fraction:
        text += b"." + (b"%017d" % fraction).rstrip(b"0")
    return b"-" + text if mantissa < 0 and units else text
