"""A blocking socket with a time limit for each exchange, which the kernel keeps.

With Python's own timeouts every read would cost a poll() more. The kernel's limit holds for one
read or write; where an exchange needs several, what is left is counted here.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from kvclient.wire.line import RECEIVE_BYTES

_LESS: Final = 0.9
_SMALL_BYTES: Final = 16384


def is_time_limit(error: OSError) -> bool:
    """Has a read or write ended because of `Connection.limit`?

    TLS reports it by errors of its own; they are told by name, since `ssl` takes long to import.
    """
    return isinstance(error, BlockingIOError | TimeoutError) or type(error).__name__ in (
        "SSLWantReadError",
        "SSLWantWriteError",
    )


class TimedSocket:
    """A connected socket; `feed` takes what comes while much is being sent.

    It knows nothing of who uses it, so that it is closed as soon as nobody does.
    """

    def __init__(self, connected: socket.socket) -> None:
        self.feed: Callable[[bytes], Any] = _nobody
        self._socket = connected
        self._is_plain = type(connected) is socket.socket
        self._limit_s = 0.0
        self._until = math.inf
        self._has_read = False

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

    def receive(self, count: int) -> bytes:
        """Read; the kernel limits one read, so that the further ones of an exchange get less."""
        if self._has_read and self._until != math.inf:
            left_s = self._left_s()
            if left_s < self._limit_s * _LESS:
                self._set_limit(left_s)
        self._has_read = True
        return self._socket.recv(count)

    def send(self, data: bytes) -> None:
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
                    self.feed(received)
                if event & select.POLLOUT:
                    rest = rest[self._socket.send(rest, socket.MSG_DONTWAIT) :]

    def glance(self) -> bytes | None:
        """Return what has come, without waiting: None for nothing, b"" at the end."""
        self._socket.setblocking(False)
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except OSError as error:
            return None if is_time_limit(error) else b""
        finally:
            self._socket.setblocking(True)

    def fileno(self) -> int:
        """Return the socket's descriptor, for who wants to know whether something has come."""
        return self._socket.fileno()

    def shut(self) -> None:
        """End the connection; a thread that reads wakes up."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __del__(self) -> None:
        self._socket.close()


def _nobody(data: bytes) -> None:
    """Nobody takes it."""
