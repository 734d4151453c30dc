"""A blocking connection with the client's own reply parser, and nothing else of it."""

from __future__ import annotations

import socket
from typing import Any, Final, Self

from kvclient.errors import ReplyError
from kvclient.routing.address import Address
from kvclient.wire.channel import INCOMPLETE, new_reader

from ..wire.client import encode_request

TIMEOUT_S: Final = 10.0


class Link:
    """One connection; error replies are returned, not raised."""

    def __init__(self, address: Address, protocol: int = 2, decode: bool = False) -> None:
        self.socket = socket.create_connection((address.host, address.port), TIMEOUT_S)
        self.reader = new_reader(decode)
        if protocol == 3:
            hello = self.call("HELLO", "3")
            assert isinstance(hello, dict), hello

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.socket.close()

    def call(self, *argv: Any) -> Any:
        """Send one request and return its reply."""
        self.socket.sendall(encode_request(argv))
        while (reply := self.reader.gets()) is INCOMPLETE:
            data = self.socket.recv(1 << 16)
            assert data, f"{argv}: the connection was closed"
            self.reader.feed(data)
        return reply


def refused(reply: Any) -> ReplyError:
    """The error that a reply must be."""
    assert isinstance(reply, ReplyError), reply
    return reply
