"""Shared by the SHUFFLE commands: their arguments, and what follows from a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from kvnode.context import Context
from kvnode.shuffle.manifest import Manifest
from kvnode.shuffle.records import ATTEMPT_MAX
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import parse_int

if TYPE_CHECKING:
    from kvnode.shuffle.shuffles import Shuffles


def number_in(text: bytes, what: str, low: int, high: int) -> int:
    value = parse_int(text)
    if value is None or not low <= value <= high:
        raise ReplyError(errors.SHUFFLE_RANGE % (what, low, high))
    return value


def map_in(manifest: Manifest, text: bytes) -> int:
    return number_in(text, "map", 0, manifest.terms.maps - 1)


def attempt_in(text: bytes) -> int:
    return number_in(text, "attempt", 1, ATTEMPT_MAX)


def partition_of(ctx: Context, text: bytes) -> tuple[Manifest, int]:
    """Return the shuffle and the partition that a key `id/p` names; the lease is renewed."""
    name, slash, digits = text.rpartition(b"/")
    if not slash:
        raise ReplyError(errors.SHUFFLE_PARTITION_KEY)
    manifest = ctx.node.shuffles.use(name, ctx.now_ms)
    return manifest, number_in(digits, "partition", 0, manifest.terms.partitions - 1)


def leading(ctx: Context) -> Shuffles:
    """Return the shuffles, where the node decides about them. ReplyError: it follows."""
    if not ctx.node.replication.is_leading():
        raise ReplyError(errors.READ_ONLY_REPLICA)
    return ctx.node.shuffles


def settle(ctx: Context) -> None:
    """See to what a change of shuffles entails: WAIT waits for its record, others for its news."""
    log = ctx.node.dispatcher.log
    if log is not None:
        ctx.session.written_until = log.offset
    ctx.node.shuffles.hasten()
    ctx.node.shuffle_waits.ask(ctx.now_ms)


def credit_of(ctx: Context) -> int:
    return int(ctx.node.shuffles.owner.credit(ctx.session.number))


@final
class Options:
    """The words behind a request's fixed arguments, read from left to right."""

    def __init__(self, argv: list[bytes], place: int) -> None:
        self._argv = argv
        self._place = place

    def next(self) -> bytes:
        """Return the next option in capitals, nothing at the end."""
        if self._place == len(self._argv):
            return b""
        self._place += 1
        return self._argv[self._place - 1].upper()

    def word(self) -> bytes:
        """Return an argument of the option. ReplyError: it is not there."""
        if self._place == len(self._argv):
            raise ReplyError(errors.SYNTAX)
        self._place += 1
        return self._argv[self._place - 1]
