"""One blocking socket: opened, greeted, given time limits, and closed."""

from __future__ import annotations

import math
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from kvclient.batches import raise_first, shaped
from kvclient.errors import (
    ArgumentError,
    ConnectError,
    DeadlineExceeded,
    KvError,
    ProtocolError,
    ReplyError,
)
from kvclient.forks import fork_generation
from kvclient.handshake import handshake, knows_no_hello
from kvclient.options import Options
from kvclient.routing.address import Address
from kvclient.sockets import connect, set_keepalive
from kvclient.wire.channel import Argv
from kvclient.wire.line import RECEIVE_BYTES, Line

_LIMIT_S_MIN: Final = 0.001
_LESS: Final = 0.9
_SMALL_BYTES: Final = 16384
_STALE_AFTER_S: Final = 1.0
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
    """A socket and its Line; used by one thread at a time, but for `close`."""

    def __init__(self, options: Options, address: Address, limit_s: float) -> None:
        """Connect and greet; ConnectError, or the server's error reply, if that fails."""
        self.address = address
        self.generation = fork_generation()
        self.is_closed = False
        self._limit_s = 0.0
        self._until = 0.0
        self._has_read = False
        until = time.monotonic() + limit_s
        self._socket = _dial(options, address, limit_s)
        self._is_plain = type(self._socket) is socket.socket
        self.line = Line(options.decode, self._send, self._receive, ignore)
        try:
            self._greet(options, max(until - time.monotonic(), _LIMIT_S_MIN))
        except DeadlineExceeded:
            self.close()
            raise no_answer(address, limit_s) from None
        except BaseException:
            self.close()
            raise
        self.used_at = time.monotonic()

    def _greet(self, options: Options, limit_s: float) -> None:
        """Agree on the protocol, log in, select: RESP3, or RESP2 where the server has no HELLO."""
        for protocol in (3, 2) if options.protocol == 3 else (2,):
            requests: list[Argv] = list(handshake(options, protocol, options.read_from != "leader"))
            if not requests:
                return
            replies = self.ask_all(requests, limit_s)
            first = replies[0]
            if protocol == 3 and isinstance(first, ReplyError) and knows_no_hello(first):
                continue
            raise_first(replies)
            return

    def ask(self, argv: Argv, limit_s: float, shape: Callable[[Any], Any] | None = None) -> Any:
        """Send a request of this connection's own user; return its reply.

        An error reply is raised; ConnectError if the connection is lost, DeadlineExceeded after
        `limit_s`: then the request may have been executed.
        """
        value = shaped(argv, shape, self.ask_all([argv], limit_s)[0])
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
            self.close()
            if is_time_limit(error):
                raise DeadlineExceeded(f"{self.address}: no reply within {limit_s:g} s") from None
            raise self._failed(error) from error
        except ArgumentError:
            raise
        except BaseException as error:
            # Interrupted, or not understood: what comes next could be another request's reply.
            self.close()
            raise as_protocol_error(error) from error
        return replies

    def _failed(self, error: OSError) -> ConnectError:
        return ConnectError(f"{self.address}: {error.strerror or error}")

    def tell(self, argv: Argv) -> None:
        """Send a request whose reply, if any, comes like a message; ConnectError if that fails."""
        try:
            self.line.tell(argv)
        except OSError as error:
            self.close()
            raise self._failed(error) from error

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
            raise self._failed(error) from error
        except Exception as error:
            raise as_protocol_error(error) from error

    # --- time -------------------------------------------------------------------------------------

    def limit(self, seconds: float) -> None:
        """Let the exchange that begins now end after `seconds`, as `is_time_limit` tells."""
        self._has_read = False
        self._until = time.monotonic() + seconds
        if seconds != self._limit_s:
            self._set_limit(seconds)

    def unlimit(self) -> None:
        """Let reads and writes wait for as long as it takes."""
        self._until = math.inf
        self._set_limit(0.0)

    def _set_limit(self, seconds: float) -> None:
        self._limit_s = seconds
        whole = int(seconds)
        micros = int((seconds - whole) * 1e6)
        if self._until != math.inf and whole == 0:
            # Zero would mean no limit at all.
            micros = max(1, micros)
        value = struct.pack("@ll", whole, micros)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def _left_s(self) -> float:
        """Return what is left of the limit; TimeoutError if nothing is."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def _receive(self, count: int) -> bytes:
        """Read; the kernel limits one read, so that the further ones of an exchange get less."""
        if self._has_read and self._until != math.inf:
            left_s = self._left_s()
            if left_s < self._limit_s * _LESS:
                self._set_limit(left_s)
        self._has_read = True
        return self._socket.recv(count)

    def _send(self, data: bytes) -> None:
        """Write all of it."""
        if len(data) <= _SMALL_BYTES or not self._is_plain:
            self._socket.sendall(data)
        else:
            self._send_and_receive(data)

    def _send_and_receive(self, data: bytes) -> None:
        """Write much, and read what comes meanwhile: the server may wait until somebody does."""
        rest = memoryview(data)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLOUT)
        while rest:
            wait_ms = None if self._until == math.inf else self._left_s() * 1000
            events = poll.poll(wait_ms)
            for _, event in events:
                if event & ~select.POLLOUT:
                    received = self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
                    if not received:
                        raise ConnectionResetError("closed by the server")
                    self.line.feed(received)
                if event & select.POLLOUT:
                    rest = rest[self._socket.send(rest, socket.MSG_DONTWAIT) :]

    # --- the end ----------------------------------------------------------------------------------

    def is_fit(self, now: float) -> bool:
        """May the next request go here? Not after a fork, an interruption, or the server's end."""
        if self.is_closed or not self.line.is_clean or self.generation != fork_generation():
            return False
        return now - self.used_at < _STALE_AFTER_S or not self._has_ended()

    def _has_ended(self) -> bool:
        """Look, without waiting, whether the server has closed the connection."""
        self._socket.setblocking(False)
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except OSError as error:
            return not is_time_limit(error)
        finally:
            self._socket.setblocking(True)
        if data:
            try:
                # Pushes: nobody waits for a reply.
                self.line.take_pushes(data)
            except Exception:  # the parser raises several types where a stream makes no sense
                return True
        return not data

    def close(self) -> None:
        """End the connection; a thread that waits on it wakes up.

        The socket itself is closed when nobody has this object any more: its number could else be
        another file's while another thread reads from it. A child process only lets go of what is
        its parent's connection.
        """
        self.is_closed = True
        if self.generation == fork_generation():
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def __del__(self) -> None:
        own = getattr(self, "_socket", None)
        if own is not None:
            own.close()


