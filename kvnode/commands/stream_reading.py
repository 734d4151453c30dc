"""Reading of streams: XRANGE, XREVRANGE, XREAD and XREADGROUP."""

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64

from kvnode.command import BLOCKING, MOVABLEKEYS, READONLY, WRITE, KeySpec, command, key
from kvnode.commands.arguments import integer
from kvnode.commands.stream_arguments import interval_end, interval_start, strict_id
from kvnode.commands.stream_effects import GroupEffects
from kvnode.context import STILL_BLOCKED, Blocked, Context
from kvnode.datatypes.streams import open_stream
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_cursor import StreamCursor
from kvnode.structures.stream_groups import Group
from kvnode.structures.stream_ids import (
    HIGHEST,
    LOWEST,
    following,
    is_before,
    text_of,
    write_bulk_id,
)
from kvnode.structures.stream_pending import DELIVERIES, TIME
from kvprotocol import errors
from kvprotocol.errors import ReplyError, WrongType
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import NIL_ARRAY, EncodedArray, Reply, Table

_BLOCKED_COUNT: Final = 1000  # where no COUNT is given: a reader that waited may be far behind
_NO_GROUP: Final = "NOGROUP No such key '%s' or consumer group '%s' in XREADGROUP with GROUP option"
_GROUP_IS_GONE: Final = "NOGROUP the consumer group this client was blocked on no longer exists"
_STREAM_IS_GONE: Final = "UNBLOCKED the stream key no longer exists"
_UNBALANCED: Final = (
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
)
_ONLY_XREADGROUP: Final = (
    "ERR The %s option is only supported by XREADGROUP. You called XREAD instead."
)
_NOT_IN_SCRIPTS: Final = "ERR %s command is not allowed with BLOCK option from scripts"
_MEANINGLESS_DOLLAR: Final = (
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this"
    " consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just"
    " return an empty result set."
)
_MEANINGLESS_NEW: Final = (
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer>"
    " option."
)


# --- ranges ---------------------------------------------------------------------------------------


def encoded_range(
    stream: Stream, ms: i64, seq: i64, end_ms: i64, end_seq: i64, count: i64
) -> EncodedArray:
    """Return the entries from one id to another, at most `count` of them (0: all)."""
    out = BytesWriter()
    found: i64 = 0
    cursor = StreamCursor(stream)
    more = cursor.seek(ms, seq)
    while more and not is_before(end_ms, end_seq, cursor.ms, cursor.seq):
        cursor.write(out)
        found += 1
        if found == count:
            break
        more = cursor.next()
    return EncodedArray(found, [out.getvalue()])


def _encoded_backward(
    stream: Stream, ms: i64, seq: i64, end_ms: i64, end_seq: i64, count: i64
) -> EncodedArray:
    """As `encoded_range`, from the second id down to the first."""
    out = BytesWriter()
    found: i64 = 0
    cursor = StreamCursor(stream)
    more = cursor.seek_back(end_ms, end_seq)
    while more and not is_before(cursor.ms, cursor.seq, ms, seq):
        cursor.write(out)
        found += 1
        if found == count:
            break
        more = cursor.previous()
    return EncodedArray(found, [out.getvalue()])


def encoded_edge(stream: Stream, last: bool) -> Reply:
    """Return the first or the last entry, None of an empty stream."""
    if last:
        entry = _encoded_backward(stream, LOWEST, LOWEST, HIGHEST, HIGHEST, 1)
    else:
        entry = encoded_range(stream, LOWEST, LOWEST, HIGHEST, HIGHEST, 1)
    if entry.count == 0:
        return None
    # The entry is itself an array of two.
    return EncodedArray(2, [entry.chunks[0][4:]])


def _range(ctx: Context, argv: list[bytes], backward: bool) -> Reply:
    ms, seq = interval_start(argv[3 if backward else 2])
    end_ms, end_seq = interval_end(argv[2 if backward else 3])
    count: i64 = -1
    i: i64 = 4
    while i < len(argv):
        if argv[i].upper() != b"COUNT" or i + 1 == len(argv):
            raise ReplyError(errors.SYNTAX)
        count = max(integer(argv[i + 1]), 0)
        i += 2
    stream = open_stream(ctx.keyspace.read(argv[1]))
    if stream is None:
        return EncodedArray(0, [])
    if count == 0:
        return NIL_ARRAY
    if backward:
        return _encoded_backward(stream, ms, seq, end_ms, end_seq, count)
    return encoded_range(stream, ms, seq, end_ms, end_seq, count)


