"""The commands that save the dataset: SAVE, BGSAVE, LASTSAVE."""

from kvnode.command import (
    ADMIN,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
    command,
)
from kvnode.context import Context
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, Reply, Simple


@command(
    "SAVE",
    arity=1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
    group="server",
    since="1.0.0",
    complexity="O(N) with N keys in all databases",
    summary="Save the dataset to the RDB file; no other client is served meanwhile.",
)
def save(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.saver.save()
    return OK


@command(
    "BGSAVE",
    arity=-1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Save the dataset to the RDB file in the background.",
    syntax="[SCHEDULE@3.2.2]",
)
def bgsave(ctx: Context, argv: list[bytes]) -> Reply:
    saver = ctx.node.saver
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() != b"SCHEDULE"):
        raise ReplyError(errors.SYNTAX)
    if saver.is_saving():
        raise ReplyError(errors.SAVE_IN_PROGRESS)
    if not ctx.may_block or ctx.node.append_log.job is not None:
        # Inside EXEC what is queued behind belongs into the file.
        if ctx.may_block and len(argv) == 1:
            raise ReplyError(errors.OTHER_CHILD)
        saver.is_scheduled = True
        return Simple(b"Background saving scheduled")
    saver.start()
    return Simple(b"Background saving started")


@command(
    "BGREWRITEAOF",
    arity=1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Make the append-only file anew in the background, from the dataset as it is.",
)
def bgrewriteaof(ctx: Context, argv: list[bytes]) -> Reply:
    log = ctx.node.append_log
    if log.job is not None:
        raise ReplyError(errors.REWRITE_IN_PROGRESS)
    if not ctx.may_block or ctx.node.saver.is_saving():
        log.is_scheduled = True
        return Simple(b"Background append only file rewriting scheduled")
    log.rewrite()
    return Simple(b"Background append only file rewriting started")


@command(
    "LASTSAVE",
    arity=1,
    flags=LOADING | STALE | FAST,
    group="server",
    acl="admin dangerous",
    since="1.0.0",
    complexity="O(1)",
    summary="Return the UNIX time of the last save; the node's start where there was none.",
    tips=("nondeterministic_output",),
    idempotent=True,
)
def lastsave(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.node.saver.last_save
