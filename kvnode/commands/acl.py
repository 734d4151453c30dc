"""ACL: users, their rights, and what was refused to them."""

from secrets import token_hex
from typing import Final

from kvnode.acl.description import (
    describe_channels,
    describe_commands,
    describe_keys,
    describe_user,
    flags_of,
)
from kvnode.acl.file import AclFileError
from kvnode.acl.rules import OpenParenthesis, RuleError, has_blanks
from kvnode.acl.selectors import (
    ALLOWED,
    DENIED_COMMAND,
    DENIED_KEY,
    KIND_MASK,
    PLACE_SHIFT,
    Selector,
)
from kvnode.categories import CATEGORIES, categories
from kvnode.command import ADMIN, LOADING, NOSCRIPT, STALE, Command, command
from kvnode.commands.arguments import check_argc, integer
from kvnode.commands.containers import container
from kvnode.context import Context
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, Members, Pairs, Reply, Simple

_ANYBODY: Final = NOSCRIPT | LOADING | STALE
_ADMIN: Final = ADMIN | NOSCRIPT | LOADING | STALE
_DEFAULT_USER_STAYS: Final = "ERR The 'default' user cannot be removed"
_NO_FILE: Final = (
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration."
)
_NOT_SAVED: Final = (
    "ERR There was an error trying to save the ACLs. Please check the server logs for more "
    "information"
)
_BLANK_NAME: Final = "ERR Usernames can't contain spaces or null characters"
_PASSWORD_BITS: Final = 256
_PASSWORD_BITS_MAX: Final = 4096
_SHOWN_ENTRIES: Final = 10


command(
    "ACL",
    arity=-2,
    flags=0,
    group="server",
    since="6.0.0",
    complexity="Depends on subcommand.",
    summary="Holds the commands on users and their rights.",
)(container)


@command(
    "ACL CAT",
    arity=-2,
    flags=_ANYBODY,
    group="server",
    since="6.0.0",
    complexity="O(N) with N commands",
    summary="Return the categories of commands, or the commands of one.",
    syntax="[categoryname]",
)
def acl_cat(ctx: Context, argv: list[bytes]) -> Reply:
    check_argc(argv, 3)
    names: list[Reply] = []
    if len(argv) == 2:
        for category in CATEGORIES:
            names.append(category.encode())
        return names
    wanted = errors.shown(argv[2])
    if wanted.lower() not in CATEGORIES:
        raise ReplyError(f"ERR Unknown category '{wanted[:128]}'")
    for entry in ctx.node.acl.sets.commands.values():
        if wanted.lower() in categories(entry.card):
            names.append(entry.full_name)
    return names


