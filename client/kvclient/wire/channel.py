"""One connection's requests and replies, sans-IO: what was written, and who waits for which reply.

Replies come in the order of the requests. A request whose caller went away (cancelled, deadline
passed) keeps its place, so that its reply is swallowed there and nobody gets another's.

What is written in one round of the loop leaves in one piece: `submit` only appends to a buffer,
and the first one asks for a flush. Nothing is encoded ahead: a request that must be sent again is
written again from its argv.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, Final, TypeAlias, final

import hiredis
from mypy_extensions import i64, mypyc_attr

from kvclient.errors import ProtocolError, ReplyError, reply_error
from kvclient.forks import fork_generation
from kvclient.wire.encoding import as_wire
from kvprotocol.replies import ReplyWriter

Argv: TypeAlias = tuple[object, ...]
Shape: TypeAlias = Callable[[Any], Any]
"""Makes what a method promises of a reply, which differs between RESP2 and RESP3."""

INCOMPLETE: Final = object()
PUSH: Final = hiredis.PushNotification
_NONE_TYPE: Final = type(None)
_COMPACT_FROM: Final = 1024
_UNLIMITED: Final = 1 << 60


def new_reader(decode: bool, escapes: bool = False) -> hiredis.Reader:
    """Return a reply parser; with `decode` bulk strings become str, by UTF-8.

    What is not UTF-8 is an error in the place of its reply; with `escapes` it becomes surrogates.
    """
    return hiredis.Reader(
        protocolError=ProtocolError,
        replyError=reply_error,
        encoding="utf-8" if decode else None,
        errors="surrogateescape" if escapes else "strict",
        notEnoughData=INCOMPLETE,
    )


@final
@mypyc_attr(acyclic=True)
class Request:
    """A request on its way: `future` gets the reply, or what `shape` makes of it.

    With `parts` it is several requests that leave together; the list of their replies, errors
    among them, is what `shape` gets. `deadline` is in seconds of the loop's clock.

    No future or callable leads back to its request, so the garbage collector is spared them: with
    10,000 in flight it would walk over each one several times.
    """

    def __init__(
        self,
        argv: Argv,
        shape: Shape | None,
        future: Any,
        deadline: float,
        parts: list[Argv] | None = None,
    ) -> None:
        self.argv = argv
        self.shape = shape
        self.future = future
        self.deadline = deadline
        self.parts = parts
        self.replies: list[Any] | None = None
        self.bytes: i64 = 0
        self.attempts: i64 = 0
        self.was_sent = False

    def settle(self, reply: Any) -> None:
        """Give the caller the reply, if it still waits."""
        shape = self.shape
        if shape is not None:
            try:
                reply = shape(reply)
            except ReplyError as error:
                self.fail(error)
                return
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                self.fail(ProtocolError(f"an unexpected reply to {self.argv[0]!r}: {error}"))
                return
        # Cancelled, or past its deadline: the reply is swallowed in its place.
        if not self.future.done():
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        """Raise `error` at the caller, if it still waits."""
        if not self.future.done():
            self.future.set_exception(error)


@final
class Channel:
    """The requests of one connection that wait for replies, in order.

    `refused(request, error)` decides about an error reply; `pushed(message)` gets what the server
    sends unasked: of a stream all that comes, a text that is not UTF-8 as its error. `ask_flush()`
    is called when the buffer has its first request. `is_open` says whether requests may be
    submitted; it turns false by itself where more than `bytes_max` are in flight, and `has_room()`
    is called when it is true again.
    """

    def __init__(
        self,
        decode: bool,
        ask_flush: Callable[[], object],
        refused: Callable[[Request, ReplyError], object],
        pushed: Callable[[Any], object],
        has_room: Callable[[], object],
        bytes_max: i64 = _UNLIMITED,
        escapes: bool = False,
    ) -> None:
        reader = new_reader(decode, escapes)
        self.feed = reader.feed
        self.gets = reader.gets
        self.ask_flush = ask_flush
        self.refused = refused
        self.pushed = pushed
        self.has_room = has_room
        self.bytes_max: i64 = bytes_max
        self.out = ReplyWriter(2)
        self.awaiting: list[Request] = []
        self.head: i64 = 0
        self.bytes_in_flight: i64 = 0
        self.is_open = True
        self.is_paused = False
        self.is_stream = False  # all that comes is pushed: nothing is an answer
        self.has_received = False
        self.flush_is_due = False
        self.unflushed: i64 = 0
        self.earliest_deadline = 0.0

    def waiting(self) -> i64:
        """Return how many requests wait for a reply."""
        return len(self.awaiting) - self.head

    def submit(self, request: Request) -> None:
        """Write a request; ArgumentError leaves nothing behind."""
        out = self.out
        before: i64 = out.size()
        parts = request.parts
        if parts is None:
            # Converted first: half a request in a buffer that others share cannot be taken back.
            words = [as_wire(argument) for argument in request.argv]
            out.array(len(words))
            for word in words:
                out.bulk(word)
        else:
            request.replies = []
            lines = [[as_wire(argument) for argument in argv] for argv in parts]
            for line in lines:
                out.array(len(line))
                for word in line:
                    out.bulk(word)
        size: i64 = out.size() - before
        request.bytes = size
        request.attempts += 1
        self.bytes_in_flight += size
        if self.bytes_in_flight > self.bytes_max:
            self.is_open = False
        if self.head == len(self.awaiting) or request.deadline < self.earliest_deadline:
            self.earliest_deadline = request.deadline
        self.awaiting.append(request)
        self.unflushed += 1
        if not self.flush_is_due:
            self.flush_is_due = True
            self.ask_flush()

    def tell(self, argv: Argv) -> None:
        """Write a request that has no reply, or one that is pushed."""
        words = [as_wire(argument) for argument in argv]
        self.out.array(len(words))
        for word in words:
            self.out.bulk(word)
        if not self.flush_is_due:
            self.flush_is_due = True
            self.ask_flush()

    def take(self) -> list[bytes]:
        """Return what is to be sent."""
        self.flush_is_due = False
        self.unflushed = 0
        return self.out.take_chunks()

    def receive(self, data: bytes) -> None:
        """Hand the replies in `data` to those who wait.

        Whatever it raises means that the stream is lost: ProtocolError, or what the parser says.
        """
        self.feed(data)
        self.has_received = True
        gets = self.gets
        awaiting = self.awaiting
        while True:
            try:
                reply = gets()
            except UnicodeDecodeError as error:
                reply = error
            if reply is INCOMPLETE:
                break
            kind = type(reply)
            if kind is PUSH or self.is_stream:
                self.pushed(reply)
                if self.awaiting is not awaiting:
                    return
                continue
            head: i64 = self.head
            if head >= len(awaiting):
                raise ProtocolError(f"a reply that nobody asked for: {reply!r}"[:200])
            request = awaiting[head]
            replies = request.replies
            if replies is not None:
                replies.append(reply)
                parts = request.parts
                if parts is not None and len(replies) < len(parts):
                    continue
                reply = replies
                kind = list
            self.head = head + 1
            self.bytes_in_flight -= request.bytes
            if kind is not bytes and kind is not int and kind is not _NONE_TYPE and kind is not str:
                if isinstance(reply, ReplyError):
                    self.refused(request, reply)
                    if self.awaiting is not awaiting:
                        return
                    continue
                if isinstance(reply, UnicodeDecodeError):
                    request.fail(reply)
                    continue
            request.settle(reply)
        if self.head >= _COMPACT_FROM or self.head == len(awaiting):
            del awaiting[: self.head]
            self.head = 0
        if not self.is_open:
            self.look_for_room()

    def look_for_room(self) -> None:
        """Open for requests again, when what is in flight has fallen far enough."""
        if not self.is_paused and self.bytes_in_flight * 2 < self.bytes_max:
            self.is_open = True
            self.has_room()

    def pause(self) -> None:
        """Take no more requests: what was sent has not left yet."""
        self.is_paused = True
        self.is_open = False

    def resume(self) -> None:
        """What was sent has left."""
        self.is_paused = False
        self.look_for_room()

    def expire(self, now: float) -> list[Request]:
        """Return the requests whose deadline has passed and whose callers still wait.

        They keep their places. O(1) where none has passed, else O(n).
        """
        if now < self.earliest_deadline or self.head == len(self.awaiting):
            return []
        late: list[Request] = []
        earliest = 0.0
        for request in self.awaiting[self.head :]:
            if request.future.done():
                continue
            if request.deadline <= now:
                late.append(request)
            elif earliest == 0.0 or request.deadline < earliest:
                earliest = request.deadline
        self.earliest_deadline = earliest if earliest != 0.0 else now + 3600.0
        return late

    def close(self) -> list[Request]:
        """Take nothing more; return the requests that wait, and forget them.

        Their `was_sent` says whether the server may have seen them.
        """
        self.is_open = False
        left = self.awaiting[self.head :]
        unsent_from: i64 = len(left) - self.unflushed
        for position, request in enumerate(left):
            # Once it was, on any connection, it stays so.
            request.was_sent = request.was_sent or position < unsent_from
        self.awaiting = []
        self.head = 0
        self.bytes_in_flight = 0
        return left


@final
class Gate:
    """What the senders of one client share: where to write, on which loop, and the time.

    With one node, `channel` is its connection. With several, `find(argv)` names the connection
    that a request belongs to. Both are None where requests need more than to be written. `now` is
    read when nothing is in flight, and at each flush.
    """

    def __init__(self) -> None:
        self.channel: Channel | None = None
        self.find: Callable[[Argv], Channel | None] | None = None
        self.now = 0.0
        self.is_ticking = False
        self.thread = 0
        self.forks: i64 = 0
        # Until it belongs to a loop: no loop runs.
        self.is_running: Callable[[], object] = bool
        self.create_future: Callable[[], Any] = object
        self.clock: Callable[[], float] = float

    def belong(self, loop: Any) -> None:
        """Belong to a loop, which runs in this thread; there is no connection yet."""
        self.channel = None
        self.is_ticking = False
        self.thread = get_ident()
        self.forks = fork_generation()
        self.is_running = loop.is_running
        self.create_future = loop.create_future
        self.clock = loop.time

    def is_here(self) -> bool:
        """Is the caller on the loop that this belongs to?

        A thread runs one loop at a time. asyncio's own answer costs a system call (Python 3.11),
        a tenth of all that a request costs.
        """
        return (
            self.thread == get_ident()
            and self.forks == fork_generation()
            and self.is_running() is True
        )


@final
class Sender:
    """The way of a call into the buffer; what is out of the ordinary goes to `elsewhere`.

    `wake()` begins to look after deadlines.
    """

    def __init__(
        self,
        gate: Gate,
        deadline_s: float,
        wake: Callable[[], object],
        elsewhere: Callable[[Argv, Shape | None, float], Any],
    ) -> None:
        self.gate = gate
        self.deadline_s = deadline_s
        self.wake = wake
        self.elsewhere = elsewhere

    def send(self, argv: Argv, shape: Shape | None = None) -> Any:
        """Send one request; return the future of what `shape` makes of its reply."""
        gate = self.gate
        if not gate.is_here():
            return self.elsewhere(argv, shape, self.deadline_s)
        channel = gate.channel
        if channel is None:
            find = gate.find
            if find is not None:
                channel = find(argv)
        if channel is None or not channel.is_open:
            return self.elsewhere(argv, shape, self.deadline_s)
        if channel.head == len(channel.awaiting):
            gate.now = gate.clock()
            if not gate.is_ticking:
                self.wake()
        future = gate.create_future()
        channel.submit(Request(argv, shape, future, gate.now + self.deadline_s))
        return future
