"""SHUFFLE.*: what reduce tasks ask of a shuffle (docs/shuffle.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.command import (
    BLOCKING,
    MAY_REPLICATE,
    NO_MULTI,
    NOSCRIPT,
    WRITE,
    command,
    key,
)
from kvnode.commands.arguments import integer_in, not_negative
from kvnode.commands.shuffle_arguments import (
    Options,
    leading,
    map_in,
    number_in,
    partition_of,
    settle,
)
from kvnode.context import STILL_BLOCKED, Context
from kvnode.shuffle.manifest import Manifest
from kvnode.shuffle.owner import Cursor
from kvnode.shuffle.waiting import Question
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, parse_int
from kvprotocol.replies import OK, Pairs, Reply

if TYPE_CHECKING:
    from kvnode.node import Node
    from kvnode.session import Session
    from kvnode.shuffle.shuffles import Shuffles

_FETCH_BYTES_MAX: Final = 64 << 20
_NO_LIMIT: Final = 1 << 40
_START: Final = b"0"
_CURSOR_PARTS: Final = 3  # epoch, map, seq


@command(
    "SHUFFLE.WAIT",
    arity=-3,
    flags=NOSCRIPT | BLOCKING,
    keys=(key(1, 1, 1, "RO access"),),
    group="shuffle",
    acl="shuffle read",
    since="7.0.15",
    complexity="O(1)",
    summary="Wait until a shuffle is sealed; return its state and epoch.",
    syntax="id:k#0 milliseconds:i [EPOCH epoch:i]",
    idempotent=True,
)
def shuffle_wait(ctx: Context, argv: list[bytes]) -> Reply:
    milliseconds = integer_in(argv[2], 0, I64_MAX >> 1)
    epoch = 0
    options = Options(argv, 3)
    while option := options.next():
        if option != b"EPOCH":
            raise ReplyError(errors.SYNTAX)
        epoch = not_negative(options.word())
    manifest = ctx.node.shuffles.use(argv[1], ctx.now_ms)
    question = _SealWait(ctx.node, manifest, epoch)
    reply = question.answer(ctx.now_ms)
    if reply is not STILL_BLOCKED:
        return reply
    if not ctx.may_block:
        return None
    deadline_ms = ctx.now_ms + milliseconds if milliseconds else 0
    return ctx.node.shuffle_waits.park(ctx.session, question, deadline_ms, None)


@final
class _SealWait(Question):
    """A WAIT for a shuffle to be sealed."""

    def __init__(self, node: Node, manifest: Manifest, epoch: int) -> None:
        self._node = node
        self._manifest = manifest
        self._epoch = epoch

    def answer(self, now_ms: i64) -> Reply:
        """Return state and epoch."""
        manifest = self._manifest
        shuffles = self._node.shuffles
        if not shuffles.is_open(manifest):
            raise shuffles.gone_error(manifest.name, now_ms)
        if manifest.is_sealed() and manifest.epoch >= self._epoch:
            return [manifest.state(), manifest.epoch]
        return STILL_BLOCKED


@command(
    "SHUFFLE.STATUS",
    arity=-2,
    flags=NOSCRIPT,
    keys=(key(1, 1, 1, "RO access"),),
    group="shuffle",
    acl="shuffle read",
    since="7.0.15",
    complexity="O(1); with MAPS O(N) with N maps",
    summary="Return what a shuffle has, or what a partition has of the attempts that won.",
    syntax="id:k#0 [PARTITION of-partition=(partition:i [MAPS maps=(first:i last:i)])]",
    idempotent=True,
)
def shuffle_status(ctx: Context, argv: list[bytes]) -> Reply:
    shuffles = ctx.node.shuffles
    manifest = shuffles.use(argv[1], ctx.now_ms)
    if len(argv) == 2:
        return _status(shuffles, manifest)
    options = Options(argv, 2)
    if options.next() != b"PARTITION":
        raise ReplyError(errors.SYNTAX)
    partition = number_in(options.word(), "partition", 0, manifest.terms.partitions - 1)
    first = 0
    last = manifest.terms.maps - 1
    while option := options.next():
        if option != b"MAPS":
            raise ReplyError(errors.SYNTAX)
        first = map_in(manifest, options.word())
        last = map_in(manifest, options.word())
    manifest.check_readable(0)
    totals = manifest.partition_totals(partition, first, last)
    return [manifest.epoch, totals.blocks, totals.bytes, b"%d" % totals.checksum]


def _status(shuffles: Shuffles, manifest: Manifest) -> Pairs:
    terms = manifest.terms
    usage = shuffles.owner.usage(manifest.name)
    kept = manifest.totals().bytes
    for partition in manifest.consumed:
        kept -= manifest.partition_totals(partition, 0, terms.maps - 1).bytes
    fields: list[Reply] = [b"state", manifest.state(), b"epoch", manifest.epoch]
    fields += [b"maps", terms.maps, b"partitions", terms.partitions]
    fields += [b"committed", manifest.committed(), b"codec", terms.codec]
    fields += [b"deterministic", int(terms.is_deterministic), b"ttl", terms.ttl_seconds]
    fields += [b"expires-in", int(shuffles.seconds_left(manifest))]
    fields += [b"quota", terms.quota, b"bytes", int(usage.bytes), b"blocks", int(usage.blocks)]
    fields += [b"memory", int(usage.memory), b"spilled", int(usage.spilled)]
    fields += [b"losers", max(int(usage.bytes) - kept, 0), b"consumed", len(manifest.consumed)]
    return Pairs(fields)


@command(
    "SHUFFLE.MISSING",
    arity=2,
    flags=NOSCRIPT,
    keys=(key(1, 1, 1, "RO access"),),
    group="shuffle",
    acl="shuffle read",
    since="7.0.15",
    complexity="O(N) with N maps",
    summary="Return the epoch and the maps that have to run, for the first time or again.",
    syntax="id:k#0",
    idempotent=True,
)
def shuffle_missing(ctx: Context, argv: list[bytes]) -> Reply:
    manifest = ctx.node.shuffles.use(argv[1], ctx.now_ms)
    return [manifest.epoch, *manifest.missing()]


@command(
    "SHUFFLE.FETCH",
    arity=-5,
    flags=NOSCRIPT | BLOCKING | NO_MULTI | MAY_REPLICATE,
    keys=(key(1, 1, 1, "RO access"),),
    group="shuffle",
    acl="shuffle read",
    since="7.0.15",
    complexity="O(N) with N blocks",
    summary="Return blocks of a partition, of the attempts that won, and where to go on.",
    syntax="partition:k#0 cursor CREDIT bytes:i [MAPS maps=(first:i last:i)] [COUNT count:i]"
    " [EPOCH epoch:i]",
    idempotent=True,
)
def shuffle_fetch(ctx: Context, argv: list[bytes]) -> Reply:
    leading(ctx)
    manifest, partition = partition_of(ctx, argv[1])
    wish = _Wish(ctx.node, ctx.session, manifest, partition)
    options = Options(argv, 3)
    has_credit = False
    epoch = 0
    while option := options.next():
        if option == b"CREDIT":
            has_credit = True
            wish.bytes_max = min(number_in(options.word(), "CREDIT", 1, I64_MAX), _FETCH_BYTES_MAX)
        elif option == b"MAPS":
            wish.cursor = (map_in(manifest, options.word()), 0)
            wish.map_end = map_in(manifest, options.word()) + 1
        elif option == b"COUNT":
            wish.count = number_in(options.word(), "COUNT", 1, I64_MAX)
        elif option == b"EPOCH":
            epoch = not_negative(options.word())
        else:
            raise ReplyError(errors.SYNTAX)
    if not has_credit:
        raise ReplyError(errors.SYNTAX)
    manifest.check_readable(epoch)
    wish.epoch = manifest.epoch
    if argv[2] != _START:
        wish.cursor = _cursor(manifest, argv[2])
    reply = wish.answer(ctx.now_ms)
    if reply is not STILL_BLOCKED:
        return reply
    return ctx.node.shuffle_waits.park(ctx.session, wish, 0, None)


def _cursor(manifest: Manifest, text: bytes) -> Cursor:
    """Return the place that a cursor names. ReplyError: it is none of this epoch."""
    parts = [parse_int(part) for part in text.split(b"-")]
    if len(parts) != _CURSOR_PARTS or parts[0] is None or parts[1] is None or parts[2] is None:
        raise ReplyError(errors.INVALID_CURSOR)
    if parts[0] != manifest.epoch:
        raise ReplyError(errors.SHUFFLE_STALE % manifest.epoch)
    if not (0 <= parts[1] < manifest.terms.maps and 0 <= parts[2] < _NO_LIMIT):
        raise ReplyError(errors.INVALID_CURSOR)
    return parts[1], parts[2]


@final
class _Wish(Question):
    """A FETCH: it waits where it has to read spilled blocks, and while its peer takes nothing."""

    def __init__(self, node: Node, session: Session, manifest: Manifest, partition: int) -> None:
        self.bytes_max = 0
        self.count = _NO_LIMIT
        self.cursor: Cursor = (0, 0)
        self.map_end = manifest.terms.maps
        self.epoch = 0
        self._node = node
        self._session = session
        self._manifest = manifest
        self._partition = partition

    def answer(self, now_ms: i64) -> Reply:
        """Return the next cursor and the blocks."""
        manifest = self._manifest
        shuffles = self._node.shuffles
        if not shuffles.is_open(manifest):
            raise shuffles.gone_error(manifest.name, now_ms)
        if not manifest.is_sealed():
            raise manifest.open_error()
        if manifest.epoch != self.epoch:
            raise ReplyError(errors.SHUFFLE_STALE % manifest.epoch)
        waits = self._node.shuffle_waits
        if not waits.may_be_sent_more(self._session):
            return STILL_BLOCKED
        fetched = shuffles.fetch(
            manifest, self._partition, self.cursor, self.map_end, self.bytes_max, self.count
        )
        shuffles.hasten()
        if fetched.is_loading:
            return STILL_BLOCKED
        if fetched.size > 0:
            waits.note_sent(self._session, fetched.size)
        reply: list[Reply] = [_START]
        if fetched.next is not None:
            reply[0] = b"%d-%d-%d" % (self.epoch, fetched.next[0], fetched.next[1])
        for number, attempt, seq, checksum, payload in fetched.blocks:
            block: list[Reply] = [number, attempt, seq, b"%d" % checksum, payload]
            reply.append(block)
        return reply


@command(
    "SHUFFLE.ACK",
    arity=-2,
    flags=WRITE | NOSCRIPT,
    keys=(key(1, 1, 1, "RM delete"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(N) with N blocks",
    summary="Let go of a partition that was read.",
    syntax="partition:k#0 [EPOCH epoch:i]",
    idempotent=True,
)
def shuffle_ack(ctx: Context, argv: list[bytes]) -> Reply:
    shuffles = leading(ctx)
    manifest, partition = partition_of(ctx, argv[1])
    options = Options(argv, 2)
    while option := options.next():
        if option != b"EPOCH":
            raise ReplyError(errors.SYNTAX)
        # What was read in an earlier epoch does not belong to what the others read now.
        manifest.check_readable(not_negative(options.word()))
    shuffles.acknowledge(manifest, partition)
    settle(ctx)
    return OK
