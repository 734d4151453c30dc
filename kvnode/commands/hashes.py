"""The hash commands."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer, integer_in
from kvnode.commands.sampling import distinct_indices, repeated_indices
from kvnode.context import Context
from kvnode.datatypes.hashes import Hash
from kvnode.scan import page_of_pairs, parse_cursor, place, read_scan_options
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.long_double import add as add_long_doubles
from kvprotocol.long_double import parse_long_double
from kvprotocol.numbers import I64_MAX, I64_MIN, parse_int
from kvprotocol.replies import OK, Pairs, Reply, Rows

_VALUE_NOT_AN_INTEGER: Final = "ERR hash value is not an integer"
_VALUE_NOT_A_FLOAT: Final = "ERR hash value is not a float"
_NAN_OR_INFINITE_ARGUMENT: Final = "ERR value is NaN or Infinity"


def _set_fields(ctx: Context, argv: list[bytes]) -> i64:
    """Set the pairs of HSET and HMSET; return how many fields are new."""
    name = argv[1]
    keyspace = ctx.keyspace
    value = Hash.open(keyspace.for_write(name), ctx.encodings)
    created: i64 = 0
    count: i64 = len(argv)
    i: i64 = 2
    while i < count:
        if value.set(argv[i], argv[i + 1]):
            created += 1
        i += 2
    keyspace.store(name, value.body)
    keyspace.changed(name, b"hset", (count - 2) // 2)
    return created


@command(
    "HSET",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(N) with N pairs given",
    summary="Set fields of a hash and return how many are new.",
    syntax="key:k#0 field_value=(field value) ...",
    idempotent=True,
)
def hset(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) & 1:
        raise ReplyError(errors.WRONG_ARITY % "hset")
    return int(_set_fields(ctx, argv))


@command(
    "HMSET",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(N) with N pairs given",
    summary="Set fields of a hash.",
    syntax="key:k#0 field_value=(field value) ...",
    replaced_by="`HSET` with multiple field-value pairs",
    deprecated_since="4.0.0",
    idempotent=True,
)
def hmset(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) & 1:
        raise ReplyError(errors.WRONG_ARITY % "hmset")
    _set_fields(ctx, argv)
    return OK


@command(
    "HSETNX",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW insert"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Set a field of a hash if the field does not exist.",
    syntax="key:k#0 field value",
)
def hsetnx(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    keyspace = ctx.keyspace
    value = Hash.open(keyspace.for_write(name), ctx.encodings)
    if value.contains(argv[2]):
        return 0
    value.set(argv[2], argv[3])
    keyspace.store(name, value.body)
    keyspace.changed(name, b"hset")
    return 1


@command(
    "HGET",
    arity=3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Return a field's value in a hash.",
    syntax="key:k#0 field",
)
def hget(ctx: Context, argv: list[bytes]) -> Reply:
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return None
    return Hash.open(stored, ctx.encodings).get(argv[2])


@command(
    "HMGET",
    arity=-3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(N) with N fields asked for",
    summary="Return the values of several fields in a hash.",
    syntax="key:k#0 field ...",
)
def hmget(ctx: Context, argv: list[bytes]) -> Reply:
    return Hash.open(ctx.keyspace.read(argv[1]), ctx.encodings).get_many(argv[2:])


@command(
    "HGETALL",
    arity=2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(N) with N fields in the hash",
    summary="Return all fields of a hash and their values.",
    syntax="key:k#0",
    tips=("nondeterministic_output_order",),
)
def hgetall(ctx: Context, argv: list[bytes]) -> Reply:
    return Pairs(Hash.open(ctx.keyspace.read(argv[1]), ctx.encodings).items())


@command(
    "HKEYS",
    arity=2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(N) with N fields in the hash",
    summary="Return all fields of a hash.",
    syntax="key:k#0",
    tips=("nondeterministic_output_order",),
)
def hkeys(ctx: Context, argv: list[bytes]) -> Reply:
    return Hash.open(ctx.keyspace.read(argv[1]), ctx.encodings).fields()


@command(
    "HVALS",
    arity=2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(N) with N fields in the hash",
    summary="Return all values of a hash.",
    syntax="key:k#0",
    tips=("nondeterministic_output_order",),
)
def hvals(ctx: Context, argv: list[bytes]) -> Reply:
    return Hash.open(ctx.keyspace.read(argv[1]), ctx.encodings).values()


@command(
    "HLEN",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Return the number of fields in a hash.",
    syntax="key:k#0",
)
def hlen(ctx: Context, argv: list[bytes]) -> Reply:
    return int(Hash.open(ctx.keyspace.read(argv[1]), ctx.encodings).count())


@command(
    "HEXISTS",
    arity=3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Say whether a hash has a field.",
    syntax="key:k#0 field",
)
def hexists(ctx: Context, argv: list[bytes]) -> Reply:
    return 1 if Hash.open(ctx.keyspace.read(argv[1]), ctx.encodings).contains(argv[2]) else 0


@command(
    "HSTRLEN",
    arity=3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="hash",
    acl="hash",
    since="3.2.0",
    complexity="O(1)",
    summary="Return the length of a field's value in a hash.",
    syntax="key:k#0 field",
)
def hstrlen(ctx: Context, argv: list[bytes]) -> Reply:
    text = Hash.open(ctx.keyspace.read(argv[1]), ctx.encodings).get(argv[2])
    return 0 if text is None else len(text)


@command(
    "HDEL",
    arity=-3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW delete"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(N) with N fields given",
    summary="Delete fields of a hash, and the hash with its last one.",
    syntax="key:k#0 field ...",
    idempotent=True,
)
def hdel(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    keyspace = ctx.keyspace
    stored = keyspace.for_write(name)
    if stored is None:
        return 0
    value = Hash.open(stored, ctx.encodings)
    deleted: i64 = 0
    count: i64 = len(argv)
    i: i64 = 2
    while i < count:
        if value.delete(argv[i]):
            deleted += 1
        i += 1
    if deleted == 0:
        return 0
    keyspace.changed(name, b"hdel", deleted)
    if value.count() > 0:
        keyspace.store(name, value.body)
    else:
        keyspace.remove(name)
        keyspace.changed(name, b"del", 0)
    return int(deleted)


@command(
    "HINCRBY",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="hash",
    acl="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Add a number to the integer in a field of a hash.",
    syntax="key:k#0 field increment:i",
)
def hincrby(ctx: Context, argv: list[bytes]) -> Reply:
    total = integer(argv[3])
    name = argv[1]
    keyspace = ctx.keyspace
    value = Hash.open(keyspace.for_write(name), ctx.encodings)
    text = value.get(argv[2])
    if text is not None:
        present = parse_int(text)
        if present is None:
            raise ReplyError(_VALUE_NOT_AN_INTEGER)
        total += present
        if total > I64_MAX or total < I64_MIN:
            raise ReplyError(errors.OVERFLOW)
    value.set(argv[2], b"%d" % total)
    keyspace.store(name, value.body)
    keyspace.changed(name, b"hincrby")
    return total


@command(
    "HINCRBYFLOAT",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="hash",
    acl="hash",
    since="2.6.0",
    complexity="O(1)",
    summary="Add a number to the float in a field of a hash.",
    syntax="key:k#0 field increment:d",
)
def hincrbyfloat(ctx: Context, argv: list[bytes]) -> Reply:
    amount = parse_long_double(argv[3])
    if amount is None:
        raise ReplyError(errors.NOT_A_FLOAT)
    if amount.infinite:
        raise ReplyError(_NAN_OR_INFINITE_ARGUMENT)
    name = argv[1]
    keyspace = ctx.keyspace
    value = Hash.open(keyspace.for_write(name), ctx.encodings)
    text = value.get(argv[2])
    present = parse_long_double(b"0" if text is None else text)
    if present is None:
        raise ReplyError(_VALUE_NOT_A_FLOAT)
    total = add_long_doubles(present, amount)
    if total is None:
        raise ReplyError(errors.NAN_OR_INFINITY)
    value.set(argv[2], total)
    keyspace.store(name, value.body)
    keyspace.changed(name, b"hincrbyfloat")
    # Another machine's arithmetic, or a later one of ours, may print another text.
    ctx.effect(b"HSET", name, argv[2], total)
    return total


def _rows(flat: list[bytes]) -> Rows:
    items: list[Reply] = []
    items.extend(flat)
    return Rows(items)


@command(
    "HRANDFIELD",
    arity=-2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="hash",
    acl="hash",
    since="6.2.0",
    complexity="O(N) with N fields returned",
    summary="Return random fields of a hash.",
    syntax="key:k#0 [options=(count:i [WITHVALUES])]",
    tips=("nondeterministic_output",),
)
def hrandfield(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        stored = ctx.keyspace.read(argv[1])
        if stored is None:
            return None
        one = Hash.open(stored, ctx.encodings)
        return one.pick(ctx.random.randrange(one.count()))[0]
    count = integer_in(argv[2], -I64_MAX, I64_MAX)
    with_values = len(argv) == 4 and argv[3].upper() == b"WITHVALUES"
    if len(argv) > 3:
        if not with_values:
            raise ReplyError(errors.SYNTAX)
        if count < -(I64_MAX // 2) or count > I64_MAX // 2:
            raise ReplyError(errors.VALUE_OUT_OF_RANGE)
    value = Hash.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    size = value.count()
    if size == 0 or count == 0:
        return []
    if count >= size:
        return _rows(value.items()) if with_values else value.fields()
    if count > 0:
        indices = distinct_indices(ctx.random, i64(count), size)
    else:
        indices = repeated_indices(ctx.random, -i64(count), size)
    chosen: list[Reply] = []
    for field, text in value.pick_many(indices):
        chosen.append(field)
        if with_values:
            chosen.append(text)
    return Rows(chosen) if with_values else chosen


@command(
    "HSCAN",
    arity=-3,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="hash",
    acl="hash",
    since="2.8.0",
    complexity="O(1) per call, O(N) for all N fields",
    summary="Return some fields of a hash with their values, and the cursor of the next call.",
    syntax="key:k#0 cursor:i [MATCH pattern:p] [COUNT count:i]",
    tips=("nondeterministic_output",),
)
def hscan(ctx: Context, argv: list[bytes]) -> Reply:
    cursor = parse_cursor(argv[2])
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return [b"0", []]
    value = Hash.open(stored, ctx.encodings)
    options = read_scan_options(argv, 3, False)
    following, flat = value.scan(place(cursor), options.count)
    return page_of_pairs(following, flat, options)
