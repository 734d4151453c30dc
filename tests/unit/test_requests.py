"""The request parser: every stream is read whole, byte by byte, and with trailing data."""

from __future__ import annotations

import sys

import pytest

from kvprotocol.errors import ProtocolError
from kvprotocol.requests import (
    BULK_BYTES_MAX,
    LINE_BYTES_MAX,
    MULTIBULK_MAX,
    RequestParser,
    split_words,
)

TRAILING = b"*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n"
TRAILER = [b"ECHO", b"a\r\n"]


def drain(parser: RequestParser) -> list[list[bytes]]:
    """The requests that are complete now; empty ones are left out, as the dispatcher does."""
    found = []
    while (argv := parser.next()) is not None:
        if argv:
            found.append(argv)
    return found


def read_in_pieces(data: bytes, size: int, trusted: bool = True) -> list[list[bytes]]:
    parser = RequestParser()
    parser.trusted = trusted
    found = []
    for place in range(0, len(data), size):
        parser.feed(data[place : place + size])
        found += drain(parser)
    return found


def read(data: bytes) -> list[list[bytes]]:
    """The requests in `data`, which must not depend on how the bytes come in."""
    whole = read_in_pieces(data, max(len(data), 1))
    for size in (1, 2, 3, 7):
        assert read_in_pieces(data, size) == whole, size
    assert read_in_pieces(data + TRAILING, len(data) + len(TRAILING)) == [*whole, TRAILER]
    assert read_in_pieces(data + TRAILING, 1) == [*whole, TRAILER]
    return whole


def refusal(data: bytes, trusted: bool = True) -> str:
    """The protocol error that `data` raises, however it comes in."""
    texts = []
    for stream in (data, data + TRAILING):
        for size in (len(stream), 1):
            with pytest.raises(ProtocolError) as caught:
                read_in_pieces(stream, size, trusted)
            texts.append(caught.value.message)
    assert len(set(texts)) == 1, texts
    return texts[0].removeprefix("Protocol error: ")


def incomplete(data: bytes) -> None:
    """`data` is held without a request and without an error."""
    for size in (max(len(data), 1), 1):
        parser = RequestParser()
        for place in range(0, len(data), size):
            parser.feed(data[place : place + size])
            assert parser.next() is None
        assert parser.buffered() == len(data) or data.startswith(b"*")


def request(*argv: bytes) -> bytes:
    return b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in argv)


@pytest.mark.parametrize(
    "argv",
    [
        [b"PING"],
        [b""],
        [b"SET", b"key", b""],
        [b"SET", b"a\r\nb", b"\0\xff$3\r\n"],
        [b"x" * n for n in range(12)],
        [b"y" * 9, b"y" * 10, b"y" * 99, b"y" * 100, b"y" * 1000],
    ],
)
def test_an_array_of_bulks_is_read_as_it_was_written(argv: list[bytes]) -> None:
    assert read(request(*argv)) == [argv]


@pytest.mark.parametrize("count", [1, 9, 10, 11, 99, 100, 1000])
def test_arrays_of_any_count_are_read(count: int) -> None:
    argv = [b"%d" % i for i in range(count)]
    assert read(request(*argv)) == [argv]


def test_a_pipeline_is_read_in_order() -> None:
    argvs = [[b"SET", b"k%d" % i, b"v" * i] for i in range(30)]
    assert read(b"".join(request(*argv) for argv in argvs)) == argvs


def test_inline_and_array_requests_mix() -> None:
    data = b"PING\r\n" + request(b"GET", b"a") + b"\r\nset 'a b' c\n*0\r\n*-1\r\n" + request(b"x")
    assert read(data) == [[b"PING"], [b"GET", b"a"], [b"set", b"a b", b"c"], [b"x"]]


