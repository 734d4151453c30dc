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
"""A batch is sent in slices of so much, each after the replies of the one before: a server whose
replies are not read stops to read requests."""


@final
class Line:
    """Requests and replies of one socket; `send` takes all it is given, `receive` gives what came.

    `is_clean` is false while an exchange is under way, and stays so when one was interrupted: what
    comes next could be another request's reply. `was_sent` says whether anything of the last
    request may have reached the server.
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
        self.send = send
        self.receive = receive
        self.pushed = pushed
        self.out = ReplyWriter(2)
        self.is_clean = True
        self.was_sent = False

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
        self.is_clean = True
        return reply

    def exchange_all(self, argvs: list[Argv], replies: list[Any]) -> None:
        """Send many requests; append their replies in order, errors among them.

        What is in `replies` when it raises was answered.
        """
        self.was_sent = False
        lines = [[as_wire(argument) for argument in argv] for argv in argvs]
        out = self.out
        owed: i64 = 0
        for words in lines:
            out.array(len(words))
            for word in words:
                out.bulk(word)
            owed += 1
            if out.size() >= _SLICE_BYTES:
                self._send_out()
                self._collect(owed, replies)
                owed = 0
        if owed:
            self._send_out()
            self._collect(owed, replies)
        self.is_clean = True

    def _send_out(self) -> None:
        self.is_clean = False
        self.was_sent = True
        for chunk in self.out.take_chunks():
            self.send(chunk)

    def _collect(self, owed: i64, replies: list[Any]) -> None:
        while owed > 0:
            replies.append(self._next())
            owed -= 1

    def _next(self) -> Any:
        """Return the next reply; a text that is not UTF-8 is its error as a value."""
        while True:
            try:
                reply = self.gets()
            except UnicodeDecodeError as error:
                return error
            if reply is INCOMPLETE:
                data = self.receive(RECEIVE_BYTES)
                if not data:
                    raise ConnectionResetError("closed by the server")
                self.feed(data)
            elif type(reply) is PUSH:
                self.pushed(reply)
            else:
                return reply

    def take_pushes(self, data: bytes) -> None:
        """Take what came while nobody waited for a reply; ProtocolError if it is a reply."""
        self.feed(data)
        while True:
            reply = self.gets()
            if reply is INCOMPLETE:
                return
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
            data = self.receive(RECEIVE_BYTES)
            if not data:
                raise ConnectionResetError("closed by the server")
            self.feed(data)