@command(
    "XRANGE",
    arity=-4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned",
    summary="Return the entries between two ids.",
    syntax="key:k#0 start end [COUNT count:i]",
)
def xrange(ctx: Context, argv: list[bytes]) -> Reply:
    return _range(ctx, argv, False)


@command(
    "XREVRANGE",
    arity=-4,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned",
    summary="Return the entries between two ids, the last one first.",
    syntax="key:k#0 end start [COUNT count:i]",
)
def xrevrange(ctx: Context, argv: list[bytes]) -> Reply:
    return _range(ctx, argv, True)


# --- reading what is new --------------------------------------------------------------------------


@final
class _Request:
    """What XREAD or XREADGROUP asks for.

    `ids` are those behind which reading begins; the highest one is `>`, what is new to the group.
    """

    def __init__(self, ctx: Context, argv: list[bytes], for_group: bool) -> None:
        self.for_group = for_group
        self.group = b""
        self.consumer = b""
        self.count: i64 = 0
        self.deadline_ms: i64 = -1  # -1: without BLOCK
        self.noack = False
        self.keys: list[bytes] = []
        self.ids: list[tuple[i64, i64]] = []
        streams = self._read_options(ctx, argv)
        if streams == 0:
            raise ReplyError(errors.SYNTAX)
        if for_group and not self._has_group:
            raise ReplyError("ERR Missing GROUP option for XREADGROUP")
        half = (i64(len(argv)) - streams) // 2
        self.keys = argv[streams : streams + half]
        i: i64 = 0
        while i < half:
            self.ids.append(self._read_id(ctx, self.keys[i], argv[streams + half + i]))
            i += 1

    def _read_options(self, ctx: Context, argv: list[bytes]) -> i64:
        """Read the options; return where the streams begin, 0 if there are none."""
        self._has_group = False
        size: i64 = len(argv)
        i: i64 = 1
        while i < size:
            option = argv[i].upper()
            left = size - i - 1
            if option == b"BLOCK" and left:
                if ctx.session is ctx.node.scripting.session:
                    raise ReplyError(_NOT_IN_SCRIPTS % errors.shown(argv[0]))
                i += 1
                self.deadline_ms = _deadline(ctx, argv[i])
            elif option == b"COUNT" and left:
                i += 1
                self.count = max(integer(argv[i]), 0)
            elif option == b"STREAMS" and left:
                if left & 1:
                    raise ReplyError(_UNBALANCED)
                return i + 1
            elif option == b"GROUP" and left >= 2:
                if not self.for_group:
                    raise ReplyError(_ONLY_XREADGROUP % "GROUP")
                self._has_group = True
                self.group = argv[i + 1]
                self.consumer = argv[i + 2]
                i += 2
            elif option == b"NOACK":
                if not self.for_group:
                    raise ReplyError(_ONLY_XREADGROUP % "NOACK")
                self.noack = True
            else:
                raise ReplyError(errors.SYNTAX)
            i += 1
        return 0

    def _read_id(self, ctx: Context, name: bytes, text: bytes) -> tuple[i64, i64]:
        """Return the id behind which reading of one stream begins."""
        stream = open_stream(ctx.keyspace.read(name))
        if self.for_group and (stream is None or stream.group(self.group) is None):
            raise ReplyError(_NO_GROUP % (errors.shown(name), errors.shown(self.group)))
        if text == b"$":
            if self.for_group:
                raise ReplyError(_MEANINGLESS_DOLLAR)
            if stream is None:
                return LOWEST, LOWEST
            return stream.last_ms, stream.last_seq
        if text == b">":
            if not self.for_group:
                raise ReplyError(_MEANINGLESS_NEW)
            return HIGHEST, HIGHEST
        return strict_id(text)

    # --- serving ----------------------------------------------------------------------------------

    def serve_at_once(self, ctx: Context) -> Reply:
        """Return what is there already, None where nothing is."""
        rows: list[Reply] = []
        place: i64 = 0
        while place < len(self.keys):
            name = self.keys[place]
            stream = open_stream(ctx.keyspace.read(name))
            if stream is not None:
                ms, seq = self.ids[place]
                if self.for_group:
                    entries = self._group_entries(ctx, name, stream, ms, seq)
                else:
                    entries = self._entries(stream, ms, seq)
                if entries is not None:
                    rows.append(name)
                    rows.append(entries)
            place += 1
        return Table(rows) if rows else None

    def _entries(self, stream: Stream, ms: i64, seq: i64) -> EncodedArray | None:
        """Return a stream's entries behind an id, None where there are none."""
        if not stream.length or not is_before(ms, seq, stream.last_ms, stream.last_seq):
            return None
        ms, seq = following(ms, seq)
        entries = encoded_range(stream, ms, seq, HIGHEST, HIGHEST, self.count)
        return entries if entries.count else None

    def _group_entries(
        self, ctx: Context, name: bytes, stream: Stream, ms: i64, seq: i64
    ) -> EncodedArray | None:
        """Return what a consumer gets, None where there is nothing new."""
        group = stream.group(self.group)
        assert group is not None
        is_history = ms != HIGHEST or seq != HIGHEST
        is_new = False
        if not is_history and stream.length:
            top_ms, top_seq = stream.greatest()
            is_new = is_before(group.last_ms, group.last_seq, top_ms, top_seq)
        if not is_history and not is_new:
            return None
        effects = self._open_group(ctx, name, stream, group)
        if is_history:
            ms, seq = following(ms, seq)
            entries = _history(ctx, stream, effects, ms, seq, self.count)
        else:
            entries = self._deliver(ctx, stream, group, self.count, effects)
        effects.note(1)
        effects.finish()
        return entries

    def _open_group(self, ctx: Context, name: bytes, stream: Stream, group: Group) -> GroupEffects:
        """Open the stream for a change by the consumer, which is made if it is not there."""
        ctx.keyspace.for_write(name)
        effects = GroupEffects(ctx, name, stream, group, self.consumer)
        effects.reader()
        return effects

    def _deliver(
        self,
        ctx: Context,
        stream: Stream,
        group: Group,
        count: i64,
        effects: GroupEffects,
    ) -> EncodedArray:
        """Return entries that are new to a group, and note them as pending."""
        consumer = effects.reader()
        out = BytesWriter()
        found: i64 = 0
        ids: list[bytes] = []
        now_ms = ctx.now_ms
        cursor = StreamCursor(stream)
        ms, seq = following(group.last_ms, group.last_seq)
        more = cursor.seek(ms, seq)
        while more:
            stream.note_read(group, cursor.ms, cursor.seq)
            cursor.write(out)
            if not self.noack:
                group.deliver(consumer, cursor.ms, cursor.seq, now_ms)
                if effects.logged:
                    ids.append(text_of(cursor.ms, cursor.seq))
            found += 1
            if found == count:
                break
            more = cursor.next()
        if ids:
            effects.claim(consumer.name, ids, now_ms, 1)
        if found:
            effects.moved()
        return EncodedArray(found, [out.getvalue()])

    def serve(self, ctx: Context, name: bytes) -> Reply:
        """Answer a waiting session after one of its keys changed."""
        try:
            stream = open_stream(ctx.keyspace.peek(name))
        except WrongType:
            stream = None
        if stream is None:
            if self.for_group:
                raise ReplyError(_STREAM_IS_GONE)
            return STILL_BLOCKED
        count = self.count if self.count else _BLOCKED_COUNT
        entries: EncodedArray
        if not self.for_group:
            ms, seq = self.ids[self.keys.index(name)]
            if not is_before(ms, seq, stream.last_ms, stream.last_seq):
                return STILL_BLOCKED
            ms, seq = following(ms, seq)
            entries = encoded_range(stream, ms, seq, HIGHEST, HIGHEST, count)
            return Table([name, entries])
        group = stream.group(self.group)
        if group is None:
            raise ReplyError(_GROUP_IS_GONE)
        if not is_before(group.last_ms, group.last_seq, stream.last_ms, stream.last_seq):
            return STILL_BLOCKED
        effects = self._open_group(ctx, name, stream, group)
        entries = self._deliver(ctx, stream, group, count, effects)
        effects.note(0)
        effects.finish()
        return Table([name, entries])


