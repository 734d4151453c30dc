"""A server by script refuses, is full, or answers wrong: what a shuffle's handle makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kvclient.errors import (
    Corrupted,
    MissingData,
    ShuffleFull,
    ShuffleLost,
    ShuffleMismatch,
    ShuffleStale,
    Unavailable,
)
from kvclient.shuffle.blocks import checksum_of

from .fake_server import DROP, PARTIAL, FakeServer
from .flavour import Flavour
from .shuffling import opened, within

CREDIT = b":1000000\r\n"
FULL = b"-SHUFFLEFULL later\r\n"
BLOCK = b"P\x03\x00\x00\x00abc"


def fetched(*blocks: tuple[int, bytes], following: int = 0) -> bytes:
    """A reply to FETCH, of the blocks of map 0."""
    parts = [b"*%d\r\n$1\r\n%d\r\n" % (1 + len(blocks), following)]
    for seq, payload in blocks:
        checksum = b"%d" % checksum_of(payload)
        parts.append(
            b"*5\r\n:0\r\n$1\r\n7\r\n:%d\r\n$%d\r\n%b\r\n" % (seq, len(checksum), checksum)
        )
        parts.append(b"$%d\r\n%b\r\n" % (len(payload), payload))
    return b"".join(parts)


def status(blocks: int, size: int, checksum: int) -> bytes:
    """A reply to STATUS .. PARTITION."""
    text = b"%d" % checksum
    return b"*4\r\n:1\r\n:%d\r\n:%d\r\n$%d\r\n%b\r\n" % (blocks, size, len(text), text)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        fake.always.update(
            {
                "SHUFFLE.OPEN": b"*2\r\n:1\r\n:1000000\r\n",
                "SHUFFLE.PING": CREDIT,
                "SHUFFLE.MPUSH": CREDIT,
                "SHUFFLE.STATUS": status(1, len(BLOCK), checksum_of(BLOCK)),
                "SHUFFLE.FETCH": fetched((0, BLOCK)),
            }
        )
        yield fake


@pytest.fixture
def shuffle(f: Flavour, server: FakeServer) -> Any:
    client = f.client(f"kv://127.0.0.1:{server.port}?deadline=2")
    return opened(f, client, "job", maps=1, partitions=1, deadline_s=0.6)


def write(f: Flavour, shuffle: Any, count: int = 1) -> Any:
    with within(f, shuffle.map_task(0, block_bytes=1 << 20)) as task:
        for _ in range(count):
            f.do(lambda: task.write(0, bytes(1 << 20)))
    return task


@pytest.mark.parametrize("fault", [DROP, PARTIAL, FULL])
def test_a_push_is_repeated(f: Flavour, server: FakeServer, shuffle: Any, fault: Any) -> None:
    server.faults["SHUFFLE.MPUSH"] = [CREDIT, fault, fault]
    assert write(f, shuffle, 4).is_winner
    assert server.sent["SHUFFLE.MPUSH"] >= 6
    assert shuffle.progress.pushed_blocks == 4


@pytest.mark.parametrize("fault", [DROP, PARTIAL])
def test_a_commit_is_repeated(f: Flavour, server: FakeServer, shuffle: Any, fault: Any) -> None:
    server.faults["SHUFFLE.COMMIT"] = [fault, fault]
    assert write(f, shuffle).is_winner
    assert server.sent["SHUFFLE.COMMIT"] == 3


def test_a_server_that_stays_full_is_an_error_in_the_end(
    f: Flavour, server: FakeServer, shuffle: Any
) -> None:
    server.always["SHUFFLE.MPUSH"] = FULL
    with pytest.raises(ShuffleFull):
        write(f, shuffle)
    assert server.sent["SHUFFLE.ABORT"] == 1 and server.sent["SHUFFLE.COMMIT"] == 0


def test_without_credit_nothing_is_pushed(f: Flavour, server: FakeServer, shuffle: Any) -> None:
    server.faults["SHUFFLE.PING"] = [b":0\r\n"] * 3
    assert write(f, shuffle).is_winner
    assert server.sent["SHUFFLE.PING"] == 4 and server.sent["SHUFFLE.MPUSH"] == 1


def test_a_server_without_credit_is_an_error_in_the_end(
    f: Flavour, server: FakeServer, shuffle: Any
) -> None:
    server.always["SHUFFLE.PING"] = b":0\r\n"
    with pytest.raises(ShuffleFull, match="no credit"):
        write(f, shuffle)


def test_no_more_is_under_way_than_the_credit(f: Flavour, server: FakeServer, shuffle: Any) -> None:
    server.always["SHUFFLE.PING"] = server.always["SHUFFLE.MPUSH"] = b":2100000\r\n"
    most = 0
    with within(f, shuffle.map_task(0, block_bytes=1 << 20)) as task:
        for _ in range(8):
            f.do(lambda: task.write(0, bytes(1 << 20)))
            most = max(most, task._pusher._bytes_in_flight)
    assert 0 < most <= 2_100_000


@pytest.mark.parametrize("name", ["SHUFFLE.MPUSH", "SHUFFLE.COMMIT"])
def test_an_attempt_that_has_lost_ends_without_an_error(
    f: Flavour, server: FakeServer, shuffle: Any, name: str
) -> None:
    refusal = {"SHUFFLE.MPUSH": b"-SHUFFLEDUP 42\r\n", "SHUFFLE.COMMIT": b"$6\r\nDUP 42\r\n"}
    server.always[name] = refusal[name]
    task = write(f, shuffle)
    assert not task.is_winner and task.winner == 42


def test_a_push_that_is_refused_is_an_error(f: Flavour, server: FakeServer, shuffle: Any) -> None:
    server.faults["SHUFFLE.MPUSH"] = [b"-SHUFFLECHECK other bytes\r\n"]
    with pytest.raises(ShuffleMismatch):
        write(f, shuffle, 2)


def test_a_block_is_verified(f: Flavour, server: FakeServer, shuffle: Any) -> None:
    assert f.each(lambda: shuffle.read(0)) == [b"abc"]
    broken = fetched((0, BLOCK)).replace(b"abc", b"abd")
    server.faults["SHUFFLE.FETCH"] = [broken]
    with pytest.raises(Corrupted, match="checksum"):
        f.each(lambda: shuffle.read(0))


@pytest.mark.parametrize(
    "told",
    [
        status(2, len(BLOCK), checksum_of(BLOCK)),
        status(1, len(BLOCK) + 1, checksum_of(BLOCK)),
        status(1, len(BLOCK), checksum_of(BLOCK) ^ 1),
        status(0, 0, 0),
    ],
)
def test_nothing_may_be_missing_or_too_much(
    f: Flavour, server: FakeServer, shuffle: Any, told: bytes
) -> None:
    server.faults["SHUFFLE.STATUS"] = [told]
    with pytest.raises(MissingData, match="the shuffle has"):
        f.each(lambda: shuffle.read(0))


def test_a_read_goes_on_where_it_was_cut(f: Flavour, server: FakeServer, shuffle: Any) -> None:
    blocks = [(seq, b"P\x01\x00\x00\x00%d" % seq) for seq in range(4)]
    total = sum(checksum_of(payload) for _, payload in blocks) % (1 << 64)
    server.always["SHUFFLE.STATUS"] = status(4, 24, total)
    first, second = fetched(*blocks[:2], following=5), fetched(*blocks[2:])
    server.faults["SHUFFLE.FETCH"] = [first, DROP, second]
    assert f.each(lambda: shuffle.read(0)) == [b"0", b"1", b"2", b"3"]
    # Cut within a reply: what was seen of it is not yielded twice.
    server.faults["SHUFFLE.FETCH"] = [first, PARTIAL, second]
    server.always["SHUFFLE.FETCH"] = second
    assert f.each(lambda: shuffle.read(0)) == [b"0", b"1", b"2", b"3"]


def test_a_reader_that_takes_its_time_is_not_a_silent_server(
    f: Flavour, server: FakeServer, shuffle: Any
) -> None:
    blocks = [(seq, b"P\x01\x00\x00\x00%d" % seq) for seq in range(4)]
    total = sum(checksum_of(payload) for _, payload in blocks) % (1 << 64)
    server.always["SHUFFLE.STATUS"] = status(4, 24, total)
    first, second = fetched(*blocks[:2], following=5), fetched(*blocks[2:])
    server.faults["SHUFFLE.FETCH"] = [first, DROP, second]
    rows = shuffle.read(0)
    read = []
    for _ in blocks:
        read.append(f.do(rows.__anext__) if f.is_async else next(rows))
        f.pause(0.7)  # more than the shuffle's patience
    assert read == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [(b"-SHUFFLELOST 2 maps\r\n", ShuffleLost), (b"-SHUFFLESTALE 3\r\n", ShuffleStale)],
)
def test_a_loss_in_the_middle_has_a_type(
    f: Flavour, server: FakeServer, shuffle: Any, refusal: bytes, kind: type[Exception]
) -> None:
    server.faults["SHUFFLE.FETCH"] = [fetched((0, BLOCK), following=5), refusal]
    with pytest.raises(kind):
        f.each(lambda: shuffle.read(0))


def test_a_server_that_is_gone_is_an_error_in_the_end(
    f: Flavour, server: FakeServer, shuffle: Any
) -> None:
    server.always["SHUFFLE.MPUSH"] = server.always["SHUFFLE.FETCH"] = DROP
    with pytest.raises(Unavailable):
        write(f, shuffle)
    with pytest.raises(Unavailable):
        f.each(lambda: shuffle.read(0))
