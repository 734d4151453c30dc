"""The first requests of a connection: who the caller is, and what holds for all that follows."""

from __future__ import annotations

from typing import Final

from kvclient.errors import ReplyError
from kvclient.options import Options

_DEFAULT_USER: Final = "default"


def handshake(options: Options, protocol: int, is_follower: bool = False) -> list[tuple[str, ...]]:
    """Return the requests that open a connection, to be sent in one piece.

    Any error in their replies is final but one to HELLO that `knows_no_hello`: then the connection
    is used as it is, with the handshake of protocol 2. `is_follower`: the node shall answer reads.
    """
    username, password, name = options.username, options.password, options.client_name
    requests: list[tuple[str, ...]] = []
    if protocol == 3:
        hello: list[str] = ["HELLO", "3"]
        if password is not None:
            hello += ["AUTH", username or _DEFAULT_USER, password]
        if name is not None:
            hello += ["SETNAME", name]
        requests.append(tuple(hello))
    else:
        if password is not None:
            # A server that is older than users takes the password alone.
            requests.append(("AUTH", username, password) if username else ("AUTH", password))
        if name is not None:
            requests.append(("CLIENT", "SETNAME", name))
    if options.db:
        requests.append(("SELECT", str(options.db)))
    if is_follower:
        requests.append(("READONLY",))
    return requests


def knows_no_hello(error: ReplyError) -> bool:
    """Say whether an error to HELLO means that the server speaks RESP2 only."""
    return error.code == "NOPROTO" or error.message.lower().startswith("err unknown command")