def _deadline(ctx: Context, text: bytes) -> i64:
    """Return when a timeout in milliseconds ends; 0 for never."""
    timeout = integer(text, errors.TIMEOUT_NOT_INTEGER)
    if timeout < 0:
        raise ReplyError(errors.TIMEOUT_NEGATIVE)
    if timeout == 0 or timeout + int(ctx.now_ms) > I64_MAX:
        return 0
    return i64(timeout) + ctx.now_ms


def _history(
    ctx: Context, stream: Stream, effects: GroupEffects, ms: i64, seq: i64, count: i64
) -> EncodedArray:
    """Return what is pending for a consumer from an id on: delivered once more by this.

    Of an entry that was deleted meanwhile there is only the id.
    """
    out = BytesWriter()
    found: i64 = 0
    nothing = b"*-1\r\n" if ctx.session.writer.protocol == 2 else b"_\r\n"
    consumer = effects.reader()
    pending = effects.group.pending
    cursor = StreamCursor(stream)
    table = consumer.pending
    more = table.seek(ms, seq)
    while more:
        ms = table.get(0)
        seq = table.get(1)
        if cursor.seek(ms, seq) and cursor.ms == ms and cursor.seq == seq:
            cursor.write(out)
            if pending.find(ms, seq):
                deliveries = pending.get(DELIVERIES) + 1
                pending.set(TIME, ctx.now_ms)
                pending.set(DELIVERIES, deliveries)
                if effects.logged:
                    effects.claim(consumer.name, [text_of(ms, seq)], ctx.now_ms, deliveries)
        else:
            out.write(b"*2\r\n")
            write_bulk_id(out, ms, seq)
            out.write(nothing)
        found += 1
        if found == count:
            break
        more = table.step()
    return EncodedArray(found, [out.getvalue()])


