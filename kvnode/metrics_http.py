"""The HTTP side of `metrics-port`: GET /metrics and GET /healthz, served by the node's own loop.

One request a connection, no body, no keep-alive: what a scraper and a load balancer need. A thread
with a web server of its own would read the node's counters while a command changes them.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from kvnode.metrics import CONTENT_TYPE, exposition
from kvnode.node import Node

_REQUEST_BYTES_MAX: Final = 8192
_REQUEST_SECONDS: Final = 10.0
_PLAIN: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


class MetricsConnection(asyncio.Protocol):
    """One scrape."""

    def __init__(self, node: Node, loop: asyncio.AbstractEventLoop) -> None:
        self._node = node
        self._loop = loop
        self._received = b""
        self._answered = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._patience = self._loop.call_later(_REQUEST_SECONDS, transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._patience.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once the head of the request is there."""
        self._received += data
        if self._answered:
            return
        if b"\r\n\r\n" in self._received or b"\n\n" in self._received:
            self._send(*respond(self._node, self._received))
        elif len(self._received) > _REQUEST_BYTES_MAX:
            self._send(400, _PLAIN, b"the request is too long\n", True)

    def _send(self, status: int, kind: str, body: bytes, has_body: bool) -> None:
        self._answered = True
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + (body if has_body else b""))
        self._transport.close()


def respond(node: Node, request: bytes) -> tuple[int, str, bytes, bool]:
    """Return the answer to a request's head: status, content type, body, whether to send the body.

    /healthz is 200 while the node serves commands, 503 while it loads its data.
    """
    words = request.split(b"\r\n", 1)[0].split()
    if len(words) != 3 or not words[2].startswith(b"HTTP/"):
        return 400, _PLAIN, b"not an HTTP request\n", True
    method, target = words[0], words[1].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return 405, _PLAIN, b"allowed: GET, HEAD\n", True
    has_body = method == b"GET"
    if target == b"/metrics":
        return 200, CONTENT_TYPE, exposition(node), has_body
    if target == b"/healthz":
        if node.is_loading():
            return 503, _PLAIN, b"loading\n", has_body
        return 200, _PLAIN, b"ok\n", has_body
    return 404, _PLAIN, b"here are /metrics and /healthz\n", has_body
