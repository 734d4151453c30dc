"""CLIENT TRACKING and its kin: how a client that caches values is told of changes."""

from typing import Final

from kvnode.command import LOADING, NOSCRIPT, STALE, command
from kvnode.commands.arguments import integer, switch
from kvnode.context import Context
from kvnode.session import NO_TOUCH, ClientTracking
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, Members, Pairs, Reply

_ANYBODY: Final = NOSCRIPT | LOADING | STALE
_NOT_TRACKING: Final = (
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
    "OPTOUT mode enabled"
)
_NOT_OPTIN: Final = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
_NOT_OPTOUT: Final = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
_ONE_REDIRECT: Final = "ERR A client can only redirect to a single other client"
_NO_SUCH_CLIENT: Final = "ERR The client ID you want redirect to does not exist"
_PREFIX_WITHOUT_BCAST: Final = "ERR PREFIX option requires BCAST mode to be enabled"
_BCAST_SWITCHED: Final = (
    "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
    "re-enabling it with a different mode."
)
_BCAST_WITH_OPT: Final = "ERR OPTIN and OPTOUT are not compatible with BCAST"
_BOTH_OPT: Final = "ERR You can't specify both OPTIN mode and OPTOUT mode"
_OPT_SWITCHED: Final = (
    "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
    "re-enabling it with a different mode."
)
_OVERLAP: Final = (
    "ERR Prefix '%s' overlaps with %s prefix '%s'. Prefixes for a single client must not overlap."
)


def _read_options(ctx: Context, argv: list[bytes]) -> tuple[ClientTracking, list[bytes]]:
    """Return the options of a CLIENT TRACKING, and its prefixes as they stand there."""
    wanted = ClientTracking()
    prefixes: list[bytes] = []
    i = 3
    while i < len(argv):
        word = argv[i].lower()
        has_value = i + 1 < len(argv)
        if word == b"redirect" and has_value:
            i += 1
            if wanted.redirect:
                raise ReplyError(_ONE_REDIRECT)
            wanted.redirect = integer(argv[i])
            if wanted.redirect not in ctx.node.sessions:
                raise ReplyError(_NO_SUCH_CLIENT)
        elif word == b"bcast":
            wanted.broadcast = True
        elif word == b"optin":
            wanted.optin = True
        elif word == b"optout":
            wanted.optout = True
        elif word == b"noloop":
            wanted.noloop = True
        elif word == b"prefix" and has_value:
            i += 1
            prefixes.append(argv[i])
        else:
            raise ReplyError(errors.SYNTAX)
        i += 1
    wanted.prefixes = dict.fromkeys(prefixes)
    return wanted, prefixes


def _check_modes(wanted: ClientTracking, old: ClientTracking | None) -> None:
    """Refuse options that exclude each other or the mode that is on already."""
    if wanted.prefixes and not wanted.broadcast:
        raise ReplyError(_PREFIX_WITHOUT_BCAST)
    if old is not None and old.broadcast != wanted.broadcast:
        raise ReplyError(_BCAST_SWITCHED)
    if wanted.broadcast and (wanted.optin or wanted.optout):
        raise ReplyError(_BCAST_WITH_OPT)
    if wanted.optin and wanted.optout:
        raise ReplyError(_BOTH_OPT)
    if old is not None and ((wanted.optin and old.optout) or (wanted.optout and old.optin)):
        raise ReplyError(_OPT_SWITCHED)


def _overlap(prefix: bytes, which: str, other: bytes) -> None:
    """Refuse a prefix if another one begins with it, or it with the other one."""
    if prefix.startswith(other) or other.startswith(prefix):
        raise ReplyError(_OVERLAP % (errors.shown(prefix), which, errors.shown(other)))


def _check_prefixes(prefixes: list[bytes], old: ClientTracking | None) -> None:
    """Refuse prefixes that overlap; `prefixes` has them in the order of the request."""
    for i, prefix in enumerate(prefixes):
        if old is not None:
            for other in sorted(old.prefixes):
                _overlap(prefix, "an existing", other)
        for other in prefixes[i + 1 :]:
            _overlap(prefix, "another provided", other)


@command(
    "CLIENT TRACKING",
    arity=-3,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="6.0.0",
    complexity="O(1), and O(N) in the number of prefixes",
    summary="Turn invalidation messages for client-side caches on or off.",
    syntax=(
        "status=<ON|OFF> [REDIRECT client-id:i] [PREFIX prefix ...+] [BCAST] [OPTIN] [OPTOUT] "
        "[NOLOOP]"
    ),
)
def tracking(ctx: Context, argv: list[bytes]) -> Reply:
    wanted, prefixes = _read_options(ctx, argv)
    session = ctx.session
    if not switch(argv[2]):
        ctx.node.tracking.disable(session)
        return OK
    _check_modes(wanted, session.tracking)
    if wanted.broadcast:
        _check_prefixes(prefixes, session.tracking)
        if not prefixes:
            wanted.prefixes[b""] = None
    ctx.node.tracking.enable(session, wanted)
    return OK


@command(
    "CLIENT TRACKINGINFO",
    arity=2,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="6.2.0",
    complexity="O(1)",
    summary="Return how invalidation messages are set up for the connection.",
)
def trackinginfo(ctx: Context, argv: list[bytes]) -> Reply:
    state = ctx.session.tracking
    flags: list[Reply] = [b"off" if state is None else b"on"]
    prefixes: list[Reply] = []
    redirect = -1
    if state is not None:
        redirect = state.redirect
        prefixes += sorted(state.prefixes)
        if state.broadcast:
            flags.append(b"bcast")
        if state.optin:
            flags.append(b"optin")
            if state.caching:
                flags.append(b"caching-yes")
        if state.optout:
            flags.append(b"optout")
            if state.caching:
                flags.append(b"caching-no")
        if state.noloop:
            flags.append(b"noloop")
        if state.broken_redirect:
            flags.append(b"broken_redirect")
    return Pairs([b"flags", Members(flags), b"redirect", redirect, b"prefixes", prefixes])


@command(
    "CLIENT GETREDIR",
    arity=2,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="6.0.0",
    complexity="O(1)",
    summary="Return which connection gets this one's invalidation messages; -1 without tracking.",
)
def getredir(ctx: Context, argv: list[bytes]) -> Reply:
    state = ctx.session.tracking
    return -1 if state is None else state.redirect


@command(
    "CLIENT CACHING",
    arity=3,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="6.0.0",
    complexity="O(1)",
    summary="Say whether the keys of the next command are to be tracked.",
    syntax="mode=<YES|NO>",
)
def caching(ctx: Context, argv: list[bytes]) -> Reply:
    state = ctx.session.tracking
    if state is None:
        raise ReplyError(_NOT_TRACKING)
    mode = argv[2].lower()
    if mode == b"yes":
        if not state.optin:
            raise ReplyError(_NOT_OPTIN)
    elif mode == b"no":
        if not state.optout:
            raise ReplyError(_NOT_OPTOUT)
    else:
        raise ReplyError(errors.SYNTAX)
    state.caching = True
    return OK


@command(
    "CLIENT NO-TOUCH",
    arity=3,
    flags=_ANYBODY,
    group="connection",
    acl="connection",
    since="7.2.0",
    complexity="O(1)",
    summary="Choose whether the connection's reads count as use of the keys, for eviction.",
    syntax="enabled=<ON|OFF>",
)
def no_touch(ctx: Context, argv: list[bytes]) -> Reply:
    session = ctx.session
    if switch(argv[2]):
        session.gate |= NO_TOUCH
    else:
        session.gate &= ~NO_TOUCH
    return OK
