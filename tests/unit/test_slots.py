"""Hash slots: CRC16/XMODEM of the key or of its tag."""

from __future__ import annotations

import binascii
import random

import pytest

from kvprotocol.slots import SLOT_COUNT, crc16, key_slot


def test_the_check_value_of_the_polynomial() -> None:
    assert crc16(b"123456789", 0, 9) == 0x31C3


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 8, 16, 17, 64, 1000])
def test_the_checksum_agrees_with_the_standard_library(length: int) -> None:
    source = random.Random(length)
    for _ in range(50):
        data = source.randbytes(length)
        assert crc16(data, 0, length) == binascii.crc_hqx(data, 0)


def test_a_part_of_the_data_is_summed_alone() -> None:
    data = b"xx123456789yy"
    for start in range(5):
        for stop in range(start, len(data) + 1):
            assert crc16(data, start, stop) == binascii.crc_hqx(data[start:stop], 0)


# As CLUSTER KEYSLOT of redis-server 7.0.15 answers.
@pytest.mark.parametrize(
    ("key", "slot"),
    [
        (b"", 0),
        (b"foo", 12182),
        (b"bar", 5061),
        (b"hello", 866),
        (b"somekey", 11058),
        (b"123456789", 12739),
        (b"\x00", 0),
        (b"\xff\xfe\x00", 16301),
    ],
)
def test_known_keys_are_in_the_slots_that_redis_says(key: bytes, slot: int) -> None:
    assert key_slot(key) == slot


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"{user1000}.following", b"user1000"),
        (b"a{b}c", b"b"),
        (b"foo{bar}{zap}", b"bar"),
        (b"foo{{bar}}zap", b"{bar"),
        (b"{a}", b"a"),
        (b"x{ }", b" "),
        (b"{\x00}k", b"\x00"),
        # No tag: the braces are not closed, empty, or closed before they are opened.
        (b"foo{}{bar}", b"foo{}{bar}"),
        (b"{}", b"{}"),
        (b"foo{bar", b"foo{bar"),
        (b"foo}bar{", b"foo}bar{"),
        (b"}{a}", b"a"),
        (b"{", b"{"),
        (b"a{}b", b"a{}b"),
    ],
)
def test_a_tag_alone_is_hashed(key: bytes, hashed: bytes) -> None:
    assert key_slot(key) == binascii.crc_hqx(hashed, 0) % SLOT_COUNT


def test_keys_spread_over_all_slots() -> None:
    assert len({int(key_slot(b"key:%d" % i)) for i in range(200000)}) == SLOT_COUNT
