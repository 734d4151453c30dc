"""The script commands: EVAL, EVALSHA and their read-only forms, SCRIPT."""

from typing import Final

from kvnode.command import (
    ALLOW_BUSY,
    LOADING,
    MAY_REPLICATE,
    MOVABLEKEYS,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
    KeySpec,
    command,
)
from kvnode.commands.arguments import integer
from kvnode.commands.containers import container
from kvnode.context import Context
from kvnode.gates import MONITORED
from kvnode.monitor import show_call
from kvnode.scripting.scripts import Script
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, Reply, Simple

_DIGEST_BYTES: Final = 40
_TOO_MANY_KEYS: Final = "ERR Number of keys can't be greater than number of args"
_NEGATIVE_KEYS: Final = "ERR Number of keys can't be negative"

_HELP: Final = (
    b"SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DEBUG (YES|SYNC|NO)",
    b"    Refused but for NO: there is no debugger.",
    b"EXISTS <sha1> [<sha1> ...]",
    b"    Say of each digest whether its script is in the cache.",
    b"FLUSH [ASYNC|SYNC]",
    b"    Drop all scripts and the Lua state that they share.",
    b"KILL",
    b"    Stop the script that runs, unless it has written.",
    b"LOAD <script>",
    b"    Put a script into the cache; it is not run.",
    b"HELP",
    b"    Print these lines.",
)


def _count_keys(argv: list[bytes]) -> int:
    """Return how many of the arguments are keys."""
    if argv[2] == b"1" and len(argv) > 3:  # most of all
        return 1
    count = integer(argv[2])
    if count > len(argv) - 3:
        raise ReplyError(_TOO_MANY_KEYS)
    if count < 0:
        raise ReplyError(_NEGATIVE_KEYS)
    return int(count)


def _run(ctx: Context, script: Script, argv: list[bytes], key_count: int, ro: bool) -> Reply:
    scripting = ctx.node.scripting
    if script.generation != scripting.eval_engine.generation:
        scripting.scripts.compile(script)
    return scripting.run(ctx, script.target, argv, key_count, ro)


def _show(ctx: Context, argv: list[bytes]) -> None:
    """Show the call to monitors, before the commands of the script."""
    node = ctx.node
    if node.dispatcher.gate & MONITORED:
        card = node.commands[b"eval"]
        show_call(node.monitors, ctx.session, card, argv, node.clock.now())


def _eval(ctx: Context, argv: list[bytes], read_only: bool) -> Reply:
    _show(ctx, argv)
    key_count = _count_keys(argv)
    return _run(ctx, ctx.node.scripting.scripts.load(argv[1]), argv, key_count, read_only)


def _evalsha(ctx: Context, argv: list[bytes], read_only: bool) -> Reply:
    _show(ctx, argv)
    if len(argv[1]) != _DIGEST_BYTES:
        raise ReplyError(errors.NO_SCRIPT)
    key_count = _count_keys(argv)
    script = ctx.node.scripting.scripts.find(argv[1])
    if script is None:
        raise ReplyError(errors.NO_SCRIPT)
    return _run(ctx, script, argv, key_count, read_only)


@command(
    "EVAL",
    arity=-3,
    flags=NOSCRIPT | STALE | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | MOVABLEKEYS,
    keys=(KeySpec(2, "RW access update", keynum=0, first=1, step=1),),
    group="scripting",
    acl="scripting",
    since="2.6.0",
    complexity="Depends on the script",
    summary="Run a Lua script.",
    syntax="script numkeys:i [key:k#0 ...] [arg ...]",
)
def eval_(ctx: Context, argv: list[bytes]) -> Reply:
    return _eval(ctx, argv, False)


@command(
    "EVAL_RO",
    arity=-3,
    flags=READONLY | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS,
    keys=(KeySpec(2, "RO access", keynum=0, first=1, step=1),),
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="Depends on the script",
    summary="Run a Lua script that must not write.",
    syntax="script numkeys:i [key:k#0 ...] [arg ...]",
)
def eval_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _eval(ctx, argv, True)


