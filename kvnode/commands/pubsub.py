"""The pub/sub commands. Confirmations and messages are pushes: written at once, whoever replies."""

from typing import Final

from kvnode.command import (
    FAST,
    LOADING,
    MAY_REPLICATE,
    NOSCRIPT,
    PUBSUB,
    STALE,
    command,
    key,
)
from kvnode.commands.arguments import check_argc
from kvnode.commands.containers import container
from kvnode.context import Context
from kvnode.globs import matches
from kvnode.session import Session
from kvprotocol.errors import ReplyError
from kvprotocol.replies import NO_REPLY, Reply, Simple


def _subscribe(ctx: Context, argv: list[bytes], kind: bytes) -> Reply:
    for i in range(1, len(argv)):
        ctx.node.pubsub.subscribe(ctx.session, kind, argv[i])
    return NO_REPLY


def _unsubscribe(ctx: Context, argv: list[bytes], kind: bytes) -> Reply:
    ctx.node.pubsub.unsubscribe(ctx.session, kind, argv[1:])
    return NO_REPLY


@command(
    "SUBSCRIBE",
    arity=-2,
    flags=PUBSUB | NOSCRIPT | LOADING | STALE,
    group="pubsub",
    since="2.0.0",
    complexity="O(N) in the number of channels",
    summary="Receive the messages published to the channels.",
    syntax="channel ...",
)
def subscribe(ctx: Context, argv: list[bytes]) -> Reply:
    return _subscribe(ctx, argv, b"subscribe")


@command(
    "UNSUBSCRIBE",
    arity=-1,
    flags=PUBSUB | NOSCRIPT | LOADING | STALE,
    group="pubsub",
    since="2.0.0",
    complexity="O(N) in the number of channels",
    summary="End the subscriptions to the channels, or to all.",
    syntax="[channel ...]",
)
def unsubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    return _unsubscribe(ctx, argv, b"unsubscribe")


@command(
    "PSUBSCRIBE",
    arity=-2,
    flags=PUBSUB | NOSCRIPT | LOADING | STALE,
    group="pubsub",
    since="2.0.0",
    complexity="O(N) in the number of patterns",
    summary="Receive the messages published to channels whose names match the patterns.",
    syntax="pattern=(pattern:p) ...",
)
def psubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    return _subscribe(ctx, argv, b"psubscribe")


@command(
    "PUNSUBSCRIBE",
    arity=-1,
    flags=PUBSUB | NOSCRIPT | LOADING | STALE,
    group="pubsub",
    since="2.0.0",
    complexity="O(N) in the number of patterns",
    summary="End the subscriptions to the patterns, or to all.",
    syntax="[pattern:p ...]",
)
def punsubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    return _unsubscribe(ctx, argv, b"punsubscribe")


