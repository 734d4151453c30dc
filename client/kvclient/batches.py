"""Requests that leave together, for both shells: MULTI ... EXEC, and what its replies say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from kvclient.errors import ArgumentError, ProtocolError, ReplyError, TransactionAborted, UsageError
from kvclient.routing.address import Address
from kvclient.traits import Traits, traits_of
from kvclient.wire.channel import Argv

MULTI: Final = (b"MULTI",)
EXEC: Final = (b"EXEC",)
ASKING: Final = (b"ASKING",)


def as_transaction(parts: Sequence[Argv], end: Argv = EXEC) -> list[Argv]:
    """Return the requests that have `parts` executed as one; `end` is EXEC, maybe with a number."""
    return [MULTI, *parts, end]


def transaction_replies(replies: Sequence[Any]) -> list[Any]:
    """Return the replies of the parts, errors among them; `replies` are from MULTI's to EXEC's.

    TransactionAborted: a watched key has changed. An error of a part that was refused before EXEC
    is raised; nothing was executed then.
    """
    outcome = replies[-1]
    if outcome is None:
        raise TransactionAborted("a watched key has changed; nothing was executed")
    if isinstance(outcome, list) and len(outcome) == len(replies) - 2:
        return outcome
    for place, reply in enumerate(replies):
        if isinstance(reply, ReplyError) and 0 < place < len(replies) - 1:
            reply.place = place
        if isinstance(reply, Exception):
            raise reply
    raise ProtocolError(f"an unexpected reply to EXEC: {outcome!r}"[:200])


def by_address(addresses: Sequence[Address | None]) -> dict[Address, list[int]]:
    """Return who goes to each address, by their places; who has none is left out."""
    groups: dict[Address, list[int]] = {}
    places: list[int] = []
    last: Address | None = None
    for place, address in enumerate(addresses):
        if address is None:
            continue
        # Most often the same object as before, which spares its hash.
        if address is not last:
            places = groups.setdefault(address, [])
            last = address
        places.append(place)
    return groups


def refusals(replies: Sequence[Any]) -> list[int]:
    """Return the places of error replies."""
    return [place for place, reply in enumerate(replies) if isinstance(reply, ReplyError)]


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
    _shared_traits(argv)


def as_requests(requests: Iterable[Sequence[object]]) -> list[Argv]:
    """Return what has a place among others as argvs; ArgumentError, UsageError for what has none.

    A text is refused: its letters would be taken for words.
    """
    parts: list[Argv] = []
    for request in requests:
        if not isinstance(request, tuple | list):
            kind = type(request).__name__
            raise ArgumentError(f"a request is of type {kind}, must be a tuple or a list of words")
        part = tuple(request)
        check_queued(part)
        parts.append(part)
    return parts


def check_queued(argv: Argv) -> None:
    """Raise UsageError for a command that has no place among others: it waits, or has state."""
    traits = _shared_traits(argv)
    if traits.blocks(argv):
        raise UsageError(f"{traits.name} waits, and would hold up what comes after it")


def _shared_traits(argv: Argv) -> Traits:
    if not argv:
        raise UsageError("a request has at least one word, the command's name")
    traits = traits_of(argv)
    if traits.state_refusal is not None:
        raise UsageError(traits.state_refusal)
    return traits
