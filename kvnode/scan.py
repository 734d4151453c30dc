"""Cursors and options of SCAN, SSCAN, HSCAN and ZSCAN."""

from typing import Final, final

from mypy_extensions import i64

from kvnode.globs import matches
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, parse_int
from kvprotocol.replies import Reply

_COUNT_DEFAULT: Final = 10
_U64_MAX: Final = 2**64 - 1


@final
class ScanOptions:
    """MATCH, COUNT and TYPE of one call; `match` is None where every element matches."""

    def __init__(self, match: bytes | None, count: i64, type: bytes | None) -> None:
        self.match = match
        self.count: i64 = count
        self.type = type


def parse_cursor(text: bytes) -> int:
    """Return the unsigned 64-bit cursor that `text` spells, read as C's strtoul reads it.

    So an empty text is 0, a sign is allowed, and a minus counts down from 2**64.
    """
    text = text.partition(b"\x00")[0]
    if not text:
        return 0
    digits = text[1:] if text[0] == 43 or text[0] == 45 else text
    if not digits.isdigit():
        raise ReplyError(errors.INVALID_CURSOR)
    if len(digits) > 20:
        digits = digits.lstrip(b"0")
        if len(digits) > 20:
            raise ReplyError(errors.INVALID_CURSOR)
    value = int(digits or b"0")
    if value > _U64_MAX:
        raise ReplyError(errors.INVALID_CURSOR)
    return (_U64_MAX + 1 - value) & _U64_MAX if text[0] == 45 else value


def read_scan_options(argv: list[bytes], start: int, allows_type: bool) -> ScanOptions:
    """Read the options from argv[start] on; TYPE is SCAN's alone."""
    options = ScanOptions(None, _COUNT_DEFAULT, None)
    for i in range(start, len(argv), 2):
        word = argv[i].upper()
        if i + 1 == len(argv):
            raise ReplyError(errors.SYNTAX)
        if word == b"COUNT":
            count = parse_int(argv[i + 1])
            if count is None:
                raise ReplyError(errors.NOT_AN_INTEGER)
            if count < 1:
                raise ReplyError(errors.SYNTAX)
            options.count = i64(count)
        elif word == b"MATCH":
            options.match = None if argv[i + 1] == b"*" else argv[i + 1]
        elif word == b"TYPE" and allows_type:
            options.type = argv[i + 1]
        else:
            raise ReplyError(errors.SYNTAX)
    return options


def place(cursor: int) -> i64:
    """Return where in a container a cursor stands; one that nobody gave out begins anew."""
    return i64(cursor) if cursor <= I64_MAX else 0


def page_of_pairs(following: i64, flat: list[bytes], options: ScanOptions) -> Reply:
    """Return the reply of HSCAN and ZSCAN: the next cursor, and the pairs whose first one matches.

    `flat` holds field, value, field, value...
    """
    pattern = options.match
    if pattern is None:
        return [b"%d" % following, flat]
    kept: list[bytes] = []
    count: i64 = len(flat)
    i: i64 = 0
    while i < count:
        if matches(pattern, flat[i]):
            kept.append(flat[i])
            kept.append(flat[i + 1])
        i += 2
    return [b"%d" % following, kept]
