"""The harness itself: it reads strictly, splits as redis-cli does, and sees every difference."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from . import counting
from .client import CLOSED, Reply, Wire, WireError, encode_request
from .harness import Difference, Pair, split_words
from .normalise import RULES, equal


class Answers:
    """A listener that answers every connection with fixed bytes and closes it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            # One byte at a time: no reply may depend on how the bytes arrive.
            for i in range(len(self.data)):
                connection.sendall(self.data[i : i + 1])
        self.listener.close()


def read_all(data: bytes) -> Iterator[Reply]:
    """The replies that the client makes of these bytes, up to the end of the connection."""
    wire = Wire(Answers(data).port, timeout_s=5.0)
    try:
        while (reply := wire.read_or_closed()) != CLOSED:
            yield reply
    finally:
        wire.close()


def test_every_reply_type_keeps_its_kind() -> None:
    data = (
        b"+OK\r\n-ERR no\r\n"
        b":-7\r\n$3\r\na\r\n\r\n$-1\r\n$0\r\n\r\n*-1\r\n*0\r\n*2\r\n:1\r\n*1\r\n+x\r\n"
        b"_\r\n#t\r\n#f\r\n,1.5\r\n(123\r\n"
        b"=5\r\ntxt:a\r\n~1\r\n:1\r\n%1\r\n+k\r\n:1\r\n>1\r\n+p\r\n"
    )
    one = Reply("integer", 1)
    assert list(read_all(data)) == [
        Reply("simple", b"OK"),
        Reply("error", b"ERR no"),
        Reply("integer", -7),
        Reply("bulk", b"a\r\n"),
        Reply("nil-bulk", None),
        Reply("bulk", b""),
        Reply("nil-array", None),
        Reply("array", ()),
        Reply("array", (one, Reply("array", (Reply("simple", b"x"),)))),
        Reply("nil", None),
        Reply("boolean", True),
        Reply("boolean", False),
        Reply("double", b"1.5"),
        Reply("big-number", b"123"),
        Reply("verbatim", b"txt:a"),
        Reply("set", (one,)),
        Reply("map", (Reply("simple", b"k"), one)),
        Reply("push", (Reply("simple", b"p"),)),
    ]


@pytest.mark.parametrize(
    "data",
    [
        *(b":01\r\n", b":+1\r\n", b":\r\n", b": 1\r\n", b"$2\r\nabc\r\n", b"$-2\r\n", b"*-2\r\n"),
        *(
            b"~-1\r\n",
            b"#x\r\n",
            b"_x\r\n",
            b"hello\r\n",
            b"\r\n",
            b"+a\nb\r\n",
            b"$5\r\nab",
            b"*2\r\n:1",
        ),
    ],
)
def test_bytes_that_are_no_reply_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        list(read_all(data))


def test_lines_are_split_as_redis_cli_does() -> None:
    line = r"""SET  "a b" 'c "d\' e' "\x00\xff\n\"\\" "" plain'quote"""
    expected = [b"SET", b"a b", b"c \"d' e", b'\x00\xff\n"\\', b"", b"plain'quote"]
    assert split_words(line) == expected
    assert encode_request(("GET", 1)) == b"*2\r\n$3\r\nGET\r\n$1\r\n1\r\n"
    for broken in ('"open', '"a"b', "'open"):
        with pytest.raises(AssertionError):
            split_words(broken)


def bulks(*words: bytes, kind: str = "array") -> Reply:
    """An array of bulks."""
    return Reply(kind, tuple(Reply("bulk", word) for word in words))


def test_rules_forgive_the_order_and_nothing_else() -> None:
    members = [b"SMEMBERS", b"k"]
    assert equal(members, bulks(b"a", b"b"), bulks(b"b", b"a"))
    assert not equal(members, bulks(b"a", b"b"), bulks(b"a", b"c"))
    assert not equal(members, bulks(b"a", b"a", b"b"), bulks(b"a", b"b", b"b"))
    assert not equal(members, bulks(b"a"), bulks(b"a", kind="set"))
    assert not equal([b"LRANGE", b"k"], bulks(b"a", b"b"), bulks(b"b", b"a"))
    pairs = [b"HGETALL", b"k"]
    assert equal(pairs, bulks(b"f", b"1", b"g", b"2"), bulks(b"g", b"2", b"f", b"1"))
    assert not equal(pairs, bulks(b"f", b"1", b"g", b"2"), bulks(b"g", b"1", b"f", b"2"))


def test_rules_forgive_a_moment_and_nothing_else() -> None:
    ttl = [b"TTL", b"k"]
    assert equal(ttl, Reply("integer", 100), Reply("integer", 99))
    assert not equal(ttl, Reply("integer", 100), Reply("integer", 98))
    assert not equal(ttl, Reply("integer", -1), Reply("integer", -2))
    assert not equal(ttl, Reply("integer", 0), Reply("integer", -1))
    assert not equal(ttl, Reply("bulk", b"5"), Reply("integer", 5))
    assert not equal(ttl, Reply("simple", b"QUEUED"), Reply("integer", 5))


def test_every_rule_compares_errors_exactly() -> None:
    for name in RULES:
        argv = name.split()
        error = Reply("error", b"ERR one")
        assert not equal(argv, error, Reply("error", b"ERR other")), name
        assert equal(argv, error, error), name
        assert not equal(argv, error, Reply("integer", 1)), name
        assert not equal(argv, Reply("integer", 1), error), name


def test_a_reply_that_differs_is_reported(pair: Pair) -> None:
    counted = counting.DIFFERENT.copy()
    pair.control.theirs.call("SET", "k", "theirs")
    pair.control.ours.call("SET", "k", "ours")
    with pytest.raises(Difference, match="GET k"):
        pair.same("GET", "k")
    with pytest.raises(Difference, match="GET k"):
        pair.same_keyspace()
    pair.control.ours.call("PUBLISH", "nobody", "x")
    pair.same("SUBSCRIBE", "channel", client="A")
    pair.control.ours.call("PUBLISH", "channel", "only ours")
    with pytest.raises(Difference, match="kvnode sent client A"):
        pair.silent("A")
    assert counting.DIFFERENT.total() == counted.total() + 2
    # These differences were made on purpose: the run's summary leaves them out.
    counting.DIFFERENT.clear()
    counting.DIFFERENT.update(counted)