@pytest.mark.parametrize(
    "data",
    [b"\r\n", b"\n", b"   \r\n", b"*0\r\n", b"*-1\r\n", b"*-100\r\n", b"*-9223372036854775808\r\n"],
)
def test_empty_requests_are_passed_over(data: bytes) -> None:
    assert read(data) == []
    assert read(data + b"PING\r\n" + data) == [[b"PING"]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"PING\r\n", [b"PING"]),
        (b"PING\n", [b"PING"]),
        (b"  SET  a   b \r\n", [b"SET", b"a", b"b"]),
        (b"a\tb\r\n", [b"a", b"b"]),
        (b"\x0bPING \x0cx\r\n", [b"PING", b"x"]),
        (b"PING\x0bx\r\n", [b"PING\x0bx"]),
        (b"PING\rx\r\n", [b"PING", b"x"]),
        (b"PING\r\r\n", [b"PING"]),
        (b"\r\r\n", []),
        (b'SET "a b" c\r\n', [b"SET", b"a b", b"c"]),
        (b"\"\" ''\r\n", [b"", b""]),
        (b'a"b c"\r\n', [b"ab c"]),
        (b'"a"\x0bb\r\n', [b"a", b"b"]),
        (b'"\\n\\r\\t\\b\\a\\\\\\"\\q"\r\n', [b'\n\r\t\x08\x07\\"q']),
        (b'"\\x41\\xfF\\x4"\r\n', [b"A\xffx4"]),
        (b"'\\n\\'\\\\x'\r\n", [b"\\n'\\\\x"]),
        (b"a\\ b\r\n", [b"a\\", b"b"]),
        (b"caf\xc3\xa9 \xff\xfe\r\n", [b"caf\xc3\xa9", b"\xff\xfe"]),
        (b"$3\r\n", [b"$3"]),
        (b"\x01\x7f\r\n", [b"\x01\x7f"]),
    ],
)
def test_an_inline_line_is_split_as_redis_does(line: bytes, words: list[bytes]) -> None:
    assert read(line) == ([words] if words else [])


@pytest.mark.parametrize(
    "line", [b'"a\r\n', b"'a\r\n", b"'a'b\r\n", b'"a"b\r\n', b'"a\\\r\n', b'x "\r\n', b"\"'\r\n"]
)
def test_unbalanced_quotes_are_refused(line: bytes) -> None:
    assert refusal(line) == "unbalanced quotes in request"


@pytest.mark.parametrize(
    "count",
    [
        b"",
        b"-",
        b"a",
        b"1a",
        b"+1",
        b" 1",
        b"1 ",
        b"01",
        b"-0",
        b"00",
        b"-01",
        b"1.0",
        b"2147483648",
        b"999999999999999999",
        b"9223372036854775807",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"18446744073709551617",
        b"9" * 100,
    ],
)
def test_a_count_that_is_no_number_or_too_large_is_refused(count: bytes) -> None:
    assert refusal(b"*" + count + b"\r\n") == "invalid multibulk length"


@pytest.mark.parametrize(
    "length",
    [
        b"",
        b"-",
        b"-1",
        b"-10",
        b"a",
        b"3a",
        b"+3",
        b"03",
        b"-0",
        b" 3",
        b"536870913",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"18446744073709551619",
    ],
)
def test_a_bulk_length_that_is_no_number_or_out_of_bounds_is_refused(length: bytes) -> None:
    assert refusal(b"*1\r\n$" + length + b"\r\n") == "invalid bulk length"
    assert refusal(b"*2\r\n$3\r\nGET\r\n$" + length + b"\r\n") == "invalid bulk length"


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        (b"X\r\n", "X"),
        (b"4\r\nPING\r\n", "4"),
        (b"*1\r\n", "*"),
        (b"+\r\n", "+"),
        (b"\r\n", "\r"),
        (b"\n\r\n", "\n"),
        (b"\xff\r\n", "\udcff"),
    ],
)
def test_an_argument_that_is_no_bulk_is_refused(line: bytes, mark: str) -> None:
    assert refusal(b"*1\r\n" + line) == f"expected '$', got '{mark}'"
    assert refusal(b"*3\r\n$1\r\na\r\n" + line) == f"expected '$', got '{mark}'"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"P",
        b"PING",
        b"PING\r",
        b"*",
        b"*1",
        b"*1\r",
        b"*1\r\n",
        b"*1\r\n$",
        b"*1\r\n$4",
        b"*1\r\n$4\r",
        b"*1\r\n$4\r\n",
        b"*1\r\n$4\r\nPING",
        b"*1\r\n$4\r\nPING\r",
        b"*1\r\nX",
        b"*1\r\nXYZW",
        b"*1\r\nX\r",
        b"*2147483647\r\n",
        b"*1\r\n$536870912\r\n",
        b"*1\n$4\nPING\n",
        b'"a b',
    ],
)
def test_a_request_that_is_cut_off_waits_for_more(data: bytes) -> None:
    incomplete(data)


