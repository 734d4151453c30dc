"""Replication: whom the node follows, how far followers are, and what followers say."""

from typing import Final

from mypy_extensions import i64

from kvnode.command import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
    command,
)
from kvnode.commands.arguments import integer, integer_in
from kvnode.context import Blocked, Context, never_served
from kvnode.replication.leader_link import CONNECTED
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX, parse_int
from kvprotocol.replies import NO_REPLY, OK, Reply, Simple

_PORT_MAX: Final = 65535
_ADDRESS_BYTES_MAX: Final = 255
_LEADER_ADDRESS: Final = "args=<host-port=(host port:i)|no-one=(NO ONE)>"


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


# --- whom the node follows ------------------------------------------------------------------------


@command(
    "REPLICAOF",
    arity=3,
    flags=ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING,
    group="server",
    since="5.0.0",
    complexity="O(1)",
    summary="Make the node follow another one, or lead.",
    syntax=_LEADER_ADDRESS,
)
def replicaof(ctx: Context, argv: list[bytes]) -> Reply:
    replication = ctx.node.replication
    if replication.is_failing_over():
        raise ReplyError("ERR REPLICAOF not allowed while failing over.")
    if argv[1].lower() == b"no" and argv[2].lower() == b"one":
        replication.lead()
        return OK
    if ctx.session.follower is not None and ctx.session.follower.is_fed():
        raise ReplyError("ERR Command is not valid when client is a replica.")
    port = parse_int(argv[2])
    if port is None or port < 0 or port > _PORT_MAX:
        raise ReplyError("ERR Invalid master port")
    host = _text(argv[1])
    link = replication.link
    if link is not None and link.host.lower() == host.lower() and link.port == port:
        return Simple(b"OK Already connected to specified master")
    replication.follow(host, port)
    return OK


command(
    "SLAVEOF",
    arity=3,
    flags=ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING,
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Make the node follow another one, or lead (the former name of REPLICAOF).",
    syntax=_LEADER_ADDRESS,
    replaced_by="`REPLICAOF`",
    deprecated_since="5.0.0",
)(replicaof)


@command(
    "ROLE",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | FAST,
    group="server",
    acl="admin dangerous",
    since="2.8.12",
    complexity="O(1)",
    summary="Return the node's part in replication, its offset and its followers.",
)
def role(ctx: Context, argv: list[bytes]) -> Reply:
    replication = ctx.node.replication
    replication.hand_on()
    link = replication.link
    if link is not None:
        offset = int(replication.history.offset) if link.state == CONNECTED else -1
        host = link.host.encode("utf-8", "surrogateescape")
        return [b"slave", host, link.port, link.role_state(), offset]
    followers: list[Reply] = []
    for follower in replication.followers.all():
        if follower.is_online():
            place: list[Reply] = [follower.shown_address().encode(), b"%d" % follower.port]
            place.append(b"%d" % follower.acknowledged)
            followers.append(place)
    return [b"master", int(replication.history.offset), followers]


@command(
    "FAILOVER",
    arity=-1,
    flags=ADMIN | NOSCRIPT | STALE,
    group="server",
    since="6.2.0",
    complexity="O(1)",
    summary="Hand the lead to a follower that has every write.",
    syntax="[TO target=(host port:i [FORCE])] [ABORT] [TIMEOUT milliseconds:i]",
)
def failover(ctx: Context, argv: list[bytes]) -> Reply:
    failing_over = ctx.node.replication.failover
    if len(argv) == 2 and argv[1].lower() == b"abort":
        failing_over.abort("FAILOVER ABORT")
        return OK
    timeout_ms = 0
    is_forced = False
    target: tuple[str, int] | None = None
    i = 1
    while i < len(argv):
        word = argv[i].lower()
        left = len(argv) - i - 1
        if word == b"timeout" and left and not timeout_ms:
            timeout_ms = integer(argv[i + 1])
            if timeout_ms <= 0:
                raise ReplyError("ERR FAILOVER timeout must be greater than 0")
            i += 1
        elif word == b"to" and left >= 2 and target is None:
            target = (_text(argv[i + 1]), integer(argv[i + 2]))
            i += 2
        elif word == b"force" and not is_forced:
            is_forced = True
        else:
            raise ReplyError(errors.SYNTAX)
        i += 1
    failing_over.begin(target, is_forced, timeout_ms / 1000.0)
    return OK


# --- how far followers are ------------------------------------------------------------------------


@command(
    "WAIT",
    arity=3,
    flags=NOSCRIPT,
    group="generic",
    acl="connection",
    since="3.0.0",
    complexity="O(1)",
    summary="Wait until so many replicas have this connection's writes, and return their number.",
    syntax="numreplicas:i timeout:i",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)
