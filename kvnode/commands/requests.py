"""REQUEST: a command that runs at most once, however often it is sent (docs/requests.md).

What is carried is admitted as if it had been sent by itself (`Dispatcher._admit`); a repeat of what
was run is not, since it runs nothing. Here it runs in a unit of the log of its own, so that its
effects and the record of its reply are one entry.
"""

from __future__ import annotations

from typing import Final

from kvnode.admission import CARRIED_FROM
from kvnode.command import ADMIN, BLOCKING, NO_MULTI, NOSCRIPT, Command, command
from kvnode.context import Blocked, Context
from kvnode.dispatch import unknown_command, wrong_arity
from kvnode.request_memory import SEQ_MAX
from kvnode.session import Transaction
from kvnode.stats import record_duration
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import parse_int
from kvprotocol.replies import NO_REPLY, ErrorReply, Prepared, Reply
from kvprotocol.translation import translated

# Groups of commands that act on the connection, and those of them that do not.
_OF_CONNECTIONS: Final = frozenset(("cluster", "connection", "pubsub", "transactions"))
_OF_NONE: Final = frozenset((b"echo", b"exec", b"ping", b"publish", b"spublish"))
_MAY_WAIT: Final = frozenset((b"xread", b"xreadgroup"))  # only with the option BLOCK
# Codes of errors by which scripts say that the node, as it is now, does not let them go on.
_REFUSALS: Final = frozenset(
    ("BUSY", "MASTERDOWN", "MISCONF", "NOREPLICAS", "NOSCRIPT", "OOM", "READONLY")
)


@command(
    "REQUEST",
    arity=-2,
    flags=NOSCRIPT,
    group="transactions",
    acl="transaction",
    since="7.0.15",
    complexity="Depends on the command; O(1) for a repeat and for ID",
    summary="Run a command at most once, however often it is sent; ID returns a client's id.",
    syntax="request=<ID|once=(client_id seq:i ack_seq:i command [arg ...])>",
    idempotent=True,
)
def request(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2 and argv[1].upper() == b"ID":
        return ctx.node.requests.issue(ctx.now_ms)
    session = ctx.session
    has_transaction = session.transaction is not None  # so EXEC is carried
    try:
        return _answer(ctx, argv)
    finally:
        if has_transaction:
            ctx.node.watching.discard(session)


def _answer(ctx: Context, argv: list[bytes]) -> Reply:
    """Return the first reply to a request, which is run now if it was not before."""
    if len(argv) <= CARRIED_FROM:
        raise ReplyError(errors.WRONG_ARITY % "request")
    seq = parse_int(argv[2])
    acknowledged = parse_int(argv[3])
    if seq is None or acknowledged is None or not 0 <= acknowledged < seq < SEQ_MAX:
        raise ReplyError(errors.REQUEST_NUMBERS)
    node = ctx.node
    reply = node.requests.find(argv[1], seq, acknowledged, ctx.now_ms)
    if reply is not None:
        return _repeated(ctx, reply)
    words = argv[CARRIED_FROM:]
    inner = node.dispatcher.admission.carried(argv)
    if inner is None:
        unknown = node.dispatcher.find(words[0]) is None
        raise ReplyError(unknown_command(words) if unknown else errors.unknown_subcommand(words))
    if not inner.argc_min <= len(words) <= inner.argc_max:
        raise ReplyError(wrong_arity(inner))
    _refuse_unfit(inner, words)
    transaction = ctx.session.transaction
    if inner.full_name == b"exec":
        if transaction is None or transaction.failed:
            return inner.handler(ctx, words)  # raises: nothing is run, so nothing is remembered
        for queued, queued_words in transaction.queued:
            if not queued.flags & BLOCKING:  # in a transaction they do not wait
                _refuse_unfit(queued, queued_words)
    return _run(ctx, inner, words, transaction, argv[1], seq, acknowledged)


def _repeated(ctx: Context, first: Prepared) -> Reply:
    """Return the first reply, as this session can read it and may have it."""
    node = ctx.node
    session = ctx.session
    error = node.append_log.error()
    if error:  # who sent the first one was cut off, because its effects may not last
        raise ReplyError(errors.LOG_FAILED % error)
    log = node.dispatcher.log
    if log is not None:
        session.written_until = log.offset  # for WAIT: it is another session's write
    # Some replies are in the first caller's protocol: of scripts, and XREADGROUP's nils.
    protocol = int(session.writer.protocol)
    wire = translated(first.resp2 if protocol == 2 else first.resp3, protocol)
    return Prepared(wire, wire)


def _refuse_unfit(command: Command, words: list[bytes]) -> None:
    """Refuse what acts on the connection or on the node, or waits: a repeat cannot give that."""
    flags = command.flags
    is_unfit = bool(flags & (ADMIN | NO_MULTI)) or command.card.group in _OF_CONNECTIONS
    if flags & BLOCKING or command.full_name == b"wait":
        is_unfit = command.full_name not in _MAY_WAIT or _has_block(words)
    if is_unfit and command.full_name not in _OF_NONE:
        raise ReplyError(errors.REQUEST_UNFIT % command.full_name.decode())


def _has_block(words: list[bytes]) -> bool:
    """Return whether an XREAD or XREADGROUP has the option BLOCK, before its streams."""
    place = 4 if words[0].lower() == b"xreadgroup" else 1
    while place < len(words) and words[place].upper() != b"STREAMS":
        if words[place].upper() == b"BLOCK":
            return True
        place += 1
    return False


def _run(
    ctx: Context,
    inner: Command,
    words: list[bytes],
    transaction: Transaction | None,
    name: bytes,
    seq: int,
    acknowledged: int,
) -> Reply:
    """Run a command, remember its reply, and log both as one."""
    dispatcher = ctx.node.dispatcher
    requests = ctx.node.requests
    recorder = requests.recorder
    if transaction is not None:
        transaction.recorder = recorder
    database = ctx.keyspace.index
    opened = dispatcher.open_unit()
    assert opened
    dirty = dispatcher.dataset.dirty
    begin = dispatcher.clock.now()
    reply = dispatcher.call(inner, words)
    seconds = dispatcher.clock.now() - begin
    assert not isinstance(reply, Blocked)
    inner.calls += 1
    inner.seconds += seconds
    dispatcher.stats.commands += 1
    if dispatcher.histograms:
        record_duration(inner, seconds)
    dispatcher.add_to_unit(database, words)
    if isinstance(reply, ErrorReply) and dispatcher.dataset.dirty == dirty and _is_refusal(reply):
        dispatcher.close_unit()
        return reply
    # Of EXEC the replies are written already.
    remembered = recorder.take() if reply is NO_REPLY else recorder.encoded(reply)
    if dispatcher.has_unit_effects():
        record = requests.record(name, acknowledged, seq, remembered)
        dispatcher.add_record([b"ECHO", record], database)
    requests.remember(name, seq, acknowledged, remembered, ctx.now_ms)
    dispatcher.close_unit()
    return reply if reply is NO_REPLY else remembered


def _is_refusal(reply: ErrorReply) -> bool:
    return reply.message.partition(" ")[0] in _REFUSALS
