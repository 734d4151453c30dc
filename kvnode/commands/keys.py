"""The commands on keys of any type: deletion, existence, names, copies, walks over a database."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer_in
from kvnode.context import Context
from kvnode.datatypes.kinds import copy as copied
from kvnode.datatypes.kinds import type_name
from kvnode.globs import matches
from kvnode.keyspace import Keyspace
from kvnode.keyspace_scan import group_of_pattern, matching_groups, walk
from kvnode.scan import parse_cursor, read_scan_options
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import OK, Reply, Simple

_SAME_KEY: Final = "ERR source and destination objects are the same"
_INT_MAX: Final = 2**31 - 1


def _delete(ctx: Context, argv: list[bytes], lazily: bool) -> Reply:
    """Delete the keys of a request; return how many were there."""
    keyspace = ctx.keyspace
    deleted: i64 = 0
    i: i64 = 1
    while i < len(argv):
        if keyspace.remove(argv[i], lazily):
            keyspace.changed(argv[i], b"del")
            deleted += 1
        i += 1
    return int(deleted)


@command(
    "DEL",
    arity=-2,
    flags=WRITE,
    keys=(key(1, -1, 1, "RM delete"),),
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(N) with N keys, and O(M) for the M elements of each collection among them",
    summary="Delete keys.",
    syntax="key:k#0 ...",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
    idempotent=True,
)
def del_(ctx: Context, argv: list[bytes]) -> Reply:
    return _delete(ctx, argv, ctx.node.settings.lazyfree_lazy_user_del)


@command(
    "UNLINK",
    arity=-2,
    flags=WRITE | FAST,
    keys=(key(1, -1, 1, "RM delete"),),
    group="generic",
    acl="keyspace",
    since="4.0.0",
    complexity="O(1) a key; the memory of large collections is given back later, in O(elements)",
    summary="Delete keys, and free large values later in small steps.",
    syntax="key:k#0 ...",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
    idempotent=True,
)
def unlink(ctx: Context, argv: list[bytes]) -> Reply:
    return _delete(ctx, argv, True)


@command(
    "EXISTS",
    arity=-2,
    flags=READONLY | FAST,
    keys=(key(1, -1, 1, "RO"),),
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(N) with N keys",
    summary="Count how many of the keys exist; one named twice counts twice.",
    syntax="key:k#0 ...",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def exists(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    present: i64 = 0
    i: i64 = 1
    while i < len(argv):
        if keyspace.inspect(argv[i]) is not None:
            present += 1
        i += 1
    return int(present)


@command(
    "TOUCH",
    arity=-2,
    flags=READONLY | FAST,
    keys=(key(1, -1, 1, "RO"),),
    group="generic",
    acl="keyspace",
    since="3.2.1",
    complexity="O(N) with N keys",
    summary="Access keys, so that they count as recently used, and count those that exist.",
    syntax="key:k#0 ...",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def touch(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    dataset = keyspace.dataset
    touches = dataset.touches
    dataset.touches = True  # it is a use also where CLIENT NO-TOUCH says that nothing else is
    present: i64 = 0
    i: i64 = 1
    while i < len(argv):
        if keyspace.read(argv[i]) is not None:
            present += 1
        i += 1
    dataset.touches = touches
    return int(present)


@command(
    "KEYS",
    arity=2,
    flags=READONLY,
    group="generic",
    acl="keyspace dangerous",
    since="1.0.0",
    complexity="O(N) with N keys in the database, for names and patterns of moderate length",
    summary="Return all keys whose name matches a pattern.",
    syntax="pattern:p",
    tips=("request_policy:all_shards", "nondeterministic_output_order"),
)
def keys_(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    pattern = argv[1]
    everything = pattern == b"*"
    expiring = keyspace.expiring
    found: list[bytes] = []
    for group in matching_groups(keyspace, pattern):
        if everything and not expiring:
            found.extend(group)
            continue
        for name in group:
            if everything or matches(pattern, name):
                if not (expiring and _is_expired(keyspace, name, ctx.now_ms)):
                    found.append(name)
    return found


def _is_expired(keyspace: Keyspace, name: bytes, now_ms: i64) -> bool:
    """Return whether a key counts as absent, without dropping it as an access would."""
    deadline = keyspace.deadline(name)
    return 0 <= deadline <= now_ms


@command(
    "SCAN",
    arity=-2,
    flags=READONLY,
    group="generic",
    acl="keyspace",
    since="2.8.0",
    complexity="O(1) a call, O(N) for a walk over all N keys",
    summary="Return some keys of the database and the cursor with which to go on.",
    syntax="cursor:i [MATCH pattern:p] [COUNT count:i] [TYPE type@6.0.0]",
    tips=("nondeterministic_output", "request_policy:special"),
)
def scan(ctx: Context, argv: list[bytes]) -> Reply:
    cursor = parse_cursor(argv[1])
    options = read_scan_options(argv, 2, True)
    keyspace = ctx.keyspace
    pattern = options.match
    only = group_of_pattern(pattern) if pattern is not None else -1
    # No cursor of ours is larger; as with any other that was not given out, only safety matters.
    following, found = walk(keyspace, i64(min(cursor, I64_MAX)), options.count, only)
    wanted = options.type.lower() if options.type is not None else None
    if pattern is None and wanted is None and not keyspace.expiring:
        return [b"%d" % following, found]
    kept: list[bytes] = []
    for name in found:
        if pattern is not None and not matches(pattern, name):
            continue
        stored = keyspace.peek(name)
        if stored is not None and (wanted is None or type_name(stored) == wanted):
            kept.append(name)
    return [b"%d" % following, kept]


@command(
    "RANDOMKEY",
    arity=1,
    flags=READONLY,
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(1)",
    summary="Return some key of the database, nil where there is none.",
    tips=("request_policy:all_shards", "nondeterministic_output"),
)
def randomkey(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.keyspace.random_key(ctx.random)


@command(
    "TYPE",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(1)",
    summary="Return the type of a key's value, `none` where the key does not exist.",
    syntax="key:k#0",
)
def type_(ctx: Context, argv: list[bytes]) -> Reply:
    return Simple(type_name(ctx.keyspace.inspect(argv[1])))


def _rename(ctx: Context, argv: list[bytes], only_new: bool) -> bool:
    """Give a key another name with its deadline; False where only_new forbids it."""
    keyspace = ctx.keyspace
    source = argv[1]
    target = argv[2]
    stored = keyspace.for_write(source)
    if stored is None:
        raise ReplyError(errors.NO_SUCH_KEY)
    if source == target:
        return not only_new
    if keyspace.for_write(target) is not None:
        if only_new:
            return False
        keyspace.remove(target, ctx.node.settings.lazyfree_lazy_server_del)
    deadline = keyspace.deadline(source)
    clock = keyspace.clock(source)
    keyspace.take(source)
    keyspace.put(target, stored)
    keyspace.set_clock(target, clock)
    if deadline >= 0:
        keyspace.expire_at(target, deadline)
    keyspace.changed(source, b"rename_from")
    keyspace.changed(target, b"rename_to", 0)
    return True


@command(
    "RENAME",
    arity=3,
    flags=WRITE,
    keys=(key(1, 1, 1, "RW access delete"), key(2, 2, 1, "OW update")),
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(1), and O(M) for the M elements of a collection that is overwritten",
    summary="Give a key another name, overwriting what has that name.",
    syntax="key:k#0 newkey:k#1",
)
def rename(ctx: Context, argv: list[bytes]) -> Reply:
    _rename(ctx, argv, False)
    return OK


@command(
    "RENAMENX",
    arity=3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access delete"), key(2, 2, 1, "OW insert")),
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(1)",
    summary="Give a key another name unless a key has that name.",
    syntax="key:k#0 newkey:k#1",
)
def renamenx(ctx: Context, argv: list[bytes]) -> Reply:
    return 1 if _rename(ctx, argv, True) else 0


def _database(ctx: Context, text: bytes) -> Keyspace:
    """Return the database that an argument names."""
    databases = ctx.keyspace.dataset.databases
    number = integer_in(text, -_INT_MAX - 1, _INT_MAX)
    if number < 0 or number >= len(databases):
        raise ReplyError(errors.DB_INDEX_OUT_OF_RANGE)
    return databases[number]


@command(
    "COPY",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RO access"), key(2, 2, 1, "OW update")),
    group="generic",
    acl="keyspace",
    since="6.2.0",
    complexity="O(N) for the N elements of a collection, O(1) for a string",
    summary="Copy a key's value and deadline to another key, in this or another database.",
    syntax="source:k#0 destination:k#1 [DB destination-db:i] [REPLACE]",
)
def copy(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    into = keyspace
    replace = False
    i = 3
    while i < len(argv):
        word = argv[i].upper()
        if word == b"REPLACE":
            replace = True
        elif word == b"DB" and i + 1 < len(argv):
            into = _database(ctx, argv[i + 1])
            i += 1
        else:
            raise ReplyError(errors.SYNTAX)
        i += 1
    source = argv[1]
    target = argv[2]
    if into is keyspace and source == target:
        raise ReplyError(_SAME_KEY)
    stored = keyspace.read(source)
    if stored is None:
        return 0
    if into.for_write(target) is not None:
        if not replace:
            return 0
        into.remove(target, ctx.node.settings.lazyfree_lazy_server_del)
    into.put(target, copied(stored))
    deadline = keyspace.deadline(source)
    if deadline >= 0:
        into.expire_at(target, deadline)
    into.changed(target, b"copy_to")
    return 1


@command(
    "MOVE",
    arity=3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW access update"),),
    group="generic",
    acl="keyspace",
    since="1.0.0",
    complexity="O(1)",
    summary="Move a key to another database unless that database has such a key.",
    syntax="key:k#0 db:i",
)
def move(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    name = argv[1]
    into = _database(ctx, argv[2])
    if into is keyspace:
        raise ReplyError(_SAME_KEY)
    stored = keyspace.for_write(name)
    if stored is None or into.for_write(name) is not None:
        return 0
    deadline = keyspace.deadline(name)
    clock = keyspace.clock(name)
    keyspace.take(name)
    into.put(name, stored)
    into.set_clock(name, clock)
    if deadline >= 0:
        into.expire_at(name, deadline)
    keyspace.changed(name, b"move_from")
    into.changed(name, b"move_to", 0)
    return 1
