"""The commands on deadlines: the EXPIRE and TTL families, and PERSIST."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer
from kvnode.context import Context
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, I64_MIN
from kvprotocol.replies import Reply

_NX: Final = 1
_XX: Final = 2
_GT: Final = 4
_LT: Final = 8

_NO_KEY: Final = -2
_NO_DEADLINE: Final = -1

_SECOND_MS: Final = 1000


def _conditions(argv: list[bytes]) -> int:
    """Return the conditions behind the time of an EXPIRE command."""
    flags = 0
    for word in argv[3:]:
        upper = word.upper()
        if upper == b"NX":
            flags |= _NX
        elif upper == b"XX":
            flags |= _XX
        elif upper == b"GT":
            flags |= _GT
        elif upper == b"LT":
            flags |= _LT
        else:
            shown = word.partition(b"\x00")[0].decode("utf-8", "surrogateescape")
            raise ReplyError(f"ERR Unsupported option {shown}")
    if flags & _NX and flags != _NX:
        raise ReplyError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if flags & _GT and flags & _LT:
        raise ReplyError("ERR GT and LT options at the same time are not compatible")
    return flags


def _allows(flags: int, current: i64, deadline: i64) -> bool:
    """Return whether the conditions let a deadline replace the current one, negative for none."""
    if flags & _NX:
        return current < 0
    if current < 0:
        return not flags & (_XX | _GT)
    if flags & _GT:
        return deadline > current
    return not flags & _LT or deadline < current


def _expire(ctx: Context, argv: list[bytes], unit_ms: int, is_absolute: bool, name: str) -> Reply:
    """Give a key a deadline, or delete it where the deadline has passed."""
    flags = _conditions(argv) if len(argv) > 3 else 0
    value = integer(argv[2]) * unit_ms
    base = 0 if is_absolute else int(ctx.now_ms)
    if value < I64_MIN or value > I64_MAX - base:
        raise ReplyError(errors.INVALID_EXPIRE % name)
    deadline = i64(value + base)
    keyspace = ctx.keyspace
    if keyspace.for_write(argv[1]) is None:
        return 0
    if flags and not _allows(flags, keyspace.deadline(argv[1]), deadline):
        return 0
    # A follower keeps what its leader's log says has expired until the log deletes it.
    if deadline <= ctx.now_ms and keyspace.dataset.expires_keys:
        lazily = ctx.node.settings.lazyfree_lazy_expire
        keyspace.remove(argv[1], lazily)
        keyspace.changed(argv[1], b"del")
        ctx.effect(b"UNLINK" if lazily else b"DEL", argv[1])
        return 1
    keyspace.expire_at(argv[1], deadline)
    keyspace.changed(argv[1], b"expire")
    ctx.effect(b"PEXPIREAT", argv[1], b"%d" % deadline)
    return 1


@command(
    "EXPIRE",
    arity=-3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(1)",
    summary="Make a key expire after some seconds.",
    syntax="key:k#0 seconds:i [condition=<NX|XX|GT|LT>@7.0.0]",
    idempotent=True,
    not_idempotent_with=("NX", "GT", "LT"),
)
def expire(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, _SECOND_MS, False, "expire")


@command(
    "PEXPIRE",
    arity=-3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="generic",
    acl="keyspace",
    since="2.6.0",
    complexity="O(1)",
    summary="Make a key expire after some milliseconds.",
    syntax="key:k#0 milliseconds:i [condition=<NX|XX|GT|LT>@7.0.0]",
    idempotent=True,
    not_idempotent_with=("NX", "GT", "LT"),
)
def pexpire(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1, False, "pexpire")


@command(
    "EXPIREAT",
    arity=-3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="generic",
    acl="keyspace",
    since="1.2.0",
    complexity="O(1)",
    summary="Make a key expire at a Unix time in seconds.",
    syntax="key:k#0 unix-time-seconds:t [condition=<NX|XX|GT|LT>@7.0.0]",
    idempotent=True,
    not_idempotent_with=("NX", "GT", "LT"),
)
def expireat(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, _SECOND_MS, True, "expireat")


@command(
    "PEXPIREAT",
    arity=-3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="generic",
    acl="keyspace",
    since="2.6.0",
    complexity="O(1)",
    summary="Make a key expire at a Unix time in milliseconds.",
    syntax="key:k#0 unix-time-milliseconds:t [condition=<NX|XX|GT|LT>@7.0.0]",
    idempotent=True,
    not_idempotent_with=("NX", "GT", "LT"),
)
def pexpireat(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1, True, "pexpireat")


def _time_left(ctx: Context, name: bytes, unit_ms: int, is_absolute: bool) -> Reply:
    """Return a key's deadline or the time until then, rounded to the unit."""
    keyspace = ctx.keyspace
    if keyspace.inspect(name) is None:
        return _NO_KEY
    deadline = keyspace.deadline(name)
    if deadline < 0:
        return _NO_DEADLINE
    if not is_absolute:
        deadline = max(deadline - ctx.now_ms, 0)
    # As an int of any size: a deadline may be the largest integer.
    return (int(deadline) + unit_ms // 2) // unit_ms


@command(
    "TTL",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(1)",
    summary="Return the seconds until a key expires; -1 for never, -2 where there is no such key.",
    syntax="key:k#0",
    tips=("nondeterministic_output",),
)
def ttl(ctx: Context, argv: list[bytes]) -> Reply:
    return _time_left(ctx, argv[1], _SECOND_MS, False)


@command(
    "PTTL",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="generic",
    acl="keyspace",
    since="2.6.0",
    complexity="O(1)",
    summary="Return the milliseconds until a key expires; -1 for never, -2 without such a key.",
    syntax="key:k#0",
    tips=("nondeterministic_output",),
)
def pttl(ctx: Context, argv: list[bytes]) -> Reply:
    return _time_left(ctx, argv[1], 1, False)


@command(
    "EXPIRETIME",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="generic",
    acl="keyspace",
    since="7.0.0",
    complexity="O(1)",
    summary="Return the Unix time in seconds at which a key expires; -1 for never, -2 without it.",
    syntax="key:k#0",
)
def expiretime(ctx: Context, argv: list[bytes]) -> Reply:
    return _time_left(ctx, argv[1], _SECOND_MS, True)


@command(
    "PEXPIRETIME",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="generic",
    acl="keyspace",
    since="7.0.0",
    complexity="O(1)",
    summary="Return the Unix time in ms at which a key expires; -1 for never, -2 without it.",
    syntax="key:k#0",
)
def pexpiretime(ctx: Context, argv: list[bytes]) -> Reply:
    return _time_left(ctx, argv[1], 1, True)


@command(
    "PERSIST",
    arity=2,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="generic",
    acl="keyspace",
    since="2.2.0",
    complexity="O(1)",
    summary="Make a key that would expire stay.",
    syntax="key:k#0",
    idempotent=True,
)
def persist(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    if keyspace.for_write(argv[1]) is None or not keyspace.persist(argv[1]):
        return 0
    keyspace.changed(argv[1], b"persist")
    return 1
