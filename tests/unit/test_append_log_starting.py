"""The append-only log is found, taken over, turned on and off without anything being lost."""

from __future__ import annotations

import errno

import pytest

from kvnode.config import Config
from kvnode.durability.rdb_reader import FileError

from .disks import MemoryDisk
from .engine import Engine, StandingClock
from .test_append_log import (
    BASE,
    FOLDER,
    INCREMENT,
    MANIFEST,
    content,
    disk,
    finish,
    started,
    write_out,
)

__all__ = ["disk"]

LIBRARY = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)"
OLD = b"*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n"


class RunningClock(StandingClock):
    """A clock that each look moves."""

    def now(self) -> float:
        self.seconds += 0.01
        return self.seconds


def without_log(disk: MemoryDisk) -> Engine:
    """A node whose log is off, and can be turned on by CONFIG SET."""
    config = Config()
    config.set_many([("save", ""), ("appendfsync", "always")])
    engine = Engine(config=config, disk=disk)
    log = engine.node.append_log
    config.subscribe(
        "appendonly", lambda: log.turn_on() if config.flag("appendonly") else log.turn_off()
    )
    return engine


def turn_on(engine: Engine) -> None:
    assert engine.send([b"CONFIG", b"SET", b"appendonly", b"yes"]) == b"+OK\r\n"


def let_pass(engine: Engine) -> None:
    """Let what is scheduled happen, and come to its end."""
    engine.node.tick(engine.clock.now())
    while engine.node.saver.is_saving() or engine.node.append_log.job is not None:
        engine.node.tick(engine.clock.now())


def test_turning_on_leaves_an_older_log_whole_until_the_new_base_is_there(
    disk: MemoryDisk,
) -> None:
    before = started(disk)
    before.send([b"SET", b"old", b"1"])
    write_out(before)
    engine = without_log(disk)
    engine.send([b"INCR", b"n"])
    turn_on(engine)
    engine.send([b"INCR", b"n"])
    write_out(engine)
    assert list(content(disk)) == [(0, b"old")]


def test_the_files_of_an_older_log_go_once_it_is_replaced(disk: MemoryDisk) -> None:
    started(disk)
    engine = without_log(disk)
    turn_on(engine)
    let_pass(engine)
    numbered = (FOLDER + "appendonly.aof.2.base.rdb", FOLDER + "appendonly.aof.2.incr.aof")
    assert sorted(disk.content) == [*numbered, MANIFEST]


def test_a_damaged_manifest_keeps_the_log_off(disk: MemoryDisk) -> None:
    disk.content[MANIFEST] = bytearray(b"nonsense\n")
    engine = without_log(disk)
    with pytest.raises(FileError, match="manifest: line 1"):
        engine.node.append_log.turn_on()
    assert engine.send([b"BGREWRITEAOF"]).startswith(b"-ERR")
    assert disk.content == {MANIFEST: b"nonsense\n"}


@pytest.mark.parametrize("other", [b"BGSAVE", b"BGREWRITEAOF"])
def test_turning_on_bears_a_snapshot_in_progress(disk: MemoryDisk, other: bytes) -> None:
    engine = without_log(disk)
    engine.send([b"SET", b"a", b"1"])
    engine.send([other])
    turn_on(engine)
    engine.send([b"SET", b"b", b"1"])
    let_pass(engine)
    engine.send([b"SET", b"c", b"1"])
    write_out(engine)
    assert engine.node.append_log.is_on
    assert content(disk) == engine.dump()


def test_turning_on_inside_a_transaction_takes_the_dataset_behind_it(disk: MemoryDisk) -> None:
    engine = without_log(disk)
    switch = [b"CONFIG", b"SET", b"appendonly", b"yes"]
    for words in ([b"MULTI"], [b"INCR", b"a"], switch, [b"INCR", b"a"], [b"EXEC"]):
        engine.send(words)
    let_pass(engine)
    engine.send([b"INCR", b"a"])
    write_out(engine)
    assert content(disk)[0, b"a"][1] == b"3"


def test_turning_off_before_the_first_base_is_made_leaves_nothing(disk: MemoryDisk) -> None:
    engine = without_log(disk)
    turn_on(engine)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    assert engine.send([b"CONFIG", b"SET", b"appendonly", b"no"]) == b"+OK\r\n"
    assert disk.content == {}
    assert content(disk) == {}


def test_increments_of_rewrites_that_failed_do_not_pile_up(disk: MemoryDisk) -> None:
    engine = without_log(disk)
    engine.send([b"SET", b"a", b"1"])
    disk.counts.clear()
    disk.fails_at["replace"] = (1, errno.EIO)
    turn_on(engine)
    let_pass(engine)
    assert not engine.node.append_log.is_on
    engine.clock.seconds += 61.0
    let_pass(engine)
    assert engine.node.append_log.is_on
    assert len(disk.content) == 3
    assert content(disk) == engine.dump()


