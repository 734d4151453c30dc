"""What reaches a client beside its replies: pushes, and messages of channels."""

from __future__ import annotations

import itertools

from .client import Argument, Reply, Wire
from .harness import Difference, Pair

MARKS = itertools.count()


def heard(pair: Pair, client: str = "main") -> list[Reply]:
    """What both servers have sent the client until now, which must be equal; returns ours.

    Nothing that the client asked for may be waiting: a PING marks the end.
    """
    ours, theirs = heard_apart(pair, client)
    if ours != theirs:
        rows = ["kvnode:", *(row.shown(2) for row in ours)]
        rows += ["redis-server:", *(row.shown(2) for row in theirs)]
        raise Difference(f"client {client}, RESP{pair.protocol}\n" + "\n".join(rows))
    return ours


def heard_apart(pair: Pair, client: str = "main") -> tuple[list[Reply], list[Reply]]:
    """What each server has sent the client until now, not compared."""
    channel = pair.client(client)
    mark = b"mark-%d" % next(MARKS)
    return until_mark(channel.ours, mark), until_mark(channel.theirs, mark)


def until_mark(wire: Wire, mark: bytes) -> list[Reply]:
    """What comes before the reply to a PING."""
    wire.send("PING", mark)
    found: list[Reply] = []
    while True:
        reply = wire.read()
        # A subscriber under RESP2 gets [pong, mark].
        if plain_last(reply) == mark:
            return found
        found.append(reply)


def plain_last(reply: Reply) -> object:
    """The last element of an array; the value of anything else."""
    return reply.items()[-1].value if reply.value and reply.kind == "array" else reply.value


def around(pair: Pair, *argv: Argument, client: str = "main") -> list[Reply]:
    """Send a request; compare and return everything up to a mark: messages and the reply."""
    channel = pair.client(client)
    for wire in (channel.ours, channel.theirs):
        wire.send(*argv)
    return heard(pair, client)


def around_all(pair: Pair, lines: str, client: str = "main") -> list[list[Reply]]:
    """`around` for each of some lines."""
    return [around(pair, *line.split(), client=client) for line in lines.strip().splitlines()]


def names(messages: list[Reply]) -> list[str]:
    """Messages of keyspace channels as `event key` or `reply`."""
    found = []
    for message in messages:
        words = message.items() if isinstance(message.value, tuple) else ()
        if words and words[0].value in (b"message", b"pmessage"):
            channel = words[-2].text().split(b":", 1)[-1]
            found.append(b" ".join([channel, words[-1].text()]).decode())
        else:
            found.append("reply")
    return found
