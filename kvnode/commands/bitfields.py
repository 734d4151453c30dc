"""BITFIELD: a string as an array of integers of any width, signed or not."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer
from kvnode.commands.bitmaps import bit_offset, bytes_of
from kvnode.context import Context
from kvnode.datatypes.strings import mutable
from kvnode.structures.bit_strings import read_bits, write_bits
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, parse_int
from kvprotocol.replies import Reply

_GET: Final = 0
_SET: Final = 1
_INCRBY: Final = 2

_WRAP: Final = 0
_SATURATE: Final = 1
_FAIL: Final = 2
_OVERFLOWS: Final = {b"WRAP": _WRAP, b"SAT": _SATURATE, b"FAIL": _FAIL}

_SIGNED: Final = 105  # "i"
_UNSIGNED: Final = 117  # "u"

_FIELD_TYPE: Final = (
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64"
    " is."
)


@final
@mypyc_attr(acyclic=True)
class _Operation:
    """One GET, SET or INCRBY; `argument` is the value or the increment."""

    def __init__(self, kind: int, overflow: int) -> None:
        self.kind = kind
        self.overflow = overflow
        self.signed = False
        self.bits = 0
        self.offset = 0
        self.argument = 0

    def read_place(self, ctx: Context, field_type: bytes, offset: bytes) -> None:
        """Take the field's type, such as `i16`, and its place."""
        mark = field_type[0] if field_type else 0
        self.signed = mark == _SIGNED
        bits = _width(field_type)
        if (mark != _SIGNED and mark != _UNSIGNED) or bits < 1 or bits > 63 + self.signed:
            raise ReplyError(_FIELD_TYPE)
        self.bits = bits
        self.offset = bit_offset(ctx, offset, bits)

    def value(self, data: bytes | bytearray) -> int:
        """Return the number in the field; it is zero beyond the end of `data`."""
        number = read_bits(data, self.offset, self.bits)
        if self.signed and number >> (self.bits - 1):
            number -= 1 << self.bits
        return number

    def limited(self, total: int, start: int) -> int | None:
        """Return what the field gets for `total`; None where it fails.

        `start` is the value that an increment led from, or that is set.
        """
        low = -(1 << (self.bits - 1)) if self.signed else 0
        high = (1 << (self.bits - 1 if self.signed else self.bits)) - 1
        if low <= total <= high:
            return total
        if self.overflow == _FAIL:
            return None
        if self.overflow == _WRAP:
            return (total - low) % (1 << self.bits) + low
        if not self.signed and self.kind == _SET:
            return high  # Redis sets an unsigned field from the number's 64 bits, so -1 is large
        if self.signed and self.bits < 64 and high - start > I64_MAX:
            return high  # the room above a number near -2^63 wraps around in Redis
        return high if total > high else low


def _width(field_type: bytes) -> int:
    """Return the number behind the first letter of a type, 0 for what is none."""
    if len(field_type) == 2 and 49 <= field_type[1] <= 57:
        return field_type[1] - 48
    if len(field_type) == 3 and 49 <= field_type[1] <= 57 and 48 <= field_type[2] <= 57:
        return field_type[1] * 10 + field_type[2] - 528
    bits = parse_int(field_type[1:].partition(b"\0")[0])
    return 0 if bits is None else bits


def _kind(word: bytes) -> int:
    """Return what a word asks for, -1 if it is no operation."""
    if word == b"GET":
        return _GET
    if word == b"SET":
        return _SET
    if word == b"INCRBY":
        return _INCRBY
    return -1


def _read_operations(ctx: Context, argv: list[bytes]) -> list[_Operation]:
    operations: list[_Operation] = []
    overflow = _WRAP
    count = len(argv)
    i = 2
    while i < count:
        kind = _kind(argv[i])
        if kind < 0:
            kind = _kind(argv[i].upper())
        left = count - i - 1
        if kind < 0 and left >= 1 and argv[i].upper() == b"OVERFLOW":
            chosen = _OVERFLOWS.get(argv[i + 1].upper())
            if chosen is None:
                raise ReplyError("ERR Invalid OVERFLOW type specified")
            overflow = chosen
            i += 2
            continue
        if kind < 0 or left < (2 if kind == _GET else 3):
            raise ReplyError(errors.SYNTAX)
        operation = _Operation(kind, overflow)
        operation.read_place(ctx, argv[i + 1], argv[i + 2])
        i += 3
        if operation.kind != _GET:
            operation.argument = integer(argv[i])
            i += 1
        operations.append(operation)
    return operations


def _only_reads(operations: list[_Operation]) -> bool:
    for operation in operations:
        if operation.kind != _GET:
            return False
    return True


def _answer_reads(ctx: Context, name: bytes, operations: list[_Operation]) -> Reply:
    data = bytes_of(ctx.keyspace.read(name))
    values: list[Reply] = []
    for operation in operations:
        values.append(operation.value(data))
    return values


@command(
    "BITFIELD",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW access update variable_flags"),),
    group="bitmap",
    acl="bitmap",
    since="3.2.0",
    complexity="O(N) with N operations",
    summary="Read, set and increase integers of any width in a string.",
    syntax="key:k#0 [operation=<GET encoding_offset=(encoding offset:i)|write=([OVERFLOW "
    "wrap_sat_fail=<WRAP|SAT|FAIL>] write_operation=<SET encoding_offset_value=(encoding offset:i "
    "value:i)|INCRBY encoding_offset_increment=(encoding offset:i increment:i)>)> ...]",
)
def bitfield(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    operations = _read_operations(ctx, argv)
    if _only_reads(operations):
        return _answer_reads(ctx, name, operations)
    last_bit = 0
    for operation in operations:
        if operation.kind != _GET:
            last_bit = max(last_bit, operation.offset + operation.bits - 1)
    keyspace = ctx.keyspace
    stored = keyspace.for_write(name)
    value = mutable(stored)
    grew = value.grow((last_bit >> 3) + 1)
    data = value.data
    values: list[Reply] = []
    changes = 0
    for operation in operations:
        before = operation.value(data)
        if operation.kind == _GET:
            values.append(before)
            continue
        start = before if operation.kind == _INCRBY else operation.argument
        total = start + operation.argument if operation.kind == _INCRBY else start
        after = operation.limited(total, start)
        if after is None:
            values.append(None)
            continue
        values.append(after if operation.kind == _INCRBY else before)
        write_bits(data, operation.offset, operation.bits, after)
        if grew or after != before:
            changes += 1
    if grew or changes or value is not stored:
        value.measure()
        keyspace.store(name, value)
    if grew or changes:
        if changes:
            keyspace.changed(name, b"setbit", changes)
        else:
            keyspace.noted(name, b"", 0)  # all failed: Redis lengthens the string and tells nobody
    return values


@command(
    "BITFIELD_RO",
    arity=-2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="bitmap",
    acl="bitmap",
    since="6.0.0",
    complexity="O(N) with N operations",
    summary="Read integers of any width in a string.",
    syntax="key:k#0 [GET encoding_offset=(encoding offset:i) ...+]",
)
def bitfield_ro(ctx: Context, argv: list[bytes]) -> Reply:
    operations = _read_operations(ctx, argv)
    if not _only_reads(operations):
        raise ReplyError("ERR BITFIELD_RO only supports the GET subcommand")
    return _answer_reads(ctx, argv[1], operations)
