"""Strings that are sent and read in pieces: whole for every reader."""

from __future__ import annotations

import asyncio
import random

import pytest

from kvclient import ArgumentError, Unavailable, UsageError

from .transport import AnyAsyncClient, AnyClient

PIECE = 1000


def test_a_value_comes_back_whole(c: AnyClient) -> None:
    for size in (0, 1, PIECE, PIECE + 1, 10 * PIECE + 7):
        value = bytes(range(33, 123)) * (size // 90 + 1)
        c.set_large("k", value[:size], piece_bytes=PIECE)
        assert c.strlen("k") == size
        if c.options.decode:
            with pytest.raises(UsageError, match="decode"):
                c.get_large("k")
        else:
            assert c.get_large("k", piece_bytes=PIECE) == value[:size]
        assert c.dbsize() == 1
    if not c.options.decode:
        assert c.get_large("missing") is None


def test_a_value_gets_its_lifetime_and_no_other(c: AnyClient) -> None:
    c.set("k", "v", ex=5)
    c.set_large("k", b"x" * 5000, piece_bytes=PIECE)
    assert c.ttl("k") == -1
    c.set_large("k", b"x" * 5000, ex=100, piece_bytes=PIECE)
    assert 99 <= c.ttl("k") <= 100
    with pytest.raises(ArgumentError):
        c.set_large("k", b"x", piece_bytes=0)


async def test_nobody_sees_parts_of_two_values(a: AnyAsyncClient) -> None:
    if a.options.decode:
        pytest.skip("get_large reads bytes")
    is_over = False

    async def write(letter: bytes) -> None:
        while not is_over:
            await asyncio.sleep(random.random() / 200)
            await a.set_large("k", letter * (20 * PIECE + letter[0]), piece_bytes=PIECE)

    writers = [asyncio.create_task(write(letter)) for letter in (b"a", b"b")]
    seen: list[bytes] = []
    while len(seen) < 30 or len(set(seen)) < 2:
        value = await a.get_large("k", piece_bytes=7 * PIECE)
        if value is not None:
            assert value == value[:1] * (20 * PIECE + value[0])
            seen.append(value[:1])
        await asyncio.sleep(0.001)
    is_over = True
    await asyncio.gather(*writers)


async def test_what_is_lost_halfway_is_written_anew(a: AnyAsyncClient) -> None:
    """A piece behind a hole would have zeros before it."""
    value = bytes(range(33, 123)) * 1000
    writer = asyncio.create_task(a.set_large("k", value, piece_bytes=PIECE))
    for _ in range(3):
        part = None
        while not part or await a.strlen(part) < 3 * PIECE:
            assert not writer.done()
            part = await a.randomkey()
        await a.delete(part)
    await writer
    assert await a.dbsize() == 1
    assert await a.strlen("k") == len(value)
    assert await a.getrange("k", 0, -1) == (value.decode() if a.options.decode else value)


async def test_what_is_lost_again_and_again_is_said(a: AnyAsyncClient) -> None:
    writer = asyncio.create_task(a.set_large("k", b"x" * 100 * PIECE, piece_bytes=PIECE))
    while not writer.done():
        await a.flushall()
    with pytest.raises(Unavailable, match="lost"):
        await writer
    assert await a.exists("k") == 0
