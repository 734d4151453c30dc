"""Reading of arguments: numbers, timeouts, limits, each with the error that Redis gives."""

from typing import Final

from mypy_extensions import i64

from kvnode.context import Context
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, parse_as_strtod, parse_float, parse_int

_TIMEOUT_SECONDS_MAX: Final = 9223372036854775.0


def integer(text: bytes, message: str = errors.NOT_AN_INTEGER) -> int:
    """Return a signed 64-bit integer argument."""
    value = parse_int(text)
    if value is None:
        raise ReplyError(message)
    return value


def integer_in(text: bytes, low: int, high: int, message: str = "") -> int:
    """Return an integer argument between two bounds."""
    value = parse_int(text)
    if value is None or value < low or value > high:
        if message:
            raise ReplyError(message)
        if value is None:
            raise ReplyError(errors.NOT_AN_INTEGER)
        raise ReplyError(f"ERR value is out of range, value must between {low} and {high}")
    return value


def not_negative(text: bytes, message: str = errors.MUST_BE_POSITIVE) -> int:
    """Return a count that is zero or more."""
    value = parse_int(text)
    if value is None or value < 0:
        raise ReplyError(message)
    return value


def double(text: bytes, message: str = errors.NOT_A_FLOAT) -> float:
    """Return a float argument; NaN is refused, and what no double can come near."""
    value = parse_float(text)
    if value is None:
        raise ReplyError(message)
    return value


def deadline_of_timeout(ctx: Context, text: bytes) -> i64:
    """Return when a blocking command's timeout in seconds ends, in ms; 0 for never."""
    seconds = parse_as_strtod(text)
    if seconds is None:
        raise ReplyError(errors.TIMEOUT_NOT_FLOAT)
    # A number of milliseconds beyond 64 bits comes out negative in Redis 7.0.
    if seconds >= _TIMEOUT_SECONDS_MAX or seconds * 1000.0 <= -1.0:
        raise ReplyError(errors.TIMEOUT_NEGATIVE)
    milliseconds = int(seconds * 1000.0)
    if milliseconds < seconds * 1000.0:
        milliseconds += 1
    if milliseconds == 0 or milliseconds + int(ctx.now_ms) > I64_MAX:
        return 0
    return i64(milliseconds) + ctx.now_ms


def deadline(ctx: Context, text: bytes, unit_ms: int, is_absolute: bool, name: str) -> i64:
    """Return the deadline in ms that an expire argument means; refuses what SET and GETEX refuse.

    `unit_ms` is 1000 for seconds and 1 for milliseconds.
    """
    value = integer(text)
    if value <= 0:
        raise ReplyError(errors.INVALID_EXPIRE % name)
    value *= unit_ms
    if not is_absolute:
        value += int(ctx.now_ms)
    if value > I64_MAX:
        raise ReplyError(errors.INVALID_EXPIRE % name)
    return i64(value)


def check_argc(argv: list[bytes], argc_max: int) -> None:
    """Refuse more words than a subcommand without a fixed arity takes."""
    if len(argv) > argc_max:
        raise ReplyError(errors.wrong_subcommand(argv))


def switch(word: bytes) -> bool:
    """Read ON or OFF."""
    lower = word.lower()
    if lower != b"on" and lower != b"off":
        raise ReplyError(errors.SYNTAX)
    return lower == b"on"
