"""The stored forms of strings, and the only place that makes them.

`int` for a canonical 64-bit integer, so that INCR neither parses nor prints; `bytes` otherwise.
Bytes that begin like a packed collection's tag are kept in a `MutableString`, and so is a string
that was appended to.
"""

from typing import Final

from mypy_extensions import i64

from kvnode.datatypes.tags import TAG_MAX, TAG_MIN
from kvnode.structures.mutable_string import MutableString
from kvprotocol.errors import WrongType
from kvprotocol.numbers import parse_int

_EMBEDDED_MAX: Final = 44  # up to this length Redis keeps a string inside its object


def stored_form(value: bytes) -> object:
    """Return the form in which the string `value` is stored."""
    length: i64 = len(value)
    if length == 0:
        return value
    first: i64 = value[0]
    if length <= 20 and first <= 57:  # "9": the digits and the minus are below
        number = parse_int(value)
        if number is not None:
            return number
    if first >= TAG_MIN and first <= TAG_MAX:
        return MutableString(value, False)
    return value


def computed_form(value: bytes) -> object:
    """Return the form of a string that a command made, which Redis calls raw whatever its size."""
    if len(value) > _EMBEDDED_MAX and not (value[0] >= TAG_MIN and value[0] <= TAG_MAX):
        return value
    return MutableString(value, True)


def text(stored: object) -> bytes | None:
    """Return the string in a stored form, None for an absent one; raises WrongType."""
    if isinstance(stored, bytes):
        if len(stored) > 0 and stored[0] >= TAG_MIN and stored[0] <= TAG_MAX:
            raise WrongType()
        return stored
    if stored is None:
        return None
    if isinstance(stored, int):
        return str(stored).encode()
    if isinstance(stored, MutableString):
        return bytes(stored.data)
    raise WrongType()


def text_or_empty(stored: object) -> bytes:
    """Return the string in a stored form, empty for an absent one; raises WrongType."""
    value = text(stored)
    return b"" if value is None else value


def mutable(stored: object) -> MutableString:
    """Return a stored string, empty for an absent one, in the form that changes in place."""
    if isinstance(stored, MutableString):
        stored.changed = True
        return stored
    return MutableString(text_or_empty(stored), True)


def is_string(stored: object) -> bool:
    """Return whether a stored form is a string's."""
    if isinstance(stored, bytes):
        return not (len(stored) > 0 and stored[0] >= TAG_MIN and stored[0] <= TAG_MAX)
    return isinstance(stored, (int, MutableString))


def length(stored: object) -> i64:
    """Return the length in bytes of the string in a stored form; raises WrongType."""
    if isinstance(stored, MutableString):
        return len(stored.data)
    value = text(stored)
    return len(value) if value is not None else 0


def encoding(stored: object) -> bytes:
    """Return what OBJECT ENCODING says of a string."""
    if isinstance(stored, int):
        return b"int"
    if isinstance(stored, MutableString):
        return b"raw" if stored.changed or len(stored.data) > _EMBEDDED_MAX else b"embstr"
    assert isinstance(stored, bytes)
    return b"raw" if len(stored) > _EMBEDDED_MAX else b"embstr"
