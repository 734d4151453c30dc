"""One connection's state: what it asked for, what it may do, and its output in order.

Sans-IO: `feed` takes the bytes of one read, runs what is complete in them, and leaves the replies
in `writer`. Whoever owns the socket is told through `Outlet` that there is output, and takes it
with `take_output`. A session can hold its output back: what was written up to `hold(ticket)`, and
everything behind it, waits in order until `release(ticket)`; so replies can wait for a log or for
followers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.command import STALE, Command
from kvnode.config.settings import OutputLimits
from kvprotocol.errors import ProtocolError
from kvprotocol.replies import Reply, ReplyWriter
from kvprotocol.requests import RequestParser

if TYPE_CHECKING:
    from kvnode.acl.users import User
    from kvnode.context import Blocked
    from kvnode.dispatch import Dispatcher
    from kvnode.keyspace import Keyspace
    from kvnode.replication.follower import Follower
    from kvnode.request_memory import ReplyRecorder

# Why a session's commands take the careful way: one test of `gate` on the hot path.
UNAUTHENTICATED: Final = 1 << 0
IN_MULTI: Final = 1 << 1
SUBSCRIBER: Final = 1 << 2  # only under RESP2, where it restricts the commands
REPLY_OFF: Final = 1 << 3
REPLY_SKIP: Final = 1 << 4  # the next command's reply is swallowed
REPLY_SKIPPED: Final = 1 << 5  # the running command's reply is swallowed
TRACKING: Final = 1 << 6  # a client-side cache is told of changes
HEARS: Final = 1 << 7  # under RESP3 and subscribed: messages may come among its own replies
NO_TOUCH: Final = 1 << 8  # its commands do not count as use of the keys
RESTRICTED: Final = 1 << 9  # its user may not do everything


@mypyc_attr(allow_interpreted_subclasses=True)
class Outlet:
    """The side of a connection that a session sees; embedding code subclasses it."""

    def ready(self) -> None:
        """Be told that the session has output."""

    def close(self) -> None:
        """End the connection once its output is written."""

    def abort(self) -> None:
        """End the connection at once, whatever output it has."""

    def unsent_bytes(self) -> int:
        """Return how much output was taken and is not yet with the kernel."""
        return 0


@final
class Transaction:
    """The commands that a session queued since MULTI; `failed` makes EXEC refuse them."""

    def __init__(self) -> None:
        self.queued: list[tuple[Command, list[bytes]]] = []
        self.failed = False
        self.flags: i64 = 0
        self.lacks_stale = False  # whether one of them may not run on stale data
        self.bytes: i64 = 0
        self.recorder: ReplyRecorder | None = None  # takes the replies of EXEC too, for REQUEST

    def add(self, command: Command, argv: list[bytes], flags: i64) -> None:
        """Queue a command that counts with these flags."""
        self.queued.append((command, argv))
        self.flags |= flags
        if not flags & STALE:
            self.lacks_stale = True
        for word in argv:
            self.bytes += len(word)


@final
class ClientTracking:
    """How a session's client-side cache is told of changes (see `kvnode.tracking`).

    `redirect` is the number of the session that gets the messages, 0 for the session itself;
    `caching` that CLIENT CACHING speaks of the next command or transaction.
    """

    def __init__(self) -> None:
        self.redirect = 0
        self.broadcast = False
        self.optin = False
        self.optout = False
        self.noloop = False
        self.caching = False
        self.broken_redirect = False
        self.prefixes: dict[bytes, None] = {}


@final
class Session:
    """One client of the node."""

    def __init__(
        self, number: int, dispatcher: Dispatcher, keyspace: Keyspace, outlet: Outlet, now: float
    ) -> None:
        self.number = number
        self.dispatcher = dispatcher
        self.keyspace = keyspace
        self.outlet = outlet
        self.parser = RequestParser()
        self.writer = ReplyWriter(2)
        self.gate: i64 = 0
        self.transaction: Transaction | None = None
        self.watched: dict[tuple[int, bytes], bool] = {}  # whether the key was there
        self.watch_broken = False
        self.blocked: Blocked | None = None
        self.paused = False
        # Served before what the parser has: a request that CLIENT PAUSE stopped, or one that a
        # caller in the process gives as it is.
        self.parked: list[bytes] | None = None
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        self.monitor = False
        self.running = False  # its requests are being served
        self.closing = False
        self.closed = False
        self.tracking: ClientTracking | None = None
        self.user: User = dispatcher.node.acl.default
        self.authenticated = False
        self.name = b""
        self.no_evict = False
        self.memory: i64 = 0  # as `ClientMemory` last saw it
        self.peer = b""
        self.local = b""
        self.descriptor = -1
        self.is_unix = False
        self.created = now
        self.last_active = now
        self.last_command: Command | None = None
        self.commands: i64 = 0
        self.input_bytes: i64 = 0
        self.output_bytes: i64 = 0
        self.over_soft_limit_since = 0.0
        self.written_until: i64 = 0  # the offset of the effects behind its last write
        self.follower: Follower | None = None  # what it said, where it is another node
        self.is_leader = False  # its requests are the leader's stream
        self._announced = False
        self._finished: list[bytes] = []
        self._finished_bytes: i64 = 0
        self._held: deque[tuple[int, list[bytes]]] = deque()
        self._held_bytes: i64 = 0

    def feed(self, data: bytes) -> None:
        """Take one read and run the requests that are complete."""
        if self.closing:
            return
        self.input_bytes += len(data)
        if self.blocked is not None or self.paused:
            self.parser.keep(data)
            return
        self.parser.feed(data)
        self.run()

    def run(self) -> None:
        """Run the requests that were fed, as far as the session may go on."""
        if self.blocked is None and not self.paused and not self.closing:
            if self.parser.keeps:
                self.parser.feed(b"")
            self.running = True
            try:
                self.dispatcher.serve(self)
            except ProtocolError as error:
                self.dispatcher.protocol_error(self, error)
            except Exception:
                self.dispatcher.abandon()
                raise
            finally:
                self.running = False
            self.dispatcher.run_unblocked()
        if self.writer.size():
            self.announce()

    def send(self, reply: Reply) -> None:
        """Write a reply or a push outside of the session's own commands."""
        if not self.closing:
            self.writer.write(reply)
            self.announce()

    def announce(self) -> None:
        """Tell the outlet once that there is output."""
        if not self._announced:
            self._announced = True
            self.outlet.ready()

    def finish(self) -> None:
        """End the connection after the output so far; further input is ignored."""
        if not self.closing:
            self.closing = True
            self.outlet.close()

    def is_muted(self) -> bool:
        """Return whether CLIENT REPLY swallows replies now; pushes are written all the same."""
        return bool(self.gate & (REPLY_OFF | REPLY_SKIPPED))

    def is_held(self) -> bool:
        """Return whether output waits for a ticket."""
        return bool(self._held)

    def held_bytes(self) -> i64:
        """Return the size of the output that waits for tickets."""
        return self._held_bytes

    def pending_bytes(self) -> i64:
        """Return the size of all output that is not yet with the kernel."""
        return (
            self.writer.size()
            + self._held_bytes
            + self._finished_bytes
            + self.outlet.unsent_bytes()
        )

    def passes(self, limits: OutputLimits, pending: i64, now: float) -> bool:
        """Return whether output passes the hard limit, or has passed the soft one for too long."""
        if limits.hard_bytes > 0 and pending > limits.hard_bytes:
            return True
        if limits.soft_bytes == 0 or pending <= limits.soft_bytes:
            self.over_soft_limit_since = 0.0
            return False
        if self.over_soft_limit_since == 0.0:
            self.over_soft_limit_since = now
            return False
        return now - self.over_soft_limit_since > float(limits.soft_seconds)

    def is_subscribed(self) -> bool:
        """Return whether the session has any subscription."""
        return bool(self.channels or self.patterns or self.shard_channels)

    def hold(self, ticket: int) -> None:
        """Make the output written so far, and whatever follows it, wait for `ticket`; they grow."""
        chunks = self.writer.take_chunks()
        for chunk in chunks:
            self._held_bytes += len(chunk)
        self._held.append((ticket, chunks))

    def release(self, ticket: int) -> None:
        """Let go of the output that waits for tickets up to this one."""
        held = self._held
        while held and held[0][0] <= ticket:
            chunks = held.popleft()[1]
            self._finished.extend(chunks)
            for chunk in chunks:
                self._held_bytes -= len(chunk)
                self._finished_bytes += len(chunk)
        if self._finished or (not held and (self.writer.size() or self.closing)):
            self.announce()

    def take_whole(self) -> bytes | None:
        """Return the output as one piece; None when it is in several, held, or absent."""
        writer = self.writer
        if self._held or self._finished or writer.chunks:
            return None
        self._announced = False
        return writer.take()

    def take_output(self) -> list[bytes]:
        """Return the output that may go out now, in order, and forget it."""
        self._announced = False
        if self._held:
            chunks = self._finished
        elif self._finished:
            chunks = self._finished
            chunks.extend(self.writer.take_chunks())
        else:
            return self.writer.take_chunks()
        self._finished = []
        self._finished_bytes = 0
        return chunks


def is_loopback(address: bytes) -> bool:
    """Return whether an address, as CLIENT LIST shows it, is this machine's own."""
    return address.startswith((b"127.", b"[::1]", b"[::ffff:127."))
