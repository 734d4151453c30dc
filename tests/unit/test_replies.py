"""The reply writer: every type in both protocols, in the forms that redis-server 7.0.15 sends."""

from __future__ import annotations

import math

import pytest

from kvprotocol import replies
from kvprotocol.numbers import I64_MAX, I64_MIN
from kvprotocol.replies import (
    CHUNK_BYTES_MIN,
    BigNumber,
    EncodedArray,
    ErrorReply,
    Members,
    Pairs,
    Prepared,
    Push,
    Reply,
    ReplyWriter,
    Rows,
    Simple,
    Table,
    Verbatim,
    WithAttribute,
)


def written(reply: object, protocol: int) -> bytes:
    writer = ReplyWriter(protocol)
    writer.write(reply)
    return b"".join(writer.take_chunks())


MIXED: list[Reply] = [b"k", [1]]


@pytest.mark.parametrize(
    ("reply", "resp2", "resp3"),
    [
        (b"abc", b"$3\r\nabc\r\n", None),
        (b"", b"$0\r\n\r\n", None),
        (b"a\r\n\0\xff", b"$5\r\na\r\n\0\xff\r\n", None),
        (bytearray(b"abc"), b"$3\r\nabc\r\n", None),
        (None, b"$-1\r\n", b"_\r\n"),
        (replies.NIL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (replies.OK, b"+OK\r\n", None),
        (replies.PONG, b"+PONG\r\n", None),
        (replies.QUEUED, b"+QUEUED\r\n", None),
        (replies.NO_REPLY, b"", None),
        (Prepared(b"+2\r\n", b"+3\r\n"), b"+2\r\n", b"+3\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (False, b":0\r\n", b"#f\r\n"),
        (Simple(b"string"), b"+string\r\n", None),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (0.1, b"$19\r\n0.10000000000000001\r\n", b",0.10000000000000001\r\n"),
        (3.0, b"$1\r\n3\r\n", b",3\r\n"),
        (-0.0, b"$2\r\n-0\r\n", b",-0\r\n"),
        (1e100, b"$6\r\n1e+100\r\n", b",1e+100\r\n"),
        (math.inf, b"$3\r\ninf\r\n", b",inf\r\n"),
        (-math.inf, b"$4\r\n-inf\r\n", b",-inf\r\n"),
        ([], b"*0\r\n", None),
        ([b"a", 1, None], b"*3\r\n$1\r\na\r\n:1\r\n$-1\r\n", b"*3\r\n$1\r\na\r\n:1\r\n_\r\n"),
        ([[b"a"], [], [[7]]], b"*3\r\n*1\r\n$1\r\na\r\n*0\r\n*1\r\n*1\r\n:7\r\n", None),
        ({b"k": 1}, b"*2\r\n$1\r\nk\r\n:1\r\n", b"%1\r\n$1\r\nk\r\n:1\r\n"),
        ({}, b"*0\r\n", b"%0\r\n"),
        ({b"m"}, b"*1\r\n$1\r\nm\r\n", b"~1\r\n$1\r\nm\r\n"),
        (frozenset({2}), b"*1\r\n:2\r\n", b"~1\r\n:2\r\n"),
        (Pairs([b"k", b"v"]), b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n", b"%1\r\n$1\r\nk\r\n$1\r\nv\r\n"),
        (Pairs(MIXED), b"*2\r\n$1\r\nk\r\n*1\r\n:1\r\n", b"%1\r\n$1\r\nk\r\n*1\r\n:1\r\n"),
        (Members([b"a", b"b"]), b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"~2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        (Push([b"message", b"c", 1]), b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n:1\r\n", None),
        (Rows([b"m", 1.5]), b"*2\r\n$1\r\nm\r\n$3\r\n1.5\r\n", b"*1\r\n*2\r\n$1\r\nm\r\n,1.5\r\n"),
        (Rows([]), b"*0\r\n", None),
        (
            Table([b"a", [1]]),
            b"*1\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
            b"%1\r\n$1\r\na\r\n*1\r\n:1\r\n",
        ),
        (Verbatim(b"text"), b"$4\r\ntext\r\n", b"=8\r\ntxt:text\r\n"),
        (Verbatim(b"", b"mkd"), b"$0\r\n\r\n", b"=4\r\nmkd:\r\n"),
        (BigNumber(b"12345678901234567890"), b"$20\r\n12345678901234567890\r\n", b"("),
        (
            WithAttribute(Pairs([b"ttl", 5]), b"v"),
            b"$1\r\nv\r\n",
            b"|1\r\n$3\r\nttl\r\n:5\r\n$1\r\nv\r\n",
        ),
        (ErrorReply("ERR no"), b"-ERR no\r\n", None),
        (ErrorReply("ERR a\r\nb\nc"), b"-ERR a  b c\r\n", None),
        (ErrorReply("ERR caf\u00e9 \udcff"), b"-ERR caf\xc3\xa9 \xff\r\n", None),
        (EncodedArray(2, [b"$1\r\na\r\n", b"$1\r\nb\r\n"]), b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", None),
        (EncodedArray(0, []), b"*0\r\n", None),
    ],
)
def test_a_reply_in_both_protocols(reply: object, resp2: bytes, resp3: bytes | None) -> None:
    assert written(reply, 2) == resp2
    if isinstance(reply, Push):
        resp3 = b">" + resp2[1:]
    elif isinstance(reply, BigNumber):
        resp3 = b"(" + reply.text + b"\r\n"
    assert written(reply, 3) == (resp2 if resp3 is None else resp3)


@pytest.mark.parametrize(
    "value",
    [0, 1, 9, 10, 99, 100, 999, 1000, 1023, 1024, 1025, 9999, 10000, 123456789]
    + [10**n for n in range(4, 19)]
    + [10**n - 1 for n in range(4, 19)]
    + [I64_MAX, I64_MIN, I64_MIN + 1, -1, -9, -10, -1024, -(10**18)],
)
def test_integers_of_every_length(value: int) -> None:
    for protocol in (2, 3):
        assert written(value, protocol) == b":%d\r\n" % value


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 9999, 10000, 100000])
def test_arrays_of_every_count(count: int) -> None:
    assert written([7] * count, 2) == b"*%d\r\n" % count + b":7\r\n" * count


@pytest.mark.parametrize(
    "size",
    [1, 1023, 1024, 1025, 9999, 10000, CHUNK_BYTES_MIN - 1, CHUNK_BYTES_MIN, CHUNK_BYTES_MIN + 1]
    + [65535, 65536, 65537, 1 << 20],
)
def test_bulks_around_the_sizes_where_the_writer_changes_its_way(size: int) -> None:
    value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    expected = b"$%d\r\n%b\r\n" % (size, value)
    for protocol in (2, 3):
        assert written(value, protocol) == expected
        assert written([1, value, b"a", value], protocol) == (
            b"*4\r\n:1\r\n" + expected + b"$1\r\na\r\n" + expected
        )
        assert written(EncodedArray(1, [expected]), protocol) == b"*1\r\n" + expected


def test_a_large_bulk_is_handed_on_without_a_copy() -> None:
    value = b"v" * CHUNK_BYTES_MIN
    writer = ReplyWriter(2)
    writer.write([b"a", value, b"b"])
    chunks = writer.take_chunks()
    assert any(chunk is value for chunk in chunks)
    assert b"".join(chunks) == b"*3\r\n$1\r\na\r\n$16384\r\n" + value + b"\r\n$1\r\nb\r\n"


def test_the_size_counts_what_was_not_taken() -> None:
    writer = ReplyWriter(2)
    assert writer.size() == 0
    total = 0
    for reply in (b"a", 1, b"x" * 20000, [b"y" * 70000, 2], None):
        writer.write(reply)
        total += len(written(reply, 2))
        assert writer.size() == total
    assert sum(len(chunk) for chunk in writer.take_chunks()) == total
    assert writer.size() == 0
    assert writer.take_chunks() == []


def test_a_writer_is_used_again_after_a_flush() -> None:
    writer = ReplyWriter(2)
    for size in (10, 100000, 10):
        for _ in range(3):
            writer.raw(b"r" * size)
            assert b"".join(writer.take_chunks()) == b"r" * size
    for size in (100, 10000):
        for _ in range(20):
            writer.bulk(b"b" * size)
        assert writer.take() == b"$%d\r\n%b\r\n" % (size, b"b" * size) * 20
        assert writer.size() == 0


@pytest.mark.parametrize(("count", "is_kept"), [(5, True), (6, False)])
def test_a_buffer_that_grew_large_is_given_back(count: int, is_kept: bool) -> None:
    writer = ReplyWriter(2)
    buffer = writer.out
    for _ in range(count):
        writer.write(b"x" * 12000)
    assert len(writer.take()) > 12000 * count
    assert (writer.out is buffer) == is_kept


def test_what_was_taken_does_not_change_with_later_replies() -> None:
    writer = ReplyWriter(2)
    writer.bulk(b"first")
    first = writer.take()
    writer.bulk(b"other")
    assert first == b"$5\r\nfirst\r\n"
    assert writer.take() == b"$5\r\nother\r\n"


def test_raw_bytes_stay_in_order_with_replies() -> None:
    writer = ReplyWriter(2)
    writer.integer(1)
    writer.raw(b"+small\r\n")
    writer.raw(b"+" + b"l" * CHUNK_BYTES_MIN + b"\r\n")
    writer.error("ERR end")
    expected = b":1\r\n+small\r\n+" + b"l" * CHUNK_BYTES_MIN + b"\r\n-ERR end\r\n"
    assert b"".join(writer.take_chunks()) == expected


def test_the_protocol_may_change_between_replies() -> None:
    writer = ReplyWriter(2)
    writer.write(None)
    writer.protocol = 3
    writer.write(None)
    assert writer.take() == b"$-1\r\n_\r\n"


def test_what_is_no_reply_is_refused() -> None:
    for value in ("text", object(), 1j):
        with pytest.raises(TypeError, match="not a reply value"):
            written(value, 2)
