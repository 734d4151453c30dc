"""The transaction commands: MULTI, EXEC, DISCARD, and the optimistic locks WATCH and UNWATCH."""

from kvnode.command import (
    ALLOW_BUSY,
    FAST,
    LOADING,
    NOSCRIPT,
    SKIP_SLOWLOG,
    STALE,
    command,
    key,
)
from kvnode.context import Context
from kvnode.session import IN_MULTI, Transaction
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import NIL_ARRAY, OK, Reply


@command(
    "MULTI",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    group="transactions",
    acl="transaction",
    since="1.2.0",
    complexity="O(1)",
    summary="Begin a transaction: the commands up to EXEC are queued.",
)
def multi(ctx: Context, argv: list[bytes]) -> Reply:
    session = ctx.session
    if session.transaction is not None:
        raise ReplyError(errors.NESTED_MULTI)
    session.transaction = Transaction()
    session.gate |= IN_MULTI
    return OK


@command(
    "EXEC",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG,
    group="transactions",
    acl="transaction",
    since="1.2.0",
    complexity="Depends on the queued commands",
    summary="Run the queued commands as one, unless a watched key has changed.",
)
def exec_(ctx: Context, argv: list[bytes]) -> Reply:
    session = ctx.session
    transaction = session.transaction
    if transaction is None:
        raise ReplyError(errors.EXEC_WITHOUT_MULTI)
    watching = ctx.node.watching
    if transaction.failed:
        watching.discard(session)
        raise ReplyError(errors.EXEC_ABORTED)
    if watching.is_broken(session):
        watching.discard(session)
        return NIL_ARRAY
    reply = ctx.node.dispatcher.execute_queued(session)
    watching.discard(session)
    return reply


@command(
    "DISCARD",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    group="transactions",
    acl="transaction",
    since="2.0.0",
    complexity="O(N) in the number of queued commands",
    summary="Forget the queued commands and the watched keys.",
)
def discard(ctx: Context, argv: list[bytes]) -> Reply:
    session = ctx.session
    if session.transaction is None:
        raise ReplyError(errors.DISCARD_WITHOUT_MULTI)
    ctx.node.watching.discard(session)
    return OK


@command(
    "WATCH",
    arity=-2,
    flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    keys=(key(1, -1, 1, "RO"),),
    group="transactions",
    acl="transaction",
    since="2.2.0",
    complexity="O(1) a key",
    summary="Make the next EXEC depend on these keys staying as they are.",
    syntax="key:k#0 ...",
)
def watch(ctx: Context, argv: list[bytes]) -> Reply:
    session = ctx.session
    if session.transaction is not None:
        raise ReplyError(errors.WATCH_INSIDE_MULTI)
    for i in range(1, len(argv)):
        ctx.node.watching.watch(session, argv[i])
    return OK


@command(
    "UNWATCH",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    group="transactions",
    acl="transaction",
    since="2.2.0",
    complexity="O(1)",
    summary="Forget all watched keys.",
)
def unwatch(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.watching.unwatch(ctx.session)
    return OK
