"""The function commands: FUNCTION, and FCALL with its read-only form."""

from typing import Final

from kvnode.command import (
    ALLOW_BUSY,
    DENYOOM,
    LOADING,
    MAY_REPLICATE,
    MOVABLEKEYS,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
    WRITE,
    KeySpec,
    command,
)
from kvnode.commands.containers import container
from kvnode.context import Context
from kvnode.gates import MONITORED
from kvnode.globs import matches
from kvnode.monitor import show_call
from kvnode.scripting.flags import FLAG_NAMES
from kvnode.scripting.functions import APPEND, ENGINE, FLUSH, REPLACE, Library
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import parse_int
from kvprotocol.replies import OK, Members, Pairs, Reply, Simple

_POLICIES: Final[dict[bytes, int]] = {b"FLUSH": FLUSH, b"APPEND": APPEND, b"REPLACE": REPLACE}

_HELP: Final = (
    b"FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"LOAD [REPLACE] <FUNCTION CODE>",
    b"    Load a library of functions and return its name.",
    b"DELETE <LIBRARY NAME>",
    b"    Drop a library with its functions.",
    b"LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    b"    List the libraries, their functions and, if wanted, their code.",
    b"STATS",
    b"    Tell of the function that runs, and count libraries and functions.",
    b"KILL",
    b"    Stop the function that runs, unless it has written.",
    b"FLUSH [ASYNC|SYNC]",
    b"    Drop all libraries.",
    b"DUMP",
    b"    Return all libraries as one binary string for RESTORE.",
    b"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    b"    Load the libraries of a dump: instead of those there are (FLUSH), beside them (APPEND),",
    b"    or beside them and over those of the same names (REPLACE).",
    b"HELP",
    b"    Print these lines.",
)


def _changed(ctx: Context) -> None:
    """Record that the libraries changed: the request is logged, as one that changes data."""
    ctx.node.dataset.changes += 1
    ctx.node.dataset.dirty += 1


def _fcall(ctx: Context, argv: list[bytes], read_only: bool) -> Reply:
    node = ctx.node
    if node.dispatcher.gate & MONITORED:
        # Before the commands of the function.
        show_call(node.monitors, ctx.session, node.commands[b"fcall"], argv, node.clock.now())
    scripting = node.scripting
    function = scripting.functions.find(argv[1])
    if function is None:
        raise ReplyError("ERR Function not found")
    key_count = parse_int(argv[2])
    if key_count is None:
        raise ReplyError("ERR Bad number of keys provided")
    if key_count > len(argv) - 3:
        raise ReplyError("ERR Number of keys can't be greater than number of args")
    if key_count < 0:
        raise ReplyError("ERR Number of keys can't be negative")
    return scripting.run(ctx, function.target, argv, key_count, read_only)


@command(
    "FCALL",
    arity=-3,
    flags=NOSCRIPT | STALE | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | MOVABLEKEYS,
    keys=(KeySpec(2, "RW access update", keynum=0, first=1, step=1),),
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="Depends on the function",
    summary="Call a function.",
    syntax="function numkeys:i [key:k#0 ...] [arg ...]",
)
def fcall(ctx: Context, argv: list[bytes]) -> Reply:
    return _fcall(ctx, argv, False)


@command(
    "FCALL_RO",
    arity=-3,
    flags=READONLY | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS,
    keys=(KeySpec(2, "RO access", keynum=0, first=1, step=1),),
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="Depends on the function",
    summary="Call a function that must not write.",
    syntax="function numkeys:i [key:k#0 ...] [arg ...]",
)
def fcall_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _fcall(ctx, argv, True)


command(
    "FUNCTION",
    arity=-2,
    flags=0,
    group="scripting",
    since="7.0.0",
    complexity="Depends on subcommand.",
    summary="Hold the commands on libraries of functions.",
)(container)


@command(
    "FUNCTION HELP",
    arity=2,
    flags=LOADING | STALE,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(1)",
    summary="Print the forms of FUNCTION.",
)
def function_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]


@command(
    "FUNCTION LOAD",
    arity=-3,
    flags=WRITE | DENYOOM | NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(1), and the compilation",
    summary="Load a library of functions and return its name.",
    syntax="[REPLACE] function-code",
    tips=(
        "request_policy:all_shards",
        "response_policy:all_succeeded",
    ),
)
def function_load(ctx: Context, argv: list[bytes]) -> Reply:
    replaces = False
    for word in argv[2:-1]:
        if word.upper() != b"REPLACE":
            raise ReplyError(f"ERR Unknown option given: {errors.shown(word)}")
        replaces = True
    name = ctx.node.scripting.functions.load(argv[-1], replaces)
    _changed(ctx)
    return name


