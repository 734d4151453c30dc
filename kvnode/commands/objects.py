"""OBJECT: how a value is stored and how it was used."""

from typing import Final

from kvnode.access import LAST_USE, NO_CLOCK, USE_COUNT, idle_ms
from kvnode.command import LOADING, READONLY, STALE, command, key
from kvnode.commands.containers import container
from kvnode.context import Context
from kvnode.datatypes.kinds import encoding
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply, Simple

_SHARED_BELOW: Final = 10000
_SHARED_REFERENCES: Final = 2**31 - 1

_LFU_IS_OFF: Final = (
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that"
    " when switching between policies at runtime LRU and LFU data will take some time to adjust."
)
_LFU_IS_ON: Final = (
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that"
    " when switching between policies at runtime LRU and LFU data will take some time to adjust."
)
_NO_IDLE_TIME: Final = "ERR An LRU maxmemory policy is not selected, idle time not tracked."

_HELP: Final = (
    b"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"ENCODING <key>",
    b"    Tell in which form the value of <key> is stored.",
    b"FREQ <key>",
    b"    Tell how often <key> is used, as the logarithmic counter of an LFU policy.",
    b"IDLETIME <key>",
    b"    Tell for how many seconds <key> was not used, under an LRU policy.",
    b"REFCOUNT <key>",
    b"    Tell how many references to the value of <key> there are.",
    b"HELP",
    b"    Show these lines.",
)

command(
    "OBJECT",
    arity=-2,
    flags=0,
    group="generic",
    since="2.2.3",
    complexity="Depends on the subcommand",
    summary="Commands that look into how values are stored.",
)(container)


@command(
    "OBJECT ENCODING",
    arity=3,
    flags=READONLY,
    keys=(key(2, 2, 1, "RO"),),
    group="generic",
    acl="keyspace",
    since="2.2.3",
    complexity="O(1)",
    summary="Return the name of the form in which a key's value is stored.",
    syntax="key:k#0",
    tips=("nondeterministic_output",),
)
def object_encoding(ctx: Context, argv: list[bytes]) -> Reply:
    stored = ctx.keyspace.inspect(argv[2], True)
    return None if stored is None else encoding(stored)


@command(
    "OBJECT REFCOUNT",
    arity=3,
    flags=READONLY,
    keys=(key(2, 2, 1, "RO"),),
    group="generic",
    acl="keyspace",
    since="2.2.3",
    complexity="O(1)",
    summary="Return the number of references to a key's value.",
    syntax="key:k#0",
    tips=("nondeterministic_output",),
)
def object_refcount(ctx: Context, argv: list[bytes]) -> Reply:
    stored = ctx.keyspace.inspect(argv[2], True)
    if stored is None:
        return None
    if isinstance(stored, int) and 0 <= stored < _SHARED_BELOW and _shares_integers(ctx):
        return _SHARED_REFERENCES
    return 1


def _shares_integers(ctx: Context) -> bool:
    """Return whether Redis would share small integers: not where each key needs its own clock."""
    settings = ctx.node.settings
    policy = settings.maxmemory_policy
    return settings.maxmemory == 0 or not (policy.endswith("lru") or policy.endswith("lfu"))


@command(
    "OBJECT FREQ",
    arity=3,
    flags=READONLY,
    keys=(key(2, 2, 1, "RO"),),
    group="generic",
    acl="keyspace",
    since="4.0.0",
    complexity="O(1)",
    summary="Return how often a key is used, as a logarithmic counter.",
    syntax="key:k#0",
    tips=("nondeterministic_output",),
)
def object_freq(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    if keyspace.inspect(argv[2], True) is None:
        return None
    rules = keyspace.dataset.access_rules
    if rules.purpose != USE_COUNT:
        raise ReplyError(_LFU_IS_OFF)
    clock = keyspace.clock(argv[2])
    if clock == NO_CLOCK:  # older than the policy, which was set a moment ago
        clock = rules.fresh_clock(ctx.now_ms)
    return int(rules.decayed(clock, ctx.now_ms))


@command(
    "OBJECT IDLETIME",
    arity=3,
    flags=READONLY,
    keys=(key(2, 2, 1, "RO"),),
    group="generic",
    acl="keyspace",
    since="2.2.3",
    complexity="O(1)",
    summary="Return for how many seconds a key was not used.",
    syntax="key:k#0",
    tips=("nondeterministic_output",),
)
def object_idletime(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace = ctx.keyspace
    if keyspace.inspect(argv[2], True) is None:
        return None
    purpose = keyspace.dataset.access_rules.purpose
    if purpose == USE_COUNT:
        raise ReplyError(_LFU_IS_ON)
    if purpose != LAST_USE:
        raise ReplyError(_NO_IDLE_TIME)
    clock = keyspace.clock(argv[2])
    return 0 if clock == NO_CLOCK else int(idle_ms(clock, ctx.now_ms) // 1000)


@command(
    "OBJECT HELP",
    arity=2,
    flags=LOADING | STALE,
    group="generic",
    acl="keyspace",
    since="6.2.0",
    complexity="O(1)",
    summary="Show the forms of OBJECT.",
)
def object_help(ctx: Context, argv: list[bytes]) -> Reply:
    lines: list[Reply] = [Simple(line) for line in _HELP]
    return lines