@pytest.mark.parametrize(
    "data",
    [b"PI\0NG\r\n", b"PING\0\r\n", b"\0\r\n", b"*1\0\r\n", b"*1\r\n$4\0\r\n", b"*1\r\n\0\r\n"],
)
def test_a_line_with_a_nul_never_ends_as_in_redis(data: bytes) -> None:
    incomplete(data)


def test_the_bytes_behind_a_bulk_and_behind_the_cr_of_a_length_are_not_looked_at() -> None:
    assert read(b"*1\rX$4\rYPINGzz") == [[b"PING"]]


def test_lines_may_be_long_but_not_longer_than_the_limit() -> None:
    parser = RequestParser()
    for start, text in (
        (b"x", "too big inline request"),
        (b"'x", "too big inline request"),
        (b"x\0\r\n", "too big inline request"),
        (b"*1", "too big mbulk count string"),
        (b"*1\0\r\n", "too big mbulk count string"),
    ):
        parser = RequestParser()
        parser.feed(start + b"1" * (LINE_BYTES_MAX - len(start)))
        assert parser.next() is None
        parser.feed(b"1")
        with pytest.raises(ProtocolError, match=f"Protocol error: {text}"):
            parser.next()
    for start in (b"$1", b"$1\0\r\n", b"X", b"X\0\r\n"):
        parser = RequestParser()
        parser.feed(b"*1\r\n" + start + b"1" * (LINE_BYTES_MAX - len(start)))
        assert parser.next() is None
        parser.feed(b"1")
        with pytest.raises(ProtocolError, match="too big bulk count string"):
            parser.next()


def test_an_inline_line_of_the_limit_is_read() -> None:
    word = b"w" * (LINE_BYTES_MAX - 5)
    assert read_in_pieces(b"PING " + word + b"\r\n", 4096) == [[b"PING", word]]


def test_the_bulk_limit_follows_the_configuration() -> None:
    parser = RequestParser()
    assert parser.bulk_bytes_max == BULK_BYTES_MAX == 536870912
    parser.bulk_bytes_max = 1000
    parser.feed(request(b"x" * 1000))
    assert parser.next() == [b"x" * 1000]
    parser.feed(b"*1\r\n$1001\r\n")
    with pytest.raises(ProtocolError, match="invalid bulk length"):
        parser.next()


def test_a_peer_that_is_not_trusted_may_send_small_requests_only() -> None:
    small = [b"x" * 16384] * 10
    assert read_in_pieces(request(*small), 50000, trusted=False) == [small]
    assert refusal(b"*11\r\n", trusted=False) == "unauthenticated multibulk length"
    assert refusal(b"*2147483647\r\n", trusted=False) == "unauthenticated multibulk length"
    assert refusal(b"*2147483648\r\n", trusted=False) == "invalid multibulk length"
    assert refusal(b"*1\r\n$16385\r\n", trusted=False) == "unauthenticated bulk length"
    assert refusal(b"*1\r\n$536870913\r\n", trusted=False) == "invalid bulk length"


def test_trust_counts_from_the_next_request_on() -> None:
    parser = RequestParser()
    parser.trusted = False
    parser.feed(b"AUTH x\r\n" + request(*[b"a"] * 11))
    assert parser.next() == [b"AUTH", b"x"]
    parser.trusted = True
    assert parser.next() == [b"a"] * 11


