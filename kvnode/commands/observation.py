"""SLOWLOG, LATENCY and MONITOR: what the node does, as seen from outside."""

from typing import Final

from kvnode.command import ADMIN, LOADING, NOSCRIPT, STALE, command
from kvnode.commands.arguments import check_argc, integer_in
from kvnode.commands.command_table import find_command
from kvnode.commands.containers import container
from kvnode.context import Context
from kvnode.latency import graph, report
from kvnode.stats import cumulative_us
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import OK, Pairs, Reply, Simple, Verbatim

_SLOWLOG_SHOWN: Final = 10
_SLOWLOG_HELP: Final = (
    b"SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"GET [<count>]",
    b"    Show the newest slow calls (10 unless told, -1 for all): number, UNIX time,",
    b"    microseconds, arguments, the client's address and its name.",
    b"LEN",
    b"    Count the calls that are kept.",
    b"RESET",
    b"    Forget all of them.",
    b"HELP",
    b"    Print this text.",
)
_LATENCY_HELP: Final = (
    b"LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DOCTOR",
    b"    Describe what was slow, and what to look at.",
    b"GRAPH <event>",
    b"    Draw the recent samples of an event.",
    b"HISTORY <event>",
    b"    Show the recent samples of an event: UNIX time, milliseconds.",
    b"LATEST",
    b"    Show each event's last sample and its worst one.",
    b"RESET [<event> ...]",
    b"    Forget the samples of the named events, or of all.",
    b"HISTOGRAM [COMMAND ...]",
    b"    Show how many calls of each command, or of the named ones, stayed below so many",
    b"    microseconds.",
    b"HELP",
    b"    Print this text.",
)


command(
    "SLOWLOG",
    arity=-2,
    flags=0,
    group="server",
    since="2.2.12",
    complexity="Depends on subcommand.",
    summary="Holds the commands of the slow log.",
)(container)


@command(
    "SLOWLOG GET",
    arity=-2,
    flags=ADMIN | LOADING | STALE,
    group="server",
    since="2.2.12",
    complexity="O(N) with N entries returned",
    summary="Return the newest entries of the slow log.",
    syntax="[count:i]",
    tips=("request_policy:all_nodes", "nondeterministic_output"),
)
def slowlog_get(ctx: Context, argv: list[bytes]) -> Reply:
    check_argc(argv, 3)
    calls = ctx.node.slowlog.calls
    count = _SLOWLOG_SHOWN
    if len(argv) == 3:
        message = "ERR count should be greater than or equal to -1"
        count = integer_in(argv[2], -1, I64_MAX, message)
    if count < 0 or count > len(calls):
        count = len(calls)
    entries: list[Reply] = []
    for i in range(count):
        call = calls[i]
        entry: list[Reply] = [call.number, call.at, call.microseconds, call.argv]
        entry.append(call.peer)
        entry.append(call.name)
        entries.append(entry)
    return entries


@command(
    "SLOWLOG LEN",
    arity=2,
    flags=ADMIN | LOADING | STALE,
    group="server",
    since="2.2.12",
    complexity="O(1)",
    summary="Return how many entries the slow log holds.",
    tips=("request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"),
)
def slowlog_len(ctx: Context, argv: list[bytes]) -> Reply:
    return len(ctx.node.slowlog.calls)


@command(
    "SLOWLOG RESET",
    arity=2,
    flags=ADMIN | LOADING | STALE,
    group="server",
    since="2.2.12",
    complexity="O(N) with N entries",
    summary="Empty the slow log.",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def slowlog_reset(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.slowlog.calls.clear()
    return OK


@command(
    "SLOWLOG HELP",
    arity=2,
    flags=LOADING | STALE,
    group="server",
    since="6.2.0",
    complexity="O(1)",
    summary="Describe the subcommands of SLOWLOG.",
)
def slowlog_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _SLOWLOG_HELP]


command(
    "LATENCY",
    arity=-2,
    flags=0,
    group="server",
    since="2.8.13",
    complexity="Depends on subcommand.",
    summary="Holds the commands that show what took long.",
)(container)


@command(
    "LATENCY LATEST",
    arity=2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Return each event's last sample and its worst one.",
    tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"),
)
def latency_latest(ctx: Context, argv: list[bytes]) -> Reply:
    rows: list[Reply] = []
    for name, event in ctx.node.latency.events.items():
        second, milliseconds = event.samples[-1]
        rows.append([name.encode(), second, milliseconds, event.max_ms])
    return rows


@command(
    "LATENCY HISTORY",
    arity=3,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Return the recent samples of an event.",
    syntax="event",
    tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"),
)
def latency_history(ctx: Context, argv: list[bytes]) -> Reply:
    event = ctx.node.latency.events.get(argv[2].decode("latin-1"))
    rows: list[Reply] = []
    if event is not None:
        for second, milliseconds in event.samples:
            rows.append([second, milliseconds])
    return rows


@command(
    "LATENCY GRAPH",
    arity=3,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Draw the recent samples of an event.",
    syntax="event",
    tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"),
)
def latency_graph(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[2].decode("utf-8", "surrogateescape")
    event = ctx.node.latency.events.get(name)
    if event is None:
        raise ReplyError(f"ERR No samples available for event '{name}'")
    return Verbatim(graph(name, event, int(ctx.now_ms // 1000)).encode())


@command(
    "LATENCY RESET",
    arity=-2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Forget the samples of the named events, or of all.",
    syntax="[event ...]",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def latency_reset(ctx: Context, argv: list[bytes]) -> Reply:
    events = ctx.node.latency.events
    if len(argv) == 2:
        count = len(events)
        events.clear()
        return count
    count = 0
    for word in argv[2:]:
        if events.pop(word.decode("latin-1"), None) is not None:
            count += 1
    return count


@command(
    "LATENCY DOCTOR",
    arity=2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Describe what was slow, and what to look at.",
    tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"),
)
def latency_doctor(ctx: Context, argv: list[bytes]) -> Reply:
    settings = ctx.node.settings
    return Verbatim(report(ctx.node.latency, int(settings.slowlog_log_slower_than)).encode())


@command(
    "LATENCY HISTOGRAM",
    arity=-2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="7.0.0",
    complexity="O(N) with N commands shown",
    summary="Return how the durations of commands are distributed.",
    syntax="[command ...]",
    tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"),
)
def latency_histogram(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        wanted = ctx.node.all_commands()
    else:
        wanted = []
        for word in argv[2:]:
            found = find_command(ctx.node.commands, word)
            if found is not None:
                wanted.append(found)
                if found.subcommands is not None:
                    wanted.extend(found.subcommands.values())
    items: list[Reply] = []
    for shown in wanted:
        if len(shown.histogram):
            calls, rows = cumulative_us(shown)
            bounds: list[Reply] = []
            for bound, count in rows:
                bounds.append(bound)
                bounds.append(count)
            items.append(shown.full_name)
            items.append(Pairs([b"calls", calls, b"histogram_usec", Pairs(bounds)]))
    return Pairs(items)


@command(
    "LATENCY HELP",
    arity=2,
    flags=LOADING | STALE,
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Describe the subcommands of LATENCY.",
)
def latency_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _LATENCY_HELP]


@command(
    "MONITOR",
    arity=1,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="1.0.0",
    complexity="",
    summary="Show every request that the node runs from now on.",
)
def monitor(ctx: Context, argv: list[bytes]) -> Reply:
    if not ctx.may_block:
        raise ReplyError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    ctx.node.start_monitoring(ctx.session)
    return OK
