"""Redis's serialised forms: CRC-64, LZF, lengths, strings, and the frame of a dump."""

from __future__ import annotations

import random

import pytest
from librt.strings import BytesWriter

from kvnode.rdb.crc64 import crc64
from kvnode.rdb.encoding import Reader, write_length, write_string
from kvnode.rdb.lzf import DamagedError, compress, decompress
from kvnode.rdb.payload import seal, sealed_size


def encode_length(length: int) -> bytes:
    out = BytesWriter()
    write_length(out, length)
    return out.getvalue()


def encode_string(text: bytes, compresses: bool) -> bytes:
    out = BytesWriter()
    write_string(out, text, compresses)
    return out.getvalue()


def test_the_checksum_is_that_of_redis() -> None:
    assert crc64(b"") == 0
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA
    assert crc64(bytes(range(256))) == crc64(bytes(range(100, 256)), crc64(bytes(range(100))))


def test_a_dump_of_redis_is_sealed_and_recognised() -> None:
    dump = (
        b"\n\x00]\x9b\\@\x0f\x7f\xa2\xda"  # FUNCTION DUMP of redis-server 7.0.15 without libraries
    )
    assert seal(b"") == dump
    assert sealed_size(dump) == 0
    for i in range(len(dump)):
        broken = bytearray(dump)
        broken[i] ^= 1
        assert sealed_size(bytes(broken)) == -1
    assert sealed_size(dump[1:]) == -1
    assert sealed_size(seal(b"abc")) == 3


@pytest.mark.parametrize(
    ("length", "encoded"),
    [
        (0, b"\x00"),
        (63, b"\x3f"),
        (64, b"\x40\x40"),
        (16383, b"\x7f\xff"),
        (16384, b"\x80\x00\x00\x40\x00"),
        ((1 << 32) - 1, b"\x80\xff\xff\xff\xff"),
        (1 << 32, b"\x81\x00\x00\x00\x01\x00\x00\x00\x00"),
    ],
)
def test_lengths_take_the_shortest_form(length: int, encoded: bytes) -> None:
    assert encode_length(length) == encoded
    assert Reader(encoded).length() == length


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        (b"", b"\x00"),
        (b"abc", b"\x03abc"),
        (b"0", b"\xc0\x00"),
        (b"-128", b"\xc0\x80"),
        (b"128", b"\xc1\x80\x00"),
        (b"32768", b"\xc2\x00\x80\x00\x00"),
        (b"-2147483648", b"\xc2\x00\x00\x00\x80"),
        (b"2147483648", b"\x0a2147483648"),
        (b"007", b"\x03007"),
        (b"-0", b"\x02-0"),
        (b"a" * 20, b"\x14" + b"a" * 20),
        (b"a" * 21, b"\xc3\x06\x15\x01aa\xe0\n\x00"),  # as redis-server 7.0.15 has it
    ],
)
def test_strings_take_the_form_that_redis_chooses(text: bytes, encoded: bytes) -> None:
    assert encode_string(text, True) == encoded
    assert Reader(encoded).string() == text


def test_strings_stay_as_they_are_without_compression() -> None:
    assert encode_string(b"a" * 100, False) == b"\x40\x64" + b"a" * 100
    assert encode_string(b"12", False) == b"\xc0\x0c"


@pytest.mark.parametrize("seed", range(8))
def test_what_is_compressed_comes_back(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        size = rng.choice((1, 3, 4, 5, 30, 33, 300, 3000, 20000))
        alphabet = bytes(range(rng.choice((1, 2, 4, 30, 256))))
        data = bytes(rng.choices(alphabet, k=size))
        packed = compress(data, size)
        if packed is not None:
            assert len(packed) <= size
            assert decompress(packed, size) == data
        assert Reader(encode_string(data, True)).string() == data


def test_a_text_is_compressed_as_by_redis() -> None:
    code = (
        b"#!lua name=ok1\nredis.register_function('f1',function(k,a) return {k,a} end)\n"
        b"redis.register_function('f2',function(k,a) return {k,a} end)"
    )
    packed = compress(code, len(code) - 4)
    assert packed is not None
    assert packed[:32] == b"\x1f" + code[:31]
    assert decompress(packed, len(code)) == code
    assert len(packed) < len(code) * 3 // 4


def test_a_limit_that_is_too_small_ends_the_compression() -> None:
    assert compress(b"", 10) is None
    assert compress(b"a" * 100, 0) is None
    assert compress(b"a" * 100, 5) is None
    assert compress(bytes(range(100)), 96) is None
    data = b"abcdefgh" * 20
    packed = compress(data, 200)
    assert packed is not None
    assert compress(data, len(packed) - 1) is None


@pytest.mark.parametrize(
    ("packed", "size"),
    [
        (b"\x05ab", 6),
        (b"\x00a\xe0", 10),
        (b"\x00a\x20", 3),
        (b"\x00a\x20\x05", 4),
        (b"\x00a\xe0\x01", 10),
        (b"\x01ab", 1),
        (b"\x01ab", 3),
        (b"", 1),
    ],
)
def test_damaged_compression_is_refused(packed: bytes, size: int) -> None:
    with pytest.raises(DamagedError):
        decompress(packed, size)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x03ab",
        b"\x40",
        b"\x80\x00",
        b"\x82aaaa",
        b"\xc1\x00",
        b"\xc4",
        b"\xc3\x02",
        b"\xc3\xc0\x02",
        b"\xc3\x02\x80\xff\xff\xff\xffab",
    ],
)
def test_damaged_strings_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedError):
        Reader(data).string()
