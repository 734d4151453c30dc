"""The commands on one set, and SMOVE."""

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer_in, not_negative
from kvnode.commands.sampling import distinct_indices, repeated_indices
from kvnode.context import Context
from kvnode.datatypes.sets import Set
from kvnode.globs import matches
from kvnode.keyspace import Keyspace
from kvnode.scan import parse_cursor, place, read_scan_options
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import Members, Reply


def _removed(keyspace: Keyspace, name: bytes, value: Set, event: bytes, count: i64 = 1) -> None:
    """Put a set back that lost `count` members, or drop its key when none is left."""
    if value.count() == 0:
        keyspace.remove(name)
        keyspace.changed(name, event, count)
        keyspace.changed(name, b"del", 0)
    else:
        keyspace.store(name, value.body)
        keyspace.changed(name, event, count)


@command(
    "SADD",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW insert"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members",
    summary="Add members to a set.",
    syntax="key:k#0 member ...",
    idempotent=True,
)
def sadd(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    name = argv[1]
    value = Set.open(keyspace.for_write(name), ctx.encodings)
    added: i64 = 0
    i: i64 = 2
    while i < len(argv):
        if value.add(argv[i]):
            added += 1
        i += 1
    if added > 0:
        keyspace.store(name, value.body)
        keyspace.changed(name, b"sadd", added)
    return int(added)


@command(
    "SREM",
    arity=-3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW delete"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members",
    summary="Remove members from a set.",
    syntax="key:k#0 member ...",
    idempotent=True,
)
def srem(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    stored = keyspace.for_write(argv[1])
    if stored is None:
        return 0
    value = Set.open(stored, ctx.encodings)
    count: i64 = 0
    i: i64 = 2
    while i < len(argv):
        if value.remove(argv[i]):
            count += 1
        i += 1
    if count > 0:
        _removed(keyspace, argv[1], value, b"srem", count)
    return int(count)


@command(
    "SISMEMBER",
    arity=3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(1)",
    summary="Say whether a member is in a set.",
    syntax="key:k#0 member",
)
def sismember(ctx: Context, argv: list[bytes]) -> Reply:
    value = Set.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    return 1 if value.contains(argv[2]) else 0


@command(
    "SMISMEMBER",
    arity=-3,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="set",
    acl="set",
    since="6.2.0",
    complexity="O(N) with N members",
    summary="Say of each member whether it is in a set.",
    syntax="key:k#0 member ...",
)
def smismember(ctx: Context, argv: list[bytes]) -> Reply:
    value = Set.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    replies: list[Reply] = []
    i: i64 = 2
    while i < len(argv):
        replies.append(1 if value.contains(argv[i]) else 0)
        i += 1
    return replies


@command(
    "SCARD",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(1)",
    summary="Return the number of members in a set.",
    syntax="key:k#0",
)
def scard(ctx: Context, argv: list[bytes]) -> Reply:
    return int(Set.open(ctx.keyspace.read(argv[1]), ctx.encodings).count())


@command(
    "SMEMBERS",
    arity=2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members in the set",
    summary="Return all members of a set.",
    syntax="key:k#0",
    tips=("nondeterministic_output_order",),
)
def smembers(ctx: Context, argv: list[bytes]) -> Reply:
    return Members(Set.open(ctx.keyspace.read(argv[1]), ctx.encodings).members())


@command(
    "SMOVE",
    arity=4,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access delete"), key(2, 2, 1, "RW insert")),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(1)",
    summary="Move a member from one set to another.",
    syntax="source:k#0 destination:k#1 member",
)
def smove(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    source = argv[1]
    destination = argv[2]
    stored = keyspace.for_write(source)
    if stored is None:
        return 0
    value = Set.open(stored, ctx.encodings)
    if source == destination:
        return 1 if value.contains(argv[3]) else 0
    target = Set.open(keyspace.for_write(destination), ctx.encodings)
    if not value.remove(argv[3]):
        return 0
    _removed(keyspace, source, value, b"srem")
    if target.add(argv[3]):
        keyspace.store(destination, target.body)
        keyspace.changed(destination, b"sadd")
    return 1


@command(
    "SPOP",
    arity=-2,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access delete"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members taken",
    summary="Take one or more random members from a set.",
    syntax="key:k#0 [count:i@3.2.0]",
    tips=("nondeterministic_output",),
)
def spop(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) != 2:
        return _spop_count(ctx, argv)
    keyspace = ctx.keyspace
    name = argv[1]
    stored = keyspace.for_write(name)
    if stored is None:
        return None
    value = Set.open(stored, ctx.encodings)
    member = value.pop_at(ctx.random.randrange(value.count()))
    _removed(keyspace, name, value, b"spop")
    ctx.effect(b"SREM", name, member)
    return member


def _spop_count(ctx: Context, argv: list[bytes]) -> Reply:
    """Take as many different members as the count says, or all."""
    if len(argv) > 3:
        raise ReplyError(errors.SYNTAX)
    count = i64(not_negative(argv[2]))
    keyspace = ctx.keyspace
    name = argv[1]
    value = Set.open(keyspace.for_write(name), ctx.encodings)
    size = value.count()
    if count == 0 or size == 0:
        return Members([])
    if count >= size:
        taken = value.members()
        keyspace.read(name)  # Redis takes all as a union of one set, which counts a hit
        keyspace.remove(name)
        keyspace.changed(name, b"spop", size)
        keyspace.changed(name, b"del", 0)
        ctx.effect(b"DEL", name)
        return Members(taken)
    taken = []
    while count > 0:
        taken.append(value.pop_at(ctx.random.randrange(size)))
        size -= 1
        count -= 1
    _removed(keyspace, name, value, b"spop", len(taken))
    ctx.effect(b"SREM", name, *taken)
    return Members(taken)


@command(
    "SRANDMEMBER",
    arity=-2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members returned",
    summary="Return random members: different ones, or with a negative count with repeats.",
    syntax="key:k#0 [count:i@2.6.0]",
    tips=("nondeterministic_output",),
)
def srandmember(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        stored = ctx.keyspace.read(argv[1])
        if stored is None:
            return None
        value = Set.open(stored, ctx.encodings)
        return value.pick(ctx.random.randrange(value.count()))
    if len(argv) > 3:
        raise ReplyError(errors.SYNTAX)
    count = i64(integer_in(argv[2], -I64_MAX, I64_MAX))
    value = Set.open(ctx.keyspace.read(argv[1]), ctx.encodings)
    size = value.count()
    if size == 0 or count == 0:
        empty: list[Reply] = []
        return empty
    if count >= size:
        return value.members()
    if count > 0:
        return _picked(value, distinct_indices(ctx.random, count, size))
    return _picked(value, repeated_indices(ctx.random, -count, size))


def _picked(value: Set, indices: list[int]) -> list[bytes]:
    """Return the members at these indices."""
    if isinstance(value.body, bytes):
        members = value.members()  # one walk: in a packed set each index would be one
        return [members[index] for index in indices]
    return [value.pick(index) for index in indices]


@command(
    "SSCAN",
    arity=-3,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="set",
    acl="set",
    since="2.8.0",
    complexity="O(1) a call; O(N) for a whole iteration over N members",
    summary="Return some members of a set and the cursor that goes on behind them.",
    syntax="key:k#0 cursor:i [MATCH pattern:p] [COUNT count:i]",
    tips=("nondeterministic_output",),
)
def sscan(ctx: Context, argv: list[bytes]) -> Reply:
    cursor = place(parse_cursor(argv[2]))
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return [b"0", []]
    value = Set.open(stored, ctx.encodings)
    options = read_scan_options(argv, 3, False)
    following, members = value.scan(cursor, options.count)
    pattern = options.match
    if pattern is not None:
        members = [member for member in members if matches(pattern, member)]
    return [b"%d" % following, members]
