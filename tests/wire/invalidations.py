"""What tests of client-side caching need: who tracks, who is told, and the figures of INFO."""

from __future__ import annotations

import re

from .client import Reply
from .connections import request_on, same_each
from .harness import Pair, words

CHANNEL = "__redis__:invalidate"
INFO = words("tracking_clients tracking_total_keys tracking_total_items tracking_total_prefixes")


def same_info(pair: Pair) -> list[int]:
    """Compare the figures of INFO about tracking; returns ours."""
    both = []
    for reply in pair.both("INFO", "everything", client="control"):
        text = reply.text().decode()
        both.append([int(re.findall(rf"^{name}:(\d+)", text, re.MULTILINE)[0]) for name in INFO])
    assert both[0] == both[1]
    return both[0]


def told(messages: list[Reply]) -> list[object]:
    """The keys of invalidation messages, None for all keys, in their order."""
    found: list[object] = []
    for message in messages:
        items = message.items()
        assert items[0].value in (b"invalidate", b"message")
        found.append(items[-1].plain())
    return found


def redirected(pair: Pair, *options: str) -> None:
    """Make the main client's messages go to client R, which is subscribed if it needs to be."""
    if pair.protocol == 2:
        pair.same("SUBSCRIBE", CHANNEL, client="R")
    numbers = ids_of_subscriber(pair)
    same_each(pair, request_on(numbers, "CLIENT TRACKING ON REDIRECT", *options))


def ids_of_subscriber(pair: Pair) -> list[int]:
    """The ids of client R, which may not ask for it itself."""
    channel = pair.client("R")
    found = []
    for wire, control in (
        (channel.ours, pair.control.ours),
        (channel.theirs, pair.control.theirs),
    ):
        port = wire.socket.getsockname()[1]
        text = control.call("CLIENT", "LIST").text().decode()
        found.append(int(re.findall(rf"id=(\d+) addr=127\.0\.0\.1:{port} ", text)[0]))
    return found
