"""Results made of replies: RESP2 and RESP3 say the same in different forms, results are equal.

A shape takes a reply as hiredis parsed it, RESP3's maps as dict, doubles as float, sets as lists;
RESP2 has flat lists and texts in their place. Texts are bytes or str, as the connection decodes.
What has its final form already is returned as it is. TypeError, ValueError and KeyError say that a
reply does not fit; the connection makes a ProtocolError of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from kvclient.results import CommonRun, CommonSubsequence, Info, Place, SlowCommand

R = TypeVar("R")


def misfit(wanted: str, reply: object) -> TypeError:
    """Return the error that says what was expected."""
    return TypeError(f"expected {wanted}, got {reply!r}"[:200])


def _list(reply: Any) -> list[Any]:
    if type(reply) is list:
        return reply
    raise misfit("a list", reply)


def _by_twos(reply: Any) -> list[tuple[Any, Any]]:
    items = _list(reply)
    if len(items) % 2:
        raise misfit("pairs", reply)
    walk = iter(items)
    return list(zip(walk, walk))


# Statuses and numbers


def done(reply: Any) -> bool:
    """OK is True; there is no other reply than an error."""
    if reply == b"OK" or reply == "OK":
        return True
    raise misfit("OK", reply)


def accepted(reply: Any) -> bool:
    """OK is True, nil is False: a condition of the command did not hold."""
    return reply is not None and done(reply)


def flag(reply: Any) -> bool:
    """1 is True, 0 is False."""
    if reply == 1:
        return True
    if reply == 0:
        return False
    raise misfit("0 or 1", reply)


def flags(reply: Any) -> list[bool]:
    """Ones and zeros as bools."""
    return [flag(item) for item in _list(reply)]


def number(reply: Any) -> float:
    """A floating-point number."""
    if type(reply) is float:
        return reply
    if reply is None:
        raise misfit("a number", reply)
    return float(reply)


def optional_number(reply: Any) -> float | None:
    """A floating-point number, or None."""
    return None if reply is None else float(reply)


def optional_numbers(reply: Any) -> list[float | None]:
    """Floating-point numbers and Nones."""
    return [None if item is None else float(item) for item in _list(reply)]


def integer_text(reply: Any) -> int:
    """An integer that is sent as a text: a cursor."""
    return int(reply)


def time_parts(reply: Any) -> tuple[int, int]:
    """Seconds and microseconds."""
    seconds, microseconds = _list(reply)
    return int(seconds), int(microseconds)


# Texts that are str in every client: what the server says of itself


def text(reply: Any) -> str:
    """A text."""
    if type(reply) is str:
        return reply
    if type(reply) is bytes:
        return reply.decode()
    raise misfit("a text", reply)


def optional_text(reply: Any) -> str | None:
    """A text, or None."""
    return None if reply is None else text(reply)


def texts(reply: Any) -> list[str]:
    """Texts."""
    return [text(item) for item in _list(reply)]


def optional_texts(reply: Any) -> list[str | None]:
    """Texts and Nones."""
    return [optional_text(item) for item in _list(reply)]


def text_mapping(reply: Any) -> dict[str, str]:
    """A dict of texts."""
    return {text(name): text(value) for name, value in mapping(reply).items()}


# Collections


def items(reply: Any) -> list[Any]:
    """A list; nil is an empty one."""
    return [] if reply is None else _list(reply)


def members(reply: Any) -> set[Any]:
    """A set; nil is an empty one."""
    return set() if reply is None else set(_list(reply))


def mapping(reply: Any) -> dict[Any, Any]:
    """A dict."""
    return reply if type(reply) is dict else dict(_by_twos(reply))


def pairs(reply: Any) -> list[tuple[Any, Any]]:
    """Pairs, which may repeat and have an order; nil is none."""
    if not reply:
        return items(reply)
    if type(reply[0]) is list:
        return [(first, second) for first, second in reply]
    return _by_twos(reply)


def scored(reply: Any) -> list[tuple[Any, float]]:
    """Members with their scores, in order; nil is none."""
    return [(member, number(score)) for member, score in pairs(reply)]


def optional_pair(reply: Any) -> tuple[Any, Any] | None:
    """Two values, or None."""
    if reply is None:
        return None
    first, second = _list(reply)
    return first, second


def taken_scored(reply: Any) -> tuple[Any, Any, float] | None:
    """A key, a member of its sorted set and the score, or None."""
    if reply is None:
        return None
    key, member, score = _list(reply)
    return key, member, number(score)


def taken_several_scored(reply: Any) -> tuple[Any, list[tuple[Any, float]]] | None:
    """A key and members of its sorted set with their scores, or None."""
    if reply is None:
        return None
    key, taken = _list(reply)
    return key, scored(taken)


# Walks


def _page(reply: Any, shape: Callable[[Any], R]) -> tuple[int, R]:
    cursor, page = _list(reply)
    return int(cursor), shape(page)


def page(reply: Any) -> tuple[int, list[Any]]:
    """A cursor and elements."""
    return _page(reply, _list)


def mapping_page(reply: Any) -> tuple[int, dict[Any, Any]]:
    """A cursor and fields with their values."""
    return _page(reply, mapping)


def scored_page(reply: Any) -> tuple[int, list[tuple[Any, float]]]:
    """A cursor and members with their scores."""
    return _page(reply, scored)


# Geo


def _position(reply: Any) -> tuple[float, float]:
    longitude, latitude = _list(reply)
    return number(longitude), number(latitude)


def positions(reply: Any) -> list[tuple[float, float] | None]:
    """Longitudes and latitudes; None where the member does not exist."""
    return [None if item is None else _position(item) for item in _list(reply)]


def places(distance: bool, hashed: bool, position: bool) -> Callable[[Any], list[Place[Any]]]:
    """Return the shape of a search that asked for these parts; the server sends them in order."""
    size = 1 + distance + hashed + position

    def place(row: Any) -> Place[Any]:
        if len(row) != size:
            raise misfit(f"a member and {size - 1} more", row)
        return Place(
            row[0],
            number(row[1]) if distance else None,
            int(row[1 + distance]) if hashed else None,
            _position(row[-1]) if position else None,
        )

    def found(reply: Any) -> list[Place[Any]]:
        rows = _list(reply)
        return [place(row) for row in (rows if size > 1 else zip(rows))]

    return found


# Strings


def _bounds(reply: Any) -> tuple[int, int]:
    first, last = _list(reply)
    return int(first), int(last)


def _run(row: Any) -> CommonRun:
    first, second, *length = _list(row)
    return CommonRun(_bounds(first), _bounds(second), length[0] if length else None)


def common_subsequence(reply: Any) -> CommonSubsequence:
    """LCS IDX: the matching runs and the length."""
    named = described(reply)
    return CommonSubsequence([_run(row) for row in _list(named["matches"])], int(named["len"]))


# What the server says of itself


def described(reply: Any) -> dict[str, Any]:
    """Fields by their names; their values as they came."""
    return {text(name): value for name, value in mapping(reply).items()}


# What else has an equals sign is a path.
_PART_NAME: Final = re.compile(r"[\w.-]+")


def _plain(value: str) -> int | float | str:
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        # Digits that int() or float() would not give back are an id or a version, no number.
        if str(number) == value or (kind is float and "." in value and value[-1:].isdigit()):
            return number
    return value


def _info_value(value: str) -> int | float | str | dict[str, int | float | str]:
    if "=" not in value:
        return _plain(value)
    parts = [part.partition("=") for part in value.split(",")]
    if not all(equals and _PART_NAME.fullmatch(name) for name, equals, _ in parts):
        return value
    return {name: _plain(part) for name, _, part in parts}


def info(reply: Any) -> Info:
    """INFO's lines by their names; the headings of its sections are left out."""
    rows = (row.partition(":") for row in text(reply).splitlines() if row and row[0] != "#")
    return {name: _info_value(value) for name, _, value in rows}


def _fields(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in line.split(" "))}


def client_line(reply: Any) -> dict[str, str]:
    """One line of CLIENT LIST."""
    return _fields(text(reply).strip())


def client_lines(reply: Any) -> list[dict[str, str]]:
    """CLIENT LIST."""
    return [_fields(line) for line in text(reply).splitlines() if line]


def _slow_command(row: Any) -> SlowCommand[Any]:
    number, time, duration, argv, address, name, *_ = _list(row)
    return SlowCommand(number, time, duration, _list(argv), text(address), text(name))


def slow_commands(reply: Any) -> list[SlowCommand[Any]]:
    """SLOWLOG GET."""
    return [_slow_command(row) for row in _list(reply)]


def pong(reply: Any) -> bool:
    """PONG is True; there is no other reply than an error."""
    if reply == b"PONG" or reply == "PONG":
        return True
    raise misfit("PONG", reply)


def _library(row: Any) -> dict[str, Any]:
    named = described(row)
    named["functions"] = [described(function) for function in _list(named["functions"])]
    return named


def libraries(reply: Any) -> list[dict[str, Any]]:
    """FUNCTION LIST."""
    return [_library(row) for row in _list(reply)]
