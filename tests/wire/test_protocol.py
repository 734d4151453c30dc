"""The protocol itself, byte by byte: what is read, what is refused, and what happens afterwards."""

from __future__ import annotations

import pytest

from .client import CLOSED, Reply, WireError, encode_request
from .harness import Channel, Pair

PONG = Reply("simple", b"PONG")


def is_open(pair: Pair, client: str = "main") -> None:
    """Both servers still answer the client, and in step."""
    assert pair.same_raw(b"*2\r\n$4\r\nECHO\r\n$4\r\nhere\r\n", client=client)[0].text() == b"here"


def is_refused(pair: Pair, data: bytes) -> bytes:
    """Both servers answer with the same error and close the connection; returns its text."""
    replies = pair.same_raw(data, replies=2)
    assert [reply.kind for reply in replies] == ["error", "closed"]
    return replies[0].text()


def is_cut_off(pair: Pair, data: bytes) -> None:
    """Both servers close the connection without a reply."""
    assert pair.same_raw(data) == [CLOSED]


def keeps_waiting(pair: Pair, data: bytes) -> Channel:
    """Neither server answers `data`; returns the channel for what follows."""
    channel = pair.client()
    channel.ours.send_raw(data)
    channel.theirs.send_raw(data)
    pair.silent("main")
    return channel


@pytest.mark.parametrize(
    "count",
    ["", "-", "a", "1a", "+1", " 1", "1 ", "01", "-0", "1.0", "2147483648", "4294967297"]
    + ["9223372036854775807", "9223372036854775808", "18446744073709551617", "9" * 60]
    + ["-9223372036854775809"],
)
def test_counts_that_are_refused(pair: Pair, count: str) -> None:
    text = is_refused(pair, b"*" + count.encode() + b"\r\nPING\r\n")
    assert text == b"ERR Protocol error: invalid multibulk length"


@pytest.mark.parametrize("count", ["0", "-1", "-2", "-2147483649", "-9223372036854775808"])
def test_counts_that_are_no_request(pair: Pair, count: str) -> None:
    assert pair.same_raw(b"*" + count.encode() + b"\r\nPING\r\n") == [PONG]
    is_open(pair)


@pytest.mark.parametrize(
    "length",
    ["", "-", "-1", "-2", "a", "4a", "+4", " 4", "04", "-0", "4.0", "536870913", "4294967300"]
    + ["9223372036854775807", "-9223372036854775808", "18446744073709551620", "9" * 60],
)
def test_bulk_lengths_that_are_refused(pair: Pair, length: str) -> None:
    for before in (b"*1\r\n$", b"*2\r\n$4\r\nECHO\r\n$"):
        text = is_refused(pair, before + length.encode() + b"\r\nPING\r\n")
        assert text == b"ERR Protocol error: invalid bulk length"


@pytest.mark.parametrize(
    "line", [b"PING", b"4", b"*1", b":1", b"+OK", b"", b"\n", b"\xff", b"\t", b"#"]
)
def test_arguments_that_are_no_bulks_are_refused(pair: Pair, line: bytes) -> None:
    for before in (b"*1\r\n", b"*2\r\n$4\r\nECHO\r\n"):
        text = is_refused(pair, before + line + b"\r\n*1\r\n$4\r\nPING\r\n")
        assert text.startswith(b"ERR Protocol error: expected '$', got '")


def test_a_protocol_error_comes_behind_the_replies_so_far_and_ends_the_rest(pair: Pair) -> None:
    data = b"SET k 1\r\nINCR k\r\n*1\r\n$-1\r\nSET k 9\r\n"
    kinds = [reply.kind for reply in pair.same_raw(data, replies=4)]
    assert kinds == ["simple", "integer", "error", "closed"]
    assert pair.same("GET", "k").text() == b"2"


def test_a_protocol_error_inside_a_transaction_ends_it(pair: Pair) -> None:
    replies = pair.same_raw(b"MULTI\r\nSET k 1\r\n*x\r\n", replies=4)
    assert [reply.kind for reply in replies] == ["simple", "simple", "error", "closed"]
    pair.same("EXISTS", "k")


