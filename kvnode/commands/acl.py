"""ACL: the categories of commands, and who the caller is. There is one user, `default`."""

from typing import Final

from kvnode.categories import CATEGORIES, categories
from kvnode.command import LOADING, NOSCRIPT, STALE, command
from kvnode.commands.containers import container
from kvnode.context import Context
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply, Simple

_HELP: Final = (
    b"ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CAT [<category>]",
    b"    Show the categories, or the commands of one.",
    b"WHOAMI",
    b"    Show the user of this connection.",
    b"HELP",
    b"    Print this text.",
)


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
    flags=NOSCRIPT | LOADING | STALE,
    group="server",
    since="6.0.0",
    complexity="O(N) with N commands",
    summary="Return the categories of commands, or the commands of one.",
    syntax="[categoryname]",
)
def acl_cat(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 3:
        name = argv[1].decode("utf-8", "surrogateescape")
        raise ReplyError(errors.WRONG_SUBCOMMAND % (name, "ACL"))
    names: list[Reply] = []
    if len(argv) == 2:
        for category in CATEGORIES:
            names.append(category.encode())
        return names
    wanted = argv[2].decode("utf-8", "surrogateescape")
    if wanted.lower() not in CATEGORIES:
        raise ReplyError(f"ERR Unknown category '{wanted[:128]}'")
    for entry in ctx.node.all_commands():
        if wanted.lower() in categories(entry.card):
            names.append(entry.full_name)
    return names


@command(
    "ACL WHOAMI",
    arity=2,
    flags=NOSCRIPT | LOADING | STALE,
    group="server",
    since="6.0.0",
    complexity="O(1)",
    summary="Return the user of this connection.",
)
def acl_whoami(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.session.user


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
