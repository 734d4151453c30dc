"""One connection's requests and replies, sans-IO: what was written, and who waits for which reply.

Replies come in the order of the requests. A request whose caller went away (cancelled, deadline
passed) keeps its place, so that its reply is swallowed there and nobody gets another's.

What is written in one round of the loop leaves in one piece: `submit` only appends to a buffer,
and the first one asks for a flush. Measured against a prepared `bytes` object for each request this
saves a third of the client's time, and most of the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, final

import hiredis
from mypy_extensions import i64

from kvclient.errors import ProtocolError, ReplyError, reply_error
from kvclient.wire.encoding import as_wire
from kvprotocol.replies import ReplyWriter

Shape: TypeAlias = Callable[[Any], Any]
"""Makes what a method promises of a reply, which differs between RESP2 and RESP3."""

INCOMPLETE: Final = object()
_NONE_TYPE: Final = type(None)
_COMPACT_FROM: Final = 1024


def new_reader(decode: bool) -> hiredis.Reader:
    """Return a reply parser; with `decode` bulk strings become str, by UTF-8."""
    return hiredis.Reader(
        protocolError=ProtocolError,
        replyError=reply_error,
        encoding="utf-8" if decode else None,
        notEnoughData=INCOMPLETE,
    )


@final
class Request:
    """A request on its way: `future` gets the reply, or what `shape` makes of it.

    `count` replies belong to it, as a list where `is_batch`. `deadline` is in seconds of the
    loop's clock.
    """

    def __init__(
        self, argv: tuple[object, ...], shape: Shape | None, future: Any, deadline: float
    ) -> None:
        self.argv = argv
        self.shape = shape
        self.future = future
        self.deadline = deadline
        self.bytes: i64 = 0
        self.attempts: i64 = 0


@final
class Channel:
    """The requests of one connection that wait for replies, in order.

    `refused(request, error)` decides about an error reply; `pushed(message)` gets what the server
    sends unasked. `ask_flush()` is called when the buffer has its first request.
    """

    def __init__(
        self,
        decode: bool,
        ask_flush: Callable[[], object],
        refused: Callable[[Request, ReplyError], object],
        pushed: Callable[[list[Any]], object],
    ) -> None:
        reader = new_reader(decode)
        self.feed = reader.feed
        self.gets = reader.gets
        self.ask_flush = ask_flush
        self.refused = refused
        self.pushed = pushed
        self.out = ReplyWriter(2)
        self.awaiting: list[Request] = []
        self.head: i64 = 0
        self.bytes_in_flight: i64 = 0
        self.flush_is_due = False

    def waiting(self) -> int:
        """Return how many requests wait for a reply."""
        return len(self.awaiting) - self.head

    def submit(self, request: Request) -> None:
        """Write a request; ArgumentError leaves nothing behind."""
        words = [as_wire(argument) for argument in request.argv]
        out = self.out
        before = out.size()
        out.array(len(words))
        for word in words:
            out.bulk(word)
        size: i64 = out.size() - before
        request.bytes = size
        self.bytes_in_flight += size
        self.awaiting.append(request)
        if not self.flush_is_due:
            self.flush_is_due = True
            self.ask_flush()

    def take(self) -> list[bytes]:
        """Return what is to be sent."""
        self.flush_is_due = False
        return self.out.take_chunks()

    def receive(self, data: bytes) -> None:
        """Hand the replies in `data` to those who wait; ProtocolError ends the connection."""
        self.feed(data)
        gets = self.gets
        awaiting = self.awaiting
        head: i64 = self.head
        while True:
            try:
                reply = gets()
            except UnicodeDecodeError as error:
                reply = error
            if reply is INCOMPLETE:
                break
            kind = type(reply)
            if kind is hiredis.PushNotification:
                self.pushed(reply)
                continue
            if head >= len(awaiting):
                self.head = head
                raise ProtocolError(f"a reply that nobody asked for: {reply!r}"[:200])
            request = awaiting[head]
            head += 1
            self.bytes_in_flight -= request.bytes
            if kind is not bytes and kind is not int and kind is not _NONE_TYPE and kind is not str:
                if isinstance(reply, Exception):
                    self.head = head
                    if isinstance(reply, ReplyError):
                        self.refused(request, reply)
                    else:
                        settle_error(request, reply)
                    head = self.head
                    continue
            settle(request, reply)
        if head >= _COMPACT_FROM or head == len(awaiting):
            del awaiting[:head]
            head = 0
        self.head = head

    def unanswered(self) -> list[Request]:
        """Return the requests that wait, and forget them."""
        left = self.awaiting[self.head :]
        self.awaiting = []
        self.head = 0
        self.bytes_in_flight = 0
        return left


def settle(request: Request, reply: Any) -> None:
    """Give the caller the reply, if it still waits."""
    future = request.future
    shape = request.shape
    if shape is not None:
        try:
            reply = shape(reply)
        except Exception as error:
            name = request.argv[0]
            settle_error(request, ProtocolError(f"an unexpected reply to {name!r}: {error}"))
            return
    try:
        future.set_result(reply)
    except Exception:
        # Cancelled: the reply is swallowed in its place.
        return


def settle_error(request: Request, error: Exception) -> None:
    """Raise `error` at the caller, if it still waits."""
    if not request.future.done():
        request.future.set_exception(error)


@final
class Sender:
    """The front door of an AsyncClient with one node, from call to buffer."""

    def __init__(self, create_future: Callable[[], Any], channel: Channel) -> None:
        self.create_future = create_future
        self.channel = channel
        self.deadline = 0.0

    def send(self, argv: tuple[object, ...], shape: Shape | None = None) -> Any:
        future = self.create_future()
        self.channel.submit(Request(argv, shape, future, self.deadline))
        return future
