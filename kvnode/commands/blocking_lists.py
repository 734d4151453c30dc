"""The list commands that wait until there is an element.

What one of them took is logged as the command that takes it without waiting.
"""

from typing import final

from mypy_extensions import i64

from kvnode.command import (
    BLOCKING,
    DENYOOM,
    MOVABLEKEYS,
    NOSCRIPT,
    WRITE,
    KeySpec,
    command,
    key,
)
from kvnode.commands.arguments import deadline_of_timeout
from kvnode.commands.lists import MultiPop, is_left, move_one, pop_one
from kvnode.context import STILL_BLOCKED, Blocked, Context
from kvnode.datatypes.lists import List
from kvprotocol.errors import WrongType
from kvprotocol.replies import NIL_ARRAY, Reply


def _holds_list(ctx: Context, name: bytes) -> bool:
    """Return whether a key holds a list: a session goes on waiting when it holds anything else."""
    try:
        List.open(ctx.keyspace.peek(name), ctx.encodings)
    except WrongType:
        return False
    return True


@final
class _Pop:
    """BLPOP and BRPOP."""

    def __init__(self, from_left: bool) -> None:
        self.from_left = from_left

    def take(self, ctx: Context, name: bytes, stored: object) -> Reply:
        """Take an element from the list at `name`; the reply names it."""
        keyspace = ctx.keyspace
        element = pop_one(keyspace, name, List.open(stored, ctx.encodings), self.from_left)
        ctx.effect(b"LPOP" if self.from_left else b"RPOP", name)
        return [name, element]

    def serve(self, ctx: Context, name: bytes) -> Reply:
        """Answer a waiting session."""
        if not _holds_list(ctx, name):
            return STILL_BLOCKED
        return self.take(ctx, name, ctx.keyspace.for_write(name))


def _blocking_pop(ctx: Context, argv: list[bytes], from_left: bool) -> Reply:
    deadline_ms = deadline_of_timeout(ctx, argv[len(argv) - 1])
    pop = _Pop(from_left)
    i: i64 = 1
    while i < len(argv) - 1:
        stored = ctx.keyspace.for_write(argv[i])
        if stored is not None:
            return pop.take(ctx, argv[i], stored)
        i += 1
    if not ctx.may_block:
        return NIL_ARRAY
    return Blocked(argv[1 : len(argv) - 1], deadline_ms, pop.serve, NIL_ARRAY)


@command(
    "BLPOP",
    arity=-3,
    flags=WRITE | NOSCRIPT | BLOCKING,
    keys=(key(1, -2, 1, "RW access delete"),),
    group="list",
    acl="list",
    since="2.0.0",
    complexity="O(N) with N keys",
    summary="Take the first element of the first list that has one, waiting for it if need be.",
    syntax="key:k#0 ... timeout:d",
)
def blpop(ctx: Context, argv: list[bytes]) -> Reply:
    return _blocking_pop(ctx, argv, True)


@command(
    "BRPOP",
    arity=-3,
    flags=WRITE | NOSCRIPT | BLOCKING,
    keys=(key(1, -2, 1, "RW access delete"),),
    group="list",
    acl="list",
    since="2.0.0",
    complexity="O(N) with N keys",
    summary="Take the last element of the first list that has one, waiting for it if need be.",
    syntax="key:k#0 ... timeout:d",
)
def brpop(ctx: Context, argv: list[bytes]) -> Reply:
    return _blocking_pop(ctx, argv, False)


