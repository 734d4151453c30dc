"""Settings of TCP sockets that both shells want."""

from __future__ import annotations

import socket

_PROBE_EVERY_S = 10
_PROBES = 3


def set_keepalive(connection: socket.socket, idle_s: float | None) -> None:
    """Have the kernel ask a silent peer for a sign of life after `idle_s` seconds, None for never.

    It gives the connection up half a minute later.
    """
    if idle_s is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", max(1, round(idle_s))),
        ("TCP_KEEPINTVL", _PROBE_EVERY_S),
        ("TCP_KEEPCNT", _PROBES),
    ):
        # Not every system has them all.
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
