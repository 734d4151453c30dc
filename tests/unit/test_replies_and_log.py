"""A reply means that its effects last as `appendfsync` says: else its client is cut off."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator

import pytest

from .disks import MemoryDisk, failure
from .loops import Loop
from .test_append_log import content, started

SECONDS = 5.0


class SlowDisk(MemoryDisk):
    """Its syncs are done in a thread, once `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.error = 0

    def step(self, operation: str) -> None:
        if operation == "sync":
            assert self.goes_on.wait(SECONDS)
            if self.error:
                raise failure(self.error)
        super().step(operation)


@pytest.fixture
def disk() -> Iterator[SlowDisk]:
    disk = SlowDisk()
    yield disk
    disk.goes_on.set()


class ThreadedLoop(Loop):
    """A node that syncs in a thread, since the disk is slow; each sync releases `synced`."""

    def __init__(self, disk: SlowDisk, policy: str = "always") -> None:
        super().__init__(started(disk, policy))
        disk.is_threaded = True
        syncer = self.node.append_log.syncer
        syncer.seconds = 1.0
        self.synced = threading.Semaphore(0)
        syncer.notify = self.synced.release


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
@pytest.mark.parametrize("is_large", [False, True])
def test_a_write_that_fails_is_never_acknowledged(
    disk: SlowDisk, policy: str, is_large: bool
) -> None:
    loop = Loop(started(disk, policy))
    if is_large:  # so that replies would go out before the end of the round
        assert loop.ask(b"SET v " + b"x" * 1000 + b"\r\n").writes == [b"+OK\r\n"]
    disk.room = 0
    extra = b"GET v\r\n" * 3000 if is_large else b""
    transport = loop.ask(b"SET a 1\r\n" + extra)
    assert transport.aborted
    assert transport.writes == []
    refused = loop.ask(b"SET b 1\r\n").writes
    assert refused == [b"-MISCONF Errors writing to the AOF file: no space left on device\r\n"]
    assert loop.ask(b"GET b\r\n").writes == [b"$-1\r\n"]
    disk.room = 1 << 30
    loop.engine.wait(1.1)
    assert loop.ask(b"SET b 1\r\n").writes == [b"+OK\r\n"]
    assert {b"a", b"b"} <= {key for _, key in content(disk)}


@pytest.mark.parametrize("policy", ["everysec", "no"])
def test_replies_that_go_out_within_a_round_are_written_before(disk: SlowDisk, policy: str) -> None:
    loop = Loop(started(disk, policy))
    connection, transport = loop.connect()
    connection.data_received(b"SET a 1\r\n")
    loop.rounds.flush_now()  # as a script does that runs for long
    assert transport.writes == [b"+OK\r\n"]
    assert list(content(disk)) == [(0, b"a")]


def test_a_reply_waits_for_its_sync(disk: SlowDisk) -> None:
    loop = ThreadedLoop(disk)
    disk.goes_on.clear()
    first = loop.ask(b"SET a 1\r\n")
    second = loop.ask(b"GET a\r\n")
    loop.rounds.flush_now()
    assert first.writes == second.writes == []
    disk.goes_on.set()
    assert loop.synced.acquire(timeout=SECONDS)
    loop.rounds.release()
    assert first.writes == [b"+OK\r\n"]
    assert second.writes == [b"$1\r\n1\r\n"]


def test_a_short_sync_is_done_at_once(disk: SlowDisk) -> None:
    loop = Loop(started(disk, "always"))
    disk.is_threaded = True
    assert loop.ask(b"SET a 1\r\n").writes == [b"+OK\r\n"]
    disk.error = errno.EIO
    assert loop.ask(b"SET b 1\r\n").aborted
    refused = loop.ask(b"SET c 1\r\n").writes
    assert refused == [b"-MISCONF Errors writing to the AOF file: input/output error\r\n"]


def test_what_waited_for_a_long_sync_goes_out_after_a_short_one(disk: SlowDisk) -> None:
    loop = ThreadedLoop(disk)
    disk.goes_on.clear()
    first = loop.ask(b"SET a 1\r\n")
    second = loop.ask(b"SET b 1\r\n")
    disk.goes_on.set()
    assert loop.synced.acquire(timeout=SECONDS)
    # The disk is fast again: the second round's sync is done as soon as the first one's is over.
    loop.node.append_log.syncer.seconds = 0.0
    loop.rounds.release()
    assert first.writes == second.writes == [b"+OK\r\n"]


def test_a_sync_each_second_is_not_followed_by_another(disk: SlowDisk) -> None:
    loop = ThreadedLoop(disk, "everysec")
    loop.ask(b"SET a 1\r\n")
    loop.engine.wait(1.1)
    assert loop.synced.acquire(timeout=SECONDS)
    loop.ask(b"SET b 1\r\n")
    loop.rounds.release()
    assert not loop.node.append_log.syncer.is_busy()
    assert not loop.synced.acquire(timeout=0.1)


def test_nobody_is_told_of_effects_whose_sync_failed(disk: SlowDisk) -> None:
    loop = ThreadedLoop(disk)
    disk.goes_on.clear()
    disk.error = errno.EIO
    first = loop.ask(b"SET a 1\r\n")
    disk.goes_on.set()
    assert loop.synced.acquire(timeout=SECONDS)
    # The thread is through, and the loop comes to other requests before it is told.
    second = loop.ask(b"SET b 1\r\n")
    assert second.aborted
    third = loop.ask(b"SET c 1\r\n")
    assert third.writes == [b"-MISCONF Errors writing to the AOF file: input/output error\r\n"]
    loop.rounds.release()
    assert first.aborted
    assert first.writes == second.writes == []
