"""The string commands."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import deadline, integer
from kvnode.context import Context
from kvnode.datatypes.strings import length as string_length
from kvnode.datatypes.strings import stored_form, text, text_or_empty
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.long_double import add, parse_long_double
from kvprotocol.numbers import I64_MIN
from kvprotocol.replies import OK, Reply

_NEVER: Final = -1
_MAX: Final[i64] = 9223372036854775807


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

    `expire` is an expire option with its argument.
    """

    def __init__(self) -> None:
        self.only_new = False
        self.only_existing = False
        self.get = False
        self.keep_deadline = False
        self.persist = False
        self.expire: tuple[bytes, bytes] | None = None

    def deadline_ms(self, ctx: Context, name: str) -> i64:
        """Return the deadline that the options ask for, _NEVER without one."""
        if self.expire is None:
            return _NEVER
        unit_ms, is_absolute = _UNITS[self.expire[0]]
        return deadline(ctx, self.expire[1], unit_ms, is_absolute, name)


_UNITS: Final = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}


def _read_options(argv: list[bytes], start: int, is_set: bool) -> SetOptions:
    """Read the options of SET or GETEX from argv[start] on."""
    options = SetOptions()
    i = start
    while i < len(argv):
        word = argv[i].upper()
        if is_set and word == b"NX" and not options.only_existing:
            options.only_new = True
        elif is_set and word == b"XX" and not options.only_new:
            options.only_existing = True
        elif is_set and word == b"GET":
            options.get = True
        elif is_set and word == b"KEEPTTL" and options.expire is None:
            options.keep_deadline = True
        elif not is_set and word == b"PERSIST" and options.expire is None:
            options.persist = True
        elif (
            word in _UNITS
            and i + 1 < len(argv)
            and not (options.keep_deadline or options.persist)
            and (options.expire is None or options.expire[0] == word)
        ):
            options.expire = (word, argv[i + 1])
            i += 1
        else:
            raise ReplyError(errors.SYNTAX)
        i += 1
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
    idempotent=True,
    not_idempotent_with=("NX", "GET"),
)
def set_(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    name = argv[1]
    if len(argv) == 3:
        keyspace.put(name, stored_form(argv[2]))
        keyspace.changed(name, b"set")
        return OK
    options = _read_options(argv, 3, True)
    deadline_ms = options.deadline_ms(ctx, "set")
    reply: Reply = OK
    if options.get or options.only_new or options.only_existing:
        if options.get:
            old = keyspace.read(name)
            reply = text(old)
        else:  # a key that stands in the way of NX is used; with XX it is when it is set
            old = keyspace.for_write(name) if options.only_new else keyspace.peek(name)
        if (options.only_new and old is not None) or (options.only_existing and old is None):
            return reply if options.get else None
    _put(ctx, name, argv[2], deadline_ms, options.keep_deadline)
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
    elif deadline_ms <= ctx.now_ms and keyspace.dataset.expires_keys:
        # In a log or a leader's stream it may have been kept by what comes next (PERSIST).
        keyspace.changed(name, b"expire", 0)
        keyspace.remove(name)
        keyspace.changed(name, b"expired", 0)
        ctx.effect(b"DEL", name)
    else:
        keyspace.expire_at(name, deadline_ms)
        keyspace.changed(name, b"expire", 0)
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
    idempotent=True,
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
    idempotent=True,
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
    idempotent=True,
    not_idempotent_with=("EXAT", "PXAT"),
)
def getex(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    options = _read_options(argv, 2, False)
    name = argv[1]
    value = text(keyspace.read(name))
    if value is None:
        return None
    deadline_ms = options.deadline_ms(ctx, "getex")
    if options.persist:
        if keyspace.persist(name):
            keyspace.changed(name, b"persist")
            ctx.effect(b"PERSIST", name)
    elif deadline_ms != _NEVER:
        keyspace.for_write(name)
        if deadline_ms <= ctx.now_ms and keyspace.dataset.expires_keys:
            keyspace.remove(name)
            keyspace.changed(name, b"del")
            ctx.effect(b"DEL", name)
        else:
            keyspace.expire_at(name, deadline_ms)
            keyspace.changed(name, b"expire")
            ctx.effect(b"PEXPIREAT", name, b"%d" % deadline_ms)
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
    idempotent=True,
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
        if ctx.keyspace.for_write(argv[i]) is not None:
            return 0
    _put_all(ctx, argv)
    return 1


def _add(ctx: Context, name: bytes, amount: i64) -> Reply:
    """Add to the integer that a key holds."""
    keyspace = ctx.keyspace
    stored = keyspace.for_write(name)
    value: i64 = 0
    if isinstance(stored, int):
        value = i64(stored)
    elif stored is not None:
        value = i64(integer(text_or_empty(stored)))
    if (amount > 0 and value > _MAX - amount) or (amount < 0 and value < -_MAX - 1 - amount):
        raise ReplyError(errors.OVERFLOW)
    total: object = value + amount
    keyspace.store(name, total)
    keyspace.changed(name, b"incrby")
    return total


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
    return _add(ctx, argv[1], i64(integer(argv[2])))


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
    return _add(ctx, argv[1], i64(-amount))


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
    value = parse_long_double(old)
    amount = parse_long_double(argv[2])
    if value is None or amount is None:
        raise ReplyError(errors.NOT_A_FLOAT)
    total = add(value, amount)
    if total is None:
        raise ReplyError(errors.NAN_OR_INFINITY)
    keyspace.store(argv[1], total)  # a text even where it is an integer, as OBJECT ENCODING shows
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
