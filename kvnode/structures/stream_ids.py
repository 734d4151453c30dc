"""The ids of stream entries: two unsigned 64-bit numbers, `ms-seq`.

Here each half is a signed i64 that is 2**63 less than the number it stands for, so that comparing
the signed halves is comparing the ids, and 0-0 is (LOWEST, LOWEST).
"""

from typing import Final

from librt.strings import BytesWriter
from mypy_extensions import i64

LOWEST: Final = -(2**63)
HIGHEST: Final = 2**63 - 1
_UNSIGNED_MAX: Final = 2**64 - 1
_TEXT_BYTES_MAX: Final = 127

# What a text is.
INVALID: Final = 0
COMPLETE: Final = 1
ANY_SEQUENCE: Final = 2  # `ms-*`
EXTREME: Final = 3  # `-` or `+`

_HEADS: Final[list[bytes]] = [b"$%d\r\n" % n for n in range(64)]
# A number is written three digits at a time.
_SHORT: Final[list[bytes]] = [b"%d" % n for n in range(1000)]
_PADDED: Final[list[bytes]] = [b"%03d" % n for n in range(1000)]


def biased(number: int) -> i64:
    """Return an unsigned 64-bit number as a half of an id."""
    return i64(number + LOWEST)


def number_of(half: i64) -> int:
    """Return the unsigned number that a half of an id stands for."""
    return int(half) - LOWEST


def parse(text: bytes, missing_sequence: i64) -> tuple[i64, i64, i64]:
    """Return what a text is, and the two halves of the id in it.

    `missing_sequence` stands for the sequence where the text is a time alone.
    """
    size: i64 = len(text)
    value: i64 = 0
    ms: i64 = 0
    begin: i64 = 0
    i: i64 = 0
    while i < size:
        digit: i64 = text[i]
        if digit == 0x2D and begin == 0 and i > 0:
            ms = value
            value = 0
            begin = i + 1
        else:
            digit -= 0x30
            # More digits could be beyond 63 bits.
            if digit < 0 or digit > 9 or i - begin >= 18:
                return _parse_slowly(text, missing_sequence)
            value = value * 10 + digit
        i += 1
    if i == begin:
        return _parse_slowly(text, missing_sequence)
    if begin == 0:
        return COMPLETE, value + LOWEST, missing_sequence
    return COMPLETE, ms + LOWEST, value + LOWEST


def _parse_slowly(text: bytes, missing_sequence: i64) -> tuple[i64, i64, i64]:
    """As `parse`, for what is not two short runs of digits: C's strings end at a NUL."""
    if len(text) > _TEXT_BYTES_MAX:
        return INVALID, 0, 0
    text = text.partition(b"\0")[0]
    if text == b"-":
        return EXTREME, LOWEST, LOWEST
    if text == b"+":
        return EXTREME, HIGHEST, HIGHEST
    time, dash, sequence = text.partition(b"-")
    ms = _unsigned(time)
    if ms < 0:
        return INVALID, 0, 0
    if not dash:
        return COMPLETE, biased(ms), missing_sequence
    if sequence == b"*":
        return ANY_SEQUENCE, biased(ms), LOWEST
    seq = _unsigned(sequence)
    if seq < 0:
        return INVALID, 0, 0
    return COMPLETE, biased(ms), biased(seq)


def _unsigned(text: bytes) -> int:
    """Return the unsigned number in a text as C's strtoull reads it, -1 where there is none.

    A minus is refused in canonical numbers only; elsewhere strtoull counts down from 2**64.
    """
    digits = text.lstrip(b" \t\n\v\f\r")
    negative = digits[:1] == b"-"
    if digits[:1] in (b"-", b"+"):
        digits = digits[1:]
    if not digits.isdigit():
        return -1
    value = int(digits)
    if value > _UNSIGNED_MAX:
        return -1
    if not negative:
        return value
    if text == b"-%d" % value and 0 < value <= 2**63:
        return -1
    return (2**64 - value) & _UNSIGNED_MAX


def is_before(ms: i64, seq: i64, other_ms: i64, other_seq: i64) -> bool:
    """Say whether the first id is smaller than the second."""
    return ms < other_ms or (ms == other_ms and seq < other_seq)


def following(ms: i64, seq: i64) -> tuple[i64, i64]:
    """Return the next id; of the highest one the lowest."""
    if seq != HIGHEST:
        return ms, seq + 1
    if ms != HIGHEST:
        return ms + 1, LOWEST
    return LOWEST, LOWEST


def preceding(ms: i64, seq: i64) -> tuple[i64, i64]:
    """Return the id before; of the lowest one the highest."""
    if seq != LOWEST:
        return ms, seq - 1
    if ms != LOWEST:
        return ms - 1, HIGHEST
    return HIGHEST, HIGHEST


def difference(a: i64, b: i64) -> i64:
    """Return a - b in 64 bits, wrapped around."""
    if (a < 0) == (b < 0):
        return a - b
    return wrapped(int(a) - int(b))


def total(a: i64, b: i64) -> i64:
    """Return a + b in 64 bits, wrapped around."""
    if (a < 0) != (b < 0):
        return a + b
    return wrapped(int(a) + int(b))


def wrapped(value: int) -> i64:
    """Return the signed 64-bit number with the low 64 bits of `value`."""
    value &= _UNSIGNED_MAX
    if value > HIGHEST:
        value -= 2**64
    return i64(value)


def _write_number(out: BytesWriter, value: i64) -> None:
    """Append a number that is not negative."""
    if value < 1000:
        out.write(_SHORT[value])
        return
    thousands = value // 1000
    _write_number(out, thousands)
    out.write(_PADDED[value - thousands * 1000])


def _write_half(out: BytesWriter, half: i64) -> None:
    if half < 0:
        _write_number(out, half - LOWEST)
    else:
        out.write(b"%d" % number_of(half))


def text_of(ms: i64, seq: i64) -> bytes:
    """Return an id's text, `ms-seq`."""
    out = BytesWriter()
    _write_half(out, ms)
    out.append(0x2D)
    _write_half(out, seq)
    return out.getvalue()


def _digits(value: i64) -> i64:
    """Return how many digits a number that is not negative has."""
    if value < 10:
        return 1
    if 1000000000000 <= value < 10000000000000:  # a time of today
        return 13
    count: i64 = 2
    power: i64 = 100
    while value >= power and count < 19:
        count += 1
        power = power * 10 if count < 19 else power
    return count


def write_bulk_id(out: BytesWriter, ms: i64, seq: i64) -> None:
    """Append an id as a bulk string."""
    if ms < 0 and seq < 0:
        time = ms - LOWEST
        sequence = seq - LOWEST
        out.write(_HEADS[_digits(time) + _digits(sequence) + 1])
        _write_number(out, time)
        out.append(0x2D)
        _write_number(out, sequence)
    else:
        text = text_of(ms, seq)
        out.write(_HEADS[len(text)])
        out.write(text)
    out.write(b"\r\n")
