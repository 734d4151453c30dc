"""What tests of connections need: ids and addresses, the lines of CLIENT LIST, pauses, endings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .client import CLOSED, Argument, Reply, Wire
from .harness import Channel, Difference, Pair, words

NAMES = words(
    "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem "
    "rbs rbp obl oll omem tot-mem events cmd user redir resp"
)
# What two servers in the same state must agree on.
STABLE = words("name flags db sub psub ssub multi argv-mem oll omem events cmd user redir resp")


def same_each(pair: Pair, argv_of: Callable[[int], list[Argument]], client: str = "main") -> Reply:
    """Send each server its own request (ids and addresses differ); the replies must be equal."""
    channel = pair.client(client)
    replies = [
        wire.call(*argv_of(place)) for place, wire in enumerate((channel.ours, channel.theirs))
    ]
    if replies[0] != replies[1]:
        raise Difference(f"{argv_of(0)}: kvnode: {replies[0]}, redis-server: {replies[1]}")
    return replies[0]


def request_on(numbers: list[int], name: str, *rest: Argument) -> Callable[[int], list[Argument]]:
    """A request of the words of `name`, each server's own number, and the rest; for same_each."""
    return lambda place: [*name.split(), numbers[place], *rest]


def ids(pair: Pair, client: str) -> list[int]:
    """A client's id on each server."""
    return [reply.number() for reply in pair.both("CLIENT", "ID", client=client)]


def addresses(pair: Pair, client: str, field: str = "addr") -> list[str]:
    """A client's address on each server."""
    return [fields(reply)[0][field] for reply in pair.both("CLIENT", "INFO", client=client)]


def fields(reply: Reply) -> list[dict[str, str]]:
    """The lines of CLIENT LIST as dictionaries."""
    text = reply.text().decode().removeprefix("txt:")
    return [dict(word.split("=", 1) for word in line.split(" ")) for line in text.splitlines()]


def same_lines(pair: Pair, *argv: Argument, client: str = "main") -> list[dict[str, str]]:
    """Compare the lines of two lists in all that does not depend on the server; return ours."""
    ours, theirs = pair.both(*argv, client=client)
    assert ours.kind == theirs.kind
    both = [sorted(fields(reply), key=lambda line: int(line["id"])) for reply in (ours, theirs)]
    for mine, other in zip(*both, strict=True):
        assert list(mine) == list(other) == NAMES
        assert {name: mine[name] for name in STABLE} == {name: other[name] for name in STABLE}
    return both[0]


@contextmanager
def pause_of_writers(pair: Pair) -> Iterator[None]:
    """Pause both servers' writers; the pause ends with the block even if a test fails in it."""
    pair.same("CLIENT", "PAUSE", 100000, "WRITE")
    try:
        yield
    finally:
        for wire in (pair.control.ours, pair.control.theirs):
            wire.call("CLIENT", "UNPAUSE")


def closed(pair: Pair, client: str) -> bool:
    """Have both servers closed the named client's connection?"""
    channel = pair.channels.pop(client)
    ends = [wire.read_or_closed() for wire in (channel.ours, channel.theirs)]
    channel.close()
    return ends == [CLOSED, CLOSED]


def post(pair: Pair, client: str, *argv: str) -> None:
    """Send a request whose reply is read later, to servers that hold the client up."""
    channel = pair.client(client)
    channel.waiting.append([word.encode() for word in argv])
    channel.ours.send(*argv)
    channel.theirs.send(*argv)


def connect_raw(pair: Pair, client: str) -> None:
    """Open a client without a handshake."""
    pair.channels[client] = Channel(client, *(Wire(server.port) for server in pair.servers))