@pytest.mark.parametrize(
    "line",
    [
        b"PING\r\n",
        b"PING\n",
        b"   PING   \r\n",
        b"ping\thello\r\n",
        b"\x0bPING \x0cx\r\n",
        b"PING\x0bx\r\n",
        b"PING\rx\r\n",
        b"PING\r\r\n",
        b'PING "a b"\r\n',
        b"PING 'a b'\r\n",
        b'PING ""\r\n',
        b'PING a"b c"\r\n',
        b'PING "a"\x0b\r\n',
        b'PING "\\x41\\xff\\x4\\n\\r\\t\\b\\a\\q\\\\\\""\r\n',
        b"PING '\\n\\'\\x41'\r\n",
        b"PING a\\ b\r\n",
        b"PING \xff\xfe\x80\r\n",
        b'"" a\r\n',
        b"$4\r\n",
        b"+PING\r\n",
        b"GET / HTTP/1.1\r\n",
        b"nope a b\r\n",
        b"echo\r\n",
    ],
)
def test_inline_requests(pair: Pair, line: bytes) -> None:
    pair.same_raw(line)
    is_open(pair)


@pytest.mark.parametrize(
    "line", [b'PING "a\r\n', b"PING 'a\r\n", b"PING 'a'b\r\n", b'"a"b"\r\n', b'PING "\\\r\n']
)
def test_unbalanced_quotes_are_refused(pair: Pair, line: bytes) -> None:
    assert is_refused(pair, line) == b"ERR Protocol error: unbalanced quotes in request"


@pytest.mark.parametrize("data", [b"\r\n", b"\n", b"  \r\n", b"\r\r\n", b"\t\n", b"\r\n" * 50])
def test_empty_lines_are_passed_over(pair: Pair, data: bytes) -> None:
    assert pair.same_raw(data + b"PING\r\n" + data) == [PONG]
    is_open(pair)


@pytest.mark.parametrize(
    "data",
    [b"PI\0NG\r\n", b"PING\0\r\n", b"\0\r\n", b"*1\0\r\n$4\r\nPING\r\n", b"*1\r\n$4\0\r\nPING\r\n"]
    + [
        b"*1\n$4\nPING\n",
        b"*1\r\n\0\r\n",
        b"*1\r\nX",
        b"*1\r\nXYZW",
        b"*1\r\nX\r",
        b"*1\r\n$4\r\n",
    ],
)
def test_requests_whose_line_does_not_end(pair: Pair, data: bytes) -> None:
    keeps_waiting(pair, data)


def test_the_bytes_behind_an_argument_and_behind_a_cr_do_not_matter(pair: Pair) -> None:
    assert pair.same_raw(b"*1\rX$4\rYPINGzz*1\r\n$4\r\nPINGab", replies=2) == [PONG, PONG]
    is_open(pair)


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"x", b"too big inline request"),
        (b"'x", b"too big inline request"),
        (b"x\0\r\n", b"too big inline request"),
        (b"*1", b"too big mbulk count string"),
        (b"*1\0\r\n", b"too big mbulk count string"),
        (b"*1\r\n$1", b"too big bulk count string"),
        (b"*1\r\nX", b"too big bulk count string"),
        (b"*1\r\n$1\0\r\n", b"too big bulk count string"),
    ],
)
def test_lines_beyond_64_kib_are_refused(pair: Pair, start: bytes, text: bytes) -> None:
    head, mark, line = start.rpartition(b"*1\r\n")
    held = head + mark + line + b"1" * (65536 - len(line))
    keeps_waiting(pair, held)
    assert is_refused(pair, b"1") == b"ERR Protocol error: " + text


PIPELINE = (
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nb\r\n\0\xff\r\n"
    b"get a\r\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n*0\r\n"
    b"*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$12\r\n123456789012\r\nLRANGE l 0 -1\n"
    b"*1\r\n$4\r\nnope\r\n"
)


def test_a_pipeline_may_be_cut_anywhere(pair: Pair) -> None:
    expected = pair.same_raw(PIPELINE, replies=6)
    for cut in range(1, len(PIPELINE)):
        pair.same("FLUSHALL")
        channel = pair.client()
        for wire in (channel.ours, channel.theirs):
            wire.send_raw(PIPELINE[:cut])
        pair.both_ping()
        assert pair.same_raw(PIPELINE[cut:], replies=6) == expected, cut


