"""The connection commands: who the client is, which protocol and database it uses."""

from typing import Final

from kvnode.acl.control import DEFAULT_USER
from kvnode.command import ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, STALE, command
from kvnode.commands.arguments import integer_in
from kvnode.context import Context
from kvnode.info import REDIS_VERSION
from kvnode.session import NO_TOUCH, REPLY_OFF, REPLY_SKIP, SUBSCRIBER, Session
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import parse_int
from kvprotocol.replies import OK, PONG, Pairs, Reply, Simple

_NO_PASSWORD: Final = (
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
_HELLO_NO_AUTH: Final = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH "
    "<user> <pass> option can be used to authenticate the client and select the RESP protocol "
    "version at the same time"
)
_HELLO_VERSION: Final = "ERR Protocol version is not an integer or out of range"
_HELLO_OPTION: Final = "ERR Syntax error in HELLO option '%s'"
_NAME_INVALID: Final = "ERR Client names cannot contain spaces, newlines or special characters."


def check_word(word: bytes, message: str) -> None:
    """Refuse a name that would break the lines of CLIENT LIST."""
    for byte in word:
        if byte < 33 or byte > 126:
            raise ReplyError(message)


def set_name(session: Session, name: bytes) -> None:
    """Name a connection; an empty name takes the old one away."""
    check_word(name, _NAME_INVALID)
    session.name = name


def _authenticate(ctx: Context, argv: list[bytes], user: bytes, password: bytes) -> None:
    """Let the session in as `user`, or raise WRONGPASS."""
    if not ctx.node.acl.authenticate(ctx.session, user, password, argv[0]):
        raise ReplyError(errors.WRONG_PASS)


@command(
    "AUTH",
    arity=-2,
    flags=NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
    group="connection",
    acl="connection",
    since="1.0.0",
    complexity="O(N) in the user's passwords",
    summary="Log in with a password, as the default user or as a named one.",
    syntax="[username@6.0.0] password",
)
def auth(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 3:
        raise ReplyError(errors.SYNTAX)
    if len(argv) == 3:
        _authenticate(ctx, argv, argv[1], argv[2])
    elif ctx.node.acl.default.no_password:
        raise ReplyError(_NO_PASSWORD)
    else:
        _authenticate(ctx, argv, DEFAULT_USER, argv[1])
    return OK


@command(
    "ECHO",
    arity=2,
    flags=LOADING | STALE | FAST,
    group="connection",
    acl="connection",
    since="1.0.0",
    complexity="O(1)",
    summary="Return the message.",
    syntax="message",
    idempotent=True,
)
def echo(ctx: Context, argv: list[bytes]) -> Reply:
    return argv[1]


def _read_hello(ctx: Context, argv: list[bytes]) -> int:
    """Carry out a HELLO's options in their order; return the wanted protocol, 0 for none."""
    if len(argv) == 1:
        return 0
    version = parse_int(argv[1])
    if version is None:
        raise ReplyError(_HELLO_VERSION)
    if version < 2 or version > 3:
        raise ReplyError(errors.NO_PROTO)
    i = 2
    while i < len(argv):
        word = argv[i].upper()
        if word == b"AUTH" and i + 2 < len(argv):
            _authenticate(ctx, argv, argv[i + 1], argv[i + 2])
            i += 3
        elif word == b"SETNAME" and i + 1 < len(argv):
            set_name(ctx.session, argv[i + 1])
            i += 2
        else:
            raise ReplyError(_HELLO_OPTION % argv[i].decode("utf-8", "surrogateescape"))
    return version


@command(
    "HELLO",
    arity=-1,
    flags=NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
    group="connection",
    acl="connection",
    since="6.0.0",
    complexity="O(1)",
    summary="Agree on the protocol version, log in and name the connection, all in one request.",
    syntax=(
        "[arguments=(protover:i [AUTH username_password=(username password)] [SETNAME clientname])]"
    ),
)
def hello(ctx: Context, argv: list[bytes]) -> Reply:
    protocol = _read_hello(ctx, argv)
    session = ctx.session
    if not session.authenticated:
        raise ReplyError(_HELLO_NO_AUTH)
    if protocol:
        session.writer.protocol = protocol
        ctx.node.pubsub.restrict(session)
    facts: list[Reply] = [b"server", b"redis", b"version", REDIS_VERSION.encode()]
    facts += [b"proto", int(session.writer.protocol), b"id", session.number]
    modules: list[Reply] = []
    role = b"master" if ctx.node.replication.is_leading() else b"replica"
    facts += [b"mode", b"standalone", b"role", role, b"modules", modules]
    return Pairs(facts)


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
    idempotent=True,
)
def ping(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        raise ReplyError(errors.WRONG_ARITY % "ping")
    if ctx.session.gate & SUBSCRIBER:
        return [b"pong", argv[1] if len(argv) == 2 else b""]
    return argv[1] if len(argv) == 2 else PONG


@command(
    "QUIT",
    arity=-1,
    flags=NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
    group="connection",
    acl="connection",
    since="1.0.0",
    complexity="O(1)",
    summary="Answer OK and close the connection.",
)
def quit_(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.session.finish()
    return OK


@command(
    "RESET",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
    group="connection",
    acl="connection",
    since="6.2.0",
    complexity="O(1)",
    summary="Bring the connection back to the state in which it was opened.",
)
def reset(ctx: Context, argv: list[bytes]) -> Reply:
    node = ctx.node
    session = ctx.session
    node.stop_monitoring(session)
    node.watching.discard(session)
    node.pubsub.leave(session)
    node.tracking.disable(session)
    session.keyspace = node.dataset.databases[0]
    session.writer.protocol = 2
    session.name = b""
    session.gate &= ~(REPLY_OFF | REPLY_SKIP | NO_TOUCH)
    node.acl.welcome(session)
    return Simple(b"RESET")


@command(
    "SELECT",
    arity=2,
    flags=LOADING | STALE | FAST,
    group="connection",
    acl="connection",
    since="1.0.0",
    complexity="O(1)",
    summary="Make a database the one that the connection's next commands work on.",
    syntax="index:i",
)
def select(ctx: Context, argv: list[bytes]) -> Reply:
    index = integer_in(argv[1], -(2**31), 2**31 - 1)
    databases = ctx.node.dataset.databases
    if index < 0 or index >= len(databases):
        raise ReplyError(errors.DB_INDEX_OUT_OF_RANGE)
    ctx.session.keyspace = databases[index]
    return OK