@final
class _Move:
    """BLMOVE and BRPOPLPUSH; `effect` begins the command that does the same without waiting."""

    def __init__(
        self, source: bytes, destination: bytes, from_left: bool, to_left: bool, is_lmove: bool
    ) -> None:
        self.source = source
        self.destination = destination
        self.from_left = from_left
        self.to_left = to_left
        self.is_lmove = is_lmove

    def take(self, ctx: Context) -> bytes | None:
        """Move an element; None when the source is not there."""
        element = move_one(ctx, self.source, self.destination, self.from_left, self.to_left)
        if element is None:
            return None
        if self.is_lmove:
            ctx.effect(
                b"LMOVE",
                self.source,
                self.destination,
                b"LEFT" if self.from_left else b"RIGHT",
                b"LEFT" if self.to_left else b"RIGHT",
            )
        else:
            ctx.effect(b"RPOPLPUSH", self.source, self.destination)
        return element

    def serve(self, ctx: Context, name: bytes) -> Reply:
        """Answer a waiting session; a destination of another type ends its wait with the error."""
        return self.take(ctx) if _holds_list(ctx, name) else STILL_BLOCKED


def _blocking_move(ctx: Context, move: _Move, timeout: bytes) -> Reply:
    deadline_ms = deadline_of_timeout(ctx, timeout)
    element = move.take(ctx)
    if element is not None or not ctx.may_block:
        return element
    return Blocked([move.source], deadline_ms, move.serve, NIL_ARRAY)


@command(
    "BLMOVE",
    arity=6,
    flags=WRITE | DENYOOM | NOSCRIPT | BLOCKING,
    keys=(key(1, 1, 1, "RW access delete"), key(2, 2, 1, "RW insert")),
    group="list",
    acl="list",
    since="6.2.0",
    complexity="O(1)",
    summary="Move an element between ends of lists, waiting for it if need be.",
    syntax="source:k#0 destination:k#1 wherefrom=<LEFT|RIGHT> whereto=<LEFT|RIGHT> timeout:d",
)
def blmove(ctx: Context, argv: list[bytes]) -> Reply:
    from_left = is_left(argv[3])
    move = _Move(argv[1], argv[2], from_left, is_left(argv[4]), True)
    return _blocking_move(ctx, move, argv[5])


@command(
    "BRPOPLPUSH",
    arity=4,
    flags=WRITE | DENYOOM | NOSCRIPT | BLOCKING,
    keys=(key(1, 1, 1, "RW access delete"), key(2, 2, 1, "RW insert")),
    group="list",
    acl="list",
    since="2.2.0",
    complexity="O(1)",
    summary="Move the last element of a list to the front of another, waiting for it if need be.",
    syntax="source:k#0 destination:k#1 timeout:d",
    replaced_by="`BLMOVE` with the `RIGHT` and `LEFT` arguments",
    deprecated_since="6.2.0",
)
def brpoplpush(ctx: Context, argv: list[bytes]) -> Reply:
    return _blocking_move(ctx, _Move(argv[1], argv[2], False, True, False), argv[3])


@final
class _MultiPop:
    """BLMPOP."""

    def __init__(self, arguments: MultiPop) -> None:
        self.arguments = arguments

    def serve(self, ctx: Context, name: bytes) -> Reply:
        """Answer a waiting session."""
        if not _holds_list(ctx, name):
            return STILL_BLOCKED
        return self.arguments.take(ctx, name, ctx.keyspace.for_write(name))


@command(
    "BLMPOP",
    arity=-5,
    flags=WRITE | BLOCKING | MOVABLEKEYS,
    keys=(KeySpec(2, "RW access delete", keynum=0, first=1, step=1),),
    group="list",
    acl="list",
    since="7.0.0",
    complexity="O(N+M) with N keys and M elements taken",
    summary="Take elements from the first of several lists that has any, waiting if need be.",
    syntax="timeout:d numkeys:i key:k#0 ... where=<LEFT|RIGHT> [COUNT count:i]",
)
def blmpop(ctx: Context, argv: list[bytes]) -> Reply:
    arguments = MultiPop(argv, 2)
    deadline_ms = deadline_of_timeout(ctx, argv[1])
    reply = arguments.take_first(ctx)
    if reply is not None:
        return reply
    if not ctx.may_block:
        return NIL_ARRAY
    return Blocked(arguments.keys, deadline_ms, _MultiPop(arguments).serve, NIL_ARRAY)
