"""One blocking connection, seen from above its socket: a request goes out, its reply comes in.

The socket is a blocking one whose time limits the kernel keeps (SO_RCVTIMEO): with Python's own
timeouts every read would cost a poll() more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from mypy_extensions import i64

from kvclient.errors import ProtocolError
from kvclient.wire.channel import INCOMPLETE, PUSH, Argv, new_reader
from kvclient.wire.encoding import as_wire
from kvprotocol.replies import ReplyWriter

RECEIVE_BYTES: Final = 65536
_SLICE_BYTES: Final = 262144
SLICE_REQUESTS: Final = 1000
"""A batch is sent in slices of so much, each after the replies of the one before: a server whose
replies are not read stops to read requests. And what comes after a slice surely was not sent when
the connection is lost."""


def encoded(argvs: list[Argv]) -> list[list[bytes]]:
    """Return the words of requests; ArgumentError where there are none for an argument."""
    return [[as_wire(argument) for argument in argv] for argv in argvs]


@final
class Line:
    """Requests and replies of one socket; `send` takes all it is given, `receive` gives what came.

    `is_clean` is false while an exchange is under way, and stays so when one was interrupted: what
    comes next could be another request's reply. `was_sent` says whether anything of the last
    request may have reached the server. Behind a reply only pushes may follow: anything else would
    be taken for the next request's reply, and is a ProtocolError.
    """

    def __init__(
        self,
        decode: bool,
        send: Callable[[bytes], object],
        receive: Callable[[int], bytes],
        pushed: Callable[[list[Any]], object],
        escapes: bool = False,
    ) -> None:
        reader = new_reader(decode, escapes)
        self.feed = reader.feed
        self.gets = reader.gets
        self.has_data = reader.has_data
        self.send = send
        self.receive = receive
        self.pushed = pushed
        self.out = ReplyWriter(2)
        self.is_clean = True
        self.was_sent = False
        self.is_amid_push = False

    def exchange(self, argv: Argv) -> Any:
        """Send a request and return its reply, an error reply too; OSError if the line fails."""
        self.was_sent = False
        words = [as_wire(argument) for argument in argv]
        out = self.out
        out.array(len(words))
        for word in words:
            out.bulk(word)
        self._send_out()
        reply = self._next()
        self._end()
        return reply

    def exchange_all(self, argvs: list[Argv], replies: list[Any]) -> None:
        """Send many requests; append their replies in order, errors among them.

        What is in `replies` when it raises was answered.
        """
        requests = encoded(argvs)
        done: i64 = 0
        while done < len(requests):
            count: i64 = self.send_slice(requests, done)
            self.collect(count, replies)
            done += count

    def send_slice(self, requests: list[list[bytes]], begin: i64) -> i64:
        """Send as many requests as may leave before their replies are read; return how many."""
        self.was_sent = False
        out = self.out
        position: i64 = begin
        end: i64 = min(len(requests), begin + SLICE_REQUESTS)
        while position < end and out.size() < _SLICE_BYTES:
            words = requests[position]
            out.array(len(words))
            for word in words:
                out.bulk(word)
            position += 1
        self._send_out()
        return position - begin

    def collect(self, owed: i64, replies: list[Any]) -> None:
        """Append the replies to a slice."""
        while owed > 0:
            replies.append(self._next())
            owed -= 1
        self._end()

    def _end(self) -> None:
        """An exchange is over."""
        if self.has_data():
            self.take_pushes(b"")
        self.is_clean = True

    def _send_out(self) -> None:
        self.is_clean = False
        if self.is_amid_push:
            self._receive_push()
        self.was_sent = True
        for chunk in self.out.take_chunks():
            self.send(chunk)

    def _next(self) -> Any:
        """Return the next reply; a text that is not UTF-8 is its error as a value."""
        while True:
            try:
                reply = self.gets()
            except UnicodeDecodeError as error:
                return error
            if reply is INCOMPLETE:
                self.feed(self._received())
            elif type(reply) is PUSH:
                self.pushed(reply)
            else:
                return reply

    def _receive_push(self) -> None:
        """Wait for the rest of what came in part: it must not be mixed up with a reply."""
        while self.is_amid_push:
            self.take_pushes(self._received())

    def _received(self) -> bytes:
        data = self.receive(RECEIVE_BYTES)
        if not data:
            raise ConnectionResetError("closed by the server")
        return data

    def take_pushes(self, data: bytes) -> None:
        """Take what came while nobody waited for a reply; ProtocolError if it is a reply."""
        self.feed(data)
        while self.has_data():
            try:
                reply = self.gets()
            except (UnicodeDecodeError, TypeError) as error:
                raise ProtocolError(f"nonsense that nobody asked for: {error}") from error
            if reply is INCOMPLETE:
                self.is_amid_push = True
                return
            self.is_amid_push = False
            if type(reply) is not PUSH:
                raise ProtocolError(f"a reply that nobody asked for: {reply!r}"[:200])
            self.pushed(reply)

    def tell(self, argv: Argv) -> None:
        """Send a request that has no reply, or one that comes like a message."""
        words = [as_wire(argument) for argument in argv]
        out = ReplyWriter(2)
        out.array(len(words))
        for word in words:
            out.bulk(word)
        for chunk in out.take_chunks():
            self.send(chunk)

    def next_message(self) -> Any:
        """Return whatever comes next; OSError when the time limit ends or the line fails."""
        while True:
            try:
                reply = self.gets()
            except UnicodeDecodeError as error:
                return error
            if reply is not INCOMPLETE:
                return reply
            self.feed(self._received())
