"""TCP sockets as both shells want them: how they are made, and their settings."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Final

_PROBE_EVERY_S: Final = 10
_PROBES: Final = 3


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


def connect(host: str, port: int, limit_s: float) -> socket.socket:
    """Return a connected socket; TimeoutError when `limit_s` is over, OSError if it fails.

    The limit holds for the name and all of its addresses together.
    """
    until = time.monotonic() + limit_s
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in _addresses(host, port, limit_s):
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(left_s)
            made.connect(address)
        except OSError as error:
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failure


def _addresses(host: str, port: int, limit_s: float) -> list[tuple[Any, ...]]:
    """Look a name up, for `limit_s` at most; the resolver itself knows no limit."""
    try:
        return list(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST))
    except socket.gaierror:
        pass
    found: list[tuple[Any, ...]] = []
    failure: list[Exception] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failure.append(error)

    thread = threading.Thread(target=look_up, name="kvclient-resolver", daemon=True)
    thread.start()
    thread.join(limit_s)
    if failure:
        raise failure[0]
    if thread.is_alive():
        raise TimeoutError
    return found
