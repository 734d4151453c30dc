"""SHUFFLE.*: what map tasks ask of a shuffle, and whoever opens and ends it (docs/shuffle.md)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.command import BLOCKING, FAST, NOSCRIPT, WRITE, command, key
from kvnode.commands.arguments import integer, integer_in, not_negative
from kvnode.commands.shuffle_arguments import (
    Options,
    attempt_in,
    credit_of,
    leading,
    map_in,
    number_in,
    partition_of,
    settle,
)
from kvnode.context import STILL_BLOCKED, Context
from kvnode.shuffle.manifest import MAPS_MAX, PARTITIONS_MAX, Manifest, Terms
from kvnode.shuffle.records import summary_in
from kvnode.shuffle.waiting import Question
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import OK, Reply

if TYPE_CHECKING:
    from kvnode.node import Node

_ID: Final = re.compile(rb"[!-.0-z|~]{1,128}")
_CODEC: Final = re.compile(rb"[A-Za-z0-9_-]{1,32}")
_TTL_SECONDS: Final = 600
_TTL_SECONDS_MAX: Final = 86_400
_PUSH_WORDS: Final = 4  # id/p seq checksum payload
_PUSH_FROM: Final = 3
_WITHOUT: Final = -1
_CHECKSUM_DIGITS_MAX: Final = 20

# --- the shuffle ----------------------------------------------------------------------------------


def _terms(ctx: Context, argv: list[bytes]) -> Terms:
    maps = number_in(argv[2], "maps", 1, MAPS_MAX)
    partitions = number_in(argv[3], "partitions", 1, PARTITIONS_MAX)
    ttl_seconds = _TTL_SECONDS
    quota = int(ctx.node.settings.shuffle_quota)
    codec = b"none"
    is_deterministic = False
    options = Options(argv, 4)
    while option := options.next():
        if option == b"TTL":
            ttl_seconds = number_in(options.word(), "TTL", 1, _TTL_SECONDS_MAX)
        elif option == b"QUOTA":
            quota = not_negative(options.word())
        elif option == b"CODEC":
            codec = options.word()
            if _CODEC.fullmatch(codec) is None:
                raise ReplyError(errors.SHUFFLE_CODEC)
        elif option == b"DETERMINISTIC":
            is_deterministic = True
        elif option == b"REPLICAS":
            if integer(options.word()) != 1:
                raise ReplyError(errors.SHUFFLE_REPLICAS)
        else:
            raise ReplyError(errors.SYNTAX)
    return Terms(maps, partitions, ttl_seconds, quota, codec, is_deterministic)


@command(
    "SHUFFLE.OPEN",
    arity=-4,
    flags=WRITE | NOSCRIPT | FAST,
    keys=(key(1, 1, 1, "RW access insert"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(1)",
    summary="Open a shuffle, or find the one that is open with the same parameters.",
    syntax="id:k#0 maps:i partitions:i [REPLICAS replicas:i] [TTL seconds:i] [QUOTA bytes:i]"
    " [CODEC codec] [deterministic=DETERMINISTIC]",
    idempotent=True,
)
def shuffle_open(ctx: Context, argv: list[bytes]) -> Reply:
    shuffles = leading(ctx)
    if _ID.fullmatch(argv[1]) is None:
        raise ReplyError(errors.SHUFFLE_ID)
    manifest = shuffles.open(argv[1], _terms(ctx, argv), ctx.now_ms)
    settle(ctx)
    return [manifest.epoch, credit_of(ctx)]


@command(
    "SHUFFLE.END",
    arity=2,
    flags=WRITE | NOSCRIPT,
    keys=(key(1, 1, 1, "RM delete"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(N) with N blocks",
    summary="Let go of a shuffle and of all its blocks.",
    syntax="id:k#0",
    idempotent=True,
)
def shuffle_end(ctx: Context, argv: list[bytes]) -> Reply:
    found = leading(ctx).end(argv[1], ctx.now_ms)
    settle(ctx)
    return int(found)


@command(
    "SHUFFLE.LIST",
    arity=-1,
    flags=NOSCRIPT,
    group="shuffle",
    acl="shuffle read",
    since="7.0.15",
    complexity="O(N) with N shuffles",
    summary="Return id, state, epoch, committed maps, maps and bytes of each shuffle.",
    syntax="[prefix]",
    idempotent=True,
)
def shuffle_list(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        raise ReplyError(errors.SYNTAX)
    prefix = argv[1] if len(argv) == 2 else b""
    shuffles = ctx.node.shuffles
    rows: list[Reply] = []
    for name in sorted(shuffles.manifests):
        if name.startswith(prefix):
            manifest = shuffles.manifests[name]
            row: list[Reply] = [name, manifest.state(), manifest.epoch, manifest.committed()]
            row += [manifest.terms.maps, int(shuffles.owner.usage(name).bytes)]
            rows.append(row)
    return rows


@command(
    "SHUFFLE.LOCATE",
    arity=2,
    flags=NOSCRIPT,
    keys=(key(1, 1, 1, "RO access"),),
    group="shuffle",
    acl="shuffle read",
    since="7.0.15",
    complexity="O(N) with N partitions",
    summary="Return the address of each partition's node.",
    syntax="id:k#0",
    idempotent=True,
)
def shuffle_locate(ctx: Context, argv: list[bytes]) -> Reply:
    shuffles = ctx.node.shuffles
    manifest = shuffles.manifests.get(argv[1])
    if manifest is None:
        raise shuffles.gone_error(argv[1], ctx.now_ms)
    address = ctx.session.local
    if not address:
        host = ctx.node.config.bind_addresses()[0]
        address = f"{host}:{ctx.node.config.number('port')}".encode()
    return [address] * manifest.terms.partitions


@command(
    "SHUFFLE.PING",
    arity=-2,
    flags=NOSCRIPT | BLOCKING | FAST,
    keys=(key(1, 1, 1, "RO access"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(1)",
    summary="Renew the lease of a shuffle, and return how many bytes may be pushed.",
    syntax="id:k#0 [milliseconds:i]",
    idempotent=True,
)
def shuffle_ping(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 3:
        raise ReplyError(errors.SYNTAX)
    milliseconds = integer_in(argv[2], 0, I64_MAX >> 1) if len(argv) == 3 else 0
    manifest = leading(ctx).use(argv[1], ctx.now_ms)
    credit = credit_of(ctx)
    if credit > 0 or milliseconds == 0 or not ctx.may_block:
        return credit
    question = _CreditWait(ctx.node, manifest, ctx.session.number)
    return ctx.node.shuffle_waits.park(ctx.session, question, ctx.now_ms + milliseconds, 0)


@final
class _CreditWait(Question):
    """A PING that waits until something may be pushed."""

    def __init__(self, node: Node, manifest: Manifest, client: i64) -> None:
        self._node = node
        self._manifest = manifest
        self._client: i64 = client

    def answer(self, now_ms: i64) -> Reply:
        """Return the credit."""
        shuffles = self._node.shuffles
        if not shuffles.is_open(self._manifest):
            raise shuffles.gone_error(self._manifest.name, now_ms)
        credit = int(shuffles.owner.credit(self._client))
        return credit if credit > 0 else STILL_BLOCKED


# --- map tasks ------------------------------------------------------------------------------------


def _push(ctx: Context, number: bytes, attempt: int, words: list[bytes], place: int) -> None:
    """Take the block whose key, seq, checksum and payload stand at a place."""
    manifest, partition = partition_of(ctx, words[place])
    checksum = words[place + 2]
    # Unsigned, so it may be above what parse_int reads.
    if not (checksum.isdigit() and len(checksum) <= _CHECKSUM_DIGITS_MAX):
        raise ReplyError(errors.SHUFFLE_RANGE % ("checksum", 0, (1 << 64) - 1))
    ctx.node.shuffles.push(
        manifest,
        partition,
        map_in(manifest, number),
        attempt,
        number_in(words[place + 1], "seq", 0, (1 << 32) - 1),
        int(checksum),
        words[place + 3],
    )


@command(
    "SHUFFLE.PUSH",
    arity=7,
    flags=WRITE | NOSCRIPT | FAST,
    keys=(key(1, 1, 1, "OW insert"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(1)",
    summary="Hand a block of a map's attempt to a partition; return how many bytes may follow.",
    syntax="partition:k#0 map:i attempt:i seq:i checksum:i payload",
    idempotent=True,
)
def shuffle_push(ctx: Context, argv: list[bytes]) -> Reply:
    leading(ctx)
    words = [argv[1], argv[4], argv[5], argv[6]]
    _push(ctx, argv[2], attempt_in(argv[3]), words, 0)
    return credit_of(ctx)


@command(
    "SHUFFLE.MPUSH",
    arity=-7,
    flags=WRITE | NOSCRIPT,
    keys=(key(3, -1, 4, "OW insert"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(N) with N blocks",
    summary="Hand blocks of a map's attempt to partitions; return how many bytes may follow.",
    syntax="map:i attempt:i data=(partition:k#0 seq:i checksum:i payload) ...",
    idempotent=True,
)
def shuffle_mpush(ctx: Context, argv: list[bytes]) -> Reply:
    leading(ctx)
    if (len(argv) - _PUSH_FROM) % _PUSH_WORDS:
        raise ReplyError(errors.WRONG_ARITY % "shuffle.mpush")
    attempt = attempt_in(argv[2])
    for place in range(_PUSH_FROM, len(argv), _PUSH_WORDS):
        _push(ctx, argv[1], attempt, argv, place)
    return credit_of(ctx)


@command(
    "SHUFFLE.COMMIT",
    arity=5,
    flags=WRITE | NOSCRIPT,
    keys=(key(1, 1, 1, "RW access update"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(N) with N partitions of the summary",
    summary="Make an attempt the one that counts of its map, unless another one is.",
    syntax="id:k#0 map:i attempt:i summary",
    idempotent=True,
)
def shuffle_commit(ctx: Context, argv: list[bytes]) -> Reply:
    shuffles = leading(ctx)
    manifest = shuffles.use(argv[1], ctx.now_ms)
    number = map_in(manifest, argv[2])
    attempt = attempt_in(argv[3])
    rows = summary_in(argv[4], manifest.terms.partitions)
    if rows is None:
        raise ReplyError(errors.SHUFFLE_SUMMARY)
    winner = shuffles.commit(manifest, number, attempt, rows)
    settle(ctx)
    return OK if winner == attempt else b"DUP %d" % winner


@command(
    "SHUFFLE.ABORT",
    arity=4,
    flags=WRITE | NOSCRIPT,
    keys=(key(1, 1, 1, "RW access delete"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(N) with N blocks of the attempt",
    summary="Let go of what an attempt has pushed.",
    syntax="id:k#0 map:i attempt:i",
    idempotent=True,
)
def shuffle_abort(ctx: Context, argv: list[bytes]) -> Reply:
    shuffles = leading(ctx)
    manifest = shuffles.use(argv[1], ctx.now_ms)
    shuffles.abort(manifest, map_in(manifest, argv[2]), attempt_in(argv[3]))
    settle(ctx)
    return OK


@command(
    "SHUFFLE.SEAL",
    arity=-2,
    flags=WRITE | NOSCRIPT,
    keys=(key(1, 1, 1, "RW access update"),),
    group="shuffle",
    acl="shuffle",
    since="7.0.15",
    complexity="O(N) with N blocks",
    summary="End the map phase though some maps have nothing; it ends by itself when all are in.",
    syntax="id:k#0 [MAPS count:i]",
    idempotent=True,
)
def shuffle_seal(ctx: Context, argv: list[bytes]) -> Reply:
    shuffles = leading(ctx)
    manifest = shuffles.use(argv[1], ctx.now_ms)
    maps = _WITHOUT
    options = Options(argv, 2)
    while option := options.next():
        if option != b"MAPS":
            raise ReplyError(errors.SYNTAX)
        maps = number_in(options.word(), "MAPS", 0, manifest.terms.maps)
    shuffles.seal(manifest, maps)
    settle(ctx)
    return manifest.epoch