@command(
    "SSUBSCRIBE",
    arity=-2,
    flags=PUBSUB | NOSCRIPT | LOADING | STALE,
    keys=(key(1, -1, 1, "not_key"),),
    group="pubsub",
    since="7.0.0",
    complexity="O(N) in the number of shard channels",
    summary="Receive the messages published to the shard channels.",
    syntax="shardchannel ...",
)
def ssubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    if not ctx.may_block:
        raise ReplyError("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    return _subscribe(ctx, argv, b"ssubscribe")


@command(
    "SUNSUBSCRIBE",
    arity=-1,
    flags=PUBSUB | NOSCRIPT | LOADING | STALE,
    keys=(key(1, -1, 1, "not_key"),),
    group="pubsub",
    since="7.0.0",
    complexity="O(N) in the number of shard channels",
    summary="End the subscriptions to the shard channels, or to all.",
    syntax="[shardchannel ...]",
)
def sunsubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    return _unsubscribe(ctx, argv, b"sunsubscribe")


@command(
    "PUBLISH",
    arity=3,
    flags=PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE,
    group="pubsub",
    since="2.0.0",
    complexity="O(N+M) in the channel's subscribers (N) and in all subscribed patterns (M)",
    summary="Send a message to a channel and return how many receive it.",
    syntax="channel message",
)
def publish(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.dispatcher.tell_followers(argv)
    return ctx.node.pubsub.publish(argv[1], argv[2])


@command(
    "SPUBLISH",
    arity=3,
    flags=PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE,
    keys=(key(1, 1, 1, "not_key"),),
    group="pubsub",
    since="7.0.0",
    complexity="O(N) in the shard channel's subscribers",
    summary="Send a message to a shard channel and return how many receive it.",
    syntax="shardchannel message",
)
def spublish(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.dispatcher.tell_followers(argv)
    return ctx.node.pubsub.publish_shard(argv[1], argv[2])


command(
    "PUBSUB",
    arity=-2,
    flags=0,
    group="pubsub",
    since="2.8.0",
    complexity="Depends on the subcommand",
    summary="Look at channels, patterns and their subscribers.",
)(container)


def _names(table: dict[bytes, dict[Session, None]], argv: list[bytes]) -> list[Reply]:
    """Return the channels that match the pattern at argv[2], or all."""
    check_argc(argv, 3)
    return [name for name in table if len(argv) == 2 or matches(argv[2], name)]


def _counts(table: dict[bytes, dict[Session, None]], argv: list[bytes]) -> list[Reply]:
    """Return each channel from argv[2] on with the number of its subscribers."""
    counts: list[Reply] = []
    for i in range(2, len(argv)):
        counts.append(argv[i])
        counts.append(len(table[argv[i]]) if argv[i] in table else 0)
    return counts


@command(
    "PUBSUB CHANNELS",
    arity=-2,
    flags=PUBSUB | LOADING | STALE,
    group="pubsub",
    since="2.8.0",
    complexity="O(N) in the number of channels with subscribers",
    summary="Return the channels that have subscribers.",
    syntax="[pattern:p]",
)
def channels(ctx: Context, argv: list[bytes]) -> Reply:
    return _names(ctx.node.pubsub.channels, argv)


@command(
    "PUBSUB NUMSUB",
    arity=-2,
    flags=PUBSUB | LOADING | STALE,
    group="pubsub",
    since="2.8.0",
    complexity="O(N) in the number of channels asked for",
    summary="Return how many subscribers channels have, without those of patterns.",
    syntax="[channel ...]",
)
def numsub(ctx: Context, argv: list[bytes]) -> Reply:
    return _counts(ctx.node.pubsub.channels, argv)


@command(
    "PUBSUB NUMPAT",
    arity=2,
    flags=PUBSUB | LOADING | STALE,
    group="pubsub",
    since="2.8.0",
    complexity="O(1)",
    summary="Return how many different patterns have subscribers.",
)
def numpat(ctx: Context, argv: list[bytes]) -> Reply:
    return len(ctx.node.pubsub.patterns)


@command(
    "PUBSUB SHARDCHANNELS",
    arity=-2,
    flags=PUBSUB | LOADING | STALE,
    group="pubsub",
    since="7.0.0",
    complexity="O(N) in the number of shard channels with subscribers",
    summary="Return the shard channels that have subscribers.",
    syntax="[pattern:p]",
)
def shardchannels(ctx: Context, argv: list[bytes]) -> Reply:
    return _names(ctx.node.pubsub.shard_channels, argv)


@command(
    "PUBSUB SHARDNUMSUB",
    arity=-2,
    flags=PUBSUB | LOADING | STALE,
    group="pubsub",
    since="7.0.0",
    complexity="O(N) in the number of shard channels asked for",
    summary="Return how many subscribers shard channels have.",
    syntax="[shardchannel ...]",
)
def shardnumsub(ctx: Context, argv: list[bytes]) -> Reply:
    return _counts(ctx.node.pubsub.shard_channels, argv)


_HELP: Final = (
    b"PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CHANNELS [<pattern>]",
    b"    List the channels that have subscribers; only those that match, if asked.",
    b"NUMPAT",
    b"    Count the patterns that have subscribers.",
    b"NUMSUB [<channel> ...]",
    b"    Count each channel's subscribers; subscribers of patterns are left out.",
    b"SHARDCHANNELS [<pattern>]",
    b"    List the shard channels that have subscribers; only those that match, if asked.",
    b"SHARDNUMSUB [<shardchannel> ...]",
    b"    Count each shard channel's subscribers.",
    b"HELP",
    b"    Show these lines.",
)


@command(
    "PUBSUB HELP",
    arity=2,
    flags=LOADING | STALE,
    group="pubsub",
    since="6.2.0",
    complexity="O(1)",
    summary="List the subcommands of PUBSUB.",
)
def help_(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]
