"""Probes by which the kernel finds that a silent peer is gone."""

from __future__ import annotations

import socket

_IDLE_S = 30
_INTERVAL_S = 10
_PROBES = 3


def set_keepalive(connection: socket.socket) -> None:
    """Let the kernel end a connection whose peer has not answered for about a minute."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _IDLE_S),
        ("TCP_KEEPINTVL", _INTERVAL_S),
        ("TCP_KEEPCNT", _PROBES),
    ):
        # Not every system has them all.
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