def test_a_pipeline_may_come_byte_by_byte(pair: Pair) -> None:
    expected = pair.same_raw(PIPELINE, replies=6)
    pair.same("FLUSHALL")
    channel = pair.client()
    for place in range(len(PIPELINE) - 1):
        channel.ours.send_raw(PIPELINE[place : place + 1])
        channel.theirs.send_raw(PIPELINE[place : place + 1])
    assert pair.same_raw(PIPELINE[-1:], replies=6) == expected


def test_a_pipeline_of_thousands_of_requests_is_answered_in_order(pair: Pair) -> None:
    data = b"".join(
        b"*2\r\n$4\r\nECHO\r\n$%d\r\n%d\r\n" % (len(b"%d" % i), i) for i in range(20000)
    )
    replies = pair.same_raw(data, replies=20000)
    assert [reply.text() for reply in replies] == [b"%d" % i for i in range(20000)]


BINARY = [b"", b"\0", b"\r\n", b"\n", b"a\0b", b"$3\r\nabc\r\n", b"*1\r\n", b"\xff\xfe", b" ", b'"']


@pytest.mark.parametrize("word", BINARY)
def test_keys_and_values_are_binary(pair: Pair, word: bytes) -> None:
    pair.same("SET", word, word)
    pair.same("GET", word)
    pair.same("MSET", word, b"x" + word, word + b"k", word)
    pair.same("MGET", word, word + b"k")
    pair.same("STRLEN", word)
    pair.same("ECHO", word)
    pair.same("DEL", word)
    is_open(pair)


# Not "get\0": Redis takes it for GET if both fall into one bucket of its table, as chance has it.
@pytest.mark.parametrize("word", [*BINARY, b"x" * 200, b"\xc3\xa9" * 100, b"nope\0", b"GET "])
def test_unknown_commands_are_shown_alike(pair: Pair, word: bytes) -> None:
    pair.same_raw(encode_request([word]))
    pair.same_raw(encode_request([word, word]))
    pair.same_raw(encode_request([b"nope", word, b"b" * 60, word, b"c" * 60, b"d"]))
    pair.same_raw(encode_request([b"CLIENT", word]))
    is_open(pair)


@pytest.mark.parametrize("size", [1023, 1024, 16383, 16384, 32767, 32768, 32769, 65536, 1 << 20])
def test_arguments_and_replies_of_every_size(pair: Pair, size: int) -> None:
    value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    data = encode_request([b"SET", b"k", value]) + encode_request([b"GET", b"k"])
    assert pair.same_raw(data + b"STRLEN k\r\n", replies=3)[1].text() == value
    pair.same("GETRANGE", "k", 1, size - 2)


def test_a_huge_argument_in_pieces(pair: Pair) -> None:
    value = b"0123456789abcdef" * (1 << 20)
    request = encode_request([b"SET", b"k", value]) + b"PING\r\n"
    channel = pair.client()
    for wire in (channel.ours, channel.theirs):
        for place in range(0, len(request), 100_003):
            wire.send_raw(request[place : place + 100_003])
    pair.read(exactly=True)
    pair.read(exactly=True)
    pair.same("STRLEN", "k")
    pair.same("GETRANGE", "k", -20, -1)
    pair.same("DEL", "k")


def test_many_arguments(pair: Pair) -> None:
    words = [b"k%d" % i for i in range(30000)]
    pair.same("MSET", *[word for key in words for word in (key, key)])
    pair.same("MGET", *words)
    pair.same("DEL", *words)


