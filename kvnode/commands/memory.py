"""MEMORY: where the node's memory goes."""

from typing import Final

from kvnode.command import LOADING, READONLY, STALE, command, key
from kvnode.commands.arguments import integer
from kvnode.commands.containers import container
from kvnode.context import Context
from kvnode.info import MemoryFigures, expires_overhead, human, main_overhead, ratio
from kvnode.memory import DEADLINE_BYTES, key_size, value_size
from kvnode.trimming import heap_trimmer
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, Pairs, Reply, Simple, Verbatim

_HELP: Final = (
    b"MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DOCTOR",
    b"    Describe what is odd about the memory in use.",
    b"MALLOC-STATS",
    b"    Show figures of the allocator.",
    b"PURGE",
    b"    Give free memory back to the system where the allocator can.",
    b"STATS",
    b"    Show where the memory goes.",
    b"USAGE <key> [SAMPLES <count>]",
    b"    Show the bytes that a key and its value take. Values are counted as they change, so",
    b"    nothing is sampled and the count is only checked.",
    b"HELP",
    b"    Print this text.",
)
_LITTLE_BYTES: Final = 5 << 20
_GAP_BYTES: Final = 10 << 20
_CLIENT_BYTES: Final = 200 << 10


command(
    "MEMORY",
    arity=-2,
    flags=0,
    group="server",
    since="4.0.0",
    complexity="Depends on subcommand.",
    summary="Holds the commands that show where the memory goes.",
)(container)


@command(
    "MEMORY USAGE",
    arity=-3,
    flags=READONLY,
    keys=(key(2, 2, 1, "RO"),),
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Return the bytes that a key and its value take.",
    syntax="key:k#0 [SAMPLES count:i]",
)
def memory_usage(ctx: Context, argv: list[bytes]) -> Reply:
    place = 3
    while place < len(argv):
        if argv[place].upper() != b"SAMPLES" or place + 1 >= len(argv):
            raise ReplyError(errors.SYNTAX)
        if integer(argv[place + 1]) < 0:
            raise ReplyError(errors.SYNTAX)
        place += 2
    keyspace = ctx.keyspace
    stored = keyspace.peek(argv[2])
    if stored is None:
        return None
    size = key_size(argv[2]) + value_size(stored)
    if keyspace.deadline(argv[2]) >= 0:
        size += DEADLINE_BYTES
    return int(size)


@command(
    "MEMORY STATS",
    arity=2,
    flags=0,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Return where the memory goes.",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def memory_stats(ctx: Context, argv: list[bytes]) -> Reply:
    node = ctx.node
    figures = MemoryFigures(node)
    items: list[Reply] = [b"peak.allocated", figures.peak, b"total.allocated", figures.used]
    items += [b"startup.allocated", figures.startup]
    items += [b"replication.backlog", node.replication.history.memory()]
    items += [b"clients.slaves", 0, b"clients.normal", figures.clients, b"cluster.links", 0]
    scripting = node.scripting
    items += [b"aof.buffer", 0, b"lua.caches", scripting.scripts.memory]
    items += [b"functions.caches", scripting.functions.memory()]
    for database in node.dataset.databases:
        if database.count == 0:
            continue
        tables: list[Reply] = [b"overhead.hashtable.main", main_overhead(int(database.count))]
        deadlines = expires_overhead(int(database.expiry.count()))
        tables += [b"overhead.hashtable.expires", deadlines]
        tables += [b"overhead.hashtable.slot-to-keys", 0]
        items += [b"db.%d" % database.index, Pairs(tables)]
    gap = figures.resident - figures.used
    after_start = figures.used - figures.startup
    items += [b"overhead.total", figures.overhead, b"keys.count", figures.keys]
    items += [b"keys.bytes-per-key", after_start // figures.keys if figures.keys else 0]
    items += [b"dataset.bytes", figures.dataset]
    items += [b"dataset.percentage", figures.dataset_percent()]
    items += [b"peak.percentage", figures.peak_percent()]
    items += [b"allocator.allocated", figures.used, b"allocator.active", figures.resident]
    items += [b"allocator.resident", figures.resident]
    items += [b"allocator-fragmentation.ratio", figures.fragmentation()]
    items += [b"allocator-fragmentation.bytes", gap]
    items += [b"allocator-rss.ratio", 1.0, b"allocator-rss.bytes", 0]
    items += [b"rss-overhead.ratio", 1.0, b"rss-overhead.bytes", 0]
    items += [b"fragmentation", figures.fragmentation(), b"fragmentation.bytes", gap]
    return Pairs(items)


@command(
    "MEMORY DOCTOR",
    arity=2,
    flags=0,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Describe what is odd about the memory in use.",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def memory_doctor(ctx: Context, argv: list[bytes]) -> Reply:
    figures = MemoryFigures(ctx.node)
    return Verbatim(diagnosis(figures, len(ctx.node.sessions)).encode())


def diagnosis(figures: MemoryFigures, sessions: int) -> str:
    """Return what is odd about the memory in use, in sentences."""
    if figures.used - figures.startup < _LITTLE_BYTES:
        return "This instance holds hardly any data, so there is nothing to diagnose.\n"
    lines: list[str] = []
    if ratio(figures.peak, figures.used) > 1.5:
        lines.append(
            f"- The peak was {human(figures.peak)}, now {human(figures.used)} are in use: the"
            " difference may stay with the process until it restarts."
        )
    gap = figures.resident - figures.used
    if figures.fragmentation() > 1.4 and gap > _GAP_BYTES:
        lines.append(
            f"- The process holds {human(gap)} more than the data accounts for"
            f" ({figures.fragmentation():.2f} times as much): fragmentation, or freed lately."
        )
    if sessions and figures.clients // sessions > _CLIENT_BYTES:
        lines.append(
            f"- Clients' buffers hold {human(figures.clients)}: some client sends or asks for much"
            " and reads slowly (CLIENT LIST shows omem and qbuf)."
        )
    if not lines:
        return "Nothing is odd about the memory of this instance.\n"
    return "\n".join(["What is odd about the memory of this instance:", "", *lines]) + "\n"


@command(
    "MEMORY MALLOC-STATS",
    arity=2,
    flags=0,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Return figures of the allocator.",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def memory_malloc_stats(ctx: Context, argv: list[bytes]) -> Reply:
    figures = MemoryFigures(ctx.node)
    lines = [
        "allocator: pymalloc",
        f"accounted: {figures.used}",
        f"resident: {figures.resident}",
        f"peak accounted: {figures.peak}",
    ]
    return Verbatim(("\n".join(lines) + "\n").encode())


@command(
    "MEMORY PURGE",
    arity=2,
    flags=0,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Give free memory back to the system.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def memory_purge(ctx: Context, argv: list[bytes]) -> Reply:
    trim = heap_trimmer()
    if trim is not None:
        trim(0)
    return OK


@command(
    "MEMORY HELP",
    arity=2,
    flags=LOADING | STALE,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Describe the subcommands of MEMORY.",
)
def memory_help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]
