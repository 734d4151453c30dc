"""CLIENT: connections as objects, to be listed, named, paused, unblocked and ended."""

from typing import Final

from mypy_extensions import i64

from kvnode.acl.users import User
from kvnode.command import ADMIN, LOADING, NOSCRIPT, STALE, command
from kvnode.commands.arguments import check_argc, integer, switch
from kvnode.commands.client_lines import class_of, line_of, read_class
from kvnode.commands.connection import check_word, set_name
from kvnode.commands.containers import container
from kvnode.context import Context
from kvnode.session import REPLY_OFF, REPLY_SKIP, REPLY_SKIPPED, Session
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, parse_int
from kvprotocol.replies import NO_REPLY, OK, Reply, Simple, Verbatim

_ANYBODY: Final = NOSCRIPT | LOADING | STALE
_ADMIN: Final = ADMIN | NOSCRIPT | LOADING | STALE

command(
    "CLIENT",
    arity=-2,
    flags=0,
    group="connection",
    since="2.4.0",
    complexity="Depends on the subcommand",
    summary="Look at connections and control them.",
)(container)


@command(
    "CLIENT ID",
    arity=2,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="5.0.0",
    complexity="O(1)",
    summary="Return the connection's number, which no other connection will have.",
)
def id_(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.session.number


@command(
    "CLIENT GETNAME",
    arity=2,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="2.6.9",
    complexity="O(1)",
    summary="Return the connection's name, nil where it has none.",
)
def getname(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.session.name or None


@command(
    "CLIENT SETNAME",
    arity=3,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="2.6.9",
    complexity="O(1)",
    summary="Name the connection; an empty name takes the old one away.",
    syntax="connection-name",
)
def setname(ctx: Context, argv: list[bytes]) -> Reply:
    set_name(ctx.session, argv[2])
    return OK


@command(
    "CLIENT SETINFO",
    arity=4,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="7.2.0",
    complexity="O(1)",
    summary="Accept the name or the version of the library that the client uses.",
    syntax="attr=<LIB-NAME libname|LIB-VER libver>",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def setinfo(ctx: Context, argv: list[bytes]) -> Reply:
    attribute = argv[2].lower()
    if attribute != b"lib-name" and attribute != b"lib-ver":
        raise ReplyError(f"ERR Unrecognized option '{errors.shown(argv[2])}'")
    name = attribute.decode()
    check_word(argv[3], f"ERR {name} cannot contain spaces, newlines or special characters.")
    return OK


@command(
    "CLIENT INFO",
    arity=2,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="6.2.0",
    complexity="O(1)",
    summary="Return the connection's line of CLIENT LIST.",
    tips=("nondeterministic_output",),
)
def info(ctx: Context, argv: list[bytes]) -> Reply:
    return Verbatim(line_of(ctx, ctx.session, argv) + b"\n")


def _listed(ctx: Context, argv: list[bytes]) -> list[Session]:
    """Return the sessions that a CLIENT LIST asks for."""
    sessions = ctx.node.sessions
    if len(argv) == 2:
        return list(sessions.values())
    word = argv[2].lower()
    if word == b"type" and len(argv) == 4:
        wanted = read_class(argv[3])
        return [session for session in sessions.values() if class_of(session) == wanted]
    if word != b"id" or len(argv) == 3:
        raise ReplyError(errors.SYNTAX)
    found: list[Session] = []
    for i in range(3, len(argv)):
        session = sessions.get(integer(argv[i], "ERR Invalid client ID"))
        if session is not None:
            found.append(session)
    return found


@command(
    "CLIENT LIST",
    arity=-2,
    flags=_ADMIN,
    group="connection",
    acl="connection",
    since="2.4.0",
    complexity="O(N) in the number of connections",
    summary="Return one line of facts for each connection.",
    syntax=(
        "[TYPE normal_master_replica_pubsub=<NORMAL|MASTER|REPLICA|PUBSUB>@5.0.0] "
        "[ID id=(client-id:i ...)@6.2.0]"
    ),
    tips=("nondeterministic_output",),
)
def list_(ctx: Context, argv: list[bytes]) -> Reply:
    lines = [line_of(ctx, session, argv) + b"\n" for session in _listed(ctx, argv)]
    return Verbatim(b"".join(lines))


class _Filter:
    """Which connections a CLIENT KILL means; None and 0 stand for options left out."""

    def __init__(self) -> None:
        self.number = 0
        self.address: bytes | None = None
        self.local_address: bytes | None = None
        self.client_class: bytes | None = None
        self.user: User | None = None
        self.spares_caller = True

    def accepts(self, session: Session, caller: Session) -> bool:
        """Return whether the connection is to end."""
        return (
            (self.address is None or session.peer == self.address)
            and (self.local_address is None or session.local == self.local_address)
            and (self.client_class is None or class_of(session) == self.client_class)
            and (self.number == 0 or session.number == self.number)
            and (self.user is None or session.user is self.user)
            and not (session is caller and self.spares_caller)
        )


def _read_filter(ctx: Context, argv: list[bytes]) -> _Filter:
    wanted = _Filter()
    if len(argv) == 3:
        wanted.address = argv[2]
        wanted.spares_caller = False
        return wanted
    for i in range(2, len(argv), 2):
        if i + 1 == len(argv):
            raise ReplyError(errors.SYNTAX)
        word = argv[i].lower()
        value = argv[i + 1]
        if word == b"id":
            number = parse_int(value)
            if number is None or number < 1:
                raise ReplyError("ERR client-id should be greater than 0")
            wanted.number = number
        elif word == b"type":
            wanted.client_class = read_class(value)
        elif word == b"addr":
            wanted.address = value
        elif word == b"laddr":
            wanted.local_address = value
        elif word == b"user":
            wanted.user = ctx.node.acl.users.get(value)
            if wanted.user is None:
                raise ReplyError(f"ERR No such user '{errors.shown(value)}'")
        elif word == b"skipme" and value.lower() in (b"yes", b"no"):
            wanted.spares_caller = value.lower() == b"yes"
        else:
            raise ReplyError(errors.SYNTAX)
    return wanted


@command(
    "CLIENT KILL",
    arity=-3,
    flags=_ADMIN,
    group="connection",
    acl="connection",
    since="2.4.0",
    complexity="O(N) in the number of connections",
    summary="End the connections that the filters choose.",
    syntax=(
        "filter=<ip:port!2.8.12|new-format=<[ID client-id:i@2.8.12]|"
        "[TYPE normal_master_slave_pubsub=<NORMAL|MASTER@3.2.0|SLAVE|REPLICA@5.0.0|PUBSUB>@2.8.12]|"
        "[USER username]|[ADDR ip:port]|[LADDR ip:port@6.2.0]|[SKIPME yes/no]> ...>"
    ),
)
def kill(ctx: Context, argv: list[bytes]) -> Reply:
    wanted = _read_filter(ctx, argv)
    caller = ctx.session
    killed = 0
    for session in list(ctx.node.sessions.values()):
        if not wanted.accepts(session, caller):
            continue
        killed += 1
        if session is caller:
            session.finish()  # it gets this reply first
        else:
            ctx.node.disconnect(session)
            session.outlet.abort()
    if len(argv) > 3:
        return killed
    if killed == 0:
        raise ReplyError("ERR No such client")
    return OK


@command(
    "CLIENT PAUSE",
    arity=-3,
    flags=_ADMIN,
    group="connection",
    acl="connection",
    since="2.9.50",
    complexity="O(1)",
    summary="Make all clients, or those that write, wait for a time.",
    syntax="timeout:i [mode=<WRITE|ALL>@6.2.0]",
)
def pause(ctx: Context, argv: list[bytes]) -> Reply:
    check_argc(argv, 4)
    writes_only = False
    if len(argv) == 4:
        mode = argv[3].lower()
        if mode != b"write" and mode != b"all":
            raise ReplyError("ERR CLIENT PAUSE mode must be WRITE or ALL")
        writes_only = mode == b"write"
    timeout = integer(argv[2], errors.TIMEOUT_NOT_INTEGER)
    if timeout < 0:
        raise ReplyError(errors.TIMEOUT_NEGATIVE)
    until = timeout + int(ctx.now_ms)
    if until > I64_MAX:
        raise ReplyError(errors.TIMEOUT_OUT_OF_RANGE)
    ctx.node.pause.begin(i64(until), writes_only)
    return OK


@command(
    "CLIENT UNPAUSE",
    arity=2,
    flags=_ADMIN,
    group="connection",
    acl="connection",
    since="6.2.0",
    complexity="O(N) in the number of clients that wait",
    summary="End the pause: the clients that wait go on.",
)
def unpause(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.pause.end()
    return OK


@command(
    "CLIENT UNBLOCK",
    arity=-3,
    flags=_ADMIN,
    group="connection",
    acl="connection",
    since="5.0.0",
    complexity="O(log N) in the number of connections",
    summary="End another client's wait in a blocking command.",
    syntax="client-id:i [timeout_error=<TIMEOUT|ERROR>]",
)
def unblock(ctx: Context, argv: list[bytes]) -> Reply:
    check_argc(argv, 4)
    with_error = False
    if len(argv) == 4:
        reason = argv[3].lower()
        if reason != b"timeout" and reason != b"error":
            raise ReplyError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        with_error = reason == b"error"
    session = ctx.node.sessions.get(integer(argv[2]))
    return int(session is not None and ctx.node.blocking.unblock(session, with_error))


@command(
    "CLIENT REPLY",
    arity=3,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="3.2.0",
    complexity="O(1)",
    summary="Choose whether the connection gets replies: all, none, or all but the next.",
    syntax="on_off_skip=<ON|OFF|SKIP>",
)
def reply(ctx: Context, argv: list[bytes]) -> Reply:
    session = ctx.session
    mode = argv[2].lower()
    if mode == b"on":
        session.gate &= ~(REPLY_OFF | REPLY_SKIPPED)
        return OK
    if mode == b"off":
        session.gate |= REPLY_OFF
    elif mode == b"skip":
        if not session.gate & REPLY_OFF:
            session.gate |= REPLY_SKIP
    else:
        raise ReplyError(errors.SYNTAX)
    return NO_REPLY


@command(
    "CLIENT NO-EVICT",
    arity=3,
    flags=_ADMIN,
    group="connection",
    acl="connection",
    since="7.0.0",
    complexity="O(1)",
    summary="Exempt the connection from being ended when clients use too much memory.",
    syntax="enabled=<ON|OFF>",
)
def no_evict(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.session.no_evict = switch(argv[2])
    return OK


_HELP: Final = (
    b"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CACHING (YES|NO)",
    b"    Track the keys of the next command, or do not.",
    b"GETREDIR",
    b"    Show which connection gets the invalidation messages.",
    b"GETNAME",
    b"    Show this connection's name.",
    b"ID",
    b"    Show this connection's number.",
    b"INFO",
    b"    Show this connection's line of the list.",
    b"KILL <ip:port>",
    b"    End the connection that comes from this address.",
    b"KILL <option> <value> [<option> <value> [...]]",
    b"    End the connections that all options choose:",
    b"    * ADDR (<ip:port>|<unixsocket>:0)",
    b"      by the address that they come from",
    b"    * LADDR (<ip:port>|<unixsocket>:0)",
    b"      by the address that they go to",
    b"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    b"      by their class",
    b"    * USER <username>",
    b"      by the user that they logged in as",
    b"    * SKIPME (YES|NO)",
    b"      spare this connection (default: yes)",
    b"LIST [options ...]",
    b"    Show a line of facts for each connection. Options:",
    b"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    b"      only those of a class",
    b"UNPAUSE",
    b"    End the pause.",
    b"PAUSE <timeout> [WRITE|ALL]",
    b"    Make all clients, or those that write, wait this many milliseconds.",
    b"REPLY (ON|OFF|SKIP)",
    b"    Choose which commands of this connection are answered.",
    b"SETNAME <name>",
    b"    Name this connection.",
    b"UNBLOCK <clientid> [TIMEOUT|ERROR]",
    b"    End a client's wait in a blocking command.",
    b"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    b"         [OPTIN] [OPTOUT] [NOLOOP]",
    b"    Turn invalidation messages on or off.",
    b"TRACKINGINFO",
    b"    Show how invalidation messages are set up.",
    b"NO-EVICT (ON|OFF)",
    b"    Exempt this connection from being ended for the memory of clients.",
    b"SETINFO (LIB-NAME|LIB-VER) <text>",
    b"    Note the client's library.",
    b"NO-TOUCH (ON|OFF)",
    b"    Choose whether reads count as use of the keys.",
    b"HELP",
    b"    Show these lines.",
)


@command(
    "CLIENT HELP",
    arity=2,
    flags=LOADING | STALE,
    group="connection",
    acl="connection",
    since="5.0.0",
    complexity="O(1)",
    summary="List the subcommands of CLIENT.",
)
def help_(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]
