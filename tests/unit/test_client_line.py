"""The blocking wire: what follows a reply is a push, or ends the connection."""

from __future__ import annotations

from typing import Any

import pytest

from kvclient.errors import ProtocolError
from kvclient.wire.line import Line

PUSH = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
PUSHED = [b"invalidate", [b"k"]]


class Ends:
    """A Line whose server sends the pieces it is told, one with each read."""

    def __init__(self, *pieces: bytes, decode: bool = False) -> None:
        self.pieces = list(pieces)
        self.sent = 0
        self.pushes: list[Any] = []
        self.line = Line(decode, self._send, lambda count: self.pieces.pop(0), self.pushes.append)

    def _send(self, data: bytes) -> None:
        self.sent += 1

    def ask(self) -> Any:
        return self.line.exchange(("GET", "k"))

    def ask_twice(self) -> list[Any]:
        replies: list[Any] = []
        self.line.exchange_all([("GET", "k"), ("GET", "k")], replies)
        return replies


@pytest.mark.parametrize("surplus", [b":2\r\n", b"-ERR no\r\n", PUSH + b":2\r\n", b"?\r\n"])
def test_a_reply_behind_the_last_one_is_a_protocol_error(surplus: bytes) -> None:
    alone = Ends(b":1\r\n" + surplus)
    with pytest.raises(ProtocolError):
        alone.ask()
    assert not alone.line.is_clean
    batch = Ends(b":1\r\n", b":2\r\n" + surplus)
    with pytest.raises(ProtocolError):
        batch.ask_twice()
    assert not batch.line.is_clean


def test_a_text_behind_a_reply_that_is_no_utf_8_is_a_protocol_error() -> None:
    ends = Ends(b":1\r\n$1\r\n\xff\r\n", decode=True)
    with pytest.raises(ProtocolError):
        ends.ask()


def test_pushes_behind_a_reply_are_taken_at_once() -> None:
    ends = Ends(PUSH + b":1\r\n" + PUSH + PUSH)
    assert ends.ask() == 1
    assert ends.pushes == [PUSHED] * 3
    assert ends.line.is_clean


@pytest.mark.parametrize("cut", range(1, len(PUSH)))
def test_a_push_that_came_in_part_is_finished_before_the_next_request(cut: int) -> None:
    ends = Ends(b":1\r\n" + PUSH[:cut], PUSH[cut:], b":2\r\n")
    assert ends.ask() == 1
    assert ends.pushes == []
    assert ends.ask() == 2
    assert ends.pushes == [PUSHED]


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_reply_that_came_in_part_is_not_the_next_request_s(cut: int) -> None:
    surplus = b":9\r\n"
    ends = Ends(b":1\r\n" + surplus[:cut], surplus[cut:] + b":2\r\n")
    assert ends.ask() == 1
    with pytest.raises(ProtocolError):
        ends.ask()
    assert ends.sent == 1 and not ends.line.was_sent


def test_a_push_in_pieces_while_nobody_waits() -> None:
    ends = Ends(b":1\r\n")
    for cut in range(1, len(PUSH)):
        ends.line.take_pushes(PUSH[:cut])
        assert len(ends.pushes) == cut - 1
        ends.line.take_pushes(b"")
        ends.line.take_pushes(PUSH[cut:])
        assert len(ends.pushes) == cut
    assert ends.ask() == 1