def as_protocol_error(error: BaseException) -> BaseException:
    """Return what is raised for an error of the parser, which has several types for nonsense."""
    if isinstance(error, KvError) or not isinstance(error, Exception):
        return error
    return ProtocolError(str(error))


def no_answer(address: Address, limit_s: float) -> ConnectError:
    """Return the error of a server that is silent while a connection is made."""
    return ConnectError(f"{address}: no answer within {limit_s:g} s")


def _dial(options: Options, address: Address, limit_s: float) -> socket.socket:
    until = time.monotonic() + limit_s
    plain: socket.socket | None = None
    try:
        if address.path:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            plain.settimeout(limit_s)
            plain.connect(address.path)
        else:
            plain = connect(address.host, address.port, limit_s)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            set_keepalive(plain, options.keepalive_s)
        context = options.ssl_context()
        if context is not None:
            plain.settimeout(max(until - time.monotonic(), _LIMIT_S_MIN))
            plain = context.wrap_socket(plain, server_hostname=options.server_name(address))
        plain.settimeout(None)
        return plain
    except BaseException as error:
        if plain is not None:
            plain.close()
        if isinstance(error, TimeoutError):
            raise no_answer(address, limit_s) from None
        if isinstance(error, OSError):
            raise ConnectError(f"{address}: {error.strerror or error}") from error
        if isinstance(error, UnicodeError):
            raise ConnectError(f"{address}: the name of the host cannot be: {error}") from error
        raise
