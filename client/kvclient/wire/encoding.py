"""Python values as the arguments of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from mypy_extensions import i64

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


def sizes_of(argvs: Sequence[tuple[object, ...]]) -> list[int]:
    """Return how many bytes the words of each request have; ArgumentError as `as_wire`."""
    sizes: list[int] = []
    for argv in argvs:
        size: i64 = 0
        for argument in argv:
            size += len(as_wire(argument))
        sizes.append(size)
    return sizes
