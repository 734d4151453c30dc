"""Replies as Lua values, as Redis converts them: under RESP2 or, after redis.setresp(3), RESP3.

| reply | Lua |
|---|---|
| bulk string, integer | string, number |
| nil | `false` under RESP2, `nil` under RESP3 |
| status, error | `{ok = text}`, `{err = text}` |
| array | a table from 1 on |
| map, set, double, big number, verbatim string under RESP3 | `{map = ...}`, `{set = ...}`, ... |

What goes to Lua is pushed outside of Lua's protected mode, where a failing allocation ends the
process. So the room for it is made sure of before, by an estimate that is never too small.
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign
from typing import Any, Final, final

from librt.strings import read_i32_le
from mypy_extensions import i64

from kvprotocol.errors import ReplyError
from kvprotocol.numbers import format_double
from kvprotocol.replies import (
    NIL_ARRAY,
    OK,
    BigNumber,
    DoubleText,
    EncodedArray,
    ErrorReply,
    Members,
    Pairs,
    Prepared,
    Push,
    Reply,
    Rows,
    Simple,
    Table,
    Verbatim,
    WithAttribute,
)

_ITEM_BYTES: Final = 120  # a slot in a table that is growing, and a string's header
UNCHECKED_BYTES: Final = 1 << 20  # always free beyond the limit, see LuaEngine
_FILLED_MAX: Final = 200  # items of an array that are passed in a row
_DIGITS: Final = [b"%d" % n for n in range(1000)]
_INTEGER: Final = 58  # ":"
_STATUS: Final = 43  # "+"
_BULK: Final = 36  # "$"


@final
class LuaValues:
    """Turns the replies of one Lua state's calls into values for it."""

    def __init__(self, make_table: Callable[..., Any], has_room: Callable[[int], bool]) -> None:
        self._make_table = make_table
        self._has_room = has_room
        self.protocol: i64 = 2
        self.may_call = True  # functions of Lua while a script runs
        self._bytes: i64 = 0
        self._renew_ok: Any = None
        self._fill_array: Any = None
        self._array: object = None  # the table that `_fill_array` filled
        self._oks: list[object] = []  # tables of the status OK that nobody has yet
        self._oks_used: i64 = 0

    def hold(self, hold: Any, renew_ok: Any, fill_array: Any) -> None:
        """Take over the tables whose content Lua renews."""
        tables = hold()
        hold(*tables)
        self._array = tables[0]
        self._oks = list(tables[1:])
        self._renew_ok = renew_ok
        self._fill_array = fill_array

    def begin(self) -> None:
        """Prepare for a script."""
        self.protocol = 2
        if self._oks_used * 2 > len(self._oks):
            self._renew_ok()
            self._oks_used = 0

    def value(self, reply: Reply) -> object:
        """Return a reply as a Lua value. MemoryError: it does not fit."""
        self._bytes = 0
        if isinstance(reply, EncodedArray):
            return self._array_of(bulk_strings(reply))
        if isinstance(reply, list):
            return self._array_of(reply)
        if self.protocol == 2:
            if isinstance(reply, Pairs):
                assert isinstance(reply.items, list)
                return self._array_of(reply.items)
            if isinstance(reply, Members):
                assert isinstance(reply.items, list)
                return self._array_of(reply.items)
        return self._value(reply)

    def _array_of(self, items: list[Reply]) -> object:
        """Return the table of an array that stands in no other."""
        if not self.may_call or len(items) > _FILLED_MAX:
            return self._table(items)
        size: i64 = 0
        for item in items:
            if not isinstance(item, bytes):
                return self._table(items)
            size += len(item) + 2 * _ITEM_BYTES
        self._take(size)
        self._fill_array(*items)
        return self._array

    def ok(self) -> object:
        """Return the table of the status OK, which is most statuses."""
        if self._oks_used == len(self._oks):
            if not self.may_call:
                return self.status(b"OK")
            self._renew_ok()
            self._oks_used = 0
        table = self._oks[self._oks_used]
        self._oks_used += 1
        return table

    def status(self, text: bytes) -> object:
        """Return the table of a status reply."""
        return self._make_table({b"ok": text})

    def error(self, message: str, was_counted: bool) -> object:
        """Return the table of an error; `was_counted`: errorstats has it already."""
        fields: dict[bytes, object] = {b"err": message.encode("utf-8", "surrogateescape")}
        if was_counted:
            fields[b"ignore_error_stats_update"] = True
        return self._make_table(fields)

    def _take(self, size: i64) -> None:
        self._bytes += size
        if self._bytes > UNCHECKED_BYTES and not self._has_room(int(self._bytes)):
            raise MemoryError

    def _value(self, reply: Reply) -> object:
        if isinstance(reply, bytes):
            self._take(len(reply) + _ITEM_BYTES)
            return reply
        if isinstance(reply, bool):
            if self.protocol == 3:
                return reply
            return 1 if reply else 0
        if isinstance(reply, int):
            return reply
        if reply is None:
            return None if self.protocol == 3 else False
        if isinstance(reply, Prepared):
            return self._prepared(reply)
        if isinstance(reply, list):
            return self._table(reply)
        if isinstance(reply, EncodedArray):
            return self._table(bulk_strings(reply))
        return self._rare(reply)

    def _rare(self, reply: Reply) -> object:
        is_resp3 = self.protocol == 3
        if isinstance(reply, float):
            return self._make_table({b"double": reply}) if is_resp3 else format_double(reply)
        if isinstance(reply, DoubleText):
            return self._make_table({b"double": float(reply.text)}) if is_resp3 else reply.text
        if isinstance(reply, Simple):
            return self.status(reply.text)
        if isinstance(reply, ErrorReply):
            return self.error(reply.message, False)
        if isinstance(reply, Pairs):
            assert isinstance(reply.items, list)
            return self._map(reply.items) if is_resp3 else self._table(reply.items)
        if isinstance(reply, Members):
            assert isinstance(reply.items, list)
            return self._set(reply.items) if is_resp3 else self._table(reply.items)
        if isinstance(reply, Rows):
            if not is_resp3:
                return self._table(reply.items)
            return self._pairs(reply.items)
        if isinstance(reply, Table):
            return self._map(reply.items) if is_resp3 else self._pairs(reply.items)
        if isinstance(reply, dict):
            flat: list[Reply] = []
            for key, item in reply.items():
                flat.append(key)
                flat.append(item)
            return self._map(flat) if is_resp3 else self._table(flat)
        if isinstance(reply, (set, frozenset)):
            return self._set(list(reply)) if is_resp3 else self._table(list(reply))
        if isinstance(reply, Verbatim):
            if not is_resp3:
                return self._value(reply.text)
            parts = {b"string": reply.text, b"format": reply.form}
            return self._make_table({b"verbatim_string": self._make_table(parts)})
        if isinstance(reply, BigNumber):
            return self._make_table({b"big_number": reply.text}) if is_resp3 else reply.text
        if isinstance(reply, Push):
            return self._table(reply.items)
        if isinstance(reply, WithAttribute):
            return self._value(reply.reply)
        if isinstance(reply, bytearray):
            return self._value(bytes(reply))
        raise TypeError(f"not a reply value: {type(reply).__name__}")

    def _pairs(self, items: list[Reply]) -> object:
        rows: list[Reply] = []
        for i in range(0, len(items), 2):
            rows.append(items[i : i + 2])
        return self._table(rows)

    def _prepared(self, reply: Prepared) -> object:
        if reply is OK:
            return self.ok()
        wire = reply.resp3 if self.protocol == 3 else reply.resp2
        if wire[0] == _STATUS:
            return self.status(wire[1:-2])
        if wire[0] == _INTEGER:
            return int(wire[1:-2])
        return None if self.protocol == 3 else False  # a nil

    def _table(self, items: list[Reply]) -> object:
        values: list[object] = []
        for item in items:
            values.append(self._value(item))
        self._take(len(values) * _ITEM_BYTES)
        return self._make_table(values)

    def _map(self, items: list[Reply]) -> object:
        fields: dict[object, object] = {}
        for i in range(0, len(items) - 1, 2):
            fields[self._value(items[i])] = self._value(items[i + 1])
        self._take(len(items) * _ITEM_BYTES)
        return self._make_table({b"map": self._make_table(fields)})

    def _set(self, items: list[Reply]) -> object:
        fields: dict[object, object] = {}
        for item in items:
            fields[self._value(item)] = True
        self._take(len(items) * _ITEM_BYTES)
        return self._make_table({b"set": self._make_table(fields)})