def test_a_first_base_that_fails_leaves_nothing_until_the_next_try(disk: MemoryDisk) -> None:
    engine = without_log(disk)
    disk.fails_at["replace"] = (1, errno.EIO)
    turn_on(engine)
    let_pass(engine)
    assert disk.content == {}
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    assert disk.content == {}
    with pytest.raises(FileError, match="its first base is not made yet"):
        engine.node.append_log.current_files()
    engine.clock.seconds += 61.0
    let_pass(engine)
    assert content(disk) == engine.dump()


def test_a_rewrite_that_fails_while_the_log_is_off_leaves_the_files_as_they_are(
    disk: MemoryDisk,
) -> None:
    started(disk)
    before = {name: bytes(data) for name, data in disk.content.items()}
    engine = without_log(disk)
    disk.fails_at["replace"] = (disk.counts["replace"] + 2, errno.EIO)  # of the manifest
    engine.send([b"BGREWRITEAOF"])
    let_pass(engine)
    temporary = f"{MANIFEST.rpartition('/')[0]}/temp-{MANIFEST.rpartition('/')[2]}"
    disk.content.pop(temporary, None)
    assert disk.content == before


def test_data_that_takes_the_place_of_all_is_logged_once_the_manifest_is_mended(
    disk: MemoryDisk,
) -> None:
    engine = started(disk)
    manifest = bytes(disk.content[MANIFEST])
    engine.node.empty()
    disk.content[MANIFEST][:] = b"nonsense\n"
    engine.send([b"SET", b"a", b"1"])
    engine.node.config.set_many([("appendonly", "yes")])
    engine.node.note_replaced()
    assert "cannot-write-log" in [name for _, name, _ in engine.node.journal.take()]
    disk.content[MANIFEST][:] = manifest
    engine.clock.seconds += 61.0
    let_pass(engine)
    engine.clock.seconds += 61.0
    let_pass(engine)
    assert engine.node.append_log.is_on
    assert content(disk) == engine.dump()


def test_the_numbers_go_on_behind_those_of_foreign_names(disk: MemoryDisk) -> None:
    disk.content[FOLDER + "x"] = bytearray(OLD)
    disk.synced[FOLDER + "x"] = len(OLD)
    disk.content[MANIFEST] = bytearray(b"file x seq 7 type i\n")
    engine = started(disk)
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    engine.send([b"SET", b"b", b"1"])
    write_out(engine)
    assert FOLDER + "appendonly.aof.8.incr.aof" in disk.content
    assert content(disk) == engine.dump()


def test_writes_are_accepted_again_once_a_broken_log_is_turned_off(disk: MemoryDisk) -> None:
    engine = started(disk)
    log = engine.node.append_log
    disk.room = 0
    engine.send([b"SET", b"a", b"1"])
    log.write_out()
    assert engine.send([b"SET", b"b", b"1"]).startswith(b"-MISCONF Errors writing to the AOF")
    log.turn_off()
    assert engine.send([b"SET", b"b", b"1"]) == b"+OK\r\n"
    events = [(name, fields) for _, name, fields in engine.node.journal.take()]
    size = len(disk.content[INCREMENT])
    told = {"file": INCREMENT, "offset": size, "reason": "no space left on device"}
    assert [fields for name, fields in events if name == "cannot-write-log"] == [told]
    assert [fields for name, fields in events if name == "cannot-close-log"] == [told]


def test_what_could_not_be_written_is_tried_once_more_at_the_end(disk: MemoryDisk) -> None:
    engine = started(disk)
    room = disk.room
    disk.room = 0
    engine.send([b"SET", b"a", b"1"])
    engine.node.append_log.write_out()
    disk.room = room
    engine.node.append_log.turn_off()
    assert list(content(disk)) == [(0, b"a")]


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("operation", ["create", "write", "sync", "replace", "remove"])
def test_a_start_whose_first_files_cannot_be_made_is_refused(
    disk: MemoryDisk, operation: str, number: int
) -> None:
    disk.fails_at[operation] = (number, errno.ENOSPC)
    try:
        engine = started(disk)
    except FileError as error:
        assert "appendonlydir" in str(error)
        assert "no space left on device" in str(error)
        disk.fails_at.clear()
        started(disk)
    else:
        # The last sync is the open file's own: its failure is told when something is written.
        assert disk.counts.get(operation, 0) < number or engine.node.append_log.error()


@pytest.mark.parametrize("operation", ["make_folder", "create", "write", "sync", "replace"])
@pytest.mark.parametrize("number", [1, 2])
def test_an_old_log_of_one_file_is_never_lost(
    disk: MemoryDisk, operation: str, number: int
) -> None:
    disk.content["appendonly.aof"] = bytearray(OLD)
    disk.synced["appendonly.aof"] = len(OLD)
    disk.fails_at[operation] = (number, errno.EIO)
    try:
        started(disk)
    except FileError as error:
        assert "appendonlydir" in str(error)
        disk.fails_at.clear()
    assert list(content(disk)) == [(0, b"a")]


