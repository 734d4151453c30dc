"""The commands on strings as arrays of bits, but for BITFIELD."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer
from kvnode.context import Context
from kvnode.datatypes.strings import computed_form, mutable, text_or_empty
from kvnode.structures.bit_strings import AND, NOT, OR, XOR, combine, count_ones, first_bit
from kvnode.structures.mutable_string import MutableString
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, parse_int
from kvprotocol.replies import Reply

_BIT_OFFSET: Final = "ERR bit offset is not an integer or out of range"
_BIT_VALUE: Final = "ERR bit is not an integer or out of range"
_OPERATIONS: Final = {b"AND": AND, b"OR": OR, b"XOR": XOR, b"NOT": NOT}


def bit_offset(ctx: Context, text: bytes, width: int = 0) -> int:
    """Return a bit offset; with a field's `width`, `#n` is the n-th field of that width."""
    plain = _plain_offset(text)
    return int(plain) if plain >= 0 else _any_offset(ctx, text, width)


def _plain_offset(text: bytes) -> i64:
    """Return an offset of up to six digits, which no limit forbids, else -1."""
    length: i64 = len(text)
    if length == 0 or length > 6 or (text[0] == 48 and length > 1):
        return -1
    offset: i64 = 0
    i: i64 = 0
    while i < length:
        digit: i64 = text[i] - 48
        if digit < 0 or digit > 9:
            return -1
        offset = offset * 10 + digit
        i += 1
    return offset


def _any_offset(ctx: Context, text: bytes, width: int) -> int:
    counts_fields = width > 0 and text[:1] == b"#"
    offset = parse_int(text[1:] if counts_fields else text)
    if offset is None:
        raise ReplyError(_BIT_OFFSET)
    if counts_fields:
        offset = (offset * width + I64_MAX + 1) % (1 << 64) - I64_MAX - 1  # as 64 bits wrap around
    if offset < 0 or offset >> 3 >= int(ctx.node.settings.proto_max_bulk_len):
        raise ReplyError(_BIT_OFFSET)
    return offset


def bytes_of(stored: object) -> bytes | bytearray:
    """Return a stored string to be looked at, not kept; empty for an absent one."""
    return stored.data if isinstance(stored, MutableString) else text_or_empty(stored)


@command(
    "SETBIT",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW access update"),),
    group="bitmap",
    acl="bitmap",
    since="2.2.0",
    complexity="O(1)",
    summary="Set or clear one bit of a string, padding with zero bytes; return what it was.",
    syntax="key:k#0 offset:i value:i",
)
def setbit(ctx: Context, argv: list[bytes]) -> Reply:
    offset: i64 = bit_offset(ctx, argv[2])
    word = argv[3]
    if len(word) != 1 or word[0] & 0xFE != 48:
        raise ReplyError(_BIT_VALUE)
    wanted: i64 = word[0] & 1
    name = argv[1]
    keyspace = ctx.keyspace
    stored = keyspace.for_write(name)
    value = mutable(stored)
    index = offset >> 3
    grew = value.grow(index + 1)
    data = value.data
    byte: i64 = data[index]
    shift = 7 - (offset & 7)
    before = (byte >> shift) & 1
    if before != wanted:
        data[index] = int(byte + ((wanted - before) << shift))
    elif not grew:
        if value is not stored:
            keyspace.store(name, value)  # as in Redis, it has no longer the encoding of an integer
        return int(before)
    value.measure()
    keyspace.store(name, value)
    keyspace.changed(name, b"setbit")
    return int(before)


@command(
    "GETBIT",
    arity=3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="bitmap",
    acl="bitmap",
    since="2.2.0",
    complexity="O(1)",
    summary="Return one bit of a string; 0 beyond its end.",
    syntax="key:k#0 offset:i",
)
def getbit(ctx: Context, argv: list[bytes]) -> Reply:
    offset = _plain_offset(argv[2])
    if offset < 0:
        offset = _any_offset(ctx, argv[2], 0)
    stored = ctx.keyspace.read(argv[1])
    index = offset >> 3
    byte: i64 = 0
    if isinstance(stored, MutableString):
        data = stored.data
        if index < len(data):
            byte = data[index]
    elif stored is not None:
        value = text_or_empty(stored)
        if index < len(value):
            byte = value[index]
    return 1 if (byte >> (7 - (offset & 7))) & 1 else 0


def _unit_is_bit(word: bytes) -> bool:
    word = word.upper()
    if word == b"BIT":
        return True
    if word != b"BYTE":
        raise ReplyError(errors.SYNTAX)
    return False


def _clamped(start: int, end: int, length: int) -> tuple[i64, i64]:
    """Return the first and the last position that two positions (negative: from the end) mean."""
    if start < 0:
        start = max(start + length, 0)
    if end < 0:
        end = max(end + length, 0)
    end = min(end, length - 1)
    return (i64(start), i64(end)) if start <= end else (0, -1)


