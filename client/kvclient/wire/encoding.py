"""Python values as the arguments of a request."""

from __future__ import annotations

from typing import Final, TypeAlias

from kvclient.errors import ArgumentError

Argument: TypeAlias = str | bytes | int | float | bytearray | memoryview
"""What a key, a value or a word of a request may be; text is sent as UTF-8."""

_ALLOWED: Final = "str, bytes, bytearray, memoryview, int or float"


def as_wire(argument: object) -> bytes:
    """Return the bytes that stand for `argument`; ArgumentError where nothing stands for it.

    A bool and None are refused: whoever reads the value back would find the text "True" or "None".
    """
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        try:
            return argument.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(f"{argument!r} is not valid UTF-8 text: {error}") from None
    if isinstance(argument, bool):
        raise ArgumentError(f"an argument is a bool ({argument}); send 1 or 0, or a text")
    if isinstance(argument, int):
        return b"%d" % argument
    if isinstance(argument, float):
        return repr(argument).encode()
    if isinstance(argument, (bytearray, memoryview)):
        return bytes(argument)
    raise ArgumentError(f"an argument is of type {type(argument).__name__}, must be {_ALLOWED}")
