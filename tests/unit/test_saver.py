"""SAVE, BGSAVE and the rules of `save`; what is loaded is what was saved."""

from __future__ import annotations

import errno
import random

import pytest

from kvnode.durability.rdb_reader import FileError

from .disks import MemoryDisk
from .engine import Dump, Engine
from .test_snapshot import request

FILE = "dump.rdb"
LIBRARY = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)"


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


def engine_on(disk: MemoryDisk, seed: int = 1) -> Engine:
    return Engine(seed=seed, disk=disk)


def finish(engine: Engine) -> None:
    """Let a background save come to its end."""
    while engine.node.saver.is_saving():
        engine.node.tick(engine.clock.now())


def loaded(disk: MemoryDisk) -> Dump:
    """What a new node finds in the file."""
    engine = engine_on(disk)
    loader = engine.node.start_loading([FILE], False)
    assert engine.send([b"GET", b"a"]).startswith(b"-LOADING")
    assert engine.send([b"PING"]).startswith(b"-LOADING")
    while not loader.is_done:
        loader.step(1.0)
    engine.node.check()
    return engine.dump()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_there_when_a_save_began_is_in_the_file(disk: MemoryDisk, seed: int) -> None:
    source = random.Random(seed)
    engine = engine_on(disk, seed)
    for _ in range(1500):
        engine.send(request(source))
    engine.send([b"SELECT", b"9"])
    engine.send([b"HSET", b"large", *(b"%d" % n for n in range(5000))])
    engine.send([b"SADD", b"large set", *(b"m%d" % n for n in range(2500))])
    engine.send([b"RPUSH", b"large list", *(b"e%d" % n * (n % 50) for n in range(3000))])
    engine.send([b"EVAL", b"return redis.call('SET', KEYS[1], 1)", b"1", b"k"])
    assert engine.send([b"FUNCTION", b"LOAD", LIBRARY]) == b"$3\r\nlib\r\n"
    engine.node.tick(engine.clock.now())
    expected = engine.dump()
    dirty = engine.node.dataset.dirty
    assert engine.send([b"BGSAVE"]) == b"+Background saving started\r\n"
    assert engine.send([b"BGSAVE"]).startswith(b"-ERR Background save already in progress")
    assert engine.send([b"SAVE"]).startswith(b"-ERR Background save already in progress")
    while engine.node.saver.is_saving():
        for _ in range(5):
            engine.send(request(source))
        engine.send([b"HSET", b"large", b"x%d" % source.randrange(99), b"y"])
        engine.send([b"DEL", b"large set"])
        engine.send([b"LPOP", b"large list"])
        engine.node.tick(engine.clock.now())
    assert engine.node.saver.last_is_ok
    assert engine.node.dataset.dirty < dirty
    assert loaded(disk) == expected
    assert engine.send([b"SAVE"]) == b"+OK\r\n"
    assert engine.node.dataset.dirty == 0
    assert loaded(disk) == engine.dump()


def test_what_has_expired_is_not_loaded(disk: MemoryDisk) -> None:
    engine = engine_on(disk)
    engine.send([b"SET", b"a", b"1", b"PX", b"100"])
    engine.send([b"SET", b"b", b"1", b"PX", b"100000"])
    assert engine.send([b"SAVE"]) == b"+OK\r\n"
    late = engine_on(disk)
    late.clock.seconds += 1.0
    late.node.tick(late.clock.now())
    loader = late.node.start_loading([FILE], False)
    loader.step(1.0)
    assert (loader.keys, loader.expired) == (1, 1)
    assert late.send([b"PTTL", b"b"]) == b":99000\r\n"


