"""XINFO: what a stream, its groups and their consumers are like."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import LOADING, READONLY, STALE, command, key
from kvnode.commands.arguments import integer
from kvnode.commands.containers import container
from kvnode.commands.stream_arguments import NO_GROUP_OF_KEY
from kvnode.commands.stream_reading import encoded_edge, encoded_range
from kvnode.context import Context
from kvnode.datatypes.streams import open_stream
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_groups import UNKNOWN, Consumer, Group
from kvnode.structures.stream_ids import HIGHEST, LOWEST, text_of
from kvnode.structures.stream_pending import DELIVERIES, TIME
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Pairs, Reply, Simple

_FULL_COUNT: Final = 10

_HELP: Final = (
    b"XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CONSUMERS <key> <groupname>",
    b"    Show the consumers of a group.",
    b"GROUPS <key>",
    b"    Show the groups of a stream.",
    b"STREAM <key> [FULL [COUNT <count>]",
    b"    Show a stream's counters; with FULL its entries, groups and consumers too.",
    b"HELP",
    b"    Print this text.",
)

command(
    "XINFO",
    arity=-2,
    flags=0,
    group="stream",
    since="5.0.0",
    complexity="Depends on the subcommand",
    summary="Holds the commands that look into streams.",
)(container)


def _present(ctx: Context, name: bytes) -> Stream:
    stream = open_stream(ctx.keyspace.read(name))
    if stream is None:
        raise ReplyError(errors.NO_SUCH_KEY)
    return stream


def _entries_read(group: Group) -> Reply:
    return None if group.entries_read == UNKNOWN else int(group.entries_read)


@command(
    "XINFO CONSUMERS",
    arity=4,
    flags=READONLY,
    keys=(key(2, 2, 1, "RO access"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N log N) for N consumers",
    summary="List the consumers of a group.",
    syntax="key:k#0 groupname",
    tips=("nondeterministic_output",),
)
def xinfo_consumers(ctx: Context, argv: list[bytes]) -> Reply:
    group = _present(ctx, argv[2]).group(argv[3])
    if group is None:
        raise ReplyError(NO_GROUP_OF_KEY % (errors.shown(argv[3]), errors.shown(argv[2])))
    rows: list[Reply] = []
    for consumer in group.sorted_consumers():
        items: list[Reply] = [b"name", consumer.name, b"pending", int(consumer.pending.count)]
        items += [b"idle", int(max(ctx.now_ms - consumer.seen_ms, 0))]
        rows.append(Pairs(items))
    return rows


@command(
    "XINFO GROUPS",
    arity=3,
    flags=READONLY,
    keys=(key(2, 2, 1, "RO access"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N log N) for N groups",
    summary="List the groups of a stream.",
    syntax="key:k#0",
)
def xinfo_groups(ctx: Context, argv: list[bytes]) -> Reply:
    stream = _present(ctx, argv[2])
    rows: list[Reply] = []
    for group in stream.sorted_groups():
        items: list[Reply] = [b"name", group.name, b"consumers", len(group.consumers)]
        items += [b"pending", int(group.pending.count)]
        items += [b"last-delivered-id", text_of(group.last_ms, group.last_seq)]
        items += [b"entries-read", _entries_read(group), b"lag", stream.lag(group)]
        rows.append(Pairs(items))
    return rows


@command(
    "XINFO STREAM",
    arity=-3,
    flags=READONLY,
    keys=(key(2, 2, 1, "RO access"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N) for N nodes",
    summary="Return a stream's counters, and with FULL what is in it.",
    syntax="key:k#0 [FULL full=([COUNT count:i])]",
)
def xinfo_stream(ctx: Context, argv: list[bytes]) -> Reply:
    stream = _present(ctx, argv[2])
    size: i64 = len(argv)
    count: i64 = _FULL_COUNT
    if size > 3:
        words = [word.upper() for word in argv[3:]]
        if size not in (4, 6) or words[0] != b"FULL" or (size == 6 and words[1] != b"COUNT"):
            raise ReplyError(errors.wrong_subcommand(argv))
        if size == 6:
            count = integer(argv[5])
            if count < 0:
                count = _FULL_COUNT
    items: list[Reply] = [b"length", int(stream.length)]
    items += [b"radix-tree-keys", int(stream.node_count())]
    items += [b"radix-tree-nodes", int(stream.tree_nodes())]
    items += [b"last-generated-id", text_of(stream.last_ms, stream.last_seq)]
    items += [b"max-deleted-entry-id", text_of(stream.deleted_ms, stream.deleted_seq)]
    items += [b"entries-added", int(stream.entries_added)]
    items += [b"recorded-first-entry-id", text_of(stream.first_ms, stream.first_seq)]
    if size == 3:
        items += [b"groups", len(stream.groups)]
        items += [b"first-entry", encoded_edge(stream, False)]
        items += [b"last-entry", encoded_edge(stream, True)]
    else:
        entries = encoded_range(stream, LOWEST, LOWEST, HIGHEST, HIGHEST, count)
        items += [b"entries", entries]
        items += [
            b"groups",
            [_whole_group(stream, group, count) for group in stream.sorted_groups()],
        ]
    return Pairs(items)


def _whole_group(stream: Stream, group: Group, count: i64) -> Reply:
    items: list[Reply] = [b"name", group.name]
    items += [b"last-delivered-id", text_of(group.last_ms, group.last_seq)]
    items += [b"entries-read", _entries_read(group), b"lag", stream.lag(group)]
    table = group.pending
    pending: list[Reply] = []
    more = table.seek(LOWEST, LOWEST)
    while more and (count == 0 or len(pending) < count):
        entry_id = text_of(table.get(0), table.get(1))
        row: list[Reply] = [entry_id, group.owner().name, int(table.get(TIME))]
        row.append(int(table.get(DELIVERIES)))
        pending.append(row)
        more = table.step()
    items += [b"pel-count", int(table.count), b"pending", pending]
    items += [
        b"consumers",
        [_whole_consumer(group, consumer, count) for consumer in group.sorted_consumers()],
    ]
    return Pairs(items)


def _whole_consumer(group: Group, consumer: Consumer, count: i64) -> Reply:
    table = consumer.pending
    pending: list[Reply] = []
    more = table.seek(LOWEST, LOWEST)
    while more and (count == 0 or len(pending) < count):
        row: list[Reply] = [text_of(table.get(0), table.get(1))]
        if group.pending.find(table.get(0), table.get(1)):
            row += [int(group.pending.get(TIME)), int(group.pending.get(DELIVERIES))]
        pending.append(row)
        more = table.step()
    items: list[Reply] = [b"name", consumer.name, b"seen-time", int(consumer.seen_ms)]
    items += [b"pel-count", int(table.count), b"pending", pending]
    return Pairs(items)


@command(
    "XINFO HELP",
    arity=2,
    flags=LOADING | STALE,
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Show the forms of XINFO.",
)
def xinfo_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]