def test_increments_without_a_manifest_are_not_passed_over(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    del disk.content[MANIFEST]
    before = {name: bytes(data) for name, data in disk.content.items()}
    with pytest.raises(FileError, match=r"1\.incr\.aof: a log without its manifest"):
        started(disk)
    assert disk.content == before


@pytest.mark.parametrize("size", [0, 3, 9, 40])
def test_a_base_that_is_cut_off_is_refused(disk: MemoryDisk, size: int) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    base = FOLDER + "appendonly.aof.2.base.rdb"
    del disk.content[base][size:]
    with pytest.raises(FileError, match=r"2\.base\.rdb: .*\(offset \d+"):
        started(disk)


def test_a_database_that_is_not_there_is_refused(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    size = len(disk.content[INCREMENT])
    disk.content[INCREMENT] += b"*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n" + OLD
    text = rf"1\.incr\.aof: database 99, but the directive databases is 16 \(offset {size}\)"
    with pytest.raises(FileError, match=text):
        started(disk)


def test_the_first_request_that_fails_is_named(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"x"])
    write_out(engine)
    size = len(disk.content[INCREMENT])
    disk.content[INCREMENT] += b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n" * 2
    lines = [(name, fields) for _, name, fields in started(disk).node.journal.take()]
    reason = "INCR: ERR value is not an integer or out of range"
    fields = {"file": INCREMENT, "offset": size, "reason": reason}
    assert lines.count(("request-of-log-failed", fields)) == 1
    assert [name for name, _ in lines].count("request-of-log-failed") == 1


def test_a_library_that_cannot_be_loaded_is_refused(disk: MemoryDisk) -> None:
    engine = without_log(disk)
    engine.node.config.set_many([("rdbcompression", "no")])
    assert engine.send([b"FUNCTION", b"LOAD", LIBRARY]) == b"$3\r\nlib\r\n"
    engine.send([b"SAVE"])
    data = disk.content["dump.rdb"]
    data[data.index(b"('f'")] = ord("!")
    data[-8:] = bytes(8)
    loader = without_log(disk).node.start_loading(["dump.rdb"], False)
    with pytest.raises(FileError, match=r"dump\.rdb: the library of functions .*lib: ERR Error"):
        loader.step(1.0)


def test_the_base_is_named_where_it_is_missing(disk: MemoryDisk) -> None:
    started(disk)
    del disk.content[BASE]
    with pytest.raises(FileError, match=r"1\.base\.rdb: named in the manifest, but not there"):
        started(disk)


def test_a_word_whose_length_is_a_lie_takes_no_memory(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    disk.content[INCREMENT] += b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$4294967296\r\nx"
    asked = max_read(disk)
    assert list(content(disk)) == [(0, b"a")]
    assert max(asked) <= 1 << 23


def max_read(disk: MemoryDisk) -> list[int]:
    """Note the sizes of the reads from now on."""
    sizes: list[int] = [0]
    disk.on_read = sizes.append
    return sizes


def test_the_log_is_not_turned_on_while_the_dataset_is_loaded(disk: MemoryDisk) -> None:
    engine = without_log(disk)
    for number in range(3000):
        engine.send([b"SET", b"key:%d" % number, b"1"])
    engine.send([b"SAVE"])
    other = without_log(disk)
    loader = other.node.start_loading(["dump.rdb"], False)
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    switch = [b"CONFIG", b"SET", b"maxmemory", b"0", b"AppendOnly", b"yes"]
    assert other.send(switch) == loading
    assert other.send([b"GET", b"key:1"]) == loading
    assert b"loading_rdb_used_mem:0\r\n" in other.send([b"INFO", b"persistence"])
    other.node.clock = RunningClock(other.clock.seconds)
    loader.step(0.015)
    assert not loader.is_done
    info = other.send([b"INFO", b"persistence"])
    assert f"loading_rdb_used_mem:{loader.used_memory}".encode() in info
    assert loader.used_memory > 0
    while not loader.is_done:
        loader.step(1.0)
    assert other.send(switch) == b"+OK\r\n"


def test_a_log_is_rewritten_by_the_size_of_its_base_after_a_restart(disk: MemoryDisk) -> None:
    engine = started(disk)
    for number in range(1000):
        engine.send([b"SET", b"a", b"%d" % number])
    write_out(engine)
    again = started(disk, auto_aof_rewrite_min_size="10000")
    assert again.node.append_log.base_size == len(disk.content[BASE])
    again.node.tick(again.clock.now())
    finish(again)
    assert again.node.append_log.rewrites == 1
    assert content(disk) == again.dump()


def test_resetstat_counts_saves_and_rewrites_anew(disk: MemoryDisk) -> None:
    engine = started(disk)
    assert b"aof_rewrites:0\r\n" in engine.send([b"INFO", b"persistence"])
    engine.send([b"SAVE"])
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    info = engine.send([b"INFO", b"persistence"])
    assert b"aof_rewrites:1\r\n" in info
    assert b"rdb_saves:1\r\n" in info
    engine.send([b"CONFIG", b"RESETSTAT"])
    info = engine.send([b"INFO", b"persistence"])
    assert b"aof_rewrites:0\r\n" in info
    assert b"rdb_saves:0\r\n" in info