@command(
    "FUNCTION FLUSH",
    arity=-2,
    flags=WRITE | NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(N) in the number of functions",
    summary="Drop all libraries.",
    syntax="[async=<ASYNC|SYNC>]",
    tips=(
        "request_policy:all_shards",
        "response_policy:all_succeeded",
    ),
)
def function_flush(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 3:
        raise ReplyError(errors.wrong_subcommand(argv))
    if len(argv) == 3 and argv[2].upper() not in (b"ASYNC", b"SYNC"):
        raise ReplyError("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    ctx.node.scripting.functions.flush()
    _changed(ctx)
    return OK


@command(
    "FUNCTION DELETE",
    arity=3,
    flags=WRITE | NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(1)",
    summary="Drop a library with its functions.",
    syntax="library-name",
    tips=(
        "request_policy:all_shards",
        "response_policy:all_succeeded",
    ),
)
def function_delete(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.scripting.functions.delete(argv[2])
    _changed(ctx)
    return OK


@command(
    "FUNCTION DUMP",
    arity=2,
    flags=NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(N) in the number of functions",
    summary="Return all libraries as one binary string for FUNCTION RESTORE.",
)
def function_dump(ctx: Context, argv: list[bytes]) -> Reply:
    node = ctx.node
    return node.scripting.functions.dump(node.settings.rdbcompression)


@command(
    "FUNCTION RESTORE",
    arity=-3,
    flags=WRITE | DENYOOM | NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(N) in the number of functions of the dump",
    summary="Load the libraries of a dump.",
    syntax="serialized-value [policy=<FLUSH|APPEND|REPLACE>]",
    tips=(
        "request_policy:all_shards",
        "response_policy:all_succeeded",
    ),
)
def function_restore(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 4:
        raise ReplyError(errors.wrong_subcommand(argv))
    policy = APPEND
    if len(argv) == 4:
        policy = _POLICIES.get(argv[3].upper(), -1)
        if policy < 0:
            raise ReplyError(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
            )
    ctx.node.scripting.functions.restore(argv[2], policy)
    _changed(ctx)
    return OK


@command(
    "FUNCTION KILL",
    arity=2,
    flags=NOSCRIPT | ALLOW_BUSY,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(1)",
    summary="Stop the function that runs, unless it has written.",
    tips=(
        "request_policy:all_shards",
        "response_policy:one_succeeded",
    ),
)
def function_kill(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.node.scripting.kill(True)


@command(
    "FUNCTION LIST",
    arity=-2,
    flags=NOSCRIPT,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(N) in the number of functions",
    summary="List the libraries with their functions.",
    syntax="[LIBRARYNAME library-name-pattern] [WITHCODE]",
    tips=("nondeterministic_output_order",),
)
def function_list(ctx: Context, argv: list[bytes]) -> Reply:
    pattern: bytes | None = None
    with_code = False
    i = 2
    while i < len(argv):
        word = argv[i].upper()
        if word == b"WITHCODE" and not with_code:
            with_code = True
        elif word == b"LIBRARYNAME" and pattern is None:
            i += 1
            if i == len(argv):
                raise ReplyError("ERR library name argument was not given")
            pattern = argv[i]
        else:
            raise ReplyError(f"ERR Unknown argument {errors.shown(argv[i])}")
        i += 1
    shown: list[Reply] = []
    for library in ctx.node.scripting.functions.libraries():
        if pattern is None or matches(pattern, library.name, True):
            shown.append(_shown(library, with_code))
    return shown


def _shown(library: Library, with_code: bool) -> Reply:
    functions: list[Reply] = []
    for function in library.functions.values():
        flags: list[Reply] = [Simple(name) for name, flag in FLAG_NAMES if function.flags & flag]
        fields: list[Reply] = [b"name", function.name, b"description", function.description]
        functions.append(Pairs([*fields, b"flags", Members(flags)]))
    items: list[Reply] = [b"library_name", library.name, b"engine", ENGINE, b"functions", functions]
    if with_code:
        items += [b"library_code", library.code]
    return Pairs(items)


@command(
    "FUNCTION STATS",
    arity=2,
    flags=NOSCRIPT | ALLOW_BUSY,
    group="scripting",
    acl="scripting",
    since="7.0.0",
    complexity="O(1)",
    summary="Tell of the function that runs, and count libraries and functions.",
    tips=(
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ),
)
def function_stats(ctx: Context, argv: list[bytes]) -> Reply:
    scripting = ctx.node.scripting
    run = scripting.running
    running: Reply = None
    if run is not None:
        if not run.target.is_function:
            raise ReplyError(errors.BUSY_SCRIPT)
        milliseconds = run.milliseconds(ctx.node.clock.now())
        words: list[Reply] = list(run.argv)
        fields: list[Reply] = [b"name", run.target.name, b"command", words]
        running = Pairs([*fields, b"duration_ms", milliseconds])
    functions = scripting.functions
    counts: list[Reply] = [
        b"libraries_count",
        len(functions.libraries()),
        b"functions_count",
        functions.function_count(),
    ]
    return Pairs([b"running_script", running, b"engines", Pairs([ENGINE, Pairs(counts)])])
