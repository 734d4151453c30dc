"""The string commands."""

from typing import Final

from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.long_double import add_decimals
from kvprotocol.numbers import I64_MAX, I64_MIN, parse_float
from kvprotocol.replies import OK, Pairs, Reply
from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import deadline, integer
from kvnode.context import Context
from kvnode.datatypes.strings import length as string_length
from kvnode.datatypes.strings import stored_form, text
from kvnode.structures.mutable_string import MutableString
from kvnode.structures.subsequence import longest_common

_NEVER: Final = -1


def write_text(stored: object) -> bytes:
    """Return the string in a stored form, empty for an absent one; raises WrongType."""
    value = text(stored)
    return b"" if value is None else value


@command(
    "GET",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Return a key's string value.",
    syntax="key:k#0",
)
def get(ctx: Context, argv: list[bytes]) -> Reply:
    return text(ctx.keyspace.read(argv[1]))


class SetOptions:
    """What stands behind the value in SET and behind the key in GETEX.

    `deadline_ms` is _NEVER without an expire option.
    """

    def __init__(self) -> None:
        self.only_new = False
        self.only_existing = False
        self.get = False
        self.keep_deadline = False
        self.persist = False
        self.deadline_ms: i64 = _NEVER


_UNITS: Final = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}


def _read_options(ctx: Context, argv: list[bytes], start: int, name: str) -> SetOptions:
    """Read the options from argv[start] on; `name` is the command's, for the error text."""
    options = SetOptions()
    expire: tuple[bytes, bytes] | None = None
    is_set = name == "set"
    i = start
    while i < len(argv):
        word = argv[i].upper()
        if is_set and word == b"NX" and not options.only_existing:
            options.only_new = True
        elif is_set and word == b"XX" and not options.only_new:
            options.only_existing = True
        elif is_set and word == b"GET":
            options.get = True
        elif is_set and word == b"KEEPTTL" and expire is None:
            options.keep_deadline = True
        elif not is_set and word == b"PERSIST" and expire is None:
            options.persist = True
        elif (
            word in _UNITS
            and i + 1 < len(argv)
            and not (options.keep_deadline or options.persist)
            and (expire is None or expire[0] == word)
        ):
            expire = (word, argv[i + 1])
            i += 1
        else:
            raise ReplyError(errors.SYNTAX)
        i += 1
    if expire is not None:
        unit_ms, is_absolute = _UNITS[expire[0]]
        options.deadline_ms = deadline(ctx, expire[1], unit_ms, is_absolute, name)
    return options


@command(
    "SET",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW access update variable_flags"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Set a key to a string, whatever it held before.",
    syntax="key:k#0 value [condition=<NX|XX>@2.6.12] [GET@6.2.0] [expiration=<EX seconds:i@2.6.12|"
    "PX milliseconds:i@2.6.12|EXAT unix-time-seconds:t@6.2.0|PXAT unix-time-milliseconds:t@6.2.0|"
    "KEEPTTL@6.0.0>]",
)
def set_(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    name = argv[1]
    if len(argv) == 3:
        keyspace.put(name, stored_form(argv[2]))
        keyspace.changed(name, b"set")
        return OK
    options = _read_options(ctx, argv, 3, "set")
    reply: Reply = OK
    if options.get or options.only_new or options.only_existing:
        old = keyspace.read(name) if options.get else keyspace.peek(name)
        if options.get:
            reply = text(old)
        if (options.only_new and old is not None) or (options.only_existing and old is None):
            return reply if options.get else None
    _put(ctx, name, argv[2], options.deadline_ms, options.keep_deadline)
    return reply


def _put(ctx: Context, name: bytes, value: bytes, deadline_ms: i64, keep_deadline: bool) -> None:
    """Set a key with a deadline, or with the one it has; the effect names the time itself."""
    keyspace = ctx.keyspace
    if keep_deadline:
        keyspace.for_write(name)
        keyspace.store(name, stored_form(value))
        keyspace.changed(name, b"set")
        return
    keyspace.put(name, stored_form(value))
    keyspace.changed(name, b"set")
    if deadline_ms == _NEVER:
        ctx.effect(b"SET", name, value)
    elif deadline_ms <= ctx.now_ms:
        keyspace.remove(name)
        keyspace.changed(name, b"del")
        ctx.effect(b"DEL", name)
    else:
        keyspace.expire_at(name, deadline_ms)
        keyspace.changed(name, b"expire")
        ctx.effect(b"SET", name, value, b"PXAT", b"%d" % deadline_ms)


@command(
    "SETNX",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "OW insert"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Set a key to a string if the key does not exist.",
    syntax="key:k#0 value",
)
def setnx(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    if keyspace.for_write(argv[1]) is not None:
        return 0
    keyspace.put(argv[1], stored_form(argv[2]))
    keyspace.changed(argv[1], b"set")
    return 1


@command(
    "SETEX",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "OW update"),),
    group="string",
    acl="string",
    since="2.0.0",
    complexity="O(1)",
    summary="Set a key to a string that expires after some seconds.",
    syntax="key:k#0 seconds:i value",
)
def setex(ctx: Context, argv: list[bytes]) -> Reply:
    _put(ctx, argv[1], argv[3], deadline(ctx, argv[2], 1000, False, "setex"), False)
    return OK


