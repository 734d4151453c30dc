"""One connection on an asyncio loop: opened, greeted, flushed once a round, and closed."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol, cast

from kvclient.batches import ASKING, raise_first, shaped
from kvclient.errors import ConnectError, DeadlineExceeded, ProtocolError, ReplyError
from kvclient.forks import fork_generation
from kvclient.handshake import handshake, knows_no_hello
from kvclient.options import Options
from kvclient.routing.address import Address
from kvclient.sockets import set_keepalive
from kvclient.wire.channel import Argv, Channel, Request

_INBOX_BYTES_MAX: Final = 4 << 20
"""What a reader may lag behind; beyond, the socket is left unread, and the server decides."""
_MESSAGE_BYTES: Final = 200


class Owner(Protocol):
    """Who is told what happens to a connection."""

    def refused(self, request: Request, error: ReplyError) -> None:
        """An error reply came."""

    def pushed(self, message: list[Any]) -> None:
        """A push message came."""

    def has_room(self) -> None:
        """Requests may be submitted again."""

    def lost(self, unanswered: list[Request], cause: BaseException | None) -> None:
        """The connection is gone; these requests have no reply."""


class Plain:
    """Raises errors at whoever asked, and ignores pushes: for a connection of one user."""

    def refused(self, request: Request, error: ReplyError) -> None:
        """Raise the error at the caller."""
        request.fail(error)

    def pushed(self, message: list[Any]) -> None:
        """Ignore what was not asked for."""

    def has_room(self) -> None:
        """Nothing is held back."""

    def lost(self, unanswered: list[Request], cause: BaseException | None) -> None:
        """Raise at everyone who waits."""
        error = cause if isinstance(cause, ProtocolError) else None
        for request in unanswered:
            request.fail(error or ConnectError(f"the connection was lost: {cause or 'closed'}"))


class Inbox(Plain):
    """An owner that keeps messages for one reader; `read(False)` stops the socket, True resumes."""

    def __init__(self, address: Address, read: Callable[[bool], None]) -> None:
        self._address = address
        self._read = read
        self._is_reading = True
        self._bytes = 0
        self._messages: deque[Any] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._failure: ConnectError | None = None

    def pushed(self, message: list[Any]) -> None:
        """Keep a message; beyond the limit, read no more before the reader has caught up."""
        self._messages.append(message)
        self._bytes += _size(message)
        if self._is_reading and self._bytes > _INBOX_BYTES_MAX:
            self._is_reading = False
            self._read(False)
        self._wake()

    def lost(self, unanswered: list[Request], cause: BaseException | None) -> None:
        """Tell the reader, after the messages that came before."""
        reason = cause or "closed"
        self._failure = ConnectError(f"{self._address}: the connection was lost: {reason}")
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def next(self, timeout_s: float) -> Any:
        """Return the next message, None after `timeout_s`; ConnectError when there are no more."""
        if not self._messages and self._failure is None:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._reader
            except TimeoutError:
                return None
            finally:
                self._reader = None
        if self._messages:
            return self._taken()
        if self._failure is not None:
            raise self._failure
        return None

    def _taken(self) -> Any:
        message = self._messages.popleft()
        self._bytes -= _size(message)
        if not self._is_reading and self._bytes * 2 < _INBOX_BYTES_MAX:
            self._is_reading = True
            self._read(True)
        return message


def _size(message: Any) -> int:
    """Return about how many bytes a message takes; its texts are its last elements."""
    if isinstance(message, list) and message and isinstance(message[-1], bytes | str):
        return len(message[-1]) + _MESSAGE_BYTES
    return _MESSAGE_BYTES


class Connection(asyncio.Protocol):
    """A transport and its Channel. `owner` may be exchanged while nothing is in flight."""

    def __init__(
        self,
        options: Options,
        address: Address,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
    ) -> None:
        self.address = address
        self.owner = owner
        self._loop = loop
        self._inbox: Inbox | None = None
        self.channel = Channel(
            options.decode,
            self._ask_flush,
            self._refused,
            self._pushed,
            self._has_room,
            options.bytes_in_flight_max,
            options.escapes_text,
        )
        self.on_flush: Callable[[], None] | None = None
        self.is_closed = False
        self._transport: asyncio.Transport | None = None
        self._failure: BaseException | None = None
        self._generation = fork_generation()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's is no asyncio.Transport, but has all its methods.
        self._transport = cast("asyncio.Transport", transport)

    def fileno(self) -> int:
        """Return the socket's descriptor, for who wants to know whether something has come."""
        assert self._transport is not None
        descriptor: int = self._transport.get_extra_info("socket").fileno()
        return descriptor

    def has_ended(self) -> bool:
        """Has the server closed the connection, as far as the loop knows?"""
        return self.is_closed

    def data_received(self, data: bytes) -> None:
        """Hand on the replies; a stream that is no RESP ends the connection."""
        try:
            self.channel.receive(data)
        except Exception as error:
            # The parser raises several types where a stream makes no sense.
            self.abort(error if isinstance(error, ProtocolError) else ProtocolError(str(error)))

    def pause_writing(self) -> None:
        """The socket takes no more: hold requests back."""
        self.channel.pause()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self.channel.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        self._end(self._failure or exc)

    def abort(self, cause: BaseException | None = None) -> None:
        """Close at once; what is in flight is lost for the reason `cause`."""
        self._failure = self._failure or cause
        if self._transport is not None:
            self._transport.abort()
        self._end(cause)

    def _end(self, cause: BaseException | None) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.owner.lost(self.channel.close(), cause)

    def close(self) -> None:
        """Close."""
        self.abort()

    def tell(self, argv: Argv) -> None:
        """Send a request whose reply, if any, comes like a message; ConnectError if that fails."""
        if self.is_closed:
            raise ConnectError(f"{self.address}: the connection was lost")
        self.channel.tell(argv)

    def hand_over(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Let another protocol speak from now on; return the transport, which is its own."""
        assert self._transport is not None
        self._transport.set_protocol(protocol)
        return self._transport

    def become_stream(self) -> None:
        """From now on messages come, and no replies."""
        self._inbox = Inbox(self.address, self._set_reading)
        self.owner = self._inbox
        self.channel.is_stream = True

    def _set_reading(self, reads: bool) -> None:
        if self._transport is None or self.is_closed:
            return
        if reads:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    async def next_message(self, timeout_s: float) -> Any:
        """Return the next message, None after `timeout_s`; ConnectError if the line fails."""
        assert self._inbox is not None, "become_stream() comes first"
        return await self._inbox.next(timeout_s)

    async def ask(
        self, argv: Argv, limit_s: float | None, shape: Any = None, is_asking: bool = False
    ) -> Any:
        """Send a request of this connection's own user; return its reply.

        An error reply is raised; ConnectError if the connection is lost, DeadlineExceeded after
        `limit_s`: then the request may have been executed.
        """
        if is_asking:
            _, reply = await self.ask_all([ASKING, argv], limit_s)
            value = shaped(argv, shape, reply)
            if isinstance(value, Exception):
                raise value
            return value
        return await self._submit(Request(argv, shape, None, 0.0), limit_s)

    async def ask_all(self, argvs: list[Argv], limit_s: float | None) -> list[Any]:
        """Send several requests; return their replies, errors among them."""
        replies: list[Any] = await self._submit(Request(argvs[0], None, None, 0.0, argvs), limit_s)
        return replies

    async def _submit(self, request: Request, limit_s: float | None) -> Any:
        if self.is_closed:
            raise ConnectError(f"{self.address}: the connection was lost")
        request.future = self._loop.create_future()
        self.channel.submit(request)
        try:
            async with asyncio.timeout(limit_s):
                return await request.future
        except TimeoutError:
            self.abort()
            raise DeadlineExceeded(f"{self.address}: no reply within {limit_s:g} s") from None
        except asyncio.CancelledError:
            # The reply is still to come: nobody else may get it.
            self.abort()
            raise

    def forsake(self) -> None:
        """Let go of the connection without its loop, which is closed or a parent process's."""
        self.is_closed = True
        transport, self._transport = self._transport, None
        if transport is not None and self._generation == fork_generation():
            # uvloop lends no socket (a TypeError), and closed this one with its loop: its number
            # may be another's by now.
            with suppress(OSError, TypeError):
                transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def _ask_flush(self) -> None:
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self.on_flush is not None:
            self.on_flush()
        chunks = self.channel.take()
        if not self.is_closed and self._transport is not None:
            if len(chunks) == 1:
                self._transport.write(chunks[0])
            else:
                self._transport.writelines(chunks)

    def _refused(self, request: Request, error: ReplyError) -> None:
        self.owner.refused(request, error)

    def _pushed(self, message: list[Any]) -> None:
        self.owner.pushed(message)

    def _has_room(self) -> None:
        self.owner.has_room()


async def open_connection(options: Options, address: Address, limit_s: float) -> Connection:
    """Return a connection that has greeted the server; ConnectError or its error reply if not."""
    loop = asyncio.get_running_loop()

    def make() -> Connection:
        return Connection(options, address, loop, Plain())

    try:
        async with asyncio.timeout(limit_s):
            connection = await _dial(options, address, make)
            try:
                await _greet(connection, options)
            except BaseException:
                connection.abort()
                raise
    except TimeoutError:
        raise ConnectError(f"{address}: no answer within {limit_s:g} s") from None
    except OSError as error:
        raise ConnectError(f"{address}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise ConnectError(f"{address}: the name of the host cannot be: {error}") from error
    return connection


async def _dial(options: Options, address: Address, make: Callable[[], Connection]) -> Connection:
    loop = asyncio.get_running_loop()
    context = options.ssl_context()
    name = options.server_name(address)
    if address.path:
        _, connection = await loop.create_unix_connection(
            make, address.path, ssl=context, server_hostname=name if context else None
        )
        return connection
    transport, connection = await loop.create_connection(
        make, address.host, address.port, ssl=context, server_hostname=name if context else None
    )
    set_keepalive(transport.get_extra_info("socket"), options.keepalive_s)
    return connection


async def _greet(connection: Connection, options: Options) -> None:
    """Agree on the protocol, log in, select: RESP3, or RESP2 where the server has no HELLO."""
    for protocol in (3, 2) if options.protocol == 3 else (2,):
        requests: list[Argv] = list(handshake(options, protocol, options.read_from != "leader"))
        if not requests:
            return
        replies = await connection.ask_all(requests, None)
        first = replies[0]
        if protocol == 3 and isinstance(first, ReplyError) and knows_no_hello(first):
            continue
        raise_first(replies)
        return
