"""What becomes of a request that was refused or lost, for both shells; no clock, no socket.

- An error reply that says "not now" means that nothing was executed: whatever it was, it may be
  sent again until its deadline.
- A request that never left may be sent again. One that left and has no reply may have been
  executed: it is sent again only if executing it twice leaves what executing it once leaves, or
  if it carries a request id, by which the server knows it again.
"""

from __future__ import annotations

import random
from typing import Final

from kvclient.errors import (
    ConnectError,
    DeadlineExceeded,
    KvError,
    NotReadyError,
    OutcomeUnknown,
    ReplyError,
    UsageError,
)
from kvclient.routing.address import Address
from kvclient.traits import traits_of
from kvclient.wire.channel import Argv
from kvclient.wire.encoding import as_wire

_NAME_LENGTH_MAX: Final = 40
_CARRIED_FROM: Final = 4  # REQUEST client-id seq ack-seq command ...
_LATER: Final = ("ERR max number of clients", "UNBLOCKED force unblock")
"""Refusals without a code of their own: of a connection too many, and of a command that waited
while its node became a follower."""


def is_for_later(error: ReplyError) -> bool:
    """Does the error say that nothing was executed, and that it may be a little later?"""
    return isinstance(error, NotReadyError) or error.message.startswith(_LATER)


def bare(argv: Argv) -> Argv:
    """Return a request without the number under which it is executed once."""
    return argv[_CARRIED_FROM:] if argv[0] == b"REQUEST" else argv


def may_repeat(argv: Argv) -> bool:
    """May a request be sent again after its reply was lost?"""
    return argv[0] == b"REQUEST" or traits_of(argv).is_idempotent(argv)


def is_harmless(argv: Argv) -> bool:
    """May the caller make the call again whose reply was lost?"""
    inner = bare(argv)
    return not inner or traits_of(inner).is_idempotent(inner)


def backoff_s(attempt: int, least_s: float, most_s: float) -> float:
    """Return how long to wait before another attempt: doubling, with jitter of a half."""
    span = min(most_s, least_s * 2.0 ** min(attempt, 30))
    return span * (0.5 + random.random() / 2)


def printed(argv: Argv) -> str:
    """Return a command's name for a message; never its arguments, which may be secret."""
    name = as_wire((bare(argv) or argv)[0]).decode("utf-8", "replace")
    return name[:_NAME_LENGTH_MAX]


def after_deadline(
    argv: Argv, was_sent: bool, address: object, cause: BaseException | None = None
) -> KvError:
    """Return the error of a request whose deadline has passed."""
    name = printed(argv)
    if was_sent and not is_harmless(argv):
        return OutcomeUnknown(
            f"{name}: sent to {address}, no reply within the deadline; it may have been executed"
        )
    if cause is not None:
        return ConnectError(f"{name}: no connection to {address} within the deadline: {cause}")
    return DeadlineExceeded(f"{name}: no reply from {address} within the deadline")


def after_loss(
    argv: Argv, was_sent: bool, address: object, cause: BaseException | None
) -> OutcomeUnknown | None:
    """Return the error of a request whose connection was lost, None if it may be sent again."""
    if not was_sent or may_repeat(argv):
        return None
    reason = f" ({cause})" if cause is not None and str(cause) else ""
    return OutcomeUnknown(
        f"{printed(argv)}: the connection to {address} was lost{reason} before the reply;"
        " it may have been executed"
    )


def after_forgetting(argv: Argv, address: object) -> OutcomeUnknown:
    """Return the error of a request that was sent before, and whose number a node has forgotten."""
    return OutcomeUnknown(
        f"{printed(argv)}: {address} remembers no reply to its first sending;"
        " it may have been executed"
    )


def check_single(address: Address | None, argv: Argv) -> Address:
    """Return the address of a request; UsageError where it concerns several."""
    if address is None:
        raise UsageError(f"{printed(argv)}: its keys lie on several nodes")
    return address
