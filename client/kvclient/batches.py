"""Requests that leave together, for both shells: MULTI ... EXEC, and what its replies say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kvclient.errors import ProtocolError, ReplyError, TransactionAborted, UsageError
from kvclient.traits import traits_of
from kvclient.wire.channel import Argv

MULTI: Final = (b"MULTI",)
EXEC: Final = (b"EXEC",)
ASKING: Final = (b"ASKING",)


def as_transaction(parts: Sequence[Argv], end: Argv = EXEC) -> list[Argv]:
    """Return the requests that have `parts` executed as one; `end` is EXEC, maybe with a number."""
    return [MULTI, *parts, end]


def transaction_replies(replies: Sequence[Any]) -> list[Any]:
    """Return the replies of the parts, errors among them.

    TransactionAborted: a watched key has changed. An error of a part that was refused before EXEC
    is raised; nothing was executed then.
    """
    outcome = replies[-1]
    if outcome is None:
        raise TransactionAborted("a watched key has changed; nothing was executed")
    if isinstance(outcome, list):
        return outcome
    for place, reply in enumerate(replies):
        if isinstance(reply, ReplyError) and 0 < place < len(replies) - 1:
            reply.place = place
        if isinstance(reply, Exception):
            raise reply
    raise ProtocolError(f"an unexpected reply to EXEC: {outcome!r}"[:200])


def shaped(argv: Argv, shape: Callable[[Any], Any] | None, reply: Any) -> Any:
    """Return what a method promises of a reply; an error, also of a reply that does not fit."""
    if shape is None or isinstance(reply, Exception):
        return reply
    try:
        return shape(reply)
    except ReplyError as error:
        return error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return ProtocolError(f"an unexpected reply to {argv[0]!r}: {error}")


def raise_first(replies: Sequence[Any]) -> None:
    """Raise the first error among the replies."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def check_shared(argv: Argv) -> None:
    """Raise UsageError for a command that would change the connection, which others share."""
    if not argv:
        raise UsageError("a request has at least one word, the command's name")
    refusal = traits_of(argv).state_refusal
    if refusal is not None:
        raise UsageError(refusal)


def check_queued(argv: Argv) -> None:
    """Raise UsageError for a command that has no place among others: it waits, or has state."""
    check_shared(argv)
    traits = traits_of(argv)
    if traits.blocks(argv):
        raise UsageError(f"{traits.name} waits, and would hold up what comes after it")
