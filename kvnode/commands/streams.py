"""The stream commands that change entries: XADD, XTRIM, XDEL, XSETID; and XLEN."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer
from kvnode.commands.stream_arguments import AddOptions, strict_id, strict_ids
from kvnode.context import Context
from kvnode.datatypes.streams import open_stream, opened
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_ids import (
    COMPLETE,
    HIGHEST,
    INVALID,
    LOWEST,
    following,
    is_before,
    text_of,
)
from kvnode.structures.stream_nodes import NODE_BYTES_MAX
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, Reply

_NOT_ABOVE_ZERO: Final = "ERR The ID specified in XADD must be greater than 0-0"
_NOT_ABOVE_TOP: Final = (
    "ERR The ID specified in XADD is equal or smaller than the target stream top item"
)
_NO_ID_LEFT: Final = "ERR The stream has exhausted the last possible ID, unable to add more items"
_TOO_LARGE: Final = "ERR Elements are too large to be stored"


def _check_sizes(argv: list[bytes], begin: i64) -> None:
    size: i64 = 0
    i = begin
    while i < len(argv):
        size += len(argv[i])
        i += 1
    if size > NODE_BYTES_MAX:
        raise ReplyError(_TOO_LARGE)


def _new_id(ctx: Context, stream: Stream, kind: i64, ms: i64, seq: i64) -> tuple[i64, i64]:
    """Return the id of the entry that is to be added."""
    last_ms = stream.last_ms
    last_seq = stream.last_seq
    if kind == INVALID:
        ms = ctx.now_ms + LOWEST
        if ms > last_ms:
            return ms, LOWEST
        return following(last_ms, last_seq)
    if kind != COMPLETE and ms == last_ms:
        if last_seq == HIGHEST:
            raise ReplyError(_TOO_LARGE)  # what Redis 7.0 says
        return ms, last_seq + 1
    if not is_before(last_ms, last_seq, ms, seq):
        raise ReplyError(_NOT_ABOVE_TOP)
    return ms, seq


@command(
    "XADD",
    arity=-5,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1), and O(N) for N entries that are trimmed",
    summary="Append an entry to a stream, which may be trimmed in the same step.",
    syntax=(
        "key:k#0 [NOMKSTREAM@6.2.0]"
        " [trim=(strategy=<MAXLEN|MINID@6.2.0> [operator=<equal==|approximately=~>] threshold"
        " [LIMIT count:i@6.2.0])] id_or_auto=<auto_id=*|id> field_value=(field value) ..."
    ),
    tips=("nondeterministic_output",),
)
def xadd(ctx: Context, argv: list[bytes]) -> Reply:
    options: AddOptions | None = None
    begin: i64 = 3
    kind: i64 = INVALID
    ms: i64 = 0
    seq: i64 = 0
    if argv[2] != b"*":
        options = AddOptions(ctx, argv, True)
        begin = options.place + 1
        kind = options.id_kind
        ms = options.id_ms
        seq = options.id_seq
    size: i64 = len(argv)
    if size - begin < 2 or (size - begin) & 1:
        raise ReplyError(errors.WRONG_ARITY % "xadd")
    if kind == COMPLETE and ms == LOWEST and seq == LOWEST:
        raise ReplyError(_NOT_ABOVE_ZERO)
    name = argv[1]
    keyspace = ctx.keyspace
    stored = keyspace.for_write(name)
    if stored is None and options is not None and not options.creates:
        return None
    stream = opened(stored)
    if stream.last_ms == HIGHEST and stream.last_seq == HIGHEST:
        raise ReplyError(_NO_ID_LEFT)
    ms, seq = _new_id(ctx, stream, kind, ms, seq)
    _check_sizes(argv, begin)
    encodings = ctx.encodings
    stream.add(
        ms, seq, argv, begin, encodings.stream_node_max_bytes, encodings.stream_node_max_entries
    )
    reply = text_of(ms, seq)
    trimmed = False
    if options is None:
        effect = argv.copy()
        effect[2] = reply
        ctx.effect_argv(effect)
    elif options.strategy or kind != COMPLETE:
        trimmed = _trim_after_add(ctx, argv, stream, options, reply)
    keyspace.store(name, stream)
    keyspace.changed(name, b"xadd")
    if trimmed:
        keyspace.changed(name, b"xtrim", 0)
    return reply


def _trim_after_add(
    ctx: Context, argv: list[bytes], stream: Stream, options: AddOptions, text: bytes
) -> bool:
    """Trim a stream that an entry was added to; log the id made and what was trimmed.

    Returns whether anything was.
    """
    effect = [b"XADD", argv[1]]
    trimmed = bool(options.strategy) and bool(options.trim(stream))
    if trimmed:
        effect += options.exact_words(stream)
    effect.append(text)
    effect += argv[options.place + 1 :]
    ctx.effect_argv(effect)
    return trimmed


@command(
    "XTRIM",
    arity=-4,
    flags=WRITE,
    keys=(key(1, 1, 1, "RW delete"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N) for N entries deleted, most of them by the node",
    summary="Delete entries from a stream's begin, down to a length or up to an id.",
    syntax=(
        "key:k#0 trim=(strategy=<MAXLEN|MINID@6.2.0> [operator=<equal==|approximately=~>]"
        " threshold [LIMIT count:i@6.2.0])"
    ),
    tips=("nondeterministic_output",),
)
def xtrim(ctx: Context, argv: list[bytes]) -> Reply:
    options = AddOptions(ctx, argv, False)
    name = argv[1]
    keyspace = ctx.keyspace
    stream = open_stream(keyspace.for_write(name))
    if stream is None:
        return 0
    deleted = options.trim(stream)
    if deleted:
        keyspace.store(name, stream)
        keyspace.changed(name, b"xtrim", deleted)
        if options.approximate:
            ctx.effect_argv([b"XTRIM", name, *options.exact_words(stream)])
    return int(deleted)


@command(
    "XDEL",
    arity=-3,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW delete"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1) for each entry",
    summary="Delete single entries of a stream; return how many there were.",
    syntax="key:k#0 id ...",
)
def xdel(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    keyspace = ctx.keyspace
    stream = open_stream(keyspace.for_write(name))
    if stream is None:
        return 0
    deleted: i64 = 0
    for ms, seq in strict_ids(argv, 2):
        if stream.remove(ms, seq):
            deleted += 1
    if deleted:
        keyspace.store(name, stream)
        keyspace.changed(name, b"xdel", deleted)
    return int(deleted)


@command(
    "XLEN",
    arity=2,
    flags=READONLY | FAST,
    keys=(key(1, 1, 1, "RO"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Return the number of entries in a stream.",
    syntax="key:k#0",
)
def xlen(ctx: Context, argv: list[bytes]) -> Reply:
    stream = open_stream(ctx.keyspace.read(argv[1]))
    return 0 if stream is None else int(stream.length)


@command(
    "XSETID",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Set a stream's last id and its counters, as a log's replay has to.",
    syntax=(
        "key:k#0 last-id [ENTRIESADDED entries_added:i@7.0.0]"
        " [MAXDELETEDID max_deleted_entry_id@7.0.0]"
    ),
)
def xsetid(ctx: Context, argv: list[bytes]) -> Reply:
    ms, seq = strict_id(argv[2])
    added: i64 = -1
    deleted_ms: i64 = LOWEST
    deleted_seq: i64 = LOWEST
    i: i64 = 3
    while i < len(argv):
        option = argv[i].upper()
        if i + 1 == len(argv) or option not in (b"ENTRIESADDED", b"MAXDELETEDID"):
            raise ReplyError(errors.SYNTAX)
        if option == b"ENTRIESADDED":
            added = integer(argv[i + 1])
            if added < 0:
                raise ReplyError("ERR entries_added must be positive")
        else:
            deleted_ms, deleted_seq = strict_id(argv[i + 1])
            if is_before(ms, seq, deleted_ms, deleted_seq):
                raise ReplyError(
                    "ERR The ID specified in XSETID is smaller than the provided "
                    "max_deleted_entry_id"
                )
        i += 2
    name = argv[1]
    keyspace = ctx.keyspace
    stream = open_stream(keyspace.for_write(name))
    if stream is None:
        raise ReplyError(errors.NO_SUCH_KEY)
    _check_last_id(stream, ms, seq, added)
    stream.drop_deleted_behind(ms, seq)
    stream.last_ms = ms
    stream.last_seq = seq
    if added != -1:
        stream.entries_added = added
    if deleted_ms != LOWEST or deleted_seq != LOWEST:
        stream.deleted_ms = deleted_ms
        stream.deleted_seq = deleted_seq
    keyspace.store(name, stream)
    keyspace.noted(name, b"xsetid")
    return OK


def _check_last_id(stream: Stream, ms: i64, seq: i64, added: i64) -> None:
    """Refuse a last id or a number of entries ever added that the entries there contradict."""
    if not stream.length:
        return
    top_ms, top_seq = stream.greatest()
    if is_before(ms, seq, top_ms, top_seq):
        raise ReplyError(
            "ERR The ID specified in XSETID is smaller than the target stream top item"
        )
    if added != -1 and stream.length > added:
        raise ReplyError(
            "ERR The entries_added specified in XSETID is smaller than the target stream length"
        )
