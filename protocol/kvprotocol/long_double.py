"""Sums of decimal texts in x87 extended precision, as INCRBYFLOAT and HINCRBYFLOAT add them.

Redis parses, adds and prints with C's `long double` (64-bit mantissa on x86-64) and `%.17Lf`; a Python
float would print 0.1 + 0.2 otherwise. A value is a pair (mantissa, exponent), value = m * 2**e with
|m| < 2**64; every step rounds half to even, in plain integers.
"""

import re
from typing import Final

from kvprotocol.numbers import parse_float

_MANTISSA_BITS: Final = 64
_EXPONENT_MAX: Final = 16384
_DECIMAL: Final = re.compile(rb"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")


def add_decimals(first: bytes, second: bytes) -> bytes | None:
    """Return the sum of two valid float texts as Redis stores it; None for NaN or infinity."""
    a = _parse(first)
    b = _parse(second)
    if a is None or b is None:
        return None
    exponent = min(a[1], b[1])
    total = (a[0] << (a[1] - exponent)) + (b[0] << (b[1] - exponent))
    if exponent >= 0:
        rounded = _round(total << exponent, 1)
    else:
        rounded = _round(total, 1 << -exponent)
    return None if rounded is None else _print(rounded)


def _parse(text: bytes) -> tuple[int, int] | None:
    match = _DECIMAL.fullmatch(text)
    if match is None:  # hexadecimal or an infinity
        value = parse_float(text)
        if value is None or value - value != 0.0:
            return None
        numerator, denominator = value.as_integer_ratio()
        return _round(numerator, denominator)
    sign, whole, fraction, power = match.groups(b"")
    exponent = int(power or b"0") - len(fraction)
    digits = int(whole + fraction or b"0")
    if exponent > 5000 or exponent < -10000:
        return None if digits and exponent > 0 else (0, 0)
    if sign == b"-":
        digits = -digits
    return _round(digits * 10**exponent, 1) if exponent >= 0 else _round(digits, 10**-exponent)


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
    text = b"%d" % whole
    if fraction:
        text += b"." + (b"%017d" % fraction).rstrip(b"0")
    return b"-" + text if mantissa < 0 and units else text