@command(
    "BITCOUNT",
    arity=-2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="bitmap",
    acl="bitmap",
    since="2.6.0",
    complexity="O(N) with N bytes looked at",
    summary="Return the number of set bits in a string or in a part of it.",
    syntax="key:k#0 [index=(start:i end:i [index_unit=<BYTE|BIT>@7.0.0])]",
)
def bitcount(ctx: Context, argv: list[bytes]) -> Reply:
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return 0
    data = bytes_of(stored)
    if len(argv) == 2:
        return int(count_ones(data, 0, len(data)))
    if len(argv) == 3 or len(argv) > 5:
        raise ReplyError(errors.SYNTAX)
    start = integer(argv[2])
    end = integer(argv[3])
    if start < 0 and end < 0 and start > end:
        return 0
    if len(argv) == 5 and _unit_is_bit(argv[4]):
        first, last = _clamped(start, end, len(data) * 8)
        return int(_ones_in_bits(data, first, last)) if first <= last else 0
    first, last = _clamped(start, end, len(data))
    return int(count_ones(data, first, last + 1))


def _ones_in_bits(data: bytes | bytearray, first: i64, last: i64) -> i64:
    """Return the number of set bits from bit `first` to bit `last`."""
    total = count_ones(data, first >> 3, (last >> 3) + 1)
    byte: i64 = data[first >> 3]
    total -= int(byte >> (8 - (first & 7))).bit_count()
    byte = data[last >> 3]
    return total - int(byte & (127 >> (last & 7))).bit_count()


@command(
    "BITPOS",
    arity=-3,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="bitmap",
    acl="bitmap",
    since="2.8.7",
    complexity="O(N) with N bytes looked at",
    summary="Return the position of the first set or clear bit in a string or in a part of it.",
    syntax="key:k#0 bit:i [index=(start:i [end_index=(end:i [index_unit=<BYTE|BIT>@7.0.0])])]",
)
def bitpos(ctx: Context, argv: list[bytes]) -> Reply:
    bit = integer(argv[2])
    if bit != 0 and bit != 1:
        raise ReplyError("ERR The bit argument must be 1 or 0.")
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return -1 if bit else 0
    data = bytes_of(stored)
    if len(argv) > 6:
        raise ReplyError(errors.SYNTAX)
    start = 0
    end = -1
    by_bit = False
    if len(argv) > 3:
        start = integer(argv[3])
        by_bit = len(argv) == 6 and _unit_is_bit(argv[5])
        if len(argv) > 4:
            end = integer(argv[4])
    length = len(data) * 8
    first, last = _clamped(start, end, length if by_bit else len(data))
    if first > last:
        return -1
    if not by_bit:
        first <<= 3
        last = (last << 3) + 7
    found = _first_bit_between(data, bit, first, last)
    if found < 0 and bit == 0 and len(argv) < 5:
        return length  # without an end, the string counts as followed by zeros
    return int(found)


def _first_bit_between(data: bytes | bytearray, bit: i64, first: i64, last: i64) -> i64:
    """Return the position of the first `bit` from bit `first` to bit `last`, or -1."""
    while first & 7:
        if first > last:
            return -1
        byte: i64 = data[first >> 3]
        if (byte >> (7 - (first & 7))) & 1 == bit:
            return first
        first += 1
    found = first_bit(data, bit, first >> 3, (last >> 3) + 1)
    return found if found <= last else -1


@command(
    "BITOP",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=(key(2, 2, 1, "OW update"), key(3, -1, 1, "RO access")),
    group="bitmap",
    acl="bitmap",
    since="2.6.0",
    complexity="O(N) with N bytes in all",
    summary="Join the bits of strings by AND, OR or XOR, or invert one, and store the result.",
    syntax="operation destkey:k#0 key:k#1 ...",
)
def bitop(ctx: Context, argv: list[bytes]) -> Reply:
    operation = _OPERATIONS.get(argv[1].upper())
    if operation is None:
        raise ReplyError(errors.SYNTAX)
    if operation == NOT and len(argv) != 4:
        raise ReplyError("ERR BITOP NOT must be called with a single source key.")
    keyspace = ctx.keyspace
    sources: list[bytes | bytearray] = []
    size: i64 = 0
    i: i64 = 3
    while i < len(argv):
        data = bytes_of(keyspace.read(argv[i]))
        sources.append(data)
        if len(data) > size:
            size = len(data)
        i += 1
    name = argv[2]
    if size > 0:
        keyspace.put(name, computed_form(combine(operation, sources, size)))
        keyspace.changed(name, b"set")
    elif keyspace.remove(name):
        keyspace.changed(name, b"del")
    return int(size)
