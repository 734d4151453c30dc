"""Taking over what is pending for other consumers: XCLAIM and XAUTOCLAIM."""

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64

from kvnode.command import FAST, WRITE, command, key
from kvnode.commands.arguments import integer, integer_in
from kvnode.commands.stream_arguments import NO_GROUP, interval_start, strict_id
from kvnode.commands.stream_effects import GroupEffects
from kvnode.context import Context
from kvnode.datatypes.streams import open_stream
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_cursor import StreamCursor
from kvnode.structures.stream_groups import Consumer, Group
from kvnode.structures.stream_ids import (
    COMPLETE,
    LOWEST,
    following,
    is_before,
    parse,
    text_of,
    wrapped,
    write_bulk_id,
)
from kvnode.structures.stream_pending import DELIVERIES, TIME
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import EncodedArray, Reply

_CLAIM_COUNT: Final = 100
_ATTEMPTS_PER_ENTRY: Final = 10
_COUNT_MAX: Final = (2**63 - 1) // 16
_TRANSIENT_IDS_MAX: Final = 1 << 40  # more than that no machine has memory for, as Redis says
_NO_MEMORY: Final = "ERR Insufficient memory, failed allocating transient memory, COUNT too high."


def _no_group(argv: list[bytes]) -> ReplyError:
    return ReplyError(NO_GROUP % (errors.shown(argv[1]), errors.shown(argv[2])))


@final
class _Claims:
    """One command's claims for one consumer, which is made when the first entry is taken."""

    def __init__(
        self, ctx: Context, name: bytes, stream: Stream, group: Group, consumer: bytes
    ) -> None:
        self.ctx = ctx
        self.stream = stream
        self.group = group
        self.consumer: Consumer | None = None
        self.just_ids = False
        self.deliveries: i64 = -1  # -1: one more than before
        self.time_ms = ctx.now_ms
        self.out = BytesWriter()
        self.count: i64 = 0
        self.effects = GroupEffects(ctx, name, stream, group, consumer)
        self.cursor = StreamCursor(stream)
        self.logged_last_id = False

    def exists(self, ms: i64, seq: i64) -> bool:
        """Go to an entry of the stream; return whether it is there."""
        cursor = self.cursor
        return cursor.seek(ms, seq) and cursor.ms == ms and cursor.seq == seq

    def forget(self, ms: i64, seq: i64) -> None:
        """Drop a pending entry that is no longer in the stream."""
        self.group.acknowledge(ms, seq)
        self.effects.forgotten([text_of(ms, seq)])
        self.effects.note(1)

    def take(self, ms: i64, seq: i64) -> None:
        """Claim the entry at the cursors of the stream and of the group's pending entries."""
        group = self.group
        consumer = self.consumer
        if consumer is None:
            consumer = self.effects.reader()
            self.consumer = consumer
        deliveries = self.deliveries
        if deliveries < 0:
            deliveries = group.pending.get(DELIVERIES)
            if not self.just_ids:
                deliveries = wrapped(int(deliveries) + 1)
        group.claim(consumer, ms, seq, self.time_ms, deliveries)
        self.log_claim(ms, seq, consumer, deliveries)
        if self.just_ids:
            write_bulk_id(self.out, ms, seq)
        else:
            self.cursor.write(self.out)
        self.count += 1

    def log_claim(self, ms: i64, seq: i64, consumer: Consumer, deliveries: i64) -> None:
        """Record one claim."""
        if self.effects.logged:
            self.effects.claim(consumer.name, [text_of(ms, seq)], self.time_ms, deliveries)
        self.effects.note(1)
        self.logged_last_id = True

    def reply(self) -> EncodedArray:
        """Return what was claimed."""
        return EncodedArray(self.count, [self.out.getvalue()])


@final
class _ClaimOptions:
    """What stands behind the ids of XCLAIM."""

    def __init__(self, ctx: Context, argv: list[bytes]) -> None:
        self.ids: list[tuple[i64, i64]] = []
        self.force = False
        self.just_ids = False
        self.deliveries: i64 = -1
        self.time_ms: i64 = -1
        self.last_ms: i64 = LOWEST
        self.last_seq: i64 = LOWEST
        place: i64 = 5
        while place < len(argv):
            kind, ms, seq = parse(argv[place], LOWEST)
            if kind != COMPLETE:
                break
            self.ids.append((ms, seq))
            place += 1
        while place < len(argv):
            place += self._read(ctx, argv, place)
        if self.time_ms < 0 or self.time_ms > ctx.now_ms:
            self.time_ms = ctx.now_ms

    def _read(self, ctx: Context, argv: list[bytes], place: i64) -> i64:
        """Read one option; return how many words it has."""
        option = argv[place].upper()
        if option == b"FORCE":
            self.force = True
            return 1
        if option == b"JUSTID":
            self.just_ids = True
            return 1
        if place + 1 < len(argv):
            word = argv[place + 1]
            if option == b"IDLE":
                idle = integer(word, "ERR Invalid IDLE option argument for XCLAIM")
                self.time_ms = wrapped(int(ctx.now_ms) - idle)
                return 2
            if option == b"TIME":
                self.time_ms = integer(word, "ERR Invalid TIME option argument for XCLAIM")
                return 2
            if option == b"RETRYCOUNT":
                text = "ERR Invalid RETRYCOUNT option argument for XCLAIM"
                self.deliveries = integer(word, text)
                return 2
            if option == b"LASTID":
                self.last_ms, self.last_seq = strict_id(word)
                return 2
        raise ReplyError(f"ERR Unrecognized XCLAIM option '{errors.shown(argv[place])}'")


