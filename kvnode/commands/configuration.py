"""CONFIG: directives are read and set while the node runs, and written back to its file."""

from typing import Final

from kvnode.command import ADMIN, LOADING, NOSCRIPT, STALE, command
from kvnode.commands.containers import container
from kvnode.commands.permissions import is_local
from kvnode.config import ConfigError
from kvnode.context import Context
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, Pairs, Reply, Simple

_HELP: Final = (
    b"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"GET <pattern>",
    b"    Show the directives whose names match the glob, with their values.",
    b"SET <directive> <value>",
    b"    Change a directive; several pairs take effect together or not at all.",
    b"RESETSTAT",
    b"    Count the statistics of INFO from zero again.",
    b"REWRITE",
    b"    Write the directives in force into the configuration file.",
    b"HELP",
    b"    Print this text.",
)


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


command(
    "CONFIG",
    arity=-2,
    flags=0,
    group="server",
    since="2.0.0",
    complexity="Depends on subcommand.",
    summary="Holds the commands that read and change directives.",
)(container)


@command(
    "CONFIG GET",
    arity=-3,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.0.0",
    complexity="O(N) with N patterns",
    summary="Return the directives that match, with their values.",
    syntax="parameter=(parameter) ...",
    idempotent=True,
)
def config_get(ctx: Context, argv: list[bytes]) -> Reply:
    items: list[Reply] = []
    for name, value in ctx.node.config.get([_text(word) for word in argv[2:]]):
        items.append(name.encode("utf-8", "surrogateescape"))
        items.append(value.encode("utf-8", "surrogateescape"))
    return Pairs(items)


@command(
    "CONFIG SET",
    arity=-4,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.0.0",
    complexity="O(N) with N directives",
    summary="Change directives, all of them or none.",
    syntax="parameter_value=(parameter value) ...",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def config_set(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) % 2:
        raise ReplyError(errors.SYNTAX)
    pairs = [(_text(argv[i]), _text(argv[i + 1])) for i in range(2, len(argv), 2)]
    if ctx.node.is_loading() and any(name.lower() == "appendonly" for name, _ in pairs):
        raise ReplyError(errors.LOADING)
    try:
        ctx.node.config.set_many(pairs, local=is_local(ctx.session))
    except ConfigError as error:
        raise ReplyError(f"ERR {error}") from None
    ctx.node.apply_settings()
    return OK


@command(
    "CONFIG RESETSTAT",
    arity=2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.0.0",
    complexity="O(1)",
    summary="Count the statistics of INFO from zero again.",
)
def config_resetstat(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.reset_stats()
    return OK


@command(
    "CONFIG REWRITE",
    arity=2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.8.0",
    complexity="O(1)",
    summary="Write the directives in force into the configuration file.",
)
def config_rewrite(ctx: Context, argv: list[bytes]) -> Reply:
    try:
        ctx.node.config.rewrite()
    except ConfigError as error:
        raise ReplyError(f"ERR {error}") from None
    return OK


@command(
    "CONFIG HELP",
    arity=2,
    flags=LOADING | STALE,
    group="server",
    since="5.0.0",
    complexity="O(1)",
    summary="Describe the subcommands of CONFIG.",
)
def config_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]
