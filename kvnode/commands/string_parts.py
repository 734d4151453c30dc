"""String commands that work on parts of a string: APPEND, the range commands, LCS."""

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer
from kvnode.context import Context
from kvnode.datatypes.strings import length as string_length
from kvnode.datatypes.strings import mutable, stored_form, text_or_empty
from kvnode.structures.subsequence import longest_common
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Pairs, Reply


def _check_length(ctx: Context, size: int) -> None:
    # As Python integers: an offset and a length together may pass 64 bits.
    if size > int(ctx.node.settings.proto_max_bulk_len):
        raise ReplyError(errors.STRING_TOO_LONG)


@command(
    "APPEND",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW insert"),),
    group="string",
    acl="string",
    since="2.0.0",
    complexity="O(1) amortised, for a short appended value",
    summary="Append to a key's string value, or set it.",
    syntax="key:k#0 value",
)
def append(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    stored = keyspace.for_write(argv[1])
    if stored is None:
        keyspace.put(argv[1], stored_form(argv[2]))
        size = len(argv[2])
    else:
        size = int(string_length(stored)) + len(argv[2])
        _check_length(ctx, size)
        value = mutable(stored)
        value.data += argv[2]
        value.measure()
        keyspace.store(argv[1], value)
    keyspace.changed(argv[1], b"append")
    return size


@command(
    "SETRANGE",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW update"),),
    group="string",
    acl="string",
    since="2.2.0",
    complexity="O(N) with N bytes written",
    summary="Overwrite part of a key's string value, padding with zero bytes.",
    syntax="key:k#0 offset:i value",
    idempotent=True,
)
def setrange(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    offset = integer(argv[2])
    if offset < 0:
        raise ReplyError(errors.OFFSET_OUT_OF_RANGE)
    stored = keyspace.for_write(argv[1])
    size = int(string_length(stored))
    if not argv[3]:
        return size
    _check_length(ctx, offset + len(argv[3]))
    value = mutable(stored)
    value.grow(offset)
    value.data[offset : offset + len(argv[3])] = argv[3]
    value.measure()
    keyspace.store(argv[1], value)
    keyspace.changed(argv[1], b"setrange")
    return len(value.data)


@command(
    "GETRANGE",
    arity=4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="string",
    acl="string",
    since="2.4.0",
    complexity="O(N) with N bytes returned",
    summary="Return part of a key's string value.",
    syntax="key:k#0 start:i end:i",
)
def getrange(ctx: Context, argv: list[bytes]) -> Reply:
    start = integer(argv[2])
    stop = integer(argv[3])
    value = text_or_empty(ctx.keyspace.read(argv[1]))
    if start < 0 and stop < 0 and start > stop:
        return b""
    start = max(start + len(value), 0) if start < 0 else start
    stop = max(stop + len(value), 0) if stop < 0 else min(stop, len(value) - 1)
    return value[start : stop + 1] if start <= stop else b""


@command(
    "SUBSTR",
    arity=4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(N) with N bytes returned",
    summary="Return part of a key's string value (the former name of GETRANGE).",
    syntax="key:k#0 start:i end:i",
    replaced_by="`GETRANGE`",
    deprecated_since="2.0.0",
)
def substr(ctx: Context, argv: list[bytes]) -> Reply:
    return getrange(ctx, argv)


@command(
    "LCS",
    arity=-3,
    flags=READONLY,
    keys=(key(1, 2, 1, "RO access"),),
    group="string",
    acl="string",
    since="7.0.0",
    complexity="O(N*M) with strings of N and M bytes",
    summary="Return the longest common subsequence of two strings.",
    syntax="key1:k#0 key2:k#0 [LEN] [IDX] [MINMATCHLEN len:i] [WITHMATCHLEN]",
)
def lcs(ctx: Context, argv: list[bytes]) -> Reply:
    first = ctx.keyspace.read(argv[1])
    second = ctx.keyspace.read(argv[2])
    try:
        a = text_or_empty(first)
        b = text_or_empty(second)
    except ReplyError:
        raise ReplyError("ERR The specified keys must contain string values") from None
    wants_length = False
    wants_ranges = False
    with_length = False
    shortest = 0
    i = 3
    while i < len(argv):
        word = argv[i].upper()
        if word == b"IDX":
            wants_ranges = True
        elif word == b"LEN":
            wants_length = True
        elif word == b"WITHMATCHLEN":
            with_length = True
        elif word == b"MINMATCHLEN" and i + 1 < len(argv):
            i += 1
            shortest = max(integer(argv[i]), 0)
        else:
            raise ReplyError(errors.SYNTAX)
        i += 1
    if wants_length and wants_ranges:
        raise ReplyError("ERR If you want both the length and indexes, please just use IDX.")
    if (len(a) + 1) * (len(b) + 1) * 4 > ctx.node.settings.proto_max_bulk_len:
        raise ReplyError(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
        )
    found = longest_common(a, b)
    total = sum([int(match.size) for match in found])
    if wants_length:
        return total
    if not wants_ranges:
        return b"".join([a[match.first : match.first + match.size] for match in reversed(found)])
    matches: list[Reply] = []
    for match in found:
        if match.size >= shortest:
            row: list[Reply] = [_range(match.first, match.size), _range(match.second, match.size)]
            if with_length:
                row.append(int(match.size))
            matches.append(row)
    return Pairs([b"matches", matches, b"len", total])


def _range(start: i64, size: i64) -> Reply:
    """Return the first and the last position of a run."""
    return [int(start), int(start + size - 1)]
