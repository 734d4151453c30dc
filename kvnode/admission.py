"""Whether a request may run in the state of its session and of the node, in Redis's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.command import (
    ALLOW_BUSY,
    DENYOOM,
    LOADING,
    MAY_REPLICATE,
    NO_AUTH,
    NO_MULTI,
    READONLY,
    SKIP_MONITOR,
    STALE,
    WRITE,
    Command,
)
from kvnode.gates import (
    DISK_FAILS,
    FOLLOWS,
    IS_BUSY,
    IS_LOADING,
    IS_STALE,
    LACKS_FOLLOWERS,
    MEMORY_LIMITED,
    PAUSED_ALL,
)
from kvnode.session import RESTRICTED, SUBSCRIBER, UNAUTHENTICATED, Session
from kvprotocol import errors
from kvprotocol.numbers import parse_int

if TYPE_CHECKING:
    from kvnode.dispatch import Dispatcher
    from kvnode.node import Node

_ALLOWED_IN_SUBSCRIBER_MODE: Final = frozenset(
    (
        b"ping",
        b"subscribe",
        b"psubscribe",
        b"ssubscribe",
        b"unsubscribe",
        b"punsubscribe",
        b"sunsubscribe",
        b"quit",
        b"reset",
    )
)
_ENDS_TRANSACTION: Final = frozenset((b"exec", b"discard", b"quit", b"reset", b"request"))
CARRIED_FROM: Final = 4  # REQUEST client-id seq ack-seq command ...


@final
class Admission:
    """The checks of one node; asked only for requests that are out of the ordinary."""

    def __init__(self, node: Node, dispatcher: Dispatcher) -> None:
        self._node = node
        self._dispatcher = dispatcher

    def refusal(self, session: Session, command: Command, argv: list[bytes]) -> str:
        """Return why a request may not run in the state of its session or of the node, or ""."""
        gate = session.gate
        flags = self.flags(command, argv)
        if gate & UNAUTHENTICATED and not flags & NO_AUTH:
            return errors.NO_AUTH
        transaction = session.transaction
        if transaction is not None and flags & NO_MULTI:
            return errors.NOT_IN_MULTI
        if gate & RESTRICTED:
            denial = self._node.acl.refusal(session, command, argv)
            if denial:
                return denial
        if transaction is not None:
            if command.full_name == b"exec":
                flags |= transaction.flags & DENYOOM
            elif command.full_name not in _ENDS_TRANSACTION:
                flags |= DENYOOM  # a queue takes memory, whatever is in it
        if self._dispatcher.gate & MEMORY_LIMITED:
            has_room = self._node.eviction.make_room()
            self._dispatcher.ctx.enter(
                session, session.keyspace
            )  # who waited for an evicted key was asked
            if not has_room and flags & DENYOOM:
                return errors.OUT_OF_MEMORY
        if command.full_name == b"exec" and transaction is not None:
            flags |= transaction.flags & WRITE
            if transaction.lacks_stale:
                flags &= ~STALE
        if self._dispatcher.gate & (DISK_FAILS | LACKS_FOLLOWERS | FOLLOWS):
            if flags & WRITE:
                refusal = self.write_refusal()
                if refusal:
                    return refusal
            elif self._dispatcher.gate & DISK_FAILS and command.full_name == b"ping":
                return self._node.disk_error()
        if gate & SUBSCRIBER and command.full_name not in _ALLOWED_IN_SUBSCRIBER_MODE:
            return (
                f"ERR Can't execute '{command.full_name.decode()}': only (P|S)SUBSCRIBE / "
                "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            )
        if self._dispatcher.gate & IS_STALE and not flags & STALE:
            return errors.LEADER_DOWN
        if self._dispatcher.gate & IS_LOADING and not flags & LOADING:
            return errors.LOADING
        if self._dispatcher.gate & IS_BUSY and not flags & ALLOW_BUSY:
            return self._node.scripting.busy_error()
        follower = session.follower
        is_fed = session.monitor or (follower is not None and follower.is_fed())
        if is_fed and flags & (READONLY | WRITE | MAY_REPLICATE):
            if follower is not None and follower.is_fed():
                self._node.replication.followers.drop(follower, "it asked for data")
            return errors.MONITOR_READS_NOTHING
        return ""

    def carried(self, argv: list[bytes]) -> Command | None:
        """Return the command that a REQUEST carries, None where there is no such command."""
        if len(argv) <= CARRIED_FROM:
            return None
        command = self._dispatcher.find(argv[CARRIED_FROM])
        if command is None or command.subcommands is None or len(argv) == CARRIED_FROM + 1:
            return command
        return command.subcommands.get(argv[CARRIED_FROM + 1].lower())

    def carried_refusal(self, session: Session, inner: Command | None, argv: list[bytes]) -> str:
        """Return why the command in a REQUEST may not run, or ""; a repeat runs nothing."""
        is_exec = inner is not None and inner.full_name == b"exec"
        if session.transaction is not None and not is_exec:
            return errors.NOT_IN_MULTI
        if inner is None:
            return ""
        seq = parse_int(argv[2])
        if seq is not None and self._node.requests.is_repeat(argv[1], seq):
            return ""
        return self.refusal(session, inner, argv[CARRIED_FROM:])

    def write_refusal(self) -> str:
        """Return why nobody but the leader may write, an empty text where everybody may."""
        if self._dispatcher.gate & DISK_FAILS:
            return self._node.disk_error()
        if self._dispatcher.gate & LACKS_FOLLOWERS:
            return errors.NO_REPLICAS
        if self._dispatcher.gate & FOLLOWS and self._node.settings.replica_read_only:
            return errors.READ_ONLY_REPLICA
        return ""

    def flags(self, command: Command, argv: list[bytes]) -> i64:
        """Return a command's flags, a script's own in place of EVAL's where it declares them."""
        if command.flags & SKIP_MONITOR:
            return self._node.scripting.admission_flags(command, argv)
        return command.flags

    def pauses(self, session: Session, command: Command, argv: list[bytes]) -> bool:
        """Return whether CLIENT PAUSE stops this command; followers go on."""
        if session.follower is not None:
            return False
        flags = self.flags(command, argv)
        if command.full_name == b"exec" and session.transaction is not None:
            flags |= session.transaction.flags
        return bool(self._dispatcher.gate & PAUSED_ALL or flags & (WRITE | MAY_REPLICATE))