@command(
    "PSETEX",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "OW update"),),
    group="string",
    acl="string",
    since="2.6.0",
    complexity="O(1)",
    summary="Set a key to a string that expires after some milliseconds.",
    syntax="key:k#0 milliseconds:i value",
)
def psetex(ctx: Context, argv: list[bytes]) -> Reply:
    _put(ctx, argv[1], argv[3], deadline(ctx, argv[2], 1, False, "psetex"), False)
    return OK


@command(
    "GETSET",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Set a key to a string and return the string it held.",
    syntax="key:k#0 value",
    replaced_by="`SET` with the `!GET` argument",
    deprecated_since="6.2.0",
)
def getset(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    old = text(keyspace.read(argv[1]))
    keyspace.put(argv[1], stored_form(argv[2]))
    keyspace.changed(argv[1], b"set")
    ctx.effect(b"SET", argv[1], argv[2])
    return old


@command(
    "GETDEL",
    arity=2,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access delete"),),
    group="string",
    acl="string",
    since="6.2.0",
    complexity="O(1)",
    summary="Return a key's string value, then delete the key.",
    syntax="key:k#0",
)
def getdel(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    value = text(keyspace.read(argv[1]))
    if value is not None:
        keyspace.remove(argv[1])
        keyspace.changed(argv[1], b"del")
        ctx.effect(b"DEL", argv[1])
    return value


@command(
    "GETEX",
    arity=-2,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="string",
    acl="string",
    since="6.2.0",
    complexity="O(1)",
    summary="Return a key's string value and set or drop its expiry.",
    syntax="key:k#0 [expiration=<EX seconds:i|PX milliseconds:i|EXAT unix-time-seconds:t|"
    "PXAT unix-time-milliseconds:t|PERSIST>]",
)
def getex(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    options = _read_options(ctx, argv, 2, "getex")
    name = argv[1]
    value = text(keyspace.read(name))
    if value is None:
        return None
    if options.persist:
        if keyspace.persist(name):
            keyspace.changed(name, b"persist")
            ctx.effect(b"PERSIST", name)
    elif options.deadline_ms != _NEVER:
        keyspace.for_write(name)
        if options.deadline_ms <= ctx.now_ms:
            keyspace.remove(name)
            keyspace.changed(name, b"del")
            ctx.effect(b"DEL", name)
        else:
            keyspace.expire_at(name, options.deadline_ms)
            keyspace.changed(name, b"expire")
            ctx.effect(b"PEXPIREAT", name, b"%d" % options.deadline_ms)
    return value


@command(
    "MGET",
    arity=-2,
    flags=READONLY | FAST,
    keys=(key(1, -1, 1, "RO access"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(N) with N keys",
    summary="Return the string values of several keys.",
    syntax="key:k#0 ...",
    tips=("request_policy:multi_shard",),
)
def mget(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    values: list[Reply] = []
    i: i64 = 1
    while i < len(argv):
        stored = keyspace.read(argv[i])
        try:
            values.append(text(stored))
        except ReplyError:
            values.append(None)
        i += 1
    return values


@command(
    "MSET",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=(key(1, -1, 2, "OW update"),),
    group="string",
    acl="string",
    since="1.0.1",
    complexity="O(N) with N keys",
    summary="Set several keys to strings.",
    syntax="key_value=(key:k#0 value) ...",
    tips=("request_policy:multi_shard", "response_policy:all_succeeded"),
)
def mset(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) % 2 == 0:
        raise ReplyError(errors.WRONG_ARITY % "mset")
    _put_all(ctx, argv)
    return OK


def _put_all(ctx: Context, argv: list[bytes]) -> None:
    keyspace = ctx.keyspace
    i: i64 = 1
    while i < len(argv):
        name = argv[i]
        keyspace.put(name, stored_form(argv[i + 1]))
        keyspace.changed(name, b"set")
        i += 2


@command(
    "MSETNX",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=(key(1, -1, 2, "OW insert"),),
    group="string",
    acl="string",
    since="1.0.1",
    complexity="O(N) with N keys",
    summary="Set several keys to strings if none of them exists.",
    syntax="key_value=(key:k#0 value) ...",
    tips=("request_policy:multi_shard", "response_policy:agg_min"),
)
def msetnx(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) % 2 == 0:
        raise ReplyError(errors.WRONG_ARITY % "msetnx")
    for i in range(1, len(argv), 2):
        if ctx.keyspace.contains(argv[i]):
            return 0
    _put_all(ctx, argv)
    return 1


def _add(ctx: Context, name: bytes, amount: int) -> Reply:
    """Add to the integer that a key holds."""
    keyspace = ctx.keyspace
    stored = keyspace.for_write(name)
    value = 0
    if isinstance(stored, int):
        value = stored
    elif stored is not None:
        value = integer(write_text(stored))
    value += amount
    if value > I64_MAX or value < I64_MIN:
        raise ReplyError(errors.OVERFLOW)
    keyspace.store(name, value)
    keyspace.changed(name, b"incrby")
    return value


@command(
    "INCR",
    arity=2,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Add one to the integer that a key holds.",
    syntax="key:k#0",
)
def incr(ctx: Context, argv: list[bytes]) -> Reply:
    return _add(ctx, argv[1], 1)


@command(
    "DECR",
    arity=2,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Subtract one from the integer that a key holds.",
    syntax="key:k#0",
)
def decr(ctx: Context, argv: list[bytes]) -> Reply:
    return _add(ctx, argv[1], -1)


@command(
    "INCRBY",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Add a number to the integer that a key holds.",
    syntax="key:k#0 increment:i",
)
def incrby(ctx: Context, argv: list[bytes]) -> Reply:
    return _add(ctx, argv[1], integer(argv[2]))


@command(
    "DECRBY",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="string",
    acl="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Subtract a number from the integer that a key holds.",
    syntax="key:k#0 decrement:i",
)
def decrby(ctx: Context, argv: list[bytes]) -> Reply:
    amount = integer(argv[2])
    if amount == I64_MIN:
        raise ReplyError("ERR decrement would overflow")
    return _add(ctx, argv[1], -amount)


@command(
    "INCRBYFLOAT",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="string",
    acl="string",
    since="2.6.0",
    complexity="O(1)",
    summary="Add a number to the float that a key holds.",
    syntax="key:k#0 increment:d",
)
def incrbyfloat(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    old = text(keyspace.for_write(argv[1]))
    if old is None:
        old = b"0"
    if parse_float(old) is None or parse_float(argv[2]) is None:
        raise ReplyError(errors.NOT_A_FLOAT)
    total = add_decimals(old, argv[2])
    if total is None:
        raise ReplyError(errors.NAN_OR_INFINITY)
    keyspace.store(argv[1], stored_form(total))
    keyspace.changed(argv[1], b"incrbyfloat")
    ctx.effect(b"SET", argv[1], total, b"KEEPTTL")
    return total


@command(
    "STRLEN",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="string",
    acl="string",
    since="2.2.0",
    complexity="O(1)",
    summary="Return the length of a key's string value.",
    syntax="key:k#0",
)
def strlen(ctx: Context, argv: list[bytes]) -> Reply:
    return int(string_length(ctx.keyspace.read(argv[1])))


def _check_length(ctx: Context, size: int) -> None:
    if size > ctx.node.settings.proto_max_bulk_len:
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
        mutable = stored if isinstance(stored, MutableString) else MutableString(write_text(stored))
        mutable.data += argv[2]
        mutable.measure()
        keyspace.store(argv[1], mutable)
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
    mutable = stored if isinstance(stored, MutableString) else MutableString(write_text(stored))
    if offset > size:
        mutable.data += bytes(offset - size)
    mutable.data[offset : offset + len(argv[3])] = argv[3]
    mutable.measure()
    keyspace.store(argv[1], mutable)
    keyspace.changed(argv[1], b"setrange")
    return len(mutable.data)


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
    value = write_text(ctx.keyspace.read(argv[1]))
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
    try:
        a = write_text(ctx.keyspace.read(argv[1]))
        b = write_text(ctx.keyspace.read(argv[2]))
    except ReplyError:
        raise ReplyError("ERR The specified keys must contain string values") from None
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