@pytest.mark.parametrize(
    "line",
    [b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n", b"post\r\n", b"Host: localhost\r\n"]
    + [b"HOST:\r\n", b"*1\r\n$4\r\nPOST\r\n", b"*1\r\n$7\r\npost\0ab\r\n", b'"host:"\r\n']
    + [b"PING\r\nPOST a\r\nPING\r\n", b"SET k v\r\nHost: a\r\n"],
)
def test_a_request_of_a_browser_ends_the_connection(pair: Pair, line: bytes) -> None:
    is_cut_off(pair, line)
    pair.same("EXISTS", "k")


@pytest.mark.parametrize("line", [b"POSTS\r\n", b"Host\r\n", b"GET / HTTP/1.1\r\n", b"PUT /\r\n"])
def test_what_only_looks_like_a_request_of_a_browser_is_answered(pair: Pair, line: bytes) -> None:
    assert pair.same_raw(line)[0].kind == "error"
    is_open(pair)


def test_a_browser_inside_a_transaction_ends_it(pair: Pair) -> None:
    pair.same("MULTI")
    pair.same("SET", "k", "v")
    is_cut_off(pair, b"POST a\r\n")
    pair.same("EXISTS", "k")


def test_limits_before_the_password(pair: Pair) -> None:
    pair.protocol = 2  # no connection can begin with HELLO 3 here
    pair.config("requirepass", "secret")
    try:
        refused = b"ERR Protocol error: unauthenticated "
        assert is_refused(pair, b"*11\r\n") == refused + b"multibulk length"
        assert is_refused(pair, b"*1\r\n$16385\r\n") == refused + b"bulk length"
        assert is_refused(pair, b"*2147483648\r\n").endswith(b"invalid multibulk length")
        pair.same_raw(encode_request([b"x" * 16384] * 10), client="C")
        pair.same_raw(b"GET a\r\nnope\r\nGET\r\nPOSTS\r\n", replies=4, client="C")
        many = encode_request([b"MGET", *[b"k"] * 20])
        pair.same_raw(encode_request([b"AUTH", b"secret"]) + many, replies=2, client="C")
        is_cut_off(pair, b"POST\r\n")
    finally:
        for wire in (pair.control.ours, pair.control.theirs):
            assert wire.call("CONFIG", "SET", "requirepass", "") == Reply("simple", b"OK")


def test_the_protocol_changes_with_hello_inside_a_pipeline(pair: Pair) -> None:
    data = (
        b"GET gone\r\nHELLO 3\r\nGET gone\r\nHELLO 2\r\nGET gone\r\nHELLO\r\nHELLO 4\r\nHELLO x\r\n"
    )
    channel = pair.client()
    channel.ours.send_raw(data)
    channel.theirs.send_raw(data)
    for _ in range(8):
        ours, theirs = channel.ours.read(), channel.theirs.read()
        assert ours.kind == theirs.kind
        if ours.kind not in ("map", "array"):
            assert ours == theirs
        else:
            assert len(ours.items()) == len(theirs.items())
    is_open(pair)


def test_the_limit_of_a_bulk_follows_the_configuration(pair: Pair) -> None:
    pair.config("proto-max-bulk-len", 1 << 20)
    value = b"v" * (1 << 20)
    pair.same_raw(encode_request([b"SET", b"k", value]))
    assert is_refused(pair, b"*1\r\n$1048577\r\n") == b"ERR Protocol error: invalid bulk length"
    pair.same("APPEND", "k", "x")
    pair.same("SETRANGE", "k", 1 << 20, "x")
    pair.config("proto-max-bulk-len", 600 << 20)
    keeps_waiting(pair, b"*1\r\n$536870913\r\n")


def test_a_query_buffer_beyond_its_limit_ends_the_connection(pair: Pair) -> None:
    pair.config("client-query-buffer-limit", 1 << 20)
    channel = pair.client()
    for wire in (channel.ours, channel.theirs):
        wire.send_raw(b"*2\r\n$4\r\nECHO\r\n$8388608\r\n")
        with pytest.raises(WireError):
            for _ in range(64):
                wire.send_raw(b"x" * 131072)
            if wire.read_or_closed() == CLOSED:
                raise WireError
    pair.channels.pop("main").close()
    is_open(pair)


@pytest.mark.parametrize("depth", [1, 2, 50])
def test_nested_arrays_are_no_requests(pair: Pair, depth: int) -> None:
    text = is_refused(pair, b"*1\r\n" * (depth + 1) + b"$4\r\nPING\r\n")
    assert text == b"ERR Protocol error: expected '$', got '*'"


def test_huge_counts_that_never_come_cost_nothing(pair: Pair) -> None:
    keeps_waiting(pair, b"*2147483647\r\n$4\r\nPING\r\n")


def test_quit_answers_and_ignores_what_follows(pair: Pair) -> None:
    replies = pair.same_raw(b"PING\r\nQUIT\r\nSET k v\r\n", replies=3)
    assert [reply.kind for reply in replies] == ["simple", "simple", "closed"]
    pair.same("EXISTS", "k")