@pytest.mark.parametrize(
    ("operation", "number", "error", "text"),
    [
        ("create", 1, errno.EACCES, "permission denied"),
        ("write", 1, errno.ENOSPC, "no space left on device"),
        ("write", 2, errno.EIO, "input/output error"),
        ("sync", 1, errno.EIO, "input/output error"),
        ("replace", 1, errno.EIO, "input/output error"),
    ],
)
def test_a_save_that_fails_leaves_the_file_before_it_and_stops_writes(
    disk: MemoryDisk, operation: str, number: int, error: int, text: str
) -> None:
    engine = engine_on(disk)
    engine.send([b"SET", b"a", b"old"])
    assert engine.send([b"SAVE"]) == b"+OK\r\n"
    before = dict(disk.content)
    engine.node.journal.take()
    engine.send([b"SET", b"a", b"new"])
    for number_of_key in range(3000):
        engine.send([b"SET", b"%d" % number_of_key, b"v" * 50])
    disk.counts.clear()
    disk.fails_at[operation] = (number, error)
    assert engine.send([b"BGSAVE"]) == b"+Background saving started\r\n"
    finish(engine)
    assert disk.content == before
    events = engine.node.journal.take()
    assert events == [("warning", "cannot-save", {"file": FILE, "reason": text})]
    for words in ([b"SET", b"a", b"x"], [b"PING"], [b"DEL", b"a"]):
        assert engine.send(words).startswith(b"-MISCONF Redis is configured to save RDB")
    assert engine.send([b"GET", b"a"]) == b"$3\r\nnew\r\n"
    script = [b"EVAL", b"return redis.pcall('SET', 'a', 1)", b"0"]
    assert engine.send(script).startswith(b"-MISCONF")
    # The next attempt comes by itself, and with it the service.
    engine.clock.seconds += 6.0
    engine.node.saver.last_save = 0
    engine.node.tick(engine.clock.now())
    finish(engine)
    assert engine.send([b"SET", b"a", b"x"]) == b"+OK\r\n"
    assert loaded(disk)[0, b"a"][1] == b"new"


def test_a_full_disk_can_be_told_not_to_stop_writes(disk: MemoryDisk) -> None:
    engine = engine_on(disk)
    engine.send([b"SET", b"a", b"1"])
    disk.room = 10
    assert engine.send([b"SAVE"]) == b"-ERR\r\n"
    assert engine.send([b"SET", b"a", b"2"]) == b"+OK\r\n"
    engine.send([b"BGSAVE"])
    finish(engine)
    assert engine.send([b"SET", b"a", b"2"]).startswith(b"-MISCONF")
    engine.send([b"CONFIG", b"SET", b"stop-writes-on-bgsave-error", b"no"])
    assert engine.send([b"SET", b"a", b"2"]) == b"+OK\r\n"
    engine.send([b"CONFIG", b"SET", b"stop-writes-on-bgsave-error", b"yes"])
    assert engine.send([b"SET", b"a", b"3"]).startswith(b"-MISCONF")
    engine.send([b"CONFIG", b"SET", b"save", b""])
    assert engine.send([b"SET", b"a", b"3"]) == b"+OK\r\n"


def test_a_save_comes_when_a_rule_says_so(disk: MemoryDisk) -> None:
    engine = engine_on(disk)
    engine.send([b"CONFIG", b"SET", b"save", b"100 2"])
    engine.send([b"SET", b"a", b"1"])
    engine.clock.seconds += 101.0
    engine.node.tick(engine.clock.now())
    assert not engine.node.saver.is_saving()
    engine.send([b"SET", b"a", b"1"])
    engine.node.tick(engine.clock.now())
    finish(engine)
    assert engine.node.saver.saves == 1
    assert FILE in disk.content
    engine.node.tick(engine.clock.now())
    assert not engine.node.saver.is_saving()


def test_inside_exec_a_save_is_scheduled(disk: MemoryDisk) -> None:
    engine = engine_on(disk)
    for words in ([b"MULTI"], [b"BGSAVE"], [b"SET", b"a", b"1"]):
        engine.send(words)
    assert b"+Background saving scheduled" in engine.send([b"EXEC"])
    engine.node.tick(engine.clock.now())
    finish(engine)
    assert loaded(disk)[0, b"a"][1] == b"1"