@pytest.mark.parametrize("size", [32766, 32767, 32768, 32769, 65536, 1 << 20])
@pytest.mark.parametrize("piece", [1000, 16384, 65536])
def test_a_large_bulk_is_collected_from_pieces(size: int, piece: int) -> None:
    value = bytes(range(256)) * (size // 256) + b"r" * (size % 256)
    data = request(b"SET", b"k", value) + request(b"GET", b"k") + request(b"SET", b"l", value)
    expected = [[b"SET", b"k", value], [b"GET", b"k"], [b"SET", b"l", value]]
    assert read_in_pieces(data, piece) == expected
    assert read_in_pieces(data + TRAILING, piece) == [*expected, TRAILER]


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_large_bulk_may_be_cut_around_its_ends(cut: int) -> None:
    value = b"v" * 40000
    data = request(b"SET", b"k", value) + request(b"PING")
    for place in (cut, len(data) - cut):
        parser = RequestParser()
        found = []
        for part in (data[:place], data[place:]):
            parser.feed(part)
            found += drain(parser)
        assert found == [[b"SET", b"k", value], [b"PING"]]
        assert parser.buffered() == 0


def test_buffered_counts_what_makes_no_request_yet() -> None:
    parser = RequestParser()
    parser.feed(b"PING\r\nPI")
    assert parser.next() == [b"PING"]
    assert parser.next() is None
    assert parser.buffered() == 2
    parser.feed(b"NG\r\n*1\r\n$50000\r\n" + b"x" * 40000)
    assert parser.next() == [b"PING"]
    assert parser.next() is None
    assert parser.buffered() == 40000
    parser.feed(b"x" * 5000)
    assert parser.next() is None
    assert parser.buffered() == 45000
    parser.feed(b"x" * 5000 + b"\r\n")
    assert parser.next() == [b"x" * 50000]
    assert parser.next() is None
    assert parser.buffered() == 0


def test_reads_that_are_kept_while_a_session_waits_come_in_order() -> None:
    data = b"".join(request(b"SET", b"k%d" % i, b"v" * 5000) for i in range(20))
    for before in (0, 10, 5020, 20000):
        parser = RequestParser()
        parser.feed(data[:before])
        found = drain(parser)
        held = parser.buffered()
        for place in range(before, len(data), 777):
            parser.keep(data[place : place + 777])
        assert parser.buffered() == held + len(data) - before
        parser.feed(b"")
        found += drain(parser)
        assert [argv[1] for argv in found] == [b"k%d" % i for i in range(20)]
        assert parser.buffered() == 0


def test_a_huge_count_reserves_nothing() -> None:
    parser = RequestParser()
    parser.feed(b"*%d\r\n$1\r\na\r\n" % MULTIBULK_MAX)
    assert parser.next() is None
    assert parser.buffered() == 0


def test_the_place_of_a_request_in_the_data_is_known() -> None:
    parser = RequestParser()
    requests = [request(b"SET", b"a", b"1"), b"PING\r\n", request(b"GET", b"a")]
    parser.feed(b"".join(requests))
    for expected in requests:
        assert parser.next()
        assert parser.data[parser.begin : parser.position] == expected


def test_a_nul_ends_the_words_of_a_line_of_a_file() -> None:
    assert split_words(b"a 'b c' d\0e 'f") == [b"a", b"b c", b"d"]
    assert split_words(b"") == []
    assert split_words(b"a 'b") is None


def test_an_idle_parser_does_not_keep_the_last_arguments_alive() -> None:
    parser = RequestParser()
    parser.feed(b"*2\r\n$4\r\nECHO\r\n$6\r\nabcdef\r\n")
    argv = parser.next()
    assert argv is not None
    word = argv.pop()
    argv = parser.next()
    assert argv is None
    assert sys.getrefcount(word) == 2
    assert parser.buffered() == 0
    assert parser.data == b""
