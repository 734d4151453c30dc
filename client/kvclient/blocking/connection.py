"""One blocking socket: opened, greeted, given time limits, and closed."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kvclient.batches import raise_first, shaped
from kvclient.errors import ConnectError, ReplyError
from kvclient.forks import fork_generation
from kvclient.handshake import handshake, knows_no_hello
from kvclient.options import Options
from kvclient.routing.address import Address
from kvclient.sockets import set_keepalive
from kvclient.wire.channel import Argv
from kvclient.wire.line import RECEIVE_BYTES, Line

_STALE_AFTER_S = 1.0
"""A connection that was not used for so long is looked at before it is used: the server may have
closed it, and a request sent into it would have an unknown outcome."""


def is_time_limit(error: OSError) -> bool:
    """Has a read or write ended because of `Connection.limit`?

    TLS reports it by errors of its own; they are told by name, since `ssl` takes long to import.
    """
    return isinstance(error, BlockingIOError | TimeoutError) or type(error).__name__ in (
        "SSLWantReadError",
        "SSLWantWriteError",
    )


def ignore(message: list[Any]) -> None:
    """Do nothing with a push message."""


class Connection:
    """A socket and its Line; used by one thread at a time."""

    def __init__(self, options: Options, address: Address) -> None:
        """Connect and greet; ConnectError, or the server's error reply, if that fails."""
        self.address = address
        self.generation = fork_generation()
        self._limit_s = 0.0
        self._socket = self._dial(options)
        self.line = Line(options.decode, self._socket.sendall, self._socket.recv, ignore)
        try:
            self._greet(options)
        except BaseException:
            self.close()
            raise
        self.used_at = time.monotonic()

    def _dial(self, options: Options) -> socket.socket:
        return _dial(options, self.address)

    def _greet(self, options: Options) -> None:
        """Agree on the protocol, log in, select: RESP3, or RESP2 where the server has no HELLO."""
        for protocol in (3, 2) if options.protocol == 3 else (2,):
            requests: list[Argv] = list(handshake(options, protocol))
            if not requests:
                return
            replies = self.ask_all(requests, options.connect_timeout_s)
            first = replies[0]
            if protocol == 3 and isinstance(first, ReplyError) and knows_no_hello(first):
                continue
            raise_first(replies)
            return

    def ask(self, argv: Argv, limit_s: float, shape: Callable[[Any], Any] | None = None) -> Any:
        """Send a request of this connection's own user; return its reply.

        An error reply is raised; ConnectError if the connection is lost, or after `limit_s`.
        """
        replies = self.ask_all([argv], limit_s)
        value = shaped(argv, shape, replies[0])
        if isinstance(value, Exception):
            raise value
        return value

    def ask_all(self, argvs: list[Argv], limit_s: float) -> list[Any]:
        """Send several requests; return their replies, errors among them."""
        replies: list[Any] = []
        self.limit(limit_s)
        try:
            self.line.exchange_all(argvs, replies)
        except OSError as error:
            if is_time_limit(error):
                raise ConnectError(f"{self.address}: no reply within {limit_s:g} s") from None
            raise ConnectError(f"{self.address}: {error.strerror or error}") from error
        return replies

    def tell(self, argv: Argv) -> None:
        """Send a request whose reply, if any, comes like a message; ConnectError if that fails."""
        try:
            self.line.tell(argv)
        except OSError as error:
            raise ConnectError(f"{self.address}: {error.strerror or error}") from error

    def become_stream(self) -> None:
        """From now on messages come, and no replies."""

    def next_message(self, timeout_s: float) -> Any:
        """Return the next message, None after `timeout_s`; ConnectError if the line fails."""
        self.limit(max(timeout_s, 0.0))
        try:
            return self.line.next_message()
        except OSError as error:
            if is_time_limit(error):
                return None
            raise ConnectError(f"{self.address}: {error.strerror or error}") from error

    def limit(self, seconds: float) -> None:
        """Let every read and write end after `seconds`, with BlockingIOError."""
        if seconds != self._limit_s:
            self._limit_s = seconds
            whole = int(seconds)
            # At least a microsecond: zero means no limit at all.
            value = struct.pack("@ll", whole, max(1, int((seconds - whole) * 1e6)))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def unlimit(self) -> None:
        """Let reads and writes wait for as long as it takes."""
        self._limit_s = 0.0
        value = struct.pack("@ll", 0, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def is_fit(self, now: float) -> bool:
        """May the next request go here? Not after a fork, an interruption, or the server's end."""
        if self.generation != fork_generation() or not self.line.is_clean:
            return False
        return now - self.used_at < _STALE_AFTER_S or not self.has_ended()

    def has_ended(self) -> bool:
        """Look, without waiting, whether the server has closed the connection."""
        self._socket.setblocking(False)
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except OSError as error:
            return not is_time_limit(error)
        finally:
            self._socket.setblocking(True)
        if data:
            # Pushes: nobody waits for a reply.
            self.line.take_pushes(data)
        return not data

    def fileno(self) -> int:
        """Return the socket's descriptor, for who wants to know whether something has come."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket; a thread that waits on it wakes up."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def no_answer(address: Address, options: Options) -> ConnectError:
    """Return the error of a server that is silent while a connection is made."""
    return ConnectError(f"{address}: no answer within {options.connect_timeout_s:g} s")


def _dial(options: Options, address: Address) -> socket.socket:
    try:
        if address.path:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            plain.settimeout(options.connect_timeout_s)
            plain.connect(address.path)
        else:
            plain = socket.create_connection(
                (address.host, address.port), options.connect_timeout_s
            )
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            set_keepalive(plain, options.keepalive_s)
        context = options.ssl_context()
        if context is not None:
            name = options.server_name(address)
            plain = context.wrap_socket(plain, server_hostname=name)
    except TimeoutError:
        raise no_answer(address, options) from None
    except OSError as error:
        raise ConnectError(f"{address}: {error.strerror or error}") from error
    plain.settimeout(None)
    return plain
