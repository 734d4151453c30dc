"""Integers and doubles as Redis reads and prints them; results are those of redis-server 7.0.15."""

from __future__ import annotations

import math
import random
import struct

import pytest

from kvprotocol.numbers import I64_MAX, I64_MIN, format_double, parse_float, parse_int


@pytest.mark.parametrize(
    "value",
    [0, 1, -1, 9, 10, -10, 123456789012345678, 10**17, 10**18 - 1, 10**18, -(10**18)]
    + [I64_MAX, I64_MIN, I64_MAX - 1, I64_MIN + 1, 999999999999999999, -999999999999999999],
)
def test_a_canonical_integer_is_read(value: int) -> None:
    assert parse_int(b"%d" % value) == value


@pytest.mark.parametrize(
    "text",
    [b"", b"-", b"+1", b" 1", b"1 ", b"01", b"-0", b"-01", b"00", b"1.0", b"1e3", b"0x1", b"a"]
    + [b"1a", b"--1", b"1-", b"1\0", b"\xb2", b"1_0", b"9223372036854775808"]
    + [b"-9223372036854775809", b"99999999999999999999", b"123456789012345678x"]
    + [b"1234567890123456789x", b"-123456789012345678901", b"0" * 20, b"1" * 21, b"9" * 5000]
    + [b"1234567890 12345678", b"-1234567890123456789-"],
)
def test_other_texts_are_no_integers(text: bytes) -> None:
    assert parse_int(text) is None


def test_integers_agree_with_python_over_all_lengths() -> None:
    source = random.Random(1)
    for _ in range(3000):
        value = source.randrange(-(10 ** source.randrange(1, 22)), 10 ** source.randrange(1, 22))
        expected = value if I64_MIN <= value <= I64_MAX else None
        assert parse_int(b"%d" % value) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0.0),
        (b"1", 1.0),
        (b"+1", 1.0),
        (b"-1.5", -1.5),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"1e3", 1000.0),
        (b"1E-3", 0.001),
        (b"00012", 12.0),
        (b"0x10", 16.0),
        (b"0X1.8P-3", 0.1875),
        (b"-0x.8", -0.5),
        (b"inf", math.inf),
        (b"+Infinity", math.inf),
        (b"-INF", -math.inf),
        (b"1.7976931348623157e308", 1.7976931348623157e308),
        (b"5e-324", 5e-324),
        (b"1e-320", 1e-320),
        (b"0e999999", 0.0),
        (b"0.000e-5", 0.0),
        (b"0x0p5", 0.0),
        (b"1" * 300, float("1" * 300)),
    ],
)
def test_a_float_is_read_as_strtod_reads_it(text: bytes, value: float) -> None:
    assert parse_float(text) == value


@pytest.mark.parametrize(
    "text",
    [b"", b" 1", b"1 ", b"\t1", b"1\n", b"a", b"1a", b"nan", b"-nan", b"NAN", b"nan(1)", b"1_000"]
    + [b".", b"e5", b"1e", b"1e+", b"--1", b"+-1", b"1.5.1", b"1,5", b"0x", b"0x1p", b"1p3"]
    + [b"0x1_0", b"infi", b"infinityx", b"1\0", b"\xd9\xa1", b"1f", b"0b1"]
    # What has no representation is refused, not rounded to zero or infinity.
    + [b"1e309", b"-1e309", b"9.552e+308", b"1e400", b"1e-400", b"2e-324", b"-1e-5000"]
    + [b"0x1p1024", b"0x1p-16445", b"0.0e-1x"],
)
def test_other_texts_are_no_floats(text: bytes) -> None:
    assert parse_float(text) is None


def test_a_negative_zero_keeps_its_sign() -> None:
    for text in (b"-0", b"-0.0", b"-0x0", b"-0e5"):
        value = parse_float(text)
        assert value == 0.0
        assert value is not None and math.copysign(1.0, value) == -1.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0"),
        (-0.0, b"-0"),
        (1.0, b"1"),
        (-17.0, b"-17"),
        (1.5, b"1.5"),
        (0.1, b"0.10000000000000001"),
        (3.14, b"3.1400000000000001"),
        (1e15, b"1000000000000000"),
        (4503599627370495.0, b"4503599627370495"),
        (4503599627370496.0, b"4503599627370496"),
        (1e16, b"10000000000000000"),
        (1e17, b"1e+17"),
        (123456789012345680.0, b"1.2345678901234568e+17"),
        (1e100, b"1e+100"),
        (1e-7, b"9.9999999999999995e-08"),
        (5e-324, b"4.9406564584124654e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
        (math.inf, b"inf"),
        (-math.inf, b"-inf"),
        (math.nan, b"nan"),
    ],
)
def test_a_double_is_printed_as_redis_prints_it(value: float, text: bytes) -> None:
    assert format_double(value) == text


def test_a_printed_double_reads_back_as_itself() -> None:
    source = random.Random(2)
    for _ in range(3000):
        value = struct.unpack("<d", source.randbytes(8))[0]
        if value == value:
            assert parse_float(format_double(value)) == value


def test_plain_decimals_are_read_as_by_the_c_library() -> None:
    source = random.Random(4)
    for _ in range(5000):
        digits = b"%d" % source.randrange(10 ** source.randrange(1, 17))
        point = source.randrange(len(digits) + 1)
        text = source.choice([b"", b"-", b"-0"]) + digits[:point] + b"." + digits[point:]
        value = parse_float(text)
        assert value is not None
        assert struct.pack("<d", value) == struct.pack("<d", float(text)), text
