"""The connection commands."""

from kvnode.command import FAST, command
from kvnode.context import Context
from kvnode.session import SUBSCRIBER
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import PONG, Reply


@command(
    "PING",
    arity=-1,
    flags=FAST,
    group="connection",
    acl="connection",
    since="1.0.0",
    complexity="O(1)",
    summary="Answer PONG, or the message.",
    syntax="[message]",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def ping(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        raise ReplyError(errors.WRONG_ARITY % "ping")
    if ctx.session.gate & SUBSCRIBER:
        return [b"pong", argv[1] if len(argv) == 2 else b""]
    return argv[1] if len(argv) == 2 else PONG
