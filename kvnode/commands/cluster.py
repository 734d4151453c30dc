"""CLUSTER and its companions as a node outside of a cluster answers: they are known, and off."""

from kvnode.command import (
    ADMIN,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NOSCRIPT,
    STALE,
    command,
)
from kvnode.commands.containers import container
from kvnode.context import Context
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Reply


def disabled(ctx: Context, argv: list[bytes]) -> Reply:
    """Say that this node is in no cluster."""
    raise ReplyError(errors.CLUSTER_DISABLED)


command(
    "ASKING",
    arity=1,
    flags=FAST,
    group="cluster",
    acl="connection",
    since="3.0.0",
    complexity="O(1)",
    summary="Let the next command use a slot that is being imported.",
)(disabled)

command(
    "CLUSTER",
    arity=-2,
    flags=0,
    group="cluster",
    since="3.0.0",
    complexity="Depends on subcommand.",
    summary="Holds the commands of the cluster.",
)(container)

command(
    "CLUSTER FAILOVER",
    arity=-2,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Make a follower take over from its leader.",
    syntax="[options=<FORCE|TAKEOVER>]",
)(disabled)

command(
    "CLUSTER SLAVES",
    arity=3,
    flags=ADMIN | STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Return the followers of a node (the former name of CLUSTER REPLICAS).",
    syntax="node-id",
    tips=("nondeterministic_output",),
    replaced_by="`CLUSTER REPLICAS`",
    deprecated_since="5.0.0",
)(disabled)

command(
    "CLUSTER MYID",
    arity=2,
    flags=STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Return the node's identifier.",
)(disabled)

command(
    "CLUSTER SET-CONFIG-EPOCH",
    arity=3,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Give a new node its epoch.",
    syntax="config-epoch:i",
)(disabled)

command(
    "CLUSTER BUMPEPOCH",
    arity=2,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Advance the cluster's epoch.",
    tips=("nondeterministic_output",),
)(disabled)

command(
    "CLUSTER LINKS",
    arity=2,
    flags=STALE,
    group="cluster",
    since="7.0.0",
    complexity="O(N) with N nodes",
    summary="Return the connections between this node and the others.",
    tips=("nondeterministic_output",),
)(disabled)

command(
    "CLUSTER GETKEYSINSLOT",
    arity=4,
    flags=STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(N) with N keys returned",
    summary="Return some of a slot's keys.",
    syntax="slot:i count:i",
    tips=("nondeterministic_output",),
)(disabled)

command(
    "CLUSTER COUNT-FAILURE-REPORTS",
    arity=3,
    flags=ADMIN | STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(N) with N reports",
    summary="Return how many nodes report a node as failed.",
    syntax="node-id",
    tips=("nondeterministic_output",),
)(disabled)

command(
    "CLUSTER NODES",
    arity=2,
    flags=STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(N) with N nodes",
    summary="Return the cluster as this node knows it, one line per node.",
    tips=("nondeterministic_output",),
)(disabled)

command(
    "CLUSTER FLUSHSLOTS",
    arity=2,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Forget all slots of this node.",
)(disabled)

command(
    "CLUSTER DELSLOTS",
    arity=-3,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(N) with N slots",
    summary="Forget who owns some slots.",
    syntax="slot:i ...",
)(disabled)

command(
    "CLUSTER ADDSLOTS",
    arity=-3,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(N) with N slots",
    summary="Give slots to this node.",
    syntax="slot:i ...",
)(disabled)

command(
    "CLUSTER COUNTKEYSINSLOT",
    arity=3,
    flags=STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Return how many keys a slot holds.",
    syntax="slot:i",
)(disabled)

command(
    "CLUSTER INFO",
    arity=2,
    flags=STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Return the state of the cluster as this node sees it.",
    tips=("nondeterministic_output",),
)(disabled)

command(
    "CLUSTER ADDSLOTSRANGE",
    arity=-4,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="7.0.0",
    complexity="O(N) with N slots",
    summary="Give ranges of slots to this node.",
    syntax="start-slot_end-slot=(start-slot:i end-slot:i) ...",
)(disabled)

command(
    "CLUSTER SAVECONFIG",
    arity=2,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Write the cluster's configuration to disk.",
)(disabled)

command(
    "CLUSTER REPLICATE",
    arity=3,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Make this node follow another one.",
    syntax="node-id",
)(disabled)

command(
    "CLUSTER RESET",
    arity=-2,
    flags=ADMIN | NOSCRIPT | STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(N) with N nodes",
    summary="Make this node forget the cluster.",
    syntax="[hard_soft=<HARD|SOFT>]",
)(disabled)

command(
    "CLUSTER HELP",
    arity=2,
    flags=LOADING | STALE,
    group="cluster",
    since="5.0.0",
    complexity="O(1)",
    summary="Describe the subcommands of CLUSTER.",
)(disabled)

command(
    "CLUSTER DELSLOTSRANGE",
    arity=-4,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="7.0.0",
    complexity="O(N) with N slots",
    summary="Forget who owns ranges of slots.",
    syntax="start-slot_end-slot=(start-slot:i end-slot:i) ...",
)(disabled)

command(
    "CLUSTER MEET",
    arity=-4,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Introduce another node to the cluster.",
    syntax="ip port:i [cluster_bus_port:i@4.0.0]",
)(disabled)

command(
    "CLUSTER FORGET",
    arity=3,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Remove a node from the cluster.",
    syntax="node-id",
)(disabled)

command(
    "CLUSTER REPLICAS",
    arity=3,
    flags=ADMIN | STALE,
    group="cluster",
    since="5.0.0",
    complexity="O(1)",
    summary="Return the followers of a node.",
    syntax="node-id",
    tips=("nondeterministic_output",),
)(disabled)

command(
    "CLUSTER SHARDS",
    arity=2,
    flags=STALE,
    group="cluster",
    since="7.0.0",
    complexity="O(N) with N nodes",
    summary="Return the slots with the nodes that serve them.",
    tips=("nondeterministic_output",),
)(disabled)

command(
    "CLUSTER SLOTS",
    arity=2,
    flags=STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(N) with N nodes",
    summary="Return ranges of slots with the nodes that serve them.",
    tips=("nondeterministic_output",),
    replaced_by="`CLUSTER SHARDS`",
    deprecated_since="7.0.0",
)(disabled)

command(
    "CLUSTER SETSLOT",
    arity=-4,
    flags=ADMIN | STALE | NO_ASYNC_LOADING,
    group="cluster",
    since="3.0.0",
    complexity="O(1)",
    summary="Say who owns a slot, or where it moves.",
    syntax="slot:i subcommand=<IMPORTING node-id|MIGRATING node-id|NODE node-id|STABLE>",
)(disabled)

command(
    "CLUSTER KEYSLOT",
    arity=3,
    flags=STALE,
    group="cluster",
    since="3.0.0",
    complexity="O(N) with N bytes in the key",
    summary="Return the slot of a key.",
    syntax="key",
)(disabled)

command(
    "READONLY",
    arity=1,
    flags=LOADING | STALE | FAST,
    group="cluster",
    acl="connection",
    since="3.0.0",
    complexity="O(1)",
    summary="Let this connection read from a follower.",
)(disabled)

command(
    "READWRITE",
    arity=1,
    flags=LOADING | STALE | FAST,
    group="cluster",
    acl="connection",
    since="3.0.0",
    complexity="O(1)",
    summary="Undo READONLY.",
)(disabled)
