"""Replies that are read in place: whole, one byte at a time, with more behind them."""

from __future__ import annotations

from typing import Any

import pytest

from kvclient.errors import ProtocolError, ReplyError, ShuffleFull
from kvclient.wire.bulk import BulkReader, pieces_of
from kvclient.wire.channel import INCOMPLETE

BLOCK = b"*5\r\n:3\r\n$2\r\n77\r\n:0\r\n$20\r\n18446744073709551615\r\n$%d\r\n%b\r\n"


def feed(reader: BulkReader, data: bytes) -> None:
    """Receive, as a socket would."""
    while data:
        room = reader.room()
        count = min(len(room), len(data))
        room[:count] = data[:count]
        reader.received(count)
        data = data[count:]


def byte_by_byte(reader: BulkReader, data: bytes, ask: Any) -> Any:
    """Return what comes when all bytes are there, and nothing before."""
    for position in range(len(data) - 1):
        feed(reader, data[position : position + 1])
        assert ask() is INCOMPLETE, data[: position + 1]
    feed(reader, data[-1:])
    return ask()


REPLIES = [
    (b":-12\r\n", -12),
    (b"+OK\r\n", b"OK"),
    (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"),
    (b"$0\r\n\r\n", b""),
    (b"$-1\r\n", None),
    (b"_\r\n", None),
    (b"(18446744073709551615\r\n", (1 << 64) - 1),
]


@pytest.mark.parametrize(("wire", "value"), REPLIES)
def test_a_reply_is_read(wire: bytes, value: Any) -> None:
    reader = BulkReader(64)
    assert byte_by_byte(reader, wire, reader.reply) == value
    feed(reader, wire + b":1\r\n" + wire[:2])
    assert reader.reply() == value and reader.reply() == 1
    assert reader.reply() is INCOMPLETE


def test_an_error_is_a_value() -> None:
    reader = BulkReader(64)
    feed(reader, b"-SHUFFLEFULL later\r\n-ERR no\r\n")
    assert isinstance(reader.reply(), ShuffleFull)
    assert type(reader.opening()) is ReplyError


@pytest.mark.parametrize("size", [0, 1, 50, 1000])
@pytest.mark.parametrize("room", [16, 64, 4096])
def test_a_fetch_is_read_from_a_buffer_of_any_size(size: int, room: int) -> None:
    reader = BulkReader(room)
    payload = bytes(n % 251 for n in range(size))
    for _ in range(5):
        assert byte_by_byte(reader, b"*3\r\n$3\r\n4-2\r\n", reader.opening) == (2, b"4-2")
        block = byte_by_byte(reader, BLOCK % (size, payload), reader.block)
        assert block == (3, 77, 0, (1 << 64) - 1, payload)
        feed(reader, BLOCK % (size, payload) + b":7\r\n")
        assert reader.block()[4] == payload and reader.reply() == 7
    feed(reader, b"*1\r\n:0\r\n")
    assert reader.opening() == (0, b"0")


def test_many_small_replies_do_not_make_it_grow() -> None:
    reader = BulkReader(64)
    for number in range(1000):
        feed(reader, b":%d\r\n" % number)
        assert reader.reply() == number
    assert len(reader._buffer) == 64


@pytest.mark.parametrize("wire", [b"HTTP/1.1\r\n", b"*2\r\n+a\r\n", b"x" * 70_000])
def test_nonsense_is_refused(wire: bytes) -> None:
    reader = BulkReader(64)
    feed(reader, wire + b"\r\n:1\r\n:2\r\n")
    with pytest.raises(ProtocolError):
        while True:
            reader.opening()
    reader = BulkReader(64)
    feed(reader, b"*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n$1\r\nx\r\n")
    with pytest.raises(ProtocolError, match="block"):
        reader.block()


@pytest.mark.parametrize("wire", [b":\r\n", b":1x\r\n", b"$\r\n", b"$1e3\r\n", b"*-\r\n"])
def test_what_is_no_number_is_refused(wire: bytes) -> None:
    reader = BulkReader(64)
    feed(reader, wire)
    with pytest.raises(ProtocolError, match="in the place of a number"):
        reader.reply()


@pytest.mark.parametrize(
    "wire",
    [
        b"*5\r\n:3\r\n$2\r\n77\r\n:0\r\n:1\r\n$-1\r\n:1\r\n",
        b"*5\r\n:3\r\n$2\r\n77\r\n:0\r\n:1\r\n$x\r\n",
        b"*5\r\n+a\r\n$2\r\n77\r\n:0\r\n:1\r\n$0\r\n\r\n",
        b"*5\r\n$-1\r\n$2\r\n77\r\n:0\r\n:1\r\n$0\r\n\r\n",
    ],
)
def test_what_is_no_block_is_refused(wire: bytes) -> None:
    reader = BulkReader(64)
    feed(reader, wire)
    with pytest.raises(ProtocolError):
        reader.block()


def test_a_request_leaves_in_pieces_and_is_whole() -> None:
    large = b"L" * 20_000
    words = [b"MPUSH", large, b"", b"small", large]
    pieces = pieces_of(words)
    assert [piece for piece in pieces if len(piece) > 10_000] == [large, large]
    expected = b"*5\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    assert b"".join(pieces) == expected
    assert b"".join(pieces_of([memoryview(word) for word in words])) == expected
    split = [(word[:3], word[3:]) for word in words]
    assert b"".join(pieces_of(split)) == expected
    assert pieces_of([(b"W", large)])[1] is large
