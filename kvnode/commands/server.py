"""The server commands on the node as a whole: INFO, flushes, time, role, shutdown."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    STALE,
    WRITE,
    command,
)
from kvnode.context import Blocked, Context, never_served
from kvnode.dataset import Dataset
from kvnode.info import render
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import parse_int
from kvprotocol.replies import NO_REPLY, OK, Reply, Verbatim

_INT_MIN: Final = -(1 << 31)
_INT_MAX: Final = (1 << 31) - 1


@command(
    "INFO",
    arity=-1,
    flags=LOADING | STALE,
    group="server",
    acl="dangerous",
    since="1.0.0",
    complexity="O(1)",
    summary="Return figures and statistics of the node, in sections.",
    syntax="[section ...]",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
    idempotent=True,
)
def info(ctx: Context, argv: list[bytes]) -> Reply:
    wanted = [word.lower().decode("latin-1") for word in argv[1:]]
    return Verbatim(render(ctx.node, wanted, ctx.node.clock.now()))


@command(
    "DBSIZE",
    arity=1,
    flags=READONLY | FAST,
    group="server",
    acl="keyspace",
    since="1.0.0",
    complexity="O(1)",
    summary="Return how many keys the selected database holds.",
    tips=("request_policy:all_shards", "response_policy:agg_sum"),
)
def dbsize(ctx: Context, argv: list[bytes]) -> Reply:
    return int(ctx.keyspace.count)


def _is_lazy(ctx: Context, argv: list[bytes]) -> bool:
    """Return whether a flush shall free in slices."""
    if len(argv) == 1:
        return ctx.node.settings.lazyfree_lazy_user_flush
    if len(argv) == 2:
        word = argv[1].upper()
        if word == b"ASYNC":
            return True
        if word == b"SYNC":
            return False
    raise ReplyError(errors.SYNTAX)


def _record(dataset: Dataset, changes: i64) -> None:
    """Record a change of whole databases: it goes to the log even if they were empty."""
    dataset.changes += 1
    dataset.dirty += changes


@command(
    "FLUSHDB",
    arity=-1,
    flags=WRITE,
    group="server",
    acl="keyspace dangerous",
    since="1.0.0",
    complexity="O(N) with N keys in the selected database; ASYNC frees them in slices",
    summary="Remove all keys of the selected database.",
    syntax="[async=<ASYNC@4.0.0|SYNC@6.2.0>]",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
    idempotent=True,
)
def flushdb(ctx: Context, argv: list[bytes]) -> Reply:
    _record(ctx.keyspace.dataset, ctx.keyspace.clear(_is_lazy(ctx, argv)))
    ctx.node.tracking.flush()
    return OK


@command(
    "FLUSHALL",
    arity=-1,
    flags=WRITE,
    group="server",
    acl="keyspace dangerous",
    since="1.0.0",
    complexity="O(N) with N keys in all databases; ASYNC frees them in slices",
    summary="Remove all keys of all databases.",
    syntax="[async=<ASYNC@4.0.0|SYNC@6.2.0>]",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
    idempotent=True,
)
def flushall(ctx: Context, argv: list[bytes]) -> Reply:
    lazily = _is_lazy(ctx, argv)
    dataset = ctx.keyspace.dataset
    dropped: i64 = 0
    ctx.node.saver.give_up()
    for database in dataset.databases:
        dropped += database.clear(lazily)
    _record(dataset, dropped)
    ctx.node.saver.save_after_flush()
    ctx.node.tracking.flush()
    return OK


def _database(word: bytes, place: str) -> int:
    index = parse_int(word)
    if index is None or index < _INT_MIN or index > _INT_MAX:
        raise ReplyError(f"ERR invalid {place} DB index")
    return index


@command(
    "SWAPDB",
    arity=3,
    flags=WRITE | FAST,
    group="server",
    acl="keyspace dangerous",
    since="4.0.0",
    complexity="O(N) with N clients that watch or wait for keys of the two databases",
    summary="Exchange the contents of two databases.",
    syntax="index1:i index2:i",
)
def swapdb(ctx: Context, argv: list[bytes]) -> Reply:
    dataset = ctx.keyspace.dataset
    count = len(dataset.databases)
    first = _database(argv[1], "first")
    second = _database(argv[2], "second")
    if not (0 <= first < count and 0 <= second < count):
        raise ReplyError(errors.DB_INDEX_OUT_OF_RANGE)
    if first != second:
        dataset.swap(first, second)
    _record(dataset, 1)
    return OK


@command(
    "TIME",
    arity=1,
    flags=LOADING | STALE | FAST,
    group="server",
    since="2.6.0",
    complexity="O(1)",
    summary="Return the node's time as seconds and microseconds.",
    tips=("nondeterministic_output",),
    idempotent=True,
)
def time(ctx: Context, argv: list[bytes]) -> Reply:
    microseconds = int(ctx.node.clock.now() * 1e6)
    return [b"%d" % (microseconds // 1000000), b"%d" % (microseconds % 1000000)]


@command(
    "SHUTDOWN",
    arity=-1,
    flags=ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Stop the node.",
    syntax="[nosave_save=<NOSAVE|SAVE>] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]",
)
def shutdown(ctx: Context, argv: list[bytes]) -> Reply:
    """Stop, once followers have everything and the data is saved, if that is wanted."""
    words = {word.upper() for word in argv[1:]}
    if not words <= {b"NOSAVE", b"SAVE", b"NOW", b"FORCE", b"ABORT"}:
        raise ReplyError(errors.SYNTAX)
    if ctx.node.scripting.is_busy() and b"NOSAVE" not in words:
        raise ReplyError(ctx.node.scripting.busy_error())
    if (b"SAVE" in words and b"NOSAVE" in words) or (b"ABORT" in words and len(words) > 1):
        raise ReplyError(errors.SYNTAX)
    ending = ctx.node.ending
    if b"ABORT" in words:
        ending.abort()
        return OK
    waits = b"NOW" not in words
    if not ending.begin(b"SAVE" in words, b"NOSAVE" in words, b"FORCE" in words, waits):
        raise ReplyError(errors.SHUTDOWN_FAILED)
    if ctx.node.stop_requested:
        ctx.session.finish()
        return NO_REPLY
    blocked = Blocked([], 0, never_served, NO_REPLY)
    ending.wait(ctx.session, blocked)
    return blocked
