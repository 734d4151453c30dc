"""Consumer groups: XGROUP, and what was delivered and not acknowledged: XACK, XPENDING."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, FAST, LOADING, READONLY, STALE, WRITE, command, key
from kvnode.commands.arguments import integer
from kvnode.commands.containers import container
from kvnode.commands.stream_arguments import (
    NO_GROUP,
    NO_GROUP_OF_KEY,
    any_id,
    interval_end,
    interval_start,
    strict_id,
    strict_ids,
)
from kvnode.context import Context
from kvnode.datatypes.streams import open_stream
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_groups import UNKNOWN, Consumer, Group
from kvnode.structures.stream_ids import LOWEST, is_before, text_of
from kvnode.structures.stream_pending import DELIVERIES, TIME
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import NIL_ARRAY, OK, Reply, Simple

_NO_KEY: Final = (
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use"
    " the MKSTREAM option to create an empty stream automatically."
)
_BUSY_GROUP: Final = "BUSYGROUP Consumer Group name already exists"
_READ_COUNT: Final = "ERR value for ENTRIESREAD must be positive or -1"

_HELP: Final = (
    b"XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CREATE <key> <groupname> <id|$> [option]",
    b"    Make a group that reads what comes behind an id. Options:",
    b"    * MKSTREAM",
    b"      Make an empty stream where there is none.",
    b"    * ENTRIESREAD entries_read",
    b"      Say how many entries the group has read (internal).",
    b"CREATECONSUMER <key> <groupname> <consumer>",
    b"    Add a consumer to a group.",
    b"DELCONSUMER <key> <groupname> <consumer>",
    b"    Take a consumer out of a group.",
    b"DESTROY <key> <groupname>",
    b"    Take a group out of a stream.",
    b"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    b"    Set the id behind which a group reads, and how many entries it has read.",
    b"HELP",
    b"    Print this text.",
)

command(
    "XGROUP",
    arity=-2,
    flags=0,
    group="stream",
    since="5.0.0",
    complexity="Depends on the subcommand",
    summary="Holds the commands that make, change and delete consumer groups.",
)(container)


def _group_options(argv: list[bytes], may_create: bool) -> tuple[bool, i64]:
    """Return whether to make the stream, and how many entries the group has read."""
    creates = False
    entries_read: i64 = UNKNOWN
    i: i64 = 5
    while i < len(argv):
        option = argv[i].upper()
        if may_create and option == b"MKSTREAM":
            creates = True
            i += 1
        elif option == b"ENTRIESREAD" and i + 1 < len(argv):
            entries_read = integer(argv[i + 1])
            if entries_read < 0 and entries_read != UNKNOWN:
                raise ReplyError(_READ_COUNT)
            i += 2
        else:
            raise ReplyError(errors.wrong_subcommand(argv))
    return creates, entries_read


def _present(ctx: Context, argv: list[bytes]) -> Stream:
    """Return the stream of an XGROUP subcommand, to be changed."""
    stream = open_stream(ctx.keyspace.for_write(argv[2]))
    if stream is None:
        raise ReplyError(_NO_KEY)
    return stream


def _present_group(stream: Stream, argv: list[bytes]) -> Group:
    """Return the group of an XGROUP subcommand."""
    group = stream.group(argv[3])
    if group is None:
        raise ReplyError(NO_GROUP_OF_KEY % (errors.shown(argv[3]), errors.shown(argv[2])))
    return group


def _put_back(ctx: Context, name: bytes, stream: Stream) -> None:
    stream.settle()
    ctx.keyspace.store(name, stream)


@command(
    "XGROUP CREATE",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=(key(2, 2, 1, "RW insert"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Make a consumer group that reads what comes behind an id.",
    syntax="key:k#0 groupname id=<id|new_id=$> [MKSTREAM] [ENTRIESREAD entries_read:i]",
)
def xgroup_create(ctx: Context, argv: list[bytes]) -> Reply:
    creates, entries_read = _group_options(argv, True)
    name = argv[2]
    stream = open_stream(ctx.keyspace.for_write(name))
    if stream is None and not creates:
        raise ReplyError(_NO_KEY)
    if i64(len(argv)) > 8:
        raise ReplyError(errors.wrong_subcommand(argv))
    ms: i64 = LOWEST
    seq: i64 = LOWEST
    if argv[4] != b"$":
        ms, seq = strict_id(argv[4])
    elif stream is not None:
        ms = stream.last_ms
        seq = stream.last_seq
    if stream is None:
        stream = Stream()
        stream.create_group(argv[3], ms, seq, entries_read)
        _put_back(ctx, name, stream)
        ctx.keyspace.changed(name, b"xgroup-create")
        return OK
    if not stream.create_group(argv[3], ms, seq, entries_read):
        raise ReplyError(_BUSY_GROUP)
    if argv[4] == b"$":
        effect = argv.copy()
        effect[4] = text_of(ms, seq)
        ctx.effect_argv(effect)
    _put_back(ctx, name, stream)
    ctx.keyspace.noted(name, b"xgroup-create")
    return OK


@command(
    "XGROUP SETID",
    arity=-5,
    flags=WRITE,
    keys=(key(2, 2, 1, "RW update"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Set the id behind which a group reads.",
    syntax="key:k#0 groupname id=<id|new_id=$> [ENTRIESREAD entries_read:i]",
)
def xgroup_setid(ctx: Context, argv: list[bytes]) -> Reply:
    _, entries_read = _group_options(argv, False)
    stream = _present(ctx, argv)
    group = _present_group(stream, argv)
    if i64(len(argv)) not in (5, 7):
        raise ReplyError(errors.wrong_subcommand(argv))
    if argv[4] == b"$":
        ms = stream.last_ms
        seq = stream.last_seq
    else:
        ms, seq = any_id(argv[4])
    group.last_ms = ms
    group.last_seq = seq
    group.entries_read = entries_read
    ctx.keyspace.noted(argv[2], b"xgroup-setid")
    return OK


@command(
    "XGROUP DESTROY",
    arity=4,
    flags=WRITE,
    keys=(key(2, 2, 1, "RW delete"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N) for N entries pending in the group",
    summary="Take a consumer group out of a stream.",
    syntax="key:k#0 groupname",
)
def xgroup_destroy(ctx: Context, argv: list[bytes]) -> Reply:
    stream = _present(ctx, argv)
    if not stream.destroy_group(argv[3]):
        return 0
    _put_back(ctx, argv[2], stream)
    ctx.keyspace.noted(argv[2], b"xgroup-destroy")
    # Those who wait in the group are told that it is gone.
    ctx.keyspace.dataset.wake(ctx.keyspace.index, argv[2])
    return 1


@command(
    "XGROUP CREATECONSUMER",
    arity=5,
    flags=WRITE | DENYOOM,
    keys=(key(2, 2, 1, "RW insert"),),
    group="stream",
    acl="stream",
    since="6.2.0",
    complexity="O(1)",
    summary="Add a consumer to a group; return whether it was new.",
    syntax="key:k#0 groupname consumername",
)
def xgroup_createconsumer(ctx: Context, argv: list[bytes]) -> Reply:
    stream = _present(ctx, argv)
    group = _present_group(stream, argv)
    if group.consumer(argv[4]) is not None:
        return 0
    group.create_consumer(argv[4], ctx.now_ms)
    _put_back(ctx, argv[2], stream)
    ctx.keyspace.noted(argv[2], b"xgroup-createconsumer")
    return 1


@command(
    "XGROUP DELCONSUMER",
    arity=5,
    flags=WRITE,
    keys=(key(2, 2, 1, "RW delete"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N) for N entries pending for the consumer",
    summary="Take a consumer out of a group; return how many entries were pending for it.",
    syntax="key:k#0 groupname consumername",
)
def xgroup_delconsumer(ctx: Context, argv: list[bytes]) -> Reply:
    stream = _present(ctx, argv)
    group = _present_group(stream, argv)
    consumer = group.consumer(argv[4])
    if consumer is None:
        return 0
    pending = consumer.pending.count
    group.delete_consumer(consumer)
    _put_back(ctx, argv[2], stream)
    ctx.keyspace.noted(argv[2], b"xgroup-delconsumer")
    return int(pending)


@command(
    "XGROUP HELP",
    arity=2,
    flags=LOADING | STALE,
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Show the forms of XGROUP.",
)
def xgroup_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]


# --- pending entries ------------------------------------------------------------------------------


@command(
    "XACK",
    arity=-4,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(1) for each id",
    summary="Acknowledge entries, which are then no longer pending; return how many were.",
    syntax="key:k#0 group id ...",
)
def xack(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    keyspace = ctx.keyspace
    stream = open_stream(keyspace.read(name))
    group = stream.group(argv[2]) if stream is not None else None
    if stream is None or group is None:
        return 0
    acknowledged: i64 = 0
    if len(argv) == 4:
        ms, seq = strict_id(argv[3])
        keyspace.for_write(name)
        if group.acknowledge(ms, seq):
            acknowledged = 1
    else:
        ids = strict_ids(argv, 3)
        keyspace.for_write(name)
        for ms, seq in ids:
            if group.acknowledge(ms, seq):
                acknowledged += 1
    if acknowledged:
        _put_back(ctx, name, stream)
        keyspace.noted(name, b"", acknowledged)
    return int(acknowledged)


@command(
    "XPENDING",
    arity=-3,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned, or looked at with IDLE; O(M) for M consumers",
    summary="Return what is pending in a group: a summary, or the entries between two ids.",
    syntax="key:k#0 group [filters=([IDLE min-idle-time:i@6.2.0] start end count:i [consumer])]",
    tips=("nondeterministic_output",),
)
def xpending(ctx: Context, argv: list[bytes]) -> Reply:
    size: i64 = len(argv)
    if size != 3 and (size < 6 or size > 9):
        raise ReplyError(errors.SYNTAX)
    place: i64 = 3
    idle: i64 = 0
    count: i64 = 0
    ms: i64 = 0
    seq: i64 = 0
    end_ms: i64 = 0
    end_seq: i64 = 0
    if size >= 6:
        if argv[3].upper() == b"IDLE":
            idle = integer(argv[4])
            if size < 8:
                raise ReplyError(errors.SYNTAX)
            place = 5
        count = max(integer(argv[place + 2]), 0)
        ms, seq = interval_start(argv[place])
        end_ms, end_seq = interval_end(argv[place + 1])
    stream = open_stream(ctx.keyspace.read(argv[1]))
    group = stream.group(argv[2]) if stream is not None else None
    if group is None:
        raise ReplyError(NO_GROUP % (errors.shown(argv[1]), errors.shown(argv[2])))
    if size == 3:
        return _pending_summary(group)
    rows = _PendingRows(group, ctx.now_ms, idle, count)
    if place + 3 < size:
        consumer = group.consumer(argv[place + 3])
        if consumer is None:
            return rows.rows
        return rows.of_consumer(consumer, ms, seq, end_ms, end_seq)
    return rows.of_group(ms, seq, end_ms, end_seq)


def _pending_summary(group: Group) -> Reply:
    table = group.pending
    if not table.count:
        return [0, None, None, NIL_ARRAY]
    table.seek(LOWEST, LOWEST)
    first = text_of(table.get(0), table.get(1))
    last_ms, last_seq = table.last()
    consumers: list[Reply] = []
    for consumer in group.sorted_consumers():
        if consumer.pending.count:
            row: list[Reply] = [consumer.name, b"%d" % consumer.pending.count]
            consumers.append(row)
    return [int(table.count), first, text_of(last_ms, last_seq), consumers]


class _PendingRows:
    """The reply of XPENDING with an interval."""

    def __init__(self, group: Group, now_ms: i64, idle: i64, count: i64) -> None:
        self.group = group
        self.now_ms = now_ms
        self.idle = idle
        self.left = count
        self.rows: list[Reply] = []

    def of_group(self, ms: i64, seq: i64, end_ms: i64, end_seq: i64) -> Reply:
        """Return what is pending in the group."""
        table = self.group.pending
        more = self.left > 0 and table.seek(ms, seq)
        while more:
            if is_before(end_ms, end_seq, table.get(0), table.get(1)):
                break
            self._take(self.group.owner().name)
            more = self.left > 0 and table.step()
        return self.rows

    def of_consumer(
        self, consumer: Consumer, ms: i64, seq: i64, end_ms: i64, end_seq: i64
    ) -> Reply:
        """Return what is pending for one consumer."""
        table = consumer.pending
        more = self.left > 0 and table.seek(ms, seq)
        while more:
            ms = table.get(0)
            seq = table.get(1)
            if is_before(end_ms, end_seq, ms, seq):
                break
            if self.group.pending.find(ms, seq):
                self._take(consumer.name)
            more = self.left > 0 and table.step()
        return self.rows

    def _take(self, consumer: bytes) -> None:
        """Add the entry at the cursor of the group's table, unless it is too recent."""
        table = self.group.pending
        elapsed = self.now_ms - table.get(TIME)
        if self.idle and elapsed < self.idle:
            return
        entry_id = text_of(table.get(0), table.get(1))
        row: list[Reply] = [entry_id, consumer, int(max(elapsed, 0)), int(table.get(DELIVERIES))]
        self.rows.append(row)
        self.left -= 1
