"""A connection as CLIENT LIST shows it, and the classes by which connections are chosen."""

from typing import Final

from kvnode.client_memory import SESSION_BYTES
from kvnode.context import Context
from kvnode.session import NO_TOUCH, Session
from kvprotocol.errors import ReplyError

NORMAL: Final = b"normal"
PUBSUB: Final = b"pubsub"
MASTER: Final = b"master"
REPLICA: Final = b"replica"
_CLASSES: Final = {
    b"normal": NORMAL,
    b"pubsub": PUBSUB,
    b"master": MASTER,
    b"replica": REPLICA,
    b"slave": REPLICA,
}


def read_class(word: bytes) -> bytes:
    """Return the class that a TYPE option names."""
    found = _CLASSES.get(word.lower())
    if found is None:
        name = word.decode("utf-8", "surrogateescape")
        raise ReplyError(f"ERR Unknown client type '{name}'")
    return found


def class_of(session: Session) -> bytes:
    """Return a session's class; it decides about output limits too."""
    if session.is_leader:
        return MASTER
    if session.follower is not None and session.follower.is_fed():
        return REPLICA
    return PUBSUB if session.is_subscribed() else NORMAL


def flags_of(session: Session) -> bytes:
    """Return the letters of a session's state, N where it is in none."""
    letters = b""
    kind = class_of(session)
    if kind == REPLICA:
        letters += b"S"
    if kind == MASTER:
        letters += b"M"
    if session.monitor:
        letters += b"O"
    if session.is_subscribed():
        letters += b"P"
    if session.transaction is not None:
        letters += b"x"
    if session.blocked is not None or session.paused:
        letters += b"b"
    tracking = session.tracking
    if tracking is not None:
        letters += b"t"
        if tracking.broken_redirect:
            letters += b"R"
        if tracking.broadcast:
            letters += b"B"
    if session.watch_broken:
        letters += b"d"
    if session.closing:
        letters += b"c"
    if session.is_unix:
        letters += b"U"
    if session.no_evict:
        letters += b"e"
    if session.gate & NO_TOUCH:
        letters += b"T"
    return letters or b"N"


def line_of(ctx: Context, session: Session, argv: list[bytes]) -> bytes:
    """Return the line of a session; `argv` is the running request, of `ctx.session`."""
    now = ctx.node.clock.now()
    parser = session.parser
    query = int(parser.buffered())
    running: list[bytes] = []
    if session is ctx.session:
        # Inside EXEC that one is the request; the queued ones count as queued.
        running = argv if session.transaction is None else [b"exec"]
        query += int(parser.position - parser.begin)
    elif session.parked is not None:
        running = session.parked
    argv_bytes = sum([len(word) for word in running])
    transaction = session.transaction
    tracking = session.tracking
    queued_bytes = 0 if transaction is None else int(transaction.bytes)
    buffered = int(session.writer.size())
    output = int(session.pending_bytes())
    command = session.last_command
    fields = [
        b"id=%d" % session.number,
        b"addr=" + session.peer,
        b"laddr=" + session.local,
        b"fd=%d" % session.descriptor,
        b"name=" + session.name,
        b"age=%d" % int(now - session.created),
        b"idle=%d" % int(now - session.last_active),
        b"flags=" + flags_of(session),
        b"db=%d" % session.keyspace.index,
        b"sub=%d" % len(session.channels),
        b"psub=%d" % len(session.patterns),
        b"ssub=%d" % len(session.shard_channels),
        b"multi=%d" % (-1 if transaction is None else len(transaction.queued)),
        b"qbuf=%d" % query,
        b"qbuf-free=0",
        b"argv-mem=%d" % argv_bytes,
        b"multi-mem=%d" % queued_bytes,
        b"rbs=%d" % buffered,
        b"rbp=%d" % buffered,
        b"obl=%d" % buffered,
        b"oll=%d" % (1 if output > buffered else 0),
        b"omem=%d" % (output - buffered),
        b"tot-mem=%d" % (SESSION_BYTES + query + argv_bytes + queued_bytes + output),
        b"events=" + (b"rw" if output > buffered else b"r"),
        b"cmd=" + (b"NULL" if command is None else command.full_name),
        b"user=" + (b"(superuser)" if session.is_leader else session.user.name),
        b"redir=%d" % (-1 if tracking is None else tracking.redirect),
        b"resp=%d" % int(session.writer.protocol),
    ]
    return b" ".join(fields)
