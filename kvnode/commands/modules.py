"""MODULE: Redis's modules are C libraries, which this node cannot load."""

from typing import Final

from kvnode.command import ADMIN, LOADING, NO_ASYNC_LOADING, NOSCRIPT, STALE, command
from kvnode.commands.containers import container
from kvnode.commands.permissions import require
from kvnode.context import Context
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply, Simple

_HELP: Final = (
    b"MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"LIST",
    b"    Show the loaded modules: none.",
    b"LOAD <path> [<arg> ...]",
    b"    Refused: modules for Redis are C libraries that do not run here.",
    b"LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
    b"    Refused for the same reason.",
    b"UNLOAD <name>",
    b"    Refused: no module is loaded.",
    b"HELP",
    b"    Print this text.",
)


command(
    "MODULE",
    arity=-2,
    flags=0,
    group="server",
    since="4.0.0",
    complexity="Depends on subcommand.",
    summary="Holds the commands on modules.",
)(container)


def _refuse_loading(ctx: Context, argv: list[bytes]) -> Reply:
    require(ctx, "enable-module-command", "MODULE")
    raise ReplyError("ERR Error loading the extension. Please check the server logs.")


command(
    "MODULE LOAD",
    arity=-3,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Load a module.",
    syntax="path [arg ...]",
)(_refuse_loading)

command(
    "MODULE LOADEX",
    arity=-3,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    group="server",
    since="7.0.0",
    complexity="O(1)",
    summary="Load a module with directives of its own.",
    syntax="path [CONFIG configs=(name value) ...+] [ARGS args=(arg) ...]",
)(_refuse_loading)


@command(
    "MODULE UNLOAD",
    arity=3,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Unload a module.",
    syntax="name",
)
def module_unload(ctx: Context, argv: list[bytes]) -> Reply:
    require(ctx, "enable-module-command", "MODULE")
    raise ReplyError("ERR Error unloading module: no such module with that name")


@command(
    "MODULE LIST",
    arity=2,
    flags=ADMIN | NOSCRIPT,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Return the loaded modules.",
    tips=("nondeterministic_output_order",),
)
def module_list(ctx: Context, argv: list[bytes]) -> Reply:
    return []


@command(
    "MODULE HELP",
    arity=2,
    flags=LOADING | STALE,
    group="server",
    since="5.0.0",
    complexity="O(1)",
    summary="Describe the subcommands of MODULE.",
)
def module_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]