def wait(ctx: Context, argv: list[bytes]) -> Reply:
    replication = ctx.node.replication
    if not replication.is_leading():
        raise ReplyError(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0"
            " if a replica is configured to be writable (which is not the default) writes to"
            " replicas are just local and are not propagated."
        )
    count = integer(argv[1])
    timeout_ms = integer(argv[2], errors.TIMEOUT_NOT_INTEGER)
    if timeout_ms < 0:
        raise ReplyError(errors.TIMEOUT_NEGATIVE)
    offset = replication.reach(ctx.session)
    found = replication.followers.have(offset)
    if found >= count or not ctx.may_block:
        return found
    deadline_ms: i64 = 0
    if 0 < timeout_ms <= I64_MAX - ctx.now_ms:
        deadline_ms = ctx.now_ms + i64(timeout_ms)
    blocked = Blocked([], deadline_ms, never_served, found)
    replication.wait(ctx.session, blocked, offset, count)
    return blocked


# --- what followers say ---------------------------------------------------------------------------


@command(
    "REPLCONF",
    arity=-1,
    flags=ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY,
    group="server",
    since="3.0.0",
    complexity="O(1)",
    summary="What the two ends of a replication link tell each other.",
    internal=True,
)
def replconf(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) % 2 == 0:
        raise ReplyError(errors.SYNTAX)
    followers = ctx.node.replication.followers
    for i in range(1, len(argv), 2):
        option = argv[i].lower()
        value = argv[i + 1]
        if option == b"ack":
            follower = ctx.session.follower
            offset = parse_int(value)
            if follower is not None and follower.is_fed() and offset is not None:
                followers.acknowledge(follower, offset)
                ctx.node.replication.note_acknowledged()
            return NO_REPLY
        if option == b"getack":
            link = ctx.node.replication.link
            if link is not None:
                link.acknowledge()
            return NO_REPLY
        _introduce(ctx, option, value)
    return OK


def _introduce(ctx: Context, option: bytes, value: bytes) -> None:
    """Take one thing that a follower says of itself."""
    follower = ctx.node.replication.followers.introduced(ctx.session)
    if option == b"listening-port":
        follower.port = integer(value)
    elif option == b"ip-address":
        if len(value) >= _ADDRESS_BYTES_MAX:
            raise ReplyError(
                "ERR REPLCONF ip-address provided by replica instance is too long: "
                f"{len(value)} bytes"
            )
        follower.address = value
    elif option == b"capa":
        word = value.lower()
        follower.takes_mark = follower.takes_mark or word == b"eof"
        follower.takes_other_id = follower.takes_other_id or word == b"psync2"
    elif option == b"rdb-only":
        follower.is_gone_after_snapshot = integer_in(value, 0, 1) == 1
    elif option == b"rdb-filter-only":
        for word in value.split():
            if word.lower() != b"functions":
                raise ReplyError(f"ERR Unsupported rdb-filter-only option: {_text(word)}")
        follower.wants_data = False
        follower.wants_functions = bool(value.split())
    else:
        raise ReplyError(f"ERR Unrecognized REPLCONF option: {_text(option)}")


@command(
    "PSYNC",
    arity=-3,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
    group="server",
    since="2.8.0",
    complexity="",
    summary="Follow this node from an offset of its history on.",
    syntax="replicationid offset:i",
)
def psync(ctx: Context, argv: list[bytes]) -> Reply:
    follower = ctx.session.follower
    if follower is not None and follower.is_fed():
        return NO_REPLY
    if len(argv) > 3 and argv[3].lower() == b"failover":
        _take_over(ctx, argv[1])
    _check_link(ctx)
    wanted = integer(argv[2])
    followers = ctx.node.replication.followers
    followers.introduced(ctx.session).speaks_psync = True
    followers.sync(ctx.session, argv[1], wanted)
    return NO_REPLY


@command(
    "SYNC",
    arity=1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
    group="server",
    since="1.0.0",
    complexity="",
    summary="Follow this node, as before PSYNC.",
)
def sync(ctx: Context, argv: list[bytes]) -> Reply:
    follower = ctx.session.follower
    if follower is not None and follower.is_fed():
        return NO_REPLY
    _check_link(ctx)
    ctx.node.replication.followers.sync(ctx.session, b"", -1)
    return NO_REPLY


def _take_over(ctx: Context, name: bytes) -> None:
    """Lead in place of the node that asks, which is the leader so far."""
    replication = ctx.node.replication
    if replication.is_leading():
        if name.lower() == replication.history.second_id:
            return  # it did so already, and its answer was lost
        raise ReplyError("ERR PSYNC FAILOVER can't be sent to a master.")
    if name.lower() != replication.history.id:
        raise ReplyError("ERR PSYNC FAILOVER replid must match my replid.")
    replication.lead()


def _check_link(ctx: Context) -> None:
    """Refuse a sync while this node's own data is no copy of its leader's."""
    replication = ctx.node.replication
    if replication.is_failing_over():
        raise ReplyError("NOMASTERLINK Can't SYNC while failing over")
    link = replication.link
    if link is not None and link.state != CONNECTED:
        raise ReplyError(errors.NO_LEADER_LINK)