def _read(ctx: Context, argv: list[bytes], for_group: bool) -> Reply:
    request = _Request(ctx, argv, for_group)
    reply = request.serve_at_once(ctx)
    if reply is not None:
        return reply
    if request.deadline_ms < 0 or not ctx.may_block:
        return NIL_ARRAY
    wait = Blocked(request.keys, request.deadline_ms, request.serve, NIL_ARRAY)
    wait.serves_absent = for_group
    return wait


@command(
    "XREAD",
    arity=-4,
    flags=READONLY | BLOCKING | MOVABLEKEYS,
    keys=(KeySpec(1, "RO access", keyword="STREAMS", last=-1, step=1, limit=2),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(N) for N entries returned; XADD pays O(M) to serve M sessions that wait",
    summary="Return the entries behind given ids of several streams, waiting for some if need be.",
    syntax="[COUNT count:i] [BLOCK milliseconds:i] STREAMS streams=(key:k#0 ... id ...)",
)
def xread(ctx: Context, argv: list[bytes]) -> Reply:
    return _read(ctx, argv, False)


@command(
    "XREADGROUP",
    arity=-7,
    flags=WRITE | BLOCKING | MOVABLEKEYS,
    keys=(KeySpec(4, "RO access", keyword="STREAMS", last=-1, step=1, limit=2),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(M) for M entries returned; XADD pays O(N) to serve N sessions that wait",
    summary=(
        "Return entries that are new to a group, or those pending for a consumer,"
        " waiting for new ones if need be."
    ),
    syntax=(
        "GROUP group_consumer=(group consumer) [COUNT count:i] [BLOCK milliseconds:i] [NOACK]"
        " STREAMS streams=(key:k#0 ... id ...)"
    ),
)
def xreadgroup(ctx: Context, argv: list[bytes]) -> Reply:
    return _read(ctx, argv, True)