def test_flushall_ends_a_save_and_has_an_empty_file_made(disk: MemoryDisk) -> None:
    engine = engine_on(disk)
    for number in range(5000):
        engine.send([b"SET", b"%d" % number, b"v"])
    engine.send([b"BGSAVE"])
    engine.node.tick(engine.clock.now())
    engine.send([b"FLUSHALL"])
    assert not engine.node.saver.is_saving()
    assert set(disk.content) <= {FILE}
    engine.node.tick(engine.clock.now())
    finish(engine)
    assert loaded(disk) == {}


def file_of(disk: MemoryDisk) -> bytes:
    engine = engine_on(disk)
    engine.send([b"SET", b"a", b"some text"])
    engine.send([b"RPUSH", b"list", b"1", b"2"])
    engine.send([b"SET", b"c", b"x", b"EX", b"100"])
    engine.send([b"SAVE"])
    return bytes(disk.content[FILE])


def test_no_flipped_byte_goes_unnoticed(disk: MemoryDisk) -> None:
    data = file_of(disk)
    for place in range(len(data)):
        for bit in (1, 128):
            disk.content[FILE] = bytearray(data)
            disk.content[FILE][place] ^= bit
            with pytest.raises(FileError, match=r"^dump\.rdb: .*\(offset \d+"):
                loaded(disk)


def test_no_torn_file_is_loaded(disk: MemoryDisk) -> None:
    data = file_of(disk)
    for size in range(len(data)):
        disk.content[FILE] = bytearray(data[:size])
        with pytest.raises(FileError, match=r"ends too early \(offset \d+"):
            loaded(disk)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"REDIS0012\xff", "RDB version 12, of which kvnode reads 1 to 11"),
        (b"hello world", "not an RDB file"),
        (b"REDIS0010\xfe\x20", "database 32, but the directive databases is 16"),
        (b"REDIS0010\x07\x01a", "a value of a module"),
        (b"REDIS0010\xf7", "a module's data"),
        (b"REDIS0010\x00\x01a\x01b\x00\x01a\x01b", "a key stands twice"),
        (b"REDIS0010\x63\x01a", "no known type of a value: 99"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(disk: MemoryDisk, data: bytes, text: str) -> None:
    disk.content[FILE] = bytearray(data)
    with pytest.raises(FileError, match=text):
        loaded(disk)


def test_a_file_without_a_checksum_is_loaded(disk: MemoryDisk) -> None:
    disk.content[FILE] = bytearray(b"REDIS0003\xfe\x01\xfd\xff\xff\xff\x7f\x00\x01a\x01b\xff")
    assert loaded(disk) == {(1, b"a"): (b"string", b"b", (2**31 - 1) * 1000)}
    disk.content[FILE] = bytearray(b"REDIS0010\x00\x01a\x01b\xff" + bytes(8))
    assert loaded(disk) == {(0, b"a"): (b"string", b"b", -1)}


def test_a_save_at_the_end_is_made_where_there_are_rules(disk: MemoryDisk) -> None:
    engine = engine_on(disk)
    engine.send([b"SET", b"a", b"1"])
    assert engine.send([b"SHUTDOWN", b"NOSAVE"]) == b""
    assert disk.content == {}
    assert engine.node.stop_requested
    engine = engine_on(disk)
    engine.send([b"SET", b"a", b"1"])
    disk.room = 5
    assert engine.send([b"SHUTDOWN"]).startswith(b"-ERR Errors trying to SHUTDOWN. Check logs.")
    assert not engine.node.stop_requested
    disk.room = 1000
    assert engine.send([b"SHUTDOWN"]) == b""
    assert loaded(disk)[0, b"a"][1] == b"1"


class FaultyDisk(MemoryDisk):
    """One whose writing thread meets a mistake of ours."""

    def step(self, operation: str) -> None:
        if operation == "write":
            raise RuntimeError("a mistake")
        super().step(operation)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_thread_that_has_ended() -> None:
    disk = FaultyDisk()
    disk.is_threaded = True
    engine = engine_on(disk)
    engine.send([b"SET", b"a", b"1"])
    engine.send([b"BGSAVE"])
    finish(engine)
    assert b"rdb_last_bgsave_status:err" in engine.send([b"INFO", b"persistence"])