@command(
    "ACL WHOAMI",
    arity=2,
    flags=_ANYBODY,
    group="server",
    since="6.0.0",
    complexity="O(1)",
    summary="Return the user of this connection.",
)
def acl_whoami(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.session.user.name


@command(
    "ACL USERS",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="6.0.0",
    complexity="O(N log N) with N users",
    summary="Return the names of all users.",
)
def acl_users(ctx: Context, argv: list[bytes]) -> Reply:
    return sorted(ctx.node.acl.users)


@command(
    "ACL LIST",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="6.0.0",
    complexity="O(N log N) with N users",
    summary="Return all users as the lines of an ACL file.",
)
def acl_list(ctx: Context, argv: list[bytes]) -> Reply:
    users = ctx.node.acl.users
    return [b"user %b %b" % (name, describe_user(users[name])) for name in sorted(users)]


def _selector_items(selector: Selector) -> list[Reply]:
    items: list[Reply] = [b"commands", describe_commands(selector)]
    items += [b"keys", describe_keys(selector), b"channels", describe_channels(selector)]
    return items


@command(
    "ACL GETUSER",
    arity=3,
    flags=_ADMIN,
    group="server",
    since="6.0.0",
    complexity="O(N) with N passwords and rules of the user",
    summary="Return a user's flags, password hashes and rules.",
    syntax="username",
)
def acl_getuser(ctx: Context, argv: list[bytes]) -> Reply:
    user = ctx.node.acl.users.get(argv[2])
    if user is None:
        return None
    items: list[Reply] = [b"flags", Members(flags_of(user)), b"passwords", list(user.passwords)]
    items += _selector_items(user.selectors[0])
    selectors: list[Reply] = []
    for selector in user.selectors[1:]:
        selectors.append(Pairs(_selector_items(selector)))
    items += [b"selectors", selectors]
    return Pairs(items)


@command(
    "ACL SETUSER",
    arity=-3,
    flags=_ADMIN,
    group="server",
    since="6.0.0",
    complexity="O(N) with N rules",
    summary="Change or create a user by rules; all of them take effect or none.",
    syntax="username [rule ...]",
)
def acl_setuser(ctx: Context, argv: list[bytes]) -> Reply:
    if has_blanks(argv[2]):
        raise ReplyError(_BLANK_NAME)
    try:
        ctx.node.acl.set_user(argv[2], argv[3:])
    except OpenParenthesis as opening:
        shown = errors.shown(opening.word)
        raise ReplyError(
            f"ERR Unmatched parenthesis in acl selector starting at '{shown}'."
        ) from None
    except RuleError as error:
        shown = errors.shown(error.rule)
        raise ReplyError(f"ERR Error in ACL SETUSER modifier '{shown}': {error.reason}") from None
    return OK


@command(
    "ACL DELUSER",
    arity=-3,
    flags=_ADMIN,
    group="server",
    since="6.0.0",
    complexity="O(N) in the number of connections",
    summary="Delete users and end their connections; return how many there were.",
    syntax="username ...",
)
def acl_deluser(ctx: Context, argv: list[bytes]) -> Reply:
    acl = ctx.node.acl
    if acl.default.name in argv[2:]:
        raise ReplyError(_DEFAULT_USER_STAYS)
    return acl.delete_users(argv[2:])


def _find(ctx: Context, request: list[bytes]) -> Command | None:
    found = ctx.node.commands.get(request[0].lower())
    if found is None or found.subcommands is None or len(request) == 1:
        return found
    return found.subcommands.get(request[1].lower())


@command(
    "ACL DRYRUN",
    arity=-4,
    flags=_ADMIN,
    group="server",
    since="7.0.0",
    complexity="O(N) with N rules of the user",
    summary="Say whether a user may run a request, without running it.",
    syntax="username command [arg ...]",
)
def acl_dryrun(ctx: Context, argv: list[bytes]) -> Reply:
    user = ctx.node.acl.users.get(argv[2])
    if user is None:
        raise ReplyError(f"ERR User '{errors.shown(argv[2])}' not found")
    request = argv[3:]
    found = _find(ctx, request)
    if found is None:
        raise ReplyError(f"ERR Command '{errors.shown(argv[3])}' not found")
    if len(request) < found.argc_min or len(request) > found.argc_max:
        raise ReplyError(errors.WRONG_ARITY % found.full_name.decode())
    decision = user.decide(found, request)
    if decision == ALLOWED:
        return OK
    kind = decision & KIND_MASK
    if kind == DENIED_COMMAND:
        return b"This user has no permissions to run the '%b' command" % found.full_name
    what = b"key" if kind == DENIED_KEY else b"channel"
    word = request[decision >> PLACE_SHIFT].partition(b"\0")[0]
    return b"This user has no permissions to access the '%b' %b" % (word, what)


@command(
    "ACL GENPASS",
    arity=-2,
    flags=_ANYBODY,
    group="server",
    since="6.0.0",
    complexity="O(1)",
    summary="Return a random password of 256 bits, or of as many as asked for.",
    syntax="[bits:i]",
)
def acl_genpass(ctx: Context, argv: list[bytes]) -> Reply:
    check_argc(argv, 3)
    bits = _PASSWORD_BITS
    if len(argv) == 3:
        bits = integer(argv[2])
        if bits <= 0 or bits > _PASSWORD_BITS_MAX:
            raise ReplyError(
                "ERR ACL GENPASS argument must be the number of bits for the output password, "
                f"a positive number up to {_PASSWORD_BITS_MAX}"
            )
    digits = (bits + 3) // 4
    # From the system: the node's own random numbers can be predicted.
    return token_hex((digits + 1) // 2)[:digits].encode()


@command(
    "ACL LOG",
    arity=-2,
    flags=_ADMIN,
    group="server",
    since="6.0.0",
    complexity="O(N) with N entries shown",
    summary="Return what was denied of late, or forget it.",
    syntax="[operation=<count:i|RESET>]",
)
def acl_log(ctx: Context, argv: list[bytes]) -> Reply:
    check_argc(argv, 3)
    entries = ctx.node.acl.log.entries
    count = _SHOWN_ENTRIES
    if len(argv) == 3:
        if argv[2].lower() == b"reset":
            entries.clear()
            return OK
        count = max(integer(argv[2]), 0)
    now = ctx.node.clock.now()
    shown: list[Reply] = []
    for entry in entries:
        if len(shown) >= count:
            break
        age_ms = max(int(now * 1000.0) - int(entry.at * 1000.0), 0)
        items: list[Reply] = [b"count", entry.count, b"reason", entry.reason]
        items += [b"context", entry.context, b"object", entry.what, b"username", entry.user]
        items += [b"age-seconds", age_ms / 1000.0, b"client-info", entry.client]
        shown.append(Pairs(items))
    return shown


def _require_file(ctx: Context) -> None:
    if not ctx.node.config.text("aclfile"):
        raise ReplyError(_NO_FILE)


@command(
    "ACL LOAD",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="6.0.0",
    complexity="O(N) with N users",
    summary="Replace all users by those of the ACL file, unless it has a fault.",
)
def acl_load(ctx: Context, argv: list[bytes]) -> Reply:
    _require_file(ctx)
    try:
        ctx.node.acl.load()
    except AclFileError as error:
        raise ReplyError(f"ERR {error.reason}") from None
    return OK


@command(
    "ACL SAVE",
    arity=2,
    flags=_ADMIN,
    group="server",
    since="6.0.0",
    complexity="O(N) with N users",
    summary="Write all users into the ACL file.",
)
def acl_save(ctx: Context, argv: list[bytes]) -> Reply:
    _require_file(ctx)
    try:
        ctx.node.acl.save()
    except OSError as error:
        fields: dict[str, object] = {
            "file": ctx.node.config.text("aclfile"),
            "reason": (error.strerror or str(error)).lower(),
        }
        ctx.node.journal.note("warning", "cannot-save-acl", fields)
        raise ReplyError(_NOT_SAVED) from None
    return OK


_HELP: Final = (
    b"ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CAT [<category>]",
    b"    Show the categories, or the commands of one.",
    b"DELUSER <username> [<username> ...]",
    b"    Delete users and end their connections.",
    b"DRYRUN <username> <command> [<arg> ...]",
    b"    Say whether the user may run the request, without running it.",
    b"GETUSER <username>",
    b"    Show a user's flags, password hashes and rules.",
    b"GENPASS [<bits>]",
    b"    Make a random password of 256 bits, or of as many as asked for.",
    b"LIST",
    b"    Show all users as the lines of an ACL file.",
    b"LOAD",
    b"    Replace all users by those of the ACL file.",
    b"LOG [<count> | RESET]",
    b"    Show what was denied of late, or forget it.",
    b"SAVE",
    b"    Write all users into the ACL file.",
    b"SETUSER <username> <attribute> [<attribute> ...]",
    b"    Change or create a user by rules.",
    b"USERS",
    b"    Show the names of all users.",
    b"WHOAMI",
    b"    Show the user of this connection.",
    b"HELP",
    b"    Print this text.",
)


@command(
    "ACL HELP",
    arity=2,
    flags=LOADING | STALE,
    group="server",
    since="6.0.0",
    complexity="O(1)",
    summary="Describe the subcommands of ACL.",
)
def acl_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]
