"""Intersection, union and difference of sets."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, MOVABLEKEYS, READONLY, WRITE, KeySpec, command, key
from kvnode.commands.arguments import integer_in, not_negative
from kvnode.context import Context
from kvnode.datatypes.sets import Set
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import Members, Reply

_NUMKEYS: Final = "ERR numkeys should be greater than 0"
_TOO_MANY_KEYS: Final = "ERR Number of keys can't be greater than number of args"
_LIMIT_NEGATIVE: Final = "ERR LIMIT can't be negative"
# From this many members on, one walk over a packed set costs less than looking for each.
_LOOKUPS_MAX: Final = 8
# SINTERCARD looks at its limit after each block.
_BLOCK: Final = 512


def _open(ctx: Context, names: list[bytes]) -> list[Set]:
    """Return the sets of these keys, empty ones for absent keys; raises WrongType."""
    return [Set.open(ctx.keyspace.read(name), ctx.encodings) for name in names]


def _filter(members: list[bytes], other: Set, wanted: bool) -> list[bytes]:
    """Return the members that are in another set, or that are not."""
    kept: list[bytes] = []
    if isinstance(other.body, bytes) and len(members) > _LOOKUPS_MAX:
        known = set(other.members())
        for member in members:
            if (member in known) == wanted:
                kept.append(member)
        return kept
    for member in members:
        if other.contains(member) == wanted:
            kept.append(member)
    return kept


def _count_of(one: Set) -> int:
    return int(one.count())


def intersection(sets: list[Set], limit: i64) -> list[bytes]:
    """Return the members that are in all sets; with a limit (0: none) a part that reaches it.

    O(N*M) with N members in the smallest of M sets.
    """
    ordered = sorted(sets, key=_count_of)
    members = ordered[0].members()
    if limit == 0:
        for other in ordered[1:]:
            members = _filter(members, other, True)
        return members
    found: list[bytes] = []
    start: i64 = 0
    while start < len(members) and len(found) < limit:
        block = members[start : start + _BLOCK]
        for other in ordered[1:]:
            block = _filter(block, other, True)
        found.extend(block)
        start += _BLOCK
    return found


def union(sets: list[Set]) -> list[bytes]:
    """Return the members that are in any of the sets. O(N) with N members in all sets."""
    members = dict.fromkeys(sets[0].members())
    for other in sets[1:]:
        members.update(dict.fromkeys(other.members()))
    return list(members)


def difference(sets: list[Set]) -> list[bytes]:
    """Return the members of the first set that are in none of the others. O(N*M) or less."""
    members = sets[0].members()
    for other in sets[1:]:
        if not members:
            break
        members = _filter(members, other, False)
    return members


def _subtracts_from_copy(sets: list[Set]) -> bool:
    """Return whether Redis makes the difference in a copy of the first set.

    It matters to SDIFFSTORE: a copy that once held more than integers stays a hashtable. Redis
    chooses by the work: half of what looking up every member in every set would take, against
    adding and removing all members.
    """
    lookups: i64 = 0
    changes: i64 = 0
    for one in sets:
        if one.count() > 0:
            lookups += sets[0].count()
            changes += one.count()
    return lookups // 2 > changes


def _store(ctx: Context, name: bytes, result: Set, event: bytes) -> Reply:
    """Set a key to a set, or delete it where the set is empty; return the number of members."""
    keyspace = ctx.keyspace
    count = result.count()
    if count > 0:
        keyspace.put(name, result.body)
        keyspace.changed(name, event)
    elif keyspace.remove(name):
        keyspace.changed(name, b"del")
    return int(count)


def _set_of(ctx: Context, members: list[bytes]) -> Set:
    """Return a new set of these members."""
    result = Set.open(None, ctx.encodings)
    for member in members:
        result.add(member)
    return result


@command(
    "SINTER",
    arity=-2,
    flags=READONLY,
    keys=(key(1, -1, 1, "RO access"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N*M) with N members in the smallest of M sets",
    summary="Return the members that are in all of several sets.",
    syntax="key:k#0 ...",
    tips=("nondeterministic_output_order",),
)
def sinter(ctx: Context, argv: list[bytes]) -> Reply:
    return Members(intersection(_open(ctx, argv[1:]), 0))


@command(
    "SINTERSTORE",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW update"), key(2, -1, 1, "RO access")),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N*M) with N members in the smallest of M sets",
    summary="Set a key to the intersection of several sets.",
    syntax="destination:k#0 key:k#1 ...",
    idempotent=True,
)
def sinterstore(ctx: Context, argv: list[bytes]) -> Reply:
    members = intersection(_open(ctx, argv[2:]), 0)
    return _store(ctx, argv[1], _set_of(ctx, members), b"sinterstore")


@command(
    "SINTERCARD",
    arity=-3,
    flags=READONLY | MOVABLEKEYS,
    keys=(KeySpec(1, "RO access", keynum=0, first=1, step=1),),
    group="set",
    acl="set",
    since="7.0.0",
    complexity="O(N*M) with N members in the smallest of M sets",
    summary="Return how many members are in all of several sets, counting to a limit.",
    syntax="numkeys:i key:k#0 ... [LIMIT limit:i]",
)
def sintercard(ctx: Context, argv: list[bytes]) -> Reply:
    numkeys = integer_in(argv[1], 1, I64_MAX, _NUMKEYS)
    if numkeys > len(argv) - 2:
        raise ReplyError(_TOO_MANY_KEYS)
    limit = 0
    for i in range(2 + numkeys, len(argv), 2):
        if i + 1 == len(argv) or argv[i].upper() != b"LIMIT":
            raise ReplyError(errors.SYNTAX)
        limit = not_negative(argv[i + 1], _LIMIT_NEGATIVE)
    count = len(intersection(_open(ctx, argv[2 : 2 + numkeys]), limit))
    return count if limit == 0 else min(count, limit)


@command(
    "SUNION",
    arity=-2,
    flags=READONLY,
    keys=(key(1, -1, 1, "RO access"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members in all sets",
    summary="Return the members that are in any of several sets.",
    syntax="key:k#0 ...",
    tips=("nondeterministic_output_order",),
)
def sunion(ctx: Context, argv: list[bytes]) -> Reply:
    return Members(union(_open(ctx, argv[1:])))


@command(
    "SUNIONSTORE",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "OW update"), key(2, -1, 1, "RO access")),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members in all sets",
    summary="Set a key to the union of several sets.",
    syntax="destination:k#0 key:k#1 ...",
    idempotent=True,
)
def sunionstore(ctx: Context, argv: list[bytes]) -> Reply:
    members = union(_open(ctx, argv[2:]))
    return _store(ctx, argv[1], _set_of(ctx, members), b"sunionstore")


@command(
    "SDIFF",
    arity=-2,
    flags=READONLY,
    keys=(key(1, -1, 1, "RO access"),),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members in all sets",
    summary="Return the members of the first set that are in none of the other ones.",
    syntax="key:k#0 ...",
    tips=("nondeterministic_output_order",),
)
def sdiff(ctx: Context, argv: list[bytes]) -> Reply:
    return Members(difference(_open(ctx, argv[1:])))


@command(
    "SDIFFSTORE",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "OW update"), key(2, -1, 1, "RO access")),
    group="set",
    acl="set",
    since="1.0.0",
    complexity="O(N) with N members in all sets",
    summary="Set a key to the members of one set that are in none of several other ones.",
    syntax="destination:k#0 key:k#1 ...",
)
def sdiffstore(ctx: Context, argv: list[bytes]) -> Reply:
    sets = _open(ctx, argv[2:])
    if not _subtracts_from_copy(sets):
        return _store(ctx, argv[1], _set_of(ctx, difference(sets)), b"sdiffstore")
    result = _set_of(ctx, sets[0].members())
    for other in sets[1:]:
        for member in other.members():
            result.remove(member)
    return _store(ctx, argv[1], result, b"sdiffstore")
