"""Requests that leave together, for both shells: MULTI ... EXEC, and what its replies say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kvclient.errors import ProtocolError, ReplyError, TransactionAborted
from kvclient.wire.channel import Argv

MULTI: Final = (b"MULTI",)
EXEC: Final = (b"EXEC",)


def as_transaction(parts: Sequence[Argv]) -> list[Argv]:
    """Return the requests that have `parts` executed as one."""
    return [MULTI, *parts, EXEC]


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
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    raise ProtocolError(f"an unexpected reply to EXEC: {outcome!r}"[:200])


def raise_first(replies: Sequence[Any]) -> None:
    """Raise the first error among the replies."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def first_for_later(replies: Sequence[Any], is_for_later: Any) -> bool:
    """Is there a reply that says "not now"?"""
    return any(isinstance(reply, ReplyError) and is_for_later(reply) for reply in replies)