def bulk_strings(reply: EncodedArray) -> list[Reply]:
    """Return the elements of an array that is in wire form: bulk strings, and arrays of such."""
    items: list[Reply] = []
    wire = b"".join(reply.chunks)
    place: i64 = 0
    end: i64 = len(wire)
    length: i64
    while place + 4 <= end:
        # Almost all are bulk strings with a length of one or two digits.
        word = i64(read_i32_le(wire, place))
        if word & 255 != _BULK:
            place = _read_element(wire, place, items)
            continue
        if (word >> 16) & 255 == 13:
            length = ((word >> 8) & 255) - 48
            place += 4
        elif (word >> 24) & 255 == 13:
            length = ((word >> 8) & 255) * 10 + ((word >> 16) & 255) - 528
            place += 5
        else:
            place = _read_element(wire, place, items)
            continue
        items.append(wire[place : place + length])
        place += length + 2
    if place < end:
        place = _read_element(wire, place, items)
    return items


def _read_element(wire: bytes, place: i64, items: list[Reply]) -> i64:
    """Append the element at a place to `items`; return where the next one begins."""
    is_array = wire[place] == 42  # *
    if wire[place] == 95:  # _, RESP3's nil
        items.append(None)
        return place + 3
    place += 1
    if wire[place] == 45:  # *-1, of an entry that is no longer in its stream
        items.append(NIL_ARRAY)
        return place + 4
    length: i64 = 0
    while wire[place] != 13:
        length = length * 10 + wire[place] - 48
        place += 1
    place += 2
    if not is_array:
        items.append(wire[place : place + length])
        return place + length + 2
    inner: list[Reply] = []
    while length > 0:
        place = _read_element(wire, place, inner)
        length -= 1
    items.append(inner)
    return place


def arguments(values: tuple[object, ...]) -> list[bytes]:
    """Return what a script passes to redis.call as an argv. ReplyError: Redis does not take it."""
    argv: list[bytes] = []
    for value in values:
        if isinstance(value, bytes):
            argv.append(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            argv.append(number_text(value))
        else:
            raise ReplyError("ERR Lua redis lib command arguments must be strings or integers")
    if not argv:
        raise ReplyError("ERR Please specify at least one argument for this redis lib call")
    return argv


def number_text(value: float) -> bytes:
    """Return a Lua number as C's %.17g prints it."""
    if isinstance(value, int):
        if 0 <= value < 1000:
            return _DIGITS[value]
        if -(10**17) < value < 10**17:
            return b"%d" % value
    if value != value:
        return b"-nan" if copysign(1.0, value) < 0.0 else b"nan"
    return b"%.17g" % value