@command(
    "XCLAIM",
    arity=-6,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW update"),),
    group="stream",
    acl="stream",
    since="5.0.0",
    complexity="O(log N) for each id, with N entries pending in the group",
    summary="Take over pending entries for a consumer, as if they were delivered to it.",
    syntax=(
        "key:k#0 group consumer min-idle-time id ... [IDLE ms:i] [TIME unix-time-milliseconds:t]"
        " [RETRYCOUNT count:i] [FORCE] [JUSTID] [LASTID id]"
    ),
    tips=("nondeterministic_output",),
)
def xclaim(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    stream = open_stream(ctx.keyspace.read(name))
    group = stream.group(argv[2]) if stream is not None else None
    if stream is None or group is None:
        raise _no_group(argv)
    idle = max(integer(argv[4], "ERR Invalid min-idle-time argument for XCLAIM"), 0)
    options = _ClaimOptions(ctx, argv)
    ctx.keyspace.for_write(name)
    claims = _Claims(ctx, name, stream, group, argv[3])
    claims.just_ids = options.just_ids
    claims.deliveries = options.deliveries
    claims.time_ms = options.time_ms
    moved = is_before(group.last_ms, group.last_seq, options.last_ms, options.last_seq)
    if moved:
        group.last_ms = options.last_ms
        group.last_seq = options.last_seq
    for ms, seq in options.ids:
        _claim(claims, ms, seq, idle, options.force)
    if moved:
        claims.effects.moved()
        if not claims.logged_last_id:
            claims.effects.note(1)
    claims.effects.finish()
    return claims.reply()


def _claim(claims: _Claims, ms: i64, seq: i64, idle: i64, force: bool) -> None:
    """Claim one entry, if it is there and may be taken."""
    group = claims.group
    table = group.pending
    is_pending = table.find(ms, seq)
    if not claims.exists(ms, seq):
        if is_pending:
            claims.forget(ms, seq)
            claims.logged_last_id = True
        return
    if not is_pending:
        if not force:
            return
        group.deliver(claims.effects.reader(), ms, seq, claims.ctx.now_ms)
    elif idle and claims.ctx.now_ms - table.get(TIME) < idle:
        return
    claims.take(ms, seq)


@command(
    "XAUTOCLAIM",
    arity=-6,
    flags=WRITE | FAST,
    keys=(key(1, 1, 1, "RW delete"),),
    group="stream",
    acl="stream",
    since="6.2.0",
    complexity="O(1) for a small COUNT",
    summary="Take over the pending entries of a group that were idle long enough, from an id on.",
    syntax="key:k#0 group consumer min-idle-time start [COUNT count:i] [JUSTID]",
    tips=("nondeterministic_output",),
)
def xautoclaim(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    stored = ctx.keyspace.read(name)
    idle = max(integer(argv[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM"), 0)
    ms, seq = interval_start(argv[5])
    count: i64 = _CLAIM_COUNT
    just_ids = False
    place: i64 = 6
    while place < len(argv):
        option = argv[place].upper()
        if option == b"COUNT" and place + 1 < len(argv):
            count = integer_in(argv[place + 1], 1, _COUNT_MAX, "ERR COUNT must be > 0")
            place += 1
        elif option == b"JUSTID":
            just_ids = True
        else:
            raise ReplyError(errors.SYNTAX)
        place += 1
    stream = open_stream(stored)
    group = stream.group(argv[2]) if stream is not None else None
    if stream is None or group is None:
        raise _no_group(argv)
    if count > _TRANSIENT_IDS_MAX:
        raise ReplyError(_NO_MEMORY)
    ctx.keyspace.for_write(name)
    claims = _Claims(ctx, name, stream, group, argv[3])
    claims.just_ids = just_ids
    walk = _AutoClaim(claims, idle, count)
    walk.run(ms, seq)
    claims.effects.finish()
    return [walk.cursor, claims.reply(), walk.deleted]


@final
class _AutoClaim:
    """The walk of XAUTOCLAIM: at most so many entries, and ten times as many looked at."""

    def __init__(self, claims: _Claims, idle: i64, count: i64) -> None:
        self.claims = claims
        self.idle = idle
        self.count = count
        self.cursor = b"0-0"
        self.deleted: list[Reply] = []

    def run(self, ms: i64, seq: i64) -> None:
        """Claim from an id on; `cursor` is then where the next call goes on."""
        claims = self.claims
        table = claims.group.pending
        now_ms = claims.ctx.now_ms
        attempts = self.count * _ATTEMPTS_PER_ENTRY
        more = table.seek(ms, seq)
        while more and attempts > 0 and self.count > 0:
            attempts -= 1
            ms = table.get(0)
            seq = table.get(1)
            if not claims.exists(ms, seq):
                claims.forget(ms, seq)
                self.deleted.append(text_of(ms, seq))
                self.count -= 1
                # The removal has lost the table's cursor.
                ms, seq = following(ms, seq)
                more = table.seek(ms, seq)
                continue
            if not self.idle or now_ms - table.get(TIME) >= self.idle:
                claims.take(ms, seq)
                self.count -= 1
            more = table.step()
        if more:
            self.cursor = text_of(table.get(0), table.get(1))