@command(
    "EVALSHA",
    arity=-3,
    flags=NOSCRIPT | STALE | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | MOVABLEKEYS,
    keys=(KeySpec(2, "RW access update", keynum=0, first=1, step=1),),
    group="scripting",
    acl="scripting",
    since="2.6.0",
    complexity="Depends on the script",
    summary="Run a Lua script of the cache, by its SHA1.",
    syntax="sha1 numkeys:i [key:k#0 ...] [arg ...]",
)
def evalsha(ctx: Context, argv: list[bytes]) -> Reply:
    return _evalsha(ctx, argv, False)


@command(
    "EVALSHA_RO",
    arity=-3,
    flags=READONLY | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS,
    keys=(KeySpec(2, "RO access", keynum=0, first=1, step=1),),
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="Depends on the script",
    summary="Run a Lua script of the cache that must not write, by its SHA1.",
    syntax="sha1 numkeys:i [key:k#0 ...] [arg ...]",
)
def evalsha_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _evalsha(ctx, argv, True)


command(
    "SCRIPT",
    arity=-2,
    flags=0,
    group="scripting",
    since="2.6.0",
    complexity="Depends on subcommand.",
    summary="Hold the commands on the cache of scripts.",
)(container)


@command(
    "SCRIPT HELP",
    arity=2,
    flags=LOADING | STALE,
    group="scripting",
    acl="scripting",
    since="5.0.0",
    complexity="O(1)",
    summary="Print the forms of SCRIPT.",
)
def script_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]


@command(
    "SCRIPT DEBUG",
    arity=3,
    flags=NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="3.2.0",
    complexity="O(1)",
    summary="Turn the debugger of scripts on or off; there is none here.",
    syntax="mode=<YES|SYNC|NO>",
)
def script_debug(ctx: Context, argv: list[bytes]) -> Reply:
    if ctx.session.pending_bytes() > 0:
        raise ReplyError("ERR SCRIPT DEBUG must be called outside a pipeline")
    mode = argv[2].upper()
    if mode == b"NO":
        return OK
    if mode in (b"YES", b"SYNC"):
        raise ReplyError("ERR there is no script debugger")
    raise ReplyError("ERR Use SCRIPT DEBUG YES/SYNC/NO")


@command(
    "SCRIPT LOAD",
    arity=3,
    flags=NOSCRIPT | STALE,
    group="scripting",
    acl="scripting",
    since="2.6.0",
    complexity="O(N) in the length of the script",
    summary="Put a script into the cache and return its SHA1.",
    syntax="script",
    tips=(
        "request_policy:all_nodes",
        "response_policy:all_succeeded",
    ),
)
def script_load(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.node.scripting.scripts.load(argv[2]).name


@command(
    "SCRIPT FLUSH",
    arity=-2,
    flags=NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="2.6.0",
    complexity="O(N) in the number of scripts",
    summary="Drop all scripts of the cache.",
    syntax="[async=<ASYNC|SYNC>@6.2.0]",
    tips=(
        "request_policy:all_nodes",
        "response_policy:all_succeeded",
    ),
)
def script_flush(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 3 or (len(argv) == 3 and argv[2].upper() not in (b"ASYNC", b"SYNC")):
        raise ReplyError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    ctx.node.scripting.scripts.clear()
    return OK


@command(
    "SCRIPT KILL",
    arity=2,
    flags=NOSCRIPT | ALLOW_BUSY,
    group="scripting",
    acl="scripting",
    since="2.6.0",
    complexity="O(1)",
    summary="Stop the script that runs, unless it has written.",
    tips=(
        "request_policy:all_shards",
        "response_policy:one_succeeded",
    ),
)
def script_kill(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.node.scripting.kill(False)


@command(
    "SCRIPT EXISTS",
    arity=-3,
    flags=NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="2.6.0",
    complexity="O(N) in the number of digests",
    summary="Say of each digest whether its script is in the cache.",
    syntax="sha1 ...",
    tips=(
        "request_policy:all_shards",
        "response_policy:agg_logical_and",
    ),
)
def script_exists(ctx: Context, argv: list[bytes]) -> Reply:
    scripts = ctx.node.scripting.scripts
    found: list[Reply] = []
    for digest in argv[2:]:
        found.append(0 if scripts.find(digest) is None else 1)
    return found
