"""A strict RESP2/RESP3 socket client that keeps the exact type of each reply.

Client libraries fold replies into Python values (a simple string and a bulk become the same str),
so they cannot see a reply of the wrong type. Here a reply is its kind and its bytes; nothing is
decoded.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Final, NamedTuple

Argument = bytes | str | int | float


class Reply(NamedTuple):
    """One reply: `kind` names the RESP type, `value` holds its bytes, elements or None.

    All but integers stay bytes as sent; arrays, sets and pushes hold a tuple of replies; maps and
    attributes a tuple of their keys and values in turn.
    """

    kind: str
    value: object

    def items(self) -> tuple[Reply, ...]:
        """The elements of an array, set, push or map."""
        assert isinstance(self.value, tuple), self
        return self.value

    def pairs(self) -> list[tuple[Reply, Reply]]:
        """The elements by twos: of a map, or of RESP2's flat array."""
        items = self.items()
        return list(zip(items[::2], items[1::2], strict=True))

    def text(self) -> bytes:
        """The bytes of a textual reply."""
        assert isinstance(self.value, bytes), self
        return self.value

    def number(self) -> int:
        """The value of an integer reply."""
        assert isinstance(self.value, int), self
        return self.value

    def plain(self) -> object:
        """The reply as Python values without kinds, for a test's own assertions."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.items()]
        return self.value

    def shown(self, indent: int = 0) -> str:
        """The reply as lines of text for a failure's message."""
        pad = " " * indent
        if isinstance(self.value, tuple):
            rows = [f"{pad}{self.kind} of {len(self.value)}"]
            rows += [item.shown(indent + 2) for item in self.items()]
            return "\n".join(rows)
        if isinstance(self.value, bytes) and len(self.value) > 300:
            return f"{pad}{self.kind} {self.value[:300]!r}... ({len(self.value)} bytes)"
        return f"{pad}{self.kind} {self.value!r}"


class WireError(Exception):
    """The server broke the protocol, closed the connection, or did not answer in time."""


LINE_KINDS: Final = {
    ord("+"): "simple",
    ord("-"): "error",
    ord(","): "double",
    ord("("): "big-number",
}
BULK_KINDS: Final = {ord("$"): "bulk", ord("="): "verbatim", ord("!"): "bulk-error"}
ARRAY_KINDS: Final = {
    ord("*"): "array",
    ord("~"): "set",
    ord(">"): "push",
    ord("%"): "map",
    ord("|"): "attribute",
}
CLOSED: Final = Reply("closed", None)
TIMEOUT_S: Final = 10.0


def encode_argument(argument: Argument) -> bytes:
    """The bytes of one argument; numbers as Python prints them."""
    return argument if isinstance(argument, bytes) else str(argument).encode()


def encode_request(argv: tuple[Argument, ...] | list[bytes]) -> bytes:
    """A request as a RESP array of bulks."""
    chunks = [b"*%d\r\n" % len(argv)]
    for argument in argv:
        data = encode_argument(argument)
        chunks.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(chunks)


class Wire:
    """One connection: requests out, exact replies in."""

    def __init__(self, port: int, timeout_s: float = TIMEOUT_S) -> None:
        self.port = port
        self.timeout_s = timeout_s
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.position = 0

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def send(self, *argv: Argument) -> None:
        """Send one request."""
        self.send_raw(encode_request(argv))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise WireError(f"sending to port {self.port}: {error}") from error

    def call(self, *argv: Argument) -> Reply:
        """Send one request and read one reply."""
        self.send(*argv)
        return self.read()

    def readable(self, wait_s: float = 0.0) -> bool:
        """Has the server sent something that is not read yet (or closed the connection)?"""
        if self.position < len(self.buffer):
            return True
        return bool(select.select([self.socket], [], [], wait_s)[0])

    def read_or_closed(self) -> Reply:
        """One reply, or CLOSED if the server ended the connection between replies."""
        if self.position == len(self.buffer) and not self._receive(time.monotonic()):
            return CLOSED
        return self.read()

    def read(self) -> Reply:
        """Read exactly one reply."""
        reply = self._read_value(time.monotonic())
        if self.position == len(self.buffer):
            self.buffer.clear()
            self.position = 0
        elif self.position > 1 << 20:
            del self.buffer[: self.position]
            self.position = 0
        return reply

    def _receive(self, started: float) -> bool:
        left = self.timeout_s - (time.monotonic() - started)
        try:
            self.socket.settimeout(max(left, 0.001))
            data = self.socket.recv(1 << 18)
        except TimeoutError as error:
            seen = bytes(self.buffer[self.position :])[:200]
            raise WireError(
                f"no reply from port {self.port} in {self.timeout_s} s; had {seen!r}"
            ) from error
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def _more(self, started: float) -> None:
        if not self._receive(started):
            seen = bytes(self.buffer[self.position :])[:200]
            raise WireError(f"port {self.port} closed the connection; had {seen!r}")

    def _line(self, started: float) -> bytes:
        while (end := self.buffer.find(b"\r\n", self.position)) < 0:
            self._more(started)
        line = bytes(self.buffer[self.position : end])
        self.position = end + 2
        if b"\n" in line or b"\r" in line or not line:
            raise WireError(f"bad line {line!r} from port {self.port}")
        return line

    def _bulk(self, size: int, started: float) -> bytes:
        end = self.position + size
        while len(self.buffer) < end + 2:
            self._more(started)
        data = bytes(self.buffer[self.position : end])
        if self.buffer[end : end + 2] != b"\r\n":
            raise WireError(f"a bulk of {size} bytes does not end in CRLF, port {self.port}")
        self.position = end + 2
        return data

    def _read_value(self, started: float) -> Reply:
        line = self._line(started)
        mark, rest = line[0], line[1:]
        if mark == ord(":"):
            return Reply("integer", strict_int(rest))
        if mark in LINE_KINDS:
            return Reply(LINE_KINDS[mark], rest)
        if mark in BULK_KINDS:
            size = strict_int(rest)
            if size == -1 and mark == ord("$"):
                return Reply("nil-bulk", None)
            return Reply(BULK_KINDS[mark], self._bulk(check_size(size), started))
        if mark in ARRAY_KINDS:
            count = strict_int(rest)
            if count == -1 and mark == ord("*"):
                return Reply("nil-array", None)
            count = check_size(count) * (2 if ARRAY_KINDS[mark] in ("map", "attribute") else 1)
            items = tuple(self._read_value(started) for _ in range(count))
            return Reply(ARRAY_KINDS[mark], items)
        if line == b"_":
            return Reply("nil", None)
        if line in (b"#t", b"#f"):
            return Reply("boolean", line == b"#t")
        raise WireError(f"unknown reply {line!r} from port {self.port}")


def strict_int(text: bytes) -> int:
    """An integer in its one canonical form; `+1`, `01` and ` 1` are protocol errors."""
    try:
        value = int(text)
    except ValueError:
        raise WireError(f"bad integer {text!r}") from None
    if b"%d" % value != text:
        raise WireError(f"integer {text!r} is not canonical")
    return value


def check_size(size: int) -> int:
    """A length that may be read; negative ones are protocol errors here."""
    if size < 0:
        raise WireError(f"negative length {size}")
    return size


def wait_until(condition: Callable[[], bool], limit_s: float, pause_s: float = 0.002) -> bool:
    """Poll `condition` until it holds; False if it did not within the limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
