"""Bits of byte strings: every result against the same one by big integers and texts of digits."""

from __future__ import annotations

import random

import pytest

from kvnode.structures.bit_strings import (
    AND,
    NOT,
    OR,
    XOR,
    combine,
    count_ones,
    first_bit,
    read_bits,
    write_bits,
)

SIZES = [*range(34), 239, 240, 241, 479, 480, 481, 1000, 65535, 65536, 65537, 140_001]


def digits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def samples(size: int) -> list[bytes]:
    draw = random.Random(size)
    return [
        draw.randbytes(size),
        b"\xff" * size,
        bytes(size),
        bytes(max(size - 1, 0)) + b"\x01"[:size],
    ]


@pytest.mark.parametrize("size", SIZES)
def test_ones_are_counted_in_any_part_of_either_form(size: int) -> None:
    draw = random.Random(size)
    for data in samples(size):
        for _ in range(3):
            start, end = sorted(draw.randint(0, size) for _ in range(2))
            expected = int.from_bytes(data[start:end], "big").bit_count()
            assert count_ones(data, start, end) == expected
            assert count_ones(bytearray(data), start, end) == expected


@pytest.mark.parametrize("size", SIZES)
def test_the_first_bit_of_either_kind_is_found(size: int) -> None:
    draw = random.Random(size)
    for data in samples(size):
        start, end = sorted(draw.randint(0, len(data)) for _ in range(2))
        text = digits(data[start:end])
        for bit in (0, 1):
            place = text.find(str(bit))
            expected = place + start * 8 if place >= 0 else -1
            assert first_bit(data, bit, start, end) == expected
            assert first_bit(bytearray(data), bit, start, end) == expected


@pytest.mark.parametrize("size", SIZES)
def test_strings_are_joined_as_if_padded_with_zeros(size: int) -> None:
    first, second, *_ = samples(size)
    second = second[: random.Random(size).randint(0, size)]
    a = int.from_bytes(first, "big")
    b = int.from_bytes(second + bytes(size - len(second)), "big")
    sources: list[bytes | bytearray] = [first, bytearray(second)]
    assert combine(AND, sources, size) == (a & b).to_bytes(size, "big")
    assert combine(OR, sources, size) == (a | b).to_bytes(size, "big")
    assert combine(XOR, [*sources, second], size) == first
    assert combine(NOT, [first], size) == bytes(255 - byte for byte in first)


def test_a_field_is_read_and_written_at_any_place() -> None:
    draw = random.Random(1)
    data = bytearray(draw.randbytes(40))
    for _ in range(2000):
        bits = draw.randint(1, 64)
        offset = draw.randint(0, 320 - bits)
        text = digits(bytes(data))
        assert read_bits(data, offset, bits) == int(text[offset : offset + bits], 2)
        value = draw.getrandbits(70) - (1 << 69)
        write_bits(data, offset, bits, value)
        assert read_bits(bytes(data), offset, bits) == value % (1 << bits)
        after = digits(bytes(data))
        assert after[:offset] + after[offset + bits :] == text[:offset] + text[offset + bits :]


def test_a_field_beyond_the_end_is_zero() -> None:
    assert read_bits(b"\xff", 4, 8) == 0xF0
    assert read_bits(b"\xff", 8, 8) == 0
    assert read_bits(b"", 1000, 64) == 0


def test_the_first_bit_is_found_behind_blocks_that_are_all_alike() -> None:
    for bit in (0, 1):
        for place in (0, 65_535, 65_536, 65_537, 140_000):
            data = bytearray((b"\0" if bit else b"\xff") * 150_000)
            data[place] ^= 4
            for start in (0, 1, 70_000):
                expected = place * 8 + 5 if place >= start else -1
                assert first_bit(data, bit, start, len(data)) == expected
                assert first_bit(bytes(data), bit, start, len(data)) == expected
                assert first_bit(data, bit, start, place) == -1


def test_strings_of_several_blocks_are_joined() -> None:
    draw = random.Random(3)
    size = (1 << 20) + 77
    first, third = draw.randbytes(size), draw.randbytes(1000)
    sources: list[bytes | bytearray] = [first, bytearray(draw.randbytes(size - 50)), third]
    numbers = [int.from_bytes(bytes(source).ljust(size, b"\0"), "big") for source in sources]
    joined = numbers[0] ^ numbers[1] ^ numbers[2]
    assert combine(XOR, sources, size) == joined.to_bytes(size, "big")
    assert combine(OR, sources[:1], size) == sources[0]
